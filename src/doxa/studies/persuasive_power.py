"""Persuasive power: which style moves a model's stated belief, and how far that is from what moves people.

Breum, Egdal, Mortensen, Møller and Aiello,
The Persuasive Power of Large Language Models (arXiv:2312.15523; ICWSM 2024).

Embedded, three experiments: the released verdicts and human judgements recomputed; a skeptic learned from the verdicts;
and small networks that convince themselves of an invented claim through the same script as a real model. With
``subject``, a model writes one argument in each style and three skeptics read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import locate, named
from doxa.lab.declaration import studies
from doxa.protocols.persuasion.bank import SKEPTICS, SLUG, ArgumentBank
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.protocols.persuasion.embedded_report import (
    Bounds,
    Published,
    loop_findings,
    replay_findings,
    skeptic_findings,
)
from doxa.protocols.persuasion.opinions import ANSWERS
from doxa.protocols.persuasion.pictures import (
    loop_figures,
    published_figures,
    replay_figures,
    skeptic_figures,
)
from doxa.protocols.persuasion.published_report import published_findings
from doxa.streams import stream
from doxa.subjects.addresses import answering, form

PUBLISHED = Published(
    fractions={
        "trust": 0.65, "support": 0.64, "romance": 0.47, "status": 0.42, "knowledge": 0.22, "fun": 0.20,
        "similarity": 0.17, "power": 0.11, "baseline": 0.08, "identity": 0.07, "conflict": 0.03,
    },
    strengths={
        "knowledge": 8.6, "baseline": 3.3, "status": 2.4, "trust": 2.3, "support": 1.0, "identity": 0.66,
        "similarity": 0.55, "conflict": 0.16, "fun": 0.10,
    },
    present=frozenset(DIMENSIONS) - {"baseline", "power"},
)  # fmt: skip
"""Printed by the paper's notebooks."""

BOUNDS = Bounds()
"""The spec's: area under the curve at least 0.77 held out and 0.5 ± 0.03 for dealt-out verdicts, Spearman at least 0.85
of styles and 0.9 of the loop, shuffled spread below 0.12. Ours: Spearman of styles never seen below 0.5, and 3 to 7 %
of tests reject at 5 % when names are dealt out anew."""

