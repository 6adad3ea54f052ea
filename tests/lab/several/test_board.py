from __future__ import annotations

import json
import math

import pytest

from doxa.errors import InputError
from doxa.lab.record import Finding
from doxa.lab.run import run_study
from doxa.lab.several.board import Board, Entry, Tally, finding_of, gather, holds_runs, write_board
from doxa.lab.several.shown import show_board
from doxa.lab.store import RunFolder
from doxa.lab.terminal import plain
from tests.hostile_texts import ATTACKS
from tests.lab.studies import coin


def finding(name, verdict, control=False, **more):
    return Finding(name, f"claim of {name}", 0.5, (0.25, 0.75), verdict, control=control, **more)


@pytest.fixture
def board():
    first = [
        finding("one", "holds", paper=0.324),
        finding("two", "fails"),
        finding("three", "holds", control=True),
    ]
    second = [finding("four", "unresolved", control=True), finding("five", "holds")]
    return Board(
        [
            Entry(
                "first", "finished", "first-1", "quick", "arXiv:2410.21195", 3, 61.0, 40.0, "doxa run", first
            ),
            Entry("lost", "failed: 1 of 3 cells failed", cells=3),
            Entry("second", "finished", "second-1", "quick", "none", 2, 5.0, 4.0, "doxa run", second),
        ]
    )


def test_verdicts_are_counted_apart_for_claims_and_controls(board):
    value = board.as_json()
    assert value["claims"] == {"holds": 2, "fails": 1, "unresolved": 0}
    assert value["controls"] == {"holds": 1, "fails": 0, "unresolved": 1}
    assert (value["studies"], value["finished"]) == (3, 2)
    assert value["entries"][0]["report"] == "first-1/report.html"
    assert value["entries"][1]["report"] is None
    assert Tally.of([]).text() == ""


def test_a_terminal_sees_counts_and_what_does_not_hold_or_what_it_asks_for(board):
    lines = show_board(board).lines
    assert [plain(line) for line in lines] == lines, "nothing is escaped on the way to a terminal"
    assert lines[0] == "2 of 3 studies finished · claims ✓ 2 ✗ 1 · controls ✓ 1 ? 1"
    row = "first quick ✓ 1 ✗ 1 ✓ 1 arXiv:2410.21195 3 1 min 1 s 40 s finished"
    assert row in {" ".join(line.split()) for line in lines}
    assert not any("claim of one" in line for line in lines)
    assert any("✗ fails" in line and "claim of two" in line for line in lines)
    everything = show_board(board, verdict="all").as_text()
    assert "one: claim of one  0.5 [0.25, 0.75]  paper 0.324" in everything
    assert "claim of five" not in show_board(board, verdict="fails").as_text()
    assert "lost" not in show_board(board, only=["first"]).as_text()
    with pytest.raises(InputError, match="did you mean 'fails'"):
        show_board(board, verdict="fail")


@pytest.mark.parametrize("interval", [None, (0.25, 0.75), (-math.inf, 0.75), (0.25, math.inf)])
def test_a_finding_comes_back_from_its_json(interval):
    kept = Finding("a", "b", 0.5, interval, "holds", "unit", True, 0.3, 0.9, 7, "note")
    assert finding_of(json.loads(json.dumps(kept.as_json()))) == kept


def test_the_newest_run_of_each_study_is_on_the_board(tmp_path):
    study = coin(tmp_path, "board-coin")
    runs = tmp_path / "runs"
    quick, whole = run_study(study, preset="quick", out=runs), run_study(study, out=runs)
    for result, when in ((quick, "2026-01-02"), (whole, "2026-01-01")):
        with RunFolder(result.folder).manifest() as manifest:
            manifest["finished"] = when
    (runs / "stray").mkdir()
    (runs / "stray" / "manifest.json").write_text("{")
    assert [entry.run for entry in gather(runs).entries] == [quick.run]
    assert [entry.run for entry in gather(runs, preset="embedded").entries] == [whole.run]
    chosen = gather(runs, chosen={"board-coin": whole.run}, states={"other": "not run: no data"})
    assert [(entry.study, entry.run, entry.state) for entry in chosen.entries] == [
        ("board-coin", whole.run, "finished"),
        ("other", "", "not run: no data"),
    ]
    (entry,) = gather(runs).entries
    assert [found.id for found in entry.findings] == ["fair"]
    assert entry.processor is not None
    assert (holds_runs(runs), holds_runs(whole.folder), holds_runs(tmp_path / "none")) == (True, False, False)
    with pytest.raises(InputError, match="no such folder"):
        gather(tmp_path / "none")


def test_a_run_under_way_shows_how_far_it_is(tmp_path):
    import shutil

    result = run_study(coin(tmp_path, "board-half"), out=tmp_path / "runs")
    shutil.rmtree(next((result.folder / "cells").iterdir()))
    (entry,) = gather(tmp_path / "runs").entries
    assert (entry.state, list(entry.findings), entry.as_json()["report"]) == ("2 of 3 cells", [], None)


def hostile_board():
    findings = [
        Finding(text, text, 0.5, (0.4, 0.6), verdict, unit=text, control=index % 2 == 0, note=text)
        for index, text in enumerate(ATTACKS)
        for verdict in (("holds", "fails", "unresolved")[index % 3],)
    ]
    one = Entry(ATTACKS[0], "finished", ATTACKS[1], ATTACKS[2], ATTACKS[3], 3, 1.0, 2.0, ATTACKS[4], findings)
    return Board([one, Entry(ATTACKS[5], f"failed: {ATTACKS[6]}"), Entry("plain", "finished", "plain-1")])


def test_the_board_is_written_whole_and_says_the_same_as_json(board, tmp_path):
    page = write_board(board, tmp_path)
    assert json.loads((tmp_path / "board.json").read_text()) == board.as_json()
    text = page.read_text()
    assert 'href="first-1/report.html"' in text
    assert 'href="#block-2"' in text
    assert "0.324" in text
    assert text.count('class="findings"') == 2
    assert write_board(board, tmp_path).read_text() == text


@pytest.mark.slow
def test_hostile_texts_stay_texts_and_letters_choose_verdicts_in_a_browser(tmp_path):
    from selenium.webdriver.common.keys import Keys

    from tests.browser import chromium, overflow_px, show, watched

    page = write_board(hostile_board(), tmp_path)
    with chromium() as driver:
        show(driver, page, width=1280)
        seen = "return [...document.querySelectorAll('.findings tbody tr')].filter(row => row.offsetParent).length"
        counts = {
            key: driver.execute_script(
                f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}})); {seen}"
            )
            for key in "hfua"
        }
        assert counts["h"] + counts["f"] + counts["u"] == counts["a"] == len(ATTACKS)
        driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        assert driver.execute_script(seen) == counts["h"]
        assert driver.execute_script("return document.activeElement.labels[0].textContent").startswith(
            "holds"
        )
        assert (
            driver.execute_script("return document.querySelector('.findings .sentence').textContent")
            in ATTACKS
        )
        show(driver, page, width=400, dark=True)
        assert overflow_px(driver) <= 0
        assert watched(driver) == {"policy": [], "errors": [], "log": []}
