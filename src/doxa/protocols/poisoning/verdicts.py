"""What poisoned training must and must not do, fixed before any run: measures of single seeds between bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from doxa.lab.record import Finding
from doxa.lab.units import SHARE, Units
from doxa.lens.truth_margin import crossing
from doxa.protocols.poisoning.record import over_time, per_seed
from doxa.training.poisoning import likeliest_margin

Values = Mapping[int, float]

TOLERANCE = 1.0
"""Nats by which a margin may miss the likeliest one or the pilot's, and by which true text may lower it."""
LIKELIEST_AT = (0.1, 0.5, 0.9)
PUBLISHED_RATIOS = (0.5, 0.9, 1.0)
"""Ratios over which the paper reports the share of flips."""
NONE, MOST, HALF = 0.01, 0.95, 0.5
FIFTY_STEPS, AT_FIFTY = 50, -4.6
"""A step, and the mean margin that the specification's pilot run had there."""
DIFFERENT_LIES = math.log(19) / 2
"""Half of what a lie spread over 19 objects leaves to the truth at the optimum, ln 19 nats."""
UNKNOWN_SHARE = 0.25
"""Share of the fall under the same lie that text about unknown entities may cause."""


class Claim(NamedTuple):
    """A quantity of each seed, and the bounds its mean must lie between.

    Attributes:
        values: by seed; NaN where a seed was measured and has no such value, such as a margin that never reaches 0.
        expected: the seeds that should have a value.
        outside: whether a seed whose value is NaN is outside the bounds for sure, because what was run covers them.
    """

    id: str
    claim: str
    values: Values
    above: float | None = None
    below: float | None = None
    unit: str = ""
    control: bool = False
    paper: float | None = None
    note: str = ""
    expected: frozenset[int] = frozenset()
    outside: bool = False

    def judged(self) -> Finding:
        """Return the finding: the mean over seeds with Student's interval, shares cut at 0 and 1.

        It never holds on the seeds that happen to have a value. Where some lack it, the claim fails if the others
        fail; where two or more seeds all lack it, it fails if that puts them ``outside``; else it is unresolved.
        """
        held = {seed: value for seed, value in self.values.items() if math.isfinite(value)}
        found = self._over(held)
        seeds = self.expected | set(self.values)
        if not self.values or len(held) == len(seeds):
            return found
        all_outside = self.outside and not held and len(seeds) > 1
        verdict = "fails" if all_outside or found.verdict == "fails" else "unresolved"
        lacking = f"{len(seeds) - len(held)} of {len(seeds)} seeds have no such value"
        return replace(found, verdict=verdict, note=f"{lacking}; {found.note}" if held else lacking)

    def _over(self, held: Values) -> Finding:
        return Units(held).finding(
            self.id,
            self.claim,
            unit=self.unit,
            above=self.above,
            below=self.below,
            possible=SHARE if self.unit == "fraction" else None,
            control=self.control,
            paper=self.paper,
            note=self.note,
        )


def embedded_claims(
    measures: pl.DataFrame, ratios: Sequence[float], layers: int, strong: float
) -> list[Claim]:
    """Return the claims (a) to (e) and their controls.

    Args:
        measures: the record's table, see ``record``.
        ratios: ratios of ``replace`` mode that were run.
        layers: blocks of the network.
        strong: ratio at which depth and patching are judged.
    """
    claims = [*_size(measures, sorted(ratios)), *_time(measures)]
    claims += [*_depth(measures, f"replace {strong:g}", layers), *_reach(measures, sorted(ratios), strong)]
    seeds = frozenset(measures.filter(pl.col("condition").str.starts_with("replace "))["seed"].to_list())
    return [claim._replace(expected=seeds) for claim in [*claims, *_controls(measures, strong)]]


