"""The findings and the figure of a real model's step."""

from __future__ import annotations

from doxa.lab.figures import Figure, intervals
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.training.entropy_weights.report import DEALT_TOKENS
from doxa.training.entropy_weights.updates import COVARIANCE, DEALT_OUT, FIRST_ORDER

ESTIMATES = ("exact", "own_logit", "official", "squared", COVARIANCE)


def by_question(tables: Tables, name: str, measure: str = "pearson") -> Units:
    """Return the agreement of an estimate within each group of replies."""
    rows = rows_of(tables, measure, subject=name, where="subject")
    return Units(
        {row["question"]: row["value"] for row in rows.iter_rows(named=True) if row["value"] is not None}
    )


def subject_findings(tables: Tables) -> list[Finding]:
    """Judge the estimators on a subject's own replies; units are groups of replies to one question."""
    step = by_question(tables, FIRST_ORDER)
    found = [
        step.finding(
            "step",
            "the step is small: what a position's own logits did gives its entropy change (Pearson)",
            unit="correlation",
            above=0.99,
            note=_told(tables),
        )
    ]
    for measure in ("pearson", "spearman"):
        for one, other in (("exact", "official"), ("official", COVARIANCE)):
            ours, theirs = (by_question(tables, name, measure) for name in (one, other))
            found.append(
                ours.minus(theirs).finding(
                    f"{one}-over-{other}-{measure}",
                    f"{one} agrees better with the change than {other} ({measure.title()})",
                    unit="difference of correlations",
                    above=0.0,
                    note=f"{one} {ours.mean:.3f}, {other} {theirs.mean:.3f}",
                )
            )
    found.append(
        by_question(tables, DEALT_OUT).within(
            "dealt",
            "estimates dealt out to other tokens of a group do not correlate (Pearson)",
            DEALT_TOKENS,
            unit="correlation",
        )
    )
    return found


def _told(tables: Tables) -> str:
    right, mixed = (rows_of(tables, name)["value"] for name in ("right", "mixed groups"))
    return (
        f"{right.mean():.0%} of replies right, {mixed.sum():.0f} groups of both kinds" if right.len() else ""
    )


def subject_figures(tables: Tables) -> list[Figure]:
    """Draw how each estimator agrees with the change."""
    rows = [
        by_question(tables, name, measure).row(possible=(-1.0, 1.0), label=name, kind=measure.title())
        for measure in ("pearson", "spearman")
        for name in ESTIMATES
        if by_question(tables, name, measure).values
    ]
    if not rows:
        return []
    return [
        intervals(
            "correlations",
            "How estimators agree with the true change on the model's own replies",
            "Correlation within the replies to a question, mean and 95 % interval over questions.",
            rows,
            group="kind",
            value_title="correlation",
            references={"none": 0.0},
        )
    ]
