"""Bar 6, endpoint faults: each question to a server of which 30 % is broken is answered once, or missing and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bars.outcome import Outcome
from bars.real_servers import debate_behind_faults, organism_behind_faults, study_behind_faults
from doxa.canonical import digest
from doxa.subjects.base import Query, Reply, Sampling, user
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Patience, Tally
from doxa.subjects.endpoint_scoring import Scores
from doxa.testing import FAULTS, FaultServer, Manner
from doxa.testing.fault_ledger import Ledger

FULL_QUESTIONS = 100_000
MOST_REQUESTS = 1.6
"""Requests sent for each question, at most."""

SHARES: Mapping[str, float] = {
    "429": 0.03, "429 retry-after": 0.03, "500": 0.025, "502": 0.025, "html": 0.02, "no choices": 0.02,
    "reset before": 0.02, "reset inside": 0.02, "cut stream": 0.02, "cut JSON": 0.02, "double JSON": 0.01,
    "content type": 0.01, "slow drip": 0.01, "double reply": 0.01, "double delivery": 0.006, "broken off": 0.01,
    "wrong finish": 0.005, "time-out": 0.003, "trickle": 0.001, "large body": 0.0005, "long text": 0.0005,
    "no log-probs": 0.01, "nan log-probs": 0.01, "unsorted log-probs": 0.01,
}  # fmt: skip
"""Share of requests that each fault strikes, 30 % together. What hangs or is 5 MB long is rare: each costs its wait."""

PATIENCE = Patience(concurrency=64, timeout_s=2.0, first_wait_s=0.002, longest_wait_s=0.05)
BABBLE = "and so on "
OPTIONS = ("A", "B", "C")
USAGE = {"prompt_tokens": 11, "completion_tokens": 5}


def run(full: bool, folder: Path) -> Outcome:
    """Ask most questions for text and a tenth for log-probabilities."""
    questions = FULL_QUESTIONS if full else 500
    spoiled = sum(share for name, share in SHARES.items() if FAULTS[name].of != "scores")
    outcome = Outcome(f"{questions} questions, {spoiled:.0%} of requests spoiled in {len(FAULTS)} ways")
    texts = [f"question {number}?" for number in range(questions)]
    to_score, to_read = texts[: questions // 10], texts[questions // 10 :]
    with FaultServer(answer, faults=SHARES, manner=Manner(pause_s=0.005)) as server:
        subject = EndpointSubject.open(server.url, "m", patience=PATIENCE, scores=True)
        scores = subject.score_seen([Query((user(text),), OPTIONS) for text in to_score])
        talks = [(user(text),) for text in to_read]
        replies = list(chain.from_iterable(subject.reply_batches(talks, sampling=Sampling(max_tokens=32))))
        subject.close()
    altered = len(server.ledger.altered())
    missing = _check_replies(outcome, to_read, replies, altered) + _check_scores(outcome, to_score, scores)
    _check_tally(outcome, subject.tally, server.ledger, questions, missing)
    outcome.size += f"; {len(server.ledger.entries) / questions:.2f} requests for each, {missing} missing"
    organism_behind_faults(outcome, SHARES, 500 if full else 30, folder)
    debate_behind_faults(outcome, SHARES, 60 if full else 12, folder)
    study_behind_faults(outcome, SHARES, 13 if full else 2, folder)
    return outcome


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one right answer to a question, with log-probabilities where they are asked for."""
    text = asked["messages"][-1]["content"]
    choice: dict[str, Any] = {
        "message": {"role": "assistant", "content": right(text)},
        "finish_reason": "stop",
    }
    if asked.get("logprobs"):
        top = [
            {"token": token, "logprob": value}
            for token, value in zip(OPTIONS, right_scores(text), strict=True)
        ]
        choice["logprobs"] = {"content": [{"token": "A", "logprob": -1.0, "top_logprobs": top}]}
    return {"choices": [choice], "usage": USAGE}


def right(text: str) -> str:
    """Return the reply that belongs to a question, with characters of several bytes."""
    return f"«{digest(text, length=12)}» belongs to {text}"


def right_scores(text: str) -> list[float]:
    """Return the log-probabilities that belong to a question, largest first."""
    return sorted(
        (-(1 + int(digest([text, option], length=6), 16) % 1000) / 100 for option in OPTIONS), reverse=True
    )


def _check_replies(
    outcome: Outcome, texts: Sequence[str], replies: Sequence[tuple[int, Reply]], altered: int
) -> int:
    """See that each question has its own answer, once, or none and a reason; return how many have none."""
    times = Counter(index for index, _ in replies)
    outcome.check(
        len(times) == len(texts), f"{len(texts) - len(times)} questions without an answer or a reason"
    )
    other = missing = 0
    for index, reply in replies:
        if reply.finish == "fault":
            missing += 1
            outcome.check(
                reply.fault and not reply.text, f"{texts[index]}: missing without a reason, {reply}"
            )
        elif reply.text.startswith(BABBLE):
            other += 1
        else:
            good = times[index] == 1 and reply.text == right(texts[index]) and reply.finish == "stop"
            outcome.check(good, f"{texts[index]}: answered {times[index]} times, {reply.text[:80]!r}")
    outcome.check(other == altered, f"{other} answers are babble, the server gave {altered}")
    return missing


def _check_scores(outcome: Outcome, texts: Sequence[str], scores: Sequence[Scores]) -> int:
    """See that log-probabilities are those of the question, or all missing with a reason; return how many are."""
    missing = 0
    for text, found in zip(texts, scores, strict=True):
        if found.fault:
            missing += 1
            outcome.check(
                np.isnan(found.log_probs).all(), f"{text}: {found.fault}, and scores {found.log_probs}"
            )
        else:
            good = np.allclose(found.log_probs, right_scores(text), rtol=0, atol=1e-12)
            outcome.check(good, f"{text}: scored {found.log_probs}, not {right_scores(text)}")
    return missing


def _check_tally(outcome: Outcome, tally: Tally, ledger: Ledger, questions: int, missing: int) -> None:
    """Compare what the client counted with what the server did."""
    outcome.check(tally.faults == ledger.seen(), f"faults counted {tally.faults}, committed {ledger.seen()}")
    sent = len(ledger.entries)
    outcome.check(tally.requests == sent, f"requests counted {tally.requests}, sent {sent}")
    outcome.check(tally.questions == questions, f"questions counted {tally.questions} of {questions}")
    outcome.check(tally.retries == sent - questions, f"retries counted {tally.retries} of {sent - questions}")
    outcome.check(sent <= MOST_REQUESTS * questions, f"{sent} requests for {questions} questions")
    answered = ledger.answered()
    outcome.check(set(answered.values()) == {1}, f"answered more than once: {Counter(answered.values())}")
    outcome.check(
        len(answered) == questions - missing == tally.answered, f"{len(answered)} answered, {missing} missing"
    )
    outcome.check(missing <= 0.01 * questions, f"{missing} of {questions} missing")
    spent = (tally.tokens_in, tally.tokens_out)
    outcome.check(spent == ledger.tokens(), f"tokens counted {spent}, given {ledger.tokens()}")
