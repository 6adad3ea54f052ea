"""Two subjects asked the same facts: before and after a training that happened elsewhere.

Where both give log-probabilities, options are scored; else each reply votes for one of two lettered options, in both
orders, so that a liking for the first cancels. A vote is a credence of 0, 1/2 or 1, not a margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from doxa.elicit.letters import read_letter
from doxa.elicit.reading import Found
from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.lens.truth_margin import FEWEST
from doxa.streams import stream
from doxa.subjects.base import Capability, Query, Sampling, Subject, user
from doxa.worlds.fact_formats import contrasts
from doxa.worlds.fact_pairs import FactPair, load_fact_pairs

Method = Literal["scores", "votes"]
REPLY_TOKENS = 16


def ask_both(
    before: Subject, after: Subject, facts: str, items: int, recorder: Recorder, *, seed: int = 0
) -> None:
    """Ask two subjects about facts and record what each believes, under ``before`` and ``after``.

    Only facts that the first subject knows say something of a flip; the others are counted in the findings.

    Args:
        before: the subject before training.
        after: the one after it.
        facts: name or file, see ``load_fact_pairs``.
        items: how many facts, drawn at random.
        recorder: takes the rows.
        seed: seed of the draw.

    Raises:
        InputError: fewer than ten facts have a question.
    """
    pairs = [pair for pair in load_fact_pairs(facts, seed=seed) if pair.question]
    if len(pairs) < FEWEST:
        raise InputError(f"facts '{facts}': {len(pairs)} have a question; at least {FEWEST} are needed")
    picked = stream(seed, "facts", "asked").permutation(len(pairs))[:items]
    chosen = [pairs[place] for place in picked]
    scored = all(Capability.SCORE in subject.capabilities for subject in (before, after))
    method: Method = "scores" if scored else "votes"
    for condition, subject in (("before", before), ("after", after)):
        read = _scores(subject, chosen) if method == "scores" else _votes(subject, chosen)
        for pair, value in zip(chosen, read, strict=True):
            missing: dict[str, Any] = (
                {"missing": "no letter could be read in either order"} if value is None else {}
            )
            recorder.belief(
                subject=subject.address,
                proposition=pair.id,
                readout="stated",
                axis="checkpoint",
                time=0.0 if condition == "before" else 1.0,
                log_odds=value if method == "scores" else None,
                credence=value if method == "votes" else None,
                condition=condition,
                method=method,
                **missing,
            )


def _scores(subject: Subject, pairs: Sequence[FactPair]) -> list[float | None]:
    """Return each fact's margin as a choice of two letters, both orders averaged."""
    queries = [
        Query((user(one.prompt.removesuffix("\nAnswer:")),), (one.holds, one.denies), "Answer:")
        for pair in pairs
        for one in contrasts(pair, "choice")
    ]
    margins = [float(holds - denies) for holds, denies in subject.score(queries)]
    return [float(np.mean(margins[place : place + 2])) for place in range(0, len(margins), 2)]


def _votes(subject: Subject, pairs: Sequence[FactPair]) -> list[float | None]:
    """Return the share of readable votes for each fact's true object; None without one."""
    asked = [one for pair in pairs for one in contrasts(pair, "choice")]
    conversations = [
        (user(one.prompt.removesuffix("\nAnswer:") + "\nAnswer with the letter A or B only."),)
        for one in asked
    ]
    replies = subject.reply(conversations, sampling=Sampling(max_tokens=REPLY_TOKENS))
    votes: list[float | None] = []
    for one, reply in zip(asked, replies, strict=True):
        found = read_letter(reply.text, ("A", "B"), cut=reply.finish == "length")
        votes.append(float(found.value == one.holds.strip()) if isinstance(found, Found) else None)
    return [_mean(votes[place : place + 2]) for place in range(0, len(votes), 2)]


def _mean(votes: Sequence[float | None]) -> float | None:
    read = [vote for vote in votes if vote is not None]
    return float(np.mean(read)) if read else None
