"""A random Llama of 56 million parameters with a tokenizer of 32,000 made-up words: what scoring is timed on."""

from __future__ import annotations

from itertools import islice, product
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY, WIDTH, LAYERS, INNER = 32_000, 512, 8, 1216
POSITIONS = 4096
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


def words() -> list[str]:
    """Return as many different made-up words as the vocabulary holds; each is one token."""
    return [
        *("yes", "no"),
        *("".join(parts) for parts in islice(product(SYLLABLES, repeat=3), VOCABULARY - 2)),
    ]


def save(folder: Path) -> None:
    """Write the model in fp32 and its tokenizer."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=POSITIONS,
        bos_token_id=None,
        eos_token_id=0,
    )
    save_random(folder, config, 0.02, eos_token="yes")


def save_random(folder: Path, config: LlamaConfig, spread: float, **names: str) -> None:
    """Write a model of Normal(0, spread^2) weights and a tokenizer whose words are tokens, with the names given."""
    known = words()[: config.vocab_size]
    core = Tokenizer(models.WordLevel({word: place for place, word in enumerate(known)}, unk_token="no"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=core, **names).save_pretrained(folder)
    with torch.random.fork_rng():
        model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.normal_(0.0, spread, generator=generator)
    model.save_pretrained(folder)


def text(rng: np.random.Generator, tokens: int) -> str:
    """Return so many words drawn at random."""
    known = words()
    return " ".join(known[place] for place in rng.integers(2, VOCABULARY, tokens))


def matrix_flops(tokens: float, pairs: float) -> float:
    """Return the floating-point operations that are needed without the head.

    ``tokens`` go through the matrices of every layer; attention multiplies keys and values for ``pairs`` of a token
    and one that it sees.
    """
    per_token = 2.0 * LAYERS * (4 * WIDTH**2 + 3 * WIDTH * INNER)
    return per_token * tokens + 4.0 * LAYERS * WIDTH * pairs
