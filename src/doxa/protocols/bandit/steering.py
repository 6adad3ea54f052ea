"""Bandit agents under steering: vectors from their logs, and how undecided they are on prompts they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.action_entropy import action_entropy, validity
from doxa.lens.capture import Wanted, activations
from doxa.lens.completions import Draw
from doxa.lens.entropic_steering import EntropicSteering, Scale, Setting, shuffled_entropies
from doxa.lens.rows import Row
from doxa.lens.steering import SteeringVector, model_identity
from doxa.protocols.bandit.agent import BanditAgent, Completions, Streams
from doxa.protocols.bandit.episodes import BanditLog

LEAST_VALIDITY = 0.95
"""Share of valid completions that a layer, a multiplier or a temperature must leave to be chosen."""


@runtime_checkable
class SteerableAgent(BanditAgent, Protocol):
    """An agent whose weights are open."""

    @property
    def model(self) -> Any:
        """Its model."""
        ...

    def rows(self, prompts: Sequence[Any]) -> list[Row]:
        """Return the token ids of prompts."""
        ...


class Logged(NamedTuple):
    """Runs with the activations of their prompts.

    Attributes:
        log: the runs.
        activations: residual stream at each prompt's last token.
        layers: of the activations.
        model: identity of the model.
    """

    log: BanditLog
    activations: Float[np.ndarray, "rows layers width"]
    layers: tuple[int, ...]
    model: str

    def vector(
        self, scale: Scale, *, centre: bool = True, rng: np.random.Generator | None = None
    ) -> SteeringVector:
        """Return the steering vector; with ``rng``, of entropies shuffled over prompts."""
        log: Any = self.log
        if rng is not None:
            log = _Shuffled(shuffled_entropies(self.log.entropies, rng), self.log.run_id)
        return EntropicSteering.fit(
            log, self.activations, self.layers, model=self.model, scale=scale, centre=centre
        )

    def offset_share(self, layer: int) -> float:
        """Return the share of the activations' variance at a layer that lies between runs, in [0, 1]."""
        z = self.activations[:, self.layers.index(layer)].astype(np.float64)
        _, run = np.unique(self.log.run_id, return_inverse=True)
        means = np.stack([z[run == one].mean(0) for one in range(run.max() + 1)])[run]
        return float(((means - z.mean(0)) ** 2).sum() / ((z - z.mean(0)) ** 2).sum())


class _Shuffled(NamedTuple):
    entropies: Float[np.ndarray, " rows"]
    run_id: Int[np.ndarray, " rows"]


def logged(agent: SteerableAgent, log: BanditLog, layers: Sequence[int]) -> Logged:
    """Return runs with the activations of their prompts, from one forward pass over each.

    Raises:
        InputError: the model has no such layer.
    """
    values = activations(agent.model, agent.rows(log.prompts), Wanted(tuple(layers)))[:, 0]
    return Logged(log, values, tuple(layers), model_identity(agent.model))


class Outcome(NamedTuple):
    """How undecided an agent is under one draw, on each of some prompts.

    Attributes:
        entropy: of its action in nats; NaN where no sample is valid.
        validity: share of valid samples.
        completions: what it said; arms, tokens and texts of this draw alone.
    """

    entropy: Float[np.ndarray, " prompts"]
    validity: Float[np.ndarray, " prompts"]
    completions: Completions

    @property
    def mean_entropy(self) -> float:
        """Mean over prompts that have an entropy, NaN where none has."""
        known = self.entropy[~np.isnan(self.entropy)]
        return float(known.mean()) if known.size else float("nan")

    def gain(self, plain: Outcome) -> Float[np.ndarray, " prompts"]:
        """Return entropy minus that of the plain draw at each prompt; NaN where one of them is undefined."""
        return self.entropy - plain.entropy

    def mean_gain(self, plain: Outcome) -> float:
        """Return the mean gain over prompts where both are defined, NaN where none is."""
        gain = self.gain(plain)
        known = gain[~np.isnan(gain)]
        return float(known.mean()) if known.size else float("nan")


def outcomes(
    agent: BanditAgent,
    prompts: Sequence[Any],
    draws: Iterable[Draw],
    streams: Streams,
    n_samples: int,
    *,
    at_once: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Return how undecided an agent is under each draw; all meet the same chances.

    Args:
        agent: who is asked.
        prompts: what about.
        draws: ways of drawing completions.
        streams: what their luck hangs on.
        n_samples: completions of each prompt.
        at_once: prompts of one call to the agent, all by default.
        progress: called with (prompts done, prompts).
    """
    ways, size = tuple(draws), at_once or max(1, len(prompts))
    parts: list[Completions] = []
    for start in range(0, max(1, len(prompts)), size):
        place = slice(start, start + size)
        own = streams._replace(rows=streams.rows[place])
        parts.append(agent.complete(prompts[place], own, n_samples, ways))
        if progress is not None:
            progress(min(start + size, len(prompts)), len(prompts))
    return [_outcome([_of_draw(part, number) for part in parts]) for number in range(len(ways))]


def _of_draw(told: Completions, number: int) -> Completions:
    """Return the completions of one draw alone."""
    tokens = None if told.tokens is None else told.tokens[number : number + 1]
    return Completions(told.arms[number : number + 1], tokens, told.texts[number : number + 1])


def _outcome(parts: Sequence[Completions]) -> Outcome:
    """Return the outcome of one draw on prompts that were asked in parts."""
    arms = np.concatenate([part.arms for part in parts], axis=1)
    tokens = [part.tokens for part in parts if part.tokens is not None]
    texts = [[samples for part in parts for own in part.texts for samples in own]]
    said = Completions(arms, np.concatenate(tokens, axis=1) if tokens else None, texts if texts[0] else [])
    return Outcome(action_entropy(arms[0]), validity(arms[0]), said)


class Choice(NamedTuple):
    """What a sweep recommends.

    Attributes:
        layer: where a valid multiplier gains most entropy.
        multiplier: the one that does, at that layer; 0 if none leaves completions valid.
        temperature: the highest that leaves completions valid, 1 if no higher one does.
    """

    layer: int
    multiplier: float
    temperature: float


def choose(found: Mapping[Setting, Outcome], layers: Sequence[int], least: float = LEAST_VALIDITY) -> Choice:
    """Return layer and multiplier of the most entropy, and the highest temperature, among valid settings.

    Args:
        found: outcomes of a sweep; it has the plain setting.
        layers: those that may be chosen.
        least: validity that a setting must leave.
    """
    plain = found[Setting(None, 0.0, 1.0)]
    valid = {one: own for one, own in found.items() if own.validity.mean() >= least}
    steered = {one: own for one, own in valid.items() if one.layer in layers and one.multiplier > 0}
    temperature = max([1.0, *(one.temperature for one in valid if one.layer is None)])
    if not steered:
        return Choice(layers[0], 0.0, temperature)
    best = max(steered, key=lambda one: np.nan_to_num(steered[one].mean_gain(plain), nan=-np.inf))
    return Choice(layers[0] if best.layer is None else best.layer, best.multiplier, temperature)


def control_draws(
    vector: SteeringVector, kind: str, multiplier: float, count: int, rng: np.random.Generator
) -> list[Draw]:
    """Return draws with shuffled (``shuffled``) or random vectors of equal norm (``random``)."""
    make = vector.shuffled if kind == "shuffled" else vector.random
    return [Draw(make(rng), multiplier) for _ in range(count)]
