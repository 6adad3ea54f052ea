"""The ledger of a faulty server: what it did to which request, for comparison with what a client says it saw."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from doxa.testing.fault_kinds import FAULTS


@dataclass
class Entry:
    """One request and what was done to it.

    Attributes:
        request: digest of path and body; equal questions have equal digests.
        attempt: how often it had come before.
        fault: name of the fault, empty for none.
        tokens_in: prompt tokens of the answer, as its usage says; 0 unless a client could read it.
        tokens_out: reply tokens of the same.
        gone: whether the client went away before the answer was there.
    """

    request: str
    attempt: int
    fault: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    gone: bool = False

    @property
    def seen_as(self) -> str:
        """What a client counts it as; empty where it took it for an answer."""
        return FAULTS[self.fault].seen_as if self.fault else "timeout" if self.gone else ""


@dataclass
class Ledger:
    """All requests in the order in which they came."""

    entries: list[Entry] = field(default_factory=list[Entry])

    def faults(self) -> Counter[str]:
        """Return how often each fault was committed."""
        return Counter(entry.fault for entry in self.entries if entry.fault)

    def seen(self) -> Counter[str]:
        """Return what a client that misses nothing counts, under the names of ``EndpointSubject.tally.faults``."""
        return Counter(entry.seen_as for entry in self.entries if entry.seen_as)

    def tokens(self) -> tuple[int, int]:
        """Return the prompt and reply tokens of all answers that a client could read."""
        read = [entry for entry in self.entries if not entry.seen_as]
        return sum(entry.tokens_in for entry in read), sum(entry.tokens_out for entry in read)

    def answered(self) -> Counter[str]:
        """Return how often each request got an answer that a client could read."""
        return Counter(entry.request for entry in self.entries if not entry.seen_as)

    def altered(self) -> set[str]:
        """Return the requests that got an answer other than the subject's, which no client can tell."""
        return {entry.request for entry in self.entries if entry.fault and FAULTS[entry.fault].alters}

    def lines(self) -> str:
        """Return the ledger as JSON lines."""
        return "".join(json.dumps(asdict(entry)) + "\n" for entry in self.entries)

    @classmethod
    def read(cls, lines: Iterable[str]) -> Ledger:
        """Return the ledger of some JSON lines."""
        return cls([Entry(**json.loads(line)) for line in lines])
