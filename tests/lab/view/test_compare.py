from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from doxa.belief.inference import mean_t_interval
from doxa.errors import InputError
from doxa.lab.record import Finding, Recorder, Tables
from doxa.lab.run import compare
from doxa.lab.view import pairing
from doxa.lab.view.pages.compare import PAGE, PURE
from doxa.lab.view.run_list import Runs
from tests.browser import chromium, watched
from tests.hostile_texts import ATTACKS
from tests.lab.view.sample_runs import write_run
from tests.lab.view.served import open_page, pictured, until, viewer


def tables(seed: int, shift: float, *, text: str = "organism:leaning", days: int = 3) -> Tables:
    recorder = Recorder(f"plain {text}", seed)
    for day in range(days):
        recorder.belief(
            subject=text, proposition=f"p {text}", readout="stated", axis="day", time=day,
            credence=0.3 + 0.01 * day + shift * (1 + 0.1 * seed),
        )  # fmt: skip
        recorder.measure(
            "entropy", 1.0 + shift * 2 + seed * 0.01, subject=text, unit="nats", axis="day", time=day
        )
        recorder.measure("share", 0.5 - shift, subject=text, unit="share", axis="day", time=day)
    recorder.measure("bare", 3.0 + seed, subject=text, axis="day")
    return recorder.tables()


def two_runs(root: Path, text: str = "organism:leaning") -> tuple[str, str]:
    """Write runs that differ in one setting, one verdict, their numbers and the number of seeds."""
    for name, seeds, shift, verdict in (("kable-a", 4, 0.0, "holds"), ("kable-b", 3, 0.05, "fails")):
        write_run(
            root,
            name,
            cells={f"{seed:02d}": tables(seed, shift, text=text) for seed in range(seeds)},
            config={"shift": shift, "seeds": seeds, "same": [1, {"x": text}], text: 1},
            findings=[
                Finding("moves", f"It moves {text}.", shift, (shift - 0.1, shift + 0.1), verdict, unit=text),
                Finding("still", "It stays.", None, None, "unresolved", control=True),
                Finding(f"own {name}", text, 1.0, None, "unresolved"),
            ],
        )
    return "kable-a", "kable-b"


def asked(root: Path, **query: str) -> Any:
    return PAGE.data(Runs(root), {"a": "kable-a", "b": "kable-b", **query})


def test_settings_and_findings_stand_side_by_side(tmp_path):
    two_runs(tmp_path)
    found = asked(tmp_path)
    assert [(row["name"], row["a"], row["b"]) for row in found["config"]["differ"]] == [
        ("shift", "0.0", "0.05"),
        ("seeds", "4", "3"),
    ]
    assert found["config"]["same"] == 5
    assert [(row["id"], row["change"]) for row in found["findings"]] == [
        ("moves", "verdict"),
        ("still", ""),
        ("own kable-a", "only in A"),
        ("own kable-b", "only in B"),
    ]
    assert [run["name"] for run in found["runs"]] == ["kable-b", "kable-a"]
    assert set(PAGE.data(Runs(tmp_path), {})) == {"runs"}


def test_differences_are_those_of_compare(tmp_path):
    a, b = two_runs(tmp_path)
    paired = compare(tmp_path / a, tmp_path / b)
    found = asked(tmp_path, part="differences", table="measures", unit="nats")
    [line] = found["lines"]
    rows = paired.measures.filter(pl.col("measure") == "entropy").drop_nulls(["value_a", "value_b"])
    seeds = rows.group_by("seed", maintain_order=True).agg((pl.col("value_a") - pl.col("value_b")).mean())
    mean = mean_t_interval(seeds["value_a"].to_list())
    assert [line[name] for name in ("difference", "low", "high")] == pytest.approx(mean[:3])
    assert (line["seeds"], line["pairs"], line["missing"], line["clear"]) == (3, 9, 0, True)
    assert found["paired"] == paired.measures.drop_nulls(["value_a", "value_b"]).height
    assert found["only"] == {"a": 7, "b": 0}
    assert sum(one["rows"] for one in found["single"]) == 7
    assert {(one["run"], one["seeds"]) for one in found["single"]} == {("A", 1)}
    beliefs = asked(tmp_path, part="differences")
    assert beliefs["table"] == "beliefs"
    assert beliefs["lines"][0]["difference"] == pytest.approx(-0.05 * 1.1)


def test_units_are_not_mixed_and_the_most_common_comes_first(tmp_path):
    two_runs(tmp_path)
    found = asked(tmp_path, part="differences", table="measures")
    assert found["units"] == [[PURE, 1], ["nats", 1], ["share", 1]]
    assert found["unit"] == PURE
    assert [line["measure"] for line in found["lines"]] == ["bare"]
    assert asked(tmp_path, part="differences", table="measures", unit=PURE) == found
    share = asked(tmp_path, part="differences", table="measures", unit="share")
    assert [line["difference"] for line in share["lines"]] == pytest.approx([0.05])


