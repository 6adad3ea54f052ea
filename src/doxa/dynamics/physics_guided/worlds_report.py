"""The findings on cracks, on the real record and on agents."""

from __future__ import annotations

from typing import Any

from doxa.dynamics.physics_guided.judging import (
    BANDS,
    NO_GAIN,
    NO_SHARE,
    OPEN_LOOP_NEAR,
    OPEN_LOOP_RMSE,
    POSSIBLE_R2,
    RESPONSE_NEAR,
    SOME,
    STRICTLY_INSIDE,
    World,
)
from doxa.dynamics.physics_guided.variants import (
    BAYESIAN_AGENTS,
    GUIDED,
    NETWORK,
    OPEN_LOOP,
    OTHER_SYSTEM,
    PHYSICS,
    SIMPLE_PHYSICS,
    SIMPLE_PLATES,
)
from doxa.lab.measured import number, rows_of
from doxa.lab.record import Finding
from doxa.lab.units import least


def crack_findings(world: World) -> list[Finding]:
    """Return what is found on cracks."""
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


def silverbox_findings(world: World) -> list[Finding]:
    """Return what is found on the real record."""
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


def belief_findings(world: World, power: float, anchor: float) -> list[Finding]:
    """Return what is found on agents of that power and anchor."""
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
