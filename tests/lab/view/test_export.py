from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doxa.cli import app
from doxa.errors import InputError, StoreError
from doxa.lab.view import export as exporting
from doxa.lab.view.export import export_folder, folder_of, nonce_of
from doxa.lab.view.run_data import RunData
from tests.hostile_texts import hostile_texts
from tests.lab.view.sample_runs import cell_tables, write_run

RUN = "kable-0123456789"
ODD = "a run, <b>&%2e"


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """Charts are drawn in the browser's tests; the script that draws them takes seconds to make."""
    monkeypatch.setattr(exporting, "vega_script", lambda: b"/* charts */")


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "runs"
    write_run(root, RUN)
    write_run(root, ODD, finished=False, keys=["plain00", "left"], text="</script><script>alert(1)</script>")
    return root


def held(page: Path) -> dict:
    return json.loads(re.search(r'id="held">(.*?)</script>', page.read_text())[1])


def test_a_copy_holds_every_page_and_what_its_script_asks_for(root, tmp_path):
    made = export_folder(root, tmp_path / "site")
    files = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file()}
    assert {"index.html", "static/app.js", "static/app.css", "static/vega.js", exporting.MARK} <= files
    assert {f"run/{RUN}/{panel}.html" for panel in ("overview", "findings", "figures", "beliefs")} <= files
    assert made.runs == 2
    assert made.pages == sum(file.endswith(".html") for file in files)
    inside = held(made.folder / f"run/{RUN}/beliefs.html")
    (query, page), *_ = inside["answers"]
    assert query == {"offset": "0", "limit": "100"}
    assert page["rows"] == RunData(root / RUN).rows("beliefs", 0, 100).rows
    assert inside["folders"] == {RUN: RUN, ODD: folder_of(ODD)}


def test_the_list_does_not_tell_where_the_runs_lie(root, tmp_path):
    made = export_folder(root, tmp_path / "site")
    assert str(tmp_path) not in (made.folder / "index.html").read_text()
    assert held(made.folder / "index.html")["answers"][0][1]["folder"] == "runs"


def test_pages_run_their_own_script_only(root, tmp_path):
    write_run(root, "hostile", text=" ".join(hostile_texts(200)))
    made = export_folder(root, tmp_path / "site")
    nonces = set()
    for path in made.folder.rglob("*.html"):
        page = path.read_text()
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
        nonce = re.search(r"script-src &#x27;nonce-([\w-]+)&#x27;;", policy)[1]
        assert policy.startswith("default-src &#x27;none&#x27;;")
        assert page.index("Content-Security-Policy") < page.index("<link") < page.index("<script")
        assert re.findall(r"<script[^>]*>", page) == [
            f'<script defer nonce="{nonce}" src="{page_up(path, made.folder)}static/app.js">',
            '<script type="application/json" id="held">',
        ]
        assert page.count(nonce) == 2 + page.count('rel="stylesheet"') + 1
        nonces.add(nonce)
    assert len(nonces) == made.pages


def page_up(path: Path, folder: Path) -> str:
    return "./" if path.parent == folder else "../../"


def test_equal_runs_give_equal_copies(root, tmp_path):
    """But for means over many rows, whose last bit hangs on the order in which DuckDB's threads add."""
    first = export_folder(root, tmp_path / "first")
    second = export_folder(root, tmp_path / "second")
    for path in first.folder.rglob("*"):
        if path.is_file() and path.stem not in ("trajectories", "measures", "layers"):
            assert path.read_bytes() == (second.folder / path.relative_to(first.folder)).read_bytes()


def test_only_the_runs_named_are_copied(root, tmp_path):
    made = export_folder(root, tmp_path / "site", only=["kable"])
    assert [path.name for path in (made.folder / "run").iterdir()] == [RUN]
    assert json.loads((made.folder / exporting.MARK).read_text())["runs"] == [RUN]
    with pytest.raises(InputError, match="no such run"):
        export_folder(root, tmp_path / "other", only=["nothing"])


def test_one_run_s_folder_is_copied_alone(root, tmp_path):
    assert export_folder(root / RUN, tmp_path / "site").runs == 1


