from __future__ import annotations

import json
import math
import shutil

import polars as pl
import pytest

from doxa.errors import InputError, StoreError
from doxa.lab.record import SCHEMAS, Finding
from doxa.lab.run import CellsFailedError, compare, load, plan, run_study
from doxa.lab.show import show_run
from doxa.lab.store import RunFolder, find_run
from tests.lab.studies import coin
from tests.lab.view.sample_runs import write_run


def digest_of(result) -> str:
    return RunFolder(result.folder).digest(
        json.loads((result.folder / "manifest.json").read_bytes())["cells"]
    )


def test_a_run_is_kept_and_the_same_command_computes_nothing(tmp_path):
    study = coin(tmp_path, "coin-kept")
    first = run_study(study, out=tmp_path / "runs")
    again = run_study(study, out=tmp_path / "runs")
    assert (first.computed, again.computed) == (3, 0)
    assert first.folder == again.folder
    assert first.report.read_bytes() == again.report.read_bytes()
    assert [finding.id for finding in again.findings] == ["fair"]


def test_a_call_that_only_judges_leaves_the_seconds_of_the_work(tmp_path):
    study = coin(tmp_path, "coin-seconds")
    folder = RunFolder(run_study(study, out=tmp_path / "runs").folder)
    worked = folder.read_json("manifest.json")["seconds"]
    run_study(study, out=tmp_path / "runs")
    assert folder.read_json("manifest.json")["seconds"] == worked
    shutil.rmtree(next(iter(folder.cells.iterdir())))
    run_study(study, out=tmp_path / "runs")
    assert folder.read_json("manifest.json")["seconds"] > worked


def test_only_missing_cells_are_computed_and_the_tables_are_the_same_bytes(tmp_path):
    study = coin(tmp_path, "coin-resumed")
    whole = run_study(study, out=tmp_path / "a")
    part = run_study(study, out=tmp_path / "b")
    shutil.rmtree(sorted((part.folder / "cells").iterdir())[1])
    resumed = run_study(study, out=tmp_path / "b")
    assert resumed.computed == 1
    assert digest_of(whole) == digest_of(resumed)


def test_more_seeds_rerun_nothing(tmp_path):
    study = coin(tmp_path, "coin-seeds")
    run_study(study, out=tmp_path)
    more = run_study(study, out=tmp_path, overrides={"seeds": 5})
    assert (more.computed, more.cells) == (2, 5)


def test_a_setting_no_cell_uses_reruns_nothing_and_one_that_is_used_reruns_all(tmp_path):
    study = coin(tmp_path, "coin-uses")
    run_study(study, out=tmp_path)
    assert run_study(study, out=tmp_path, overrides={"note": "other"}).computed == 0
    assert run_study(study, out=tmp_path, overrides={"throws": 99}).computed == 3


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_executors_give_the_same_bytes(tmp_path, executor):
    study = coin(tmp_path, f"coin-{executor}")
    reference = run_study(study, out=tmp_path / "inline")
    other = run_study(study, out=tmp_path / executor, executor=executor, workers=2)
    assert digest_of(reference) == digest_of(other)


def test_a_damaged_cell_is_named_set_aside_and_computed_again(tmp_path):
    study = coin(tmp_path, "coin-damaged")
    result = run_study(study, out=tmp_path)
    before = digest_of(result)
    victim = next((result.folder / "cells").glob("*/measures.parquet"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"measures\.parquet: damaged"):
        load(result.folder)
    healed = run_study(study, out=tmp_path)
    assert healed.computed == 1
    assert digest_of(healed) == before
    assert len(list((result.folder / "damaged").iterdir())) == 1


def test_a_failing_cell_leaves_the_others_and_says_how_to_go_on(tmp_path):
    study = coin(tmp_path, "coin-failing", "if cell.seed == 1: raise ValueError('no coin left')")
    with pytest.raises(
        CellsFailedError, match=r"1 of 3 cells failed, first 'fair' seed 1: ValueError: no coin left"
    ):
        run_study(study, out=tmp_path)
    folder = next(tmp_path.glob("coin-failing-*"))
    assert len(list((folder / "cells").iterdir())) == 2
    assert "no coin left" in next((folder / "errors").iterdir()).read_text()
    with pytest.raises(StoreError, match="1 cells are not finished"):
        load(folder)


def test_a_cell_that_reads_an_undeclared_setting_fails_by_name(tmp_path):
    study = coin(tmp_path, "coin-undeclared", "ctx.config.note")
    with pytest.raises(CellsFailedError, match=r"reads config\.note without declaring it"):
        run_study(study, out=tmp_path)


def test_fresh_puts_the_old_run_aside(tmp_path):
    study = coin(tmp_path, "coin-fresh")
    first = run_study(study, out=tmp_path)
    again = run_study(study, out=tmp_path, fresh=True)
    assert again.computed == 3
    assert first.folder.with_name(f"{first.folder.name}~1").is_dir()


def test_load_gives_the_record_with_run_and_study_in_front(tmp_path):
    result = run_study(coin(tmp_path, "coin-loaded"), out=tmp_path)
    tables = load(result.run, tmp_path)
    for name, frame in zip(tables._fields, tables, strict=True):
        assert frame.columns == ["run", "study", *SCHEMAS[name]]
        assert frame.height == 3
    assert tables.beliefs["run"].unique().to_list() == [result.run]


def test_compare_pairs_rows_and_keeps_what_only_one_run_has(tmp_path):
    study = coin(tmp_path, "coin-compared")
    a = run_study(study, out=tmp_path)
    b = run_study(study, out=tmp_path, overrides={"seeds": 4, "throws": 50})
    paired = compare(a.folder, b.folder).measures
    assert paired.height == 4
    assert paired.filter(pl.col("value_a").is_null())["seed"].to_list() == [3]
    assert paired["value_b"].null_count() == 0


def test_show_tells_state_and_findings(tmp_path):
    result = run_study(coin(tmp_path, "coin-shown"), out=tmp_path)
    shown = show_run("coin-shown", tmp_path)
    assert shown.as_json()["finished"] == 3
    assert "heads come half the time" in shown.as_text()
    assert find_run(result.run, tmp_path).path == result.folder


def test_show_tells_controls_and_intervals_with_one_end(tmp_path):
    open_ended = Finding.judged(
        "rare", "It is rare.", 0.1, (-math.inf, 0.2), below=0.3, control=True, paper=0.15
    )
    write_run(tmp_path, "coin-1", findings=[open_ended])
    [line] = [line for line in show_run("coin-1", tmp_path).lines if "rare" in line]
    assert line == "✓ holds       control  rare: It is rare.  0.1 [-inf, 0.2]  bound below 0.3  paper 0.15"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"throwz": "3"}, "coin-bad has no setting 'throwz'; did you mean 'throws'"),
        ({"throws": "many"}, "throws='many': must be a whole number"),
        ({"throws": "0"}, "throws=0: must be >= 1 throws"),
        ({"seeds": "2.5"}, "seeds='2.5': must be a whole number"),
    ],
)
def test_bad_settings_start_nothing(tmp_path, overrides, message):
    study = coin(tmp_path, "coin-bad")
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        run_study(study, out=tmp_path / "runs", overrides=overrides)
    assert not (tmp_path / "runs").exists()


def test_a_plan_names_the_same_cells_in_any_process(tmp_path):
    study = coin(tmp_path, "coin-planned")
    assert plan(study).cells.keys() == plan(study).cells.keys()
    assert plan(study).name == plan(study, preset="embedded").name
    assert plan(study, preset="quick").name != plan(study).name
