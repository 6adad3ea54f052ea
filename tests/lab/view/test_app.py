"""What the addresses answer."""

from __future__ import annotations

import html
import re
from importlib import resources

import pytest
from starlette.testclient import TestClient

from doxa.lab.view.answers import answer
from doxa.lab.view.app import make_app, static_files
from doxa.lab.view.pages import pages
from doxa.lab.view.panels import panels
from doxa.lab.view.run_list import Runs, is_utf8
from doxa.lab.view.security import Door
from tests.hostile_texts import ATTACKS
from tests.lab.view.sample_runs import write_run

RUN = "kable-0123456789"
DOOR = Door("127.0.0.1", 8417, "t" * 20)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write_run(root)
    write_run(root, "fps-1", finished=False, keys=["plain00", "left"])
    return root


@pytest.fixture(scope="module")
def client(root):
    return visitor(root)


def visitor(root):
    return TestClient(
        make_app(Runs.of(root), DOOR),
        base_url="http://127.0.0.1:8417",
        follow_redirects=False,
        raise_server_exceptions=False,
    )


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_page_answers(client, page):
    shell = client.get(page.path)
    assert shell.status_code == 200
    assert f'data-kind="pages" data-name="{page.name}"' in shell.text
    assert f"pages/{page.name}.js" in static_files()


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.name)
def test_every_panel_answers_what_its_export_asks(root, client, panel):
    shell = client.get(f"/run/{RUN}/{panel.name}")
    assert shell.status_code == 200
    assert f'data-kind="panels" data-name="{panel.name}" data-run="{RUN}"' in shell.text
    assert f"panels/{panel.name}.js" in static_files()
    run = Runs.of(root).run(RUN)
    if panel.applies(run):
        for query in list(panel.exported(run))[:3]:
            assert client.get(f"/api/run/{RUN}/{panel.name}", params=query).status_code == 200


def test_the_list_and_the_overview(client):
    listed = client.get("/api/runs").json()["runs"]
    assert [(entry["name"], entry["state"]) for entry in listed] == [(RUN, "finished"), ("fps-1", "stopped")]
    overview = client.get(f"/api/run/{RUN}/overview").json()
    assert overview["rows"] == {"beliefs": 48, "measures": 48, "transcripts": 16}
    assert overview["config"] == {"seeds": 2, "subject": "organism:leaning"}
    assert client.get(f"/run/{RUN}").headers["location"] == f"/run/{RUN}/overview"


