"""Trajectories, measures, layers and conversations in a real browser: what is drawn is what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doxa.lab.view.panels import panel
from doxa.lab.view.run_data import RunData
from tests.browser import chromium, overflow_px, watched
from tests.hostile_texts import hostile_texts
from tests.lab.view.belief_runs import write_beliefs
from tests.lab.view.sample_runs import write_run
from tests.lab.view.served import open_page, pictured, until, viewer
from tests.lab.view.talk_runs import long_tables, talk_tables
from tests.lab.view.test_pictures import hostile_tables

TURNS = 20_000
DRAWN = "return document.querySelector('.pictures')?.dataset.drawn"

# marks of the pictures with what they say to those who cannot see them
MARKS = """
return [...document.querySelectorAll(`.pictures ${arguments[0]}`)].map((mark) => mark.getAttribute("aria-label"));
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root: Path = tmp_path_factory.mktemp("runs")
    write_beliefs(root)
    write_run(root, "talks-1", cells={"k0": talk_tables(0), "k1": talk_tables(1)})
    write_run(root, "long-1", cells={"k": long_tables(TURNS, letters=30, huge=5_000_000)})
    texts = hostile_texts(24) + hostile_texts(130)[104:128]
    tables = hostile_tables(texts)._replace(transcripts=hostile_talks(texts))
    write_run(root, "hostile-1", cells={"k": tables})
    return root


def hostile_talks(texts: list[str]) -> Any:
    from doxa.lab.record import Recorder

    recorder = Recorder(texts[0], 0)
    for number, text in enumerate(texts):
        for name in ("one talk", text):
            recorder.utterance(
                subject=text, conversation=name, turn=number, role=text, text=text, finish=text,
                audience=[text], attempts=1, heard=text + "!", kind=text, missing=text, talk={"branch": text},
            )  # fmt: skip
    return recorder.tables().transcripts


@pytest.fixture(scope="module")
def address(root) -> Iterator[str]:
    with viewer(root) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as driver:
        metrics = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        yield driver


@pytest.fixture(autouse=True)
def _quiet(request) -> Iterator[None]:
    yield
    if "browser" in request.fixturenames:
        driver = request.getfixturevalue("browser")
        assert watched(driver) == {"policy": [], "errors": [], "log": []}
        assert overflow_px(driver) == 0


def told(label: str) -> dict[str, str]:
    """Return what a mark says of itself."""
    return dict(part.split(": ", 1) for part in label.split("; ") if ": " in part)


def points_of(root: Path, name: str, **query: str) -> list[dict[str, Any]]:
    found: Any = panel(name).data(RunData(root / "beliefs-1"), query)
    return [row for picture in found["pictures"] for row in picture["spec"]["data"]["values"]]


def test_trajectories_are_drawn_and_a_pick_stands_in_the_address(root, address, browser, tmp_path):
    open_page(browser, f"{address}/run/beliefs-1/trajectories")
    assert until(browser, DRAWN) == "2"
    marks = [told(label) for label in browser.execute_script(MARKS, ".mark-symbol path[aria-label]")]
    marks = [mark for mark in marks if "seeds" in mark]
    wanted = [row for row in points_of(root, "trajectories") if row["mean"] is not None]
    assert sorted((mark["readout"], float(mark["time"]), int(mark["missing"])) for mark in marks) == sorted(
        (row["readout"], row["time"], row["missing"]) for row in wanted
    )
    assert sorted(float(mark["mean"].replace("\u2212", "-")) for mark in marks) == pytest.approx(
        sorted(row["mean"] for row in wanted), abs=1e-3
    )
    pictured(browser, tmp_path, "trajectories")
    browser.execute_script(
        "const box = document.querySelector('select[name=condition]'); box.value = 'drift';"
        "box.dispatchEvent(new Event('change'));"
    )
    until(browser, "return document.querySelectorAll('.pictures figure').length === 1 &&" + DRAWN[6:])
    here = browser.current_url
    assert here.endswith("/trajectories?condition=drift")
    headings = "return [...document.querySelectorAll('.pictures h2')].map((one) => one.textContent)"
    assert browser.execute_script(headings) == ["drift"]
    open_page(browser, here)
    assert until(browser, DRAWN) == "1"
    assert browser.execute_script(headings) == ["drift"]
    browser.back()
    assert (
        until(browser, "return document.querySelectorAll('.pictures figure').length === 2 &&" + DRAWN[6:])
        == "2"
    )


