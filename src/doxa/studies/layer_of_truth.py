"""Layer of Truth: continued training on a lie flips a fact that a model knew, quickly and in its upper layers.

Churina, Chebrolu and Jaidka, Layer of Truth (arXiv:2510.26829).

Embedded: a small network learns a world of facts, then reads more text in which a share of the statements about some
of them is false. Its preference for the truth is followed over steps, ratios, layers, and by patching the clean
network's activations into the poisoned one. With ``subject``, a copy of an open model reads poisoned text instead;
with ``subject`` and ``after``, two models or endpoints are asked before and after somebody else's training.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies
from doxa.worlds.fact_formats import FORMATS

if TYPE_CHECKING:
    from doxa.protocols.poisoning.conditions import Condition

STRONG = 0.9
"""Ratio at which depth, patching and different lies are judged."""
CHECKPOINTS = (0, 1, 2, 5, 10, 15, 20, 25, 35, 50, 75, 100, 200, 350, 500)
SIZES = (
    "world",
    "entities",
    "targets",
    "base_steps",
    "steps",
    "batch",
    "rate",
    "layers",
    "heads",
    "precision",
)
MAIN = (*SIZES, "ratios", "corpus", "save")
SWEEP = (*SIZES, "sweep_ratios")
ASKED = ("subject", "after", "facts", "items")
TRAINED = (
    *("subject", "facts", "items", "formats", "subject_steps", "subject_batch", "subject_rate"),
    *("subject_checkpoints", "length", "adapter", "mode", "save"),
)

PARTS = {
    "embedded": (
        "networks trained here, without a subject",
        (*MAIN, "seeds", "width", "widths", "sweep_seeds", "sweep_ratios"),
    ),
    "trained": ("a subject that is trained on", (*TRAINED, "subject_ratios")),
    "asked": ("two subjects that are compared", ASKED),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "layer-of-truth",
    paper="arXiv:2510.26829",
    room="training",
    claim="poisoned continued training flips known facts abruptly, in late layers, and patching undoes part of it",
    presets={
        "quick": {
            "seeds": 2,
            "sweep_seeds": 1,
            "ratios": (0.0, 0.1, 0.5, 0.9, 1.0),
            "corpus": (),
            "widths": (),
            "entities": 24,
            "targets": 8,
            "base_steps": 450,
            "steps": 100,
            "items": 20,
            "subject_steps": 40,
            "subject_checkpoints": 4,
        },
        "paper": {"seeds": 10, "sweep_seeds": 5},
    },
)
class Config:
    """The settings of the embedded experiment and of training or asking a real model."""

    seed: int = setting(0, "seed of the first replicate")
    seeds: int = setting(5, "worlds with a network each", unit="seeds", minimum=1)
    sweep_seeds: int = setting(2, "networks of each other width", unit="seeds", minimum=1)
    ratios: tuple[float, ...] = setting(
        (0.0, 0.1, 0.5, 0.7, 0.9, 1.0),
        "poison ratios: share of the statements about a target that give its false object",
        minimum=0,
        maximum=1,
        paper=(0.1, 0.5, 0.9, 1.0),
    )
    corpus: tuple[float, ...] = setting(
        (0.01, 0.1),
        "ratios of the second mode: share of all text that is false, the rest about other facts",
        minimum=0,
        maximum=1,
    )
    world: str = setting(
        "synthetic", "the facts: synthetic, or real ones: countries, elements, facts, or a file of facts"
    )
    entities: int = setting(64, "known entities of the synthetic world", unit="entities", minimum=4)
    targets: int = setting(24, "entities with a fact told falsely", unit="entities", minimum=1)
    base_steps: int = setting(
        1500, "steps of the base training, 256 statements each", unit="steps", minimum=1
    )
    steps: int = setting(500, "steps of continued training", unit="steps", minimum=1, paper=12_000)
    batch: int = setting(128, "statements of a step of continued training", unit="statements", minimum=1)
    rate: float = setting(5e-4, "learning rate of continued training", minimum=0)
    width: int = setting(64, "width of the residual stream", minimum=8)
    widths: tuple[int, ...] = setting((32, 128), "further widths, reported without a claim", minimum=8)
    sweep_ratios: tuple[float, ...] = setting(
        (0.1, 0.5, 0.9), "poison ratios of the further widths", minimum=0, maximum=1
    )
    layers: int = setting(4, "blocks", minimum=2)
    heads: int = setting(4, "attention heads of a block", minimum=1)
    precision: str = setting("auto", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    save: str = setting(
        "", "folder to save checkpoints of poisoned models in, for doxa audit --series; empty saves none"
    )
    subject: str = setting(
        "", "address of an open model whose copy is trained on; empty runs the embedded experiment"
    )
    after: str = setting("", "address of a subject to compare with `subject`; then nothing is trained")
    facts: str = setting("facts", "facts for a real model: facts, countries, elements, or a file of facts")
    items: int = setting(60, "facts of a real model told falsely, or asked before and after", minimum=10)
    formats: tuple[str, ...] = setting(FORMATS, "how a real model is asked", choices=FORMATS)
    subject_ratios: tuple[float, ...] = setting(
        (0.0, 0.5, 1.0), "poison ratios of a real model", minimum=0, maximum=1, paper=(0.1, 0.5, 0.9, 1.0)
    )
    mode: str = setting(
        "replace", "how false text is mixed in for a real model", choices=("replace", "corpus")
    )
    subject_steps: int = setting(200, "training steps of a real model", unit="steps", minimum=1, paper=12_000)
    subject_batch: int = setting(16, "rows of a step of a real model", unit="rows", minimum=1)
    length: int = setting(128, "tokens of a row", unit="tokens", minimum=8)
    subject_rate: float = setting(1e-5, "learning rate of a real model", minimum=0)
    subject_checkpoints: int = setting(8, "checkpoints of a real model, dense early", minimum=2)
    adapter: str = setting(
        "auto",
        "what is trained of a real model: all of it, a LoRA of rank 16, or by its size",
        choices=("auto", "full", "lora"),
    )


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per seed and width, one per ratio of a real model, or one that asks before and after."""
    seeds = range(config.seed, config.seed + config.seeds)
    check(config)
    if config.after:
        yield Cell("before and after", config.seed, ASKED, subjects=(config.subject, config.after))
    elif config.subject:
        for ratio in sorted(set(config.subject_ratios)):
            params: dict[str, Json] = {"ratio": ratio}
            yield Cell(f"{config.mode} {ratio:g}", config.seed, TRAINED, params, subjects=(config.subject,))
    else:
        for seed in seeds:
            yield Cell("main", seed, MAIN, {"width": config.width})
        for width in config.widths:
            for seed in range(config.seed, config.seed + config.sweep_seeds):
                yield Cell(f"width {width}", seed, SWEEP, {"width": width})


