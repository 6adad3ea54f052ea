"""One turn of a dialogue between a user and an agent with a mood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from doxa.subjects.base import Conversation


@dataclass(frozen=True, eq=False)
class Turn:
    """One turn of a dialogue.

    Attributes:
        number: from 1.
        user: what the user said.
        reply: what the agent said, as it came.
        signal: what moved the mood.
        state: the mood after it, which the agent was told.
        expressed: the estimator's reading of the reply, NaN where there is none.
        prompt: the messages that the agent was shown.
        missing: why there is no reply, or "".
    """

    number: int
    user: str
    reply: str
    signal: Float[np.ndarray, " d"]
    state: Float[np.ndarray, " d"]
    expressed: Float[np.ndarray, " d"]
    prompt: Conversation
    missing: str = ""
