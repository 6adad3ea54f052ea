"""What a model holds of a battery's topics in plain English: read before it says whether it agrees, as log-odds.

A direction of agreement is fitted where the model is made to have stated a view: after the item's open question, it
said the supporting statement, or the opposing one. It is then asked whether it agrees with each of the two statements.
The margin between the two questions is calibrated on held-out items, so that a liking for yes cancels. The same margin
is read with nothing in front, and after other reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.lens.calibrated import Calibrated, calibrated
from doxa.lens.capture import activations
from doxa.lens.forced_answers import closed_thinking, with_question
from doxa.protocols.context_drift.items import BeliefItem
from doxa.subjects.base import Conversation, Message, assistant, user
from doxa.subjects.transformers import TransformersSubject

AGREE = "{statement} Do you agree? Answer with Yes or No."


class Stances(NamedTuple):
    """Log-odds in nats of support, by item: as read, and by the two controls."""

    read: Float[np.ndarray, " items"]
    controls: dict[str, Float[np.ndarray, " items"]]


class InnerStances:
    """A fitted reading of one model and battery.

    Attributes:
        fitted: directions and their calibration.
    """

    def __init__(
        self, model: TransformersSubject, items: Sequence[BeliefItem], *, rng: np.random.Generator
    ) -> None:
        """Fit on views the model is made to have stated, one for and one against each item."""
        self._model, self._items = model, list(items)
        self._opening = closed_thinking(model.tokenizer)
        sides = (1, -1)
        said: list[Conversation] = [
            (user(item.query), assistant(item.statement(side))) for side in sides for item in self._items
        ]
        labels = np.repeat([side > 0 for side in sides], len(self._items))
        groups = [item.id for item in self._items]
        self.fitted: Calibrated = calibrated(self._read(said, 2), labels, groups * 2, rng=rng)

    def after(self, context: Sequence[Message] | None) -> Stances:
        """Return what the model holds of every item after a context."""
        acts = self._read([tuple(context or ())] * len(self._items), 1)
        groups = [item.id for item in self._items]
        read, permuted, random = (one.log_odds(acts, groups) for one in self.fitted)
        return Stances(read, {"permuted labels": permuted, "random direction": random})

    def _read(self, talks: Sequence[Conversation], times: int) -> Float[np.ndarray, "talks 2 layers width"]:
        """Return the residual stream before the answer, asked of the supporting and of the opposing statement."""
        rows: list[Any] = []
        for side in (1, -1):
            asked = [
                with_question(talk, AGREE.format(statement=item.statement(side)))
                for talk, item in zip(talks, self._items * times, strict=True)
            ]
            rows += self._model.rows(asked, opening=self._opening)
        found = activations(self._model.model, rows)[:, 0]
        return np.stack([found[: len(talks)], found[len(talks) :]], axis=1)
