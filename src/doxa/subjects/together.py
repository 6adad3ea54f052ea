"""Asking together: batches that must be separate calls, because their samples or subjects differ, go out at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from doxa.subjects.base import Conversation, Reply, Sampling, Subject

Answer = TypeVar("Answer")


def together(jobs: Sequence[tuple[Subject, Callable[[], Answer]]]) -> list[Answer]:
    """Return what each job returns, in order; those of remote subjects run at the same time.

    Subjects on this machine take turns meanwhile: each has all cores.

    Args:
        jobs: the subject that is asked, and what asks it.
    """
    remote = [number for number, (subject, _) in enumerate(jobs) if getattr(subject, "remote", False)]
    with ThreadPoolExecutor(max_workers=max(1, len(remote))) as pool:
        waiting = {number: pool.submit(jobs[number][1]) for number in remote}
        here = {number: ask() for number, (_, ask) in enumerate(jobs) if number not in waiting}
        there = {number: answer.result() for number, answer in waiting.items()}
    found = here | there
    return [found[number] for number in range(len(jobs))]


def samples(
    subject: Subject, conversations: Sequence[Conversation], sampling: Sampling, n: int
) -> list[list[Reply]]:
    """Return n independent replies to each conversation: one list per sample, in the order of the conversations.

    Args:
        subject: who is asked.
        conversations: any.
        sampling: of the first sample; the others count on from its ``sample``.
        n: how many, >= 1.
    """
    draws = [sampling.at(sample=sampling.sample + number) for number in range(n)]
    return together(
        [(subject, lambda draw=draw: subject.reply(conversations, sampling=draw)) for draw in draws]
    )
