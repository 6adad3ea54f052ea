"""The findings: what estimators are worth, what weights do to entropy, and what is left of it at equal score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from doxa.lab.measured import rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import SHARE, Units
from doxa.training.entropy_weights.regimes import (
    EXTREME,
    EXTREME_WEIGHTED,
    GRPO,
    NUDGED,
    OFFICIAL,
    PERMUTED,
    QUADRANTS,
    UNREWARDED,
    UNWEIGHTED,
    Regimes,
    reweighted,
    slower,
    weighted,
)
from doxa.training.entropy_weights.updates import COVARIANCE, DEALT_OUT, FIRST_ORDER
from doxa.training.frontier import kept_at_equal_score

MORE_ENTROPY = 3.0
"""How many times GRPO's entropy the exact weights keep at equal steps, by the spec."""
CLOSE_NATS = 0.15
"""How near GRPO's mean entropy that of permuted weights stays; set before the judged runs."""
CLOSE_ANSWERS = 1.5
"""How near GRPO's different right answers at equal score those of GRPO with other rounding are; set before as well."""
DEALT = 0.05
DEALT_TOKENS = 0.1
"""Largest correlation of estimates dealt out to other rows, on tables and on the tokens of some mini-batches."""
RAISES = {"positive_likely": False, "positive_rare": True, "negative_likely": True, "negative_rare": False}
"""Whether a quadrant's tokens raise entropy, by the sign of their own term."""
STATES = ("base", "after GRPO")


def entropy_weights_findings(tables: Tables, regimes: Regimes) -> list[Finding]:
    """Return all findings of the embedded experiment."""
    return [
        *_on_tables(tables),
        *(one for state in STATES for one in _on_network(tables, state)),
        *_training(tables, regimes),
        *_controls(tables, regimes),
        *_quadrants(tables, regimes),
        *_open(tables, regimes),
    ]


def _on_tables(tables: Tables) -> list[Finding]:
    def correlation(name: str, measure: str = "pearson") -> Units:
        return units(tables, measure, subject=name, where="tables")

    scale = units(tables, "official over exact", tokens="rare").over(
        units(tables, "official over exact", tokens="likely")
    )
    return [
        correlation("exact").finding(
            "exact", "one step on a softmax table: the exact form gives the change of entropy (Pearson)",
            unit="correlation", above=0.999,
        ),
        correlation("exact", "sign").finding(
            "exact-sign", "its sign is that of the change", unit="share of rows", above=0.995,
            possible=SHARE,
        ),
        units(tables, "error ratio", subject="exact").finding(
            "exact-order", "its error falls four times when the step halves", unit="times", above=3.5, below=4.5,
        ),
        correlation("official").finding(
            "official", "the released estimator correlates with the change by .5 to .8", unit="correlation",
            above=0.5, below=0.8, note=_signs(tables),
        ),
        scale.finding(
            "official-scale", "it overstates rare tokens (p < .1) beside likely ones (p > .5), by 1/π: over 5 times",
            unit="times", above=5.0,
        ),
        correlation("own_logit").minus(correlation("official")).finding(
            "own-logit", "without its 1/π it correlates better", unit="difference of correlations", above=0.0,
        ),
        correlation("official").minus(correlation("squared")).finding(
            "squared", "the variant with (1 - π)² correlates worse than it", unit="difference of correlations",
            above=0.0,
        ),
        correlation(DEALT_OUT).within(
            "tables-dealt", "estimates dealt out to other rows do not correlate", DEALT, unit="correlation",
        ),
    ]  # fmt: skip


def _signs(tables: Tables) -> str:
    told = [
        f"{name} {units(tables, 'sign', subject=name, where='tables').mean:.0%}"
        for name in ("official", "squared", "own_logit")
    ]
    return f"signs right: {', '.join(told)}"


def _on_network(tables: Tables, state: str) -> list[Finding]:
    def correlation(name: str, measure: str = "pearson") -> Units:
        return units(tables, measure, subject=name, where="network", state=state)

    def better(name: str, one: str, other: str, claim: str, measure: str) -> Finding:
        found = correlation(one, measure).minus(correlation(other, measure))
        note = f"{one} {correlation(one, measure).mean:.3f}, {other} {correlation(other, measure).mean:.3f}"
        return found.finding(
            f"{name}-{mark}",
            f"{claim} ({measure.title()})",
            unit="difference of correlations",
            above=0.0,
            note=note,
        )

    mark = state.replace(" ", "-").lower()
    where = f"one real step on the network {'before' if state == 'base' else 'after'} reinforcement"
    found = [
        correlation(FIRST_ORDER).finding(
            f"step-{mark}", f"{where} is small: what a position's own logits did gives its change (Pearson)",
            unit="correlation", above=0.99,
        )
    ]  # fmt: skip
    for measure in ("pearson", "spearman"):
        end = "" if measure == "pearson" else "-ranks"
        found += [
            better(f"exact-over-official{end}", "exact", "official", f"{where}: exact beats official", measure),
            better(
                f"official-over-covariance{end}", "official", COVARIANCE,
                f"{where}: official beats the covariance", measure,
            ),
        ]  # fmt: skip
    found.append(
        correlation(DEALT_OUT).within(
            f"network-dealt-{mark}", f"{where}: estimates dealt out to other tokens do not correlate", DEALT_TOKENS,
            unit="correlation",
        )
    )  # fmt: skip
    return found


