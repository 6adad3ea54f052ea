"""Affect dynamics: a mood with memory around a language model, told to it in words, and what it does to long talks.

Sukesh Subaharan, Controlling Long-Horizon Behavior in Language Model Agents with Explicit State Dynamics
(arXiv:2601.16087).

Embedded: the rules as numbers alone; dialogues of a small language model that was trained on the spot, in the paper's
four conditions and with controls; a mood that hears its own replies; and the trade between calm and quickness. With
``subject``, the dialogues of a language model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies

if TYPE_CHECKING:
    from doxa.protocols.affect import DialogueScript
    from doxa.protocols.affect_dynamics.dialogue_report import Held

Part: TypeAlias = Literal["embedded", "subject"]
EXPERIMENTS = ("linear", "dialogue", "feedback", "sweep")
DIALOGUE = ("mus", "eps")
MODEL = ("steps", "batch", "earlier", "dialogues", "steering", *DIALOGUE)
FEEDBACK = ("gains", "replicates", "loop_turns", "replies")
SWEEP = ("sweep_mus", "alphas")
ASKED = (
    *("subject", "scripts", "controls", "source", "user_weight", "estimator", "style", "position", "memory"),
    *("instruction", "channel", "layers", "strength", "temperature", "max_tokens"),
)
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": ("the embedded experiments", ("seeds", "parts", "linear_mus", *MODEL, *FEEDBACK, *SWEEP)),
    "subject": ("a subject's dialogues", ("seeds", *ASKED, *DIALOGUE)),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "affect-dynamics",
    paper="arXiv:2601.16087",
    room="dynamics",
    claim="an explicit mood with memory, told to a model in words, gives delayed, coherent and recoverable behaviour",
    presets={
        "quick": {
            "seeds": 2,
            "steps": 300,
            "batch": 32,
            "dialogues": 1,
            "gains": (0.2, 1.4),
            "replicates": 2,
            "loop_turns": 18,
            "replies": 8,
            "sweep_mus": (0.0, 0.5, 0.8, 0.95),
            "alphas": (0.1, 0.3, 1.0),
        },
        "paper": {"steps": 900, "dialogues": 10},
    },
)
class Config:
    """The settings of the embedded experiments and of a subject's dialogues."""

    seed: int = setting(0, "seed of the first model or dialogue, and of all noise")
    seeds: int = setting(
        5, "models that are trained, or a subject's dialogues of each condition", minimum=2, paper=5
    )
    parts: tuple[str, ...] = setting(EXPERIMENTS, "which embedded experiments to run", choices=EXPERIMENTS)
    mus: tuple[float, ...] = setting(
        (0.8, 0.95), "momenta of the second order, increasing", minimum=0.01, maximum=0.99, paper=(0.8, 0.95)
    )
    eps: float = setting(
        0.1, "distance from the baseline that counts as recovered", unit="valence", minimum=0
    )
    linear_mus: tuple[float, ...] = setting(
        (0.0, 0.5, 0.8, 0.95), "momenta under the plain shock, increasing", minimum=0, maximum=0.99
    )
    steps: int = setting(600, "optimiser steps of the small model", unit="steps", minimum=1)
    batch: int = setting(48, "talks of a step", minimum=1)
    earlier: int = setting(0, "earlier exchanges that the small model learns to see, and is shown", minimum=0)
    dialogues: int = setting(5, "dialogues of each condition and model", minimum=1, paper=5)
    steering: float = setting(4.0, "strength of the steered channel at valence 1; 0 leaves it out", minimum=0)
    gains: tuple[float, ...] = setting(
        (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4), "gains of the loop, increasing", minimum=0.01, maximum=10
    )
    replicates: int = setting(4, "talks from each start at each gain", minimum=2)
    loop_turns: int = setting(40, "turns of a talk in the loop; the last third is measured", minimum=6)
    replies: int = setting(24, "replies to each state of the response curve", minimum=1)
    sweep_mus: tuple[float, ...] = setting(
        (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        "momenta of the grid, increasing",
        minimum=0,
        maximum=0.99,
    )
    alphas: tuple[float, ...] = setting(
        (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0), "gains of the grid, increasing", minimum=0.01, maximum=1
    )
    subject: str = setting("", "address of a model whose dialogues are held; empty trains the small one")
    scripts: tuple[str, ...] = setting(
        ("philosophy",), "the user's scripts, by name or .json file; claims are judged on the first"
    )
    controls: bool = setting(True, "whether the controls are held too, which doubles the calls")
    source: str = setting("user", "whose texts move the mood", choices=("user", "reply", "both"))
    user_weight: float = setting(0.5, "share of the user's text where both move it", minimum=0, maximum=1)
    estimator: str = setting("vader", "reads the texts", choices=("vader", "embedding"))
    style: str = setting(
        "verbal",
        "how the state is told; micro is for organisms",
        choices=("verbal", "numeric", "both", "micro"),
    )
    position: str = setting("system", "where the state is told", choices=("system", "user"))
    memory: int | None = setting(
        None, "turns a subject is shown beside the user's message; none shows all", minimum=0
    )
    instruction: str = setting("", "a system message before all else")
    channel: str = setting(
        "prompt", "tells the state, or steers open weights by it", choices=("prompt", "steering")
    )
    layers: tuple[int, ...] = setting((), "blocks that are steered; empty takes the middle one", minimum=0)
    strength: float = setting(1.0, "strength of the steering vector at valence 1", minimum=0)
    temperature: float = setting(0.7, "of a subject's replies", minimum=0)
    max_tokens: int = setting(128, "longest reply of a subject", unit="tokens", minimum=1)


def part_of(config: Any) -> Part:
    """Return which part of the study a config asks for."""
    return "subject" if config.subject else "embedded"


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for the numbers alone and one for each model and each grid's noise; or one for each dialogue."""
    part = part_of(config)
    check(config, part)
    own = range(config.seed, config.seed + config.seeds)
    if part == "subject":
        for seed in own:
            yield Cell(
                "dialogue", seed, (*ASKED, *DIALOGUE), _scripts_digest(config), subjects=(config.subject,)
            )
        return
    if "linear" in config.parts:
        yield Cell("linear", config.seed, ("linear_mus",))
    trained = tuple(part for part in ("dialogue", "feedback") if part in config.parts)
    for seed in own:
        if trained:
            uses = (*MODEL, *(FEEDBACK if "feedback" in trained else ()))
            yield Cell("model", seed, uses, {"parts": list(trained)})
        if "sweep" in config.parts:
            yield Cell("sweep", seed, SWEEP)


def check(config: Any, part: Part) -> None:
    """Raise InputError if a setting was changed that this part does not use, or one is out of order."""
    studies.get("affect-dynamics").refuse_unused(config, PARTS, part)
    for name in ("mus", "linear_mus", "gains", "sweep_mus", "alphas"):
        values = getattr(config, name)
        if len(values) < 2 or list(values) != sorted(set(values)):
            raise InputError(f"{name}={values}: give two or more, increasing")
    if part == "subject":
        if not config.scripts or len(set(config.scripts)) != len(config.scripts):
            raise InputError(f"scripts={config.scripts}: give one or more, each once")
        for name in config.scripts:
            script_of(name)


def script_of(name: str) -> DialogueScript:
    """Return a script by its name or file."""
    from doxa.protocols.affect import DialogueScript

    return DialogueScript.load(name)


def _scripts_digest(config: Any) -> dict[str, Json]:
    """Return what tells scripts in files from what was in them before."""
    from doxa.canonical import digest

    return {"scripts": digest([script_of(name).as_json() for name in config.scripts], length=16)}


def run(cell: Cell, ctx: Context) -> Tables:
    """Compute, train and talk, or ask."""
    recorder, config = ctx.recorder(), ctx.config

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if cell.subjects:
        from doxa.protocols.affect_dynamics.asked import record_asked

        settings = {name: getattr(config, name) for name in (*ASKED, *DIALOGUE)}
        record_asked(recorder, ctx.subject(config.subject), cell.seed, settings, progress)
    elif cell.condition == "linear":
        from doxa.protocols.affect_dynamics.linear import record_linear

        record_linear(recorder, config.linear_mus, cell.seed)
    elif cell.condition == "sweep":
        from doxa.protocols.affect_dynamics.linear import record_sweep

        record_sweep(recorder, config.sweep_mus, config.alphas, cell.seed)
    else:
        from doxa.protocols.affect_dynamics.embedded import LoopSizes, Sizes, record_embedded

        trained: Any = cell.params["parts"]
        loop = None
        if "feedback" in trained:
            loop = LoopSizes(config.gains, config.replicates, config.loop_turns, config.replies)
        sizes = Sizes(**{name: getattr(config, name) for name in MODEL})
        record_embedded(recorder, cell.seed, sizes, "dialogue" in trained, loop, progress, ctx.parts.folder)
    return recorder.tables()


def held_of(tables: Tables, config: Any) -> Held:
    """Return the dialogues that a run held, for its findings and figures."""
    from doxa.protocols.affect_dynamics.dialogue_report import Held

    if part_of(config) == "subject":
        return Held(tables, script_of(config.scripts[0]), config.mus, "dialogues")
    from doxa.protocols.affect_dynamics.embedded import MAIN

    return Held(tables, script_of(MAIN), config.mus, "models")


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments, or a subject's dialogues, by the spec's bounds and ours."""
    from doxa.protocols.affect_dynamics import dialogue_report, feedback_report, linear_report

    held = held_of(tables, config)
    if part_of(config) == "subject":
        return dialogue_report.dialogue_findings(held, controls=config.controls)
    found: list[Finding] = []
    if "linear" in config.parts:
        found += linear_report.linear_findings(tables)
    if "dialogue" in config.parts:
        found += [*dialogue_report.dialogue_findings(held), *dialogue_report.model_findings(held)]
    if "feedback" in config.parts:
        found += feedback_report.feedback_findings(tables)
    if "sweep" in config.parts:
        found += linear_report.sweep_findings(tables)
    return found


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw valence over turns with its phases, loops, the bifurcation and the trade-off."""
    from doxa.protocols.affect_dynamics import pictures

    return [
        *pictures.linear_figures(tables),
        *pictures.dialogue_figures(held_of(tables, config)),
        *pictures.feedback_figures(tables),
        *pictures.sweep_figures(tables),
    ]
