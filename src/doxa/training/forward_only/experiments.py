"""The study's runs of the rule itself: equal budgets, tensor nets, the clock, and what is exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from doxa.belief.sigmoid_entropy import LN2, entropy_between
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.forward_only.clock import linear_growth_rate
from doxa.training.forward_only.history import SKAHistory
from doxa.training.forward_only.images import Images
from doxa.training.forward_only.invariance import (
    OVERLAID,
    PUBLISHED_PAIRS,
    Pair,
    TimeInvarianceResult,
    error_order,
    overlay,
    time_invariance,
)
from doxa.training.forward_only.network import SKANetwork

Progress = Callable[[float, str], None]
PUBLISHED_SEED = 42
DT, STEPS = 0.01, 50
"""η and K of the run of which the paper shows flow and tensor net."""
BUDGET = DT * STEPS
NOISE_PAIRS = ((0.02, 25), (0.01, 50), (0.005, 100), (0.0025, 200))
POINTS = 50
"""Points of a curve that are kept for the figure."""
NOISY = 0.01
"""Deviation of the noise added to weights at each step, that of the initial weights."""
FIXED = (0.02, 0.01, 0.005)
CLOCKS = ("raw", "halved", "centred")


@dataclass(frozen=True)
class Setup:
    """A network and what it sees.

    Attributes:
        images: the whole batch.
        layers: units of each layer.
        init_std: deviation of the initial weights.
    """

    images: Images
    layers: tuple[int, ...]
    init_std: float

    def network(self, seed: int, dtype: torch.dtype = torch.float32) -> SKANetwork:
        """Return a network with the weights of a seed."""
        return SKANetwork(self.layers, self.images.pixels.shape[1], self.init_std, seed, dtype=dtype)

    def about(self, **more: Any) -> dict[str, Any]:
        """Return what stands beside every number."""
        return {"subject": self.images.name, **more}


def pairs_of(etas: Sequence[float], budget: float) -> tuple[Pair, ...]:
    """Return (η, K) with η K = budget; the paper's own K where it gives one."""
    published = dict(PUBLISHED_PAIRS) if budget == BUDGET else {}
    return tuple((eta, published.get(eta, round(budget / eta))) for eta in etas)