def _size(measures: pl.DataFrame, ratios: Sequence[float]) -> list[Claim]:
    curves = {ratio: per_seed(measures, f"replace {ratio:g}", "margin/target") for ratio in ratios}

    def drops(margins: np.ndarray) -> float:
        return float(-np.diff(margins).max())

    def zero(margins: np.ndarray) -> float:
        return crossing(np.array(ratios), margins)

    claims = [
        Claim(
            "falls",
            "(a) the margin on targets falls with every step up in the poison ratio (least fall)",
            _across(curves, drops) if len(ratios) > 1 else {},
            above=0.0,
            unit="nats",
        ),
        Claim(
            "threshold",
            "(a) its sign changes at a ratio of 1/2 ± 0.1",
            _across(curves, zero),
            above=0.4,
            below=0.6,
            outside=bool(ratios) and ratios[0] <= 0.4 and ratios[-1] >= 0.6,
        ),
    ]
    for ratio in LIKELIEST_AT:
        best = likeliest_margin(ratio)
        away = {seed: value - best for seed, value in curves.get(ratio, {}).items()}
        claims.append(
            Claim(
                f"likeliest-{ratio:g}",
                f"(a) at ratio {ratio:g} it is within {TOLERANCE:g} nat of ln((1-ρ)/ρ) = {best:.2f} (difference)",
                away,
                above=-TOLERANCE,
                below=TOLERANCE,
                unit="nats",
            )
        )
    mean = _mean_over(measures, PUBLISHED_RATIOS, "flips/target")
    grown = _minus(
        _mean_over(measures, PUBLISHED_RATIOS, "ambiguous/target"),
        _mean_over(measures, PUBLISHED_RATIOS, "ambiguous/target", 0.0),
    )
    where = "at ratios .5, .9 and 1"
    claims += [
        Claim(
            "flips",
            f"more than 55 % of targets flip, mean {where}",
            mean,
            above=0.55,
            unit="fraction",
            paper=0.55,
        ),
        Claim(
            "ambiguous",
            f"the share of ambiguous targets grows by less than 0.1, mean {where}",
            grown,
            below=0.1,
        ),
    ]
    return claims


def _time(measures: pl.DataFrame) -> list[Claim]:
    curves = over_time(measures, "replace 1", "margin/target")
    passed = {seed: crossing(steps, margins) for seed, (steps, margins) in curves.items()}
    covered = all(steps[0] <= 10.0 and steps[-1] >= 25.0 for steps, _ in curves.values())
    return [
        Claim(
            "abrupt",
            "(b) at ratio 1 the mean margin passes 0 between steps 10 and 25",
            passed,
            above=10.0,
            below=25.0,
            unit="steps",
            outside=covered,
        ),
        Claim(
            "abrupt-50",
            f"(b) and is below {AT_FIFTY + TOLERANCE:g} nats at step {FIFTY_STEPS}: the pilot's {AT_FIFTY:g} with a "
            f"tolerance of {TOLERANCE:g} nat, fixed before the run",
            per_seed(measures, "replace 1", "margin/target", FIFTY_STEPS),
            below=AT_FIFTY + TOLERANCE,
            unit="nats",
        ),
    ]


