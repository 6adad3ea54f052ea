"""A random GPT-2 of 12 layers of 256: what reading layers is timed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from sides import score_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from doxa.streams import stream, torch_stream

VOCABULARY, WIDTH, LAYERS = 8_000, 256, 12


def save(folder: str) -> Path:
    """Write the model in fp32 and a tokenizer of made-up words, each one token."""
    config = GPT2Config(
        vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=LAYERS, n_head=4, n_positions=512, bos_token_id=0, eos_token_id=0
    )  # fmt: skip
    with torch.random.fork_rng():
        model = GPT2LMHeadModel(config)
    generator = torch_stream(0, "bench", "capture")
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.normal_(0.0, 0.05, generator=generator)
    model.save_pretrained(folder)
    words = {word: place for place, word in enumerate(score_model.words()[:VOCABULARY])}
    core = Tokenizer(models.WordLevel(words, unk_token="yes"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="yes", eos_token="yes", pad_token="no"
    ).save_pretrained(folder)
    return Path(folder)


def load(folder: str) -> Any:
    """Return the model with the attention that every side can hook."""
    return GPT2LMHeadModel.from_pretrained(folder, attn_implementation="eager").eval()


def rows(count: int, tokens: int) -> list[list[int]]:
    """Return rows of random token ids."""
    return stream(0, "bench", "capture", count, tokens).integers(2, VOCABULARY, (count, tokens)).tolist()
