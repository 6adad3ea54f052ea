"""Steering the herd: a planner who sets only how precise each agent's signal is can lead a herd right, or astray.

Raghu Arghal, Kevin He, Shirin Saeedi Bidokhti and Saswati Sarkar, Steering the Herd: A Framework for LLM-based Control
of Social Learning (arXiv:2504.02648).

Embedded: the planner's problem is solved exactly and held against every closed form; sequences are simulated; a
learner that never sees the model comes to the same policy; agents that are not Bayesian, parametric ones and small
networks, break it. With ``subject``, a language model takes the seats of planner, oracle and agents.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies

Part: TypeAlias = Literal["embedded", "subject"]
EXACT = ("grid", "baselines", "discounts", "costs")
SEQUENCES = ("runs", "agents")
LEARNT = ("tries", "learners")
NETWORKS = ("steps", "width", "precision", "network_runs")
WORLD = ("p", "k", "delta")
ASKED = (
    *("subject", "reader", "beliefs", "precisions", "repeats", "messages", "show_belief"),
    *("temperature", "max_tokens"),
)
DIRECT = ("sequences", "sequence_agents")
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": (
        "the embedded experiments, without a subject",
        ("seeds", "parts", *EXACT, *SEQUENCES, *LEARNT, *NETWORKS),
    ),
    "subject": ("a subject in the seats", (*ASKED, *WORLD, *DIRECT)),
}
"""What each part measures, and the settings it uses beside the seed."""
EXPERIMENTS = ("control", "learned", "networks")
SIMULATED_K = (0.5, 2.0)
SIMULATED_GRID = 150


@study(
    "steering-herd",
    paper="arXiv:2504.02648",
    room="society",
    claim="a planner who sets only the precision of signals moves a herd far, to the good or to the bad",
    presets={
        "quick": {
            "seeds": 2,
            "grid": 150,
            "baselines": (0.7,),
            "discounts": (0.9,),
            "costs": (0.5, 2.0, 6.0),
            "runs": 1000,
            "tries": 2500,
            "learners": 1024,
            "steps": 250,
            "network_runs": 500,
            "beliefs": (0.2, 0.5, 0.8),
            "precisions": (0.5, 0.7, 0.9),
            "repeats": 2,
            "messages": 1,
        },
        "paper": {"sequences": 100, "repeats": 10},
    },
)
class Config:
    """The settings of the embedded experiments and of asking a subject."""

    seed: int = setting(0, "seed of the first replicate, of states, signals, networks and replies")
    seeds: int = setting(5, "independent replicates of what hangs on chance", unit="seeds", minimum=2)
    parts: tuple[str, ...] = setting(EXPERIMENTS, "which embedded experiments to run", choices=EXPERIMENTS)
    grid: int = setting(500, "nodes in each quarter of the beliefs, on average", unit="nodes", minimum=50)
    baselines: tuple[float, ...] = setting(
        (0.6, 0.7, 0.8), "baseline precisions of the phase plots", minimum=0.51, maximum=0.99
    )
    discounts: tuple[float, ...] = setting(
        (0.5, 0.9), "discounts of the phase plots", minimum=0, maximum=0.99
    )
    costs: tuple[float, ...] = setting(
        (0.25, 0.5, 1.0, 2.0, 4.0, 6.0), "costs per unit of precision of the phase plots", minimum=0
    )
    runs: int = setting(4000, "sequences of each planner, state and replicate", unit="sequences", minimum=100)
    agents: int = setting(100, "agents of a sequence", unit="agents", minimum=20)
    tries: int = setting(5000, "steps of a learner", unit="steps", minimum=1)
    learners: int = setting(4096, "sequences a learner tries side by side", unit="sequences", minimum=1)
    steps: int = setting(1500, "optimiser steps of a network", unit="steps", minimum=1)
    width: int = setting(32, "width of a network", minimum=8)
    precision: str = setting("float32", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    network_runs: int = setting(4000, "sequences of networks as agents", unit="sequences", minimum=100)
    subject: str = setting("", "address of a model in the seats; empty runs the embedded experiments")
    reader: str = setting("", "address of the blind reader of tips; empty takes the subject")
    beliefs: tuple[float, ...] = setting(
        (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95),
        "public beliefs at which agents and planners are asked, increasing",
        minimum=0.01,
        maximum=0.99,
    )
    precisions: tuple[float, ...] = setting(
        (0.5, 0.6, 0.7, 0.8, 0.9), "precisions of the tips, increasing", minimum=0.5, maximum=0.99
    )
    repeats: int = setting(4, "answers to each question; agents take the personas in turn", minimum=1)
    messages: int = setting(3, "tips written for each precision and verdict", unit="tips", minimum=1)
    show_belief: bool = setting(True, "whether planners are told the public belief as a number")
    p: float = setting(0.7, "baseline precision of the subject's world", minimum=0.51, maximum=0.99)
    k: float = setting(0.5, "cost per unit of precision there", minimum=0)
    delta: float = setting(0.9, "discount there", minimum=0, maximum=0.99)
    sequences: int = setting(
        0,
        "sequences in which every agent is asked, for each planner; 0 simulates from tables only",
        minimum=0,
        paper=100,
    )
    sequence_agents: int = setting(15, "agents of such a sequence", unit="agents", minimum=1, paper=15)
    temperature: float = setting(0.7, "of replies", minimum=0)
    max_tokens: int = setting(400, "longest reply", unit="tokens", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for what is solved, one for each replicate of what is drawn, or those of a subject."""
    part: Part = "subject" if config.subject else "embedded"
    check(config, part)
    if part == "subject":
        yield from _asking(config)
        return
    if "control" in config.parts:
        yield Cell("exact", config.seed, EXACT)
    for seed in range(config.seed, config.seed + config.seeds):
        if "control" in config.parts:
            yield Cell("sequences", seed, SEQUENCES)
        if "learned" in config.parts:
            yield Cell("learned", seed, (*LEARNT, "grid"))
        if "networks" in config.parts:
            yield Cell("networks", seed, NETWORKS)


