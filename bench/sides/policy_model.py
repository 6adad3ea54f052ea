"""A random Llama of 2 layers of 128 with 16,000 made-up words, prompts for it and a fixed batch: the policy trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sides.score_model import save_random, words
from transformers import LlamaConfig

from doxa.streams import stream

VOCABULARY, WIDTH, LAYERS, INNER, HEADS = 16_000, 128, 2, 256, 4
PROMPTS, PROMPT_TOKENS, GROUP, TOKENS = 4, 16, 8, 32
END = 0


def save(folder: Path) -> None:
    """Write the model in fp32 and its tokenizer; the first word ends a completion."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=PROMPT_TOKENS + TOKENS,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=END,
    )
    word = words()[END]
    save_random(folder, config, 0.05, eos_token=word, pad_token=word, padding_side="left")


def prompts() -> list[list[int]]:
    """Return the tokens of the prompts."""
    return stream(0, "bench", "grpo", "prompts").integers(2, VOCABULARY, (PROMPTS, PROMPT_TOKENS)).tolist()


def fixed_batch() -> dict[str, Any]:
    """Return completions of unequal length with advantages and old log-probabilities, as the losses get them."""
    rng = stream(0, "bench", "grpo", "fixed")
    rows = PROMPTS * GROUP
    lengths = rng.integers(3, TOKENS + 1, rows)
    return {
        "prompt_ids": np.repeat(prompts(), GROUP, axis=0).tolist(),
        "completion_ids": rng.integers(1, VOCABULARY, (rows, TOKENS)).tolist(),
        "completion_mask": (np.arange(TOKENS) < lengths[:, None]).astype(int).tolist(),
        "advantages": rng.standard_normal(rows).tolist(),
        "old_per_token_logps": (np.log(1 / VOCABULARY) + 0.5 * rng.standard_normal((rows, TOKENS))).tolist(),
    }


def matrix_flops() -> float:
    """Return the floating-point operations of a completion token: drawn once, trained on forward and backward."""
    block = 4 * WIDTH * WIDTH + 3 * WIDTH * INNER
    return (2 + 2 + 4) * (LAYERS * block + WIDTH * VOCABULARY)
