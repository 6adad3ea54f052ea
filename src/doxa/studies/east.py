"""EAST: one direction in a model's activations makes an agent less sure of its action, where temperature does not.

Rahn, D'Oro and Bellemare, Controlling Large Language Model Agents with Entropic Activation Steering
(arXiv:2406.00244).

Embedded: a small network learns to speak and act like an over-confident player of bandits; the entropy-weighted
direction is fitted on its own play and added while it generates, beside shuffled, random, label-shuffled and
uncentred vectors and beside temperature. With ``subject``, the same on a model of the user's that is asked in English.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies
from doxa.protocols.bandit.embedded_report import EDGE_ROUNDS, Bounds, embedded_figures, embedded_findings
from doxa.protocols.bandit.published_report import subject_figures, subject_findings
from doxa.protocols.bandit.text import WORDINGS
from doxa.streams import stream
from doxa.worlds.bandit_tokens import HISTORIES

Part: TypeAlias = Literal["embedded", "subject"]

STEPS = (-0.5, 0.0, 0.5, 1.0)
"""Multipliers over which entropy and doubt must rise throughout, in mean activation norms."""
BOUNDS = Bounds(steps=STEPS, tracks=0.8, valid=0.99, tolerance_nats=0.05, transferred=0.5, uniform_regret=5.0)
"""Bounds of the spec, fixed before any run; it says "tracks" without a number, 0.8 is ours."""
MATCHED = 0.95
"""Share of valid completions at which steering and temperature are compared."""

STUDENT = ("history", "rounds", "steps", "batch", "width", "layers", "heads", "peak_rate", "precision")
SWEEP = ("multipliers", "multiplier", "temperatures")
SIZES = ("runs", "samples", "prompts", "prompt_samples", "control_draws", "played", "trace_samples")
ASKED = (
    *("wording", "subject_history", "subject_rounds", "subject_runs", "subject_samples", "held_runs"),
    *("subject_prompts", "subject_prompt_samples", "subject_layers", "subject_multipliers"),
    *("subject_temperatures", "subject_controls", "subject_played", "traced", "max_tokens", "vectors"),
)

PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": ("networks trained here, without a subject", ("seeds", *STUDENT, *SWEEP, *SIZES)),
    "subject": ("a subject that is asked in English", ("subject", *ASKED)),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "east",
    paper="arXiv:2406.00244",
    room="lens",
    claim="adding one entropy-weighted direction makes an agent explore, where temperature only breaks its text",
    presets={
        "quick": {
            "seeds": 2,
            "steps": 500,
            "batch": 64,
            "runs": 24,
            "samples": 12,
            "prompts": 48,
            "prompt_samples": 8,
            "control_draws": 5,
            "played": 16,
            "trace_samples": 8,
            "subject_runs": 3,
            "subject_rounds": 6,
            "subject_samples": 4,
            "held_runs": 4,
            "subject_prompts": 12,
            "subject_prompt_samples": 4,
            "subject_multipliers": (2.0,),
            "subject_temperatures": (1.5,),
            "subject_played": 3,
        },
        "paper": {
            "seeds": 20,
            "subject_runs": 65,
            "subject_rounds": 50,
            "subject_samples": 25,
            "subject_prompts": 100,
            "held_runs": 20,
            "subject_prompt_samples": 15,
            "subject_multipliers": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0),
            "subject_temperatures": (1.1, 1.3, 1.5, 2.0, 2.5, 3.0),
            "subject_played": 20,
        },
    },
)
class Config:
    """The settings of the embedded experiment and of asking a subject."""

    seed: int = setting(0, "seed of the first network, of prompts, rewards and samples")
    seeds: int = setting(5, "networks", unit="seeds", minimum=1)
    history: str = setting(
        "summary",
        "what a prompt tells the network of the past; rounds needs many more steps",
        choices=HISTORIES,
    )
    rounds: int = setting(25, "rounds of an episode", unit="rounds", minimum=2 * EDGE_ROUNDS, paper=50)
    steps: int = setting(1500, "optimiser steps of a network", unit="steps", minimum=1)
    batch: int = setting(128, "texts of a step", unit="texts", minimum=1)
    width: int = setting(48, "width of the network", minimum=8)
    layers: int = setting(3, "blocks of the network", minimum=1)
    heads: int = setting(4, "attention heads of a block", minimum=1)
    peak_rate: float = setting(3e-3, "highest learning rate of the one-cycle schedule", minimum=0)
    precision: str = setting("float32", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    runs: int = setting(65, "logged episodes a vector is fitted on", unit="episodes", minimum=2, paper=65)
    samples: int = setting(25, "completions of each logged prompt", unit="completions", minimum=2, paper=25)
    prompts: int = setting(100, "prompts to choose on, and as many others to judge", minimum=8, paper=100)
    prompt_samples: int = setting(15, "completions of each of them", unit="completions", minimum=2, paper=15)
    multipliers: tuple[float, ...] = setting(
        (-0.5, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
        "of the vector, in mean activation norms; -0.5, 0.5 and 1 among them",
    )
    multiplier: float = setting(
        0.5, "multiplier of controls, transfer and episodes, one of the multipliers", minimum=0
    )
    temperatures: tuple[float, ...] = setting(
        (1.1, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0), "of sampling without steering", minimum=0.01
    )
    control_draws: int = setting(8, "control vectors of each kind", unit="draws", minimum=5)
    played: int = setting(64, "episodes with and without steering", unit="episodes", minimum=1)
    trace_samples: int = setting(
        20, "continuations after each token of a traced thought", minimum=1, paper=20
    )
    subject: str = setting("", "address of a model to ask in English; empty runs the embedded experiment")
    wording: str = setting("buttons", "of the task", choices=tuple(WORDINGS))
    subject_history: str = setting(
        "rounds",
        "rounds tells a subject all earlier answers, summary pulls and mean payoffs",
        choices=HISTORIES,
    )
    subject_rounds: int = setting(25, "rounds of a subject's episode", unit="rounds", minimum=3, paper=50)
    subject_runs: int = setting(8, "logged episodes of a subject", unit="episodes", minimum=1, paper=65)
    subject_samples: int = setting(10, "completions of each logged prompt", minimum=2, paper=25)
    held_runs: int = setting(8, "episodes that give prompts for the sweep", unit="episodes", minimum=2)
    subject_prompts: int = setting(40, "prompts of the sweep, half to choose on", minimum=2, paper=100)
    subject_prompt_samples: int = setting(10, "completions of each of them", minimum=2, paper=15)
    subject_layers: tuple[int, ...] = setting(
        (), "layers to steer, counted from 0; empty takes three", minimum=0
    )
    subject_multipliers: tuple[float, ...] = setting(
        (1.0, 2.0, 4.0, 6.0), "of the raw vector", minimum=0, paper=(1, 2, 3, 4, 5, 6)
    )
    subject_temperatures: tuple[float, ...] = setting(
        (1.25, 1.5, 2.0), "of sampling without steering", minimum=0.01, paper=(1.0, 3.0)
    )
    subject_controls: int = setting(2, "shuffled vectors", unit="draws", minimum=1)
    subject_played: int = setting(8, "episodes with and without steering", unit="episodes", minimum=0)
    traced: int = setting(0, "thoughts whose tokens are traced; each asks 20 completions a token", minimum=0)
    max_tokens: int = setting(200, "longest completion", unit="tokens", minimum=1)
    vectors: str = setting("", "folder to write the fitted vectors to, as safetensors; empty writes none")


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per network, or one for the subject."""
    part = part_of(config)
    check(config, part)
    if part == "subject":
        yield Cell("subject", config.seed, ("subject", *ASKED), subjects=(config.subject,))
        return
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("embedded", seed, (*STUDENT, *SWEEP, *SIZES))


