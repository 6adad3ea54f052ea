"""A network of the persuasion world as a subject like any other: with a tokenizer, a chat template and an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from doxa.nets.words import word_tokenizer
from doxa.protocols.persuasion.dimensions import Wording
from doxa.worlds import persuasion_world as world_of
from doxa.worlds.persuasion_world import PersuasionWorld

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from doxa.subjects.transformers import TransformersSubject

CHAT_TEMPLATE = """\
{{- '<begin>' -}}
{%- for message in messages -%}
{{- ' <' + message.role + '> ' + message.content + ' <end>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- ' <assistant>' -}}{%- endif -%}"""


def wording(world: PersuasionWorld) -> Wording:
    """Return what is said to the two roles in the small world."""
    return Wording(
        claim=world_of.CLAIM,
        task="",
        styles={style: world.brief(style) for style in world.styles},
        personas=world_of.PERSONAS,
        question=world_of.QUESTION,
    )


def tokenizer(world: PersuasionWorld) -> PreTrainedTokenizerFast:
    """Return the tokenizer: words between white space are tokens, a word of another language is padding."""
    return word_tokenizer(
        world.vocabulary, pad=world_of.PAD, begin=world_of.BEGIN, end=world_of.END, template=CHAT_TEMPLATE
    )


def small_subject(model: Any, world: PersuasionWorld, name: str) -> TransformersSubject:
    """Return a trained network as a subject; it is not to be changed any more, for its identity is fixed here.

    Args:
        model: the network as transformers know it, from ``net.export``.
        world: what it learned.
        name: tells it from others in the record.
    """
    from doxa.subjects.transformers import TransformersSubject

    return TransformersSubject.fixed(model, tokenizer(world), f"hf:({name})")