def test_what_is_left_out_is_said(root, tmp_path, monkeypatch):
    write_run(root, "long-1", cells={"plain0": cell_tables("plain", 0, beliefs=450)})
    monkeypatch.setattr(exporting, "MOST_BYTES", 60_000)
    made = export_folder(root, tmp_path / "site")
    page = (made.folder / "run/long-1/beliefs.html").read_text()
    assert re.search(r"[1-9][0-9]* of [0-9]+ parts of this page were left out for their size", page)
    assert any("long-1, Beliefs: " in line for line in made.left_out)


def test_a_damaged_run_says_so_and_the_others_are_copied(root, tmp_path):
    (root / ODD / "manifest.json").write_text("{}")
    made = export_folder(root, tmp_path / "site")
    assert "damaged" in (made.folder / "index.html").read_text()
    assert any("damaged" in path.read_text() for path in (made.folder / "run" / folder_of(ODD)).iterdir())
    assert (made.folder / f"run/{RUN}/overview.html").is_file()


def test_a_damaged_table_is_named_on_the_overview(root, tmp_path):
    path = root / RUN / "cells" / "plain01" / "transcripts.parquet"
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    made = export_folder(root / RUN, tmp_path / "site")
    [(_, overview)] = held(made.folder / f"run/{RUN}/overview.html")["answers"]
    assert "its digest is not the one" in overview["damaged"]["plain01"]


def test_an_earlier_copy_is_replaced_and_nothing_is_left_beside_it(root, tmp_path):
    place = tmp_path / "site"
    export_folder(root, place)
    shutil.rmtree(root / ODD)
    export_folder(root, place)
    assert [path.name for path in (place / "run").iterdir()] == [RUN]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def test_a_folder_that_holds_something_else_is_refused(root, tmp_path, monkeypatch):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="holds something else"):
        export_folder(root, place)
    assert [path.name for path in place.iterdir()] == ["thesis.tex"]
    export_folder(root, tmp_path / "site")
    (tmp_path / "site" / ".git").mkdir()
    with pytest.raises(InputError, match=r"holds something else \(\.git\)"):
        export_folder(root, tmp_path / "site")
    assert (tmp_path / "site" / ".git").is_dir()
    with pytest.raises(InputError, match="is inside a run"):
        export_folder(root, root / RUN / "site")
    (tmp_path / "link").symlink_to(place)
    for wrong in (place / "thesis.tex", tmp_path / "link"):
        with pytest.raises(InputError, match="is a file or a link"):
            export_folder(root, wrong)
    (empty := tmp_path / "empty").mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(InputError, match="is the folder you are in"):
        export_folder(root, Path())
    with pytest.raises(InputError, match="holds no runs"):
        export_folder(empty, tmp_path / "site")


def test_a_full_disk_leaves_the_earlier_copy(root, tmp_path, monkeypatch):
    place = tmp_path / "site"
    export_folder(root, place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def full() -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "vega_script", full)
    with pytest.raises(StoreError, match="No space left on device"):
        export_folder(root, place)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def test_the_command_says_what_it_wrote(root, tmp_path):
    told = CliRunner().invoke(app, ["view", str(root), "--export", str(tmp_path / "site"), "--run", RUN])
    assert told.exit_code == 0
    assert re.search(rf"[0-9]+ pages of 1 run: {tmp_path}/site/index.html", told.output)
    assert isinstance(CliRunner().invoke(app, ["view", str(root), "--run", RUN]).exception, InputError)


def test_names_that_are_not_plain_become_digests():
    assert folder_of("kable-01~1") == "kable-01~1"
    for name in ("..", ".hidden", "a b", "x" * 200, "a%2e", "naïve", "\udc80"):
        assert re.fullmatch(r"run-[0-9a-f]{16}", folder_of(name))


def test_a_nonce_hangs_on_all_of_the_page():
    assert nonce_of("a", "b") != nonce_of("ab", "") != nonce_of("a", "b ")
    assert re.fullmatch(r"[\w-]{32}", nonce_of("a"))
