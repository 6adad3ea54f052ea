"""Who is answered: own hosts and own pages only, beyond this machine only with the token, writes never without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from doxa.lab.view.app import make_app
from doxa.lab.view.run_list import Runs
from doxa.lab.view.security import HEADERS, POLICY, Door, is_loopback, new_token
from tests.lab.view.sample_runs import write_run

TOKEN = "t" * 20
LOCAL = Door("127.0.0.1", 8417, TOKEN)
WIDE = Door("0.0.0.0", 8417, TOKEN)
NAMED = Door("lab.example", 8417, TOKEN)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write_run(root)
    return Runs.of(root)


def client(runs, door, base="http://127.0.0.1:8417"):
    return TestClient(make_app(runs, door), base_url=base, follow_redirects=False)


@pytest.mark.parametrize(
    "path", ["/", "/api/runs", "/static/ui.js", "/nothing", "/api/nothing", "/run/x/overview"]
)
def test_every_answer_carries_the_headers(runs, path):
    answer = client(runs, LOCAL).get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["content-security-policy"] == POLICY
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:8417", "localhost:8417", "LOCALHOST:8417", "[::1]:8417"])
def test_own_hosts_are_answered(runs, host):
    assert client(runs, LOCAL).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8417", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8418",
        "127.0.0.1:8417@evil.example",
        "127.0.0.1.evil.example:8417", "localhost.:8417", "localhost.evil.example:8417", "0.0.0.0:8417",
        "10.0.0.1:8417", "127.0.0.1:8417.", "127.0.0.1:08417x", "", "[::1]", "[::1", "::1:8417:1", "\uff12:8417",
    ],
)  # fmt: skip
def test_foreign_hosts_are_refused(runs, host):
    answer = client(runs, LOCAL).get("/api/runs", headers={"host": host.encode()})
    assert answer.status_code == 421
    assert "kable" not in answer.text


def test_two_hosts_are_refused(runs):
    headers = [("host", "127.0.0.1:8417"), ("host", "evil.example")]
    assert client(runs, LOCAL).get("/", headers=headers).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:8418"},
        {"origin": "https://127.0.0.1:8417"}, {"origin": "http://localhost:8417"}, {"origin": ""},
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "odd"},
    ],
)  # fmt: skip
def test_other_sites_are_refused(runs, headers):
    answer = client(runs, LOCAL).get("/api/runs", headers=headers)
    assert answer.status_code == 403
    assert "kable" not in answer.text


def test_a_guarded_door_asks_on_this_machine_too(runs):
    visitor = client(runs, replace(LOCAL, guarded=True))
    assert visitor.get("/api/runs").status_code == 401
    assert visitor.get("/api/runs", headers={"x-doxa-token": TOKEN}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1:8417"}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"}],
)
def test_own_pages_are_answered(runs, headers):
    assert client(runs, LOCAL).get("/api/runs", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"])
@pytest.mark.parametrize("given", [{}, {"x-doxa-token": "wrong"}, {"cookie": f"{LOCAL.cookie}={TOKEN}"}])
def test_a_request_that_writes_needs_the_token_in_a_header(runs, method, given):
    assert client(runs, LOCAL).request(method, "/api/runs", headers=given).status_code == 403
    assert client(runs, LOCAL).request(method, f"/api/runs?token={TOKEN}", headers=given).status_code == 403
    assert (
        client(runs, LOCAL).request(method, "/api/runs", headers={"x-doxa-token": TOKEN}).status_code == 405
    )


def test_beyond_this_machine_the_token_opens_and_a_cookie_keeps(runs):
    visitor = client(runs, NAMED, "http://lab.example:8417")
    assert visitor.get("/").status_code == 401
    assert visitor.get("/?token=wrong").status_code == 401
    assert visitor.get("/static/ui.js").status_code == 401
    assert visitor.get("/", headers={"x-doxa-token": "ü".encode()}).status_code == 401
    entered = visitor.get(f"/run/kable-0123456789/beliefs?seed=1&token={TOKEN}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/run/kable-0123456789/beliefs?seed=1")
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert visitor.get("/").status_code == 200  # the client keeps the cookie
    assert visitor.get("/", headers={"x-doxa-token": TOKEN}).status_code == 200


def test_two_servers_on_one_host_keep_their_own_cookies(runs):
    visitor = client(runs, NAMED, "http://lab.example:8417")
    visitor.get(f"/?token={TOKEN}")
    visitor.cookies.set(Door("lab.example", 8418, "o" * 20).cookie, "o" * 20)
    assert visitor.get("/").status_code == 200


def test_entering_leads_to_the_very_run_that_was_asked_for(runs):
    visitor = client(runs, NAMED, "http://lab.example:8417")
    entered = visitor.get(f"/run/what%3F%20now/overview?token={TOKEN}")
    assert entered.headers["location"] == "/run/what%3F%20now/overview"


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example/", "/%5Cevil.example", "///evil.example", "/%0D%0Ax:%20y"]
)
def test_entering_leads_nowhere_else(runs, path):
    visitor = client(runs, NAMED, "http://lab.example:8417")
    answer = visitor.get(f"http://lab.example:8417{path}?token={TOKEN}")
    place = answer.headers["location"]
    assert place.startswith("/")
    assert not place.startswith(("//", "/\\"))
    assert "x" not in answer.headers


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("192.168.1.7:8417", True),
        ("localhost:8417", True),
        ("[2001:db8::1]:8417", True),
        ("evil.example:8417", False),
    ],
)
def test_bound_to_everything_a_name_of_others_is_refused(runs, host, known):
    answer = client(runs, WIDE).get("/", headers={"host": host, "x-doxa-token": TOKEN})
    assert answer.status_code == (200 if known else 421)


def test_websockets_are_closed(runs):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client(runs, LOCAL).websocket_connect("/"):
        pass


def test_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "lab.example", "localhost.example")))
    assert len(new_token()) >= 40
    assert new_token() != new_token()
    assert Door("::1", 1, "").address == "http://[::1]:1/"
