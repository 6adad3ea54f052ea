"""Headless Chromium for the tests that look at pages (Debian: apt-get install chromium chromium-driver)."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

# collects what a content security policy blocked and what a script threw, before any script of the page runs
_WATCH = """
window.watched = {policy: [], errors: []};
document.addEventListener("securitypolicyviolation", (event) =>
  window.watched.policy.push([event.effectiveDirective, event.blockedURI, event.sample].join(" ")));
window.addEventListener("error", (event) => window.watched.errors.push(String(event.message)));
window.addEventListener("unhandledrejection", (event) => window.watched.errors.push(String(event.reason)));
for (const name of ["alert", "confirm", "prompt", "print"])
  window[name] = () => window.watched.errors.push("called " + name);
"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a headless Chromium with a fresh profile and yield its Selenium driver."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    browser = shutil.which("chromium")
    driver_path = shutil.which("chromedriver")
    if browser is None or driver_path is None:
        raise RuntimeError("this test needs Chromium: apt-get install -y chromium chromium-driver")
    with TemporaryDirectory(prefix="doxa-chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(driver_path))
        try:
            driver.execute_cdp_cmd("Page.enable", {})
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})
            yield driver
        finally:
            driver.quit()


def show(driver: Any, file: Path, *, width: int, dark: bool = False, medium: str = "screen") -> None:
    """Open a file at a width in pixels and wait until its figures are drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": [scheme]})
    driver.get(file.as_uri())
    done = "return !document.querySelector('figure') || 'drawn' in document.documentElement.dataset"
    WebDriverWait(driver, 60).until(lambda d: d.execute_script(done))


def watched(driver: Any) -> dict[str, list[str]]:
    """Return policy violations and script errors of the page, and what the browser wrote to its log."""
    seen: dict[str, list[str]] = driver.execute_script("return window.watched")
    return {**seen, "log": [entry["message"] for entry in driver.get_log("browser")]}


def overflow_px(driver: Any) -> int:
    """Return by how many pixels the page is wider than its window."""
    root = "document.documentElement"
    return driver.execute_script(f"return {root}.scrollWidth - {root}.clientWidth")


def picture(driver: Any, file: Path) -> None:
    """Save the whole page, not only what the window shows, as PNG."""
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    shot = {"captureBeyondViewport": True, "clip": clip}
    file.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]))
