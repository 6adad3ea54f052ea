"""The contract every subject keeps: batches, scores and replies that mean what the protocol says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from doxa.errors import CapabilityError, InputError
from doxa.subjects.base import (
    Capability,
    Conversation,
    Query,
    Reply,
    Sampling,
    Subject,
    Tool,
    assistant,
    user,
)
from doxa.testing.expectation import expect, is_a
from doxa.worlds.micro import Stance, say

CONVERSATIONS: tuple[Conversation, ...] = (
    (user("is it true that the flag of peru is red ?"),),
    (user("the teacher says yes . how sure ?"),),
    (
        user(f"{say(Stance('tax', True))} {say(Stance('army', True))}"),
        assistant("ok ."),
        user("do you support the treaty ?"),
    ),
    (user("Which is right?\n(A) Yes\n(B) No\nAnswer with one letter."),),
    (user("Grüße ✓ \u200b 東京 \N{PILE OF POO}"),),
)
"""Conversations of several lengths, one turn or more, plain and odd."""

OPTIONS = ("yes", "no", "zebra")
"""Continuations of which none begins another."""

TOOL = Tool(
    "vote",
    "Cast a vote.",
    {
        "type": "object",
        "properties": {"side": {"type": "string", "enum": ["for", "against"]}},
        "required": ["side"],
    },
)

_FINISHES = ("stop", "length", "tool_call", "refusal", "fault")


def check_subject(
    subject: Subject,
    *,
    conversations: Sequence[Conversation] = CONVERSATIONS,
    options: Sequence[str] = OPTIONS,
    tolerance_nats: float = 2e-5,
    deterministic: bool = True,
) -> None:
    """Check that a subject keeps the contract of ``doxa.subjects.base.Subject``.

    Args:
        subject: an open subject.
        conversations: at least two that it can take.
        options: continuations to score, none of which begins another.
        tolerance_nats: how far a score may move with the batch.
        deterministic: whether equal sampling must give equal replies; false for a server that promises nothing.

    Raises:
        AssertionError: it does not; the message says what it did and what the contract asks.
    """
    who = subject.address
    expect(is_a(subject, Subject), f"{who}: lacks a method or attribute of Subject")
    expect(who, "a subject needs an address")
    expect(subject.identity == subject.identity != "", f"{who}: its identity must be stable and not empty")
    expect(subject.form in ("micro", "published"), f"{who}: form={subject.form!r} must be micro or published")
    expect(all(is_a(one, Capability) for one in subject.capabilities), f"{who}: unknown capability")
    if Capability.REPLY in subject.capabilities:
        _check_replies(subject, conversations, deterministic)
    if Capability.SCORE in subject.capabilities:
        _check_scores(subject, conversations, tuple(options), tolerance_nats)
    else:
        _check_refuses_to_score(subject, conversations[0])
    if Capability.SAMPLE in subject.capabilities and deterministic:
        _check_samples(subject, conversations)
    if Capability.TOOLS in subject.capabilities:
        _check_tools(subject, conversations[0])


def _check_replies(subject: Subject, conversations: Sequence[Conversation], deterministic: bool) -> None:
    who, greedy = subject.address, Sampling(max_tokens=8)
    expect(subject.reply([], sampling=greedy) == [], f"{who}: no conversations must give no replies")
    replies = subject.reply(conversations, sampling=greedy)
    expect(
        len(replies) == len(conversations),
        f"{who}: {len(conversations)} conversations, {len(replies)} replies",
    )
    for reply in replies:
        expect(is_a(reply, Reply), f"{who}: a reply must be a Reply, not {type(reply).__name__}")
        expect(reply.finish in _FINISHES, f"{who}: finish={reply.finish!r} must be one of {_FINISHES}")
        expect(
            (reply.finish == "fault") == bool(reply.fault), f"{who}: a fault says why, and only a fault does"
        )
        expect(min(reply.tokens_in, reply.tokens_out) >= 0, f"{who}: tokens cannot be negative")
        expect(reply.tokens_out <= 8, f"{who}: {reply.tokens_out} tokens where max_tokens=8")
    if deterministic:
        again = subject.reply(conversations, sampling=greedy)
        expect(again == replies, f"{who}: greedy replies differ the second time")
        backwards = subject.reply(conversations[::-1], sampling=greedy)[::-1]
        expect(backwards == replies, f"{who}: greedy replies hang on the order of the batch")
        alone = [subject.reply([one], sampling=greedy)[0] for one in conversations]
        expect(alone == replies, f"{who}: greedy replies hang on the batch")


def _check_scores(
    subject: Subject, conversations: Sequence[Conversation], options: tuple[str, ...], tolerance: float
) -> None:
    who = subject.address
    expect(subject.score([]) == [], f"{who}: no queries must give no scores")
    queries = [Query(one, options) for one in conversations]
    scores = subject.score(queries)
    expect(len(scores) == len(queries), f"{who}: {len(queries)} queries, {len(scores)} scores")
    for found in scores:
        expect(
            found.shape == (len(options),), f"{who}: {len(options)} options, scores of shape {found.shape}"
        )
        expect(np.isfinite(found).all(), f"{who}: scores {found} must be finite")
        total = float(np.exp(found).sum())
        expect(total <= 1.0 + 1e-4, f"{who}: exclusive options have probability {total} together, above 1")
    alone = [subject.score([query])[0] for query in queries]
    _close(who, "the batch", scores, alone, tolerance)
    turned = [found[::-1] for found in subject.score([Query(one, options[::-1]) for one in conversations])]
    _close(who, "the order of the options", scores, turned, tolerance)
    single = [
        np.array([float(subject.score([Query(one, (option,))])[0][0]) for option in options])
        for one in conversations
    ]
    _close(who, "the other options", scores, single, tolerance)
    subject.reply(conversations[:1], sampling=Sampling(max_tokens=4))
    _close(who, "a reply in between", scores, subject.score(queries), tolerance)
    try:
        subject.score([Query(conversations[0], ())])
    except InputError:
        return
    raise AssertionError(f"{who}: a query without options must raise InputError")


def _check_refuses_to_score(subject: Subject, conversation: Conversation) -> None:
    try:
        subject.score([Query(conversation, OPTIONS)])
    except CapabilityError:
        return
    raise AssertionError(f"{subject.address}: declares no scores, so score must raise CapabilityError")


def _check_samples(subject: Subject, conversations: Sequence[Conversation]) -> None:
    who = subject.address
    for place in (
        Sampling(temperature=1.0, max_tokens=6, seed=5),
        Sampling(temperature=1.0, max_tokens=6, sample=2),
    ):
        drawn = subject.reply(conversations, sampling=place)
        expect(
            subject.reply(conversations, sampling=place) == drawn,
            f"{who}: one seed, sample and branch, two draws",
        )
        alone = [subject.reply([one], sampling=place)[0] for one in conversations]
        expect(
            alone == drawn,
            f"{who}: a draw hangs on the batch; key its stream by conversation, sample and branch",
        )


def _check_tools(subject: Subject, conversation: Conversation) -> None:
    (reply,) = subject.reply([conversation], sampling=Sampling(max_tokens=64), tools=[TOOL])
    for call in reply.tool_calls:
        expect(call.name, f"{subject.address}: a tool call needs a name")
    expect(
        (reply.finish == "tool_call") == bool(reply.tool_calls),
        f"{subject.address}: finish={reply.finish!r} with {len(reply.tool_calls)} tool calls",
    )


def _close(
    who: str, what: str, scores: Sequence[np.ndarray], other: Sequence[np.ndarray], tolerance: float
) -> None:
    furthest = max(float(np.abs(a - b).max()) for a, b in zip(scores, other, strict=True))
    expect(
        furthest <= tolerance,
        f"{who}: scores hang on {what}: {furthest:.2g} nats apart, {tolerance:.2g} allowed",
    )
