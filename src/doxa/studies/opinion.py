"""Opinions in a population: whether people agree in the end, fall into camps, or go where a campaign wants them.

Averaging, bounded confidence, pairs that meet, or copying, on any graph or well mixed (``doxa.society.dynamics``). With
days of a campaign the same seeds are run without it beside it, so that what it moves is a paired difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.units import Units
from doxa.streams import stream

DYNAMICS = ("deffuant", "algorithmic-bias", "bounded-confidence", "degroot", "friedkin-johnsen")
STARTS = ("even", "camps", "middle")
WELL_MIXED = ("deffuant", "bounded-confidence")


@study(
    "opinion",
    paper="",
    room="society",
    claim="who hears whom decides whether a population agrees, splits, or follows a campaign",
    presets={"quick": {"seeds": 3, "agents": 500, "days": 20}},
)
class Config:
    """The population, how opinions move, and a campaign."""

    seed: int = setting(0, "seed of the first replicate")
    seeds: int = setting(10, "replicates, each with a graph and opinions of its own", unit="seeds", minimum=1)
    agents: int = setting(1000, "size of the population", unit="agents", minimum=2)
    graph: str = setting("watts-strogatz?k=10&p=0.1", "address of the graph of who hears whom, or well-mixed")
    days: int = setting(40, "how long; each person meets about two others a day", unit="days", minimum=1)
    dynamics: str = setting("deffuant", "how opinions move", choices=DYNAMICS)
    start: str = setting(
        "even", "opinions at first: all alike often, two camps, or around the middle", choices=STARTS
    )
    confidence: float = setting(
        0.2, "greatest difference at which people still listen", unit="opinion", minimum=0, maximum=1
    )
    rate: float = setting(0.5, "share of the way that both go when they meet", minimum=0, maximum=0.5)
    bias: float = setting(
        1.0, "how strongly the like-minded are shown to each other (algorithmic-bias)", minimum=0
    )
    openness: float = setting(
        0.8, "weight of the others against one's first opinion (friedkin-johnsen)", minimum=0, maximum=1
    )
    campaign: tuple[int, ...] = setting((), "days on which people are moved towards an opinion", minimum=1)
    towards: float = setting(1.0, "the campaign's opinion", unit="opinion", minimum=0, maximum=1)
    strength: float = setting(
        0.1, "share of the way that the campaign moves those it reaches", minimum=0, maximum=1
    )
    share: float = setting(0.1, "share of people it reaches on each of its days", minimum=0, maximum=1)
    by: str = setting("chance", "who is reached: any, or those with most ties", choices=("chance", "degree"))


USES = tuple(name for name in Config.__dataclass_fields__ if name not in ("seed", "seeds"))


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for each seed, and one without the campaign where there is one."""
    from doxa.society.scenario import file_of

    late = [day for day in config.campaign if day > config.days]
    if late:
        raise InputError(f"campaign={late[0]}: is after the last day, {config.days}")
    if config.graph == "well-mixed" and config.dynamics not in WELL_MIXED:
        raise InputError(
            f"graph=well-mixed: {config.dynamics} needs a graph; or take {' or '.join(WELL_MIXED)}"
        )
    plan_of(config, config.seed, acted=True)  # what does not fit together is said before anything runs
    met = file_of(config.graph)
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("opinion", seed, USES, {"mapped": seed == config.seed, **met})
        if config.campaign:
            yield Cell("no campaign", seed, USES, {"mapped": False, **met})


def plan_of(config: Any, seed: int, *, acted: bool) -> Any:
    """Return the plan of a replicate, with or without its campaign."""
    from doxa.society.dynamics.algorithmic_bias import AlgorithmicBiasConfig
    from doxa.society.dynamics.bounded_confidence import BoundedConfidenceConfig
    from doxa.society.dynamics.deffuant import DeffuantConfig
    from doxa.society.dynamics.degroot import DeGrootConfig
    from doxa.society.dynamics.friedkin_johnsen import FriedkinJohnsenConfig
    from doxa.society.interventions import Persuade, Target
    from doxa.society.population import Plan
    from doxa.society.scenario import ties

    near: dict[str, Any] = {"confidence": config.confidence}
    made: dict[str, tuple[Any, dict[str, Any]]] = {
        "deffuant": (DeffuantConfig, near | {"rate": config.rate}),
        "algorithmic-bias": (AlgorithmicBiasConfig, near | {"rate": config.rate, "bias": config.bias}),
        "bounded-confidence": (BoundedConfidenceConfig, near),
        "degroot": (DeGrootConfig, {}),
        "friedkin-johnsen": (FriedkinJohnsenConfig, {"openness": config.openness}),
    }
    kind, rates = made[config.dynamics]
    graph = ties(config.graph, config.agents, seed)
    reached = Target(share=config.share, by=config.by)
    message = Persuade(config.campaign, config.towards, config.strength, reached)
    return Plan(
        config.dynamics,
        kind(graph=graph, start=first_opinions(config.start, graph.n, seed), **rates),
        config.days,
        interventions=(message,) if acted and config.campaign else (),
        seed=seed,
    )


def first_opinions(start: str, n: int, seed: int) -> np.ndarray:
    """Return n opinions in [0, 1]: even, in two camps (normal around .25 and .75), or normal around the middle."""
    rng = stream(seed, "opinion", "start")
    if start == "even":
        return rng.random(n, dtype=np.float32)
    middle = rng.choice([0.25, 0.75], n) if start == "camps" else np.full(n, 0.5)
    return np.clip(middle + 0.1 * rng.standard_normal(n), 0.0, 1.0).astype(np.float32)


def run(cell: Cell, ctx: Context) -> Tables:
    """Run one population."""
    from doxa.society.scenario import record_run

    recorder = ctx.recorder()
    plan = plan_of(ctx.config, cell.seed, acted=cell.condition == "opinion")
    record_run(
        recorder, plan, mapped=bool(cell.params["mapped"]), folder=ctx.parts.folder, progress=ctx.progress
    )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Say whether opinions came nearer, and what the campaign moved."""
    from doxa.society.pictures import opinion_moments

    held = opinion_moments(tables)
    spread = {day: _units(held, "opinion", day, "spread") for day in (0, config.days)}
    found = [
        spread[config.days]
        .minus(spread[0])
        .finding(
            "nearer",
            "opinions are less spread in the end than at first",
            unit="standard deviation",
            below=0.0,
        )
    ]
    if config.campaign:
        moved = _units(held, "opinion", config.days, "mean").minus(
            _units(held, "no campaign", config.days, "mean")
        )
        sign = 1.0 if config.towards >= 0.5 else -1.0
        found.append(
            moved.times(sign).finding(
                "moved", "the campaign moves the mean opinion its way", unit="opinion", above=0.0
            )
        )
    return found


def _units(held: pl.DataFrame, condition: str, day: int, column: str) -> Units:
    own = held.filter(pl.col("condition") == condition, pl.col("time") == day)
    return Units(dict(zip(own["seed"], own[column], strict=True)))


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw mean and spread by day, opinions over time, and the map."""
    from doxa.society.pictures import map_over_time, opinion_curves, opinions_over_time

    told = {"opinion": ""} | ({"no campaign": "no campaign"} if config.campaign else {})
    return [
        opinion_curves(tables, told),
        *opinions_over_time(tables, "opinion", config.seed),
        *map_over_time(tables, "opinion", config.seed),
    ]
