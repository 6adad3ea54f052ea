"""The model under evaluation as a subject, for protocol code that runs in a thread of a sample."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from doxa.interop.inspect.subject import InspectSubject, all_at_once
from doxa.interop.inspect.words import subject_of

T = TypeVar("T")


class SolvingSubject(InspectSubject):
    """Asks on the event loop of the evaluation, so that limits, usage and events are those of the sample.

    Its methods are called from a thread that was started from that loop.
    """

    @property
    def address(self) -> str:
        """The address under which the model's answers are recorded."""
        return subject_of(self.name)

    def _as_they_come(self, asked: Sequence[Callable[[], Awaitable[T]]]) -> Iterator[list[tuple[int, T]]]:
        import anyio.from_thread

        found: list[tuple[int, T]] = []
        anyio.from_thread.run(all_at_once, asked, found.append)
        yield found
