"""The viewer as its users meet it: its server as a process, its pages in headless Chromium."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from doxa.testing.processes import doxa_command

_ADDRESS = re.compile(r"at (http://\S+)")

# quiet: nothing was changed for 150 ms and nothing says that it is busy
_QUIET = """
const [most, done] = arguments, begun = performance.now();
let last = begun;
const seen = new MutationObserver(() => { last = performance.now(); });
seen.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
const look = () => {
  const now = performance.now(), shown = "shown" in document.documentElement.dataset;
  const busy = !shown || document.querySelector('[aria-busy="true"]');
  if ((now - last > 150 && !busy) || now - begun > most) { seen.disconnect(); done(!busy); }
  else setTimeout(look, 40);
};
look();
"""

# everything that can be opened, chosen or pressed on a page, but for what saves a file or plays a film
_OPEN = "for (const fold of document.querySelectorAll('main details:not([open])')) fold.open = true;"
_TOUCH = """
const [place, typed] = arguments;
const all = [...document.querySelectorAll("main select, main button, main input")];
if (place >= all.length) return "end";
const one = all[place];
if (one.disabled || /^(Save|Play)/.test(one.textContent.trim())) return "";
if (one.tagName === "SELECT") {
  if (one.options.length < 2) return "";
  one.selectedIndex = one.options.length - 1;
  one.dispatchEvent(new Event("change", { bubbles: true }));
} else if (one.tagName === "INPUT" && ["search", "text"].includes(one.type)) {
  one.value = typed;
  one.dispatchEvent(new Event("input", { bubbles: true }));
  one.dispatchEvent(new Event("change", { bubbles: true }));
} else one.click();
return "touched";
"""
_NEXT = """
const button = document.querySelector('main [data-page="next"]:not(:disabled)');
if (button) button.click();
return Boolean(button);
"""
_LINKS = """
return [...document.querySelectorAll("a[href], area[href], [*|href]")].map((one) => one.href?.baseVal ?? one.href);
"""
_FOREIGN = """
const allowed = new Set(arguments[0]);
const kinds = "script, iframe, object, embed, base, form[action], meta[http-equiv], img, style, link";
return [...document.querySelectorAll(kinds)]
  .map((one) => [one.tagName, one.src || one.href || one.httpEquiv || ""].join(" "))
  .filter((one) => !allowed.has(one.split(" ")[0]) );
"""


class Served(NamedTuple):
    """A server at work."""

    address: str
    process: int

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.address).port or 80


@contextmanager
def server(folder: Path, *more: str) -> Generator[Served]:
    """Serve a folder of runs on a free port, and end the server as a user would."""
    command = doxa_command("view", str(folder), "--port", "0", "--no-browser", *more)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = _ADDRESS.search(line)
        if found is None:
            raise RuntimeError(f"the server did not start: {line}{process.stderr.read()}")
        yield Served(found[1], process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


def open_page(driver: Any, address: str, timeout_s: float = 60.0) -> None:
    """Open a page and wait until its script has shown what it has."""
    driver.get("about:blank")  # an address that differs behind # only would not be loaded anew
    driver.get(address)
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if driver.execute_script("return document.documentElement.dataset.shown"):
            break
        time.sleep(0.02)
    settle(driver)


def settle(driver: Any, most_ms: int = 10_000) -> bool:
    """Wait until the page is quiet; return whether it became so."""
    driver.set_script_timeout(most_ms / 1000 + 30)
    return driver.execute_async_script(_QUIET, most_ms)


def text_of(driver: Any) -> str:
    """Return all text of a page, hidden parts included."""
    return driver.execute_script("return document.body.textContent")


def visit(driver: Any, address: str, typed: str, most: int = 40) -> str:
    """Open a page, press up to ``most`` things on it and turn its pages; return all text that was seen."""
    open_page(driver, address)
    driver.execute_script(_OPEN)
    seen = [text_of(driver)]
    if not most:
        return seen[0]
    for _ in range(most):
        driver.execute_script(_OPEN)
        if not driver.execute_script(_NEXT):
            break
        settle(driver)
        seen.append(text_of(driver))
    open_page(driver, address)
    driver.execute_script(_OPEN)
    settle(driver)
    seen.append(text_of(driver))
    for place in range(most):
        done = driver.execute_script(_TOUCH, place, typed)
        if done == "end":
            break
        if done:
            settle(driver, 3_000)
            driver.execute_script(_OPEN)
            seen.append(text_of(driver))
    return "\n".join(seen)


def foreign_parts(driver: Any, address: str) -> list[str]:
    """Return links and elements of a page that lead or load somewhere else than the viewer's own pages."""
    here = urlsplit(address)
    found = [link for link in driver.execute_script(_LINKS) if not _own(link, here.scheme, here.netloc)]
    return found + driver.execute_script(_FOREIGN, ["SCRIPT", "LINK", "STYLE", "META"])


def _own(link: str, scheme: str, place: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "file"):
        return (parts.scheme, parts.netloc) == (scheme, place) or link.startswith("https://arxiv.org/abs/")
    return parts.scheme in ("blob", "data", "") and not link.startswith("data:text")