EXPERIMENTS = ("replay", "skeptic", "dialogue")
TRAINING = ("arguments", "steps", "batch", "peak_rate", "precision")
ASKING = (
    "subject",
    "skeptic",
    "opponents",
    "answer",
    "n",
    "difficulties",
    "max_tokens",
    "temperature",
    "retries",
    "rounds",
    "source",
)
PARTS = {
    "embedded": (
        "the embedded experiments, without a subject",
        ("experiments", "seeds", "splits", "resamples", "permutations", *TRAINING),
    ),
    "subject": ("a subject", (*ASKING, "dimensions", "permutations")),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "persuasive-power",
    paper="arXiv:2312.15523",
    room="protocols",
    claim="warmth (trust, support) moves a model's stated belief most, facts move people most",
    presets={
        "quick": {
            "seeds": 2,
            "splits": 2,
            "resamples": 200,
            "permutations": 200,
            "arguments": 8,
            "steps": 200,
            "batch": 48,
            "n": 2,
        },
        "paper": {"seeds": 10, "splits": 20, "n": 100, "max_tokens": 2000},
    },
)
class Config:
    """The settings of the embedded experiments and of asking a real model."""

    seed: int = setting(0, "seed of the first replicate and of all draws")
    experiments: tuple[str, ...] = setting(
        EXPERIMENTS, "embedded experiments; replay and skeptic need the released files", choices=EXPERIMENTS
    )
    seeds: int = setting(
        5, "small networks trained on true and on shuffled verdicts", unit="seeds", minimum=1
    )
    splits: int = setting(10, "random splits of the arguments into five groups", unit="splits", minimum=1)
    resamples: int = setting(1000, "resamples of each interval", minimum=100)
    permutations: int = setting(1000, "dealings of the styles' names", minimum=1)
    arguments: int = setting(
        100, "arguments a small network writes in each style", unit="arguments", minimum=1, paper=100
    )
    steps: int = setting(300, "optimiser steps of a small network", unit="steps", minimum=1)
    batch: int = setting(64, "conversations of a step", unit="conversations", minimum=1)
    peak_rate: float = setting(6e-3, "highest learning rate of the one-cycle schedule", minimum=0)
    precision: str = setting("float32", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    subject: str = setting(
        "",
        "address of the model that writes the arguments, and reads them; empty runs the embedded experiments",
        paper="Llama-2-70b-chat",
    )
    skeptic: str = setting("", "address of another model to read them; empty is the subject itself")
    opponents: tuple[str, ...] = setting(
        (),
        "further models; each argues with each, itself included, and how far it moves and is moved is compared",
    )
    answer: str = setting(
        "yes-no",
        "opinion as Yes or No, as agreement from 1 to 5, or as a rating from 1 to 7",
        choices=ANSWERS,
        paper="yes-no",
    )
    n: int = setting(20, "arguments of each style", unit="arguments", minimum=1, paper=100)
    dimensions: tuple[str, ...] = setting(tuple(DIMENSIONS), "styles to ask for", choices=tuple(DIMENSIONS))
    difficulties: tuple[str, ...] = setting(SKEPTICS, "skeptics that read each argument", choices=SKEPTICS)
    max_tokens: int = setting(
        700, "longest argument, reply and verdict", unit="tokens", minimum=1, paper=2000
    )
    temperature: float = setting(
        1.0, "of all draws; the paper also cut to the 50 likeliest tokens", minimum=0, paper=1.0
    )
    retries: int = setting(
        0,
        "how often an argument that breaks its role is asked for again, counted",
        minimum=0,
        paper="removed",
    )
    rounds: int = setting(1, "exchanges of argument and reply before the last verdict", minimum=1, paper=1)
    source: str = setting(
        "own",
        "arguments the subject writes, or the released ones of Llama-2-70b-chat",
        choices=("own", "released"),
    )


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell to a style of a subject, or to an embedded experiment and training."""
    check(config)
    if config.subject:
        asked = tuple(dict.fromkeys((*_convincers(config), *_readers(config))))
        released: dict[str, Json] = {"data": named(SLUG).digest} if config.source == "released" else {}
        without = tuple(name for name in ASKING if name not in ("retries", "rounds", "source"))
        yield Cell("before", config.seed, without, {}, subjects=asked)
        for dimension in config.dimensions:
            yield Cell(dimension, config.seed, ASKING, {"dimension": dimension, **released}, subjects=asked)
        return
    data: dict[str, Json] = {"data": named(SLUG).digest}
    if "replay" in config.experiments:
        yield Cell("replay", config.seed, ("resamples", "permutations"), data)
    if "skeptic" in config.experiments:
        yield Cell("skeptic", config.seed, ("splits", "resamples"), data)
    if "dialogue" in config.experiments:
        for condition in ("dialogue", "dialogue shuffled"):
            for seed in range(config.seed, config.seed + config.seeds):
                yield Cell(condition, seed, TRAINING)


def check(config: Any) -> None:
    """Raise InputError if a setting has no effect on what is run, or the released files are needed and not here."""
    part = "subject" if config.subject else "embedded"
    studies.get("persuasive-power").refuse_unused(config, PARTS, part)
    if not config.subject:
        if {"replay", "skeptic"} & set(config.experiments):
            locate(SLUG)
        return
    if config.source == "released":
        locate(SLUG)
        if config.retries:
            raise InputError(
                f"retries={config.retries}: released arguments are not asked for again; leave it out"
            )
    if config.opponents:
        _check_opponents(config)
    for address in (config.subject, config.skeptic, *config.opponents):
        if address and form(address) == "micro" and answering(address).scheme != "planted":
            raise InputError(
                f"{address}: speaks micro-English, and the arguments are plain English; the same script is run by "
                "small networks with: doxa run persuasive-power --set experiments=dialogue"
            )


def _check_opponents(config: Any) -> None:
    """Raise InputError unless the models are different and all of them may write and read."""
    for name, value, usual in (("skeptic", config.skeptic, ""), ("source", config.source, "own")):
        if value != usual:
            raise InputError(
                f"{name}={value}: with opponents every model writes and reads; leave one of the two out"
            )
    if len(set(_convincers(config))) <= len(config.opponents):
        raise InputError(f"opponents={config.opponents}: a model stands there twice; name different ones")


def run(cell: Cell, ctx: Context) -> Tables:
    """Compute one cell."""
    if cell.subjects:
        return ask(cell, ctx)
    config, recorder = ctx.config, ctx.recorder()
    if cell.condition == "replay":
        from doxa.protocols.persuasion.replay import record_replay

        record_replay(
            recorder,
            locate(SLUG),
            ctx.rng("replay"),
            resamples=config.resamples,
            permutations=config.permutations,
        )
    elif cell.condition == "skeptic":
        from doxa.protocols.persuasion.judging import record_skeptic

        record_skeptic(
            recorder,
            locate(SLUG),
            ctx.rng,
            splits=config.splits,
            resamples=config.resamples,
            progress=ctx.progress,
        )
    else:
        from doxa.protocols.persuasion.loop import record_loop

        record_loop(
            recorder,
            seed=cell.seed,
            shuffled=cell.condition == "dialogue shuffled",
            progress=ctx.progress,
            **{name: getattr(config, name) for name in TRAINING},
        )
    return recorder.tables()


def ask(cell: Cell, ctx: Context) -> Tables:
    """Ask a subject before any argument, or let it write and read the arguments of a style."""
    from doxa.protocols.persuasion.asking import record_before, record_style

    config, recorder = ctx.config, ctx.recorder()
    readers = [ctx.subject(address) for address in _readers(config)]
    drawn: dict[str, Any] = {
        "difficulties": config.difficulties,
        "n": config.n,
        "max_tokens": config.max_tokens,
        "temperature": config.temperature,
        "seed": cell.seed,
        "answer": config.answer,
        "keep": ctx.parts,
    }
    if cell.condition == "before":
        record_before(recorder, readers, **drawn)
        return recorder.tables()
    dimension = str(cell.params["dimension"])
    given = None
    if config.source == "released":
        bank = ArgumentBank.load(locate(SLUG))
        given = [bank.texts[number] for number in bank.of_dimension(dimension)]
    record_style(
        recorder,
        [ctx.subject(address) for address in _convincers(config)],
        readers,
        dimension,
        retries=config.retries,
        rounds=config.rounds,
        given=given,
        **drawn,
    )
    return recorder.tables()


def _convincers(config: Any) -> tuple[str, ...]:
    """Return the addresses of the models that argue."""
    return (config.subject, *config.opponents)


def _readers(config: Any) -> tuple[str, ...]:
    """Return the addresses of the models that read: the subject itself, another in its place, or all of them."""
    return (config.skeptic or config.subject, *config.opponents)


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments that were run, or the dialogues of a subject."""
    if config.subject:
        return published_findings(
            tables.beliefs,
            tables.measures,
            stream(config.seed, "persuasive-power", "subject"),
            fractions=PUBLISHED.fractions,
            permutations=config.permutations,
            models=_convincers(config) if config.opponents else (),
            answer=config.answer,
        )
    measures = tables.measures
    judged = {
        "replay": lambda: replay_findings(measures.filter(condition="replay"), PUBLISHED, BOUNDS),
        "skeptic": lambda: skeptic_findings(measures.filter(condition="skeptic"), BOUNDS),
        "dialogue": lambda: loop_findings(measures, BOUNDS),
    }
    return [finding for name in EXPERIMENTS if name in config.experiments for finding in judged[name]()]


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw the experiments that were run, or a subject's shares convinced."""
    if config.subject:
        return published_figures(tables.beliefs, config.subject if config.opponents else "")
    measures = tables.measures
    return [
        *replay_figures(measures.filter(condition="replay")),
        *skeptic_figures(measures.filter(condition="skeptic")),
        *loop_figures(measures),
    ]
