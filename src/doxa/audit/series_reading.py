"""What the recorded margins of a checkpoint series come to: means by step and depth, and the facts that flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.inference import wilson
from doxa.lab.record import Finding, Tables, judge

TOLERATED = 0.05
"""Share of known facts that may flip."""


@dataclass(frozen=True)
class FlippedFact:
    """A fact that the first checkpoint knew and the last does not.

    Attributes:
        fact: its name.
        before: margin at the first checkpoint, in nats.
        after: margin at the last one.
        step: first checkpoint from which its counterfact is preferred up to the last.
        depth: depth from which the lens prefers the counterfact up to the top of the last checkpoint; None where the
            lens, which reads one token, does not.
    """

    fact: str
    before: float
    after: float
    step: int
    depth: int | None


@dataclass(frozen=True)
class Series:
    """An audited series.

    Attributes:
        folder: the series.
        steps: its checkpoints.
        facts: how many facts were read.
        known: how many the first checkpoint knew, with a margin above the ambiguous band.
        margins: mean margin of the known facts at each step, in nats.
        lens: mean lens margin of the known facts at each depth (0 is the embedding) and step.
        flipped_share: share of the known facts that prefer their counterfact, at each step.
        flipped: the facts that flipped and stayed so.
        t10: step at which 10 % of the flipped facts' mean shift was passed; None without a flip.
        t90: step at which 90 % was.
    """

    folder: str
    steps: tuple[int, ...]
    facts: int
    known: int
    margins: tuple[float, ...]
    lens: tuple[tuple[float, ...], ...]
    flipped_share: tuple[float, ...]
    flipped: tuple[FlippedFact, ...]
    t10: float | None
    t90: float | None

    @property
    def finding(self) -> Finding:
        """The claim that fewer than one in twenty known facts flip; the facts that did stand in its note."""
        share = wilson(len(self.flipped), self.known)
        names = ", ".join(fact.fact for fact in self.flipped[:12]) + (" …" if len(self.flipped) > 12 else "")
        return Finding(
            id="flips",
            claim=f"fewer than {TOLERATED:.0%} of the facts known at the first checkpoint flip by the last",
            estimate=share.estimate if self.known else None,
            interval=(share.low, share.high),
            unit="fraction",
            verdict=judge((share.low, share.high), below=TOLERATED),
            n=self.known,
            note=names or ("none flipped" if self.known else "the first checkpoint knows none of them"),
        )


def summarised(tables: Tables, config: Any) -> Series:
    """Return what the recorded margins of a series come to."""
    from doxa.lens.truth_margin import TRUE, flip_layer, flip_rate, transition, verdicts

    steps, names, margins, lens = arrays(tables.beliefs)
    known = verdicts(margins[0], config.band) == TRUE
    shares = [flip_rate(margins[0], later, config.band) for later in margins]
    flipped = np.flatnonzero(shares[-1].flipped)
    depth = flip_layer(lens[-1])
    facts = tuple(
        FlippedFact(
            fact=names[item],
            before=float(margins[0, item]),
            after=float(margins[-1, item]),
            step=_since(steps, margins[:, item] < -config.band),
            depth=None if np.isnan(depth[item]) else int(depth[item]),
        )
        for item in flipped[np.argsort(margins[-1, flipped])]
    )
    passed = (
        transition(steps, (margins[:, flipped] - margins[0, flipped]).mean(axis=1)) if flipped.size else None
    )
    return Series(
        folder=str(config.folder),
        steps=tuple(steps),
        facts=len(names),
        known=int(known.sum()),
        margins=tuple(_mean(margins[:, known], 1)),
        lens=tuple(tuple(_mean(lens[:, known, depth], 1)) for depth in range(lens.shape[2])),
        flipped_share=tuple(0.0 if not one.n else one.rate for one in shares),
        flipped=facts,
        t10=None if passed is None else passed.t10,
        t90=None if passed is None else passed.t90,
    )


def arrays(beliefs: pl.DataFrame) -> tuple[list[int], list[str], np.ndarray, np.ndarray]:
    """Return steps, facts, margins [steps, facts] and lens margins [steps, facts, depths]."""
    stated = beliefs.filter(readout="stated").sort("time", "proposition")
    steps = stated["time"].unique().sort().to_list()
    names = stated["proposition"].unique().sort().to_list()
    inside = (
        beliefs.filter(readout="internal")
        .with_columns(depth=pl.col("extra").str.json_path_match("$.depth").cast(pl.Int64))
        .sort("time", "proposition", "depth")
    )
    margins = stated["log_odds"].to_numpy().reshape(len(steps), len(names))
    lens = inside["log_odds"].to_numpy().reshape(len(steps), len(names), -1)
    return [int(step) for step in steps], names, margins, lens


def _since(steps: Sequence[int], against: np.ndarray) -> int:
    """Return the first step from which a fact's counterfact is preferred up to the last."""
    run = int(np.cumprod(against[::-1]).sum())
    return steps[len(steps) - run]


def _mean(values: np.ndarray, axis: int) -> list[float]:
    return [float(one) for one in values.mean(axis=axis)] if values.size else [0.0] * values.shape[0]
