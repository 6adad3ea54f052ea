"""The neural path: an ensemble that predicts the hazards of a cluster from its counts, its past week and its place.

Features: log shares of the states, log force of contact and the weekday; shares and rates of the last eight days
through a two-layer recurrent network; the mean graph embedding of the members. The loss is the binomial one of counts
(negative binomial where large ones vary more), or the released code's weighted squared error. Training begins at the
line that fits best (:mod:`line`). Each member sees a resample of the rows and stops by those it does not
see; the spread of the members is the variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.clusters.features import LEAST_SPREAD, Scale, features_of, telling_states
from doxa.society.clusters.history import ClusterHistory, Situation
from doxa.society.clusters.line import fitted_line
from doxa.society.clusters.stacked_net import NetInputs, NetSize, Weights, forward, initial
from doxa.society.clusters.symbolic import Prediction
from doxa.streams import stream, torch_stream

Loss: TypeAlias = Literal["counts", "authors"]
AUTHORS_WEIGHTS = (5.0, 2.0, 1.5, 3.0, 1.0)
"""Published weights of S→E, E→I, I→R, I→D and R→S; other transitions weigh 1."""
AUTHORS_GAMMA = 2.0
LINE_SPREAD = 0.22
"""Prior spread, in nats, of what one feature of spread 1 does to the log-odds before any gradient step."""


@dataclass(frozen=True)
class NeuralPlan:
    """How an ensemble is trained.

    Attributes:
        members: networks, >= 2 where a variance is wanted.
        epochs: passes over all rows at most, >= 1.
        patience: epochs without a better validation loss after which a member keeps its best weights.
        rate: learning rate of AdamW.
        decay: its weight decay.
        hidden: width of the recurrent and hidden layers.
        period: days of the calendar.
        loss: ``counts`` or ``authors``.
        dispersion: κ of negative binomial counts, of variance μ(1 + κμ), because large ones vary by more than
            counting; 0 for binomial ones.
    """

    members: int = 5
    epochs: int = 300
    patience: int = 20
    rate: float = 1e-3
    decay: float = 1e-5
    hidden: int = 64
    period: float = 7.0
    loss: Loss = "counts"
    dispersion: float = 0.0

    def __post_init__(self) -> None:
        if self.members < 1 or self.epochs < 1 or self.patience < 1:
            raise InputError(
                f"members={self.members}, epochs={self.epochs}, patience={self.patience}: all >= 1"
            )
        if self.loss not in ("counts", "authors") or self.dispersion < 0:
            raise InputError(
                f"loss={self.loss!r}, dispersion={self.dispersion}: must be counts or authors, and >= 0"
            )


class NeuralPath:
    """An ensemble once trained; see :meth:`fit`."""

    def __init__(
        self,
        plan: NeuralPlan,
        weights: Weights,
        scales: Sequence[Scale],
        places: Float[np.ndarray, "clusters width"],
        smallest: Float[np.ndarray, " clusters"],
        telling: Int[np.ndarray, " states"],
        base: Float[np.ndarray, " transitions"],
        limit: Float[np.ndarray, " transitions"],
        validation: float,
    ) -> None:
        self._plan, self._weights, self._scales = plan, weights, scales
        self._places, self._smallest, self._telling = places, smallest, telling
        self._base, self._limit = base, limit
        self.validation = validation
        """Mean loss on the rows the members held out."""

    @classmethod
    def fit(
        cls,
        history: ClusterHistory,
        places: Float[np.ndarray, "clusters width"],
        days: Int[np.ndarray, " lead"],
        *,
        seed: int,
        plan: NeuralPlan | None = None,
    ) -> NeuralPath:
        """Train on what happened during some days.

        Args:
            history: counts and events.
            places: mean graph embedding of each cluster's members.
            days: days whose transitions are learned, each with a full window before it.
            seed: of the streams of initial weights and of the resamples.
            plan: how; by default as the class says.

        Raises:
            InputError: a transition never happens on these days, or places and clusters differ in number.
        """
        plan = plan or NeuralPlan()
        days = np.asarray(days)
        if len(places) != len(history.sizes):
            raise InputError(f"places of {len(places)} clusters: there are {len(history.sizes)}")
        events, trials = history.events[days], history.trials[days]
        check_seen(history, days)
        base = _log_odds_of_rate(events.sum(axis=(0, 1)), trials.sum(axis=(0, 1)))
        smallest = 0.5 / np.maximum(1, history.sizes)
        telling = telling_states(history.compartments)
        features = features_of(history.situations(days), places, smallest, plan.period, telling)
        scales = [Scale.of(part, least) for part, least in zip(features, LEAST_SPREAD, strict=True)]
        inputs = NetInputs(*(scale(part) for scale, part in zip(scales, features, strict=True)))
        targets = _Targets.of(events, trials)
        size = NetSize(
            plan.members,
            inputs.tabular.shape[-1],
            inputs.series.shape[-1],
            inputs.graph.shape[-1],
            events.shape[-1],
            plan.hidden,
        )
        weights, validation = _trained(inputs, targets, size, torch.from_numpy(base).float(), seed, plan)
        # one event more or less among all trials is as far as they can be known
        limit = np.log(trials.sum(axis=(0, 1)))
        return cls(plan, weights, scales, places, smallest, telling, base, limit, validation)

    def members(self, situation: Situation) -> Float[np.ndarray, "members *lead clusters transitions"]:
        """Return the log-odds that each member predicts."""
        features = features_of(situation, self._places, self._smallest, self._plan.period, self._telling)
        inputs = NetInputs(*(scale(part) for scale, part in zip(self._scales, features, strict=True)))
        with torch.no_grad():
            out = forward(self._weights, inputs).double().numpy() + self._base
        return np.clip(out, -self._limit, self._limit).reshape(len(out), *situation.force.shape)

    def predict(self, situation: Situation) -> Prediction:
        """Return the mean of the members' log-odds and its variance, which is infinite for one member."""
        members = self.members(situation)
        variance = members.var(axis=0, ddof=1) if len(members) > 1 else np.full(members.shape[1:], np.inf)
        return Prediction(members.mean(axis=0), np.maximum(variance, 1e-12))