def test_times_apart_are_pages_of_lines(tmp_path):
    for name, shift in (("kable-a", 0.0), ("kable-b", 0.1)):
        write_run(tmp_path, name, cells={f"{seed:02d}": tables(seed, shift, days=7) for seed in range(2)})
    query = {"part": "differences", "table": "beliefs", "times": "apart"}
    whole = asked(tmp_path, **query, sort="name")
    assert whole["total"] == 7
    assert [line["label"].partition("day")[2] for line in whole["lines"]] == [f" {day}" for day in range(7)]
    assert asked(tmp_path, **query, sort="name", offset="5")["lines"] == whole["lines"][5:]
    assert all(line["seeds"] == 2 for line in whole["lines"])


def test_of_too_many_differences_some_can_still_be_picked(tmp_path, monkeypatch):
    two_runs(tmp_path)
    monkeypatch.setattr(pairing, "MOST_LINES", 2)
    query = {"part": "differences", "table": "measures"}
    whole = asked(tmp_path, **query)
    assert (whole["lines"], whole["options"]["measure"]) == ([], ["bare", "entropy", "share"])
    assert "more than 2 differences; pick a condition" in whole["refused"]
    found = asked(tmp_path, **query, measure="entropy")
    assert [line["measure"] for line in found["lines"]] == ["entropy"]
    apart = asked(tmp_path, **query, measure="entropy", times="apart")
    assert (apart["lines"], apart["options"]) == ([], found["options"])
    assert "take all times together" in apart["refused"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"b": "kable-a"}, "a and b are both kable-a; pick two different runs"),
        ({"b": "gone"}, "run 'gone': there is none of this name"),
        ({"b": "../kable-a"}, "there is none of this name"),
        ({"part": "all"}, "part='all': must be differences"),
        ({"part": "differences", "table": "transcripts"}, "table='transcripts': known: beliefs, measures"),
        ({"part": "differences", "value": "value"}, "value='value': known: credence, log_odds"),
        ({"part": "differences", "sort": "x"}, "sort='x': known: clear, name, size"),
        ({"part": "differences", "times": "x"}, "times='x': known: apart, together"),
        ({"part": "differences", "offset": "-1"}, "offset=-1: must be >= 0"),
        ({"part": "differences", "condition": "x' OR 1=1"}, "neither run has beliefs of it"),
        ({"conditon": "x"}, "'conditon': .* did you mean 'condition'"),
    ],
)
def test_bad_queries_are_named(tmp_path, query, message):
    two_runs(tmp_path)
    with pytest.raises(InputError, match=message.replace("'", ".").replace("(", r"\(")):
        asked(tmp_path, **query)


def test_a_run_in_flight_and_a_damaged_cell_are_compared_as_far_as_they_go(tmp_path):
    two_runs(tmp_path)
    (tmp_path / "kable-b" / "cells" / "00" / "beliefs.parquet").write_bytes(b"PAR1")
    (tmp_path / "kable-b" / "findings.json").unlink()
    found = asked(tmp_path, part="differences", table="beliefs")
    assert found["lines"][0]["seeds"] == 2
    assert found["damaged"] == {"a": 0, "b": 1}
    assert asked(tmp_path)["findings"][0]["change"] == "only in A"


def test_an_export_keeps_the_last_two_runs_of_each_study(tmp_path):
    two_runs(tmp_path)
    write_run(tmp_path, "other-a")
    queries = list(PAGE.exported(Runs(tmp_path)))
    assert queries[:2] == [{}, {"a": "kable-a", "b": "kable-b"}]
    assert all(PAGE.data(Runs(tmp_path), query) for query in queries)


@pytest.mark.slow
def test_a_browser_shows_the_differences_and_runs_no_text(tmp_path):
    root = tmp_path / "runs"
    text = " ".join(ATTACKS[:60])
    a, b = two_runs(root, text)
    with viewer(root) as address, chromium() as driver:
        open_page(driver, f"{address}/compare?a={a}&b={b}&part=")
        until(driver, "return document.querySelector('figure[data-drawn]')")
        assert driver.execute_script("return document.querySelectorAll('.changed').length") == 1
        zero, dots = driver.execute_script(
            "const rules = [...document.querySelectorAll('figure .mark-rule.role-mark line')];"
            "return [rules.length, document.querySelectorAll('figure .mark-symbol.role-mark path').length]"
        )
        assert (zero, dots) == (2, 1)
        cells = driver.execute_script(
            "return [...document.querySelectorAll('[aria-label=Differences] tbody td')].map((cell) => cell.textContent)"
        )
        assert cells[1:3] == ["\u22120.055", "\u22120.06742 to \u22120.04258"]
        until(
            driver,
            "document.querySelector('select[name=table]').value = 'measures';"
            "document.querySelector('select[name=table]').dispatchEvent(new Event('change')); return true",
        )
        until(driver, "return document.querySelector('select[name=unit]')")
        assert "table=measures" in driver.current_url
        pictured(driver, tmp_path, "compare")
        driver.execute_script(
            "const box = document.querySelector('select[name=b]'); box.value = 'kable-a';"
            "box.dispatchEvent(new Event('change'))"
        )
        until(
            driver,
            "return document.querySelector('.failed')?.textContent.includes('pick two different runs')",
        )
        seen = watched(driver)
        assert (seen["policy"], seen["errors"]) == ([], [])