def _asking(config: Config) -> Iterable[Cell]:
    from doxa.society.herding.spoken import AIMS
    from doxa.society.herding.spoken_sequences import SETTINGS

    addresses = tuple(dict.fromkeys((config.subject, config.reader or config.subject)))
    yield Cell("tables", config.seed, (*ASKED, *WORLD), subjects=addresses)
    if config.sequences:
        for aim in AIMS:
            for who in SETTINGS:
                params: dict[str, Json] = {"aim": aim, "setting": who}
                yield Cell(
                    f"{aim}, {who}", config.seed, (*ASKED, *WORLD, *DIRECT), params, subjects=addresses
                )


def check(config: Any, part: Part) -> None:
    """Raise InputError if a setting was changed that this part does not use, or lists are out of order."""
    studies.get("steering-herd").refuse_unused(config, PARTS, part)
    for name in ("beliefs", "precisions"):
        values = getattr(config, name)
        if len(values) < 2 or list(values) != sorted(set(values)):
            raise InputError(f"{name}={values}: give two or more, increasing")
    if part == "subject" and not any(b > 0.5 for b in config.beliefs):
        raise InputError(
            f"beliefs={config.beliefs}: give some above 0.5, where a tip can contradict the herd"
        )


def run(cell: Cell, ctx: Context) -> Tables:
    """Solve, simulate, learn, train, or ask."""
    if cell.subjects:
        return _ask(cell, ctx)
    config, recorder = ctx.config, ctx.recorder()

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if cell.condition == "exact":
        from doxa.society.herding.exact_study import Sizes, record_exact

        record_exact(recorder, Sizes(**{name: getattr(config, name) for name in EXACT}), progress)
        return recorder.tables()
    from doxa.society.herding import embedded

    if cell.condition == "sequences":
        embedded.record_sequences(
            recorder, cell.seed, SIMULATED_K, config.runs, config.agents, SIMULATED_GRID, progress
        )
    elif cell.condition == "learned":
        embedded.record_learned(recorder, cell.seed, config.tries, config.learners, config.grid, progress)
    else:
        embedded.record_networks(
            recorder,
            cell.seed,
            config.steps,
            config.network_runs,
            progress,
            width=config.width,
            precision=config.precision,
        )
    return recorder.tables()


def _ask(cell: Cell, ctx: Context) -> Tables:
    from doxa.society.herding.exact_study import world
    from doxa.society.herding.spoken import Spoken, record_tables
    from doxa.society.herding.spoken_sequences import record_direct
    from doxa.subjects.base import Capability, Sampling, require

    config, recorder = ctx.config, ctx.recorder()
    subject, reader = ctx.subject(config.subject), ctx.subject(config.reader or config.subject)
    for one in (subject, reader):
        require(one, Capability.REPLY)
    spoken = Spoken(
        subject=subject,
        reader=reader,
        model=world(config.k, config.p, config.delta),
        sampling=Sampling(config.temperature, config.max_tokens, seed=cell.seed),
        keep=ctx.parts,
        **{
            name: getattr(config, name)
            for name in ("beliefs", "precisions", "repeats", "messages", "show_belief")
        },
    )

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if "aim" in cell.params:
        record_direct(
            recorder,
            spoken,
            str(cell.params["aim"]),
            str(cell.params["setting"]),
            config.sequences,
            config.sequence_agents,
            progress,
        )
    else:
        record_tables(recorder, spoken, progress)
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments against the spec's bounds, or a subject beside the published findings."""
    if config.subject:
        from doxa.society.herding.spoken_report import spoken_findings

        return spoken_findings(tables)
    from doxa.society.herding.embedded_report import embedded_findings

    return embedded_findings(tables)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw policies with their phases, values, sample paths, welfare, and what was learnt; or what a subject did."""
    if config.subject:
        from doxa.society.herding.spoken_report import spoken_figures

        return spoken_figures(tables)
    from doxa.society.herding.pictures import embedded_figures

    return embedded_figures(tables)
