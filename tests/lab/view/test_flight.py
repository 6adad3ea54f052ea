from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from doxa.errors import InputError
from doxa.lab.live import LiveMeter, Notice, cell_at_work
from doxa.lab.progress import SilentMeter
from doxa.lab.view.flight import MOST_BYTES, errors, flight
from doxa.lab.view.panels.overview import PANEL
from doxa.lab.view.run_data import RunData
from doxa.lab.view.run_list import Runs
from tests.browser import chromium, watched
from tests.hostile_texts import ATTACKS
from tests.lab.view.sample_runs import cell_tables, write_run
from tests.lab.view.served import open_page, pictured, until, viewer

HOSTILE = " ".join(ATTACKS[:60])


def seen(path: Path, *, busy: bool = True, now: float | None = None) -> Any:
    return flight(path, busy=busy, now=now)


def started(path: Path) -> float:
    return json.loads((path / "live.json").read_bytes())["started"]


def test_a_run_says_its_share_its_cells_and_how_long_it_may_take(tmp_path):
    with LiveMeter(tmp_path, SilentMeter()) as meter, meter.cells("coin", total=4, done=1):
        for _ in range(2):
            meter.finished("fair seed 0", "done", "")
        with cell_at_work(tmp_path, "k", {"condition": "fair", "seed": 3}) as tell:
            tell(0.5, "held back: within a second of the first")
            known = json.loads((tmp_path / "live" / "k.json").read_bytes())
            Notice(tmp_path / "live" / "k.json").write({**known, "share": 0.5, "note": "day 5"}, now=True)
            Notice(tmp_path / "live.json").write({**read(tmp_path), "done": 3}, now=True)
            found = seen(tmp_path, now=started(tmp_path) + 10.0)
    assert (found["state"], found["done"], found["total"], found["kept"]) == ("working", 3, 4, 1)
    assert found["share"] == pytest.approx(3.5 / 4)
    assert found["seconds"] == 10
    assert found["left_s"] == round(10 / 2.5 * 0.5)
    [cell] = found["cells"]
    assert (cell["condition"], cell["seed"], cell["share"], cell["note"]) == ("fair", "3", 0.5, "day 5")
    assert seen(tmp_path) is None


def read(path: Path) -> dict[str, Any]:
    return json.loads((path / "live.json").read_bytes())


def test_what_a_killed_run_left_reads_as_killed(tmp_path):
    with LiveMeter(tmp_path, SilentMeter()) as meter, meter.cells("coin", total=4, done=1):
        assert seen(tmp_path)["state"] == "working"
        found = seen(tmp_path, busy=False)
    assert (found["state"], found["done"], found["left_s"], found["cells"]) == ("killed", 1, None, [])


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"state": "<script>", "total": -1, "done": "many", "started": "now", "cells": 3},
        {
            "state": "working",
            "total": True,
            "done": 10**40,
            "started": 10**400,
            "updated": [],
            "error": {"a": 1},
        },
        {"state": None, "total": 2, "done": 5, "failed": 2.5, "ended": None},
    ],
)
def test_whatever_stands_in_the_file_is_read_as_what_it_must_be(tmp_path, told):
    (tmp_path / "live").mkdir()
    for name in ("live.json", "live/k.json"):
        (tmp_path / name).write_text(json.dumps(told))
    found = seen(tmp_path)
    assert 0.0 <= found["share"] <= 1.0
    assert all(isinstance(found[name], int) for name in ("total", "done", "kept", "failed", "seconds"))
    json.dumps(found, allow_nan=False)


def test_links_out_of_the_run_and_files_too_large_are_not_read(tmp_path):
    run = tmp_path / "run"
    (run / "errors").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "live.json").write_text('{"state": "working"}')
    (run / "errors" / "a.txt").symlink_to(tmp_path / "secret.txt")
    (run / "live.json").symlink_to(tmp_path / "live.json")
    assert errors(run) == []
    assert seen(run) is None
    (run / "live.json").unlink()
    (run / "live.json").write_text(json.dumps({"note": "x" * MOST_BYTES}))
    assert seen(run) is None


