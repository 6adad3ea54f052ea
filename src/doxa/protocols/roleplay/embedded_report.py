"""What networks trained on token dialogues show: the claims of the spec, judged over trainings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from doxa.belief.inference import mean_t_interval
from doxa.lab.record import Finding, Tables, judge

FLIPPED_BY, END, OPPOSITE_END = 2, 6, 3
"""Turns: within which a role-play must have turned the margin, the last of a role-play, the last of an opposite day."""
AFTER = tuple(range(FLIPPED_BY, END + 1))


@dataclass(frozen=True)
class Bounds:
    """Bounds that are no signs of margins, fixed before any run.

    Attributes:
        held_out: least held-out accuracy of the robust probe.
        permuted: between which held-out accuracy of permuted labels lies.
        random: share of the probe's own generic margin in empty context that random directions' mean stays within.
    """

    held_out: float
    permuted: tuple[float, float]
    random: float


class Claim(NamedTuple):
    """The sign that a margin must have, fixed before any run; per training the mean, min or max over some turns.

    ``beside`` are turns whose mean stands in the note.
    """

    id: str
    claim: str
    sign: int
    talk: str
    set: str
    turns: tuple[int, ...] = tuple(range(END + 1))
    by: str = "mean"
    probe: str = "robust"
    layer: int | None = None
    control: bool = False
    beside: tuple[int, ...] = (0, END)


ROLE, DAY = "role-play", "opposite-day"
CLAIMS = (
    Claim("naive-opposite-day", "on opposite day the naive margin of generic questions is below 0", -1, DAY, "generic",
          (OPPOSITE_END,), probe="naive", beside=(0, OPPOSITE_END)),
    Claim("robust-opposite-day", "the robust margin stays above 0, on a day it was not fitted on", 1, DAY, "generic",
          (OPPOSITE_END,), control=True, beside=(0, OPPOSITE_END)),
    Claim("held-out-opposite-day", "so it does on held-out questions", 1, DAY, "held out", (OPPOSITE_END,),
          control=True, beside=(0, OPPOSITE_END)),
    Claim("relevant-start", "before the role-play the margin of its topic is above 0", 1, ROLE, "relevant", (0,)),
    Claim("role-play", f"from turn {FLIPPED_BY} on it is below 0, at its highest", -1, ROLE, "relevant", AFTER, "max",
          beside=tuple(range(END + 1))),
    Claim("generic", "all through the role-play the generic margin is above 0, at its lowest", 1, ROLE, "generic",
          by="min", control=True),
    Claim("story", "told as a story the same turns leave the topic's margin above 0, at its lowest", 1, "story",
          "relevant", by="min", control=True, beside=tuple(range(END + 1))),
    Claim("layer-1", "at layer 1 the topic's margin is not turned by the role-play", 1, ROLE, "relevant", (END,),
          layer=1, control=True),
    Claim("layer-2", "at layer 2 it is", -1, ROLE, "relevant", (END,), layer=2),
    Claim("ccs", "a direction found without labels turns too", -1, ROLE, "relevant", (END,), probe="ccs"),
    Claim("never-played", "a topic never role-played in training stays above 0 in a role-play, at its lowest", 1,
          "role-play control", "control", by="min", control=True),
)  # fmt: skip
"""In the order of the spec: (b), (c), (d), (e), (f) and the first control."""


@dataclass(frozen=True)
class Seen:
    """The measures of a run, with what is needed of ``extra`` as columns."""

    frame: pl.DataFrame

    @classmethod
    def of(cls, tables: Tables) -> Seen:
        """Return the measures of tables."""
        found = {
            name: pl.col("extra").str.json_path_match(f"$.{name}").cast(kind)
            for name, kind in (("layer", pl.Int64), ("low", pl.Float64), ("high", pl.Float64))
        }
        return cls(tables.measures.with_columns(**found))

    def of_seeds(
        self,
        measure: str,
        condition: str | None = None,
        *,
        layer: int | None = None,
        times: Iterable[float] | None = None,
        by: str = "mean",
    ) -> list[float]:
        """Return one number per seed: the mean, min or max of a measure over some times."""
        rows = self.frame.filter(pl.col("measure") == measure)
        for column, wanted in (("condition", condition), ("layer", layer)):
            rows = rows if wanted is None else rows.filter(pl.col(column) == wanted)
        if times is not None:
            rows = rows.filter(pl.col("time").is_in([float(time) for time in times]))
        value = getattr(pl.col("value"), by)()
        return rows.group_by("seed").agg(value).sort("seed")["value"].drop_nulls().to_list()


def embedded_findings(tables: Tables, bounds: Bounds, *, last: int) -> list[Finding]:
    """Judge the claims over trainings; ``last`` is the layer that is judged unless a claim names another."""
    seen = Seen.of(tables)
    low, high = bounds.permuted
    kept = seen.of_seeds("ccs_kept")
    return [
        _judged(
            "held-out",
            f"the robust probe judges held-out generic answers right, {bounds.held_out:.0%} or more",
            seen.of_seeds("held_out/robust/empty", times=[last]),
            above=bounds.held_out,
            unit="fraction",
        ),
        *(_margin(seen, claim, last) for claim in CLAIMS),
        _judged(
            "ccs-kept",
            "some of its restarts reach 90 % on generic questions in empty context",
            kept,
            above=0.0,
            unit="fraction",
            paper=0.70,
        ),
        _steered(seen),
        _judged(
            "random-direction",
            f"random directions' mean margin stays within {bounds.random:g} of the probe's own generic one",
            _random_shares(seen, last),
            above=-bounds.random,
            below=bounds.random,
            control=True,
            unit="ratio",
            note="farthest turn of the role-play, its topic",
        ),
        _judged(
            "permuted-labels",
            f"fitted on permuted labels held-out accuracy is between {low:g} and {high:g}",
            seen.of_seeds("held_out/permuted/empty", times=[last]),
            above=low,
            below=high,
            control=True,
            unit="fraction",
        ),
    ]


def _margin(seen: Seen, claim: Claim, last: int) -> Finding:
    layer = last if claim.layer is None else claim.layer
    name = f"margin/{claim.probe}/{claim.set}"

    def at(turns: Iterable[int], by: str = "mean") -> list[float]:
        return seen.of_seeds(name, claim.talk, layer=layer, times=turns, by=by)

    means = ", ".join(_mean(at([turn])) for turn in claim.beside)
    above, below = (0.0, None) if claim.sign > 0 else (None, 0.0)
    note = f"mean at turn {', '.join(map(str, claim.beside))}: {means}"
    return _judged(
        claim.id,
        claim.claim,
        at(claim.turns, claim.by),
        control=claim.control,
        note=note,
        above=above,
        below=below,
    )


def _judged(
    name: str,
    claim: str,
    values: Sequence[float],
    *,
    above: float | None = None,
    below: float | None = None,
    control: bool = False,
    unit: str = "logits",
    paper: float | None = None,
    note: str = "",
) -> Finding:
    mean = mean_t_interval(list(values))
    spread = f"single trainings {min(values):.2f} to {max(values):.2f}" if values else "nothing was measured"
    return Finding(
        id=name,
        claim=claim,
        estimate=mean.estimate if values else None,
        interval=mean.ends,
        verdict=judge(mean.ends, above=above, below=below),
        unit=unit,
        control=control,
        paper=paper,
        n=mean.n,
        note="; ".join(part for part in (spread, note) if part),
    )


def steering_layers(seen: Seen) -> dict[int, int]:
    """Return for each seed the layer to steer at: best held-out accuracy over both contexts, the first of several."""
    rows = seen.frame.filter(pl.col("measure").str.starts_with("held_out/yes/"))
    mean = rows.group_by("seed", "time").agg(pl.col("value").mean())
    best = mean.filter(pl.col("value") == pl.col("value").max().over("seed"))
    first = best.group_by("seed").agg(pl.col("time").min()).sort("seed")
    return {int(row["seed"]): int(row["time"]) for row in first.iter_rows(named=True)}


def _steered(seen: Seen) -> Finding:
    """Judge whether steering moves the share of Yes otherwise at the role-play's end than in the empty context."""
    layers = steering_layers(seen)
    effects: dict[str, list[float]] = {}
    for context in ("empty", ROLE):
        shares = {
            strength: seen.frame.filter(
                (pl.col("measure") == f"share_yes/{context}") & (pl.col("time") == strength)
            )
            for strength in (-1.0, 1.0)
        }
        effects[context] = [
            _share(shares[1.0], seed, layer) - _share(shares[-1.0], seed, layer)
            for seed, layer in layers.items()
        ]
    change = [end - start for start, end in zip(effects["empty"], effects[ROLE], strict=True)]
    mean = mean_t_interval(change)
    apart = mean.ends is not None and not mean.low <= 0.0 <= mean.high
    told = ", ".join(f"{name} {_mean(values)}" for name, values in effects.items())
    return Finding(
        id="steering",
        claim="steering to Yes before the answer moves the share of Yes otherwise at the role-play's end",
        estimate=mean.estimate if change else None,
        interval=mean.ends,
        verdict="holds" if apart else "unresolved",
        unit="fraction",
        n=mean.n,
        note=f"strength 1 against -1: {told}; at layer {', '.join(map(str, sorted(set(layers.values()))))}",
    )


def _share(rows: pl.DataFrame, seed: int, layer: int) -> float:
    return float(rows.filter((pl.col("seed") == seed) & (pl.col("layer") == layer))["value"].item())


def _random_shares(seen: Seen, last: int) -> list[float]:
    """Return per seed the farthest mean margin of random directions, as a share of the probe's generic one."""
    own = seen.of_seeds("margin/robust/generic", ROLE, layer=last, times=[0])
    ends = [seen.of_seeds("random/relevant", ROLE, by=by) for by in ("min", "max")]
    farthest = [max(pair, key=abs) for pair in zip(*ends, strict=True)]
    return [value / scale for value, scale in zip(farthest, own, strict=True)]


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.2f}" if values else "not measured"
