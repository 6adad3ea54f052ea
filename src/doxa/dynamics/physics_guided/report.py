"""The findings of the study: each world against the spec's bounds, its controls beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doxa.dynamics.physics_guided.judging import (
    BANDS,
    GAP,
    NEAR_EXACT,
    NEAR_NOTHING,
    NO_GAIN,
    POSSIBLE_R2,
    TRACKS,
    World,
)
from doxa.dynamics.physics_guided.variants import (
    GUIDED,
    KALMAN,
    NETWORK,
    OTHER_SYSTEM,
    PHYSICS,
    WRONG_SIGN,
)
from doxa.dynamics.physics_guided.worlds_report import belief_findings, crack_findings, silverbox_findings
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Tables


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
        return crack_findings(world)
    if name == "belief":
        return belief_findings(world, config.power, config.anchor)
    absent = rows_of(tables, "record", condition=name)
    return [
        replace(one, note=absent["missing"][0]) if absent.height else one for one in silverbox_findings(world)
    ]


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
