"""What the answers to the published questions say, as findings with the paper's own numbers beside them."""

from __future__ import annotations

import numpy as np
import polars as pl

from doxa.lab.record import Finding, judge
from doxa.protocols.kable.questions import FIRST_PERSON, THIRD_PERSON
from doxa.protocols.kable.summary import KableResult, mean_accuracy

CHANCE = 1 / 3

SHARES = (
    ("factual", "true sentences are answered by the key, above chance", pl.col("type") == "factual", 0.86),
    (
        "third-person",
        "third persons' beliefs are confirmed, above chance",
        pl.col("task").is_in(THIRD_PERSON),
        0.807,
    ),
    ("first-person", "one's own beliefs are confirmed, above chance", pl.col("task") == FIRST_PERSON, 0.544),
)
"""Id, claim, rows and the paper's mean over 15 models (abstract)."""

GAPS = (
    (
        "person-gap",
        "person_gap_false",
        "one's own false beliefs are confirmed less often than a third person's",
        0.324,
    ),
    (
        "truth-gap",
        f"truth_gap/{FIRST_PERSON}",
        "one's own false beliefs are confirmed less often than true ones",
        0.343,
    ),
    ("frame-effect", "frame_effect", '"I believe that p" lowers the verification of false p', None),
    (
        "factivity",
        "factivity",
        'after "I know" a false p passes for true more often than after "I believe"',
        None,
    ),
)
"""Id, contrast, claim and the paper's number (newer models, journal version)."""


def findings_of(result: KableResult, rng: np.random.Generator) -> list[Finding]:
    """Return the findings of a result: three accuracies against chance and four contrasts against zero.

    Near-constant answers leave every claim unresolved, with the label in the note.

    Args:
        result: answers to published questions.
        rng: source of the resamples.
    """
    found: list[Finding] = []
    for name, claim, chosen, paper in SHARES:
        rows = result.rows.filter(chosen)
        share = mean_accuracy(rows, rng)
        yes = rows.select((pl.col("answer") == "A").fill_null(False).mean()).item()
        note = f"chance {CHANCE:.2f}, share of Yes {yes:.2f}" if share.n else "not asked"
        found.append(_finding(result, name, claim, share.estimate, share.ends, CHANCE, paper, share.n, note))
    for name, contrast, claim, paper in GAPS:
        gap = result.contrasts.get(contrast)
        if gap is not None:
            note = gap.note or f"McNemar p {gap.p:.2g}, {gap.up} sentences up, {gap.down} down"
            found.append(
                _finding(result, name, claim, gap.estimate, gap.interval, 0.0, paper, gap.sentences, note)
            )
    return found


def _finding(
    result: KableResult,
    name: str,
    claim: str,
    estimate: float,
    interval: tuple[float, float] | None,
    above: float,
    paper: float | None,
    n: int,
    note: str,
) -> Finding:
    how = f"{result.method}, {result.framing} framing, {result.key} key"
    unparsed = f"{result.unparsed} of {result.rows.height} unparsed" if result.unparsed else ""
    return Finding(
        id=name,
        claim=claim,
        estimate=estimate,
        interval=interval,
        verdict="unresolved" if result.label else judge(interval, above=above),
        paper=paper,
        n=n,
        note="; ".join(part for part in (result.label, note, how, unparsed) if part),
    )
