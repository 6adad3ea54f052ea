"""Debate confidence: two models that debate each other both come to think that they will win.

Pradyumna Shyama Prasad and Minh Nhat Nguyen, When Two LLMs Debate, Both Think They'll Win (arXiv:2505.19184).

Embedded: debates of numbers, and of real arguments before learned readers (``doxa data get persuasive-power``), in
which the excess comes from choosing a speech and judging it with one noisy reading; a small language model plays both
sides of the full protocol. With ``subject``, real models debate; with ``bets``, a table of bets is read from a path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import check, named
from doxa.lab.declaration import studies
from doxa.protocols.debate.bets import CONDITIONS
from doxa.protocols.debate.debate import ELICITS, Rules
from doxa.protocols.debate.incentives import INCENTIVES
from doxa.protocols.debate.plan import CONDITION_RULES, matches, read_motions
from doxa.protocols.debate.released import read_bets
from doxa.streams import stream

NUMBERS = ("debates", "n_arguments", "sigma", "slope", "weight", "sweep_arguments", "sweep_sigma")
TEXTS = ("text_debates", "n_readers", "n_arguments", "slope", "weight")
ORGANISM = ("organism", "organism_debates")
ASKING = (
    *("subject", "opponents", "judges", "judge_repeats", "per_condition", "motions", "elicit", "samples"),
    *("elicitor", "incentive", "show_own_bets", "temperature", "max_tokens"),
)
PARTS = {
    "embedded": (
        "the embedded debates, without a subject or a table",
        ("seeds", *NUMBERS, *TEXTS, *ORGANISM, "penalty", "penalties"),
    ),
    "subject": ("debates of a subject", (*ASKING, "conditions")),
    "bets": ("a table of bets", ("bets", "conditions")),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "debate-confidence",
    paper="arXiv:2505.19184",
    room="protocols",
    claim="both sides of a debate come to think that they will win, and more so with every speech",
    presets={
        "quick": {
            "seeds": 2,
            "debates": 4000,
            "text_debates": 1000,
            "n_readers": 3,
            "penalties": (0.01, 1.0),
            "sweep_arguments": (1, 8),
            "sweep_sigma": (0.0, 1.0),
            "organism_debates": 1,
            "per_condition": 4,
        },
        "paper": {"seeds": 20, "elicitor": "paper"},
    },
)
class Config:
    """The settings of the embedded debates, of debates between real models, and of reading a table."""

    seed: int = setting(0, "seed of the first replicate, of pairings and of replies")
    seeds: int = setting(5, "independent replicates of the embedded debates", unit="seeds", minimum=2)
    debates: int = setting(20000, "debates of numbers per replicate", unit="debates", minimum=100)
    n_arguments: int = setting(8, "candidates a debater chooses its speech from", minimum=1)
    sigma: float = setting(
        1.0, "noise of a reading of numbers", unit="standard deviations of quality", minimum=0, maximum=4
    )
    slope: float = setting(
        0.45, "log-odds of the jury per standard deviation of quality", unit="nats", minimum=0.01
    )
    weight: float = setting(
        0.5, "weight of what a debater is told against its own log-odds", minimum=0, maximum=1
    )
    sweep_arguments: tuple[int, ...] = setting((1, 2, 4, 8, 16), "candidates in the sweep", minimum=1)
    sweep_sigma: tuple[float, ...] = setting((0.0, 0.25, 0.5, 1.0, 2.0), "noise in the sweep", minimum=0)
    text_debates: int = setting(6000, "debates over real arguments per condition and replicate", minimum=100)
    n_readers: int = setting(4, "readers with a taste of their own", unit="readers", minimum=3)
    penalty: float = setting(
        0.01,
        "ridge of the readers that claims are judged on; at this one their noise is nearest to that of numbers",
        minimum=1e-4,
    )
    penalties: tuple[float, ...] = setting(
        (0.01, 0.1, 1.0, 25.0), "ridges of readers, the largest with the least private tastes", minimum=1e-4
    )
    organism: str = setting("organism:sound", "small language model that plays both sides; empty for none")
    organism_debates: int = setting(2, "debates of the small model per way of asking", minimum=1)
    subject: str = setting("", "address of a model that debates; empty runs the embedded debates")
    opponents: tuple[str, ...] = setting(
        (), "further models; every pair meets on both sides", paper="ten models"
    )
    judges: tuple[str, ...] = setting((), "models of the jury; none gives no verdicts", paper="three models")
    judge_repeats: int = setting(2, "calls of each judge", unit="calls", minimum=1, paper=2)
    conditions: tuple[str, ...] = setting(
        CONDITIONS[:5], "conditions to debate or to report", choices=CONDITIONS
    )
    per_condition: int = setting(60, "debates of each condition", unit="debates", minimum=1, paper=60)
    motions: str = setting("", "text file of motions, one to a line; empty takes six of ours")
    elicit: str = setting(
        "same-turn",
        "the bet in the speech's reply, in a turn of its own, or from log-probabilities",
        choices=ELICITS,
        paper="same-turn",
    )
    samples: int = setting(1, "separate bets drawn per speech", unit="replies", minimum=1, paper=1)
    elicitor: str = setting(
        "tag",
        "tag takes a bet as it stands, paper clips it and asks again up to ten times",
        choices=("tag", "paper"),
        paper="paper",
    )
    incentive: str = setting("tokens", "what the bet is said to be worth", choices=INCENTIVES, paper="tokens")
    show_own_bets: bool = setting(
        False, "show own bets in the informed and red-team conditions too", paper=False
    )
    temperature: float = setting(1.0, "of speeches, bets and votes", minimum=0)
    max_tokens: int = setting(1500, "longest reply", unit="tokens", minimum=1)
    bets: str = setting(
        "", "CSV file of bets in the published schema, or folder of released debates; empty reads none"
    )


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per replicate and kind of debate, one per condition of a subject, or one for a table."""
    part = "bets" if config.bets else "subject" if config.subject else "embedded"
    if config.bets and config.subject:
        raise InputError("bets and subject: a table is read or a model debates; give one of them")
    studies.get("debate-confidence").refuse_unused(config, PARTS, part)
    if part == "bets":
        read = read_bets(config.bets)
        held = [read.table.rows.write_json(), [[one.debate, list(one.votes)] for one in read.verdicts]]
        yield Cell("bets", config.seed, ("bets",), {"rows": digest(held, length=16)})
    elif part == "subject":
        yield from _debating(config)
    else:
        yield from _embedded(config)


