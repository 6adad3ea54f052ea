"""The embedded experiment: one small network imitates an over-confident player, is looked into, and steered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from doxa.lab.record import Recorder
from doxa.lens.completions import UNSTEERED, Draw, uniforms
from doxa.lens.entropic_steering import Setting, cosine, settings
from doxa.lens.steering import SteeringVector
from doxa.lens.token_trace import token_trace
from doxa.protocols.bandit.agent import Streams, TokenAgent
from doxa.protocols.bandit.episodes import run_episodes
from doxa.protocols.bandit.recording import (
    record_episodes,
    record_number,
    record_outcome,
    record_share,
    record_word_counts,
)
from doxa.protocols.bandit.steering import (
    Choice,
    Logged,
    Outcome,
    choose,
    control_draws,
    logged,
    outcomes,
)
from doxa.streams import stream
from doxa.worlds.bandit_teacher import random_play, sharpened_belief, teacher_entropy_nats
from doxa.worlds.bandit_tokens import COMPLETION_TOKENS, FILLER, SURE, THOUGHTS, UNSURE, BanditTokens, Prompts
from doxa.worlds.bandits import GaussianBandit

SUBJECT = "bandit student"
CANDIDATES = (0, 1)
"""Layers that may be chosen: the claim is about the first two."""
SHOWN_RUNS, TRACED = 8, 6


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        runs: logged runs the vector is fitted on.
        samples: completions of each logged prompt, and of each round played.
        prompts: prompts to choose on, and as many others to judge on.
        prompt_samples: completions of each of these.
        control_draws: control vectors of each kind.
        played: episodes of each kind.
        trace_samples: continuations after each token of a traced thought.
    """

    runs: int = 65
    samples: int = 25
    prompts: int = 100
    prompt_samples: int = 15
    control_draws: int = 8
    played: int = 64
    trace_samples: int = 20


@dataclass(frozen=True)
class Sweep:
    """What is tried.

    Attributes:
        layers: that are read and steered, one at a time.
        multipliers: of the vector, in mean activation norms of its layer.
        multiplier: the one that controls, transfer and episodes use.
        temperatures: of sampling without steering.
    """

    layers: tuple[int, ...]
    multipliers: tuple[float, ...]
    multiplier: float
    temperatures: tuple[float, ...]