def some(images: Images, count: int) -> Images:
    """Return the first images of each class, in the order of the set, ``count`` in all or as many as there are."""
    if count >= len(images.pixels):
        return images
    if images.labels is None:
        keep = np.arange(count)
    else:
        classes = np.unique(images.labels)
        each = [np.flatnonzero(images.labels == one)[: max(1, count // len(classes))] for one in classes]
        keep = np.sort(np.concatenate(each))
    labels = None if images.labels is None else images.labels[keep]
    return Images(f"{images.name}, {len(keep)}", images.pixels[torch.from_numpy(keep)], labels, images.side)


def record_time(
    recorder: Recorder, setup: Setup, seed: int, pairs: Sequence[Pair], progress: Progress
) -> None:
    """Record runs of equal budget, and what must not lie over each other: equal steps, and noise of one size."""

    def told(done: int, total: int) -> None:
        progress(0.6 * done / total, f"run {done} of {total}")

    def runs(own: Sequence[Pair], **more: Any) -> TimeInvarianceResult:
        return time_invariance(
            setup.images.pixels, own, seed, layer_sizes=setup.layers, init_std=setup.init_std, **more
        )

    found = runs(pairs, progress=told)
    _record_overlap(recorder, setup, found, "budget")
    _record_curves(recorder, setup, found, "budget")
    for history, (eta, steps) in zip(found.histories, found.pairs, strict=True):
        _record_events(recorder, setup, history, eta, steps)
        _record_sums(recorder, setup, history, eta)
    budget = overlay([one for one in found.histories if one.dt in FIXED])
    _record_overlap(recorder, setup, budget, "budget, three runs")
    progress(0.6, "equal steps")
    fixed = runs([(eta, STEPS) for eta in FIXED], axis="progress")
    _record_overlap(recorder, setup, fixed, "steps")
    _record_curves(recorder, setup, fixed, "steps")
    progress(0.75, "noise")
    _record_overlap(recorder, setup, runs(NOISE_PAIRS, weight_noise=NOISY), "noise")


def _record_overlap(recorder: Recorder, setup: Setup, found: TimeInvarianceResult, kind: str) -> None:
    etas = [eta for eta, _ in found.pairs]
    for measure in OVERLAID:
        errors = found.overlap_error[measure]
        for (eta, steps), row in zip(found.pairs, errors, strict=True):
            about = setup.about(kind=kind, curve=measure, eta=eta, steps=steps)
            recorder.measure("overlap", float(row.mean()), axis="sweep", time=eta, layer="mean", **about)
            for layer, error in enumerate(row):
                recorder.measure("overlap", float(error), axis="sweep", time=eta, layer=layer + 1, **about)
        # where all other runs hit the finest exactly, as from weights of 0, there is no order
        if len(etas) > 2 and errors.mean(axis=1)[np.array(etas) > min(etas)].min() > 0.0:
            order = error_order(etas, errors.mean(axis=1, keepdims=True))[0]
            recorder.measure("order", float(order), **setup.about(kind=kind, curve=measure))


def _record_curves(recorder: Recorder, setup: Setup, found: TimeInvarianceResult, kind: str) -> None:
    keep = np.linspace(0, len(found.at) - 1, POINTS).astype(int)
    for measure in OVERLAID:
        for (eta, steps), layers in zip(found.pairs, found.curves[measure], strict=True):
            for layer, row in enumerate(layers):
                about = setup.about(kind=kind, curve=measure, layer=layer + 1, eta=eta, steps=steps)
                for at, value in zip(found.at[keep], row[keep], strict=True):
                    recorder.measure("curve", float(value), axis="sweep", time=float(at), **about)


def _record_events(recorder: Recorder, setup: Setup, history: SKAHistory, eta: float, steps: int) -> None:
    events = {
        "flow peak": history.flow_peak(),
        "entropy minimum": history.entropy_minimum(),
        "crossing, code": history.zero_crossings("code"),
        "crossing, text": history.zero_crossings("text"),
        "net peak": history.net_peak(),
    }
    for kind, found in events.items():
        for event in found:
            if event is not None:
                told = event._asdict() | {"time": event.step, "step_time": event.time}
                about = setup.about(
                    kind=kind, eta=eta, steps=steps, **{k: v for k, v in told.items() if k != "value"}
                )
                recorder.measure("event", event.time, axis="step", height=event.value, **about)


def _record_sums(recorder: Recorder, setup: Setup, history: SKAHistory, eta: float) -> None:
    """Record how far sums over steps are from the closed forms, over the size of what was walked."""
    exact = history.exact_entropy()[:, -1]
    sums = {
        "entropy": history.cumulative("entropy")[:, -1],
        "midpoint": history.cumulative("entropy_midpoint")[:, -1],
        "lagrangian": history.dt * history.cumulative("lagrangian")[:, -1] / LN2,
    }
    walked = np.nansum(np.abs(history.entropy), axis=1)
    net = np.abs(history.cumulative("tensor_net")[:, -1] - history.exact_net()[:, -1])
    net /= np.maximum(np.nansum(np.abs(history.tensor_net), axis=1), 1e-300)
    for name, total in sums.items():
        error = float((np.abs(total - exact) / np.maximum(walked, 1e-300)).mean())
        recorder.measure("sum error", error, axis="sweep", time=eta, eta=eta, **setup.about(kind=name))
    recorder.measure(
        "sum error", float(net.mean()), axis="sweep", time=eta, eta=eta, **setup.about(kind="net")
    )


def record_net(recorder: Recorder, setup: Setup, seed: int, dt: float = DT, steps: int = STEPS) -> None:
    """Record the run whose flow, tensor net and phase portrait the paper shows, and how double precision differs."""
    history = setup.network(seed).run(setup.images.pixels, dt, steps)
    _record_events(recorder, setup, history, dt, steps)
    for layer in range(history.layers):
        flow, net = history.flow_norm[layer], history.net("code")[layer, 2:]
        about = setup.about(layer=layer + 1)
        recorder.measure("flow left", float(flow[-1] / np.nanmax(flow)), **about)
        recorder.measure("net least", float(net.min()), **about)
        recorder.measure("net most", float(net.max()), **about)
    if seed != PUBLISHED_SEED:
        return
    for row in history.to_frame().filter(history.to_frame()["step"] > 0).iter_rows(named=True):
        for name in ("tensor_net", "tensor_net_text", "flow_norm", "knowledge_norm", "lagrangian", "entropy"):
            about = setup.about(curve=name, layer=row["layer"])
            recorder.measure("step", row[name], axis="step", time=row["step"], **about)
    double = setup.network(seed, torch.float64).run(setup.images.pixels, dt, steps)
    off = [
        np.nanmax(np.abs(double.curve(name) - history.curve(name))) / np.nanmax(np.abs(double.curve(name)))
        for name in ("entropy", "cosine", "flow_norm", "tensor_net", "lagrangian", "knowledge_norm")
    ]
    recorder.measure("double precision", float(max(off)), **setup.about())


def record_clock(recorder: Recorder, setup: Setup, seed: int, progress: Progress) -> None:
    """Record how fast knowledge of the first layer grows at most, against the rate that the inputs foretell.

    Each input gets the same number of e-folds, so that a slow clock has the time it needs. A layer learns without the
    ones above it, so the first is run alone.
    """
    raw = setup.images.pixels
    inputs = {"raw": raw, "halved": 0.5 * raw, "centred": raw - raw.mean(dim=0)}
    first = linear_growth_rate(raw)
    for place, name in enumerate(CLOCKS):
        x = inputs[name]
        rate = linear_growth_rate(x)
        history = _quiet_run(SKANetwork(setup.layers[:1], x.shape[1], setup.init_std, seed), x, first / rate)
        growth = np.diff(np.log(history.knowledge_norm[0, 1:])) / DT
        about = setup.about(kind=name)
        recorder.measure("growth", float(growth.max()), predicted=rate, **about)
        recorder.measure("growth share", float(growth.max() / rate), **about)
        recorder.measure("rate", rate, without_bias=linear_growth_rate(x, bias=False), **about)
        recorder.measure("rate of steps", linear_growth_rate(x, dt=DT), **about)
        lowest = history.entropy_minimum()[0]
        recorder.measure("turn", lowest.time, interior=lowest.interior, **about)
        for k, value in enumerate(growth):
            recorder.measure(
                "growth curve",
                float(value / rate),
                axis="step",
                time=k + 1,
                e_folds=(k + 1) * DT * rate,
                **about,
            )
        progress((place + 1) / len(CLOCKS), name)


def _quiet_run(network: SKANetwork, inputs: torch.Tensor, factor: float) -> SKAHistory:
    """Run for the published budget times a factor; that centred pixels are negative is meant."""
    import warnings

    from doxa.training.forward_only.clock import ForwardOnlyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForwardOnlyWarning)
        return network.run(inputs, DT, total_time=BUDGET * factor)


def record_exact(recorder: Recorder, seed: int) -> None:
    """Record that paths between the same ends have the same entropy, and the residual of Euler and Lagrange on each."""
    rng = stream(seed, "ska", "paths")
    ends = rng.normal(size=(2, 64)) * 3.0
    t = np.linspace(0.0, 1.0, 20_001)[:, None]
    straight = ends[0] + (ends[1] - ends[0]) * t
    bends = {
        "straight": straight,
        "bent": straight + 2.0 * np.sin(np.pi * t),
        "late": ends[0] + (ends[1] - ends[0]) * np.expm1(5.0 * t) / np.expm1(5.0),
        "there and back": straight + 5.0 * np.sin(3.0 * np.pi * t),
    }
    wanted = entropy_between(ends[0], ends[1])
    for name, path in bends.items():
        d = 1.0 / (1.0 + np.exp(-path))
        walked = -float(np.sum(0.5 * (path[1:] + path[:-1]) * np.diff(d, axis=0))) / LN2
        recorder.measure("path", abs(walked / wanted - 1.0), subject="paths", kind=name, bits=walked)
    recorder.measure("residual", _residual(rng), subject="paths")


def _residual(rng: np.random.Generator) -> float:
    """Return the largest |∂L/∂z - d/dt ∂L/∂v| on random smooth paths, by automatic differentiation."""
    t = torch.linspace(0.0, 1.0, 200, dtype=torch.float64, requires_grad=True)
    most = 0.0
    for _ in range(20):
        a = torch.from_numpy(rng.normal(size=6))
        z = a[0] + a[1] * t + a[2] * torch.sin(6.0 * a[3] * t) + a[4] * torch.exp(a[5] * t)
        (v,) = torch.autograd.grad(z.sum(), t, create_graph=True)
        rate = -z * torch.sigmoid(z) * (1.0 - torch.sigmoid(z)) * v
        by_z, by_v = torch.autograd.grad(rate.sum(), (z, v), create_graph=True)
        (momentum,) = torch.autograd.grad(by_v.sum(), t)
        most = max(most, float((by_z - momentum).detach().abs().max()))
    return most