def _embedded(config: Config) -> Iterable[Cell]:
    # without the arguments the claims on texts are unresolved and say how to get them; all else runs
    ridges = sorted({config.penalty, *config.penalties}) if check("persuasive-power").good else []
    data: Json = named("persuasive-power").digest
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("numbers", seed, NUMBERS)
        for penalty in ridges:
            yield Cell(f"texts {penalty:g}", seed, TEXTS, {"penalty": penalty, "data": data})
    if config.organism:
        yield Cell("organism", config.seed, ORGANISM, subjects=(config.organism,))


def _debating(config: Config) -> Iterable[Cell]:
    models, motions = (config.subject, *config.opponents), read_motions(config.motions)
    for condition in config.conditions:
        if condition == "cross_model" and len(models) < 2:
            continue
        rules_of(condition, config)
        matches(condition, models, motions, 1, stream(config.seed, "debate-confidence", "plan", condition))
        params: dict[str, Json] = {"debated": condition, "spoken": digest(list(motions), length=16)}
        yield Cell(
            condition, config.seed, ASKING, params, subjects=tuple(dict.fromkeys((*models, *config.judges)))
        )


def rules_of(condition: str, config: Any) -> Rules:
    """Return the rules of a condition as the settings change them."""
    from dataclasses import replace

    return replace(
        CONDITION_RULES[condition],
        elicit=config.elicit,
        samples=config.samples,
        elicitor=config.elicitor,
        incentive=config.incentive,
        show_own_bets=True if config.show_own_bets else None,
    )