def check_seen(history: ClusterHistory, days: Int[np.ndarray, " lead"]) -> None:
    """Raise InputError if a transition never happens, or always, during some days."""
    for name, y, n in zip(
        history.compartments.ways,
        history.events[days].sum(axis=(0, 1)),
        history.trials[days].sum(axis=(0, 1)),
        strict=True,
    ):
        if y in (0, n):
            raise InputError(
                f"transition {name}: {y} of {n} at risk made it on the {len(days)} days of training; "
                "train on more days, or leave it to the symbolic path"
            )


class _Targets(NamedTuple):
    """What a row's transitions did."""

    events: torch.Tensor
    trials: torch.Tensor

    @classmethod
    def of(cls, events: np.ndarray, trials: np.ndarray) -> _Targets:
        return cls(
            *(
                torch.from_numpy(part.reshape(-1, part.shape[-1]).astype(np.float32))
                for part in (events, trials)
            )
        )

    def loss(self, logit: torch.Tensor, plan: NeuralPlan) -> torch.Tensor:
        """Return the loss of every member on every row, (members, rows)."""
        if plan.loss == "authors":
            given = AUTHORS_WEIGHTS if logit.shape[-1] == len(AUTHORS_WEIGHTS) else (1.0,) * logit.shape[-1]
            rate = self.events / self.trials.clamp(min=1.0)
            seen = (self.trials > 0) * torch.tensor(given)
            return (seen * (1 + AUTHORS_GAMMA * rate) * (torch.sigmoid(logit) - rate) ** 2).sum(dim=-1)
        if plan.dispersion:
            return self._deviance(logit, plan.dispersion).sum(dim=-1)
        yes, no = torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit)
        return -(self.events * yes + (self.trials - self.events) * no).sum(dim=-1)

    def _deviance(self, logit: torch.Tensor, dispersion: float) -> torch.Tensor:
        """Return how far ln of the negative binomial probability of the events is below the highest it can be."""
        foreseen = torch.log(self.trials.clamp(min=1.0)) + torch.nn.functional.logsigmoid(logit)
        seen = torch.log(self.events.clamp(min=1e-30))
        high, low = (torch.nn.functional.softplus(part + math.log(dispersion)) for part in (foreseen, seen))
        told = (self.events + 1.0 / dispersion) * (high - low) - self.events * (foreseen - seen)
        return torch.where(self.trials > 0, told, 0.0)


