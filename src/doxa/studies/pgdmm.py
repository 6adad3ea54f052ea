"""Physics-guided deep Markov models: hidden trajectories learnt where part of the dynamics is known, and wrong.

Wei Liu, Zhilu Lai, Kiran Bacsa and Eleni Chatzi, Physics-guided Deep Markov Models for Learning Nonlinear Dynamical
Systems with Uncertainty (arXiv:2110.08607).

A pendulum, a growing crack, a real electronic oscillator and agents that discount evidence: each is learnt by the
guided model, by a network alone and by the prior alone, with the velocity, the rate or the belief hidden. With ``csv``,
series of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import check, named
from doxa.lab.declaration import studies
from doxa.lab.files import sha256

if TYPE_CHECKING:
    from doxa.dynamics.deep_markov.prior import PhysicsPrior
    from doxa.dynamics.physics_guided.embedded import Worlds
    from doxa.dynamics.physics_guided.series_file import OwnSeries
    from doxa.dynamics.physics_guided.training import Plan

Part: TypeAlias = Literal["embedded", "csv"]
SLUG = "pgdmm"
EXPERIMENTS = ("pendulum", "linear", "crack", "silverbox", "belief")
NETWORKS = ("rnn", "hidden", "guide", "rate", "anneal", "kl_start")
TRAINING = ("cut", *NETWORKS)
WORLDS = {
    "pendulum": ("pendulum_steps", "sequences", "watched"),
    "linear": ("linear_steps", "sequences"),
    "crack": ("crack_steps", "sequences"),
    "silverbox": ("silverbox_steps", "silverbox_batch", "silverbox_tested"),
    "belief": ("belief_steps", "sequences", "power", "anchor"),
}
"""The settings of each experiment beside those that all share."""
OWN = ("csv", "prior", "dt", "horizon", "own_steps", *NETWORKS)
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": (
        "the embedded experiments, without a file",
        ("seeds", "parts", *TRAINING, *dict.fromkeys(name for names in WORLDS.values() for name in names)),
    ),
    "csv": ("series of one's own", ("seeds", *OWN)),
}
"""What each part measures, and the settings it uses beside the seed."""
BATCH = 50


@study(
    SLUG,
    paper="arXiv:2110.08607",
    room="dynamics",
    claim="a wrong physics model in a deep Markov model gives latents their meaning and forecasts their reach",
    presets={
        "quick": {
            "seeds": 2,
            "sequences": 24,
            "pendulum_steps": 30,
            "linear_steps": 20,
            "crack_steps": 20,
            "silverbox_steps": 15,
            "silverbox_tested": 6,
            "belief_steps": 30,
        },
        "paper": {
            "seed": 10000,
            "seeds": 1,
            "parts": ("silverbox",),
            "rnn": 100,
            "hidden": 50,
            "guide": "paper",
            "rate": 1e-3,
            "anneal": 0.0,
            "cut": 0.0,
            "silverbox_batch": 600,
            "silverbox_steps": 200000,
            "silverbox_tested": 400,
        },
    },
)
class Config:
    """The settings of the embedded experiments and of series of one's own."""

    seed: int = setting(0, "seed of the first replicate, of worlds, weights and batches", paper=10000)
    seeds: int = setting(3, "independent worlds and trainings", unit="seeds", minimum=1, paper=1)
    parts: tuple[str, ...] = setting(EXPERIMENTS, "which embedded experiments to run", choices=EXPERIMENTS)
    sequences: int = setting(
        200, "simulated sequences to learn from; a quarter as many are tested", minimum=20
    )
    watched: str = setting(
        "angle",
        "what is seen of the pendulum: its angle, or pictures of 16 by 16",
        choices=("angle", "image"),
    )
    rnn: int = setting(32, "width of the recurrent guide", unit="units", minimum=2, paper=100)
    hidden: int = setting(32, "width of transition and emission networks", unit="units", minimum=2, paper=50)
    guide: str = setting(
        "direct",
        "paper, or direct: with linear paths beside its units, which reach beyond the training range",
        choices=("paper", "direct"),
        paper="paper",
    )
    rate: float = setting(1e-2, "highest learning rate", minimum=1e-9, paper=1e-3)
    anneal: float = setting(
        0.3, "share of the steps over which the weight of the divergence rises to 1", minimum=0, maximum=1,
        paper=0.0,
    )  # fmt: skip
    kl_start: float = setting(0.2, "its first value", minimum=0, maximum=1, paper=0.2)
    cut: float = setting(
        0.5, "share of the sequences that are trained on without their ends, so that beginnings are known too",
        minimum=0, maximum=1, paper=0.0,
    )  # fmt: skip
    pendulum_steps: int = setting(1500, "optimiser steps on the pendulum", unit="steps", minimum=1)
    linear_steps: int = setting(1500, "on the linear world", unit="steps", minimum=1)
    crack_steps: int = setting(600, "on cracks", unit="steps", minimum=1)
    silverbox_steps: int = setting(600, "on the Silverbox record", unit="steps", minimum=1, paper=200000)
    silverbox_batch: int = setting(60, "sequences of one step there", minimum=1, paper=600)
    silverbox_tested: int = setting(
        60, "sequences of each span on which it is scored, evenly over the span", minimum=2, paper=400
    )
    belief_steps: int = setting(750, "on agents", unit="steps", minimum=1)
    power: float = setting(0.6, "power to which agents take likelihoods; 1 is Bayes", minimum=0)
    anchor: float = setting(
        0.05, "share of the way back to the first belief at each step", minimum=0, maximum=0.99
    )
    csv: str = setting(
        "", "table of one's own series: x…, and if known u…, truth…, sequence; empty runs the embedded"
    )
    prior: str = setting("bayes", "what is known of them: bayes, or a JSON file of a linear prior")
    dt: float = setting(
        0.0, "step of the series for a prior in continuous time; 0 leaves it to the file", minimum=0
    )
    horizon: int = setting(
        10, "steps at the end of each sequence that are forecast, not trained on", minimum=1
    )
    own_steps: int = setting(1000, "optimiser steps on them", unit="steps", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for each replicate of each experiment, or for each training on series of one's own."""
    part: Part = "csv" if config.csv else "embedded"
    studies.get(SLUG).refuse_unused(config, PARTS, part)
    content: dict[str, Json] = _own_content(config) if part == "csv" else {}
    # a cell that found no record is computed anew once the record is here
    record = named(SLUG).digest if "silverbox" in config.parts and check(SLUG).good else "absent"
    for seed in range(config.seed, config.seed + config.seeds):
        if part == "csv":
            yield Cell("csv", seed, OWN, content)
            continue
        for world in config.parts:
            params: dict[str, Json] = {"record": record} if world == "silverbox" else {}
            yield Cell(world, seed, (*WORLDS[world], *TRAINING), params)


def _own_content(config: Config) -> dict[str, Json]:
    """Read table and prior now, so that what is wrong with them is said before anything is written."""
    from doxa.dynamics.physics_guided.own_series import check_own

    own, prior = _own(config)
    check_own(own, prior, config.horizon)
    content: dict[str, Json] = {"content": sha256(Path(config.csv).expanduser().read_bytes())}
    if config.prior != "bayes":
        content["prior content"] = sha256(Path(config.prior).expanduser().read_bytes())
    return content


def _own(config: Any) -> tuple[OwnSeries, PhysicsPrior]:
    from doxa.dynamics.physics_guided.series_file import read_prior, read_series

    return read_series(config.csv), read_prior(config.prior, config.dt or None)


def run(cell: Cell, ctx: Context) -> Tables:
    """Train the models of one replicate and score them."""
    config, recorder, world = ctx.config, ctx.recorder(), cell.condition

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if world == "csv":
        from doxa.dynamics.physics_guided.own_series import record_own

        plan = _plan(config, config.own_steps, 0)
        record_own(recorder, *_own(config), plan, config.horizon, progress)
    elif world == "silverbox" and cell.params["record"] == "absent":
        missing = f"the record is not here: doxa data get {SLUG}"
        recorder.measure("record", None, subject="open loop", missing=missing)
    else:
        from doxa.dynamics.physics_guided.embedded import record_world

        batch = config.silverbox_batch if world == "silverbox" else BATCH
        plan = _plan(config, getattr(config, f"{world}_steps"), batch, config.cut)
        record_world(recorder, world, _worlds(config, world), plan, progress)
    return recorder.tables()


def _plan(config: Any, steps: int, batch: int, cut: float = 0.0) -> Plan:
    from doxa.dynamics.physics_guided.training import Plan

    return Plan(steps, batch, cut=cut, **{name: getattr(config, name) for name in NETWORKS})


def _worlds(config: Any, world: str) -> Worlds:
    """Return how large a world is, from the settings that it uses."""
    from doxa.dynamics.physics_guided.embedded import Worlds
    from doxa.worlds.discounting_agents import DiscountingAgent

    if world == "silverbox":
        return Worlds(tested=config.silverbox_tested)
    if world == "belief":
        return Worlds(config.sequences, agent=DiscountingAgent(config.power, config.anchor))
    if world == "pendulum":
        return Worlds(config.sequences, config.watched)
    return Worlds(config.sequences)


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge each world by the spec's bounds, or one's own series."""
    from doxa.dynamics.physics_guided.report import own_findings, world_findings

    if config.csv:
        return own_findings(tables)
    return [one for world in config.parts for one in world_findings(tables, world, config)]


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw trajectories with bands, phase portraits, recovery, errors by step ahead, and the share of the prior."""
    from doxa.dynamics.physics_guided.pictures import study_figures

    return study_figures(tables, ("csv",) if config.csv else config.parts)
