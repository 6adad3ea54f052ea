"""A transport that spoils what another one brings, without a server in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from doxa.errors import InputError, did_you_mean
from doxa.streams import stream
from doxa.subjects.endpoint_transport import Request, Response, Transport, TransportError
from doxa.testing.fault_kinds import FAULTS, Answer, Delivery, Manner


class FaultyTransport:
    """Sends through another transport and lets faults strike its responses.

    What strikes a request hangs on the seed, its body and how often it was sent before, so that the order in which
    requests come changes nothing.

    Args:
        inner: brings the sound responses.
        faults: share of responses that each kind of ``FAULTS`` strikes; together at most 1.
        seed: of the draws.

    Attributes:
        struck: how often each kind struck.
    """

    def __init__(self, inner: Transport, faults: Mapping[str, float], *, seed: int = 0) -> None:
        for name, share in faults.items():
            if name not in FAULTS:
                raise InputError(f"no fault {name!r}; {did_you_mean(name, FAULTS)}")
            if not 0.0 <= share <= 1.0:
                raise InputError(f"faults[{name!r}]={share}: must be in [0, 1]")
        if sum(faults.values()) > 1.0:
            raise InputError(f"the shares of faults add up to {sum(faults.values()):g}: must be at most 1")
        self.inner = inner
        self.struck: Counter[str] = Counter()
        self._faults = faults
        self._seed = seed
        self._sent: Counter[bytes] = Counter()

    async def send(self, request: Request) -> Response:
        """Return the response, spoiled or sound.

        Raises:
            TransportError: a fault that breaks the connection struck, or the inner transport got no response.
        """
        response = await self.inner.send(request)
        rng = stream(self._seed, "faulty transport", request.body.hex(), self._sent[request.body])
        self._sent[request.body] += 1
        name = self._drawn(rng)
        answer = Answer(response.status, response.headers.get("content-type", ""), response.body)
        delivery = FAULTS[name].deliver(answer, rng, Manner()) if name else None
        if delivery is None:
            return response
        self.struck[name] += 1
        return _arrived(delivery)

    async def close(self) -> None:
        """Close the inner transport."""
        close = getattr(self.inner, "close", None)
        if close is not None:
            await close()

    def _drawn(self, rng: np.random.Generator) -> str:
        left = float(rng.random())
        for name, share in self._faults.items():
            left -= share
            if left < 0.0:
                return name
        return ""


def _arrived(delivery: Delivery) -> Response:
    """Return what a client makes of what went over the line."""
    if delivery.end in ("hang", "trickle"):
        raise TransportError("timeout", "no answer came")
    if delivery.end == "reset":
        raise TransportError("reset", "the connection broke")
    head, _, rest = b"".join(delivery.pieces).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {
        name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines if ":" in line)
    }
    return Response(int(first.split()[1]), headers, rest[: int(headers["content-length"])])
