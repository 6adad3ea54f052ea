"""The findings of the study: each world against the spec's bounds, its controls beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doxa.dynamics.physics_guided.variants import (
    BAYESIAN_AGENTS,
    GUIDED,
    KALMAN,
    NETWORK,
    OPEN_LOOP,
    OTHER_SYSTEM,
    PHYSICS,
    SIMPLE_PHYSICS,
    SIMPLE_PLATES,
    WRONG_SIGN,
)
from doxa.lab.measured import number, rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units, least

TRACKS = 0.9
"""R² of a latent that is the velocity (the spec's)."""
NEAR_NOTHING = 0.3
"""R² of a latent that means nothing, at most (ours)."""
NEAR_EXACT = 1.15
"""Error of a learnt posterior as a multiple of the exact one's, at most (ours)."""
NO_GAIN = 0.1
"""How far a ratio of errors may be from 1 where there is nothing to gain (ours)."""
SOME = 0.1
"""R² of a latent that tells something of what was hidden, at least (ours)."""
GAP = 0.05
"""What the bound may lack of the exact log-likelihood, in nats a step (the spec's)."""
STRICTLY_INSIDE = 0.02
"""Distance of α from 0 and 1 that counts as strictly inside (ours)."""
OPEN_LOOP_RMSE = {"train": 0.0187, "test": 0.0201}
"""Of the released linear model over the released record, in V (the spec's measurement)."""
OPEN_LOOP_NEAR = 3e-4
RESPONSE_NEAR = 0.1
NO_SHARE = 0.05
BANDS = (0.9, 0.995)
"""Coverage that counts as that of 95 % bands (ours)."""
POSSIBLE_R2 = (-float("inf"), 1.0)


class World:
    """The numbers of one world, by model."""

    def __init__(self, tables: Tables, name: str) -> None:
        self.tables = tables
        self.name = name

    def of(self, measure: str, model: str, **where: Any) -> Units:
        """Return one number for each replicate."""
        return units(self.tables, measure, condition=self.name, subject=model, **where)

    def r2(self, model: str, coordinate: str, split: str = "test", aligned: str = "as it is") -> Units:
        """Return R² of a latent coordinate."""
        return self.of("r2", model, split=split, coordinate=coordinate, aligned=aligned)

    def ratio(self, measure: str, one: str, other: str, **where: Any) -> Units:
        """Return how many times as large a measure of one model is as that of another."""
        return self.of(measure, one, split="test", **where).over(
            self.of(measure, other, split="test", **where)
        )

    def smaller(
        self, name: str, claim: str, measure: str, other: str, note: str = "", **where: Any
    ) -> Finding:
        """Return the finding that the guided model's error is smaller than another model's."""
        return self.ratio(measure, GUIDED, other, **where).finding(
            f"{self.name}-{name}", f"{claim} (ratio of errors)", unit="ratio", below=1.0, note=note
        )

    def bands(self, coordinate: str, split: str) -> Finding:
        """Return the finding that bands hold the hidden truth as often as they say."""
        return self.of("coverage", GUIDED, split=split, coordinate=coordinate, aligned="as it is").finding(
            f"{self.name}-bands-{split}",
            f"95 % bands of the hidden {coordinate} hold it as often ({split})",
            unit="fraction",
            above=BANDS[0],
            below=BANDS[1],
            possible=(0.0, 1.0),
        )


def world_findings(tables: Tables, name: str, config: Any) -> list[Finding]:
    """Return the findings of one world."""
    world = World(tables, name)
    if name == "pendulum" and config.watched == "image":
        return _pictures(world)
    if name == "pendulum":
        return [*_pendulum(world), *_pendulum_controls(world)]
    if name == "linear":
        return _linear(world)
    if name == "crack":
        return _crack(world)
    if name == "belief":
        return _belief(world, config.power, config.anchor)
    absent = rows_of(tables, "record", condition=name)
    return [replace(one, note=absent["missing"][0]) if absent.height else one for one in _silverbox(world)]


def _pendulum(world: World) -> list[Finding]:
    raw = world.r2(GUIDED, "velocity")
    network = world.r2(NETWORK, "velocity")
    fitted = world.r2(NETWORK, "velocity", aligned="aligned")
    return [
        world.r2(GUIDED, "velocity", "train").finding(
            "pendulum-velocity-train",
            "the second latent is the velocity, which was never observed (R² as it is, within 1 rad)",
            unit="",
            above=TRACKS,
            possible=POSSIBLE_R2,
        ),
        raw.finding(
            "pendulum-velocity",
            "and on swings to 2.2 rad, which were never trained on",
            unit="",
            above=TRACKS,
            possible=POSSIBLE_R2,
        ),
        network.finding(
            "pendulum-network",
            "a network's second latent is not (R² as it is)",
            unit="",
            below=NEAR_NOTHING,
            possible=POSSIBLE_R2,
            note=f"linear probe {world.of('probe r2', NETWORK, split='test', coordinate='velocity').mean:.3g}",
        ),
        raw.minus(fitted).finding(
            "pendulum-aligned",
            "and the guided one is nearer as it is than the network's after an affine fit (difference of R²)",
            unit="",
            above=0.0,
            note=f"the guided one after a fit too: {world.r2(GUIDED, 'velocity', aligned='aligned').mean:.3g}",
        ),
        world.smaller(
            "network-forecast", "it forecasts 20 steps better than a network", "forecast rmse", NETWORK
        ),
        world.smaller("physics-forecast", "and better than the prior alone", "forecast rmse", PHYSICS),
        world.bands("velocity", "train"),
        world.bands("velocity", "test"),
    ]


def _pictures(world: World) -> list[Finding]:
    """Return what can be said where the emission is learnt: latents have a meaning only after a fit."""
    fitted = world.r2(GUIDED, "velocity", aligned="aligned")
    return [
        fitted.minus(world.r2(NETWORK, "velocity", aligned="aligned")).finding(
            "pendulum-aligned",
            "seen in pictures, its latents hold more of the velocity than a network's, both after an affine fit (R²)",
            unit="",
            above=0.0,
            note=f"as they are {world.r2(GUIDED, 'velocity').mean:.3g} and {world.r2(NETWORK, 'velocity').mean:.3g}",
        ),
        world.smaller(
            "network-forecast", "it forecasts pictures better than a network", "forecast rmse", NETWORK
        ),
        world.smaller("physics-forecast", "and better than the prior alone", "forecast rmse", PHYSICS),
    ]


def _pendulum_controls(world: World) -> list[Finding]:
    share = world.of("share of the prior", GUIDED)
    found: list[Finding] = []
    for other, name in ((WRONG_SIGN, "wrong-sign"), (OTHER_SYSTEM, "other-system")):
        found += [
            share.minus(world.of("share of the prior", other)).finding(
                f"pendulum-{name}-share",
                f"with a prior of the {other} the share of the prior falls (difference of α)",
                unit="",
                above=0.0,
                control=True,
            ),
            world.ratio("forecast rmse", other, NETWORK).finding(
                f"pendulum-{name}-gain",
                f"and the gain over a network vanishes (forecast error over the network's, {other})",
                unit="ratio",
                above=1.0 - NO_GAIN,
                control=True,
            ),
        ]
    return found


def _linear(world: World) -> list[Finding]:
    def over_exact(coordinate: str) -> Finding:
        return world.ratio("rmse", GUIDED, KALMAN, coordinate=coordinate, aligned="as it is").finding(
            f"linear-{coordinate}",
            f"in a linear world it is near the exact smoother (error of the {coordinate} over the smoother's)",
            unit="ratio",
            below=NEAR_EXACT,
        )

    gain = world.ratio("forecast rmse", GUIDED, PHYSICS).less(1.0)
    lost = world.of("bound", KALMAN, split="test").minus(world.of("bound", GUIDED, split="test"))
    return [
        over_exact("angle"),
        over_exact("velocity"),
        gain.within(
            "linear-no-gain",
            "and has nothing to gain over the prior alone (forecast errors, ratio less 1)",
            NO_GAIN,
            unit="ratio",
            note=f"over the exact forecast {world.ratio('forecast rmse', GUIDED, KALMAN).mean:.3g}",
        ),
        lost.finding(
            "linear-bound",
            "its bound stays below the exact log-likelihood (difference)",
            unit="nats a step",
            above=0.0,
            control=True,
        ),
        lost.finding("linear-gap", "by little (difference)", unit="nats a step", below=GAP),
        world.bands("velocity", "test"),
    ]


def _crack(world: World) -> list[Finding]:
    return [
        world.r2(GUIDED, "rate").finding(
            "crack-rate",
            "the second latent tells the rate of a plate, which was never observed (R² as it is, longer cracks)",
            unit="",
            above=SOME,
            possible=POSSIBLE_R2,
            note=f"linear probe {world.of('probe r2', GUIDED, split='test', coordinate='rate').mean:.3g}",
        ),
        world.smaller(
            "network-forecast",
            "it forecasts 20 blocks of longer cracks better than a network",
            "forecast rmse",
            NETWORK,
        ),
        world.smaller(
            "physics-forecast", "and better than Paris' law without geometry", "forecast rmse", PHYSICS
        ),
        world.of("forecast coverage", GUIDED, split="test").finding(
            "crack-bands",
            "95 % bands of the forecasts hold what is measured as often",
            unit="fraction",
            above=BANDS[0],
            below=BANDS[1],
            possible=(0.0, 1.0),
        ),
        world.ratio("forecast rmse", SIMPLE_PLATES, SIMPLE_PHYSICS).finding(
            "crack-no-gain",
            "where the prior is right, it gains nothing over the prior alone (ratio of errors)",
            unit="ratio",
            above=1.0 - NO_GAIN,
            control=True,
        ),
    ]


def _silverbox(world: World) -> list[Finding]:
    share = world.of("share of the prior", GUIDED)
    inside = least([share, share.times(-1.0).less(-1.0)])
    velocity: dict[str, Any] = {"coordinate": "velocity"}
    return [
        *_open_loop(world),
        world.smaller(
            "one-step", "it expects the next sample better than a network", "one-step rmse", NETWORK
        ),
        world.smaller(
            "velocity",
            "its second latent is nearer to the velocity, as they are",
            "rmse",
            NETWORK,
            aligned="as it is",
            **velocity,
        ),
        world.smaller(
            "velocity-aligned",
            "and after an affine fit of both",
            "rmse",
            NETWORK,
            aligned="aligned",
            **velocity,
        ),
        world.smaller(
            "network-forecast", "it forecasts 20 samples better than a network", "forecast rmse", NETWORK
        ),
        world.smaller("physics-forecast", "and better than the prior alone", "forecast rmse", PHYSICS),
        world.ratio("forecast rmse", OTHER_SYSTEM, NETWORK).finding(
            "silverbox-other-system-gain",
            "with a prior of another system the gain over a network vanishes (forecast error over the network's)",
            unit="ratio",
            above=1.0 - NO_GAIN,
            control=True,
        ),
        share.minus(world.of("share of the prior", OTHER_SYSTEM)).finding(
            "silverbox-other-system-share",
            "and the share of the prior falls (difference of α)",
            unit="",
            above=0.0,
            control=True,
        ),
        inside.finding(
            "silverbox-inside",
            "α, free to leave (0, 1), ends strictly inside (distance from the nearer end)",
            unit="",
            above=STRICTLY_INSIDE,
            note=f"α {share.mean:.3g}",
        ),
        world.bands("velocity", "train"),
        world.bands("velocity", "test"),
    ]


def _open_loop(world: World) -> list[Finding]:
    found: list[Finding] = []
    for split, known in OPEN_LOOP_RMSE.items():
        rows = rows_of(world.tables, "open loop rmse", condition=world.name, subject=OPEN_LOOP, split=split)
        said = dict(zip(rows["model"], rows["value"], strict=True)) if rows.height else {}
        off = abs(said["released"] - known) if said else None
        found.append(
            number(
                f"silverbox-open-loop-{split}",
                f"the released linear model alone is off by {known} V on the {split} span (distance from that)",
                off,
                below=OPEN_LOOP_NEAR,
                unit="V",
                note=", ".join(f"{name} {value:.4f} V" for name, value in said.items()),
            )
        )
    return found


def _belief(world: World, power: float, anchor: float) -> list[Finding]:
    planted = (1.0 - anchor) * power

    def response(model: str, name: str, claim: str, known: float, control: bool) -> Finding:
        return (
            world.of("response", model, split="test")
            .less(known)
            .within(
                name,
                f"{claim} (learnt response to evidence less {known:.3g})",
                RESPONSE_NEAR,
                unit="nats per nat",
                control=control,
            )
        )

    share = world.of("share of the network", GUIDED, split="test")
    bayesian = world.of("share of the network", BAYESIAN_AGENTS, split="test")
    prior = world.of("share of the prior", BAYESIAN_AGENTS).minus(world.of("share of the prior", GUIDED))
    return [
        response(GUIDED, "belief-response", "how agents discount evidence is learnt", planted, False),
        response(
            BAYESIAN_AGENTS, "belief-response-bayes", "of exactly Bayesian agents it stays Bayes'", 1.0, True
        ),
        share.minus(bayesian).finding(
            "belief-share",
            "the network takes a larger share where agents discount evidence than where they are Bayesian",
            unit="fraction",
            above=0.0,
        ),
        bayesian.finding(
            "belief-share-bayes",
            "with exactly Bayesian agents the network's share goes to 0",
            unit="fraction",
            below=NO_SHARE,
            control=True,
            possible=(0.0, 1.0),
        ),
        prior.finding("belief-alpha", "and α ends higher there (difference)", unit="", above=0.0),
        world.smaller(
            "physics-forecast",
            "it forecasts 20 reports better than Bayes' rule alone",
            "forecast rmse",
            PHYSICS,
        ),
        world.smaller("network-forecast", "and better than a network", "forecast rmse", NETWORK),
        world.bands("log-odds", "test"),
    ]


def own_findings(tables: Tables) -> list[Finding]:
    """Return what is found about one's own series; trainings are the units of all intervals."""
    world = World(tables, "csv")
    share = world.of("share of the prior", GUIDED)
    moved = world.of("share of the network", GUIDED, split="test")
    found = [
        world.smaller(
            "network-forecast",
            "the guided model forecasts the ends better than a network",
            "forecast rmse",
            NETWORK,
        ),
        world.smaller("physics-forecast", "and better than the prior alone", "forecast rmse", PHYSICS),
        share.finding(
            "csv-share",
            "the prior has more of a share than the network (α)",
            unit="",
            above=0.5,
            note=f"the network's share of the movement {moved.mean:.3g}",
        ),
        world.of("forecast coverage", GUIDED, split="test").finding(
            "csv-bands",
            "95 % bands of the forecasts hold what is measured as often",
            unit="fraction",
            above=BANDS[0],
            below=BANDS[1],
            possible=(0.0, 1.0),
        ),
    ]
    names = rows_of(tables, "r2", condition="csv", subject=GUIDED)
    for name in names["coordinate"].unique(maintain_order=True) if names.height else ():
        fitted = world.r2(GUIDED, name, aligned="aligned")
        found.append(
            world.r2(GUIDED, name).finding(
                f"csv-{name}",
                f"the latent {name} is the hidden coordinate (R² as it is)",
                unit="",
                above=TRACKS,
                possible=POSSIBLE_R2,
                note=f"after an affine fit {fitted.mean:.3g}",
            )
        )
    return found
