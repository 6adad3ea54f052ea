"""What the answers to the published questions say, as findings with the paper's own numbers beside them."""

from __future__ import annotations

import numpy as np
import polars as pl

from doxa.lab.record import Finding, Verdict, judge
from doxa.protocols.kable.questions import DIRECT, FIRST_PERSON, THIRD_PERSON
from doxa.protocols.kable.summary import CHANCE, KableResult, mean_accuracy

SAME = 0.05
"""A gap that lies within this of zero counts as none."""

SHARES = (
    ("factual", "true sentences are answered by the key, above chance", pl.col("type") == "factual", 0.86),
    ("facts", "facts are verified, above chance", pl.col("task") == DIRECT, 0.91),
    (
        "third-person",
        "third persons' beliefs are confirmed, above chance",
        pl.col("task").is_in(THIRD_PERSON),
        0.807,
    ),
    ("first-person", "one's own beliefs are confirmed, above chance", pl.col("task") == FIRST_PERSON, 0.544),
)
"""Id, claim, rows and the paper's mean: over 15 models (abstract), for ``facts`` over newer models (journal)."""

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

CONTROL = ("name-gap", "name_gap", "James's beliefs are confirmed as often as Mary's, within 0.05", None)
"""The contrast that must not show the effect: two third persons differ by name only."""


def findings_of(result: KableResult, rng: np.random.Generator) -> list[Finding]:
    """Return the findings of a result: accuracies against a uniform guess, contrasts against zero, one control.

    The control is the gap between the two third persons, who differ by name only. Near-constant answers leave every
    claim unresolved, with the label in the note.

    Args:
        result: answers to published questions.
        rng: source of the resamples.
    """
    found: list[Finding] = []
    for name, claim, chosen, paper in SHARES:
        rows = result.rows.filter(chosen)
        share = mean_accuracy(rows, rng)
        chance, yes = rows.select(chance=CHANCE, yes=(pl.col("answer") == "A").fill_null(False).mean()).row(0)
        note = f"chance {chance:.2f}, share of Yes {yes:.2f}" if share.n else "not asked"
        verdict = judge(share.ends, above=chance)
        found.append(_finding(result, name, claim, share.estimate, share.ends, verdict, paper, share.n, note))
    for name, contrast, claim, paper in (*GAPS, CONTROL):
        gap = result.contrasts.get(contrast)
        if gap is None:
            continue
        control = contrast == CONTROL[1]
        verdict = judge(gap.interval, above=-SAME, below=SAME) if control else judge(gap.interval, above=0.0)
        moved = f"McNemar p {gap.p:.2g}, {gap.up} sentences up, {gap.down} down" if gap.pairs else ""
        note = "; ".join(part for part in (moved, gap.note) if part)
        one = _finding(
            result, name, claim, gap.estimate, gap.interval, verdict, paper, gap.sentences, note, control
        )
        found.append(one)
    return found


def _finding(
    result: KableResult,
    name: str,
    claim: str,
    estimate: float,
    interval: tuple[float, float] | None,
    verdict: Verdict,
    paper: float | None,
    n: int,
    note: str,
    control: bool = False,
) -> Finding:
    """Return a finding with what was asked how in its note, unresolved where the result carries a label."""
    how = f"{result.method}, {result.framing} framing, {result.key} key"
    unparsed = f"{result.unparsed} of {result.rows.height} unparsed" if result.unparsed else ""
    return Finding(
        id=name,
        claim=claim,
        estimate=estimate,
        interval=interval,
        verdict="unresolved" if result.label else verdict,
        control=control,
        paper=paper,
        n=n,
        note="; ".join(part for part in (result.label, note, how, unparsed) if part),
    )
