"""The observables on ordinary training: an image classifier, a small language model, and a model of the user's."""

from __future__ import annotations

import copy
import fnmatch
import json
from collections.abc import Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from doxa.errors import CapabilityError, InputError
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.subjects.base import Subject
from doxa.subjects.open_weights import no_weights, open_weights
from doxa.training.continued import base_sampler
from doxa.training.continued_text import TextPlan, continual_pretrain, packed
from doxa.training.forward_only.experiments import DT, Progress, Setup
from doxa.training.forward_only.history import SKAHistory
from doxa.training.forward_only.monitor import SKAMonitor
from doxa.training.forward_only.structure import BACKPROP_RATE, sigmoid_stack, split
from doxa.worlds.fact_world import STATEMENT_TOKENS, FactWorld, synthetic_world

LOOKS = 60
"""Updates of the ordinary runs; the monitor looks before each and after the last."""
LANGUAGE_RATE = 2e-3
LANGUAGE_ROWS = 64
WATCHED = ("*.mlp.gate_proj", "*.mlp.up_proj", "*.self_attn.o_proj")
COPIED = ("entropy", "cosine", "flow_norm", "tensor_net", "lagrangian", "knowledge_norm")
TEXTS = (
    "The harbour master counted eleven boats before the fog came in from the west.",
    "Bread keeps longer when the loaf has cooled before it is wrapped.",
    "The library closes at six on weekdays and at noon on Saturdays.",
    "A bicycle wheel stays true only while all of its spokes pull evenly.",
    "The committee read the report twice and sent it back with three questions.",
    "Rain fell on the upper valley all night, and by morning the ford was closed.",
    "She tuned the lowest string first and worked her way up from there.",
    "The shop sells lamps, rope, paint and the better kind of nails.",
    "Two of the pears were ripe, and the others needed a week on the shelf.",
    "The train waits four minutes at the junction for the slower line.",
    "Snow lay in the north gullies until the first days of June.",
    "He wrote the figures in pencil so that they could be corrected later.",
)
"""Sentences for fine-tuning where the user gives none: the first eight are trained on, the others are the probe."""
TRAINED_SHARE = 2 / 3
LEAST_TEXTS = 3
ROWS, LONGEST_ROW = 2, 64
"""Rows of an update of a model of the user's, and tokens of one at most."""


class _Linear(torch.nn.Module):
    """A forward-only network's weights as linear layers of torch, so that hooks find them."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(
            torch.nn.utils.skip_init(torch.nn.Linear, before, after) for before, after in pairwise(widths)
        )

    def take(self, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for layer, weight, bias in zip(self.layers, weights, biases, strict=True):
                layer.get_parameter("weight").copy_(weight.T)
                layer.get_parameter("bias").copy_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return x


def record_instrument(recorder: Recorder, setup: Setup, seed: int, steps: int) -> None:
    """Record how far the monitor's curves of a forward-only network are from the ones the network records itself."""
    network = setup.network(seed)
    x = setup.images.pixels
    hooked = _Linear((network.input_dim, *network.layer_sizes))
    monitor = SKAMonitor(hooked, ["layers.*"], x, dt=DT)
    records: list[Any] = []
    for _ in range(steps):
        hooked.take(network.weights, network.biases)
        monitor.measure()
        records.append(network.step(x, DT))
    own, seen = SKAHistory.of(records, DT), monitor.history()
    off = [
        np.nanmax(np.abs(own.curve(name) - seen.curve(name))) / np.nanmax(np.abs(own.curve(name)))
        for name in COPIED
    ]
    recorder.measure("monitor off", float(max(off)), **setup.about(kind="forward-only"))


def record_classifier(recorder: Recorder, setup: Setup, seed: int) -> None:
    """Record an image classifier under backpropagation, watched and not watched."""
    labels = setup.images.labels
    if labels is None:
        return
    own = split(labels, seed)
    x, y = setup.images.pixels[own.train], torch.from_numpy(labels[own.train])
    probe = setup.images.pixels[own.test]

    def trained(watch: bool) -> tuple[torch.Tensor, SKAMonitor | None, list[float]]:
        model = sigmoid_stack(setup.images.pixels.shape[1], setup.layers, seed)
        optimiser = torch.optim.Adam(model.parameters(), BACKPROP_RATE)
        linear = [str(2 * place) for place in range(len(setup.layers))]
        monitor = SKAMonitor(model, linear, probe, dt=BACKPROP_RATE) if watch else None
        losses: list[float] = []
        for _ in range(LOOKS):
            if monitor is not None:
                monitor.measure()
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            losses.append(float(loss.detach()))
            optimiser.step()
        if monitor is not None:
            monitor.measure()
        return torch.cat([one.detach().flatten() for one in model.parameters()]), monitor, losses

    watched, monitor, losses = trained(True)
    alone, _, _ = trained(False)
    recorder.measure(
        "watching changes", float((watched - alone).abs().max()), **setup.about(kind="classifier")
    )
    assert monitor is not None  # noqa: S101 - it was asked for
    record_watched(recorder, monitor, losses, setup.images.name, "classifier")


def record_language(recorder: Recorder, seed: int) -> None:
    """Record a small Llama of transformers that learns facts of a made-up world from nothing."""
    from doxa.nets.plan import NetShape
    from doxa.nets.transformer import StackedTransformer

    world = synthetic_world(seed)
    shape = NetShape(world.vocabulary, width=32, layers=2, heads=2, positions=STATEMENT_TOKENS)
    model = StackedTransformer.initial(shape, [seed], "ska", "language").export(0)
    probe = torch.from_numpy(_statements(world, stream(seed, "ska", "probe")))
    monitor = SKAMonitor(model, WATCHED, {"input_ids": probe}, dt=LANGUAGE_RATE)
    rng = stream(seed, "ska", "statements")
    plan = TextPlan(LOOKS, LANGUAGE_RATE)
    losses = continual_pretrain(
        model,
        (_statements(world, rng) for _ in range(LOOKS)),
        plan,
        checkpoint_steps=range(LOOKS + 1),
        probe=lambda _step, _model: _look(monitor),
    )
    record_watched(recorder, monitor, losses, "small Llama", "language")


