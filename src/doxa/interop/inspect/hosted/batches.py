"""Questions that come one by one, answered together: whoever asks while a batch is out goes into the next one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    import anyio

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(eq=False)
class _Waiting(Generic[Q, A]):
    """One question: what wakes its asker, and what it is then given.

    Attributes:
        ready: set when there is an answer, or when it leads.
        done: whether it is answered.
        served: whether somebody else answered it, so that it never led.
    """

    question: Q
    kind: Hashable
    ready: anyio.Event
    answer: A | None = None
    error: BaseException | None = None
    done: bool = False
    served: bool = False


class Batches(Generic[Q, A]):
    """Answers questions of one kind in one call, in a thread, one call at a time.

    There is no task of its own: of those who wait one leads. A leader that is cancelled while its batch is out waits
    for it, and hands the lead on.

    Args:
        answer: answers questions of one kind, in their order.
        most: questions of one call.
    """

    def __init__(self, answer: Callable[[Sequence[Q]], Sequence[A]], *, most: int = 512) -> None:
        self._answer = answer
        self._most = most
        self._waiting: list[_Waiting[Q, A]] = []
        self._led = False
        self.sizes: list[int] = []
        """How many questions each call held."""

    async def ask(self, question: Q, kind: Hashable) -> A:
        """Return the answer to one question; what answering raises is raised for the question that caused it."""
        import anyio
        import anyio.lowlevel

        mine: _Waiting[Q, A] = _Waiting(question, kind, anyio.Event())
        self._waiting.append(mine)
        try:
            if self._led:
                await mine.ready.wait()
            if not mine.done:
                self._led = True
                mine.ready.set()
                await anyio.lowlevel.checkpoint()  # those who are about to ask come along
                while not mine.done:
                    await self._one_batch()
        finally:
            if mine in self._waiting:  # cancelled before it was answered
                self._waiting.remove(mine)
            if mine.ready.is_set() and not mine.served:
                self._hand_on()
        if mine.error is not None:
            raise mine.error
        return cast(A, mine.answer)

    async def _one_batch(self) -> None:
        """Take the first question and all of its kind, and answer them in a thread."""
        import anyio
        import anyio.to_thread

        kind = self._waiting[0].kind
        batch = [one for one in self._waiting if one.kind == kind][: self._most]
        taken = set(batch)
        self._waiting = [one for one in self._waiting if one not in taken]
        self.sizes.append(len(batch))
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._fill, batch)
        for one in batch:
            one.done = True
            one.served = not one.ready.is_set()
            one.ready.set()

    def _fill(self, batch: Sequence[_Waiting[Q, A]]) -> None:
        """Answer a batch; where that raises, each question alone, so that one bad question spoils no other."""
        try:
            answers: Sequence[Any] = self._answer([one.question for one in batch])
            for one, answer in zip(batch, answers, strict=True):
                one.answer = answer
        except Exception as error:  # noqa: BLE001 - raised again for the asker
            if len(batch) == 1:
                batch[0].error = error
                return
            for one in batch:
                self._fill([one])

    def _hand_on(self) -> None:
        """Wake the one who has waited longest: it leads now."""
        self._led = bool(self._waiting)
        if self._waiting:
            self._waiting[0].ready.set()
