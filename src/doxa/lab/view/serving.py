"""Starting and ending the server."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from doxa.errors import InputError
from doxa.lab.view.app import make_app
from doxa.lab.view.library import Library
from doxa.lab.view.run_list import Runs
from doxa.lab.view.security import Door, new_token

PORT = 8417
"""Where the server stands unless another port is given."""


def serve(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a folder of runs until interrupted.

    Args:
        folder: holds the runs, or is one.
        host: address to bind; other than this machine's own needs a token, which is made if none is given.
        port: 0 takes any free one.
        token: of at least 16 characters; one that is given is asked for on this machine, too.
        browser: whether to open a browser where there is a display and no token is needed.
        say: told the address, and that it ended.

    Raises:
        InputError: there is no such folder, or the address cannot be bound.
    """
    import uvicorn

    if token is not None and (
        len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token
    ):
        raise InputError(
            "--token: must be at least 16 visible ASCII characters; leave it out and one is made"
        )
    runs = Runs.of(folder)
    with bind(host, port) as listening:
        door = Door(host, listening.getsockname()[1], token or new_token(), guarded=token is not None)
        library = Library()
        config = uvicorn.Config(
            make_app(runs, door, library),
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
            proxy_headers=False,
        )
        address = f"{door.address}?token={door.token}" if door.asks else door.address
        say(f"doxa view: {folder} at {address} (Ctrl-C ends it)")
        library.start()
        if (
            browser and has_display() and not door.asks
        ):  # every user may read a command line, and a token in it
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
        runs.close()
    say("doxa view: ended")


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        InputError: it is taken, not this machine's, or not allowed; the message says what to do.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: must be 0 to 65535; 0 takes any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            holder = holder_of(port)
            who = f" by {holder}" if holder else ""
            raise InputError(f"--port {port}: is taken{who}; use --port 0 for any free one") from error
        if error.errno == errno.EACCES:
            raise InputError(
                f"--port {port}: you may not bind it; use one above 1023, or --port 0"
            ) from error
        raise InputError(
            f"--host {host}: cannot be bound ({error.strerror or error}); use 127.0.0.1"
        ) from error


def holder_of(port: int) -> str:
    """Return which process listens at a port, as far as this user may know; "" if not."""
    inodes = _listening(port)
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            handles = list((process / "fd").iterdir())
            if any(_target(handle) in inodes for handle in handles):
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ")
                shown = words.partition(" --")[0].strip()[:80]  # what stands behind an option may be secret
                return f"process {process.name} ({shown})"
        except OSError:
            continue
    return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def has_display() -> bool:
    """Return whether a browser could show itself here."""
    return os.name == "nt" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _listening(port: int) -> set[str]:
    """Return the sockets of this machine that listen at a port, as the links of open files name them."""
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{words[9]}]")
    return found
