"""One run read in pieces: pages are the whole table, SQL says what Polars says, damage is named."""

from __future__ import annotations

import json
import math
import shutil

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError, StoreError
from doxa.lab.record import Recorder, Tables
from doxa.lab.view.run_data import RunData
from tests.lab.view.sample_runs import CONDITIONS, cell_tables, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def run(folder):
    return RunData(folder.path)


@pytest.fixture(scope="module")
def beliefs(folder):
    return folder.load(folder.finished_cells()).beliefs


def all_pages(run, table, limit, where=None):
    found, offset = [], 0
    while True:
        page = run.rows(table, offset, limit, where)
        assert page.offset == offset
        found += page.rows
        offset += limit
        if len(page.rows) < limit:
            return found


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=5), st.integers(1, 11), st.sampled_from([None, "p0", "p1", "none"])
)
def test_pages_make_up_the_whole_table(tmp_path_factory, heights, limit, proposition):
    cells = {f"c{i}": cell_tables("plain", i, beliefs=height) for i, height in enumerate(heights)}
    folder = write_run(tmp_path_factory.mktemp("paged"), cells=cells)
    run = RunData(folder.path)
    where = {} if proposition is None else {"proposition": proposition}
    whole = Tables.concat(cells.values()).beliefs
    expected = whole if proposition is None else whole.filter(proposition=proposition)
    assert all_pages(run, "beliefs", limit, where) == expected.to_dicts()
    assert run.total("beliefs", where) == expected.height
    assert run.rows("beliefs", 0, len(whole) + 1, where).total == expected.height


def test_a_page_reads_only_the_cells_it_shows(folder, monkeypatch):
    run = RunData(folder.path)
    read = []
    monkeypatch.setattr(
        pl,
        "scan_parquet",
        lambda path, glob, real=pl.scan_parquet: read.append(path.parent.name) or real(path),
    )
    assert [row["seed"] for row in run.rows("beliefs", 11, 2).rows] == [0, 1]
    assert read == folder.finished_cells()[:2]


@pytest.mark.parametrize(
    "where",
    [
        {"seed": "1"},
        {"condition": "drift", "readout": "stated"},
        {"time": "2"},
        {"seed": 1, "proposition": "p2"},
    ],
)
def test_filters_are_those_of_polars(run, beliefs, where):
    same = [
        pl.col(name) == (value if beliefs.schema[name] == pl.String else float(value))
        for name, value in where.items()
    ]
    assert all_pages(run, "beliefs", 5, where) == beliefs.filter(*same).to_dicts()


def test_sql_says_what_polars_says(run, beliefs):
    found = run.sql(
        "SELECT condition, readout, count(*) AS n, count(credence) AS known, avg(credence) AS mean, sum(log_odds) AS s "
        "FROM beliefs WHERE seed = $seed GROUP BY ALL ORDER BY ALL",
        {"seed": 1},
    )
    expected = (
        beliefs.filter(seed=1)
        .group_by("condition", "readout")
        .agg(
            n=pl.len(),
            known=pl.col("credence").count(),
            mean=pl.col("credence").mean(),
            s=pl.col("log_odds").sum(),
        )
        .sort("condition", "readout")
    )
    assert [(row["condition"], row["readout"], row["n"], row["known"]) for row in found] == list(
        expected.select("condition", "readout", "n", "known").iter_rows()
    )
    for name in ("mean", "s"):
        assert [row[name] for row in found] == pytest.approx(expected[name].to_list(), rel=1e-13)


def test_sql_fills_what_the_files_leave_out(tmp_path):
    recorder = Recorder("plain", 0)
    given = [0.0, 1.0, 0.5, 1e-300, 0.3]
    for credence in given:
        recorder.belief(subject="s", proposition="p", readout="stated", credence=credence)
    for log_odds in (-800.0, 800.0, -math.inf, 2.5):
        recorder.belief(subject="s", proposition="p", readout="stated", log_odds=log_odds)
    recorder.belief(subject="s", proposition="p", readout="stated", missing="refused")
    tables = recorder.tables()
    run = RunData(write_run(tmp_path, cells={"a": tables}).path)
    found = run.sql("SELECT credence, log_odds, cell FROM beliefs")
    for row, exact in zip(found, tables.beliefs.to_dicts(), strict=True):
        assert row["cell"] == "a"
        for name in ("credence", "log_odds"):
            near = pytest.approx(exact[name], rel=1e-14, abs=1e-300) if exact[name] is not None else None
            assert row[name] == near
    assert found[-1]["credence"] is None


def test_a_run_without_cells_has_empty_views(tmp_path):
    run = RunData(write_run(tmp_path, cells={}, keys=["a"], finished=False).path)
    assert run.sql("SELECT * FROM transcripts") == []
    assert run.rows("beliefs").rows == run.findings() == run.cells() == []
    assert not run.has("beliefs")


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{path}/x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SET threads = 8",
        "ATTACH '{path}/x.db'",
        "",
    ],
)
def test_sql_is_one_question(run, query):
    before = sorted(run.path.iterdir())
    with pytest.raises(InputError, match="exactly one SELECT"):
        run.sql(query.format(path=run.path))
    assert sorted(run.path.iterdir()) == before


def test_sql_reads_nothing_outside_the_run(run):
    import duckdb

    for place in ("/etc/passwd", f"{run.path}/../x.csv"):
        with pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
            run.sql("SELECT * FROM read_text($place)", {"place": place})