def test_beliefs_by_page_and_filter(client):
    place = f"/api/run/{RUN}/beliefs"
    page = client.get(place, params={"offset": 10, "limit": 5, "seed": 1, "condition": "drift"}).json()
    assert (len(page["rows"]), page["offset"], page["total"]) == (2, 10, 12)
    assert client.get(place, params={"total": 1, "readout": "stated"}).json() == {"total": 16}
    assert client.get(place, params={"values": "readout"}).json()["values"] == [
        "behavioural",
        "internal",
        "stated",
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("offset=-1", "offset=-1: must be >= 0"),
        ("offset=\u0661", "must be a whole number"),
        ("limit=1001", "limit=1001: must be 0 to 1000"),
        ("seed=x", "seed='x': must be a number"),
        ("seed=99999999999999999999", "must be a number"),
        ("values=text", "values='text': "),
        ("seed=1&seed=2", "'seed': stands twice"),
    ],
)
def test_bad_queries_are_named(client, query, message):
    answer = client.get(f"/api/run/{RUN}/beliefs?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/run/none/overview", f"/run/{RUN}/none", f"/run/{RUN}/overview/x", "/static/app.py", "/static/../app.py",
        "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/static/panels",
        "/run/..%2f..%2fetc/overview",
        "/run/%2e%2e/overview", "/run/.%00/overview", "/run/..\\x/overview", f"/run/{RUN}%2f/overview", "/etc/passwd",
        "/api/run/..%2fetc/overview", f"/api/run/{RUN}/..%2fmanifest", "/static/panels/%2e%2e/%2e%2e/app.py",
    ],
)  # fmt: skip
def test_nothing_else_is_found(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_a_run_that_was_deleted_is_said_so(tmp_path):
    folder = write_run(tmp_path)
    client = visitor(tmp_path)
    assert client.get(f"/api/run/{RUN}/overview").status_code == 200
    folder.path.rename(tmp_path / "gone")
    answer = client.get(f"/api/run/{RUN}/overview")
    assert answer.status_code == 404
    assert "deleted or renamed" in answer.json()["error"]


def test_damage_is_named_and_the_panels_stay(tmp_path):
    folder = write_run(tmp_path)
    (folder.path / "findings.json").write_text("{}")
    client = visitor(tmp_path)
    answer = client.get(f"/api/run/{RUN}/findings")
    assert answer.status_code == 500
    assert "findings.json: damaged" in answer.json()["error"]
    assert client.get(f"/run/{RUN}/findings").status_code == 200
    assert client.get(f"/api/run/{RUN}/beliefs").status_code == 200
    (folder.path / "manifest.json").write_text("[]")
    assert "manifest.json: damaged" in client.get(f"/api/run/{RUN}/overview").json()["error"]
    assert client.get(f"/run/{RUN}/overview").status_code == 200


def test_what_nobody_expected_tells_no_more_than_its_kind(client, root, monkeypatch):
    monkeypatch.setattr(Runs, "entries", lambda self: 1 / 0)
    answer = client.get("/api/runs")
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("ZeroDivisionError; the server")
    with pytest.raises(ZeroDivisionError):  # it goes on to the server, which writes it
        TestClient(make_app(Runs.of(root), DOOR), base_url="http://127.0.0.1:8417").get("/api/runs")


def test_a_name_that_is_no_text_is_counted(tmp_path):
    write_run(tmp_path)
    write_run(tmp_path, "odd-\udcff", cells={}, keys=[])
    listed = visitor(tmp_path).get("/api/runs").json()
    assert [entry["name"] for entry in listed["runs"]] == [RUN]
    assert listed["unnamed"] == 1


def test_names_of_runs_are_text(tmp_path):
    named = [
        attack
        for attack in ATTACKS
        if "/" not in attack and "\0" not in attack and len(attack.encode("utf-8", "replace")) < 200
    ]
    named = [name for name in dict.fromkeys(named) if not name.startswith(".") and is_utf8(name)][:40]
    assert len(named) > 20
    for name in named:
        write_run(tmp_path, name, cells={}, keys=[])
    client = visitor(tmp_path)
    tags = re.compile(
        r"<(?!/?(?:!doctype|html|head|meta|title|link|script|body|a|header|nav|ol|li|button|p|h1|div|main|noscript)\b)"
    )
    from urllib.parse import quote

    for name in named:
        shell = client.get(f"/run/{quote(name, safe='')}/overview")
        assert shell.status_code == 200
        assert html.escape(name) in shell.text
        assert not tags.search(shell.text)
        assert shell.text.count("<script") == 1


def test_numbers_that_json_or_browsers_cannot_hold():
    value = {
        "a": [float("inf"), -float("inf"), float("nan")],
        "b": 2**53 + 1,
        "c": (1, True, None),
        "d": "\ud800",
    }
    assert answer(value) == (
        b'{"a":["Infinity","-Infinity","NaN"],"b":"9007199254740993","c":[1,true,null],"d":"\\ud800"}'
    )


def test_scripts_make_no_html_and_no_code():
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser|"
        r"createContextualFragment|setTimeout\(\s*[\"'`]|javascript:|\.onclick\s*=|setAttribute\(\s*[\"']on"
    )
    for name, body in static_files().items():
        assert not forbidden.search(body.decode()), name


def test_what_is_unseen_is_the_same_for_the_report_and_the_pages():
    from doxa.lab.report import markup

    script = (resources.files("doxa.lab.view") / "static" / "ui.js").read_text()
    ranges = "".join(re.findall(r'"((?:\\\\u[^"]+)+)"', script.split("const HIDDEN")[1].split(";")[0]))
    there = re.sub(r"\\\\u\{?([0-9a-f]+)\}?", lambda match: chr(int(match[1], 16)), ranges)
    assert there == markup._HIDDEN