def _trained(
    inputs: NetInputs, targets: _Targets, size: NetSize, base: torch.Tensor, seed: int, plan: NeuralPlan
) -> tuple[Weights, float]:
    """Return each member's weights at its lowest validation loss, and the mean of these losses."""
    weights = initial(size, torch_stream(seed, "neural path", "init"))
    for tensor in weights.values():
        tensor.requires_grad_(True)
    rows = len(inputs.tabular)
    rng = stream(seed, "neural path", "resample")
    counts = rng.multinomial(rows, np.full(rows, 1.0 / rows), size=size.members)
    training = torch.from_numpy((counts / rows).astype(np.float32))
    unseen = (counts == 0).astype(np.float32)
    validating = torch.from_numpy(unseen / np.maximum(1.0, unseen.sum(axis=1, keepdims=True)))
    scale = targets.loss(base.expand(1, rows, -1), plan).mean()
    with torch.no_grad():
        for place, times in enumerate(counts):
            line = torch.from_numpy(_line(inputs, targets, base.numpy(), times, plan)).float()
            weights["out bias"][place], weights["skip"][place] = line[:1], line[1:]
    optimiser = torch.optim.AdamW(weights.values(), lr=plan.rate, weight_decay=plan.decay)
    best = {name: tensor.detach().clone() for name, tensor in weights.items()}
    lowest = torch.full((size.members,), float("inf"))
    waited = torch.zeros(size.members, dtype=torch.int64)
    for _ in range(plan.epochs):
        loss = targets.loss(forward(weights, inputs) + base, plan) / scale
        seen = (loss.detach() * validating).sum(dim=1)
        better = seen < lowest
        lowest = torch.where(better, seen, lowest)
        for name, tensor in weights.items():
            best[name][better] = tensor.detach()[better]
        waited = torch.where(better, 0, waited + 1)
        if bool((waited > plan.patience).all()):
            break
        optimiser.zero_grad()
        (loss * training).sum().backward()
        optimiser.step()
    return best, float((lowest * scale).mean())


def _line(
    inputs: NetInputs, targets: _Targets, base: np.ndarray, times: np.ndarray, plan: NeuralPlan
) -> Float[np.ndarray, "coefficients transitions"]:
    """Return where a member's line begins, which sees each row so many times."""
    picks = np.repeat(np.arange(len(times)), times)
    features = torch.cat([inputs.tabular, inputs.graph], dim=1).double().numpy()[picks]
    events, trials = (part.double().numpy()[picks] for part in (targets.events, targets.trials))
    # a cluster's place as a whole may move the log-odds as much as one feature of today
    width = inputs.graph.shape[1]
    precision = np.repeat([1.0, float(width)], [inputs.tabular.shape[1], width]) / LINE_SPREAD**2
    return np.stack(
        [
            fitted_line(
                features, events[:, place], trials[:, place], float(base[place]), precision, plan.dispersion
            )
            for place in range(events.shape[1])
        ],
        axis=1,
    )


def _log_odds_of_rate(events: np.ndarray, trials: np.ndarray) -> np.ndarray:
    return np.log(events) - np.log(trials - events)