def run(cell: Cell, ctx: Context) -> Tables:
    """Simulate debates, let a model debate, or read a table."""
    if "rows" in cell.params:
        return _read(ctx)
    if "debated" in cell.params:
        return _debate(cell, ctx)
    if cell.condition == "organism":
        return _play(ctx)
    return _simulate(cell, ctx)


def _simulate(cell: Cell, ctx: Context) -> Tables:
    from doxa.protocols.debate.embedded import record_numbers, record_texts, variants
    from doxa.protocols.persuasion.bank import ArgumentBank

    config, recorder = ctx.config, ctx.recorder()
    if cell.condition == "numbers":
        worlds = variants(config.n_arguments, config.sigma, config.slope, config.weight)
        record_numbers(
            recorder, cell.seed, worlds, config.debates, config.sweep_arguments, config.sweep_sigma
        )
        return recorder.tables()
    record_texts(
        recorder,
        cell.seed,
        ArgumentBank.load(),
        n_readers=config.n_readers,
        penalty=float(cell.params["penalty"]),  # type: ignore[arg-type]
        n_debates=config.text_debates,
        n_arguments=config.n_arguments,
        slope=config.slope,
        weight=config.weight,
    )
    return recorder.tables()


def _play(ctx: Context) -> Tables:
    from doxa.protocols.debate.organism import record_organism

    config, recorder = ctx.config, ctx.recorder()
    record_organism(recorder, ctx.subject(config.organism), config.organism_debates, keep=ctx.parts)
    return recorder.tables()


def _debate(cell: Cell, ctx: Context) -> Tables:
    from doxa.protocols.debate.published import debate_condition
    from doxa.subjects.base import Sampling

    config, recorder = ctx.config, ctx.recorder()
    condition = cell.condition
    planned = matches(
        condition,
        (config.subject, *config.opponents),
        read_motions(config.motions),
        config.per_condition,
        ctx.rng("plan", condition),
    )
    debate_condition(
        recorder,
        condition,
        planned,
        rules_of(condition, config),
        ctx.subject,
        judges=config.judges,
        repeats=config.judge_repeats,
        sampling=Sampling(config.temperature, config.max_tokens, seed=cell.seed),
        keep=ctx.parts,
        progress=ctx.progress,
    )
    return recorder.tables()


def _read(ctx: Context) -> Tables:
    from doxa.protocols.debate.published import record_table

    recorder = ctx.recorder()
    read = read_bets(ctx.config.bets)
    record_table(recorder, read.table, read.verdicts)
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded debates, or the bets of real debaters beside the published numbers."""
    if config.subject or config.bets:
        from doxa.protocols.debate.published import bets_of, notes_of, verdicts_of
        from doxa.protocols.debate.published_report import published_findings

        note = notes_of(tables)
        return published_findings(bets_of(tables), verdicts_of(tables), config.conditions, note=note)
    from doxa.protocols.debate.embedded_report import embedded_findings
    from doxa.protocols.debate.organism import organism_findings

    return [
        *embedded_findings(
            tables,
            penalty=config.penalty,
            penalties=(config.penalty, *config.penalties),
            n_arguments=config.n_arguments,
            sigma=config.sigma,
            slope=config.slope,
        ),
        *(organism_findings(tables) if config.organism else []),
    ]


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw bets by stage, both sides' closing bets, reliability, and what the excess hangs on."""
    from doxa.protocols.debate.pictures import embedded_figures, published_figures

    if config.subject or config.bets:
        from doxa.protocols.debate.published import bets_of, verdicts_of

        return published_figures(bets_of(tables), verdicts_of(tables))
    return embedded_figures(tables, penalty=config.penalty)
