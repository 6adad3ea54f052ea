"""The application: addresses, what answers them, and the server around it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from doxa.errors import DoxaError, InputError
from doxa.lab.view.answers import answer
from doxa.lab.view.documents import error_document, page_document, panel_address, panel_document
from doxa.lab.view.library import Library
from doxa.lab.view.pages import Page, pages
from doxa.lab.view.panels import Panel, panel, panels
from doxa.lab.view.run_data import RunData
from doxa.lab.view.run_list import Runs
from doxa.lab.view.security import Door, Guard

if TYPE_CHECKING:
    from starlette.types import ASGIApp

AT_ONCE = 4
"""How many requests are read from the store at the same time, so that memory is bounded."""

_KINDS = {"js": "text/javascript", "css": "text/css"}


class Application:
    """What answers the addresses.

    Args:
        runs: the runs that are shown.
        library: the script that draws figures.
    """

    def __init__(self, runs: Runs, library: Library) -> None:
        self._runs, self._library = runs, library
        self._reading = threading.BoundedSemaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        """Return all addresses."""
        fixed: list[Route] = []
        for page in pages():
            fixed.append(Route(page.path, self._page_shell(page)))
            fixed.append(Route(f"/api/{page.name}", self._page_data(page)))
        return [
            *fixed,
            Route("/run/{run}", self.run),
            Route("/run/{run}/{panel}", self.panel_shell),
            Route("/api/run/{run}/{panel}", self.panel_data),
            Route("/static/vega.js", self.library),
            Route("/static/{path:path}", self.static),
        ]

    def run(self, request: Request) -> Response:
        """Answer a run without a panel by its overview."""
        name = request.path_params["run"]
        _found(lambda: self._runs.run(name))
        return RedirectResponse(panel_address(name, panels()[0].name), 303)

    def panel_shell(self, request: Request) -> Response:
        """Answer a panel's page."""
        run = _found(lambda: self._runs.run(request.path_params["run"]))
        wanted = _found(lambda: panel(request.path_params["panel"]))
        with self._reading:
            offered = [one for one in panels() if one is wanted or applying(one, run)]
        return HTMLResponse(panel_document(run.name, wanted, offered))

    def panel_data(self, request: Request) -> Response:
        """Answer what a panel's script asks for."""
        run = _found(lambda: self._runs.run(request.path_params["run"]))
        wanted = _found(lambda: panel(request.path_params["panel"]))
        query = _query(request)
        return self._json(lambda: wanted.data(run, query))

    def library(self, _request: Request) -> Response:
        """Answer the script that draws figures, once it is made."""
        return Response(self._library.get(), media_type=_KINDS["js"])

    def static(self, request: Request) -> Response:
        """Answer a script or style of the package; nothing else can be asked for."""
        path = request.path_params["path"]
        body = static_files().get(path)
        if body is None:
            raise HTTPException(404, f"{path}: there is no such file")
        return Response(body, media_type=_KINDS[path.rpartition(".")[2]])

    def _page_shell(self, page: Page) -> Callable[[Request], Response]:
        def shell(_request: Request) -> Response:
            return HTMLResponse(page_document(page))

        return shell

    def _page_data(self, page: Page) -> Callable[[Request], Response]:
        def data(request: Request) -> Response:
            query = _query(request)
            return self._json(lambda: page.data(self._runs, query))

        return data

    def _json(self, read: Callable[[], Any]) -> Response:
        with self._reading:
            body = answer(read())
        return Response(body, media_type="application/json")


def make_app(runs: Runs, door: Door, library: Library | None = None) -> ASGIApp:
    """Return the application behind its guard."""
    application = Application(runs, library or Library())
    handlers: dict[Any, Any] = {HTTPException: _refused, DoxaError: _named, Exception: _unexpected}
    return Guard(Starlette(routes=application.routes(), exception_handlers=handlers), door)


@cache
def static_files() -> dict[str, bytes]:
    """Return all scripts and styles by their path below ``/static/``."""
    root = resources.files("doxa.lab.view") / "static"
    found = {"report.css": (resources.files("doxa.lab.report") / "style.css").read_bytes()}
    for folder in ("", "panels", "pages"):
        for entry in (root / folder).iterdir():
            if entry.is_file() and entry.name.rpartition(".")[2] in _KINDS:
                found[f"{folder}/{entry.name}".lstrip("/")] = entry.read_bytes()
    return found


def _query(request: Request) -> dict[str, str]:
    """Return the query, each name once.

    Raises:
        InputError: a name stands twice.
    """
    pairs = request.query_params.multi_items()
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{twice!r}: stands twice in the address; give it once")
    return dict(pairs)


def _found(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except InputError as error:
        raise HTTPException(404, str(error)) from error


def applying(panel: Panel, run: RunData) -> bool:
    """Return whether a panel applies; one that cannot tell because of damage is offered, and says what is wrong."""
    try:
        return panel.applies(run)
    except DoxaError:
        return True


def _refused(request: Request, error: HTTPException) -> Response:
    return _said(request, error.status_code, error.detail)


def _named(request: Request, error: DoxaError) -> Response:
    return _said(request, 400 if isinstance(error, InputError) else 500, str(error))


def _unexpected(request: Request, error: Exception) -> Response:
    """Answer; the error itself goes on to the server, which writes its traceback."""
    return _said(request, 500, f"{type(error).__name__}; the server's own output says more")


def _said(request: Request, status: int, text: str) -> Response:
    if request.url.path.startswith("/api/"):
        return Response(answer({"error": text}), status, media_type="application/json")
    title = "Not found" if status == 404 else "This cannot be shown"
    return HTMLResponse(error_document(title, text), status)
