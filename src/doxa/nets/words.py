"""Tokenizers of small worlds: each word or phrase is one token, anything else in a text is not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def word_tokenizer(
    words: Sequence[str] | Mapping[str, int],
    *,
    pad: str,
    begin: str | None = None,
    end: str | None = None,
    special: Sequence[str] = (),
    pattern: str | None = None,
    normalizer: Any = None,
    decoder: Any = None,
    template: str | None = None,
) -> PreTrainedTokenizerFast:
    """Return a tokenizer that plain transformers load, with padding on the left, as generation needs it.

    Args:
        words: what the network knows, in the order of tokens, or each with its token.
        pad: the word of padding, which also stands for a word that is not known.
        begin: the word that begins a text.
        end: the word that ends a reply.
        special: further words that a reply as text leaves out.
        pattern: regular expression of the words in a text; by default what stands between white space.
        normalizer: of ``tokenizers.normalizers``, applied to a text before its words are found.
        decoder: of ``tokenizers.decoders``; by default words are joined by spaces.
        template: chat template in Jinja.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = words if isinstance(words, Mapping) else {word: token for token, word in enumerate(words)}
    core: Any = Tokenizer(models.WordLevel(dict(known), unk_token=pad))
    core.pre_tokenizer = (
        pre_tokenizers.WhitespaceSplit()
        if pattern is None
        else pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    )
    if normalizer is not None:
        core.normalizer = normalizer
    if decoder is not None:
        core.decoder = decoder
    named = {"bos_token": begin, "eos_token": end, "chat_template": template}
    if special:
        named["extra_special_tokens"] = list(special)  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=pad,
        clean_up_tokenization_spaces=False,
        padding_side="left",
        **{name: value for name, value in named.items() if value is not None},
    )
