"""The audit of a checkpoint series as a study: a checkpoint is a cell, so a series that grew is read where it grew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doxa.audit.series_reading import arrays, summarised
from doxa.canonical import digest
from doxa.errors import CapabilityError, InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.figures import curves, heatmap
from doxa.worlds.fact_formats import FORMATS
from doxa.worlds.fact_pairs import load_fact_pairs


@study(
    "series",
    paper="arXiv:2510.26829",
    room="audit",
    claim="no fact that the first checkpoint knows flips in a later one",
)
class Config:
    """Which checkpoints are asked, and about what."""

    folder: str = setting("", "folder of the checkpoints; their names end in their step", required=True)
    facts: str = setting("facts", "facts to ask: facts, countries, elements, or a file of facts")
    form: str = setting("cloze", "how a fact is asked", choices=FORMATS)
    band: float = setting(0.1, "margins within it are ambiguous", unit="nats", minimum=0)
    seed: int = setting(0, "seed of the draw of false objects, where the file leaves them open")


def checkpoints_of(folder: Path) -> dict[int, Path]:
    """Return the checkpoints of a series by step, in order.

    Raises:
        InputError: there are fewer than two, or two of one step.
    """
    found: dict[int, Path] = {}
    for config in sorted(folder.glob("*/config.json")):
        number = re.search(r"(\d+)$", config.parent.name)
        if number is None:
            continue
        step = int(number.group(1))
        if step in found:
            raise InputError(f"{folder}: {found[step].name} and {config.parent.name} are both step {step}")
        found[step] = config.parent
    if len(found) < 2:
        raise InputError(
            f"{folder}: {len(found)} checkpoints whose names end in their step, such as step-500; "
            "a series has two or more"
        )
    return dict(sorted(found.items()))


def cells(config: Any) -> Iterable[Cell]:
    """Yield one cell per checkpoint.

    Raises:
        InputError: there is no series, the facts cannot be read, or the checkpoints differ in shape.
    """
    places = checkpoints_of(Path(config.folder))
    _check_shapes(places)
    facts = digest([[vars(pair) for pair in load_fact_pairs(config.facts, seed=config.seed)]])
    for step, place in places.items():
        uses = ("facts", "form", "seed")
        yield Cell(
            f"step {step}", config.seed, uses, {"step": step, "facts": facts}, subjects=(f"hf:{place}",)
        )


def run(cell: Cell, ctx: Context) -> Tables:
    """Read one checkpoint's margins, as it answers and from every depth."""
    from doxa.lens.logit_lens import logit_lens_margin
    from doxa.lens.truth_margin import belief_margin
    from doxa.lens.truth_tokens import readable, token_pairs

    address = cell.subjects[0]
    subject: Any = ctx.subject(address)
    if not hasattr(subject, "model"):
        raise CapabilityError(f"{address} has no layers to read; a series holds checkpoints of open models")
    recorder = ctx.recorder()
    given = load_fact_pairs(ctx.config.facts, seed=ctx.config.seed)
    pairs = readable(subject.tokenizer, given)
    if not pairs:
        raise InputError(f"facts '{ctx.config.facts}': none has completions that differ in a token")
    step = float(str(cell.params["step"]))
    margins = belief_margin(subject.model, subject.tokenizer, pairs, ctx.config.form)
    depths = logit_lens_margin(subject.model, *token_pairs(subject.tokenizer, pairs))
    for row, pair in enumerate(pairs):
        told: dict[str, Any] = {"subject": address, "proposition": pair.id, "axis": "step", "time": step}
        recorder.belief(
            **told, readout="stated", log_odds=float(margins.values[row]), normalize=margins.normalize
        )
        for depth, margin in enumerate(depths[row]):
            recorder.belief(**told, readout="internal", log_odds=float(margin), depth=depth)
    recorder.measure("unreadable", len(given) - len(pairs), subject=address, unit="facts", time=step)
    return recorder.tables()


def findings(tables: Tables, config: Any) -> list[Finding]:
    """Return whether the known facts kept their verdict."""
    return [summarised(tables, config).finding]


def figures(tables: Tables, config: Any) -> list[Figure]:
    """Draw the margins of single facts over steps, and the mean lens margin by depth and step."""
    found = summarised(tables, config)
    steps, names, margins, _ = arrays(tables.beliefs)
    flipped = {fact.fact for fact in found.flipped}
    groups = {
        "flipped": [place for place, name in enumerate(names) if name in flipped],
        "the other facts": [place for place, name in enumerate(names) if name not in flipped],
    }
    lines = [
        {"step": step, "margin": float(margins[row, places].mean()), "facts": group}
        for group, places in groups.items()
        if places
        for row, step in enumerate(steps)
    ]
    cells_ = [
        {"depth": str(depth), "step": str(step), "margin": found.lens[depth][place]}
        for depth in reversed(range(len(found.lens)))
        for place, step in enumerate(steps)
    ]
    return [
        curves(
            "margins",
            "Belief margin over steps",
            "Mean over facts in nats; above 0 the truth is preferred.",
            lines,
            x="step",
            value="margin",
            group="facts",
            x_title="step",
            value_title="margin (nats)",
            references={"neither": 0.0},
        ),
        heatmap(
            "lens",
            "Margin by depth and step",
            "Logit lens, mean over the facts known at first, in nats; amber: the counterfact is preferred.",
            cells_,
            row="depth",
            column="step",
            value="margin",
            middle=0.0,
            number_format=".1f",
        ),
    ]


def heading(config: Any) -> tuple[str, str]:
    """Return what stands above the report."""
    return "checkpoint series", str(config.folder)


def _check_shapes(places: dict[int, Path]) -> None:
    """Raise InputError if checkpoints differ in what makes their shape."""
    names = ("model_type", "hidden_size", "num_hidden_layers", "n_embd", "n_layer", "vocab_size")
    shapes: dict[Path, list[Any]] = {}
    for place in places.values():
        held = json.loads((place / "config.json").read_text("utf-8"))
        shapes[place] = [held.get(name) for name in names]
    first = next(iter(shapes))
    for place, shape in shapes.items():
        if shape != shapes[first]:
            raise InputError(f"{place}: another shape than {first.name}; a series is of one model")
