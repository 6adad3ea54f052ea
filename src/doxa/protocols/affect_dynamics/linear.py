"""Moods as numbers alone: a shock and its relief, a slow sine, and the trade between calm and quickness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.belief.recovery import loop_area, recovery
from doxa.dynamics.affect import VALENCE, AffectDynamics, FirstOrder, SecondOrder, Stateless
from doxa.lab.record import Recorder
from doxa.streams import stream

TURNS, SHOCK, RELIEF, RELIEF_ENDS = 25, 6, 13, 20
"""Turns of the talk; first turn of the shock and of the relief, and the relief's last."""
DEPTH, HEIGHT = -0.7, 0.5
"""Valence of what is heard in the shock and in the relief."""
PERIOD, CYCLES = 50, 12
"""Turns of the slow sine, and cycles before the one that is measured."""
EPS = 0.1
"""How near to the baseline counts as back."""
LONG_TURNS = 200
"""Turns in which a rule of the grid may settle."""
NOISE, NOISE_TALKS, NOISE_TURNS = 0.3, 64, 50
"""Standard deviation of the signal by which jumps are measured, talks of it side by side, and their turns."""
BISECTIONS = 12


def momentum(mu: float, gain: float | None = None, *, clip: bool = True) -> AffectDynamics:
    """Return a rule of valence alone by its momentum: normalised, or with a gain of its own.

    Args:
        mu: momentum in [0, 1); without a gain, 0 is the first order at α = 1.
        gain: gain g of the heavy ball; None takes 1 - μ.
        clip: whether the state is held in [-1, 1].
    """
    if mu == 0.0:
        return FirstOrder(1.0 if gain is None else gain, space=VALENCE, clip=clip)
    return SecondOrder(mu, "normalised" if gain is None else gain, space=VALENCE, clip=clip)


def shock_signal(turns: int = TURNS) -> Float[np.ndarray, "turns 1"]:
    """Return the valence that is heard: nothing, the shock, the relief, nothing."""
    turn = np.arange(1, turns + 1)
    shock, relief = (turn >= SHOCK) & (turn < RELIEF), (turn >= RELIEF) & (turn <= RELIEF_ENDS)
    return (DEPTH * shock + HEIGHT * relief)[:, None]


def sine_area(rule: AffectDynamics) -> float:
    """Return the area of the loop that a state draws over a sine of amplitude 1 once it has settled into it."""
    turns = np.arange((CYCLES + 1) * PERIOD)
    heard = np.sin(2.0 * np.pi * turns / PERIOD)
    state = rule.series(heard[:, None])[:, 0]
    return loop_area(heard[-PERIOD:], state[-PERIOD:])


def record_linear(recorder: Recorder, mus: Sequence[float], seed: int) -> None:
    """Record the states under shock and sine for each momentum, with and without the ends of the scale, and oracles.

    Args:
        recorder: of the cell.
        mus: momenta, increasing.
        seed: of the random signals that oracles are tried on.
    """
    heard = shock_signal()
    for mu in mus:
        for clip in (True, False):
            rule = momentum(mu, clip=clip)
            state = rule.series(heard)[:, 0]
            told: dict[str, Any] = {"mu": mu, "clip": clip}
            for turn, value in enumerate(state, start=1):
                recorder.measure(
                    "state",
                    value,
                    subject="rule",
                    axis="turn",
                    time=turn,
                    heard=float(heard[turn - 1, 0]),
                    **told,
                )
            found = recovery(state, SHOCK, RELIEF, eps=EPS)
            back = np.flatnonzero(state[RELIEF - 1 :] >= -1e-12)
            values = {
                "peak": found.peak,
                "peak turn": found.peak_turn,
                "return turn": RELIEF + int(back[0]) if len(back) else None,
                "last": abs(state[-1]),
                "settled": float(found.settled),
                "loop area": sine_area(rule),
            }
            for name, value in values.items():
                recorder.measure(name, value, subject="rule", missing="it did not return", **told)
        _record_oracles(recorder, mu, seed)


