"""What parts tell each other goes straight from one process to another, over a connection for each pair.

A connection begins with challenges that only who has the parts' common key can answer (those of ``multiprocessing``),
so no stranger is heard. What travels are the bytes of values; nothing that arrives is executed.
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
        self._others: dict[int, Connection] = {}

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
                line = _prompt(Client((host, port), authkey=self._key))
                line.send_bytes(self._part.to_bytes(4, "big"))
            except (OSError, EOFError) as error:
                raise ShardLostError(
                    f"part {self._part} cannot reach part {other} at {host}:{port} ({error}); machines of a "
                    "cluster must let each other in at all ports above 1024"
                ) from error
            self._others[other] = line
        while len(self._others) < len(addresses) - 1:
            with contextlib.suppress(AuthenticationError, OSError, EOFError):  # a stranger, or who left again
                line = _prompt(self._listener.accept())
                self._others[int.from_bytes(line.recv_bytes(4), "big")] = line
        self._listener.close()

    def exchange(
        self, told: Sequence[Shaped[np.ndarray, " _"]], sizes: Sequence[int]
    ) -> tuple[Shaped[np.ndarray, " _"], ...]:
        """Tell each part its values and return what each tells this one.

        In round r those meet whose numbers add up to r, modulo how many there are: each meets one at a time, and none
        waits in a circle. The first of two speaks first.

        Args:
            told: values for each part.
            sizes: how many values each tells this one; 0 where it says nothing.

        Raises:
            ShardLostError: another part is gone.
        """
        heard = tuple(np.empty(size, dtype=told[0].dtype) for size in sizes)
        for meeting in range(len(told)):
            other = (meeting - self._part) % len(told)
            try:
                if self._part < other:
                    self._tell(other, told[other])
                    self._hear(other, heard[other])
                elif self._part > other:
                    self._hear(other, heard[other])
                    self._tell(other, told[other])
            except (OSError, EOFError) as error:
                raise ShardLostError(f"part {self._part} no longer hears part {other}: {error}") from error
        return heard

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        for line in self._others.values():
            line.close()

    def _tell(self, other: int, values: Shaped[np.ndarray, " _"]) -> None:
        if len(values):
            self._others[other].send_bytes(values.data)

    def _hear(self, other: int, values: Shaped[np.ndarray, " _"]) -> None:
        if len(values):
            self._others[other].recv_bytes_into(values.data)


def _prompt(line: Connection) -> Connection:
    """Return a connection that sends small messages at once; by itself TCP waits to see whether more come."""
    with socket.fromfd(line.fileno(), socket.AF_INET, socket.SOCK_STREAM) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line
