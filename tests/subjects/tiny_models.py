"""Small random models and tokenizers of the families that are supported, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXT = ["the flag of peru is red. is it true? (A) yes (B) no (C) unknown", "i believe that the sea is green"]
VOCABULARY = 320

_SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
    "initializer_range": 0.3,
}
CONFIGS: dict[str, Any] = {
    "llama": lambda: LlamaConfig(**_SMALL),
    "qwen2": lambda: Qwen2Config(**_SMALL),
    "qwen2-window": lambda: Qwen2Config(
        **_SMALL, use_sliding_window=True, sliding_window=16, max_window_layers=1
    ),
    "qwen3": lambda: Qwen3Config(**_SMALL, head_dim=8),
    "gemma": lambda: GemmaConfig(**_SMALL, head_dim=8),
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=512,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.3,
    ),
    "gemma2": lambda: Gemma2Config(**_SMALL, head_dim=8, sliding_window=16),
    "gemma3": lambda: Gemma3TextConfig(
        **_SMALL, head_dim=8, sliding_window=16, layer_types=["sliding_attention", "full_attention"]
    ),
    "mistral": lambda: MistralConfig(**_SMALL, sliding_window=12),
}


def tokenizer(*, template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer with a few merges and turn markers."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(TEXT, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = template
    return made


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
"""Where tests of scoring run: the processor, and a GPU where there is one."""


def model(family: str, *, seed: int = 0) -> Any:
    """Return a random model of a family, on the CPU in fp32."""
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(CONFIGS[family]()).eval()


def save(
    folder: Path, family: str = "llama", *, seed: int = 0, template: str | None = TEMPLATE, **extra: Any
) -> Path:
    """Write model, tokenizer and template to a folder; ``extra`` is added to its config.json."""
    model(family, seed=seed).save_pretrained(folder)
    tokenizer(template=template).save_pretrained(folder)
    if extra:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | extra))
    return folder
