"""A Ray cluster at an address: whether it answers, whether it is fit for a run, and what is wrong where it is not.

Ray itself waits two minutes for an address that does not answer and then ends the process, so that is found out before.
"""

from __future__ import annotations

import os
import platform
import socket
import struct
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias, cast

import doxa
from doxa.canonical import digest
from doxa.errors import InputError, MissingExtraError
from doxa.lab.files import sha256

ANSWER_S = 5.0
"""How long an address has to answer before it counts as dead."""

NODE_S = 120.0
"""How long a node has to start a process that says what it holds; a machine at work takes tens of seconds."""

PATIENCE_S = 10.0
"""How long nothing may end before the cluster is looked at."""

CLIENT = "ray://"

_connected: dict[str, str] = {}
"""Addresses given, by the job that Ray made of the connection."""

Holds: TypeAlias = dict[str, str]
"""What must be equal on all machines, by name."""


def ray_library() -> Any:
    """Return the module ``ray``.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError("the executor 'ray'", "ray") from error
    return cast(Any, ray)


def connect(address: str, *, cores: int, at_once: int) -> Any:
    """Return the module ``ray``, connected to a cluster that has been looked at.

    Args:
        address: ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``; empty for a cluster of this process on this machine.
        cores: that the widest cell needs on one machine.
        at_once: cores of the cluster on this machine, where it is made here.

    Raises:
        InputError: nothing answers there, it holds another Python or doxa, this process is connected elsewhere, or
            no machine has so many cores.
        MissingExtraError: Ray is not installed.
    """
    if address:
        _show_token()
    ray = ray_library()
    if not address:
        if not ray.is_initialized():
            # "local", or Ray would join a cluster that happens to be there
            ray.init(
                address="local",
                num_cpus=at_once,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
            )
            _connected[_job(ray)] = ""
    elif ray.is_initialized():
        there = _connected.get(_job(ray), address)
        if there != address:
            raise InputError(
                f"--ray-address {address}: this process is connected to {there or 'a Ray of its own'} already; "
                "end that with ray.shutdown(), or use another process"
            )
    else:
        check_address(address)
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError, ImportError, ray.exceptions.RayError) as error:
            raise InputError(f"--ray-address {address}: {_reason(address, error)}") from error
        _check_machines(ray, address)
        _connected[_job(ray)] = address
    widest = max(cores_of(ray), default=0.0)
    if widest < cores:
        where, do = f"--ray-address {address}", "add a machine that has them"
        if not address:
            where, do = "the Ray that this process has already", "end it with ray.shutdown()"
        raise InputError(
            f"{where}: a cell needs {cores} cores on one machine, and the widest has {widest:g}; {do}"
        )
    return ray


def _job(ray: Any) -> str:
    return str(ray.get_runtime_context().get_job_id())


def cores_of(ray: Any) -> list[float]:
    """Return the cores of each machine that is up."""
    return [float(node["Resources"].get("CPU", 0.0)) for node in ray.nodes() if node["Alive"]]


def check_address(address: str) -> None:
    """Find out within seconds whether a Ray cluster answers at an address.

    Raises:
        InputError: it cannot be one, or nothing that speaks as Ray does answers there.
        MissingExtraError: it is for Ray's client, and that is not installed.
    """
    place = address.removeprefix(CLIENT)
    if address == "auto":
        place = _own_cluster()
        if not place:
            raise InputError(
                "--ray-address auto: no Ray cluster runs on this machine; start one with 'ray start --head', "
                "or give HOST:PORT"
            )
    elif address.startswith(CLIENT) and find_spec("grpc") is None:
        raise MissingExtraError(f"--ray-address {address}", "ray")
    host, colon, port = place.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise InputError(f"--ray-address {address}: must be auto, HOST:PORT or ray://HOST:PORT")
    if not _speaks(host.strip("[]"), int(port)):
        wake = "10001 is the usual port of ray://" if address.startswith(CLIENT) else "6379 is the usual port"
        raise InputError(
            f"--ray-address {address}: no Ray cluster answers at {place} within {ANSWER_S:g} s; "
            f"is it up ('ray start --head'), and is the port right? {wake}"
        )


def _show_token() -> None:
    """Let Ray show its token where there is one, as ``ray start`` does; by itself it shows none to a cluster."""
    kept = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path("~/.ray/auth_token").expanduser()
    if "RAY_AUTH_MODE" not in os.environ and ("RAY_AUTH_TOKEN" in os.environ or Path(kept).is_file()):
        os.environ["RAY_AUTH_MODE"] = "token"  # before Ray is imported, which reads it once


def _own_cluster() -> str:
    """Return HOST:PORT of the cluster of this machine, or nothing."""
    told = os.environ.get("RAY_ADDRESS", "")
    if told and told != "auto":
        return told.removeprefix(CLIENT)
    try:
        folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
        return (folder / "ray" / "ray_current_cluster").read_text("utf-8").strip()
    except OSError:
        return ""


def _speaks(host: str, port: int) -> bool:
    """Return whether HTTP/2 is answered at a port, which Ray speaks: the first frame is then one of settings."""
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0)[1:] + bytes([4, 0, 0, 0, 0, 0])
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S) as line:
            line.settimeout(ANSWER_S)
            line.sendall(hello)
            frame = b""
            while len(frame) < 9:
                more = line.recv(9 - len(frame))
                if not more:
                    return False
                frame += more
            return frame[3] == 4
    except (OSError, OverflowError):
        return False


def _reason(address: str, error: Exception) -> str:
    """Return why Ray refuses to connect, in a line that says what to do."""
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        return (
            f"the cluster has another Python or Ray ({text[:300]}); install the same on all machines as here, "
            f"Python {platform.python_version()}"
        )
    if not address.startswith(CLIENT) and ("raylet" in text or "node" in text.lower()):
        return (
            "this machine is none of the cluster's; join it with 'ray start --address=HOST:PORT', or reach it "
            f"with ray://HOST:10001 ({text[:200]})"
        )
    if "Failed to connect" in text or "oken" in text:
        return (
            "the cluster answers and does not let this process in; it must have the token of this one "
            "('ray get-auth-token', the same in ~/.ray/auth_token or RAY_AUTH_TOKEN on all machines)"
        )
    return text[:400]


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__


@cache
def package_digest() -> str:
    """Return a digest of every source file of doxa that is installed here."""
    root = Path(doxa.__file__).parent
    return digest(
        [[str(path.relative_to(root)), sha256(path.read_bytes())] for path in sorted(root.rglob("*.py"))],
        length=16,
    )


def held_here() -> Holds:
    """Return what must be equal on all machines, as it is here."""
    return {"python": platform.python_version(), "doxa": doxa.__version__, "code": package_digest()}


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Return what a machine has that this one has not, as an error says it; empty where all is equal."""
    for name, called in (("python", "Python"), ("doxa", "doxa")):
        if here[name] != there.get(name):
            return f"has {called} {there.get(name)}, here is {here[name]}; install the same on all machines"
    if here["code"] != there.get("code"):
        return (
            f"has another state of doxa {here['doxa']}'s code than this machine; "
            "install the same commit on all machines"
        )
    return ""


def _check_machines(ray: Any, address: str) -> None:
    """Ask every machine what it holds.

    Raises:
        InputError: one of them is not as this one.
    """
    from ray.util.scheduling_strategies import (  # pyright: ignore[reportMissingImports]
        NodeAffinitySchedulingStrategy,
    )

    machines = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    remote = ray.remote(num_cpus=0, max_retries=1)(held_here)
    asked = {
        remote.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        ).remote(): (where)
        for node, where in machines.items()
    }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=NODE_S)
    for answer in ready:
        try:
            wrong = difference(held_here(), ray.get(answer))
        except ray.exceptions.RayTaskError as error:
            wrong = f"cannot load doxa ({_last_line(error)}); install doxa {doxa.__version__} there"
        except ray.exceptions.RayError:
            continue  # a machine that is lost meanwhile computes nothing
        if wrong:
            ray.shutdown()
            raise InputError(f"--ray-address {address}: the machine at {asked[answer]} {wrong}")
