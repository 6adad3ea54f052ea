"""Dynamical linear bandits: who reads each reward as the worth of the last action is misled by what went before.

Marco Mussi, Alberto Maria Metelli and Marcello Restelli, Dynamical Linear Bandits (arXiv:2211.08997; ICML 2023).

Embedded: a million rounds of the paper's system at three noise levels, radii told wrongly, the system identified from
real spending, identification, and populations that are persuaded: one that is such a bandit exactly, one that is not.
With ``subject``, the population is a language model's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import check, locate, named
from doxa.lab.declaration import studies
from doxa.subjects.addresses import form

SLUG = "dynamical-linear-bandits"
Part: TypeAlias = Literal["embedded", "subject"]
EXPERIMENTS = ("synthetic", "radius", "real", "identification", "persuasion")
REAL = "testcase_realdata.json"
PLAYED = ("horizon", "agents")
RADIUS = ("radius_horizon", "radius_noise")
CROWDS = ("crowd_horizon", "crowd_rounds")
ASKED = (
    *("subject", "people", "rounds", "pilot", "messages", "topic"),
    *("memory", "beta_scale", "temperature", "max_tokens"),
)
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": (
        "the embedded experiments, without a subject",
        ("seeds", "parts", "noises", *RADIUS, *PLAYED, *CROWDS),
    ),
    "subject": ("a subject's population", (*ASKED, "runs")),
}
"""What each part measures, and the settings it uses beside the seed."""
AGENTS = (
    *("DynLin-UCB", "DynLin-UCB, λ = 1", "LinUCB", "D-LinUCB"),
    *("EXP3", "B-EXP3", "AR2", "UCB1", "clairvoyant"),
)


@study(
    SLUG,
    paper="arXiv:2211.08997",
    room="worlds",
    claim="holding each action longer and longer makes regret sublinear where effects are delayed; others stay linear",
    presets={
        "quick": {
            "seeds": 2,
            "agents": ("DynLin-UCB", "LinUCB", "clairvoyant"),
            "radius_horizon": 50_000,
            "crowd_horizon": 20_000,
            "crowd_rounds": 400,
        },
        "paper": {"seeds": 50},
    },
)
class Config:
    """The settings of the embedded experiments and of persuading a subject."""

    seed: int = setting(0, "seed of the first trial, of noise, draws and populations")
    seeds: int = setting(10, "trials", unit="trials", minimum=2, paper=50)
    parts: tuple[str, ...] = setting(
        EXPERIMENTS, "embedded experiments; real needs the data set", choices=EXPERIMENTS
    )
    noises: tuple[float, ...] = setting(
        (0.001, 0.01, 0.1), "σ of the synthetic system", minimum=1e-6, paper=(0.001, 0.01, 0.1)
    )
    horizon: int = setting(1_000_000, "rounds of a trial", unit="rounds", minimum=1000, paper=1_000_000)
    agents: tuple[str, ...] = setting(AGENTS, "who plays the synthetic and the real system", choices=AGENTS)
    radius_horizon: int = setting(
        1_000_000, "rounds where the radius is told wrongly", unit="rounds", minimum=1000
    )
    radius_noise: float = setting(0.01, "σ where the radius is told wrongly", minimum=1e-6)
    crowd_horizon: int = setting(
        100_000, "rounds in which DeGroot's people are persuaded", unit="rounds", minimum=1000
    )
    crowd_rounds: int = setting(
        3000, "rounds in which people of bounded confidence are persuaded", unit="rounds", minimum=200
    )
    subject: str = setting("", "address of a model that is everybody; empty runs the embedded experiments")
    people: int = setting(4, "people of a subject's population", unit="people", minimum=1)
    rounds: int = setting(300, "rounds in which an agent persuades them", unit="rounds", minimum=6)
    pilot: int = setting(
        20, "rounds for which each message is held, to find ρ̄ and its worth", unit="rounds", minimum=4
    )
    runs: int = setting(1, "populations", unit="populations", minimum=1)
    messages: str = setting("", "text file of messages of your own, one a line; empty takes the four shipped")
    topic: str = setting("", "a proposal of your own, one sentence; empty takes the shipped one")
    memory: int = setting(6, "earlier messages that a person remembers", unit="messages", minimum=0)
    beta_scale: float = setting(
        0.1, "share of the theory's width that is used; the whole says nothing at 300 rounds", minimum=1e-6
    )
    temperature: float = setting(
        0.0, "of replies; at 0 the same state and message are asked about once", minimum=0
    )
    max_tokens: int = setting(120, "longest reply", unit="tokens", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell for each experiment and trial, or one for each population of a subject."""
    part: Part = "subject" if config.subject else "embedded"
    studies.get(SLUG).refuse_unused(config, PARTS, part)
    if part == "subject":
        yield from _asking(config)
        return
    here = check(SLUG).good
    data: dict[str, Json] = {"data": named(SLUG).digest}
    for seed in range(config.seed, config.seed + config.seeds):
        if "synthetic" in config.parts:
            for sigma in config.noises:
                yield Cell(f"synthetic, σ = {sigma:g}", seed, PLAYED, {"sigma": sigma})
        if "radius" in config.parts:
            yield Cell("radius", seed, RADIUS)
        if "real" in config.parts and here:  # without the data its claims are unresolved and name the command
            yield Cell("real", seed, PLAYED, data)
        if "identification" in config.parts:
            yield Cell("identification", seed)
        if "persuasion" in config.parts:
            yield Cell("persuasion", seed, CROWDS)


