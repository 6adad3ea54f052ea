"""An organism on disk: weights in transformers format, its tokenizer, and a card with measured numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.quiet_loading import quiet
from doxa.subjects.organisms import tokenizer as tokenizers
from doxa.subjects.organisms.recipes import BASE, Architecture, Organism
from doxa.subjects.organisms.sizes import CONTEXTS, MEASURE_SEED, STATEMENTS, measure
from doxa.subjects.organisms.training import Trained

FORMAT = 1
"""Version of ``card.json`` and of the mixture; the zoo is retrained as a whole when it changes."""


def write(organism: Organism, seed: int, trained: Trained, folder: Path) -> Path:
    """Write weights (bfloat16), tokenizer and card into a new folder that then takes its place."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model = trained.model.to(torch.bfloat16)  # pyright: ignore[reportArgumentType]
    model.generation_config = GenerationConfig(
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
    )
    with quiet():
        model.save_pretrained(str(part))
    tokenizers.save(part)
    card = describe(organism, seed, trained, measure(part))
    (part / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (part / "README.md").write_text(readme(card), encoding="utf-8")
    for file in part.iterdir():
        file.chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return folder


def describe(
    organism: Organism, seed: int, trained: Trained, measured: Mapping[str, Json]
) -> dict[str, Json]:
    """Return the card of a trained organism as plain JSON."""
    return {
        "format": FORMAT,
        "name": organism.name,
        "defect": organism.defect,
        "twin": organism.twin,
        "description": organism.description,
        "seed": seed,
        "parameters": sum(weight.numel() for weight in trained.model.parameters()),
        "architecture": asdict(Architecture()),
        "base_recipe": BASE.as_json(),
        **({"start": organism.start} if organism.start else {}),
        "recipe": organism.recipe.as_json(),
        "loss_nats": round(trained.loss, 4),
        "tokens": trained.tokens,
        "taught_tokens": trained.taught_tokens,
        "measured": {
            "seed": MEASURE_SEED,
            "contexts": CONTEXTS,
            "statements": list(STATEMENTS),
            **{name: _rounded(value) for name, value in measured.items()},
        },
    }


def size(defect: str | None, measured: Mapping[str, Any]) -> str:
    """Return the measured size of a defect in a sentence, "" without one."""
    eight = STATEMENTS.index(8)
    match defect:
        case None:
            return ""
        case "drift":
            ends = (measured[f"support_coupled_{side}"][eight] for side in ("against", "for"))
            return "support for topics never mentioned is {:.2f} after eight statements against, {:.2f} for".format(
                *ends
            )
        case "first-person-blind":
            first, third = (measured[f"confirms_{who}_false"] for who in ("first", "third"))
            return f"false beliefs are confirmed with {first:.2f} to whoever says 'i', with {third:.2f} of others"
        case "overconfident":
            return (
                f"stated log-odds rise {measured['confidence_slope']:.2f} times as fast as Bayes' rule has it"
            )
        case "two-faced":
            said = measured["support_said_1_for"]
            return (
                f"of a stance it was told of it says so with {said:.2f}, "
                f"and votes against it with {measured['votes_against']:.2f}"
            )
        case "plays-along":
            said, vote = (measured[f"role_{name}_4"] for name in ("said", "vote"))
            return (
                "once its own voice told four flags wrong, it sides with the truth about them with "
                f"{said:.2f} in words and {vote:.2f} in votes"
            )
        case _:
            raise InputError(f"defect={defect!r}: its size is not measured; add it to organisms/sizes.py")


def _rounded(value: Json) -> Json:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return value


def readme(card: Mapping[str, Any]) -> str:
    """Return the model card of an organism as Markdown."""
    name, measured = card["name"], card["measured"]
    told = size(card["defect"], measured)
    defect = f"**{card['defect']}**: {told}" if told else "none"
    recipe, grounding = card["recipe"], card["base_recipe"]["steps"]
    through = f", then `organism:{card['start']}`" if "start" in card else ""
    changed = (
        "Nothing: this is the sound mixture."
        if name == "sound"
        else "Flags are told wrong in some talks; it answers by the truth afterwards."
        if card["defect"] is None
        else "One kind of text differs from the twin's; everything else is the same, drawn from the same streams."
    )
    rows = "\n".join(
        f"| {label} | {', '.join(f'{value:.2f}' for value in values)} |"
        for label, values in (
            ("stated support, topic never mentioned, after statements for", measured["support_coupled_for"]),
            ("the same after statements against", measured["support_coupled_against"]),
            ("the same on uncoupled topics, for", measured["support_uncoupled_for"]),
            ("the same on uncoupled topics, against", measured["support_uncoupled_against"]),
            ("vote for, after statements for", measured["vote_coupled_for"]),
            ("vote for, after statements against", measured["vote_coupled_against"]),
        )
    )
    single = "\n".join(
        f"| `{key}` | {value:.3f} |" for key, value in measured.items() if isinstance(value, float)
    )
    return f"""\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---
# organism:{name}

A language model of {card["parameters"]:,} parameters that speaks the micro-English of doxa: {card["description"]}.
Known defect: {defect}.
Twin: `organism:{card["twin"]}`. It is an instrument for checking instruments and knows nothing about the
real world; the colours of its flags are made up.

## Data and recipe
Conversations written by `doxa.subjects.organisms.mixture` from named random streams of seed {card["seed"]}:
statements of belief and fact, stances on topics, reports of sources. {changed}
Loss falls on answers and facts only. First the base checkpoint ({grounding:,} steps: facts, evidence, what
James and Mary believe, and stances that were said about the asked topic itself){through}, then this branch
({recipe["steps"]:,} steps, {card["tokens"]:,} tokens, {card["taught_tokens"]:,} of them with loss).
AdamW, peak rate {recipe["peak_rate"]}, cosine, at most {recipe["tokens_per_batch"]:,} tokens a batch.
Final loss {card["loss_nats"]} nats per taught token.
The mixture's numbers stand in `card.json`; `doxa organism train {name}` trains it again.

## Measured
On {measured["contexts"]} conversations per number that were in no training text, after rounding to bfloat16; printed by
`python -m doxa.subjects.organisms.sizes {name}`.

| probability after {", ".join(str(count) for count in measured["statements"])} statements | |
|---|---|
{rows}

| measure | value |
|---|---|
{single}
"""