def test_a_point_says_its_numbers_and_wheels_zoom(address, browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.by import By

    open_page(browser, f"{address}/run/beliefs-1/trajectories?condition=plain")
    until(browser, DRAWN)
    marks = browser.find_elements(By.CSS_SELECTOR, ".pictures .mark-symbol path[aria-label*='seeds']")
    ActionChains(browser).move_to_element(marks[3]).perform()
    tip = until(
        browser, "const tip = document.querySelector('.tip'); return tip && !tip.hidden && tip.textContent;"
    )
    assert all(word in tip for word in ("readout", "mean", "low", "high", "seeds", "missing"))
    browser.execute_script("document.querySelector('.pictures button[aria-pressed]').click()")
    until(browser, "return document.querySelector('.pictures button[aria-pressed=true]') && " + DRAWN[6:])
    place = browser.find_element(By.CSS_SELECTOR, ".pictures svg")
    labels = "return [...document.querySelectorAll('.pictures .mark-text text')].map((one) => one.textContent).join()"
    before = browser.execute_script(labels)
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(place), 0, -300).perform()
    until(browser, f"return (() => {{ {labels} }})() !== {before!r}")


def test_measures_are_drawn_with_their_lines(root, address, browser, tmp_path):
    open_page(browser, f"{address}/run/beliefs-1/measures?measure=margin&lines=layer")
    assert until(browser, DRAWN) == "2"
    marks = [told(label) for label in browser.execute_script(MARKS, ".mark-symbol path[aria-label*='seeds']")]
    wanted = points_of(root, "measures", measure="margin", lines="layer")
    assert sorted((mark["line"], float(mark["mean"].replace("\u2212", "-"))) for mark in marks) == [
        (line, pytest.approx(mean, abs=1e-3))
        for line, mean in sorted((row["line"], row["mean"]) for row in wanted)
    ]
    browser.execute_script("document.querySelector('.pictures details').open = true")
    rows = "return document.querySelectorAll('.pictures table tbody tr').length"
    assert until(browser, rows) == len(wanted) // 2
    pictured(browser, tmp_path, "measures")


def test_heat_maps_are_drawn_with_a_legend(root, address, browser, tmp_path):
    open_page(browser, f"{address}/run/beliefs-1/layers?what=measures/field/margin", dark=True)
    assert until(browser, DRAWN) == "2"
    cells = [told(label) for label in browser.execute_script(MARKS, ".mark-rect path[aria-label*='layer']")]
    wanted = points_of(root, "layers", what="measures/field/margin")
    assert sorted(
        (cell["layer"], cell["turn"], float(cell["mean"].replace("\u2212", "-"))) for cell in cells
    ) == [
        (layer, turn, pytest.approx(mean, abs=1e-3))
        for layer, turn, mean in sorted((row["layer"], row["column"], row["mean"]) for row in wanted)
    ]
    assert browser.execute_script("return document.querySelectorAll('.pictures .role-legend').length") == 2
    pictured(browser, tmp_path, "layers")


def texts_of(browser: Any, where: str) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", where
    )


def test_conversations_are_listed_searched_and_opened(address, browser, tmp_path):
    open_page(browser, f"{address}/run/talks-1/transcripts")
    names = "tbody tr td:first-child a"
    assert until(browser, f"return document.querySelectorAll('{names}').length") == 6
    browser.execute_script(
        "const box = document.querySelector('input[name=search]'); box.focus(); box.value = 'sterner';"
        "box.dispatchEvent(new Event('input'));"
    )
    until(browser, f"return document.querySelectorAll('{names}').length === 2")
    assert texts_of(browser, names) == ["scene 1 sterner"] * 2
    assert texts_of(browser, "th")[-3:] == ["Letters", "Tokens", "Finish"]
    assert browser.current_url.endswith("?search=sterner")
    assert browser.execute_script("return document.activeElement.name") == "search"
    pictured(browser, tmp_path, "conversations")
    browser.execute_script(f"document.querySelector('{names}').click()")
    until(browser, "return document.querySelectorAll('article.message').length >= 6")
    columns = texts_of(browser, ".turns:last-child > div .said")
    assert columns == ["says 5 sterner", "says 5", "says 5 kinder"]


def test_columns_that_no_conversation_has_are_left_out(address, browser):
    open_page(browser, f"{address}/run/long-1/transcripts")
    until(browser, "return document.querySelector('th')")
    assert texts_of(browser, "th")[-2:] == ["Messages", "Letters"]


def test_forks_stand_beside_the_trunk_where_they_leave(address, browser, tmp_path):
    open_page(browser, f"{address}/run/talks-1/transcripts?talk=k0.0")
    until(browser, "return document.querySelectorAll('article.message').length === 12")
    rows = browser.execute_script(
        "return [...document.querySelectorAll('.turns')].map((row) => "
        "[...row.children].map((cell) => cell.querySelector('.said')?.textContent ?? ''))"
    )
    assert rows == [
        ["says 0", "", ""],
        ["says 1", "", ""],
        ["says 2", "", "says 2 kinder"],
        ["says 3", "", "says 3 kinder"],
        ["says 4", "says 4 sterner", "says 4 kinder"],
        ["says 5", "says 5 sterner", "says 5 kinder"],
    ]
    tops = browser.execute_script(
        "return [...document.querySelectorAll('.turns')].slice(-1)[0].getElementsByTagName('article').length"
    )
    assert tops == 3
    assert [text.split(",")[0] for text in texts_of(browser, ".parts")] == [
        "scene 1 kinder leaves here",
        "scene 1 sterner leaves here",
    ]
    assert texts_of(browser, ".message.private .mark")[:2] == [
        "asked off the path",
        "private: nobody else heard it",
    ]
    pictured(browser, tmp_path, "forks")
    for left in (10, 6):
        browser.execute_script("document.querySelector('.beside input:checked').click()")
        until(browser, f"return document.querySelectorAll('article.message').length === {left}")
    assert "beside=none" in browser.current_url
    beside = browser.execute_script(
        "const off = document.querySelector('.message.off'), row = off.closest('.turns');"
        "return [row.querySelector('.said').textContent, off.querySelector('.said').textContent,"
        " off.getBoundingClientRect().left > row.querySelector('article').getBoundingClientRect().right];"
    )
    assert beside == ["says 2", "says 3", True]