def _statements(world: FactWorld, rng: np.random.Generator) -> np.ndarray:
    """Return rows of whole statements: entity, relation and object."""
    batch = base_sampler(world)(rng, LANGUAGE_ROWS)
    return np.concatenate([batch.tokens[:, :1], batch.targets], axis=1)


def _look(monitor: SKAMonitor) -> None:
    monitor.measure()


def record_watched(
    recorder: Recorder, monitor: SKAMonitor, losses: Sequence[float], subject: str, kind: str
) -> None:
    """Record a watched run: curves of every layer, zeros, and how far midpoint sums are from the closed form."""
    history = monitor.history()
    recorder.measure(
        "loss fell", losses[0] - losses[-1], subject=subject, kind=kind, first=losses[0], last=losses[-1]
    )
    for step, loss in enumerate(losses):
        recorder.measure("loss", loss, subject=subject, kind=kind, axis="step", time=step)
    codes, texts = history.zero_crossings("code"), history.zero_crossings("text")
    exact, walked = history.exact_entropy()[:, -1], np.nansum(np.abs(history.entropy_midpoint), axis=1)
    sums = history.cumulative("entropy_midpoint")[:, -1]
    for layer, name in enumerate(monitor.layers):
        about: dict[str, Any] = {"subject": subject, "kind": kind, "layer": layer + 1, "name": name}
        size = max(float(walked[layer]), 1e-300)
        recorder.measure("midpoint error", float(abs(sums[layer] - exact[layer])) / size, **about)
        for sign, found in (("code", codes[layer]), ("text", texts[layer])):
            at = None if found is None else found.step
            recorder.measure("crosses", float(found is not None), sign=sign, at=at, **about)
        # how far knowledge moved in all, over its size: comparable between layers of different width
        moved = float(np.nansum(history.flow_norm[layer]) * history.dt / history.knowledge_norm[layer, -1])
        recorder.measure("path length", moved, **about)
        for step in range(1, history.steps):
            for curve in ("entropy", "flow_norm", "tensor_net", "knowledge_norm"):
                value = float(history.curve(curve)[layer, step])
                recorder.measure("watched", value, axis="step", time=step, curve=curve, **about)


def read_texts(path: str) -> tuple[str, ...]:
    """Return the texts to fine-tune on: ours, or a file's lines, each a text or a JSON object with ``text``.

    Raises:
        InputError: the file cannot be read or has too few texts.
    """
    if not path:
        return TEXTS
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
        found = tuple(str(json.loads(line)["text"]) if line.startswith("{") else line for line in lines)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"texts={path}: no file of texts, one a line, or JSON with 'text' ({error})"
        ) from error
    if len(found) < LEAST_TEXTS:
        raise InputError(
            f"texts={path}: has {len(found)} texts; give {LEAST_TEXTS} or more, a third is the probe"
        )
    return found


def record_subject(
    recorder: Recorder,
    subject: Subject,
    texts: Sequence[str],
    watched: Sequence[str],
    updates: int,
    rate: float,
    seed: int,
    progress: Progress,
) -> None:
    """Fine-tune a copy of an open model on texts while a monitor looks at chosen layers on other texts.

    Args:
        recorder: takes the rows.
        subject: an open model; it is not changed.
        texts: two thirds are trained on, the rest are the probe.
        watched: names or patterns of modules; empty takes those of gated MLPs and attention outputs.
        updates: optimiser steps, each on all texts.
        rate: learning rate of AdamW.
        seed: of the order of the texts.
        progress: told what is done.

    Raises:
        CapabilityError: the subject has no weights.
        InputError: no module of the model has such a name.
    """
    opened = open_weights(subject)
    if opened is None:
        raise CapabilityError(no_weights(subject))
    model = copy.deepcopy(opened.model).float()
    order = stream(seed, "ska", "texts").permutation(len(texts)).tolist()
    rows = [np.asarray(opened.tokenizer(texts[place]).input_ids, dtype=np.int64) for place in order]
    cut = max(1, round(TRAINED_SHARE * len(rows)))
    monitor = SKAMonitor(model, list(watched) or _usual(model), _padded(rows[cut:]), dt=rate)
    length = min(LONGEST_ROW, sum(len(row) for row in rows[:cut]) // ROWS)
    losses = continual_pretrain(
        model,
        packed(cycle(rows[:cut]), ROWS, max(2, length)),
        TextPlan(updates, rate, weight_decay=0.0),
        checkpoint_steps=range(updates + 1),
        probe=lambda _step, _model: _look(monitor),
        progress=lambda done, total: progress(done / total, f"update {done} of {total}"),
    )
    record_watched(recorder, monitor, losses, subject.address, "subject")


def _padded(rows: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
    """Return token rows as one batch, filled up with token 0 that the mask leaves out."""
    width = max(len(row) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for place, row in enumerate(rows):
        tokens[place, : len(row)], mask[place, : len(row)] = torch.from_numpy(row), 1
    return {"input_ids": tokens, "attention_mask": mask}


def _usual(model: torch.nn.Module) -> list[str]:
    """Return what to watch unless told: MLPs and attention outputs as Llama names them, else all linear layers."""
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    usual = [pattern for pattern in WATCHED if fnmatch.filter(names, pattern)]
    return usual or [name for name in names if any(part.isdigit() for part in name.split("."))] or names
