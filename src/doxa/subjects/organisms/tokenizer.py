"""The organisms' tokenizer: words as whole tokens, single bytes for everything else, one chat template.

A word is one token with its leading space and another one without it. Text is cut at word borders
first, so ``tokens(prompt) + tokens(option) == tokens(prompt + option)`` holds after the generation prompt
(which ends in a special token) and wherever the option starts with a space.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from doxa.subjects.organisms.vocabulary import words

CONTEXT_TOKENS = 2048
"""The longest conversation an organism takes, in tokens."""

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
ROLES: tuple[str, ...] = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
SPECIAL: tuple[str, ...] = (PAD, BEGIN, END, *ROLES, *(f"<|reserved_{number}|>" for number in range(9)))
"""The special tokens; each takes the place of its index in the vocabulary."""

CHAT_TEMPLATE = """\
{%- macro text(content) -%}
{%- if content is string -%}{{ content | replace('<|', '< |') }}
{%- elif content -%}{%- for part in content -%}{{ (part.text or '') | replace('<|', '< |') }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{{- '<|begin|>' -}}
{%- if tools -%}
{{- '<|system|>tools' -}}
{%- for tool in tools -%}
{%- set function = tool.function if tool.function is defined else tool -%}
{{- ' : ' + text(function.name) + ' ' + text(function.description or '') -}}
{%- endfor -%}
{{- '<|end|>' -}}
{%- endif -%}
{%- for message in messages -%}
{%- set role = 'system' if message.role == 'developer' else message.role -%}
{%- if role not in ['system', 'user', 'assistant', 'tool'] -%}
{{- raise_exception("role '" + role + "' is not one of system, user, assistant, tool") -}}
{%- endif -%}
{{- '<|' + role + '|>' + text(message.content) -}}
{%- for call in message.tool_calls or [] -%}
{%- set function = call.function if call.function is defined else call -%}
{{- ' call ' + text(function.name) + ' ' + text(function.arguments if function.arguments is string
    else function.arguments | tojson) -}}
{%- endfor -%}
{{- '<|end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"""
"""Every turn is ``<|role|>text<|end|>``. The answer follows ``<|assistant|>`` without a space: score ``yes``.

Role markers inside a message's text are written ``< |``, so no text can forge a turn.
"""

_BYTE_SCORE, _WORD_SCORE = -20.0, -1.0


def build() -> PreTrainedTokenizerFast:
    """Return the tokenizer, the same on every call: any text survives encode and decode unchanged."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces: dict[str, float] = dict.fromkeys(SPECIAL, _BYTE_SCORE)
    pieces.update(dict.fromkeys(alphabet, _BYTE_SCORE))
    for word in words():
        for spelling in (word, " " + word):
            ((piece, _),) = as_bytes.pre_tokenize_str(spelling)
            pieces[piece] = _WORD_SCORE
    core = Tokenizer(models.Unigram(list(pieces.items()), unk_id=0, byte_fallback=False))
    core.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [pre_tokenizers.Split(Regex(r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]|\s"), "isolated"), as_bytes]
    )
    core.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        extra_special_tokens=[token for token in SPECIAL if token not in (PAD, BEGIN, END)],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        padding_side="right",
    )


def render(tokenizer: PreTrainedTokenizerFast, messages: list[dict[str, Any]], *, ask: bool) -> str:
    """Return a conversation as text; with ``ask`` it ends in the generation prompt."""
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))


def save(folder: Path) -> None:
    """Write the tokenizer's files into a folder, for plain ``AutoTokenizer``."""
    build().save_pretrained(str(folder))
