"""A viewer that answers while a test looks, and a browser that waits for its pages."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from doxa.lab.view.app import make_app
from doxa.lab.view.library import Library
from doxa.lab.view.run_list import Runs
from doxa.lab.view.security import Door
from doxa.lab.view.serving import bind

TOKEN = "t" * 32


@contextmanager
def viewer(root: Path) -> Iterator[str]:
    """Serve a folder of runs from a thread; yield the address without a slash at its end."""
    import uvicorn

    listening = bind("127.0.0.1", 0)
    door = Door("127.0.0.1", listening.getsockname()[1], TOKEN)
    runs = Runs.of(root)
    app = make_app(runs, door, Library())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield door.address.rstrip("/")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        runs.close()


def until(driver: Any, script: str, seconds: float = 60) -> Any:
    """Wait until a script returns something true, and return that."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds, poll_frequency=0.05).until(
        lambda one: one.execute_script(script), f"waited for: {script}"
    )


def open_page(driver: Any, address: str, *, dark: bool = False, still: bool = False) -> None:
    """Open a page and wait until its script has filled it.

    Args:
        driver: the browser.
        address: the page's.
        dark: whether the reader prefers dark pages.
        still: whether the reader prefers less motion.
    """
    features = [
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
        {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
    driver.get(address)
    until(driver, "return document.documentElement.dataset.shown")


def pictured(driver: Any, folder: Path, name: str) -> None:
    """Keep a picture of the whole page, in ``DOXA_SCREENSHOTS`` where that is set."""
    from tests.browser import picture

    place = Path(os.environ.get("DOXA_SCREENSHOTS") or folder)
    place.mkdir(parents=True, exist_ok=True)
    picture(driver, place / f"{name}.png")