def test_a_look_that_needs_too_much_memory_says_so(run):
    with pytest.raises(StoreError, match="more than 128MB of memory; narrow it"):
        run.sql("SELECT list(range) FROM range(100000000)")
    assert run.sql("SELECT 1 AS one") == [{"one": 1}]


def test_a_damaged_table_is_named_and_left_out(tmp_path):
    folder = write_run(tmp_path)
    path = folder.cells / "plain01" / "beliefs.parquet"
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    run = RunData(folder.path)
    whole = Tables.concat(folder.read(key) for key in folder.finished_cells() if key != "plain01").beliefs
    assert run.count("beliefs") == whole.height + 12  # not looked at yet
    assert run.sql("SELECT count(*) AS n FROM beliefs") == [{"n": whole.height}]
    assert "its digest is not the one" in run.damaged()["plain01"]
    assert all_pages(run, "beliefs", 7) == whole.to_dicts()
    assert run.rows("beliefs", 0, 7, {"seed": 1}).rows == whole.filter(seed=1).head(7).to_dicts()


@pytest.mark.parametrize("name", ["a*b", "a?b", "a[b]c", "[a]", "it's", "{a,b}", "a b;--", "\\d", "%41", "é"])
def test_names_of_folders_and_cells_are_names(tmp_path, name):
    write_run(tmp_path, "aXb")  # what a pattern would find
    folder = write_run(tmp_path, name, cells={name: cell_tables("plain", 0), "k": cell_tables("drift", 3)})
    run = RunData(folder.path)
    found = run.sql("SELECT cell, count(*) AS n, max(seed) AS seed FROM beliefs GROUP BY cell ORDER BY seed")
    assert found == [{"cell": name, "n": 12, "seed": 0}, {"cell": "k", "n": 12, "seed": 3}]
    assert len(run.rows("beliefs", 0, 100).rows) == 24
    assert run.total("beliefs", {"proposition": "p1"}) == 8


@pytest.mark.parametrize("kind", ["cut", "schema", "link"])
def test_a_cell_that_cannot_be_read_is_named(tmp_path, kind):
    folder = write_run(tmp_path / "runs")
    path = folder.cells / "drift00" / "cell.json"
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:20])
    elif kind == "schema":
        held = json.loads(path.read_bytes())
        from doxa.canonical import canonical_json
        from doxa.lab.files import sha256

        held["body"]["schema"] = 1
        held["sha256"] = sha256(canonical_json(held["body"]).encode())
        path.write_text(canonical_json(held))
    else:
        shutil.move(path, tmp_path / "cell.json")
        path.symlink_to(tmp_path / "cell.json")
    run = RunData(folder.path)
    assert [cell.key for cell in run.cells()] == ["plain00", "plain01", "drift01"]
    assert list(run.damaged()) == ["drift00"]
    why = {"cut": "damaged", "schema": "holds schema 1", "link": "link out of the run's folder"}[kind]
    assert why in run.damaged()["drift00"]


def test_a_run_may_grow_while_it_is_looked_at(tmp_path):
    keys = ["a", "b"]
    folder = write_run(tmp_path, cells={"b": cell_tables("drift", 1)}, keys=keys, finished=False)
    run = RunData(folder.path)
    count = "SELECT count(*) AS n FROM beliefs"
    assert run.sql(count) == [{"n": 12}]
    folder.write("a", {"condition": "plain", "seed": 0}, cell_tables("plain", 0))
    assert [cell.key for cell in run.cells()] == keys
    assert run.sql(count) == [{"n": 24}]
    assert run.rows("beliefs", 0, 1).rows[0]["condition"] == "plain"
    folder.set_aside("b")
    assert run.sql(count) == [{"n": 12}]
    shutil.rmtree(folder.path)
    with pytest.raises(StoreError, match="cannot be read"):
        run.rows("beliefs")


def test_values_of_a_column(run):
    assert run.values("beliefs", "condition") == sorted(CONDITIONS)
    assert len(run.values("beliefs", "time", most=2)) == 3
    with pytest.raises(InputError, match="column='nothing': must be one of condition"):
        run.values("beliefs", "nothing")


def test_figures_and_json(run):
    assert run.figures() == ["credence"]
    assert run.figure("credence")["title"] == "Credence"
    with pytest.raises(InputError, match="no such figure"):
        run.figure("../manifest")


def test_figures_stand_in_the_studys_order(tmp_path):
    folder = write_run(tmp_path)
    for name in ("a", "z"):
        folder.write_json(f"figures/{name}.json", {"title": name, "caption": "", "spec": {}})
    run = RunData(folder.path)
    assert run.figures() == ["a", "credence", "z"]
    folder.write_json("findings.json", {"findings": [], "figures": ["z", "credence", "gone"]})
    assert run.figures() == ["z", "credence", "a"]
    (folder.path / "findings.json").unlink()
    assert run.figures() == ["a", "credence", "z"]


@pytest.mark.parametrize(
    ("table", "offset", "where", "message"),
    [
        ("belief", 0, {}, "table='belief': must be one of"),
        ("beliefs", -1, {}, "must be >= 0"),
        ("beliefs", 0, {"text": "x"}, "beliefs have no such column"),
        ("beliefs", 0, {"seed": "one"}, "seed='one': must be a number"),
    ],
)
def test_bad_input(run, table, offset, where, message):
    with pytest.raises(InputError, match=message):
        run.rows(table, offset, 10, where)
