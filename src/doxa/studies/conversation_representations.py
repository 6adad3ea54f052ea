"""Conversation representations: a straight direction for factual answers can turn round while a conversation grows.

Lampinen, Li, Hosseini, Bhardwaj and Shanahan, Linear representations in language models can change dramatically over a
conversation (arXiv:2601.20834).

Embedded: small networks learn token dialogues in which a talk's rules differ from talk to talk; probes fitted on
generic questions are followed over an opposite day, a role-play, the same content as a story, and a role-play on a
topic that was never role-played. With ``subject``, scripted conversations are replayed on a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies
from doxa.nets.plan import NetShape
from doxa.protocols import roleplay
from doxa.protocols.roleplay.embedded_pictures import embedded_figures
from doxa.protocols.roleplay.embedded_report import Bounds, embedded_findings
from doxa.protocols.roleplay.published_report import published_figures, published_findings
from doxa.subjects.addresses import form
from doxa.worlds.dialogues import DialogueWorld

BOUNDS = Bounds(held_out=0.95, permuted=(0.4, 0.6), random=0.05)
"""Bounds of the spec, fixed before any run: held-out accuracy of the robust probe at the last layer is at least 0.95,
that of permuted labels about one half. Ours: fewer than 5 % of random directions would pass for turned by the
role-play. All other claims are signs of margins."""

PAPER = {
    ("facts", "empty"): 0.990,
    ("facts", "opposite-day"): 0.118,
    ("facts", "consciousness"): 0.950,
    ("identity", "empty"): 0.900,
    ("identity", "opposite-day"): 0.267,
    ("identity", "consciousness"): 0.867,
    ("consciousness", "empty"): 0.864,
    ("consciousness", "consciousness"): 0.364,
}
"""Behavioural accuracy of Gemma-3 27B (the paper's table 1), by kind of question and context; its questions and
conversations are not ours."""

WORLD = ("document_tokens", "questions_per_topic")
TRAINING = ("steps", "batch", "width", "layers", "heads", "peak_rate", "precision")
READING = ("topic", "control_topic", "restarts")
ASKING = ("subject", "questions", "generic", "turns", "readouts", "penalty", "reply_tokens")

PARTS = {
    "embedded": ("the embedded experiment, without a subject", ("seeds", *WORLD, *TRAINING, *READING)),
    "subject": ("a subject", (*ASKING, "conversations", "turns")),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "conversation-representations",
    paper="arXiv:2601.20834",
    room="lens",
    claim="what a factuality direction says of a conversation's own topic can invert while generic facts stay",
    presets={
        "quick": {
            "seeds": 2,
            "questions_per_topic": 4,
            "document_tokens": 36,
            "steps": 1000,
            "batch": 24,
            "peak_rate": 5e-3,
            "precision": "auto",
            "restarts": 20,
            "turns": "ends",
        },
        "paper": {"seeds": 20, "turns": "all"},
    },
)
class Config:
    """The settings of the embedded experiment and of replaying conversations on a model."""

    seed: int = setting(0, "seed of the first replicate, of held-out questions and of the bootstrap")
    seeds: int = setting(5, "independent trainings", unit="seeds", minimum=1)
    topic: int = setting(
        4, "topic of the role-play and the story, role-played in training", minimum=1, maximum=8
    )
    control_topic: int = setting(
        10, "topic of the control, never role-played in training", minimum=9, maximum=12
    )
    questions_per_topic: int = setting(8, "yes/no questions of a topic", unit="questions", minimum=4)
    document_tokens: int = setting(44, "length of a training document", unit="tokens", minimum=36)
    steps: int = setting(2600, "optimiser steps of a training", unit="steps", minimum=1)
    batch: int = setting(48, "documents of a step", unit="documents", minimum=1)
    width: int = setting(64, "width of the network", minimum=8)
    layers: int = setting(4, "blocks of the network", minimum=3)
    heads: int = setting(4, "attention heads of a block", minimum=1)
    peak_rate: float = setting(3e-3, "highest learning rate of the one-cycle schedule", minimum=0)
    precision: str = setting("float32", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    restarts: int = setting(100, "random starts of the unsupervised search", minimum=1, paper=100)
    subject: str = setting(
        "", "address of a model to replay conversations on; empty runs the embedded experiment"
    )
    conversations: tuple[str, ...] = setting(
        roleplay.CONVERSATIONS, "shipped conversations by name, or JSON files", paper="not released"
    )
    questions: str = setting(
        "shipped", "question sets: the shipped ones, or a CSV file", paper="not released"
    )
    generic: str = setting("facts", "name of the set that probes are fitted on")
    turns: str = setting(
        "all", "turns, or plies, to ask after: all of them, or the two ends", choices=("all", "ends")
    )
    readouts: tuple[str, ...] = setting(
        ("stated", "behavioural", "internal"),
        "what is read; internal is left out where weights are closed",
        choices=("stated", "behavioural", "internal"),
    )
    reply_tokens: int = setting(
        0, "longest own reply put in place of the script's; 0 replays the script", unit="tokens", minimum=0
    )
    penalty: float = setting(1.0, "ridge of the logistic probe, 1 / C", minimum=1e-6)


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per training, or one per conversation of a subject."""
    check(config)
    if not config.subject:
        for seed in range(config.seed, config.seed + config.seeds):
            yield Cell("embedded", seed, (*WORLD, *TRAINING, *READING))
        return
    for source in config.conversations:
        talk = roleplay.load_conversation(source)
        params: dict[str, Json] = {
            "source": source,
            "data": roleplay.used_digest(talk, config.questions, config.generic),
        }
        yield Cell(talk.id, config.seed, ASKING, params, subjects=(config.subject,))


def check(config: Any) -> None:
    """Raise InputError if a setting was changed that this part does not use, or a set or file is not there."""
    part = "subject" if config.subject else "embedded"
    studies.get("conversation-representations").refuse_unused(config, PARTS, part)
    if not config.subject:
        NetShape(world(config, 0).vocabulary, width=config.width, layers=config.layers, heads=config.heads)
        return
    roleplay.check_files(config.conversations, config.questions, config.generic)
    if form(config.subject) == "micro":
        raise InputError(
            f"subject={config.subject}: speaks micro-English, and the conversations are plain English; "
            "the same protocol in micro-English is part of: doxa audit " + config.subject
        )


def world(config: Any, seed: int) -> DialogueWorld:
    """Return the world of a training."""
    return DialogueWorld(
        seed, questions_per_topic=config.questions_per_topic, document_tokens=config.document_tokens
    )


def run(cell: Cell, ctx: Context) -> Tables:
    """Train and read one network, or replay one conversation on a subject."""
    return replay(cell, ctx) if "source" in cell.params else train(cell, ctx)


def train(cell: Cell, ctx: Context) -> Tables:
    """Train one network on token dialogues, fit its probes and replay every script."""
    from doxa.protocols.roleplay.embedded import record_dialogues
    from doxa.worlds.dialogue_learners import train_dialogue_models

    config, recorder = ctx.config, ctx.recorder()
    models = train_dialogue_models(
        world(config, cell.seed),
        **{name: getattr(config, name) for name in TRAINING},
        progress=lambda done, total: ctx.progress(0.9 * done, float(total), "training"),
    )
    recorder.measure("loss", float(models.loss[0, -1]), subject="dialogues", unit="nats")
    record_dialogues(
        recorder,
        models.net.export(0),
        models.worlds[0],
        ctx.rng,
        **{name: getattr(config, name) for name in READING},
    )
    return recorder.tables()


def replay(cell: Cell, ctx: Context) -> Tables:
    """Replay one conversation and record what the subject says, does and holds."""
    from doxa.protocols.roleplay.published import record_replay

    config, recorder = ctx.config, ctx.recorder()
    record_replay(
        recorder,
        ctx.subject(config.subject),
        roleplay.load_conversation(str(cell.params["source"])),
        roleplay.load_questions(config.questions),
        generic=config.generic,
        readouts=config.readouts,
        turns=config.turns,
        penalty=config.penalty,
        reply_tokens=config.reply_tokens,
        seed=cell.seed,
        progress=lambda done, total: ctx.progress(float(done), float(total)),
        keep=ctx.parts,
    )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the trained networks against the spec's claims, or what conversations did to a subject."""
    if config.subject:
        return published_findings(tables, paper=PAPER, seed=config.seed)
    return embedded_findings(tables, BOUNDS, last=config.layers - 1)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw margins over turns, the scores of the answers, layers, and steering; or a subject's three readouts."""
    if config.subject:
        return published_figures(tables)
    return embedded_figures(tables, last=config.layers - 1)
