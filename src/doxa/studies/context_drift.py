"""Context drift: what piles up in the context moves what a model says and does, on topics it never mentions.

Geng, Chen, Liu, Horta Ribeiro, Willer, Neubig and Griffiths, Accumulating Context Changes the Beliefs of Language
Models (arXiv:2511.01805).

Embedded: small networks trained on a corpus whose authors have a hidden leaning read one-sided text about other
topics, beside the exact Bayesian reader and four controls. With ``subject``, a battery of beliefs before and after
reading, persuasion, debate and research; planted subjects and organisms get the micro form.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies
from doxa.nets.plan import NetShape
from doxa.protocols import context_drift as drift
from doxa.protocols.context_drift.embedded import record_models
from doxa.protocols.context_drift.embedded_report import drift_figures, embedded_figures, embedded_findings
from doxa.protocols.context_drift.micro import record_micro
from doxa.protocols.context_drift.outcomes import argued, farthest
from doxa.protocols.context_drift.published import Growth, growth, record_growth
from doxa.protocols.context_drift.published_report import published_figures, published_findings
from doxa.subjects.addresses import form
from doxa.subjects.base import Subject
from doxa.worlds.leaning_corpus import LeaningCorpus

Part: TypeAlias = Literal["embedded", "micro", "published"]

# Bounds of the spec, fixed before any run.
STATED_LEAST = 0.8
"""P(stance) after ``settled`` one-sided statements on other topics is at least this."""
BEHAVIOUR_LEAST, BEHAVIOUR_MOST = 0.60, 0.72
"""P(option) moves the same way, but only this far."""
TOLERANCE = 0.1
"""What must not move stays within this of one half (probability)."""
CONTROL_LENGTH = 16
"""Uncoupled topics and balanced readings are judged up to this many statements."""
SETTLED_BY = 4
"""Statements by which the belief has settled: it moves less than ``TOLERANCE`` from there to ``settled``."""
SHIFT_LEAST = 50.0
"""Percent of contexts arguing against a topic's start that move it, net of the noise floor: a high shift."""
NOISE_POINTS = 15.0
"""A balanced reading moves a real model's battery by less than this, in percentage points of net shift (ours): thirty
items of which none moves leave up to 11.4 points open."""

PAPER_WAYS: tuple[str, ...] = ("debate", "persuasion", "reading", "research")
PAPER: dict[str, tuple[tuple[float, float] | None, ...]] = {
    "gpt-5": ((54.7, 40.6), (72.7, 43.3), (13.5, 10.1), (1.7, 9.9)),
    "claude-4-sonnet": ((24.9, 40.0), (27.2, 37.8), (18.4, 17.8), (10.6, 14.9)),
    "gpt-oss-120b": ((24.4, 17.8), (24.4, 19.4), (6.7, 15.6), (5.3, 10.8)),
    "deepseek-v3.1": ((44.4, 23.9), (37.8, 25.0), (12.2, 9.1), (10.1, 8.1)),
    "gemini-2.5-pro": (None, None, (13.0, 25.6), (9.5, 23.6)),
    "grok-4": (None, None, (27.2, 23.3), (10.8, 24.7)),
}
"""Shift in percent, stated and behavioural, by way of growing the context, from the table on the project's site."""

READINGS = ("reading-conservative", "reading-progressive", "reading-balanced")
WORLD = ("rho", "tau", "noise", "n_topics", "n_coupled", "document_tokens")
TRAINING = ("steps", "batch", "width", "layers", "heads", "peak_rate", "precision")
READING = ("lengths", "contexts", "settled")
GROWING = ("technique", "rounds", "words", "reply_tokens", "max_steps", "mask_share")
ASKING = ("subject", "opponent", "judge", "way", "items", "texts", *GROWING)

PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": ("networks trained here, without a subject", ("seeds", *WORLD, *TRAINING, *READING)),
    "micro": ("subjects that speak micro-English, planted: and organism:", ("subject", *READING)),
    "published": ("models that take the battery, such as hf: or http:", ("accumulators", "limit", *ASKING)),
}
"""What each part of the study measures, and the settings it uses beside the seed."""