def test_errors_are_those_of_cells_that_are_not_finished_and_their_end_is_kept(tmp_path):
    folder = write_run(tmp_path, finished=False, keys=["plain00", "left"])
    (folder.path / "errors").mkdir()
    (folder.path / "errors" / "plain00.txt").write_text("plain seed 0\nTraceback\nold")
    (folder.path / "errors" / "left.txt").write_text(
        f"plain seed 9\n{'x' * MOST_BYTES}\nValueError: {HOSTILE}"
    )
    (folder.path / "errors" / ".left.txt.tmp").write_text("half")
    [found] = errors(folder.path)
    assert found["cell"] == "plain seed 9"
    assert found["trace"].endswith(HOSTILE.strip())
    assert len(found["trace"]) <= MOST_BYTES
    data: Any = PANEL.data(RunData(folder.path), {"part": "flight"})
    assert set(data) == {"entry", "errors"}
    with pytest.raises(InputError, match="part='all': must be flight, or left out"):
        PANEL.data(RunData(folder.path), {"part": "all"})


def test_the_run_list_knows_a_run_at_work_and_forgets_it_when_it_ends(tmp_path):
    folder = write_run(tmp_path, finished=False, keys=["plain00", "plain01", "drift00", "drift01", "left"])
    runs = Runs(tmp_path)
    assert runs.entries()[0].flight is None
    with (
        folder.at_work(),
        LiveMeter(folder.path, SilentMeter()) as meter,
        meter.cells("kable", total=5, done=4),
    ):
        [entry] = runs.entries()
        told: Any = entry.flight
        assert (entry.state, told["state"], told["done"]) == ("at work", "working", 4)
    [entry] = runs.entries()
    assert (entry.state, entry.flight) == ("stopped", None)
    assert json.dumps(dataclasses.asdict(entry))


@pytest.mark.slow
def test_a_browser_sees_a_run_go_on_fail_and_end(tmp_path):
    root = tmp_path / "runs"
    keys = ["plain00", "plain01", "drift00", "drift01", "left"]
    folder = write_run(root, "kable-live", finished=False, keys=keys)
    write_run(root, "kable-other")
    text = "return document.getElementById('content').textContent"
    with viewer(root) as address, chromium() as driver:
        with (
            folder.at_work(),
            LiveMeter(folder.path, SilentMeter()) as meter,
            meter.cells("kable", total=5, done=4),
        ):
            open_page(driver, address)
            until(driver, "return document.querySelector('progress')")
            assert "4 of 5 cells" in driver.execute_script(text)
            driver.execute_script("document.querySelector('td a').focus()")
            meter.finished("plain seed 9", "failed", "no")
            until(driver, "return document.getElementById('content').textContent.includes('1 failed')")
            assert driver.execute_script("return document.activeElement.tagName") == "A"
            pictured(driver, tmp_path, "runs-at-work")
            open_page(driver, f"{address}/run/kable-live/overview")
            until(driver, "return document.querySelector('.flying progress')")
            about = {"condition": HOSTILE, "seed": 9}
            with cell_at_work(folder.path, "left", about):
                (folder.path / "errors").mkdir()
                (folder.path / "errors" / "left.txt").write_text(
                    f"{HOSTILE}\nTraceback\nValueError: {HOSTILE}"
                )
                until(driver, "return document.querySelector('[aria-label=\"Cells at work\"] tbody tr')")
                until(driver, "return document.querySelector('.failures details')")
                driver.execute_script("document.querySelector('.failures summary').click()")
                pictured(driver, tmp_path, "overview-at-work")
            tables = cell_tables("plain", 9)
            folder.write("left", {"study": "kable", "condition": "plain", "seed": 9, "params": {}}, tables)
            findings = json.loads((root / "kable-other" / "findings.json").read_bytes())
            folder.write_json("findings.json", {"findings": findings["findings"]})
        until(driver, "return document.querySelector('.badge.good')?.textContent.includes('finished')")
        assert (
            driver.execute_script("return document.querySelectorAll('progress, .failures details').length")
            == 0
        )
        assert "1 holds" in driver.execute_script(text)
        watch = watched(driver)
        assert (watch["policy"], watch["errors"]) == ([], [])
        driver.get(address)
        until(driver, "return document.querySelectorAll('input[type=checkbox]').length === 2")
        driver.execute_script(
            "document.querySelectorAll('input[type=checkbox]').forEach((box) => box.click())"
        )
        link = until(driver, "return document.querySelector('.chosen a')?.getAttribute('href')")
        assert link.startswith("/compare?a=kable-")