class Experiment:
    """One network, its vectors in both wordings, and what is measured on it."""

    def __init__(self, model: Any, layout: BanditTokens, seed: int, sizes: Sizes, sweep: Sweep) -> None:
        self.layout, self.seed, self.sizes, self.sweep = layout, seed, sizes, sweep
        self.agents = [TokenAgent(model, layout, wording) for wording in (0, 1)]

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return a random stream of this experiment."""
        return stream(self.seed, "entropic-steering", *names)

    def bandit(self, name: str, *means: float) -> GaussianBandit:
        """Return a bandit with these means in standard deviations around the centre, and luck of its own."""
        centre, spread = self.layout.centre, self.layout.spread
        told = tuple(centre + spread * mean for mean in means)
        return GaussianBandit(told, (spread, spread), self.layout.horizon, self.seed, name)

    def logged(self, wording: int) -> Logged:
        """Return unsteered runs on equal arms, with activations."""
        names = ("entropic-steering", "log", wording)
        agent, sizes = self.agents[wording], self.sizes
        log = run_episodes(agent, self.bandit("log", 0, 0), sizes.runs, sizes.samples, self.seed, names=names)
        return logged(agent, log, self.sweep.layers)

    def prompts(self, wording: int, name: str) -> Prompts:
        """Return prompts of random play, the same play in both wordings."""
        play = random_play(self.layout, self.sizes.prompts, self.rng("prompts", name))
        return self.layout.prompts(play, wording)

    def outcomes(
        self, wording: int, name: str, draws: Sequence[Draw], samples: int | None = None
    ) -> list[Outcome]:
        """Return what the prompts of a name lead to under each draw."""
        rows = self.prompts(wording, name).rows()
        streams = Streams(self.seed, ("entropic-steering", name), tuple(range(len(rows))))
        return outcomes(self.agents[wording], rows, draws, streams, samples or self.sizes.prompt_samples)


def record_experiment(
    recorder: Recorder, experiment: Experiment, progress: Callable[[float, str], None]
) -> None:
    """Record everything: how the network imitates, the sweep, its controls, transfer, episodes, a trace and words."""
    record_imitation(recorder, experiment)
    progress(0.1, "logging runs")
    own, other = (experiment.logged(wording) for wording in (0, 1))
    record_episodes(recorder, SUBJECT, "log", own.log, shown=0)
    progress(0.3, "sweeping")
    vector = own.vector("activation")
    choice = record_sweep(recorder, experiment, vector)
    steering = vector.at_layers(choice.layer)
    progress(0.55, "controls")
    record_controls(recorder, experiment, own, steering)
    record_transfer(recorder, experiment, steering, other.vector("activation").at_layers(choice.layer))
    progress(0.7, "playing")
    draw = Draw(steering, experiment.sweep.multiplier)
    record_play(recorder, experiment, draw)
    record_trace(recorder, experiment, draw)


def record_imitation(recorder: Recorder, experiment: Experiment) -> None:
    """Record how the network's entropy follows the teacher's over prompts, and how often its completions are valid."""
    (plain,) = experiment.outcomes(0, "held-out", [UNSTEERED], experiment.sizes.samples)
    teacher = teacher_entropy_nats(sharpened_belief(experiment.prompts(0, "held-out").read))
    known = ~np.isnan(plain.entropy)
    told: dict[str, Any] = {"subject": SUBJECT, "condition": "imitation", "axis": "sweep"}
    varies = known.sum() > 2 and np.ptp(plain.entropy[known]) > 0
    correlation = np.corrcoef(plain.entropy[known], teacher[known])[0, 1] if varies else np.nan
    record_number(
        recorder, "correlation", float(correlation), why="entropies do not vary", unit="ratio", **told
    )
    recorder.measure("validity", float(plain.validity.mean()), unit="fraction", **told)
    record_number(recorder, "entropy", plain.mean_entropy, unit="nats", **told)
    recorder.measure("teacher entropy", float(teacher.mean()), unit="nats", **told)


def record_sweep(recorder: Recorder, experiment: Experiment, vector: SteeringVector) -> Choice:
    """Sweep layers, multipliers and temperatures: choose on one set of prompts, record on another."""
    sweep = experiment.sweep
    told = settings(vector, sweep.multipliers, temperatures=sweep.temperatures)
    tried = dict(zip(told, experiment.outcomes(0, "selection", list(told.values())), strict=True))
    candidates = [layer for layer in CANDIDATES if layer in sweep.layers] or list(sweep.layers)
    choice = choose(tried, candidates)
    judged = dict(zip(told, experiment.outcomes(0, "held-out", list(told.values())), strict=True))
    plain = judged[Setting(None, 0.0, 1.0)]
    for setting, outcome in judged.items():
        kind = "temperature" if setting.layer is None else "sweep"
        time = setting.temperature if setting.layer is None else setting.multiplier
        doubt = doubt_share(outcome)
        record_outcome(recorder, SUBJECT, kind, time, outcome, plain, doubt=doubt, layer=setting.layer)
    record_choice(recorder, choice)
    best = judged[Setting(choice.layer, choice.multiplier, 1.0)] if choice.multiplier else plain
    for name, outcome in (("steered", best), ("heated", judged[Setting(None, 0.0, choice.temperature)])):
        time = choice.multiplier if name == "steered" else choice.temperature
        record_outcome(recorder, SUBJECT, f"matched {name}", time, outcome, plain)
    default = judged[Setting(choice.layer, sweep.multiplier, 1.0)]
    for name, outcome in (("plain", plain), ("steered", default)):
        record_word_counts(recorder, SUBJECT, name, word_counts(experiment.layout, outcome))
    return choice


def record_choice(recorder: Recorder, choice: Choice) -> None:
    """Record what the sweep recommends."""
    for name, value in choice._asdict().items():
        recorder.measure(f"chosen {name}", float(value), subject=SUBJECT, axis="sweep", condition="choice")


def record_controls(
    recorder: Recorder, experiment: Experiment, own: Logged, steering: SteeringVector
) -> None:
    """Record what must not raise the entropy: shuffled and random vectors, shuffled entropies, no centring."""
    (layer,), multiplier = steering.layers, experiment.sweep.multiplier
    count = experiment.sizes.control_draws
    uncentred = own.vector("activation", centre=False).at_layers(layer)
    shuffled = [
        own.vector("activation", rng=experiment.rng("entropies", number)).at_layers(layer)
        for number in range(count)
    ]
    draws: Mapping[str, list[Draw]] = {
        "plain": [UNSTEERED],
        "control shuffled": control_draws(
            steering, "shuffled", multiplier, count, experiment.rng("shuffled")
        ),
        "control random": control_draws(steering, "random", multiplier, count, experiment.rng("random")),
        "control entropies": [Draw(vector, multiplier) for vector in shuffled],
        "control uncentred": [Draw(uncentred, multiplier)],
    }
    flat = [draw for own_draws in draws.values() for draw in own_draws]
    plain, *found = experiment.outcomes(0, "held-out", flat)
    names = [(kind, place) for kind, some in draws.items() if kind != "plain" for place in range(len(some))]
    for (kind, place), outcome in zip(names, found, strict=True):
        doubt = doubt_share(outcome)
        record_outcome(
            recorder, SUBJECT, kind, multiplier, outcome, plain, doubt=doubt, layer=layer, number=place
        )
    told: dict[str, Any] = {"subject": SUBJECT, "condition": "control uncentred", "axis": "sweep"}
    angle = cosine(uncentred.vectors[layer], steering.vectors[layer])
    recorder.measure("cosine", angle, unit="ratio", **told)
    recorder.measure("offset share", own.offset_share(layer), unit="fraction", **told)


def record_transfer(
    recorder: Recorder, experiment: Experiment, first: SteeringVector, second: SteeringVector
) -> None:
    """Record the gain of each wording's vector in both wordings."""
    draws = [UNSTEERED, *(Draw(one, experiment.sweep.multiplier) for one in (first, second))]
    for wording, name in enumerate("AB"):
        plain, *found = experiment.outcomes(wording, "held-out", draws)
        for source, outcome in zip("AB", found, strict=True):
            kind = f"vector of {source} in {name}"
            record_outcome(recorder, SUBJECT, kind, experiment.sweep.multiplier, outcome, plain)


