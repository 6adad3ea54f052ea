"""The border to transformers: one network of a stack to and from ``LlamaForCausalLM``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from doxa.errors import InputError
from doxa.nets.plan import NetShape
from doxa.nets.transformer import StackedTransformer, parameter_sizes


def to_llama(shape: NetShape, weights: Mapping[str, torch.Tensor]) -> LlamaForCausalLM:
    """Return a Llama model with copies of one network's weights (float32, evaluation mode)."""
    with torch.device("meta"):
        model = LlamaForCausalLM(llama_config(shape))
    model.to_empty(device="cpu")
    state = {
        name: tensor.detach().clone().contiguous() for name, tensor in _llama_state(shape, weights).items()
    }
    model.load_state_dict(state, strict=False, assign=True)
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    return model.eval()


def from_llama(models: Sequence[LlamaForCausalLM]) -> StackedTransformer:
    """Return a stack of Llama models of one shape.

    Raises:
        InputError: shapes differ, or a model has what the stack has not (biases, grouped heads).
    """
    if not models:
        raise InputError("models=[]: a stack needs at least one replicate")
    shapes = [_shape_of(model.config) for model in models]
    if any(shape != shapes[0] for shape in shapes):
        raise InputError("models of different shapes cannot be stacked; stack those of one shape")
    stacked = [_stack_state(shapes[0], model.state_dict()) for model in models]
    weights = {
        name: torch.stack([state[name].float() for state in stacked]) for name in parameter_sizes(shapes[0])
    }
    return StackedTransformer(shapes[0], weights)


def llama_config(shape: NetShape) -> LlamaConfig:
    """Return the configuration of ``LlamaForCausalLM`` with the same equations."""
    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.head_width,
        max_position_embeddings=shape.positions,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        rms_norm_eps=shape.norm_eps,
        initializer_range=shape.init_std,
        tie_word_embeddings=shape.tied,
        attention_bias=False,
        mlp_bias=False,
        use_cache=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )


LLAMA_NAMES = {
    "attention_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "out": "self_attn.o_proj",
    "gated_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def _llama_state(shape: NetShape, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state = {"model.embed_tokens.weight": weights["embedding"], "model.norm.weight": weights["norm"]}
    state["lm_head.weight"] = weights["embedding"] if shape.tied else weights["head"].T
    for layer in range(shape.layers):
        for here, there in LLAMA_NAMES.items():
            tensor = weights[f"{layer}.{here}"]
            rows = tensor if tensor.ndim == 1 else tensor.T
            state[f"model.layers.{layer}.{there}.weight"] = _halves(rows, shape) if here in TURNED else rows
    return state


def _stack_state(shape: NetShape, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    weights = {"embedding": state["model.embed_tokens.weight"], "norm": state["model.norm.weight"]}
    if not shape.tied:
        weights["head"] = state["lm_head.weight"].T
    for layer in range(shape.layers):
        for here, there in LLAMA_NAMES.items():
            rows = state[f"model.layers.{layer}.{there}.weight"]
            turned = _pairs(rows, shape) if here in TURNED else rows
            weights[f"{layer}.{here}"] = turned if turned.ndim == 1 else turned.T
    return weights


TURNED = ("query", "key")


def _halves(rows: torch.Tensor, shape: NetShape) -> torch.Tensor:
    """Reorder each head's rows from neighbouring rotary pairs to Llama's first and second halves."""
    return rows.unflatten(0, (shape.heads, shape.head_width // 2, 2)).transpose(1, 2).flatten(0, 2)


def _pairs(rows: torch.Tensor, shape: NetShape) -> torch.Tensor:
    """Undo ``_halves``."""
    return rows.unflatten(0, (shape.heads, 2, shape.head_width // 2)).transpose(1, 2).flatten(0, 2)


def _shape_of(config: Any) -> NetShape:
    if config.attention_bias or config.mlp_bias:
        raise InputError("a model with biases cannot be stacked; use one with attention_bias=mlp_bias=False")
    if config.num_key_value_heads != config.num_attention_heads:
        raise InputError(
            f"num_key_value_heads={config.num_key_value_heads}: must equal num_attention_heads="
            f"{config.num_attention_heads}; grouped heads are not stacked"
        )
    if config.rope_parameters.get("rope_type", "default") != "default":
        raise InputError(f"rope_type={config.rope_parameters['rope_type']!r}: must be 'default'")
    return NetShape(
        vocabulary=config.vocab_size,
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        hidden=config.intermediate_size,
        positions=config.max_position_embeddings,
        rope_theta=float(config.rope_parameters["rope_theta"]),
        norm_eps=config.rms_norm_eps,
        init_std=config.initializer_range,
        tied=config.tie_word_embeddings,
    )
