"""KaBLE in micro-English: first- and third-person confirmation, plain and framed verification, in one call."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, bootstrap, paired_bootstrap
from doxa.errors import InputError
from doxa.subjects.base import Capability, Query, Subject, require, user
from doxa.worlds import micro
from doxa.worlds.micro import Attitude, DoesBelieve, Fact, IsTrue

MICRO_ROWS: dict[str, pl.DataType] = {
    "context": pl.Int64(),
    "place": pl.String(),
    "truth": pl.Boolean(),
    "person": pl.String(),
    "question": pl.String(),
    "right": pl.Boolean(),
    "log_odds_yes": pl.Float64(),
    "credence_yes": pl.Float64(),
    "correct": pl.Boolean(),
}
"""Columns of the rows.

context: number of the pair of propositions, >= 0; it holds a true and a false p about one place.
place: the place p is about, the unit that resamples.
truth: whether p is true.
person: who is said to believe p: ``i``, ``james``, ``mary``, or ``nobody`` for a plain question.
question: ``confirm`` (does the person believe p), ``deny`` (does the person believe another colour of the same
    flag: no) or ``verify`` (is it true that p).
right: whether yes is the right answer.
log_odds_yes, credence_yes: what the subject says, normalised over yes and no.
correct: whether its likelier answer is the right one; a tie is wrong.
"""


class MicroGaps(NamedTuple):
    """Contrasts of the micro form in credence (probability of the right answer), resampled by place.

    Attributes:
        first_false: P(yes) confirming one's own false belief.
        third_false: the same for James's and Mary's.
        person_gap: third_false - first_false.
        truth_gap: P(yes) confirming one's own true belief minus a false one.
        frame_effect: P(no) verifying a false p plainly minus after "i believe that p".
        facts: P(right answer) verifying facts plainly.
        deny: P(no) when a belief is asked about that nobody was said to hold; low in a subject that says yes
            to everything, whose confirmations then say nothing.
    """

    first_false: Interval
    third_false: Interval
    person_gap: Interval
    truth_gap: Interval
    frame_effect: Interval
    facts: Interval
    deny: Interval


def micro_knowledge_belief(subject: Subject, *, n_items: int, rng: np.random.Generator) -> pl.DataFrame:
    """Ask a subject who believes what and what is true, in micro-English, and return one row per question.

    Each of ``n_items`` places gives a true and a false proposition, as in KaBLE. Each is put ten ways: said to be
    believed by i, james and mary, then asked whether that person believes it, whether that person believes
    another colour, and whether it is true; and asked plainly. Everything is scored in one call, one user turn to
    a question.

    Args:
        subject: must be able to score and speak micro-English.
        n_items: pairs of propositions, >= 1; places repeat only when all 40 have been used.
        rng: draws places and colours.

    Returns:
        Rows as in ``MICRO_ROWS``, 20 * n_items of them.

    Raises:
        InputError: n_items is below 1.
        CapabilityError: the subject cannot score options.
    """
    if n_items < 1:
        raise InputError(f"n_items={n_items}: must be >= 1 place")
    require(subject, Capability.SCORE)
    asks = [ask for context, place in enumerate(_places(n_items, rng)) for ask in _pair(context, place, rng)]
    scores = np.stack(subject.score([Query((user(ask["text"]),), ("yes", "no")) for ask in asks]))
    rows = pl.DataFrame(asks).with_columns(log_odds_yes=pl.Series(scores[:, 0] - scores[:, 1]))
    likelier = pl.col("log_odds_yes")
    return rows.with_columns(
        credence_yes=0.5 * (1.0 + (0.5 * likelier).tanh()),
        correct=pl.when(pl.col("right")).then(likelier > 0.0).otherwise(likelier < 0.0),
    ).select(pl.col(name).cast(kind) for name, kind in MICRO_ROWS.items())


def micro_gaps(rows: pl.DataFrame, rng: np.random.Generator, level: float = 0.95) -> MicroGaps:
    """Return the contrasts of micro rows with intervals.

    Args:
        rows: as from :func:`micro_knowledge_belief`.
        rng: source of the resamples.
        level: coverage of the intervals.
    """
    yes = pl.col("credence_yes")
    valued = rows.with_columns(value=pl.when(pl.col("right")).then(yes).otherwise(1.0 - yes))
    places = valued.unique("context").sort("context")["place"].to_numpy()

    def values(
        question: str, people: tuple[str, ...], *, false: bool = True, true: bool = False
    ) -> np.ndarray:
        kept = [truth for truth, keep in ((False, false), (True, true)) if keep]
        part = valued.filter(
            pl.col("question") == question, pl.col("person").is_in(people), pl.col("truth").is_in(kept)
        )
        return part.group_by("context").agg(pl.col("value").mean()).sort("context")["value"].to_numpy()

    def mean(side: np.ndarray) -> Interval:
        return bootstrap(side, clusters=places if side.size else None, rng=rng, level=level)

    def gap(plus: np.ndarray, minus: np.ndarray) -> Interval:
        return paired_bootstrap(plus, minus, clusters=places, rng=rng, level=level)

    first, third, plain = ("i",), ("james", "mary"), ("nobody",)
    first_false, third_false = values("confirm", first), values("confirm", third)
    return MicroGaps(
        first_false=mean(first_false),
        third_false=mean(third_false),
        person_gap=gap(third_false, first_false),
        truth_gap=gap(values("confirm", first, false=False, true=True), first_false),
        frame_effect=gap(values("verify", plain), values("verify", first)),
        facts=mean(values("verify", plain, true=True)),
        deny=mean(values("deny", (*first, *third), true=True)),
    )


def _places(n_items: int, rng: np.random.Generator) -> list[str]:
    rounds = -(-n_items // len(micro.PLACES))
    orders = [rng.permutation(len(micro.PLACES)).tolist() for _ in range(rounds)]
    return [micro.PLACES[index] for order in orders for index in order][:n_items]


def _pair(context: int, place: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the twenty questions about a place: a true and a false p, ten each."""
    true = micro.TRUTH[place]
    wrong, other = rng.permutation([colour for colour in micro.COLOURS if colour != true])[:2].tolist()
    facts = ((Fact(place, true), Fact(place, other)), (Fact(place, wrong), Fact(place, other)))
    return [
        {"context": context, "place": place, "truth": held.true, **ask}
        for held, denied in facts
        for ask in _asks(held, denied)
    ]


def _asks(held: Fact, denied: Fact) -> list[dict[str, Any]]:
    """Return the ten questions about a proposition; ``denied`` is believed by nobody."""
    plain = {"person": "nobody", "question": "verify", "right": held.true, "text": micro.ask(IsTrue(held))}
    asks: list[dict[str, Any]] = [plain]
    for person in micro.PEOPLE:
        told = micro.say(Attitude(person, held))
        for name, question, right in (
            ("confirm", DoesBelieve(person, held), True),
            ("deny", DoesBelieve(person, denied), False),
            ("verify", IsTrue(held), held.true),
        ):
            asks.append(
                {
                    "person": person,
                    "question": name,
                    "right": right,
                    "text": f"{told} {micro.ask(question)}",
                }
            )
    return asks
