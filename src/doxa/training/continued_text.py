"""Continued training of a transformers model on text, with probes at checkpoints.

The model given is trained in place; load a copy for it. The optimiser's defaults are those of the specification of
Layer of Truth (arXiv:2510.26829), whose own settings are not published: AdamW, rate 1e-5, batch 16, rows of 128
tokens, 3 % warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Int

from doxa.errors import DoxaError, InputError, MissingExtraError
from doxa.streams import stream, torch_stream
from doxa.training.poisoning import check_checkpoints
from doxa.worlds.fact_pairs import FactPair

Adapter = Literal["auto", "full", "lora"]
Probe = Callable[[int, Any], None]
Rows = Iterator[Int[np.ndarray, "batch length"]]

LORA_RANK = 16
FULL_PARAMETERS = 300_000_000
"""Models with more parameters are trained through a LoRA unless told otherwise."""


@dataclass(frozen=True)
class TextPlan:
    """How a model's training is continued.

    Attributes:
        steps: optimiser steps.
        rate: highest learning rate.
        warmup_share: share of the steps in which the rate rises linearly; then it is constant.
        weight_decay: AdamW's.
        clip_norm: longest gradient; 0 switches clipping off.

    Raises:
        InputError: fewer than one step, or a rate below 0.
    """

    steps: int
    rate: float = 1e-5
    warmup_share: float = 0.03
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps={self.steps}: must be >= 1")
        if not self.rate >= 0:
            raise InputError(f"rate={self.rate}: must be >= 0")

    def rate_at(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..., steps - 1."""
        warmup = round(self.warmup_share * self.steps)
        return self.rate * min(1.0, (step + 1) / (warmup + 1))


def continual_pretrain(
    model: Any,
    rows: Rows,
    plan: TextPlan,
    *,
    checkpoint_steps: Sequence[int] = (),
    probe: Probe | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Train a model in place on rows of tokens by next-token prediction; return the loss of each step in nats.

    Args:
        model: a causal model of transformers; only its parameters that take gradients are trained.
        rows: batches of token ids, all positions of which carry loss.
        plan: steps and learning rate.
        checkpoint_steps: steps at which ``probe`` is called with (step, model in evaluation mode), 0 before the first.
        probe: reads the model.
        progress: called with (steps done, steps) after each step.

    Raises:
        InputError: checkpoints do not increase or lie after the last step, nothing can be trained, or the text ends
            too early.
        DoxaError: the loss is not finite.
    """
    check_checkpoints(checkpoint_steps, plan.steps)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights:
        raise InputError("model: no parameter takes gradients; nothing can be trained")
    optimiser = torch.optim.AdamW(weights, lr=plan.rate, weight_decay=plan.weight_decay)
    losses: list[float] = []
    for step in range(plan.steps + 1):
        if probe is not None and step in checkpoint_steps:
            model.eval()
            probe(step, model)
        if step == plan.steps:
            break
        batch = next(rows, None)
        if batch is None:
            raise InputError(
                f"rows: the text ends after {step} of {plan.steps} steps; give more or train shorter"
            )
        losses.append(_step(model, optimiser, weights, batch, plan, step))
        if progress is not None:
            progress(step + 1, plan.steps)
    model.eval()
    return losses


def _step(
    model: Any,
    optimiser: torch.optim.Optimizer,
    weights: Sequence[torch.nn.Parameter],
    batch: Int[np.ndarray, "batch length"],
    plan: TextPlan,
    step: int,
) -> float:
    # Evaluation mode: dropout would draw from the global generator, and continued training needs none.
    model.eval()
    ids = torch.from_numpy(batch).to(model.device)
    loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    if not bool(torch.isfinite(loss)):
        raise DoxaError(f"step {step + 1}: the loss is {float(loss)}; lower the learning rate or use float32")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if plan.clip_norm > 0:
        torch.nn.utils.clip_grad_norm_(weights, plan.clip_norm)
    for group in optimiser.param_groups:
        group["lr"] = plan.rate_at(step)
    optimiser.step()
    return float(loss.detach())


class Trainable(NamedTuple):
    """A model prepared for training.

    ``model`` is trained; ``inside`` is the causal model that the lens reads, the same weights.
    """

    model: Any
    inside: Any
    adapter: Literal["full", "lora"]


def trainable(model: Any, adapter: Adapter, seed: int) -> Trainable:
    """Return a model of which all weights are trained, or a LoRA of rank 16 on all linear layers of its blocks.

    Args:
        model: changed in place; its weights stay as they are, a LoRA starts without effect.
        adapter: ``full``, ``lora``, or ``auto``: full up to 300 million parameters.
        seed: seed of a LoRA's initial weights.

    Raises:
        MissingExtraError: a LoRA is asked for, and peft is not installed.
    """
    size = sum(weight.numel() for weight in model.parameters())
    kind = adapter if adapter != "auto" else ("full" if size <= FULL_PARAMETERS else "lora")
    if kind == "full":
        for weight in model.parameters():
            weight.requires_grad_(True)
        return Trainable(model, model, "full")
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError("training a LoRA", "lora") from error
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(torch_stream(seed, "facts", "lora").get_state())
        config = LoraConfig(r=LORA_RANK, target_modules="all-linear", task_type="CAUSAL_LM", bias="none")
        wrapped: Any = get_peft_model(model, config)
    return Trainable(wrapped, wrapped.get_base_model(), "lora")


def packed(texts: Iterator[Int[np.ndarray, " _"]], batch: int, length: int) -> Rows:
    """Yield batches of rows cut from texts laid end to end, one after another.

    Args:
        texts: token ids of each text.
        batch: rows of a batch.
        length: tokens of a row.

    Raises:
        InputError: batch < 1 or length < 2; raised when the first batch is asked for.
    """
    if batch < 1 or length < 2:
        raise InputError(f"batch={batch}, length={length}: must be >= 1 and >= 2")
    waiting: list[Int[np.ndarray, " _"]] = []
    held = 0
    for text in texts:
        waiting.append(text)
        held += text.size
        if held >= batch * length:
            line = np.concatenate(waiting)
            yield line[: batch * length].reshape(batch, length)
            waiting, held = [line[batch * length :]], held - batch * length


def statement_texts(pair: FactPair, *, held_out: bool = False) -> list[tuple[str, str]]:
    """Return the sentences that state a pair, each truly and falsely; the last wording is held out.

    A pair with one wording only has nothing to hold out.
    """
    wordings = [pair.prompt, *pair.paraphrases]
    used = wordings[-1:] if held_out else wordings[: max(1, len(wordings) - 1)]
    return [(f"{wording}{pair.true}.", f"{wording}{pair.false}.") for wording in used]


def draws(seed: int, *names: str | int) -> Iterator[np.random.Generator]:
    """Yield generators of numbered streams, one for each stretch of text."""
    number = 0
    while True:
        yield stream(seed, *names, number)
        number += 1