def last_entropy(tables: Tables, regime: str) -> Units:
    """Return the policy's entropy at the last evaluation, in nats."""
    rows = rows_of(tables, "evaluated entropy", subject=regime)
    rows = rows.filter(pl.col("time") == pl.col("time").max()) if rows.height else rows
    return Units(dict(zip(rows["seed"].to_list(), rows["value"].to_list(), strict=True)))


def _logarithm(one: Units) -> Units:
    return Units({seed: math.log(value) for seed, value in one.values.items() if value > 0.0})


def _mean_entropy(tables: Tables, regime: str) -> Units:
    """Return the mean over steps of the rollouts' entropy, in nats."""
    return units(tables, "entropy", subject=regime)


def _unsteady(tables: Tables, regime: str) -> Units:
    """Return the standard deviation of the entropy's change from step to step, in nats."""
    rows = rows_of(tables, "entropy_change", subject=regime)
    each = rows.group_by("seed", maintain_order=True).agg(pl.col("value").std())
    return Units(dict(zip(each["seed"].to_list(), each["value"].to_list(), strict=True)))


def _training(tables: Tables, regimes: Regimes) -> list[Finding]:
    main = weighted(regimes.main)
    keeps = _logarithm(last_entropy(tables, main)).minus(_logarithm(last_entropy(tables, GRPO)))
    official = _logarithm(last_entropy(tables, OFFICIAL)).minus(_logarithm(last_entropy(tables, GRPO)))
    steady = _logarithm(_unsteady(tables, main)).minus(_logarithm(_unsteady(tables, GRPO)))
    drop = _mean_entropy(tables, GRPO).minus(_mean_entropy(tables, EXTREME))
    weighted_drop = _mean_entropy(tables, main).minus(_mean_entropy(tables, EXTREME_WEIGHTED))
    return [
        keeps.finding(
            "keeps", f"the exact weights keep {MORE_ENTROPY:g} times GRPO's entropy at equal steps (ln of the ratio)",
            unit="ln", above=math.log(MORE_ENTROPY), note=_ends(tables, main, GRPO),
        ),
        official.finding(
            "keeps-official", "so do the official ones (open: reported as measured)", unit="ln",
            above=math.log(MORE_ENTROPY), note=_ends(tables, OFFICIAL, GRPO),
        ),
        steady.finding(
            "steady", "their entropy changes less from step to step than GRPO's (ln of the ratio of deviations)",
            unit="ln", below=0.0,
        ),
        drop.finding(
            "wide-clip", "with the clip opened to .99 and 5 GRPO's entropy falls faster (mean over steps)",
            unit="nats", above=0.0,
        ),
        drop.minus(weighted_drop).finding(
            "wide-clip-held", "with the exact weights it does so less", unit="nats", above=0.0,
        ),
    ]  # fmt: skip


def _ends(tables: Tables, *names: str) -> str:
    told = [
        f"{name}: H {last_entropy(tables, name).mean:.3f}, score {final(tables, 'pass@1', name).mean:.3f}"
        for name in names
    ]
    return "at the end " + "; ".join(told)


def final(tables: Tables, measure: str, regime: str) -> Units:
    """Return an evaluated number at the last evaluation."""
    rows = rows_of(tables, f"evaluated {measure}", subject=regime)
    rows = rows.filter(pl.col("time") == pl.col("time").max()) if rows.height else rows
    return Units(dict(zip(rows["seed"].to_list(), rows["value"].to_list(), strict=True)))


def _controls(tables: Tables, regimes: Regimes) -> list[Finding]:
    same = _apart(tables, UNWEIGHTED, GRPO)
    idle = units(tables, "weights moved", subject=UNREWARDED)
    ones = units(tables, "lambda_min", subject=UNREWARDED).less(1.0)
    return [
        _mean_entropy(tables, PERMUTED).minus(_mean_entropy(tables, GRPO)).within(
            "permuted", "the same weights permuted among tokens leave GRPO's entropy (mean over steps)", CLOSE_NATS,
            unit="nats", note=f"λ ≥ {regimes.main:g}, exact; {_chance(tables)}",
        ),
        same.within("unweighted", "with λ = 1 training is GRPO, bit for bit (largest difference of any number)", 1e-12,
                    unit="nats or share"),
        ones.within("idle-weights", "where every advantage is 0 every weight is 1 (least weight, from 1)", 1e-12,
                    unit=""),
        idle.within("idle", "and no policy moves (largest change of a weight)", 1e-12, unit=""),
    ]  # fmt: skip


