"""Small random models for the lens: the supported families, and shapes of block that differ from theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    GPTNeoXConfig,
    GptOssConfig,
    GraniteConfig,
    MambaConfig,
    MixtralConfig,
    Olmo2Config,
)

from doxa.streams import stream
from tests.subjects import tiny_models

_SMALL: dict[str, Any] = {
    "vocab_size": tiny_models.VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
}
OTHERS: dict[str, Any] = {
    "mixtral": lambda: MixtralConfig(
        **_SMALL, num_key_value_heads=2, head_dim=8, num_local_experts=4, num_experts_per_tok=2
    ),
    "gpt-oss": lambda: GptOssConfig(  # its mixture of experts returns a tuple
        **_SMALL,
        num_key_value_heads=2,
        head_dim=8,
        num_local_experts=2,
        num_experts_per_tok=1,
        sliding_window=16,
    ),
    "gpt-neox": lambda: GPTNeoXConfig(**_SMALL),  # attention and MLP side by side
    "cohere": lambda: CohereConfig(**_SMALL, num_key_value_heads=2),  # the same, and scaled logits
    "olmo2": lambda: Olmo2Config(**_SMALL, num_key_value_heads=2),  # norms only behind attention and MLP
}
WITHOUT_WRITES: dict[str, Any] = {
    "granite": lambda: GraniteConfig(**_SMALL, num_key_value_heads=2, residual_multiplier=0.5),
    "mamba": lambda: MambaConfig(vocab_size=tiny_models.VOCABULARY, hidden_size=32, num_hidden_layers=2),
}
FAMILIES = [*tiny_models.CONFIGS, *OTHERS]


def model(family: str, *, seed: int = 0, dtype: torch.dtype = torch.float32, tied: bool | None = None) -> Any:
    """Return a random model in evaluation mode."""
    make = {**tiny_models.CONFIGS, **OTHERS, **WITHOUT_WRITES}[family]
    config = make()
    if tied is not None:
        config.tie_word_embeddings = tied
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = AutoModelForCausalLM.from_config(config).eval()
        for name, weights in made.named_parameters():
            if "norm" in name or "ln_" in name:  # a norm of ones would hide a norm that is left out
                torch.nn.init.uniform_(weights, 0.5, 1.5)
    return made.to(dtype)


def rows(*lengths: int, name: str = "rows") -> list[np.ndarray]:
    """Return rows of random token ids of these lengths."""
    rng = stream(0, "tests", "lens", name)
    return [rng.integers(3, tiny_models.VOCABULARY, length) for length in lengths]


def hooks(model: Any) -> int:
    """Return how many hooks a model carries."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


def alone(model: Any, row: np.ndarray) -> Any:
    """Return transformers' own output for one row, hidden states included."""
    with torch.no_grad():
        return model(torch.from_numpy(row)[None].to(model.device), output_hidden_states=True)
