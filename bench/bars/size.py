"""Bar 19, size: runs of ten million beliefs and a hundred thousand messages open at once, in little memory.

And a population of a million agents over ten thousand steps keeps its memory flat. The full size takes 75 MB of disk,
about a minute to write the run, and some twenty minutes of one core for the population.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bars.outcome import Outcome
from bars.resident import resident_mb
from bars.view_runs import large_run
from bars.viewing import Served, open_page, server, settle, text_of
from tests.browser import chromium, watched

MOST_PAINT_S = 2.0
MOST_SERVER_MB = 300.0
FLAT = 0.05
WARM_UP = 0.1
"""Share of the steps before memory is judged."""

POPULATION = Path(__file__).with_name("population_run.py")
RUN = "large-run"

_FIRST_PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_PRESS = """
const button = [...document.querySelectorAll("main button:not(:disabled), main a")].find(
  (one) => new RegExp(arguments[0]).test(one.textContent));
if (button) button.click();
return Boolean(button);
"""
_SCROLL = "window.scrollTo(0, document.documentElement.scrollHeight * arguments[0])"
_ELEMENTS = "return document.querySelectorAll('*').length"


def run(full: bool, folder: Path) -> Outcome:
    """Open a large run, click through it, and watch the server; then let a large population run."""
    observations, messages = (10**7, 10**5) if full else (2 * 10**4, 2_000)
    outcome = Outcome(f"{observations:,} beliefs, {messages:,} messages, one answer of 5 MB")
    large_run(folder / "runs", observations, messages)
    with chromium() as driver, server(folder / "runs") as served, _memory(served.process) as memory:
        paints = _open_all(outcome, driver, served, full=full)
        _beliefs(outcome, driver, served, observations)
        _talk(outcome, driver, served, messages)
        wrong = watched(driver)
        outcome.check(not wrong["errors"] and not wrong["policy"], f"scripts failed: {wrong}")
    most = max(memory)
    outcome.check(most < MOST_SERVER_MB, f"the server held {most:.0f} MB; at most {MOST_SERVER_MB:.0f}")
    slowest = max(paints.values())
    outcome.size += f"; slowest first paint {slowest:.2f} s, server {most:.0f} MB"
    _population(outcome, full=full)
    return outcome


def _open_all(outcome: Outcome, driver: Any, served: Served, *, full: bool) -> dict[str, float]:
    """Open each page once, as somebody would who has just started the server."""
    paints: dict[str, float] = {}
    root = served.address.rstrip("/")
    open_page(driver, f"{root}/")
    names = driver.execute_script("return [...document.querySelectorAll('main a')].map((one) => one.href)")
    outcome.check(any(RUN in name for name in names), "the list does not show the run")
    open_page(driver, f"{root}/run/{RUN}/overview")
    links = driver.execute_script(
        "return [...document.querySelectorAll('nav.panels a')].map((one) => one.href)"
    )
    for link in [f"{root}/", *links]:
        begun = time.monotonic()
        open_page(driver, link)
        shown = time.monotonic() - begun
        paint = (driver.execute_script(_FIRST_PAINT) or 0.0) / 1000
        name = link.rpartition("/")[2] or "runs"
        paints[name] = paint
        failed = driver.execute_script("return document.documentElement.dataset.shown") != "true"
        outcome.check(not failed, f"{name}: {text_of(driver)[-300:]}")
        # without the full load a wall-clock time says nothing of it
        outcome.check(not full or paint < MOST_PAINT_S, f"{name}: first paint after {paint:.2f} s")
        print(f"bar 19: {name}: first paint {paint:.2f} s, quiet after {shown:.2f} s", file=sys.stderr)
    return paints


def _beliefs(outcome: Outcome, driver: Any, served: Served, observations: int) -> None:
    """Turn pages to the end of the table and filter it."""
    open_page(driver, f"{served.address}run/{RUN}/beliefs")
    outcome.check(f"{observations:,}" in text_of(driver), "the table does not say how long it is")
    for button in ("Next", "Next", "»", "Back", "«"):
        outcome.check(driver.execute_script(_PRESS, button), f"beliefs: no button {button!r}")
        outcome.check(settle(driver), f"beliefs: {button!r} does not end")
    for condition, seed in (("condition 1", "3"), ("condition 3", "")):
        open_page(driver, f"{served.address}run/{RUN}/beliefs?condition={condition}&seed={seed}&offset=200")
        outcome.check(condition in text_of(driver), f"beliefs: nothing of {condition}")


def _talk(outcome: Outcome, driver: Any, served: Served, messages: int) -> None:
    """Open the long conversation, unfold its large answer, and scroll to its end."""
    open_page(driver, f"{served.address}run/{RUN}/transcripts")
    if not driver.execute_script(_PRESS, "^long$"):
        outcome.check(False, f"the long conversation is not listed: {text_of(driver)[:300]}")
        return
    settle(driver)
    outcome.check("message 0:" in text_of(driver), "the conversation does not begin with its first message")
    outcome.check("5,000,000" in text_of(driver), "the large answer does not say how long it is")
    outcome.check(driver.execute_script(_PRESS, "^Show more"), "the large answer cannot be unfolded")
    settle(driver)
    for share in (0.1, 0.35, 0.6, 0.85, *[1.0] * 10):  # heights are guessed until what is there has been seen
        driver.execute_script(_SCROLL, share)
        settle(driver)
        if f"message {messages - 1}:" in text_of(driver):
            break
    outcome.check(f"message {messages - 1}:" in text_of(driver), "scrolling does not reach the last message")
    elements = driver.execute_script(_ELEMENTS)
    outcome.check(elements < 50_000, f"{elements:,} elements are in the page")


@contextmanager
def _memory(process: int) -> Generator[list[float]]:
    """Yield a list that fills with what a process holds, looked at ten times a second."""
    seen = [resident_mb(process)]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            try:
                seen.append(resident_mb(process))
            except (OSError, StopIteration):
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _population(outcome: Outcome, *, full: bool) -> None:
    """Run a population whose days are all kept; after warm-up its memory must stay within five percent."""
    agents, steps = (10**6, 10**4) if full else (10**4, 200)
    begun = time.monotonic()
    command = [sys.executable, str(POPULATION), str(agents), str(steps)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    looks = re.findall(r"^(\d+) ([0-9.]+)$", ended.stdout, re.MULTILINE)
    held = [float(value) for step, value in looks if int(step) > WARM_UP * steps]
    outcome.check(ended.returncode == 0 and "infected" in ended.stdout, ended.stderr[-500:])
    if not held:
        return
    middle = sorted(held)[len(held) // 2]
    outcome.check(
        max(abs(one / middle - 1.0) for one in held) <= FLAT,
        f"population: {min(held):.0f} to {max(held):.0f} MB after warm-up",
    )
    outcome.size += (
        f"; {agents:,} agents, {steps:,} steps in {time.monotonic() - begun:.0f} s, "
        f"{min(held):.0f} to {max(held):.0f} MB after warm-up"
    )
