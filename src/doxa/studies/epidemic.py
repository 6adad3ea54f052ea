"""An epidemic in a population: who catches it, who recovers, and what an intervention averts.

SIS, SIR or SEIRD on any graph or well mixed (``doxa.society.dynamics``). With days of vaccination or isolation the
same seeds are run without them beside it, so that what is averted is a paired difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.units import Units

SPREADS = ("sis", "sir", "seird")
COMPARTMENTS = {
    "sis": ("susceptible", "infected"),
    "sir": ("susceptible", "infected", "recovered"),
    "seird": ("susceptible", "exposed", "infected", "recovered", "dead"),
}


@study(
    "epidemic",
    paper="",
    room="society",
    claim="an infection spreads over the ties of a population, and interventions avert a part of it",
    presets={"quick": {"seeds": 3, "agents": 500, "days": 30}},
)
class Config:
    """The population, the infection, and what is done about it."""

    seed: int = setting(0, "seed of the first replicate")
    seeds: int = setting(
        10, "replicates, each with a graph and an epidemic of its own", unit="seeds", minimum=1
    )
    agents: int = setting(2000, "size of the population", unit="agents", minimum=2)
    graph: str = setting("watts-strogatz?k=10&p=0.1", "address of the graph of ties, or well-mixed")
    contacts: int = setting(0, "random contacts a day in place of ties; 0 keeps the ties", minimum=0)
    days: int = setting(60, "how long", unit="days", minimum=1)
    dynamics: str = setting("sir", "what an infection leads to", choices=SPREADS)
    infection: float = setting(
        0.05, "probability that a contact with an infected infects", minimum=0, maximum=1
    )
    recovery: float = setting(0.1, "probability to recover in a day", minimum=0, maximum=1)
    incubation: float = setting(
        0.25, "probability to become infectious in a day (seird)", minimum=0, maximum=1
    )
    death: float = setting(0.01, "probability to die in a day of illness (seird)", minimum=0, maximum=1)
    infected: float = setting(0.01, "share infected at first", minimum=0, maximum=1)
    vaccinate: tuple[int, ...] = setting(
        (), "days on which susceptible people become immune (sir, seird)", minimum=1
    )
    isolate: tuple[int, ...] = setting((), "days on which people lose all ties", minimum=1)
    share: float = setting(
        0.1, "share of people an intervention reaches on each of its days", minimum=0, maximum=1
    )
    by: str = setting("chance", "who is reached: any, or those with most ties", choices=("chance", "degree"))


EVERYWHERE = ("agents", "graph", "contacts", "days", "dynamics", "infection", "recovery", "infected")
SEIRD_ONLY = ("incubation", "death")
ACTED = ("vaccinate", "isolate")
REACHED = ("share", "by")


def cells(config: Config) -> Iterable[Cell]:
    """Yield cells for each seed: as it is, without ties, and without interventions where there are some."""
    from doxa.society.scenario import file_of

    late = [day for day in (*config.vaccinate, *config.isolate) if day > config.days]
    if late:
        raise InputError(f"day {late[0]} of an intervention is after the last day, {config.days}")
    if config.vaccinate and config.dynamics == "sis":
        raise InputError("vaccinate: nobody stays immune in sis; take dynamics=sir or seird")
    if config.graph == "well-mixed" and not config.contacts:
        raise InputError("graph=well-mixed: say how many others each meets a day, contacts=")
    if config.isolate and config.contacts:
        raise InputError("isolate: cuts ties, and contacts= are drawn in their place; leave one of both out")
    plan_of(config, config.seed)  # what does not fit together is said before anything runs
    met = file_of(config.graph)
    uses = EVERYWHERE + (SEIRD_ONLY if config.dynamics == "seird" else ())
    done = bool(config.vaccinate or config.isolate)
    acted = ACTED + (REACHED if done else ())
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("epidemic", seed, uses + acted, {"mapped": seed == config.seed, **met})
        yield Cell("no ties", seed, uses, {"mapped": False, **met})
        if done:
            yield Cell("nothing done", seed, uses, {"mapped": False, **met})


def plan_of(config: Any, seed: int, condition: str = "epidemic") -> Any:
    """Return the plan of a replicate: the epidemic, ``nothing done`` about it, or the same people with ``no ties``."""
    from doxa.society.dynamics.seird import SeirdConfig
    from doxa.society.dynamics.sir import SirConfig
    from doxa.society.dynamics.sis import SisConfig
    from doxa.society.interventions import Isolate, Put, Target
    from doxa.society.population import Plan
    from doxa.society.scenario import alone, ties
    from doxa.society.schedules import Schedule

    rates: dict[str, Any] = {"infection": config.infection, "recovery": config.recovery}
    if config.dynamics == "seird":
        rates |= {"incubation": config.incubation, "death": config.death}
    kind = {"sis": SisConfig, "sir": SirConfig, "seird": SeirdConfig}[config.dynamics]
    names = COMPARTMENTS[config.dynamics]
    done: list[Any] = []
    if condition == "epidemic" and config.vaccinate:
        susceptible = Target(holding=0, share=config.share, by=config.by)
        done.append(Put(config.vaccinate, names.index("recovered"), susceptible))
    if condition == "epidemic" and config.isolate:
        done.append(Isolate(config.isolate, Target(share=config.share, by=config.by)))
    graph, contacts = ties(config.graph, config.agents, seed), config.contacts or None
    if condition == "no ties":
        graph, contacts = alone(graph.n), None
    return Plan(
        config.dynamics,
        kind(graph=graph, begin={"infected": config.infected}, **rates),
        config.days,
        schedule=Schedule(contacts=contacts),
        interventions=tuple(done),
        seed=seed,
    )


def run(cell: Cell, ctx: Context) -> Tables:
    """Run one population."""
    from doxa.society.scenario import record_run

    recorder = ctx.recorder()
    plan = plan_of(ctx.config, cell.seed, cell.condition)
    record_run(
        recorder, plan, mapped=bool(cell.params["mapped"]), folder=ctx.parts.folder, progress=ctx.progress
    )
    return recorder.tables()


def infected(tables: Tables, condition: str) -> dict[int, np.ndarray]:
    """Return the shares infected by day, by seed."""
    rows = tables.measures.filter(
        pl.col("condition") == condition,
        pl.col("measure") == "share",
        pl.col("extra").str.json_path_match("$.state") == "infected",
    ).sort("time")
    return {seed: own["value"].to_numpy() for (seed,), own in rows.group_by("seed", maintain_order=True)}


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Say whether it spread, also without ties, and, where something was done, whether that averted a part."""
    rises = {
        condition: Units(
            {seed: float(shares.max() - shares[0]) for seed, shares in infected(tables, condition).items()}
        )
        for condition in ("epidemic", "no ties")
    }
    found = [
        rises["epidemic"].finding(
            "spreads", "more are infected at the peak than at first", unit="share", above=0.0
        ),
        rises["no ties"].within("no-ties", "without ties no more are", 1e-9, unit="share"),
    ]
    if config.vaccinate or config.isolate:
        burden = {
            condition: Units(
                {seed: float(shares.mean()) for seed, shares in infected(tables, condition).items()}
            )
            for condition in ("nothing done", "epidemic")
        }
        averted = burden["nothing done"].minus(burden["epidemic"])
        found.append(
            averted.finding(
                "averted", "what was done lowers the mean share infected", unit="share", above=0.0
            )
        )
    return found


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw shares by day, and the map."""
    from doxa.society.pictures import map_over_time, share_curves

    names = COMPARTMENTS[config.dynamics]
    told = {"epidemic": ""} | ({"nothing done": "nothing done"} if config.vaccinate or config.isolate else {})
    return [
        *share_curves(tables, told, days=config.days),
        *map_over_time(tables, "epidemic", config.seed, kinds=names),
    ]
