"""What the viewer must refuse: foreign names, other sites, frames, ways out of the store, writes without the token."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bars.outcome import Outcome
from bars.viewing import Served, server, settle

TOKEN = "a-token-of-the-bar-0123456789"
_SECRET = "the secret beside the store"

_WAYS_OUT = (
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e%2fapp.py",
    "/static/%252e%252e%252fapp.py",
    "/static/..%5capp.py",
    "/static//etc/passwd",
    "/static/panels/../../app.py",
    "/static/%00",
    "/run/../secret.txt",
    "/run/%2e%2e/overview",
    "/run/..%2fsecret/overview",
    "/api/run/%2e%2e/overview",
    "/api/run/..%2f..%2f..%2fetc/overview",
    "/api/run/%2e%2e%2f%2e%2e%2fetc%2fpasswd/overview",
    "/api/run/.%2fplain-name/overview",
    "/api/run/plain-name%00/overview",
    "/api/run/plain-name%2f..%2fplain-name/overview",
    "/api/run/%2fetc/overview",
    "/api/run/plain-name/figures?figure=../manifest",
    "/api/run/plain-name/figures?figure=..%2f..%2fsecret",
    "/api/run/plain-name/figures?figure=%2e%2e%2fmanifest",
    "/api/run/plain-name/..%2f..%2fsecret.txt",
    "/run/plain-name/..%2f..%2fsecret.txt",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/\\..\\..\\etc\\passwd",
)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(port: int, method: str, path: str, headers: Mapping[str, str | None] | None = None) -> Answer:
    """Send one request as it is written, paths not tidied; a header None is left out."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    wanted = {"Host": f"127.0.0.1:{port}", **(headers or {})}
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in wanted.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read(10**7))
    finally:
        connection.close()


