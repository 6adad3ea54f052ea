# ruff: noqa: RUF001 - the page writes dashes as such
"""Every page of the viewer and of its copy in a real browser: pictures, errors, width, keyboard, accessibility."""

from __future__ import annotations

from importlib import resources

import pytest

from doxa.lab.view.export import export_folder
from tests.browser import chromium, overflow_px, watched
from tests.lab.view.belief_runs import write_beliefs
from tests.lab.view.population_runs import write_populations
from tests.lab.view.sample_runs import cell_tables, write_run
from tests.lab.view.served import open_page, pictured, until, viewer
from tests.lab.view.talk_runs import talk_tables

pytestmark = pytest.mark.slow

LINKS = "return [...document.querySelectorAll(arguments[0])].map((one) => one.href)"
AXE = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.length}, ${one.nodes[0].html.slice(0, 200)}`)));
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    write_run(root, "kable-0123456789")
    write_run(root, "fps-1", finished=False, keys=["plain00", "left"], started="2026-11-25T10:00:00Z")
    write_run(root, "talks-1", cells={"talk": talk_tables(), "plain": cell_tables("plain", 1)})
    write_beliefs(root)
    write_populations(root)
    return root


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        metrics = {"width": 1200, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.set_script_timeout(120)
        yield driver


def addresses(driver, first: str, run: str) -> list[str]:
    """Return every page that links lead to from the first one."""
    open_page(driver, first)
    until(driver, "return document.querySelector('main table a')")
    found = [first, *driver.execute_script(LINKS, "nav.top a")]
    for link in [one for one in driver.execute_script(LINKS, "main table a") if run in one]:
        open_page(driver, link)
        found += driver.execute_script(LINKS, "nav.panels a")
    return list(dict.fromkeys(found))


def check(driver, address: str, folder, name: str, *, dark: bool) -> list[str]:
    """Open a page, keep its picture, and return what is wrong with it."""
    open_page(driver, address, dark=dark)
    until(driver, "return !document.querySelector('[aria-busy=true]')")
    driver.execute_script((resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    wrong = driver.execute_async_script(AXE)
    pictured(driver, folder, name)
    if driver.execute_script("return document.documentElement.dataset.shown") != "true":
        wrong.append("it failed")
    if overflow_px(driver):
        wrong.append(f"{overflow_px(driver)} px too wide")
    seen = watched(driver)
    return [*wrong, *seen["errors"], *seen["policy"], *seen["log"]]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_is_sound_and_accessible(root, driver, tmp_path, dark):
    with viewer(root) as first:
        pages = addresses(driver, f"{first}/", "/run/")
        wrong = {}
        for number, page in enumerate(pages):
            name = f"{number:02d}-{page.rstrip('/').rpartition('/')[2]}-{'dark' if dark else 'light'}"
            if found := check(driver, page, tmp_path, name, dark=dark):
                wrong[page.removeprefix(first)] = found
    assert not wrong
    assert len(pages) > 20
    assert len(list(tmp_path.glob("*.png"))) in (0, len(pages))


def test_every_page_of_a_copy_is_sound_on_a_disk(root, driver, tmp_path):
    made = export_folder(root, tmp_path / "site")
    pages = addresses(driver, (made.folder / "index.html").as_uri(), "/run/")
    wrong = {}
    for number, page in enumerate(pages):
        if found := check(driver, page, tmp_path, f"copy-{number:02d}", dark=False):
            wrong[page.rpartition("/site/")[2]] = found
    assert not wrong
    assert len({page.partition("#")[0] for page in pages}) == made.pages


def test_a_copy_turns_pages_and_says_what_it_does_not_hold(root, driver, tmp_path):
    write_run(root, "long-1", cells={"plain0": cell_tables("plain", 0, beliefs=250)})
    page = (
        export_folder(root, tmp_path / "site", only=["long-1"]).folder / "run/long-1/beliefs.html"
    ).as_uri()
    open_page(driver, page)
    driver.execute_script("document.querySelector('[data-page=next]').click()")
    until(driver, "return document.querySelector('.pager span').textContent === '101–200 of 250'")
    assert driver.execute_script("return location.hash") == "#?offset=100"
    driver.execute_script("history.back()")
    until(driver, "return document.querySelector('.pager span').textContent === '1–100 of 250'")
    open_page(driver, f"{page}#?offset=137")
    driver.refresh()
    until(
        driver,
        "return document.querySelector('main .failed')?.textContent.startsWith('This copy does not hold')",
    )


def test_the_keyboard_alone_leads_from_the_list_to_a_panel(root, driver, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys):
        for key in keys:
            ActionChains(driver).send_keys(key).perform()

    here = "return location.pathname"
    with viewer(root) as first:
        open_page(driver, f"{first}/")
        until(driver, "return document.querySelector('[data-row]')")
        press(Keys.TAB)
        assert driver.execute_script("return document.activeElement.className") == "skip"
        press(Keys.ENTER)
        assert driver.execute_script("return document.activeElement.id") == "content"
        press("/")
        press("kable")
        until(driver, "return document.querySelectorAll('[data-row]').length === 1")
        press(Keys.TAB, Keys.ESCAPE, "j", Keys.ENTER)
        until(driver, f"{here}.endsWith('/overview')")
        until(driver, "return document.documentElement.dataset.shown")
        for _ in range(40):
            press(Keys.TAB)
            if driver.execute_script("return document.activeElement.textContent") == "Findings":
                break
        outline = (
            "const at = getComputedStyle(document.activeElement); return [at.outlineStyle, at.outlineWidth]"
        )
        style, width = driver.execute_script(outline)
        assert style != "none"
        assert width != "0px"
        press(Keys.ENTER)
        until(driver, f"{here}.endsWith('/findings')")
        until(driver, "return document.querySelector('main table')")
        press("g")
        until(driver, f"{here} === '/'")
