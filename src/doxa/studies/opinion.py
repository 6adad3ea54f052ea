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

EVERYWHERE = ("agents", "graph", "days", "dynamics", "start")
RATES = {
    "deffuant": ("confidence", "rate"),
    "algorithmic-bias": ("confidence", "rate", "bias"),
    "bounded-confidence": ("confidence",),
    "degroot": (),
    "friedkin-johnsen": ("openness",),
}
"""Settings of each dynamics; all but the graph and the start."""
ACTED = ("campaign", "towards", "strength", "share", "by")
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
    dynamics: str = setting("deffuant", "how opinions move", choices=tuple(RATES))
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


def cells(config: Config) -> Iterable[Cell]:
    """Yield cells for each seed: as it is, without ties, and without the campaign where there is one."""
    from doxa.society.scenario import file_of

    late = [day for day in config.campaign if day > config.days]
    if late:
        raise InputError(f"campaign={late[0]}: is after the last day, {config.days}")
    if config.graph == "well-mixed" and config.dynamics not in WELL_MIXED:
        raise InputError(
            f"graph=well-mixed: {config.dynamics} needs a graph; or take {' or '.join(WELL_MIXED)}"
        )
    plan_of(config, config.seed)  # what does not fit together is said before anything runs
    met = file_of(config.graph)
    uses = EVERYWHERE + RATES[config.dynamics]
    acted = ACTED if config.campaign else ACTED[:1]
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("opinion", seed, uses + acted, {"mapped": seed == config.seed, **met})
        yield Cell("no ties", seed, uses, {"mapped": False, **met})
        if config.campaign:
            yield Cell("no campaign", seed, uses, {"mapped": False, **met})


def plan_of(config: Any, seed: int, condition: str = "opinion") -> Any:
    """Return the plan of a replicate: the population, with ``no campaign``, or the same people with ``no ties``."""
    from doxa.society.dynamics.algorithmic_bias import AlgorithmicBiasConfig
    from doxa.society.dynamics.bounded_confidence import BoundedConfidenceConfig
    from doxa.society.dynamics.deffuant import DeffuantConfig
    from doxa.society.dynamics.degroot import DeGrootConfig
    from doxa.society.dynamics.friedkin_johnsen import FriedkinJohnsenConfig
    from doxa.society.interventions import Persuade, Target
    from doxa.society.population import Plan
    from doxa.society.scenario import alone, ties

    kinds: dict[str, Any] = {
        "deffuant": DeffuantConfig,
        "algorithmic-bias": AlgorithmicBiasConfig,
        "bounded-confidence": BoundedConfidenceConfig,
        "degroot": DeGrootConfig,
        "friedkin-johnsen": FriedkinJohnsenConfig,
    }
    graph = ties(config.graph, config.agents, seed)
    if condition == "no ties":
        graph = alone(graph.n)
    message: tuple[Persuade, ...] = ()
    if condition == "opinion" and config.campaign:
        reached = Target(share=config.share, by=config.by)
        message = (Persuade(config.campaign, config.towards, config.strength, reached),)
    rates = {name: getattr(config, name) for name in RATES[config.dynamics]}
    start = first_opinions(config.start, graph.n, seed)
    return Plan(
        config.dynamics,
        kinds[config.dynamics](graph=graph, start=start, **rates),
        config.days,
        interventions=message,
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
    plan = plan_of(ctx.config, cell.seed, cell.condition)
    record_run(
        recorder, plan, mapped=bool(cell.params["mapped"]), folder=ctx.parts.folder, progress=ctx.progress
    )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Say whether opinions came nearer, also without ties, and what the campaign moved."""
    from doxa.society.pictures import opinion_moments

    held = opinion_moments(tables)
    change = {
        condition: _units(held, condition, config.days, "spread").minus(_units(held, condition, 0, "spread"))
        for condition in ("opinion", "no ties")
    }
    unit = "standard deviation"
    found = [
        change["opinion"].finding(
            "nearer", "opinions are less spread in the end than at first", unit=unit, below=0.0
        ),
        change["no ties"].within("no-ties", "without ties they are spread as at first", 1e-6, unit=unit),
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
