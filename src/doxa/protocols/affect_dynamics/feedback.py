"""A mood that hears itself: the model's own replies are the signal, and from some gain on the mood locks in.

The loop is s → note → reply → κ · valence of the reply → s. Its fixed points are those of κ f(v) = v, where f is the
mean valence of replies under a state of valence v. Below a critical gain every start comes home; above it two moods
feed themselves, and which of them holds hangs on the start: the pitchfork of a loop gain above 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.dynamics.affect import VAD, AffectDynamics
from doxa.lab.record import Recorder
from doxa.protocols.affect.estimators import Estimator
from doxa.protocols.affect.injectors import PromptInjector
from doxa.streams import stream
from doxa.subjects.base import Conversation, Sampling, Subject, user
from doxa.worlds import tone_wording
from doxa.worlds.tone_world import remark_text

Heard: TypeAlias = Literal["own", "another's"]
"""Whose replies a mood hears: its own, or those of another talk at the same gain, of either start."""

START = (0.9, 0.4, 0.9)
"""The state from which a talk starts high; low is its mirror image in valence and dominance."""
CURVE_STEP = 0.05
AROUSAL = 0.4
"""Arousal of the states at which the response curve is read."""
NEUTRAL = len(tone_wording.REMARKS) // 2


@dataclass(frozen=True)
class Loop:
    """How a loop is run.

    Attributes:
        subject: the model.
        estimator: reads its replies.
        injector: tells it the state.
        rule: moves the state.
        gains: κ, what the valence and dominance of a reply are multiplied by.
        replicates: talks from each start at each gain.
        turns: of a talk; the last third is measured.
        sampling: of the replies.
    """

    subject: Subject
    estimator: Estimator
    injector: PromptInjector
    rule: AffectDynamics
    gains: tuple[float, ...]
    replicates: int
    turns: int
    sampling: Sampling


def response_curve(
    loop: Loop, replies: int, seed: int
) -> tuple[Float[np.ndarray, " values"], Float[np.ndarray, " values"]]:
    """Return valences of a state, and the mean valence of replies under each.

    Args:
        loop: the model and how it is told and read.
        replies: to each state.
        seed: of the remarks that are replied to.
    """
    values = np.linspace(-1.0, 1.0, round(2.0 / CURVE_STEP) + 1)
    rng = stream(seed, "affect-dynamics", "curve")
    talks = [(user(_remark(rng)),) for _ in range(len(values) * replies)]
    states = np.repeat([[value, AROUSAL, value] for value in values], replies, axis=0)
    said = _reply(loop, talks, states, "curve", told=True)
    return values, loop.estimator.estimate(said)[:, 0].reshape(len(values), replies).mean(1)


def closed_loop(
    loop: Loop,
    seed: int,
    *,
    heard: Heard = "own",
    told: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Float[np.ndarray, "gains starts replicates turns"]:
    """Return the valence of the state at every turn; the starts are low, high.

    Args:
        loop: what is run.
        seed: of remarks and, where talks hear others, of who hears whom.
        heard: whose replies a mood hears.
        told: whether the model is told the state.
        progress: told the share of turns done.
    """
    shape = (len(loop.gains), 2, loop.replicates)
    rng = stream(seed, "affect-dynamics", "loop", heard, "told" if told else "untold")
    gain = np.broadcast_to(np.array(loop.gains)[:, None, None], shape).reshape(-1)
    high = np.broadcast_to(np.array([False, True])[None, :, None], shape).reshape(-1)
    start = np.where(high[:, None], START, np.array(START) * (-1.0, 1.0, -1.0))
    mood = loop.rule.start(len(gain))._replace(state=start)
    path = np.empty((loop.turns, len(gain)))
    for turn in range(loop.turns):
        talks = [(user(_remark(rng)),) for _ in gain]
        said = _reply(loop, talks, mood.state, f"loop {heard} {told} {turn}", told=told)
        read = loop.estimator.estimate(said)
        if heard == "another's":
            read = read.reshape(len(loop.gains), -1, 3)[:, rng.permutation(2 * loop.replicates)].reshape(
                -1, 3
            )
        scaled = read * np.stack([gain, np.ones_like(gain), gain], 1)
        mood = loop.rule.after(mood, VAD.clipped(scaled))
        path[turn] = mood.state[:, 0]
        if progress is not None:
            progress((turn + 1) / loop.turns)
    return np.moveaxis(path.reshape(loop.turns, *shape), 0, -1)


def branches(
    gains: Sequence[float], values: Float[np.ndarray, " values"], curve: Float[np.ndarray, " values"]
) -> Float[np.ndarray, "gains starts"]:
    """Return where v ← κ f(v) leads from the low and from the high start, f linear between its values.

    >>> line = np.linspace(-1, 1, 5)
    >>> branches([0.5, 2.0], line, line).round(3).tolist()
    [[-0.0, 0.0], [-1.0, 1.0]]
    """
    out = np.empty((len(gains), 2))
    for row, gain in enumerate(gains):
        for column, start in enumerate((-START[0], START[0])):
            value = start
            for _ in range(500):
                value += 0.3 * (float(np.clip(gain * np.interp(value, values, curve), -1.0, 1.0)) - value)
            out[row, column] = value
    return out


def critical_gain(gains: Sequence[float], gaps: Sequence[float], threshold: float) -> float | None:
    """Return the least gain from which on all gaps between the branches are above a threshold, None if none is.

    >>> critical_gain([0.2, 0.4, 0.6], [0.0, 0.5, 0.9], 0.2)
    0.4
    """
    below = [place for place, gap in enumerate(gaps) if not gap > threshold]
    first = below[-1] + 1 if below else 0
    return gains[first] if first < len(gains) else None


def record_feedback(
    recorder: Recorder, loop: Loop, replies: int, seed: int, progress: Callable[[float, str], None]
) -> None:
    """Record the response curve, the branches that it foretells, and those of the loop and of its controls."""
    values, curve = response_curve(loop, replies, seed)
    for value, mean in zip(values, curve, strict=True):
        recorder.measure("response", mean, subject="tone model", axis="sweep", valence=float(value))
    for gain, (low, high) in zip(loop.gains, branches(loop.gains, values, curve), strict=True):
        for start, value in (("low", low), ("high", high)):
            recorder.measure(
                "branch", value, subject="tone model", axis="sweep", gain=gain, start=start, kind="foretold"
            )
    kinds: tuple[tuple[str, Heard, bool], ...] = (
        ("loop", "own", True), ("another's replies", "another's", True), ("not told", "own", False)
    )  # fmt: skip
    for number, (kind, heard, told) in enumerate(kinds):
        path = closed_loop(
            loop,
            seed,
            heard=heard,
            told=told,
            progress=lambda share, done=number, name=kind: progress((done + share) / len(kinds), name),
        )
        late = path[..., -(loop.turns // 3) :].mean((2, 3))
        for gain, row in zip(loop.gains, late, strict=True):
            for start, value in zip(("low", "high"), row, strict=True):
                recorder.measure(
                    "branch", value, subject="tone model", axis="sweep", gain=gain, start=start, kind=kind
                )


def _remark(rng: np.random.Generator) -> str:
    return remark_text(NEUTRAL, rng)


def _reply(
    loop: Loop,
    talks: Sequence[Conversation],
    states: Float[np.ndarray, "rows 3"],
    branch: str,
    *,
    told: bool,
) -> list[str]:
    """Return the replies to talks under states."""
    shown = [
        loop.injector.inject(talk, state, 1) if told else talk
        for talk, state in zip(talks, states, strict=True)
    ]
    return [one.text for one in loop.subject.reply(shown, sampling=loop.sampling.at(branch=branch))]