def check(config: Any) -> None:
    """Raise InputError if a setting was changed that this part does not use, or a subject is compared with nobody."""
    if config.after and not config.subject:
        raise InputError(f"after={config.after}: name the subject it is compared with: subject=...")
    part = "asked" if config.after else "trained" if config.subject else "embedded"
    studies.get("layer-of-truth").refuse_unused(config, PARTS, part)


def run(cell: Cell, ctx: Context) -> Tables:
    """Train one network on in all ways at once, train a real model's copy, or ask two subjects."""
    if "width" in cell.params:
        return embedded(cell, ctx)
    if "ratio" in cell.params:
        return trained(cell, ctx)
    return asked(cell, ctx)


def embedded(cell: Cell, ctx: Context) -> Tables:
    """Train a base network, continue it in every way, and record margins, depth and patching."""
    from doxa.protocols.poisoning.embedded import poison_stack
    from doxa.protocols.poisoning.record import record_inside, record_items, record_lens, record_margins
    from doxa.protocols.poisoning.views import Views

    recipe, recorder = recipe_of(cell, ctx.config), ctx.recorder()
    main = cell.condition == "main"
    prefix = "" if main else f"{cell.condition} "
    conditions = conditions_of(ctx.config) if main else sweep_of(ctx.config)
    views = Views(recipe, conditions, cell.seed, save=ctx.config.save if main else "")
    found = poison_stack(recipe, conditions, cell.seed, watch=views.watch, progress=ctx.progress)
    record_margins(recorder, found, recipe, prefix)
    if main:
        record_items(recorder, found, recipe)
        for (condition, step), margins in views.lens.items():
            record_lens(recorder, margins, condition, step)
        for condition, inside in views.inside(found).items():
            record_inside(recorder, inside, condition)
    return recorder.tables()


