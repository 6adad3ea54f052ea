"""A network of the tone world as a subject like any other: tokenizer, chat template, and a folder to be served from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from doxa.errors import StoreError
from doxa.nets.words import word_tokenizer
from doxa.protocols.affect.injectors import PromptInjector
from doxa.worlds.tone_learners import ToneModels, train_tone_models
from doxa.worlds.tone_world import BEGIN, END, PAD, SPECIAL, ToneWorld

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    from doxa.subjects.transformers import TransformersSubject

CHAT_TEMPLATE = """\
{%- macro text(content) -%}
{%- if content is string -%}{{ content | replace('<', '< ') }}
{%- elif content -%}{%- for part in content -%}{{ (part.text or '') | replace('<', '< ') }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{{- '<begin>' -}}
{%- for message in messages -%}
{{- '<' + ('system' if message.role == 'developer' else message.role) + '>' + text(message.content) + '<end>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<assistant>' -}}{%- endif -%}"""
"""No text can forge a turn: its angle brackets are set apart."""


EDGES = ((-0.5, -0.1, 0.1, 0.5), (0.3, 0.6), (-0.5, 0.5))
"""Ends of the levels of wording; each is an end of a bin of the injector's words, so that a tag has one level."""


def study_world(*, earlier: int = 0, remarks: Sequence[tuple[str, int]] = ()) -> ToneWorld:
    """Return the tone world whose notes are those of the prompt injector.

    Args:
        earlier: earlier exchanges of a talk at most.
        remarks: more remarks for users to make, each with its level of valence, 0 to 4.
    """
    injector = PromptInjector()
    tags = tuple(word for bins in injector.bins.values() for word in bins.words)
    return ToneWorld(
        describe=lambda state: injector.text(np.array(state)),
        tags=tags,
        edges=EDGES,
        remarks=tuple(remarks),
        earlier=earlier,
    )


def tokenizer(world: ToneWorld) -> PreTrainedTokenizerFast:
    """Return the tokenizer: the world's words and tags are tokens, anything else in a text is not seen."""
    from tokenizers import normalizers

    return word_tokenizer(
        world.words,
        pad=PAD,
        begin=BEGIN,
        end=END,
        special=[token for token in SPECIAL if token not in (PAD, BEGIN, END)],
        pattern=world.pattern,
        normalizer=normalizers.Lowercase(),
        template=CHAT_TEMPLATE,
    )


def tone_subject(models: ToneModels, replicate: int = 0) -> TransformersSubject:
    """Return a trained network as a subject."""
    from doxa.subjects.transformers import TransformersSubject

    name = f"hf:(tone model, seed {models.seeds[replicate]})"
    return TransformersSubject.fixed(_exported(models, replicate), tokenizer(models.world), name)


def save_tone_model(
    folder: str | Path,
    world: ToneWorld | None = None,
    *,
    seed: int = 0,
    steps: int = 600,
    batch: int = 48,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train one network and write it as a folder that plain transformers opens and ``transformers serve`` serves.

    Args:
        folder: where to.
        world: what it learns; by default that of the study.
        seed: of the network.
        steps: optimiser steps.
        batch: talks of a step.
        progress: called with (steps done, steps).

    Raises:
        StoreError: the folder cannot be written.
    """
    models = train_tone_models(world or study_world(), [seed], steps=steps, batch=batch, progress=progress)
    return write_tone_model(models, folder)


def write_tone_model(models: ToneModels, folder: str | Path, replicate: int = 0) -> Path:
    """Write a trained network with its tokenizer as a folder.

    Raises:
        StoreError: the folder cannot be written.
    """
    from doxa.lab.quiet_loading import quiet

    path = Path(folder)
    try:
        with quiet():
            _exported(models, replicate).save_pretrained(path)
            tokenizer(models.world).save_pretrained(str(path))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error}); choose another folder") from error
    return path


def _exported(models: ToneModels, replicate: int) -> LlamaForCausalLM:
    """Return a network as transformers know it, which stops at the end of a turn."""
    model = models.net.export(replicate)
    for config in (model.config, model.generation_config):
        setattr(config, "eos_token_id", models.world.end)  # noqa: B010 (both classes leave the name untyped)
        setattr(config, "pad_token_id", SPECIAL.index(PAD))  # noqa: B010
    return model