def refusals(outcome: Outcome, driver: Any, served: Served, folder: Path) -> None:
    """Try all that must be refused, and what must not."""
    (folder / "secret.txt").write_text(_SECRET, encoding="utf-8")
    port = served.port
    outcome.check(ask(port, "GET", "/").status == 200, "the viewer's own page is not answered")
    for host in (
        "evil.example",
        f"evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        f"localhost.evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port + 1}",
        f"0.0.0.0:{port}",
        f"127.0.0.1:{port}@evil.example",
        f"127.0.0.1:{port}, evil.example",
        "",
        None,
    ):
        for path in ("/", "/api/runs", "/static/ui.js"):
            _refused(outcome, f"Host {host!r} {path}", ask(port, "GET", path, {"Host": host}))
    for name, value in (
        ("Origin", "http://evil.example"),
        ("Origin", f"http://evil.example:{port}"),
        ("Origin", f"https://127.0.0.1:{port}"),
        ("Origin", f"http://127.0.0.1:{port + 1}"),
        ("Origin", "null"),
        ("Origin", "file://"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ):
        for path in ("/", "/api/runs", "/static/ui.js"):
            _refused(outcome, f"{name}: {value} {path}", ask(port, "GET", path, {name: value}))
    for path in _WAYS_OUT:
        answer = ask(port, "GET", path)
        _refused(outcome, path, answer)
        outcome.check(
            _SECRET.encode() not in answer.body and b"root:" not in answer.body, f"{path}: a file got out"
        )
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
        for told in (
            {},
            {"x-doxa-token": "wrong"},
            {"cookie": f"doxa-token-{port}=wrong"},
            {"x-doxa-token": ""},
        ):
            _refused(outcome, f"{method} {told}", ask(port, method, "/api/runs", told))
    _raw(outcome, port)
    _beyond(outcome, folder)
    _frames(outcome, driver, served)


def _refused(outcome: Outcome, what: str, answer: Answer) -> None:
    outcome.check(400 <= answer.status < 500, f"{what}: answered {answer.status}")
    policy = answer.headers.get("content-security-policy", "")
    guarded = "frame-ancestors 'none'" in policy and answer.headers.get("x-frame-options") == "DENY"
    server_s_own = answer.status == 400 and not policy and b"Invalid HTTP" in answer.body
    outcome.check(guarded or server_s_own, f"{what}: the answer lacks the viewer's headers")


def _raw(outcome: Outcome, port: int) -> None:
    """Send what no browser sends."""
    for sent in (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n",
        f"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\x16\x03\x01\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(sent.encode("latin-1"))
            first = connection.recv(64)
        outcome.check(first[9:10] == b"4", f"{sent.splitlines()[:3]}: answered {first[:16]!r}")


def _beyond(outcome: Outcome, folder: Path) -> None:
    """Serve beyond this machine: nothing without the token, and no script can read where it is kept."""
    with server(folder / "runs", "--host", "0.0.0.0", "--token", TOKEN) as served:
        port = served.port
        for path in ("/", "/api/runs", "/static/ui.js", "/run/plain-name/overview"):
            for told in ({}, {"x-doxa-token": "wrong"}, {"cookie": f"doxa-token-{port}={TOKEN[:-1]}"}):
                _refused(outcome, f"beyond this machine, {path} {told}", ask(port, "GET", path, told))
            outcome.check(
                ask(port, "GET", path, {"x-doxa-token": TOKEN}).status == 200, f"{path}: the token is refused"
            )
        _refused(
            outcome,
            "a foreign name",
            ask(port, "GET", "/", {"Host": f"evil.example:{port}", "x-doxa-token": TOKEN}),
        )
        wrong = ask(port, "GET", "/?token=wrong")
        outcome.check(wrong.status >= 400 and "set-cookie" not in wrong.headers, "a wrong token is answered")
        entered = ask(port, "GET", f"/?token={TOKEN}")
        cookie = entered.headers.get("set-cookie", "").lower()
        outcome.check("httponly" in cookie and "samesite=strict" in cookie, f"the cookie is {cookie!r}")
        outcome.check(TOKEN not in entered.headers.get("location", TOKEN), "the token stays in the address")


def _frames(outcome: Outcome, driver: Any, served: Served) -> None:
    """Let a page of another site frame the viewer, load its scripts, read its data and send it a form."""
    target = served.address.rstrip("/")
    page = (
        f'<!doctype html><title>evil</title><iframe id="a" src="{target}/"></iframe>'
        f'<object id="b" data="{target}/"></object><embed src="{target}/">'
        f'<script src="{target}/static/ui.js" onload="window.loaded=1"></script>'
        f'<link rel="stylesheet" href="{target}/static/app.css" onload="window.loaded=1">'
        f"<script>window.got=[]; for (const mode of ['cors', 'no-cors']) fetch('{target}/api/runs', {{mode}})"
        f".then((r) => r.text()).then((t) => t && got.push(t), () => 0);</script>"
    )
    with _site(page.encode()) as address:
        driver.get(address)
        driver.execute_async_script("setTimeout(arguments[0], 1500)")
        got = driver.execute_script("return [window.got, window.loaded ?? 0]")
        outcome.check(got == [[], 0], f"another site read the viewer: {str(got)[:200]}")
        frames = driver.find_elements("tag name", "iframe")
        driver.switch_to.frame(frames[0])
        inside = driver.execute_script("return [location.href, document.body?.dataset.kind ?? '']")
        driver.switch_to.default_content()
        outcome.check(
            inside == ["chrome-error://chromewebdata/", ""], f"another site framed the viewer: {inside}"
        )
    driver.get_log("browser")  # what was refused here is no failure of the pages that follow
    driver.get(served.address)
    settle(driver)


@contextmanager
def _site(page: bytes) -> Generator[str]:
    """Serve one page under another name of this machine, which is another site to a browser."""

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as other:
        thread = threading.Thread(target=other.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{other.server_port}/"
        finally:
            other.shutdown()
            thread.join()