def recipe_of(cell: Cell, config: Any) -> Any:
    """Return the sizes of an embedded cell."""
    from doxa.protocols.poisoning.embedded import Recipe

    own = {name: getattr(config, name) for name in SIZES}
    marks = sorted({step for step in CHECKPOINTS if step < config.steps} | {config.steps})
    return Recipe(**own, width=int(str(cell.params["width"])), checkpoints=tuple(marks))


def conditions_of(config: Any) -> list[Condition]:
    """Return the ways in which the main network is trained on."""
    from doxa.protocols.poisoning.conditions import control_conditions, replace_conditions

    return [*replace_conditions(config.ratios), *control_conditions(config.corpus, STRONG)]


def sweep_of(config: Any) -> list[Condition]:
    """Return the ways in which a network of another width is trained on."""
    from doxa.protocols.poisoning.conditions import replace_conditions

    return replace_conditions(config.sweep_ratios)


def trained(cell: Cell, ctx: Context) -> Tables:
    """Train a copy of a real model on poisoned text of one ratio."""
    from doxa.protocols.poisoning.published import Training, poison_subject

    config, recorder = ctx.config, ctx.recorder()
    plan = Training(
        ratio=float(str(cell.params["ratio"])),
        mode=config.mode,
        items=config.items,
        formats=config.formats,
        steps=config.subject_steps,
        batch=config.subject_batch,
        length=config.length,
        rate=config.subject_rate,
        checkpoints=config.subject_checkpoints,
        adapter=config.adapter,
        save=Path(config.save) / cell.condition.replace(" ", "-") if config.save else None,
    )
    subject = ctx.subject(config.subject)
    poison_subject(subject, config.facts, plan, recorder, seed=cell.seed, progress=ctx.progress)
    return recorder.tables()


def asked(cell: Cell, ctx: Context) -> Tables:
    """Ask two subjects the same facts."""
    from doxa.protocols.poisoning.before_after import ask_both

    config, recorder = ctx.config, ctx.recorder()
    before, after = ctx.subject(config.subject), ctx.subject(config.after)
    ask_both(before, after, config.facts, config.items, recorder, seed=cell.seed)
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded claims, or say what became of a real model's facts."""
    if config.subject:
        from doxa.protocols.poisoning.published_verdicts import before_after_findings, trained_findings

        if config.after:
            return before_after_findings(tables)
        return trained_findings(
            tables, [f"{config.mode} {ratio:g}" for ratio in sorted(set(config.subject_ratios))]
        )
    from doxa.protocols.poisoning.verdicts import embedded_claims

    claims = embedded_claims(tables.measures, sorted(set(config.ratios)), config.layers, STRONG)
    return [claim.judged() for claim in claims]


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw margins over steps, the lens by depth and step, rescue by layer, and collateral flips."""
    from doxa.protocols.poisoning.pictures import (
        collateral_bars,
        condition_intervals,
        lens_map,
        margin_curves,
        rescue_curves,
    )

    if config.after:
        return []
    ratios = sorted(set(config.subject_ratios if config.subject else config.ratios))
    mode = config.mode if config.subject else "replace"
    shown = {f"{mode} {ratio:g}": ratio for ratio in ratios}
    strong = f"{mode} {max(ratios) if config.subject else STRONG:g}"
    others = (
        []
        if config.subject
        else [
            *(condition.name for condition in conditions_of(config)),
            *(f"width {width} {one.name}" for width in config.widths for one in sweep_of(config)),
        ]
    )
    return [
        margin_curves(tables.measures, shown),
        *lens_map(tables.measures, strong),
        *rescue_curves(tables.measures, strong),
        *collateral_bars(tables.measures, shown),
        *condition_intervals(tables.measures, others),
    ]