def _record_oracles(recorder: Recorder, mu: float, seed: int) -> None:
    """Record how far a rule is from what the algebra says of it."""
    rule = momentum(mu, clip=False)
    response = complex(rule.frequency_response(2.0 * np.pi / PERIOD)[0])
    rng = stream(seed, "affect-dynamics", "oracles")
    one, other = rng.uniform(-0.4, 0.4, (2, TURNS, 1))
    apart = rule.series(one) + rule.series(other)
    poles = rule.poles()
    radius = float(np.abs(poles).max()) if len(poles) else 0.0
    held = momentum(mu)
    loud = rng.uniform(-1.0, 1.0, (TURNS, 1))
    errors = {
        "loop formula": abs(sine_area(rule) - math.pi * abs(response.imag)),
        "pole size": abs(radius - math.sqrt(mu)),
        "superposition": float(np.abs(rule.series(one + other) - apart).max()),
        "symmetry": float(np.abs(held.series(-loud) + held.series(loud)).max()),
    }
    if mu == 0.0:
        same = Stateless(space=VALENCE).series(loud)
        errors["first order is stateless"] = float(np.abs(held.series(loud) - same).max())
    for name, value in errors.items():
        recorder.measure("oracle", value, subject="rule", mu=mu, oracle=name)
    period = 2.0 * math.pi / math.acos(math.sqrt(mu)) if mu else None
    recorder.measure("period", period, subject="rule", unit="turns", missing="it does not swing", mu=mu)


def record_sweep(recorder: Recorder, mus: Sequence[float], alphas: Sequence[float], seed: int) -> None:
    """Record settling time and jump of rules with momentum μ and gain α, and of the first order at equal jump.

    The settling time is counted from the relief's first turn, in a talk of 200 turns whose shock and relief are those
    of ``shock_signal``; the jump is the mean change per turn under a signal of noise alone.

    Args:
        recorder: of the cell.
        mus: momenta; 0 is the first order.
        alphas: gains of the grid.
        seed: of the noise.
    """
    noise = (
        stream(seed, "affect-dynamics", "noise").normal(0.0, NOISE, (NOISE_TALKS, NOISE_TURNS, 1)).clip(-1, 1)
    )

    def measured(rule: AffectDynamics, **told: Any) -> float:
        after, peak = settling(rule)
        values = {"settling": after, "peak": peak, "jump": jump(rule, noise)}
        for name, value in values.items():
            missing = f"not settled after {LONG_TURNS} turns"
            recorder.measure(name, value, subject="rule", axis="sweep", missing=missing, **told)
        return values["jump"] or 0.0

    for mu in mus:
        for alpha in alphas:
            measured(momentum(mu, alpha), mu=mu, alpha=alpha, kind="grid")
        wanted = measured(momentum(mu), mu=mu, alpha=1.0 - mu, kind="normalised")
        alpha = equal_jump(wanted, noise)
        measured(momentum(0.0, alpha), mu=mu, alpha=alpha, kind="first order at equal jump")


def settling(rule: AffectDynamics) -> tuple[float | None, float]:
    """Return turns from the relief's first to the one from which the state stays near, and the shock's lowest state."""
    found = recovery(rule.series(shock_signal(LONG_TURNS))[:, 0], SHOCK, RELIEF, eps=EPS)
    return None if found.settling is None else float(found.settling - RELIEF), found.peak


def jump(rule: AffectDynamics, noise: Float[np.ndarray, "talks turns 1"]) -> float:
    """Return the mean change of the state per turn under a signal."""
    return float(np.abs(np.diff(rule.series(noise), axis=1)).mean())


def equal_jump(wanted: float, noise: Float[np.ndarray, "talks turns 1"]) -> float:
    """Return the α at which the first order jumps as much per turn, by bisection; 1 at most."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if jump(momentum(0.0, middle), noise) < wanted else (low, middle)
    return high