def part_of(config: Any) -> Part:
    """Return which part of the study a config asks for."""
    return "subject" if config.subject else "embedded"


def check(config: Any, part: Part) -> None:
    """Raise InputError if a setting was changed that this part does not use, or a finding would have no rows."""
    studies.get("east").refuse_unused(config, PARTS, part)
    if part == "subject":
        return
    for multiplier in (*(step for step in STEPS if step), config.multiplier):
        if multiplier not in config.multipliers:
            raise InputError(
                f"multipliers={config.multipliers}: {multiplier:g} must be among them; findings are read there"
            )


def run(cell: Cell, ctx: Context) -> Tables:
    """Train and steer one network, or ask one subject."""
    return run_subject(ctx, cell.seed) if cell.condition == "subject" else run_embedded(ctx, cell.seed)


def run_embedded(ctx: Context, seed: int) -> Tables:
    """Train one network on the teacher's texts, fit its vectors and measure everything."""
    from doxa.protocols.bandit.embedded import Experiment, Sizes, Sweep, record_experiment
    from doxa.worlds.bandit_teacher import train_students
    from doxa.worlds.bandit_tokens import BanditTokens

    config, recorder = ctx.config, ctx.recorder()
    layout = BanditTokens(config.history, config.rounds)
    shape = ("steps", "batch", "width", "layers", "heads", "peak_rate", "precision")
    students = train_students(
        layout,
        [seed],
        **{name: getattr(config, name) for name in shape},
        progress=lambda done, total: ctx.progress(0.5 * done, float(total), "training"),
    )
    recorder.measure("loss", float(students.loss[0, -1]), subject="bandit student", unit="nats")
    sizes = Sizes(**{name: getattr(config, name) for name in SIZES})
    sweep = Sweep(tuple(range(config.layers)), config.multipliers, config.multiplier, config.temperatures)
    experiment = Experiment(students.net.export(0), layout, seed, sizes, sweep)
    record_experiment(recorder, experiment, lambda share, note: ctx.progress(0.5 + 0.5 * share, 1.0, note))
    return recorder.tables()


def run_subject(ctx: Context, seed: int) -> Tables:
    """Log, heat and, where weights are open, steer a subject."""
    from doxa.protocols.bandit.published import SubjectPlan, record_subject

    config, recorder = ctx.config, ctx.recorder()
    told = {
        name.removeprefix("subject_"): getattr(config, name)
        for name in ASKED
        if name not in ("subject_controls",)
    }
    plan = SubjectPlan(**told, control_draws=config.subject_controls)
    record_subject(
        recorder,
        ctx.subject(config.subject),
        plan,
        seed,
        lambda share, note: ctx.progress(share, 1.0, note),
        ctx.parts,
    )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the networks against the spec's bounds, or a subject by its episodes."""
    if part_of(config) == "subject":
        rng = stream(config.seed, "east", "bootstrap")
        return subject_findings(tables, least_validity=MATCHED, tolerance_nats=BOUNDS.tolerance_nats, rng=rng)
    return embedded_findings(tables, BOUNDS)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw the sweeps, the map of layers, episodes, traced thoughts and words."""
    if part_of(config) == "subject":
        return subject_figures(tables)
    return embedded_figures(tables, config.multiplier)
