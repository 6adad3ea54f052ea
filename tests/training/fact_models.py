"""A small real model that knows facts in plain English: made on the spot, with a tokenizer of pieces of words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from doxa.lens.truth_tokens import ids_of
from doxa.streams import stream
from doxa.training.continued_text import TextPlan, continual_pretrain, packed
from doxa.worlds.fact_pairs import FactPair, load_fact_pairs


def sentences(pairs):
    """Return every fact in all its wordings, as an answer to its question, and as a choice answered rightly."""
    texts = []
    for pair in pairs:
        texts += [f"{wording}{pair.true}." for wording in (pair.prompt, *pair.paraphrases)]
    return texts


def tokenizer(texts) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="</s>", clean_up_tokenization_spaces=False
    )


def trained(pairs: list[FactPair], *, steps: int = 250, seed: int = 0, granite: bool = False):
    """Return a two-block model trained to state the facts, and its tokenizer; Granite's scales its writes."""
    texts = sentences(pairs)
    words = tokenizer(texts)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes: dict[str, Any] = {
            "vocab_size": len(words),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "eos_token_id": 1,
            "bos_token_id": None,
            "tie_word_embeddings": True,
            "initializer_range": 0.125,
        }
        model = (
            GraniteForCausalLM(GraniteConfig(**sizes, residual_multiplier=0.2))
            if granite
            else LlamaForCausalLM(LlamaConfig(**sizes))
        )
    rng = stream(seed, "tests", "facts")
    encoded = [np.concatenate([ids_of(words, text), [words.eos_token_id]]) for text in texts]

    def forever():
        while True:
            for place in rng.permutation(len(encoded)):
                yield encoded[place]

    continual_pretrain(model, packed(forever(), 16, 64), TextPlan(steps, rate=3e-3, warmup_share=0.1))
    return model, words


def save(folder: Path, source: str = "elements", *, steps: int = 250, granite: bool = False) -> Path:
    model, words = trained(load_fact_pairs(source), steps=steps, granite=granite)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