def _chance(tables: Tables) -> str:
    """Say how far a rate that differs by 1e-4 carries the mean entropy: what chance alone does to one seed."""
    moved = _mean_entropy(tables, NUDGED).minus(_mean_entropy(tables, GRPO)).values.values()
    size = float(np.mean([abs(one) for one in moved])) if moved else math.nan
    return f"a rate 1.0001 times as high moves a seed's mean by {size:.2f} nats"


def _apart(tables: Tables, one: str, other: str) -> Units:
    """Return the largest difference between two regimes over rewards, entropies and scores of all steps."""
    worst: dict[Any, float] = {}
    for measure in ("reward", "entropy", "evaluated pass@1", "evaluated entropy", "evaluated distinct"):
        ours, theirs = (rows_of(tables, measure, subject=name) for name in (one, other))
        both = ours.join(theirs, on=["seed", "time"], suffix="_other")
        for seed, gap in (
            both.group_by("seed").agg((pl.col("value") - pl.col("value_other")).abs().max()).rows()
        ):
            worst[seed] = max(worst.get(seed, 0.0), gap)
    return Units(worst)


def _quadrants(tables: Tables, regimes: Regimes) -> list[Finding]:
    if len(regimes.quadrants) < 2:
        return []
    weak, strong = min(regimes.quadrants), max(regimes.quadrants)
    found: list[Finding] = []
    for quadrant in QUADRANTS:
        means = [_mean_entropy(tables, reweighted(quadrant, factor)) for factor in (strong, weak)]
        up = RAISES[quadrant]
        found.append(
            means[0].minus(means[1]).finding(
                f"quadrant-{quadrant.replace('_', '-')}",
                f"tokens {quadrant.replace('_', ' and ')} {'raise' if up else 'lower'} entropy: weighed by {strong:g} "
                f"and by {weak:g} (mean over steps)",
                unit="nats",
                above=0.0 if up else None,
                below=None if up else 0.0,
            )
        )  # fmt: skip
    return found


def at_equal_score(tables: Tables, regime: str, kept: str, references: list[str]) -> Units:
    """Return how much more a regime keeps than reference regimes do at the same score, over its last third."""
    score = rows_of(tables, "evaluated pass@1").select(
        "seed", "subject", "time", pl.col("value").alias("score")
    )
    value = rows_of(tables, f"evaluated {kept}").select(
        "seed", "subject", "time", pl.col("value").alias("kept")
    )
    both = score.join(value, on=["seed", "subject", "time"]).sort("time")
    found: dict[Any, float] = {}
    for seed in both["seed"].unique().sort():
        own = both.filter((pl.col("seed") == seed) & (pl.col("subject") == regime))
        other = both.filter((pl.col("seed") == seed) & pl.col("subject").is_in(references))
        if own.height and other.height:
            columns = [frame[name].to_numpy() for frame in (own, other) for name in ("score", "kept")]
            difference = kept_at_equal_score(*columns)
            if np.isfinite(difference):
                found[seed] = difference
    return Units(found)


def references_of(regimes: Regimes) -> dict[str, list[str]]:
    """Return what a regime is compared with at equal score, by name."""
    return {"GRPO": [GRPO], "slower GRPO": [slower(factor) for factor in regimes.slower]}


def _open(tables: Tables, regimes: Regimes) -> list[Finding]:
    """Measure what the paper leaves open: whether weights do more than training slower.

    GRPO that differs by rounding alone is compared in the same way; what it seems to keep is the comparison's error.
    """
    found: list[Finding] = []
    names = {f"exact-{least:g}": weighted(least) for least in regimes.lambdas} | {"official": OFFICIAL}
    count = 2 * len(names) * len(references_of(regimes))
    for kept, unit, what, room in (
        ("entropy", "nats", "entropy", CLOSE_NATS),
        ("distinct", "answers to a prompt", "right answers", CLOSE_ANSWERS),
    ):
        for short, regime in names.items():
            for other, references in references_of(regimes).items():
                found.append(
                    at_equal_score(tables, regime, kept, references).finding(
                        f"open-{short}-{kept}-{other.replace(' ', '-').lower()}".replace(".", ""),
                        f"{regime}: at equal score it keeps more {what} than {other}",
                        unit=unit,
                        above=0.0,
                        note=f"an open question, as measured; one of {count} such comparisons",
                    )
                )
        found.append(
            at_equal_score(tables, NUDGED, kept, [GRPO]).within(
                f"nudged-{kept}", f"{NUDGED}: at equal score it keeps as much {what} as GRPO", room, unit=unit
            )
        )
    return found
