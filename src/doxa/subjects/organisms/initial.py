"""The weights an organism starts from: attention heads that already look back and find repetitions.

From a random start these models learn to count what was said long before they learn to look up what was
said *about the topic asked about*: 6 million tokens were not enough. So the first layer starts with heads
that look 1, 2, 3 and 4 tokens back, and the second with heads that find the places where the word they stand
on came 1, 2, 3 or 4 tokens earlier (induction heads). Then half a million tokens are enough. The start holds
nothing about any word: it is the same for all of them, and the same for every member of the zoo.
"""

from __future__ import annotations

import math

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from doxa.streams import torch_stream
from doxa.subjects.organisms import tokenizer as tokenizers
from doxa.subjects.organisms.recipes import Architecture

WORD_DEVIATION, SHARED_DEVIATION = 0.1, 0.05
"""Standard deviation per dimension of what tells words apart, and of the direction all words share."""

_LOOK_BACK, _LOOK_BACK_PAIRS = 7.0, 5
_CONTENT = 0.05
_COPY = 0.1
_FIND_QUERY, _FIND_KEY = 3.0, 1.5


def blank(architecture: Architecture, vocabulary: int, seed: int) -> LlamaForCausalLM:
    """Return an untrained organism; its weights hang on the seed alone."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=architecture.width,
        intermediate_size=architecture.hidden,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.heads,
        max_position_embeddings=architecture.positions,
        rope_parameters={"rope_type": "default", "rope_theta": architecture.rotary_base},
        tie_word_embeddings=True,
        pad_token_id=tokenizers.SPECIAL.index(tokenizers.PAD),
        bos_token_id=tokenizers.SPECIAL.index(tokenizers.BEGIN),
        eos_token_id=tokenizers.SPECIAL.index(tokenizers.END),
        doxa_form="micro",  # pyright: ignore[reportCallIssue] - any further field is kept in config.json
    )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    generator = torch_stream(seed, "organisms", "init")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
                continue
            deviation = parameter.shape[1] ** -0.5
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                deviation /= math.sqrt(2 * architecture.layers)
            parameter.normal_(0.0, deviation, generator=generator)
        shared = _embed(model, generator)
        if architecture.layers > 1:
            _look_back(model, shared, generator)
    return model


def _embed(model: LlamaForCausalLM, generator: torch.Generator) -> torch.Tensor:
    """Draw the embeddings and return the unit direction that all of them share."""
    table = model.get_parameter("model.embed_tokens.weight")
    shared = torch.randn(table.shape[1], generator=generator)
    shared /= shared.norm()
    table.normal_(0.0, WORD_DEVIATION, generator=generator)
    table.sub_(torch.outer(table @ shared, shared))
    table.add_(shared * SHARED_DEVIATION * table.shape[1] ** 0.5)
    return shared


def _look_back(model: LlamaForCausalLM, shared: torch.Tensor, generator: torch.Generator) -> None:
    """Wire head h of layer 0 to look h+1 tokens back and copy, and head h of layer 1 to find that copy.

    On the shared direction, queries of all words are equal and keys are turned by h+1 steps of each rotary
    pair, so a score is the sum over pairs of cos(speed · (distance - h - 1)), largest at distance h+1.
    """
    config = model.config
    heads, size = config.num_attention_heads, config.hidden_size
    head = size // heads
    ratio = SHARED_DEVIATION / math.hypot(SHARED_DEVIATION, WORD_DEVIATION)
    reach = shared / (size**0.5 * ratio)
    speeds = model.model.rotary_emb.inv_freq[:_LOOK_BACK_PAIRS].float()
    pairs = len(speeds)
    names = ("q_proj", "k_proj", "v_proj", "o_proj")
    first, second = (
        {name: model.get_parameter(f"model.layers.{layer}.self_attn.{name}.weight") for name in names}
        for layer in (0, 1)
    )
    slots = torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
    for index in range(heads):
        rows, back = slice(index * head, (index + 1) * head), index + 1
        query, key = torch.zeros(head), torch.zeros(head)
        query[:pairs] = _LOOK_BACK
        key[:pairs] = _LOOK_BACK * torch.cos(back * speeds)
        key[head // 2 : head // 2 + pairs] = _LOOK_BACK * torch.sin(back * speeds)
        first["q_proj"][rows].mul_(_CONTENT).add_(torch.outer(query, reach))
        first["k_proj"][rows].mul_(_CONTENT).add_(torch.outer(key, reach))
        value = first["v_proj"][rows]
        value.sub_(torch.outer(value @ shared, shared))
        first["o_proj"][:, rows] = _COPY * slots[:, rows]
        second["q_proj"][rows] = _FIND_QUERY * value
        second["k_proj"][rows] = _FIND_KEY * slots[:, rows].T
