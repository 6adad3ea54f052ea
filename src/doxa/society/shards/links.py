"""What parts tell each other goes straight from one process to another, over a connection for each pair.

A connection begins with challenges that only who has the parts' common key can answer (those of ``multiprocessing``),
so no stranger is heard. What travels then are the bytes of values, straight from and into arrays whose sizes both ends
know; nothing that arrives is executed.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import TypeAlias

import numpy as np
from jaxtyping import Shaped

from doxa.errors import DoxaError

Address: TypeAlias = tuple[str, int]
"""Host and port."""

_WAITING = 128
"""How many connections the system holds for a part until it takes them."""


class ShardLostError(DoxaError):
    """A process that held a part, or its machine, is gone."""


class Links:
    """One part's connections with all others.

    Args:
        part: which this is.
        host: address of this machine, as other parts reach it.
        key: what all parts know and nobody else.
    """

    def __init__(self, part: int, host: str, key: bytes) -> None:
        self._part, self._key = part, key
        self._listener = Listener((host, 0), backlog=_WAITING, authkey=key)
        self._others: dict[int, socket.socket] = {}

    @property
    def address(self) -> Address:
        """Where other parts reach this one."""
        host, port = self._listener.address
        return str(host), int(port)

    def connect(self, addresses: Sequence[Address]) -> None:
        """Connect with all parts, which do so at the same time: with those before this one, then with those after it.

        Raises:
            ShardLostError: one cannot be reached.
        """
        for other, (host, port) in enumerate(addresses[: self._part]):
            try:
                with Client((host, port), authkey=self._key) as line:
                    line.send_bytes(self._part.to_bytes(4, "big"))
                    self._others[other] = _socket(line)
            except (OSError, EOFError) as error:
                raise ShardLostError(
                    f"part {self._part} cannot reach part {other} at {host}:{port} ({error}); machines of a "
                    "cluster must let each other in at all ports above 1024"
                ) from error
        while len(self._others) < len(addresses) - 1:
            with (
                contextlib.suppress(AuthenticationError, OSError, EOFError),  # a stranger, or who left again
                self._listener.accept() as line,
            ):
                self._others[int.from_bytes(line.recv_bytes(4), "big")] = _socket(line)
        self._listener.close()

    def exchange(
        self, told: Sequence[Shaped[np.ndarray, " _"]], heard: Sequence[Shaped[np.ndarray, " _"]]
    ) -> None:
        """Tell each part its values and write what each tells this one.

        In round r those meet whose numbers add up to r, modulo how many there are: each meets one at a time, and none
        waits in a circle. The first of two speaks first.

        Args:
            told: values for each part.
            heard: where the values of each are written; as many as it tells.

        Raises:
            ShardLostError: another part is gone.
        """
        for meeting in range(len(told)):
            other = (meeting - self._part) % len(told)
            try:
                if self._part < other:
                    self._tell(other, told[other])
                    self._hear(other, heard[other])
                elif self._part > other:
                    self._hear(other, heard[other])
                    self._tell(other, told[other])
            except OSError as error:
                raise ShardLostError(f"part {self._part} no longer hears part {other}: {error}") from error

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        for end in self._others.values():
            end.close()

    def _tell(self, other: int, values: Shaped[np.ndarray, " _"]) -> None:
        if len(values):
            self._others[other].sendall(values.data)

    def _hear(self, other: int, values: Shaped[np.ndarray, " _"]) -> None:
        missing = values.data.cast("B") if len(values) else values.data
        while len(missing):
            count = self._others[other].recv_into(missing, flags=socket.MSG_WAITALL)
            if not count:
                raise ConnectionResetError("its connection is closed")
            missing = missing[count:]


def _socket(line: Connection) -> socket.socket:
    """Return the socket of a connection; small messages leave it at once, where TCP by itself waits for more."""
    end = socket.fromfd(line.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return end
