"""What the embedded experiment shows: findings over its networks, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import polars as pl

from doxa.lab.figures import Figure
from doxa.lab.record import Finding, Tables
from doxa.lab.units import SHARE, Units, least
from doxa.protocols.bandit.pictures import episode_figures, sweep_figures, trace_figures, word_figures
from doxa.protocols.bandit.readings import (
    along_multipliers,
    at_chosen_layer,
    least_step,
    per_seed,
    read_measures,
)

EDGE_ROUNDS = 5
"""Rounds at either end of a run over which its collapse is measured."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of the claims.

    Attributes:
        steps: multipliers over which entropy and doubt must rise throughout.
        tracks: least correlation of the network's entropy with the teacher's.
        valid: least share of valid completions.
        tolerance_nats: what must not move the mean entropy moves it by less.
        transferred: least share of a gain that a vector keeps in the other wording.
        uniform_regret: points a round that a player loses who pulls both arms equally often.
    """

    steps: tuple[float, ...]
    tracks: float
    valid: float
    tolerance_nats: float
    transferred: float
    uniform_regret: float


def embedded_findings(tables: Tables, bounds: Bounds) -> list[Finding]:
    """Judge the claims, each by its mean over networks."""
    frame = read_measures(tables.measures)
    return [
        *_imitation(frame, bounds),
        *_steering(frame, bounds),
        *_controls(frame, bounds),
        *_transfer(frame, bounds),
        _matched(frame),
        *_play(frame, bounds),
    ]


def _imitation(frame: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    tracked = per_seed(frame, "correlation", "imitation")
    valid = per_seed(frame, "validity", "imitation")
    by_round = frame.filter(measure="entropy", condition="log", axis="round")
    last = by_round["time"].max()
    early, late = (
        per_seed(rows, "entropy", "log")
        for rows in (
            by_round.filter(pl.col("time") < EDGE_ROUNDS),
            by_round.filter(pl.col("time") > (last if isinstance(last, float) else 0.0) - EDGE_ROUNDS),
        )
    )
    return [
        tracked.finding(
            "tracks",
            f"the network's action entropy follows the teacher's over prompts, r above {bounds.tracks}",
            above=bounds.tracks,
            unit="correlation",
            possible=(-1.0, 1.0),
        ),
        valid.finding(
            "valid", "its completions name an arm", above=bounds.valid, unit="fraction", possible=SHARE
        ),
        early.minus(late).finding(
            "collapse",
            f"unsteered, entropy falls from the first {EDGE_ROUNDS} rounds to the last",
            unit="nats",
            above=0.0,
        ),
    ]


def _steering(frame: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    entropy, doubt, valid = (along_multipliers(frame, name) for name in ("entropy", "doubt", "validity"))
    negative, positive = min(bounds.steps), max(bounds.steps)
    rising = tuple(step for step in bounds.steps if step >= 0)
    between = f"between multipliers {negative:g} and {positive:g}"
    steered = at_chosen_layer(frame)
    least_valid = least([valid[step] for step in bounds.steps if step in valid])
    layers = per_seed(frame, "chosen layer", "choice").values
    chosen = "layer by seed: " + ", ".join(f"{layer:g}" for layer in layers.values())
    return [
        per_seed(steered, "gain", "sweep", time=positive).finding(
            "gain",
            f"a multiplier of {positive:g} raises the mean entropy by more than controls may",
            unit="nats",
            above=bounds.tolerance_nats,
            note=chosen,
        ),
        least_step(entropy, rising).finding(
            "rises",
            f"entropy rises at each step from 0 to {positive:g} (smallest step)",
            unit="nats",
            above=0.0,
        ),
        least_step(entropy, (negative, 0.0)).finding(
            "falls", f"a multiplier of {negative:g} lowers it (size of the fall)", unit="nats", above=0.0
        ),
        least_valid.finding(
            "steered-valid",
            f"completions stay valid {between}",
            above=bounds.valid,
            unit="fraction",
            possible=SHARE,
        ),
        least_step(doubt, bounds.steps).finding(
            "doubt-words",
            f"the share of words of doubt rises at each step {between} (smallest step)",
            above=0.0,
            unit="fraction",
        ),
    ]


def _controls(frame: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    most = bounds.tolerance_nats
    within = f"moves the mean entropy by less than {most}"
    shuffled, random, entropies, uncentred = (
        per_seed(frame, "gain", f"control {kind}")
        for kind in ("shuffled", "random", "entropies", "uncentred")
    )
    told = {
        name: per_seed(frame, name, "control uncentred").interval().estimate
        for name in ("cosine", "offset share")
    }
    return [
        shuffled.finding(
            "shuffled",
            f"the vector with shuffled coordinates {within}",
            unit="nats",
            above=-most,
            below=most,
            control=True,
        ),
        random.finding(
            "random",
            f"a random vector of equal norm {within}",
            unit="nats",
            above=-most,
            below=most,
            control=True,
        ),
        entropies.finding(
            "shuffled-entropies",
            "a vector of entropies shuffled over prompts gains nothing",
            unit="nats",
            below=most,
            control=True,
        ),
        uncentred.finding(
            "uncentred",
            "a vector of activations that are not centred by run gains nothing",
            unit="nats",
            below=most,
            control=True,
            note=f"cosine with the vector {told['cosine']:.2f}; {told['offset share']:.0%} of the variance lies "
            "between runs",
        ),
    ]


def _transfer(frame: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    found: list[Finding] = []
    for source, other in ("AB", "BA"):
        own = per_seed(frame, "gain", f"vector of {source} in {source}")
        there = per_seed(frame, "gain", f"vector of {source} in {other}")
        kept = there.interval().estimate / (own.interval().estimate or float("nan"))
        found.append(
            there.minus(own.times(bounds.transferred)).finding(
                f"transfer-{source}-{other}".lower(),
                f"a vector of wording {source} keeps {bounds.transferred:.0%} of its gain in wording {other} "
                "(excess over that)",
                unit="nats",
                above=0.0,
                note=f"it keeps {kept:.0%}",
            )
        )
    return found


def _matched(frame: pl.DataFrame) -> Finding:
    steered, heated = (per_seed(frame, "gain", f"matched {kind}") for kind in ("steered", "heated"))
    settings = {name: per_seed(frame, f"chosen {name}", "choice") for name in ("multiplier", "temperature")}
    told = "; ".join(
        f"{name} " + ", ".join(f"{value:g}" for value in per.values.values())
        for name, per in settings.items()
    )
    gains = f"gains {steered.interval().estimate:.3f} and {heated.interval().estimate:.3f}"
    return steered.minus(heated).finding(
        "matched-validity",
        "at 95 % valid completions steering gains more entropy than temperature",
        unit="nats",
        above=0.0,
        note=f"{gains}; {told}",
    )


def _play(frame: pl.DataFrame, bounds: Bounds) -> list[Finding]:
    def both(kind: str, name: str) -> Units:
        return per_seed(frame, name, f"{kind}, equal")

    def regret(kind: str) -> Units:
        sides = [per_seed(frame, "regret", f"{kind}, {side}") for side in ("first better", "second better")]
        halves = [side.times(0.5 / bounds.uniform_regret) for side in sides]
        return reduce(lambda one, other: one.minus(other.times(-1.0)), halves)

    later = both("steered", "commitment").minus(both("plain", "commitment"))
    wider = both("steered", "time-averaged entropy").minus(both("plain", "time-averaged entropy"))
    settled = ", ".join(
        f"{both(kind, 'commitment').interval().estimate:.1f} {kind}" for kind in ("plain", "steered")
    )
    return [
        later.finding(
            "commitment",
            "on arms of equal mean steered players settle later",
            above=0.0,
            unit="rounds",
            note=f"round {settled}",
        ),
        wider.finding("exploring", "and their action entropy over the run is higher", unit="nats", above=0.0),
        regret("steered").finding(
            "regret",
            "on arms a standard deviation apart they lose less than a player who pulls both equally (share of that)",
            below=1.0,
            unit="ratio",
            note=f"unsteered {regret('plain').interval().estimate:.2f}",
        ),
    ]


def embedded_figures(tables: Tables, multiplier: float) -> list[Figure]:
    """Draw the sweeps with their controls, the map of layers, episodes, traced thoughts and words."""
    frame = read_measures(tables.measures)
    kinds = {"plain, equal": "unsteered", "steered, equal": "steered"}
    return [
        *sweep_figures(frame, multiplier),
        *episode_figures(frame, kinds),
        *trace_figures(tables.beliefs, ("plain", "steered")),
        *word_figures(frame),
    ]
