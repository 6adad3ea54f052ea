"""The viewer's own pages in a real browser: list, overview, findings, figures, beliefs, keys, unseen characters."""

from __future__ import annotations

import json
import re
import time
from importlib import resources

import pytest

from doxa.lab.figures import PALETTE
from doxa.lab.report.markup import visible
from tests.browser import chromium, overflow_px, watched
from tests.hostile_texts import ATTACKS
from tests.lab.view.sample_runs import cell_tables, write_run
from tests.lab.view.served import open_page, pictured, until, viewer

pytestmark = pytest.mark.slow

RUN = "kable-0123456789"
NOTHING = {"policy": [], "errors": [], "log": []}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    cells = {
        f"{condition}{seed}": cell_tables(condition, seed, beliefs=70)
        for condition in ("plain", "drift")
        for seed in (0, 1)
    }
    write_run(root, RUN, cells=cells, started="2026-11-26T10:00:00Z")
    write_run(
        root,
        "fps-1",
        finished=False,
        keys=["plain00", "left"],
        started="2026-11-25T10:00:00Z",
        command=f"doxa run --all --preset quick --out /home/somebody/{'runs/' * 20}",
    )
    return root


@pytest.fixture(scope="module")
def address(root):
    with viewer(root) as address:
        yield address


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        metrics = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        yield driver


def press(driver, key):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(key).perform()


def texts(driver, selector):
    return driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector
    )


def test_runs_are_found_sorted_and_opened_by_keys_alone(driver, address, tmp_path):
    from selenium.webdriver.common.keys import Keys

    open_page(driver, f"{address}/")
    assert texts(driver, "tbody tr td:first-child") == [RUN, "fps-1"]
    assert texts(driver, "tbody tr:nth-child(2) td:nth-child(4)") == ["■ stopped"]
    driver.execute_script(
        "[...document.querySelectorAll('.sorts')].find((one) => one.textContent.startsWith('Started')).click()"
    )
    until(driver, "return document.querySelector('tbody td').textContent === 'fps-1'")
    assert driver.execute_script("return document.querySelector('[aria-sort]').ariaSort") == "ascending"
    press(driver, "?")
    until(driver, "return document.querySelector('dialog')?.open")
    press(driver, Keys.ESCAPE)
    until(driver, "return !document.querySelector('dialog').open")
    press(driver, "/")
    until(driver, "return document.activeElement.type === 'search'")
    press(driver, "KABLE nothing")
    until(driver, "return document.querySelector('main .note')?.textContent === 'No run matches.'")
    for _ in "nothing":
        press(driver, Keys.BACKSPACE)
    press(driver, "1 holds")
    until(driver, "return document.querySelectorAll('tbody tr').length === 1")
    assert "search=KABLE+1+holds" in driver.current_url
    pictured(driver, tmp_path, "runs")
    driver.execute_script("document.activeElement.blur()")
    press(driver, "j")
    press(driver, Keys.ENTER)
    until(driver, "return location.pathname.endsWith('/overview') && document.documentElement.dataset.shown")
    assert watched(driver) == NOTHING


@pytest.mark.parametrize("dark", [False, True])
def test_overview_and_findings_say_what_the_run_says(driver, address, tmp_path, dark):
    open_page(driver, f"{address}/run/{RUN}/overview", dark=dark)
    facts = dict(zip(texts(driver, ".facts-line dt"), texts(driver, ".facts-line dd"), strict=True))
    assert (facts["cells"], facts["beliefs"], facts["started"]) == (
        "4",
        "280 rows",
        "2026-11-26 10:00:00 UTC",
    )
    assert texts(driver, ".command") == ["doxa run kable --preset quick"]
    pictured(driver, tmp_path, f"overview-{dark}")
    open_page(driver, f"{address}/run/{RUN}/findings", dark=dark)
    assert texts(driver, "tbody td:nth-child(1)") == ["✓ holds", "✗ failscontrol", "? unresolved"]
    assert texts(driver, "tbody tr:first-child td:last-child") == ["0.29"]
    assert len(texts(driver, "svg.bar circle")) == 2
    pictured(driver, tmp_path, f"findings-{dark}")
    assert watched(driver) == NOTHING
    assert overflow_px(driver) == 0


def test_figures_are_drawn_pointed_at_zoomed_and_picked_from(driver, address, tmp_path):
    open_page(driver, f"{address}/run/{RUN}/figures")
    until(driver, "return document.querySelector('figure[data-done] .mark-line path')")
    ticks = "return [...document.querySelectorAll('.role-axis-label text')].map((one) => one.textContent).join(' ')"
    before = driver.execute_script(ticks)
    middle = driver.execute_script(
        "const box = document.querySelector('.mark-symbol path').getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2]"
    )
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": middle[0], "y": middle[1]})
    until(driver, "return document.querySelector('.tip:not([hidden])')?.textContent.includes('time')")
    assert len(texts(driver, ".mark-line path")) == 2
    driver.execute_script("document.querySelector('.picks input').click()")
    until(driver, "return document.querySelectorAll('.mark-line path').length === 1")
    driver.execute_script(
        "[...document.querySelectorAll('.offers button')].find((one) => one.textContent === 'Zoom').click()"
    )
    until(
        driver,
        "return document.querySelector('[aria-pressed=true]') && document.querySelector('.mark-line path')",
    )
    box = (
        "const box = document.querySelector('.plot svg').getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + 150]"
    )

    def zoomed(_driver):
        x, y = driver.execute_script(box)
        driver.execute_cdp_cmd(
            "Input.dispatchMouseEvent", {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": -300}
        )
        return driver.execute_script(ticks) != before

    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 30).until(zoomed)
    pictured(driver, tmp_path, "figures")
    assert watched(driver) == NOTHING


