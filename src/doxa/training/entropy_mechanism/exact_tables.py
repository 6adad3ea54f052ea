"""The covariance theorem on softmax tables, where all is exact: one step, its prediction, and what it really did.

Per state, ΔH = -Cov_π(ln π, Δz) + O(Δz²). With steps of the exact expected policy gradient Δz = η π (A - E A), and with
those of the natural one Δz = η A.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Float

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.training.entropy_change import covariance_law
from doxa.training.tokens import token_entropy

Gradient: TypeAlias = Literal["pg", "npg"]
GRADIENTS: tuple[Gradient, ...] = get_args(Gradient)
NAMES: dict[Gradient, str] = {"pg": "policy gradient", "npg": "natural policy gradient"}

STATES, ACTIONS, SPREAD = 200, 20, 1.5
"""Size of a table, and the standard deviation of its logits."""
STEPS = (0.4, 0.2, 0.1, 0.05, 0.025, 0.0125)
SMALL = 0.05
"""Step at which the prediction is correlated with what happened."""
TRAINED_STEPS, RATE = 300, {"pg": 0.5, "npg": 0.05}


class Table(NamedTuple):
    """A policy and what its actions are worth."""

    logits: Float[torch.Tensor, "states actions"]
    worth: Float[torch.Tensor, "states actions"]

    @property
    def advantage(self) -> Float[torch.Tensor, "states actions"]:
        """Worth of each action less what the policy gets."""
        p = self.logits.softmax(-1)
        return self.worth - (p * self.worth).sum(-1, keepdim=True)


class Step(NamedTuple):
    """What a step did to the entropy of each state, and what the theorem says of it, in nats."""

    true: Float[np.ndarray, " states"]
    predicted: Float[np.ndarray, " states"]
    after: Table


def draw_table(seed: int, states: int = STATES, actions: int = ACTIONS) -> Table:
    """Return a table with logits ~ Normal(0, 1.5²) and worths ~ Normal(0, 1), in float64.

    Raises:
        InputError: no state, or fewer than two actions.
    """
    if states < 1 or actions < 2:
        raise InputError(f"states={states}, actions={actions}: must be >= 1 and >= 2")
    rng = stream(seed, "entropy-mechanism", "tables")
    return Table(*(torch.from_numpy(rng.normal(size=(states, actions)) * size) for size in (SPREAD, 1.0)))


def stepped(table: Table, eta: float, kind: Gradient) -> Step:
    """Take one exact step.

    Args:
        table: the policy.
        eta: size of the step.
        kind: ``pg`` or ``npg``.
    """
    p, advantage = table.logits.softmax(-1), table.advantage
    change = eta * (p * advantage if kind == "pg" else advantage)
    after = Table(table.logits + change, table.worth)
    true = token_entropy(after.logits) - token_entropy(table.logits)
    predicted = eta * covariance_law(table.logits.log_softmax(-1), advantage, kind)
    return Step(true.numpy(), predicted.numpy(), after)


def record_tables(recorder: Recorder, seed: int) -> None:
    """Record errors of the theorem over steps, its correlations with what happened, and a policy trained exactly."""
    table = draw_table(seed)
    for kind in GRADIENTS:
        about: dict[str, Any] = {"subject": NAMES[kind]}
        for eta in STEPS:
            step = stepped(table, eta, kind)
            error = float(np.sqrt(np.mean((step.true - step.predicted) ** 2)))
            recorder.measure("error of theorem", error, unit="nats", axis="sweep", time=eta, **about)
        small = stepped(table, SMALL, kind)
        recorder.measure("correlation of theorem", _correlation(small), time=SMALL, axis="sweep", **about)
        for place, (true, predicted) in enumerate(zip(small.true, small.predicted, strict=True)):
            recorder.measure(
                "table state", true, unit="nats", time=float(place), predicted=predicted, **about
            )
        flat = stepped(Table(table.logits, torch.ones_like(table.worth)), SMALL, kind)
        recorder.measure("change without advantage", float(np.abs(flat.true).max()), unit="nats", **about)
        _record_training(recorder, table, kind)


def _correlation(step: Step) -> float:
    return float(np.corrcoef(step.true, step.predicted)[0, 1])


def _record_training(recorder: Recorder, table: Table, kind: Gradient) -> None:
    """Train exactly and record the mean covariance and entropy change of each step, and the law's points."""
    true, predicted = list[float](), list[float]()
    for number in range(TRAINED_STEPS):
        step = stepped(table, RATE[kind], kind)
        true.append(float(step.true.mean()))
        predicted.append(float(step.predicted.mean()))
        if number % 10 == 0:
            worth = float((table.logits.softmax(-1) * table.worth).sum(-1).mean())
            entropy = float(token_entropy(table.logits).mean())
            recorder.measure(
                "table run",
                worth,
                subject=NAMES[kind],
                time=float(number),
                entropy=entropy,
                covariance=-predicted[-1],
            )
        table = step.after
    recorder.measure("correlation of steps", float(np.corrcoef(true, predicted)[0, 1]), subject=NAMES[kind])
    recorder.measure(
        "covariance above 0", float((np.array(predicted) < 0.0).mean()), subject=NAMES[kind], unit="share"
    )
