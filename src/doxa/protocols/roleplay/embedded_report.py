"""What networks trained on token dialogues show: the claims of the spec, judged over trainings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import polars as pl

from doxa.lab.record import Finding, Tables
from doxa.lab.units import SHARE, Units

FLIPPED_BY, END, OPPOSITE_END = 2, 6, 3
"""Turns: within which a role-play must have turned the margin, the last of a role-play, the last of an opposite day."""
AFTER = tuple(range(FLIPPED_BY, END + 1))


@dataclass(frozen=True)
class Bounds:
    """Bounds that are no signs of margins, fixed before any run.

    Attributes:
        held_out: least held-out accuracy of the robust probe.
        permuted: between which held-out accuracy of permuted labels lies.
        random: share of random directions that may pass for turned by the role-play.
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
    ) -> Units:
        """Return one number per seed: the mean, min or max of a measure over some times."""
        rows = self.frame.filter(pl.col("measure") == measure)
        for column, wanted in (("condition", condition), ("layer", layer)):
            rows = rows if wanted is None else rows.filter(pl.col(column) == wanted)
        if times is not None:
            rows = rows.filter(pl.col("time").is_in([float(time) for time in times]))
        value = getattr(pl.col("value"), by)()
        return Units(dict(rows.group_by("seed").agg(value).drop_nulls("value").sort("seed").iter_rows()))


def embedded_findings(tables: Tables, bounds: Bounds, *, last: int) -> list[Finding]:
    """Judge the claims over trainings; ``last`` is the layer that is judged unless a claim names another."""
    seen = Seen.of(tables)
    low, high = bounds.permuted
    return [
        seen.of_seeds("held_out/robust/empty", times=[last]).finding(
            "held-out",
            f"the robust probe judges held-out generic answers right, {bounds.held_out:.0%} or more",
            unit="fraction",
            above=bounds.held_out,
            possible=SHARE,
        ),
        *(_margin(seen, claim, last) for claim in CLAIMS),
        seen.of_seeds("ccs_kept").finding(
            "ccs-kept",
            "some of its restarts reach 90 % on generic questions in empty context",
            unit="fraction",
            above=0.0,
            possible=SHARE,
            paper=0.70,
        ),
        _steered(seen),
        seen.of_seeds("random/turned", ROLE).finding(
            "random-direction",
            f"fewer than {bounds.random:.0%} of single random directions would pass for turned by the role-play",
            unit="fraction",
            below=bounds.random,
            possible=SHARE,
            control=True,
            note="the topic's margin above 0 before, and at the end half as far below 0 as the probe's own or more",
        ),
        seen.of_seeds("held_out/permuted/empty", times=[last]).finding(
            "permuted-labels",
            f"fitted on permuted labels held-out accuracy is between {low:g} and {high:g}",
            unit="fraction",
            above=low,
            below=high,
            possible=SHARE,
            control=True,
        ),
    ]


def _margin(seen: Seen, claim: Claim, last: int) -> Finding:
    layer = last if claim.layer is None else claim.layer
    name = f"margin/{claim.probe}/{claim.set}"

    def at(turns: Iterable[int], by: str = "mean") -> Units:
        return seen.of_seeds(name, claim.talk, layer=layer, times=turns, by=by)

    means = ", ".join(_mean(at([turn])) for turn in claim.beside)
    above, below = (0.0, None) if claim.sign > 0 else (None, 0.0)
    return at(claim.turns, claim.by).finding(
        claim.id,
        claim.claim,
        unit="logits",
        above=above,
        below=below,
        control=claim.control,
        note=f"mean at turn {', '.join(map(str, claim.beside))}: {means}",
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
    effects: dict[str, Units] = {}
    for context in ("empty", ROLE):
        shares = {
            strength: seen.frame.filter(
                (pl.col("measure") == f"share_yes/{context}") & (pl.col("time") == strength)
            )
            for strength in (-1.0, 1.0)
        }
        effects[context] = Units(
            {
                seed: _share(shares[1.0], seed, layer) - _share(shares[-1.0], seed, layer)
                for seed, layer in layers.items()
            }
        )
    change = effects[ROLE].minus(effects["empty"])
    told = ", ".join(f"{name} {_mean(values)}" for name, values in effects.items())
    found = change.finding(
        "steering",
        "steering to Yes before the answer moves the share of Yes otherwise at the role-play's end",
        unit="fraction",
        note=f"strength 1 against -1: {told}; at layer {', '.join(map(str, sorted(set(layers.values()))))}",
    )
    # otherwise is in either direction, so that an interval around 0 leaves it open and nothing refutes it
    apart = found.interval is not None and not found.interval[0] <= 0.0 <= found.interval[1]
    return replace(found, verdict="holds" if apart else "unresolved")


def _share(rows: pl.DataFrame, seed: int, layer: int) -> float:
    return float(rows.filter((pl.col("seed") == seed) & (pl.col("layer") == layer))["value"].item())


def _mean(units: Units) -> str:
    return f"{units.mean:.2f}" if units.values else "not measured"