def _asking(config: Config) -> Iterable[Cell]:
    if form(config.subject) == "micro":
        raise InputError(
            f"subject={config.subject}: speaks micro-English, which has no words for messages and ratings; "
            "give a model that speaks English"
        )
    params: dict[str, Json] = {}
    if config.messages:
        from doxa.society.opinion_bandits.spoken import read_messages

        params["messages"] = digest(list(read_messages(config.messages)), length=16)
    for seed in range(config.seed, config.seed + config.runs):
        yield Cell("population", seed, ASKED, params, subjects=(config.subject,))


def run(cell: Cell, ctx: Context) -> Tables:
    """Play, identify, or persuade."""
    config, recorder = ctx.config, ctx.recorder()

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if cell.subjects:
        _persuade(cell, ctx, recorder, progress)
        return recorder.tables()
    from doxa.worlds.linear_bandits import experiments

    match cell.condition:
        case "radius":
            experiments.record_radius(
                recorder, cell.seed, config.radius_horizon, config.radius_noise, progress
            )
        case "real":
            path = locate(SLUG) / REAL
            experiments.record_real(recorder, cell.seed, path, config.horizon, config.agents, progress)
        case "identification":
            experiments.record_identification(recorder, cell.seed)
        case "persuasion":
            from doxa.society.opinion_bandits import experiment

            experiment.record_crowd(recorder, cell.seed, config.crowd_horizon, progress)
            experiment.record_confident(recorder, cell.seed, config.crowd_rounds, progress)
        case _:
            sigma = float(str(cell.params["sigma"]))
            experiments.record_synthetic(recorder, cell.seed, sigma, config.horizon, config.agents, progress)
    return recorder.tables()


def _persuade(cell: Cell, ctx: Context, recorder: Any, progress: Any) -> None:
    from doxa.society.opinion_bandits import spoken
    from doxa.subjects.base import Capability, Sampling, require

    config = ctx.config
    subject = ctx.subject(config.subject)
    require(subject, Capability.REPLY)
    crowd = spoken.SpokenCrowd(
        subject=subject,
        people=config.people,
        messages=spoken.read_messages(config.messages) if config.messages else spoken.MESSAGES,
        topic=config.topic or spoken.TOPIC,
        memory=config.memory,
        sampling=Sampling(config.temperature, config.max_tokens, seed=cell.seed),
        keep=ctx.parts,
    )
    spoken.record_spoken(
        recorder,
        crowd,
        config.subject,
        rounds=config.rounds,
        pilot=config.pilot,
        beta_scale=config.beta_scale,
        progress=progress,
    )


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments against the spec's bounds, or a subject's population."""
    if config.subject:
        from doxa.society.opinion_bandits.spoken_report import spoken_findings

        return spoken_findings(tables)
    from doxa.society.opinion_bandits.report import crowd_findings
    from doxa.worlds.linear_bandits.report import world_findings

    found = world_findings(tables, config.parts, config.agents)
    return [*found, *(crowd_findings(tables) if "persuasion" in config.parts else ())]


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw what was run, both noise regimes side by side, or a subject's population."""
    if config.subject:
        from doxa.society.opinion_bandits.spoken_report import spoken_figures

        return spoken_figures(tables)
    from doxa.society.opinion_bandits.report import crowd_figures
    from doxa.worlds.linear_bandits.study_pictures import world_figures

    return [*world_figures(tables), *crowd_figures(tables)]