def test_beliefs_are_paged_and_filtered_and_a_link_shows_the_same(driver, address, tmp_path):
    from selenium.webdriver.common.keys import Keys

    open_page(driver, f"{address}/run/{RUN}/beliefs?condition=drift")
    until(driver, "return document.querySelector('select[name=readout] option:nth-child(2)')")
    assert texts(driver, ".pager span") == ["1\u2013100 of 140"]
    driver.execute_script("document.activeElement.blur()")
    press(driver, Keys.ARROW_RIGHT)
    until(driver, "return document.querySelector('.pager span').textContent === '101\\u2013140 of 140'")
    assert driver.current_url.endswith("/beliefs?condition=drift&offset=100")
    driver.execute_script(
        "const box = document.querySelector('select[name=readout]'); box.value = 'stated';"
        "box.dispatchEvent(new Event('change'))"
    )
    until(driver, "return document.querySelector('.pager span').textContent.endsWith('of 48')")
    assert set(texts(driver, "tbody td:nth-child(7)")) == {"stated"}
    pictured(driver, tmp_path, "beliefs")
    driver.back()
    until(driver, "return document.querySelector('.pager span').textContent === '101\\u2013140 of 140'")
    fields = "return [...document.querySelectorAll('.field select')].map((box) => box.value)"
    assert driver.execute_script(fields) == ["drift", "", "", "", ""]
    open_page(driver, f"{address}/run/{RUN}/beliefs?seed=one")
    until(driver, "return document.querySelector('[role=alert]')")
    assert "seed='one': must be a number" in texts(driver, "[role=alert]")[0]
    seen = watched(driver)
    assert (seen["policy"], seen["errors"]) == ([], [])


def test_a_narrow_window_scrolls_its_tables_and_not_the_page(driver, address):
    from selenium.webdriver.common.keys import Keys

    narrow = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    usual = {**narrow, "width": 1200}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        open_page(driver, f"{address}/run/fps-1/overview")
        assert overflow_px(driver) == 0
        open_page(driver, f"{address}/run/{RUN}/beliefs")
        until(driver, "return document.querySelector('.scroll')")
        driver.execute_script("document.querySelector('.scroll').focus()")
        press(driver, Keys.ARROW_RIGHT)
        until(driver, "return document.querySelector('.scroll').scrollLeft > 0")
        assert texts(driver, ".pager span") == ["1\u2013100 of 280"]
    finally:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", usual)


def test_numbers_near_a_whole_one_are_not_shown_as_that(driver, address):
    open_page(driver, f"{address}/")
    values = [1, 0.99998, 0.25, -2.5e-7, 12345.6, 1234567]
    module = "import('/static/ui.js').then((ui) => arguments[1](arguments[0].map((one) => ui.number(one))))"
    shown = driver.execute_async_script(module, values)
    assert shown == ["1", "1.000", "0.25", "\u22122.5e\u22127", "12350", "1,234,567"]


@pytest.mark.parametrize("place", ["//else.where", "/\\else.where", "https://else.where", "javascript:1"])
def test_no_link_leads_elsewhere(driver, address, place):
    open_page(driver, f"{address}/")
    module = "import('/static/ui.js').then((ui) => ui.el('a', {href: arguments[0]})).then(String, String)"
    made = driver.execute_async_script(f"{module}.then(arguments[1])", place)
    assert "no link to" in made


def test_a_run_that_goes_away_is_said_so(driver, address, root):
    folder = write_run(root, "kable-gone")
    open_page(driver, f"{address}/run/kable-gone/beliefs")
    folder.path.rename(root.parent / f"gone-{time.monotonic_ns()}")
    driver.execute_script("document.querySelector('select[name=readout]') && 0")
    driver.refresh()
    until(driver, "return document.querySelector('.failed')")
    assert "deleted or renamed" in texts(driver, ".failed")[0]


def test_the_pages_spell_out_what_the_report_spells_out(driver, address):
    open_page(driver, f"{address}/")
    odd = [text for text in ATTACKS if visible(text) != text]
    odd += [
        "a\u202eb",
        "e" + "\u0301" * 20,
        "\x1b[31m",
        "\U000e0041",
        "\ud800x",
        "👩\u200d👩",
        "\x7f",
        "\ufeff",
    ]
    module = "import('/static/ui.js').then((ui) => arguments[1](JSON.parse(arguments[0]).map(ui.visible)))"
    assert driver.execute_async_script(module, json.dumps(odd)) == [visible(text) for text in odd]


def test_the_style_is_the_reports():
    css = (resources.files("doxa.lab.view") / "static" / "app.css").read_text()
    assert "prefers-color-scheme" not in css  # colours of light and dark stand in the report's style alone
    colours = set(re.findall(r"#[0-9a-f]{3,8}\b", css))
    assert colours <= {*PALETTE, "#9a9a9a"}  # grey stands between two poles
