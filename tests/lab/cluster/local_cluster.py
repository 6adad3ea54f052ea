"""A Ray cluster of two machines, as far as one can show it: two raylets of two cores, started as a user starts them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

RAY = str(Path(sys.executable).with_name("ray"))
STORE = str(100 * 2**20)


class LocalCluster:
    """A head and a second machine."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._environment = {**os.environ, **environment, **self.variables, "RAY_TMPDIR": str(folder)}
        self._folder = folder
        with socket.socket() as free:
            free.bind(("", 0))
            self.port = free.getsockname()[1]
        self._machines: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def begin(self, *, head_cores: int = 1) -> None:
        """Start the head and wait until it answers."""
        self._start("--head", f"--port={self.port}", f"--num-cpus={head_cores}", "--include-dashboard=false")
        own = self._folder / "ray" / "ray_current_cluster"
        while not own.is_file():
            if self._machines[0].poll() is not None:
                raise RuntimeError((self._folder / "machine-0.log").read_text())
            with suppress(subprocess.TimeoutExpired):
                self._machines[0].wait(0.1)
        self.address = own.read_text().strip()

    def join(self, *, cores: int = 2) -> int:
        """Start one more machine and return its number."""
        self._start(f"--address={self.address}", f"--num-cpus={cores}")
        return len(self._machines) - 1

    def wait_for(self, machines: int) -> None:
        """Wait until so many machines are known to the head."""
        ask = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); print(len(ray.nodes()))"
        while True:
            told = subprocess.run(
                [sys.executable, "-c", ask, self.address],
                env=self._environment,
                capture_output=True,
                check=True,
            )
            if int(told.stdout.split()[-1]) >= machines:
                return

    def lose(self, number: int) -> None:
        """Take a machine away at once, with all that runs on it."""
        os.killpg(self._machines[number].pid, signal.SIGKILL)
        self._machines[number].wait()

    def end(self) -> None:
        for number, machine in enumerate(self._machines):
            if machine.poll() is None:
                self.lose(number)

    def _start(self, *arguments: str) -> None:
        command = [
            RAY,
            "start",
            *arguments,
            f"--object-store-memory={STORE}",
            "--block",
            "--disable-usage-stats",
        ]
        with (self._folder / f"machine-{len(self._machines)}.log").open("wb") as log:
            self._machines.append(
                subprocess.Popen(
                    command, env=self._environment, stdout=log, stderr=log, start_new_session=True
                )
            )


@contextmanager
def local_cluster(folder: Path, environment: Mapping[str, str] | None = None) -> Generator[LocalCluster]:
    """Yield a cluster whose head is up; everything is ended afterwards."""
    folder.mkdir(parents=True)
    cluster = LocalCluster(folder, environment or {})
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)