@study(
    "context-drift",
    paper="arXiv:2511.01805",
    room="protocols",
    claim="one-sided context moves beliefs and, less, behaviour on topics it never mentions",
    presets={
        "quick": {"seeds": 2, "steps": 1000, "batch": 32, "contexts": 128, "rounds": (2,), "words": (500,)},
        "paper": {
            "rounds": (2, 4, 6, 8, 10),
            "words": (5_000, 10_000, 20_000, 40_000, 80_000),
            "accumulators": ("debate", "persuasion", *READINGS, "research"),
            "way": "text",
        },
    },
)
class Config:
    """The settings of the embedded experiment and of measuring a subject."""

    seed: int = setting(0, "seed of the first replicate, of option orders and of sampled replies")
    seeds: int = setting(5, "independent trainings", unit="seeds", minimum=1)
    rho: float = setting(
        0.85, "how often a coupled topic's side is the document's leaning", minimum=0.5, maximum=1
    )
    tau: float = setting(0.70, "how often a tool option is the topic's side", minimum=0.5, maximum=1)
    noise: float = setting(0.10, "how often a statement is flipped", minimum=0, maximum=0.5)
    n_topics: int = setting(12, "topics in all", minimum=2)
    n_coupled: int = setting(8, "topics that follow the leaning; the others are the control", minimum=2)
    document_tokens: int = setting(40, "length of a training document", unit="tokens", minimum=4)
    steps: int = setting(2000, "optimiser steps of a training", unit="steps", minimum=1)
    batch: int = setting(64, "documents of a step", unit="documents", minimum=1)
    width: int = setting(64, "width of the network", minimum=8)
    layers: int = setting(2, "blocks of the network", minimum=1)
    heads: int = setting(4, "attention heads of a block", minimum=1)
    peak_rate: float = setting(3e-3, "highest learning rate of the one-cycle schedule", minimum=0)
    precision: str = setting("float32", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    lengths: tuple[int, ...] = setting(
        (0, 1, 2, 4, 8, 16, 30), "statements read; 0, 4 and the settled length among them", minimum=0
    )
    settled: int = setting(8, "statements after which the drift is judged", unit="statements", minimum=1)
    contexts: int = setting(256, "contexts of each length and arm", unit="contexts", minimum=16)
    subject: str = setting("", "address of a model to measure; empty runs the embedded experiment")
    opponent: str = setting(
        "", "address of the second debater, or of the persuader; empty lets the subject play both"
    )
    judge: str = setting(
        "", "address of a judge of free responses, and cross-check of tool tasks; empty has none"
    )
    accumulators: tuple[str, ...] = setting(
        READINGS,
        "ways the context grows: reading-<leaning>, reading-balanced, masked-<leaning>, thinned-<leaning>, persuasion, "
        "debate, research",
    )
    technique: str = setting("information", "the persuader's technique", choices=tuple(drift.TECHNIQUES))
    rounds: tuple[int, ...] = setting(
        (2, 4), "rounds of debate and persuasion measured", unit="rounds", minimum=1, paper=(2, 4, 6, 8, 10)
    )
    words: tuple[int, ...] = setting(
        (500, 1000, 2000), "words of a reading measured, as far as the texts go", unit="words", minimum=1,
        paper=(5_000, 10_000, 20_000, 40_000, 80_000),
    )  # fmt: skip
    way: str = setting(
        "auto",
        "read log-probabilities, or replies",
        choices=("auto", "log-probabilities", "text"),
        paper="text",
    )
    items: str = setting(
        drift.SHIPPED,
        "battery: the shipped one, or a JSONL, YAML or JSON file",
        paper="51 topics, 60 dilemmas and queries",
    )
    texts: str = setting(drift.SHIPPED, "texts to read: the shipped ones, or a JSON file")
    limit: int = setting(0, "items of the battery, its first ones; 0 takes all", unit="items", minimum=0)
    reply_tokens: int = setting(200, "longest speech", unit="tokens", minimum=1)
    max_steps: int = setting(8, "tool calls allowed", unit="calls", minimum=1, paper=8)
    mask_share: float = setting(
        0.2, "share of sentences that masked and thinned readings leave out", minimum=0, maximum=0.9
    )


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per training, or per way of growing a subject's context."""
    part = part_of(config)
    check(config, part)
    if part == "embedded":
        for seed in range(config.seed, config.seed + config.seeds):
            yield Cell("embedded", seed, (*WORLD, *TRAINING, *READING))
        return
    if part == "micro":
        yield Cell("micro", config.seed, ("subject", "lengths", "contexts"), subjects=(config.subject,))
        return
    items = drift.load_items(config.items)
    params: dict[str, Json] = {
        "battery": drift.battery_digest(config.items, texts=config.texts),
        "items": min(config.limit or len(items), len(items)),
    }
    addresses = (config.subject, config.opponent, config.judge)
    subjects = tuple(dict.fromkeys(address for address in addresses if address))
    for name in config.accumulators:
        grow(name, config, None, config.seed)
        yield Cell(name, config.seed, ASKING, params, subjects=subjects)


def part_of(config: Any) -> Part:
    """Return which part of the study a config asks for."""
    if not config.subject:
        return "embedded"
    return "micro" if form(config.subject) == "micro" else "published"


def check(config: Any, part: Part) -> None:
    """Raise InputError if a setting was changed that this part does not use, or a world has no control."""
    studies.get("context-drift").refuse_unused(config, PARTS, part)
    if part == "published":
        return
    for n in (0, SETTLED_BY, config.settled):
        if n not in config.lengths:
            raise InputError(f"lengths={config.lengths}: {n} must be among them; the findings are read there")
    if part == "embedded":
        world, topics = corpus(config), config.n_topics
        if config.n_coupled == topics:
            raise InputError(
                f"n_coupled={topics}: must be < n_topics={topics}; the uncoupled topics are the control"
            )
        NetShape(world.vocabulary, width=config.width, layers=config.layers, heads=config.heads)


def corpus(config: Any) -> LeaningCorpus:
    """Return the corpus of a config."""
    return LeaningCorpus(**chosen(config, WORLD))


def chosen(config: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return some settings of a config by name."""
    return {name: getattr(config, name) for name in names}


def grow(name: str, config: Any, other: Subject | None, seed: int) -> Growth:
    """Return the way of growing a context that a config asks for."""
    items, texts = drift.load_items(config.items), drift.load_texts(config.texts)
    return growth(name, items=items, texts=texts, other=other, seed=seed, **chosen(config, GROWING))


def run(cell: Cell, ctx: Context) -> Tables:
    """Train and read one network, or measure one subject."""
    if cell.condition == "embedded":
        return run_embedded(cell, ctx)
    return run_micro(ctx) if cell.condition == "micro" else run_published(cell, ctx)


def run_embedded(cell: Cell, ctx: Context) -> Tables:
    """Train one network on the leaning corpus and read every arm and mask."""
    from doxa.worlds.leaning_learners import train_leaning_models

    config, recorder = ctx.config, ctx.recorder()
    models = train_leaning_models(
        corpus(config),
        [cell.seed],
        **chosen(config, TRAINING),
        progress=lambda done, total: ctx.progress(0.95 * done, float(total), "training"),
    )
    recorder.measure("loss", float(models.loss[0, -1]), subject="leaning-corpus", unit="nats")
    record_models(recorder, models, ctx.rng, **chosen(config, READING))
    return recorder.tables()


def run_micro(ctx: Context) -> Tables:
    """Measure a subject that speaks micro-English; contexts are spread over topics and sides."""
    subject, recorder = ctx.subject(ctx.config.subject), ctx.recorder()
    rows = drift.micro_drift(
        subject,
        n_statements=[n for n in ctx.config.lengths if n <= CONTROL_LENGTH],
        contexts_per_point=max(1, ctx.config.contexts // 32),
        rng=ctx.rng("contexts"),
    )
    record_micro(recorder, subject, rows)
    return recorder.tables()


def run_published(cell: Cell, ctx: Context) -> Tables:
    """Measure a battery before and after one way of growing the context."""
    config, recorder = ctx.config, ctx.recorder()
    items = drift.load_items(config.items)[: int(str(cell.params["items"]))]
    other = ctx.subject(config.opponent) if config.opponent else None
    judge = ctx.subject(config.judge) if config.judge else None
    options = drift.MeasureOptions(config.way, seed=cell.seed, judge=judge, max_steps=config.max_steps)
    record_growth(
        recorder,
        ctx.subject(config.subject),
        items,
        grow(cell.condition, config, other, cell.seed),
        options=options,
        rng=ctx.rng("bootstrap", cell.condition),
        progress=ctx.progress,
    )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded networks or a micro subject against the spec's bounds, or a subject's battery."""
    part = part_of(config)
    if part == "published":
        paper = partial(paper_shift, config.subject)
        return published_findings(tables, config.accumulators, noise_points=NOISE_POINTS, paper=paper)
    judged = drift_findings(tables, config)
    if part == "micro":
        return judged
    at = config.settled
    return [*judged, *embedded_findings(tables, at=at, tolerance=TOLERANCE, shift_least=SHIFT_LEAST)]


def paper_shift(subject: str, way: str, kind: str) -> float | None:
    """Return the paper's shift of a subject's model, if the paper measured it."""
    model = subject.lower().rpartition("#")[2].rpartition("/")[2]
    shifts = dict(zip(PAPER_WAYS, PAPER.get(model, ()), strict=False)).get(way.partition("-")[0])
    return None if shifts is None else shifts[0 if kind == "stated" else 1]


def drift_findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge what one-sided reading does, and what its controls must not do."""
    at = config.settled
    stated = argued(tables, "one-sided", "stated", at)
    behaviour = argued(tables, "one-sided", "behavioural", at)
    early = argued(tables, "one-sided", "stated", SETTLED_BY)
    free_at, free = farthest(tables, "uncoupled", "stated", up_to=CONTROL_LENGTH)
    acted_at, acted = farthest(tables, "uncoupled", "behavioural", up_to=CONTROL_LENGTH)
    both_at, both = farthest(tables, "balanced", "stated", up_to=CONTROL_LENGTH, every=2)
    redrawn = stated.minus(argued(tables, "resampled", "stated", at))
    half = f"within {TOLERANCE} of one half"
    return [
        stated.finding(
            "stated-drift",
            f"after {at} one-sided statements on other topics P(the side argued) is at least {STATED_LEAST}",
            unit="probability",
            above=STATED_LEAST,
        ),
        behaviour.finding(
            "behaviour-drift",
            f"behaviour moves the same way, to between {BEHAVIOUR_LEAST} and {BEHAVIOUR_MOST}",
            unit="probability",
            above=BEHAVIOUR_LEAST,
            below=BEHAVIOUR_MOST,
        ),
        stated.minus(behaviour).finding(
            "behaviour-less", "behaviour moves less than the stated belief", unit="probability", above=0.0
        ),
        stated.minus(early).finding(
            "settled",
            f"from {SETTLED_BY} to {at} statements the belief rises by less than {TOLERANCE}",
            unit="probability",
            below=TOLERANCE,
        ),
        free.within(
            "uncoupled-topics",
            f"uncoupled topics in the same model stay {half}",
            TOLERANCE,
            unit="probability",
            note=f"farthest at {free_at} statements",
        ),
        acted.within(
            "uncoupled-behaviour",
            f"behaviour on uncoupled topics stays {half}",
            TOLERANCE,
            unit="probability",
            note=f"farthest at {acted_at} statements",
        ),
        both.within(
            "balanced-reading",
            f"after balanced reading topics stay {half}",
            TOLERANCE,
            unit="probability",
            note=f"farthest at {both_at} statements",
        ),
        redrawn.within(
            "resampled",
            f"another draw of the text gives the same within {TOLERANCE}",
            TOLERANCE,
            unit="probability",
        ),
    ]


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw the drift and its controls over length, belief against behaviour, and the masks; or a subject's shifts."""
    part = part_of(config)
    if part == "published":
        return published_figures(tables, config.accumulators)
    drawn = drift_figures(tables)
    if part == "micro":
        return drawn
    return [*drawn, *embedded_figures(tables, lengths=config.lengths, at=config.settled)]