def _depth(measures: pl.DataFrame, condition: str, layers: int) -> list[Claim]:
    lens = over_time(measures, condition, "depth/poisoned")
    early = {seed: float(margins[: layers // 2 + 1].mean()) for seed, (_, margins) in lens.items()}
    rescued = {
        seed: values for seed, (_, values) in over_time(measures, condition, "rescued/residual").items()
    }
    writes = [over_time(measures, condition, f"rescued/{site}") for site in ("attention", "mlp")]
    best = {
        seed: max(float(part[seed][1].max()) for part in writes)
        for seed in writes[0]
        if all(seed in part for part in writes)
    }
    at = f"at {condition}"
    return [
        Claim(
            "early-truth",
            f"(c) {at} the lens still leans to the truth up to the middle (mean margin of depths 0 to {layers // 2})",
            early,
            above=0.0,
            unit="nats",
        ),
        Claim(
            "late-share",
            f"(c) {at} more than 1/4 of the fall comes about in the last quarter of the blocks",
            per_seed(measures, condition, "late_share"),
            above=0.25,
        ),
        Claim(
            "flip-depth",
            f"(c) {at} flipped items turn in the upper half (mean depth above {layers / 2:g} of {layers})",
            per_seed(measures, condition, "flip_depth"),
            above=layers / 2,
            unit="depth",
        ),
        Claim(
            "rescue-first",
            f"(d) {at} patching the last token after block 0 rescues less than half",
            {seed: float(values[0]) for seed, values in rescued.items()},
            below=HALF,
            unit="fraction",
        ),
        Claim(
            "rescue-second",
            f"(d) {at} after block 1 it rescues more than half",
            {seed: float(values[1]) for seed, values in rescued.items() if values.size > 1},
            above=HALF,
            unit="fraction",
        ),
        Claim(
            "rescue-upper",
            f"(d) {at} in the upper half it rescues nearly all, as it must: the clean answer is copied",
            {seed: float(values[layers // 2 :].min()) for seed, values in rescued.items()},
            above=MOST,
            unit="fraction",
        ),
        Claim(
            "rescue-write",
            f"(d) {at} the best single write of attention or MLP rescues more than a tenth",
            best,
            above=0.1,
            unit="fraction",
            paper=0.568,
        ),
    ]


def _reach(measures: pl.DataFrame, ratios: Sequence[float], strong: float) -> list[Claim]:
    def worst(group: str) -> Values:
        return _across(
            {ratio: per_seed(measures, f"replace {ratio:g}", f"flips/{group}") for ratio in ratios}, np.max
        )

    return [
        Claim(
            "untouched",
            "(e) items about other entities, whose true statements the same text rehearses, keep their verdict at "
            "every ratio (greatest flip rate)",
            worst("untouched"),
            below=NONE,
            unit="fraction",
        ),
        Claim(
            "untouched-unrehearsed",
            f"(e) items about other entities keep their verdict where text is about the targets alone, at ratio "
            f"{strong:g}, so that nothing rehearses them",
            per_seed(measures, f"targets alone {strong:g}", "flips/untouched"),
            below=NONE,
            unit="fraction",
        ),
        Claim(
            "same-entity",
            "(e) other facts of the attacked entities, which no text states, keep their verdict at every ratio "
            "(greatest flip rate)",
            worst("same entity"),
            below=NONE,
            unit="fraction",
        ),
        Claim(
            "held-out-wording",
            f"at ratio {strong:g} targets flip in the wording that no text used as well",
            per_seed(measures, f"replace {strong:g}", "flips/held-out wording"),
            above=0.8,
            unit="fraction",
        ),
    ]


def _controls(measures: pl.DataFrame, strong: float) -> list[Claim]:
    def fall(condition: str) -> Values:
        return _minus(
            per_seed(measures, condition, "margin/target", 0.0),
            per_seed(measures, condition, "margin/target"),
        )

    unknown, full = "unknown entities 1", fall("replace 1")
    share = {
        seed: value / full[seed] if full[seed] > 0 else math.nan
        for seed, value in fall(unknown).items()
        if seed in full
    }
    gain = _minus(
        per_seed(measures, f"different lies {strong:g}", "margin/target"),
        per_seed(measures, f"replace {strong:g}", "margin/target"),
    )
    return [
        Claim(
            "true-text",
            f"true text alone does not lower the margin on targets (fall below {TOLERANCE:g} nat)",
            fall("replace 0"),
            below=TOLERANCE,
            unit="nats",
            control=True,
        ),
        Claim(
            "true-text-flips",
            "and flips none of them",
            per_seed(measures, "replace 0", "flips/target"),
            below=NONE,
            unit="fraction",
            control=True,
        ),
        Claim(
            "unknown-flips",
            "false text about unknown entities flips no target",
            per_seed(measures, unknown, "flips/target"),
            below=NONE,
            unit="fraction",
            control=True,
        ),
        Claim(
            "unknown-fall",
            f"and lowers their margin by less than {UNKNOWN_SHARE:g} of what the same lie about them does",
            share,
            below=UNKNOWN_SHARE,
            control=True,
        ),
        Claim(
            "different-lies",
            "a different lie each time leaves the margin higher than the same lie does, "
            f"by more than {DIFFERENT_LIES:.2f} nats",
            gain,
            above=DIFFERENT_LIES,
            unit="nats",
            control=True,
            note=f"ratio {strong:g}; at the optimum the difference is ln 19 = {math.log(19):.2f}",
        ),
    ]


def _across(curves: Mapping[float, Values], reduce: Callable[[np.ndarray], float]) -> Values:
    """Return a number of each seed from its values at all ratios; NaN where it has none."""
    seeds = set.intersection(*(set(part) for part in curves.values())) if curves else set[int]()
    return {seed: float(reduce(np.array([part[seed] for part in curves.values()]))) for seed in sorted(seeds)}


def _mean_over(
    measures: pl.DataFrame, ratios: Sequence[float], measure: str, time: float | None = None
) -> Values:
    parts = [per_seed(measures, f"replace {ratio:g}", measure, time) for ratio in ratios]
    seeds = set.intersection(*map(set, parts))
    return {seed: float(np.mean([part[seed] for part in parts])) for seed in sorted(seeds)}


def _minus(first: Values, second: Values) -> Values:
    return Units(first).minus(Units(second)).values
