"""Training an organism: a base checkpoint that knows the facts, then one branch per member.

Loss is next-token cross entropy on answers and facts only; what the user says carries none. A run
killed at any moment continues from its last checkpoint and ends in the same weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, cast

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from doxa.canonical import Json, digest
from doxa.subjects.organisms import tokenizer as tokenizers
from doxa.subjects.organisms.batches import UNTAUGHT, Batch, Encoder, batches
from doxa.subjects.organisms.forward import taught_logits
from doxa.subjects.organisms.initial import blank
from doxa.subjects.organisms.recipes import BASE, Architecture, Progress, Recipe, member

CHECKPOINT_STEPS = 100
"""Optimiser steps between two checkpoints."""


class Trained(NamedTuple):
    """What a training ended in; ``loss`` is the mean of the last fifty steps, in nats per taught token."""

    model: LlamaForCausalLM
    loss: float
    tokens: int
    taught_tokens: int


def answer_loss(weights: Mapping[str, torch.Tensor], config: LlamaConfig, batch: Batch) -> torch.Tensor:
    """Return the mean cross entropy in nats over the taught tokens of a batch."""
    targets = torch.from_numpy(batch.targets)
    taught = targets != UNTAUGHT
    logits = taught_logits(weights, config, torch.from_numpy(batch.tokens), taught)
    return torch.nn.functional.cross_entropy(logits.float(), targets[taught])


def rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step: linear warm-up, then cosine to zero."""
    if step < recipe.warmup_steps:
        return recipe.peak_rate * (step + 1) / recipe.warmup_steps
    left = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.peak_rate * 0.5 * (1.0 + math.cos(math.pi * left))


def run(
    recipe: Recipe,
    model: LlamaForCausalLM,
    seed: int,
    folder: Path,
    *,
    phase: str,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
    stop_after: int | None = None,
) -> Trained:
    """Train ``model`` in place by a recipe, keeping checkpoints in ``folder``.

    Args:
        recipe: data and schedule.
        model: where to start; a checkpoint in ``folder`` of the same recipe and seed replaces it.
        seed: seed of the data's streams.
        folder: where checkpoints are kept; made if missing.
        phase: name shown in progress.
        progress: called after every tenth step.
        resume: False forgets checkpoints.
        stop_after: stop at this step as if killed (for tests); None runs to the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = {name: tensor.float().sum().item() for name, tensor in model.named_parameters()}
    key = digest({"recipe": recipe.as_json(), "seed": seed, "start": cast(Json, start)}, length=16)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.peak_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    state = _State(folder, key, model, optimizer)
    step, block, position, losses, tokens, taught = state.load() if resume else state.fresh()
    encoder = Encoder(tokenizers.build())
    feed = batches(
        encoder,
        recipe.mixture,
        seed,
        tokens_per_batch=recipe.tokens_per_batch,
        block=block,
        position=position,
    )
    began, begun_tokens = time.monotonic(), tokens
    masters = dict(model.named_parameters())
    copies = {name: weight.detach().bfloat16().requires_grad_() for name, weight in masters.items()}
    while step < recipe.steps and (stop_after is None or step < stop_after):
        batch = next(feed)
        for group in optimizer.param_groups:
            group["lr"] = rate(recipe, step)
        loss = answer_loss(copies, model.config, batch)
        loss.backward()
        for name, weight in masters.items():
            weight.grad, copies[name].grad = cast(torch.Tensor, copies[name].grad).float(), None
        torch.nn.utils.clip_grad_norm_(masters.values(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for name, weight in masters.items():
                copies[name].copy_(weight)
        step += 1
        tokens += batch.tokens.size
        taught += int((batch.targets != UNTAUGHT).sum())
        losses = [*losses[-49:], float(loss.detach())]
        if progress is not None and (step % 10 == 0 or step == recipe.steps):
            speed = (tokens - begun_tokens) / max(time.monotonic() - began, 1e-9)
            progress(Progress(phase, step, recipe.steps, sum(losses[-10:]) / len(losses[-10:]), speed))
        if step % CHECKPOINT_STEPS == 0 or step == recipe.steps:
            state.save(step, batch.block, batch.position + 1, losses, tokens, taught)
    return Trained(model, sum(losses) / max(1, len(losses)), tokens, taught)


class _State:
    """A checkpoint on disk: one safetensors file, and a JSON file that is replaced last and names it."""

    def __init__(self, folder: Path, key: str, model: LlamaForCausalLM, optimizer: torch.optim.AdamW) -> None:
        self._folder, self._key, self._model, self._optimizer = folder, key, model, optimizer
        self._parameters = dict(model.named_parameters())

    def fresh(self) -> tuple[int, int, int, list[float], int, int]:
        """Return the state before the first step."""
        return 0, 0, 0, [], 0, 0

    def load(self) -> tuple[int, int, int, list[float], int, int]:
        """Put the last checkpoint of this very recipe in place, if there is one."""
        note = self._folder / "state.json"
        if not note.exists():
            return self.fresh()
        saved = json.loads(note.read_text())
        if saved["key"] != self._key:
            return self.fresh()
        tensors = load_file(self._folder / saved["tensors"])
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(tensors[f"weight/{name}"])
                self._optimizer.state[parameter] = {
                    "step": torch.tensor(float(saved["step"])),
                    "exp_avg": tensors[f"mean/{name}"].clone(),
                    "exp_avg_sq": tensors[f"square/{name}"].clone(),
                }
        return (
            saved["step"],
            saved["block"],
            saved["position"],
            saved["losses"],
            saved["tokens"],
            saved["taught"],
        )

    def save(
        self, step: int, block: int, position: int, losses: list[float], tokens: int, taught: int
    ) -> None:
        """Write a checkpoint; a kill in between leaves the one before."""
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter in self._parameters.items():
            tensors[f"weight/{name}"] = parameter.detach().clone()
            tensors[f"mean/{name}"] = self._optimizer.state[parameter]["exp_avg"].clone()
            tensors[f"square/{name}"] = self._optimizer.state[parameter]["exp_avg_sq"].clone()
        name = f"step-{step}.safetensors"
        part = self._folder / (name + ".part")
        save_file(tensors, part)
        part.replace(self._folder / name)
        note = {
            "key": self._key,
            "tensors": name,
            "step": step,
            "block": block,
            "position": position,
            "losses": losses,
            "tokens": tokens,
            "taught": taught,
        }
        part = self._folder / "state.json.part"
        part.write_text(json.dumps(note))
        part.replace(self._folder / "state.json")
        for old in self._folder.glob("step-*.safetensors"):
            if old.name != name:
                old.unlink()


def base(
    seed: int, out: Path, *, progress: Callable[[Progress], None] | None = None, resume: bool = True
) -> Trained:
    """Return the base checkpoint of a seed, training it in ``out`` if it is not there yet."""
    model = blank(Architecture(), len(tokenizers.build()), seed)
    return run(BASE, model, seed, out / f"base-{seed}", phase="base", progress=progress, resume=resume)


def branch(
    name: str,
    seed: int,
    out: Path,
    *,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
) -> Trained:
    """Return a trained member, branched from the base checkpoint of the same seed or from the member it starts as."""
    organism = member(name)
    start = branch(organism.start, seed, out, progress=progress) if organism.start else None
    model = (start or base(seed, out, progress=progress, resume=True)).model
    return run(
        organism.recipe, model, seed, out / f"{name}-{seed}", phase=name, progress=progress, resume=resume
    )
