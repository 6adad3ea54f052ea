"""The findings of the embedded experiments: replay, skeptic and dialogue loop, each beside its controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from doxa.belief.inference import mean_t_interval
from doxa.belief.rank_correlation import mean_pairwise_spearman
from doxa.lab import Finding
from doxa.protocols.persuasion.estimates import Estimated, read_estimate, read_estimates


class Published(NamedTuple):
    """The paper's numbers.

    Attributes:
        fractions: fraction convinced by each style, baseline skeptic.
        strengths: strength of each style among people.
        present: styles that were really there.
    """

    fractions: Mapping[str, float]
    strengths: Mapping[str, float]
    present: frozenset[str]


class Bounds(NamedTuple):
    """Bounds of the spec, fixed before any run."""

    auc: float = 0.77
    correlation: float = 0.85
    permuted: tuple[float, float] = (0.47, 0.53)
    unseen: float = 0.5
    order: float = 0.9
    flat: float = 0.12
    rejects: tuple[float, float] = (0.03, 0.07)


def replay_findings(measures: pl.DataFrame, published: Published, bounds: Bounds) -> list[Finding]:
    """Judge what was recomputed from the released files."""
    agents = {
        str(one.extra["dimension"]): one.value
        for one in read_estimates(measures, "convinced")
        if one.extra["difficulty"] == "baseline"
    }
    strengths = {
        str(one.extra["dimension"]): math.exp(one.value or 0.0)
        for one in read_estimates(measures, "strength")
        if one.extra["reading"] == "published"
    }
    lead = _of(measures, "knowledge-lead", reading="as-written")
    present = {str(one.extra["dimension"]) for one in read_estimates(measures, "present") if one.value}
    permuted = read_estimate(measures, "permuted-rejects")
    counts = {
        reading: [int(_of(measures, name, reading=reading).value or 0) for name in ("rejected", "kept")]
        for reading in ("published", "as-written")
    }
    kappas = ", ".join(
        f"{one.value:.3f} {one.extra['orientation']}"
        for one in read_estimates(measures, "kappa")
        if one.extra["reading"] == "as-written"
    )
    alike = read_estimate(measures, "alike")
    gaps = [abs((agents.get(name) or 0.0) - share) for name, share in published.fractions.items()]
    ratios = [
        abs(math.log(strengths.get(name, math.inf) / value)) for name, value in published.strengths.items()
    ]
    names = list(published.strengths)
    as_written = {
        str(one.extra["dimension"]): one.value or 0.0
        for one in read_estimates(measures, "strength")
        if one.extra["reading"] == "as-written"
    }
    order = mean_pairwise_spearman(
        [[as_written.get(name, 0.0) for name in names], list(published.strengths.values())]
    ).estimate
    exact = "recomputed from all released rows, so nothing is estimated"
    return [
        _exact(
            "fractions",
            "the fractions convinced are the published ones, to two digits",
            max(gaps),
            below=0.005,
            n=len(gaps),
            note=f"largest difference; {exact}",
        ),
        _exact(
            "people-strengths",
            "the strengths among people are the published ones, to two digits, with the published filter of workers",
            max(ratios),
            below=0.05,
            n=len(ratios),
            note="largest difference of log-strengths; {} workers out, {} answers kept; {}".format(
                *counts["published"], exact
            ),
        ),
        _exact(
            "people-order",
            "with the filter as written people rank the styles in the published order",
            order,
            above=0.999,
            n=len(names),
            note="Spearman; {} workers out, {} answers kept; kappa {}".format(*counts["as-written"], kappas),
        ),
        _exact(
            "present",
            "every style but power was really there",
            float(len(present)),
            above=len(published.present) - 0.5 if frozenset(present) == published.present else math.inf,
            n=10,
            paper=float(len(published.present)),
            note=f"significant after Bonferroni: {', '.join(sorted(present))}",
        ),
        _estimated(
            "warmth-agents",
            "trust and support convince the agent more often than knowledge",
            read_estimate(measures, "warmth"),
            above=0.0,
            paper=min(published.fractions["trust"], published.fractions["support"])
            - published.fractions["knowledge"],
            note="lower of the two minus knowledge, baseline skeptic",
        ),
        _estimated(
            "knowledge-people",
            "people find knowledge more convincing than any other style",
            lead,
            above=0.0,
            unit="log-strength",
            paper=math.log(published.strengths["knowledge"] / published.strengths["baseline"]),
            note="lead over the next; workers and match-ups resampled",
        ),
        _estimated(
            "agents-people",
            "styles that convince agents more often are those that people find more convincing",
            alike,
            above=0.0,
            paper=mean_pairwise_spearman(
                [[published.fractions[name] for name in names], [published.strengths[name] for name in names]]
            ).estimate,
            note="Spearman of fractions, baseline skeptic, with strengths, filter as written; styles resampled, "
            f"permutation p = {alike.extra.get('permutation_p', math.nan):.2g}; paper: of its two tables",
        ),
        _estimated(
            "names-dealt-out",
            "with the styles' names dealt out anew the fractions differ as chance lets them",
            permuted,
            above=bounds.rejects[0],
            below=bounds.rejects[1],
            control=True,
            note=f"share of tests that reject at 5 %; with the true names p = {permuted.extra.get('p', math.nan):.1g}",
        ),
    ]


def skeptic_findings(measures: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    """Judge the skeptic that learned from the real verdicts."""
    dealt, unseen = (read_estimate(measures, name) for name in ("permuted-auc", "unseen-correlation"))
    unseen_auc = read_estimate(measures, "unseen-auc")
    held = "held-out arguments, mean over splits"
    return [
        _estimated(
            "skeptic-auc",
            f"the embedded skeptic ranks verdicts on unseen arguments, area under the curve above {bounds.auc}",
            read_estimate(measures, "auc"),
            above=bounds.auc,
            note=held,
        ),
        _estimated(
            "skeptic-styles",
            "its mean credence orders the styles as the measured fractions do",
            read_estimate(measures, "correlation"),
            above=bounds.correlation,
            note=f"Spearman over eleven styles; {held}",
        ),
        _estimated(
            "skeptic-warmth",
            "trust and support convince it more than knowledge",
            read_estimate(measures, "warm"),
            above=0.0,
            note=f"difference of credences; {held}",
        ),
        _estimated(
            "skeptic-ladder",
            "in every style the hard skeptic is convinced less than the baseline one, and that less than the easy one",
            read_estimate(measures, "ladder"),
            above=0.0,
            note="smallest step; the skeptic adds the same to the log-odds whatever the style",
        ),
        _estimated(
            "verdicts-dealt-out",
            "learned from verdicts dealt out within each skeptic, the embedding tells nothing",
            dealt,
            above=bounds.permuted[0],
            below=bounds.permuted[1],
            control=True,
            note="area under the curve of the argument's part; one dealing to a split",
        ),
        _estimated(
            "style-left-out",
            f"it does not recover the order of styles it never saw, Spearman below {bounds.unseen}",
            unseen,
            below=bounds.unseen,
            control=True,
            note=f"one style left out at a time; area under the curve {unseen_auc.value or math.nan:.2f}",
        ),
    ]


def loop_findings(measures: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    """Judge the small network that convinces itself."""
    true, shuffled = (
        measures.filter(pl.col("condition") == name) for name in ("dialogue", "dialogue shuffled")
    )
    spread = [one.extra.get("credence", math.nan) for one in read_estimates(shuffled, "spread")]
    credence = f"; of mean credences {max(spread):.2f} at most" if spread else ""
    return [
        _over_seeds(
            "loop-order",
            "a small network's shares convinced recover the order of the planted strengths",
            true,
            "order",
            above=bounds.order,
            most=1.0,
            note="Spearman over eleven styles, three skeptics together",
        ),
        _over_seeds(
            "loop-ladder",
            "the harder the skeptic, the less it is convinced",
            true,
            "ladder",
            above=0.0,
            note="smaller step of mean credence between two skeptics",
        ),
        _over_seeds(
            "loop-before",
            "asked before any argument it has the planted credence",
            true,
            "before-error",
            below=0.05,
            note="mean distance over three skeptics",
        ),
        _over_seeds(
            "loop-flat",
            "trained on verdicts that hang on no style, it is convinced alike by all",
            shuffled,
            "spread",
            below=bounds.flat,
            control=True,
            note=f"largest minus smallest share{credence}",
        ),
    ]


def _over_seeds(
    name: str,
    claim: str,
    measures: pl.DataFrame,
    measure: str,
    *,
    above: float | None = None,
    below: float | None = None,
    most: float = math.inf,
    control: bool = False,
    note: str = "",
) -> Finding:
    values = [one.value for one in read_estimates(measures, measure) if one.value is not None]
    mean = mean_t_interval(values)
    ends = None if mean.ends is None else (mean.low, min(most, mean.high))
    said = f"{note}; single trainings {min(values):.2f} to {max(values):.2f}" if values else "was not run"
    found = Estimated(mean.estimate if values else None, ends, mean.n, {})
    return _estimated(name, claim, found, above=above, below=below, control=control, note=said)


def _estimated(name: str, claim: str, found: Estimated, *, note: str = "", **rest: Any) -> Finding:
    missing = str(found.extra.get("missing", "")) or (
        "no interval: too few units" if found.interval is None else ""
    )
    told = "; ".join(part for part in (missing, note) if part)
    return Finding.judged(name, claim, found.value, found.interval, n=found.n, note=told, **rest)


def _exact(name: str, claim: str, value: float, *, n: int, note: str, **rest: Any) -> Finding:
    """Return a finding of a number that is computed, not estimated: its interval is the number itself."""
    usable = math.isfinite(value)
    found = Estimated(value if usable else None, (value, value) if usable else None, n, {})
    return _estimated(name, claim, found, note=note, **rest)


def _of(measures: pl.DataFrame, name: str, **wanted: str) -> Estimated:
    """Return the first number of a name whose extras are as wanted."""
    for one in read_estimates(measures, name):
        if all(one.extra.get(key) == value for key, value in wanted.items()):
            return one
    return Estimated(None, None, 0, {"missing": "was not run"})