def record_play(recorder: Recorder, experiment: Experiment, draw: Draw) -> None:
    """Record episodes with and without steering, on equal arms and on arms a standard deviation apart."""
    sizes, names = experiment.sizes, ("entropic-steering", "play")
    for kind, way in (("plain", UNSTEERED), ("steered", draw)):
        for arms, means in (
            ("equal", (0.0, 0.0)),
            ("first better", (0.5, -0.5)),
            ("second better", (-0.5, 0.5)),
        ):
            runs = sizes.played if arms == "equal" else max(1, sizes.played // 2)
            log = run_episodes(
                experiment.agents[0],
                experiment.bandit("play", *means),
                runs,
                sizes.samples,
                experiment.seed,
                draw=way,
                names=names,
            )
            record_episodes(
                recorder, SUBJECT, f"{kind}, {arms}", log, shown=SHOWN_RUNS if arms == "equal" else 0
            )


def record_trace(recorder: Recorder, experiment: Experiment, draw: Draw) -> None:
    """Record the chance of the first arm before and after each token of some thoughts."""
    agent, sizes = experiment.agents[0], experiment.sizes
    rows = experiment.prompts(0, "held-out").rows()[:TRACED]
    names = ("entropic-steering", "trace")
    chances = uniforms(
        experiment.seed, *names, rows=range(len(rows)), samples=sizes.trace_samples, tokens=COMPLETION_TOKENS
    )
    streams = Streams(experiment.seed, (*names, "thought"), tuple(range(len(rows))))
    for kind, way in (("plain", UNSTEERED), ("steered", draw)):
        thoughts = agent.complete(rows, streams, 1, (way,)).ids[0, :, 0]
        shares = token_trace(agent.model, rows, thoughts, chances, arms_of=agent.arms_of, draw=way)
        for place, (thought, share) in enumerate(zip(thoughts, shares, strict=True)):
            words = ["", *(experiment.layout.word(int(token)) for token in thought)]
            for time, (word, value) in enumerate(zip(words, share, strict=True)):
                record_share(
                    recorder, SUBJECT, f"trace {kind}", place, time, value, word, sizes.trace_samples
                )


def doubt_share(outcome: Outcome) -> float:
    """Return the share of words of doubt among the words of a thought that are no filler; NaN where there are none."""
    thought = outcome.completions.ids[..., :THOUGHTS]
    unsure, sure = np.isin(thought, UNSURE).sum(), np.isin(thought, SURE).sum()
    return float(unsure / (unsure + sure)) if unsure + sure else float("nan")


def word_counts(layout: BanditTokens, outcome: Outcome) -> dict[str, int]:
    """Return how often each word of thought was said."""
    said: Int[np.ndarray, " tokens"] = outcome.completions.ids[..., :THOUGHTS].ravel()
    return {layout.word(word): int((said == word).sum()) for word in (FILLER, *UNSURE, *SURE)}