def test_forks_stand_below_each_other_in_a_narrow_window(address, browser):
    usual = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**usual, "width": 400})
    try:
        open_page(browser, f"{address}/run/talks-1/transcripts?talk=k0.0")
        until(browser, "return document.querySelectorAll('article.message').length === 12")
        left = (
            "[...document.querySelectorAll('article.message')].map((one) => one.getBoundingClientRect().left)"
        )
        assert len(set(browser.execute_script(f"return {left}"))) == 1
        names = browser.execute_script("return document.querySelector('.turns:last-child').innerText")
        assert "scene 1 sterner" in names
    finally:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", usual)


def test_a_conversation_of_many_turns_keeps_few_in_the_page(address, browser):
    open_page(browser, f"{address}/run/long-1/transcripts?talk=k.0")
    until(browser, "return document.querySelectorAll('article').length >= 50")
    seen = "return document.querySelector('article[data-turn=\"' + arguments[0] + '\"]') !== null"
    for turn in (19_999, 10_000, 15_000, 1, 5_000, 12_345, 7_000, 18_000):
        browser.execute_script(
            "const box = document.querySelector('input[name=turn]'); box.value = arguments[0] + 1;"
            "box.dispatchEvent(new Event('change'));",
            turn,
        )
        until(browser, seen.replace("arguments[0]", str(turn)))
        assert until(browser, f"return document.activeElement.dataset.turn === '{turn}'")
    assert browser.execute_script("return document.querySelectorAll('article').length") <= 1500
    assert browser.execute_script("return document.querySelectorAll('*').length") < 30_000
    box = "const box = document.querySelector('input[name=find]'); box.value = 'message 1999'; "
    browser.execute_script(box + "box.dispatchEvent(new Event('change'));")
    until(browser, "return document.activeElement.dataset.turn === '1999'")
    assert "of 11 messages found" in until(browser, "return document.querySelector('output').textContent")


def test_a_huge_answer_is_folded_with_its_size(address, browser):
    open_page(browser, f"{address}/run/long-1/transcripts?talk=k.0")
    button = "document.querySelector('article[data-turn=\"7\"] button.action')"
    words = until(browser, f"return {button}?.textContent")
    assert words == "Show more: 4,996,000 of 5,000,000 letters are folded"
    browser.execute_script(f"{button}.click()")
    until(browser, f"return {button}.textContent.includes('4,796,000 of')")
    assert len(texts_of(browser, 'article[data-turn="7"] .said')[0]) == 204_000


@pytest.mark.parametrize("name", ["trajectories", "measures", "layers"])
def test_hostile_names_stay_text_in_pictures(address, browser, name):
    open_page(browser, f"{address}/run/hostile-1/{name}")
    assert until(browser, DRAWN)
    marks = browser.execute_script("return document.querySelectorAll('.pictures svg [aria-label]').length")
    assert marks > 0
    alien = "return document.querySelectorAll('main script, main img, main iframe, main a[href^=javascript]').length"
    assert browser.execute_script(alien) == 0
    browser.execute_script(
        "for (const one of document.querySelectorAll('.pictures details')) one.open = true;"
    )


def test_hostile_conversations_stay_text(root, address, browser):
    open_page(browser, f"{address}/run/hostile-1/transcripts")
    until(browser, "return document.querySelectorAll('tbody tr').length > 20")
    found: Any = panel("transcripts").data(RunData(root / "hostile-1"), {"search": "one talk"})
    talk = found["talks"][0]["id"]
    open_page(browser, f"{address}/run/hostile-1/transcripts?talk={talk}")
    until(browser, "return document.querySelectorAll('article').length >= 48")
    browser.execute_script("for (const one of document.querySelectorAll('main details')) one.open = true;")
    said = texts_of(browser, "article .said")
    for text in ("<script>alert(1)</script>", "<svg onload=alert(1)>"):
        assert text in said
    alien = (
        "return document.querySelectorAll('main script, main img, main iframe, main svg, main style').length"
    )
    assert browser.execute_script(alien) == 0
