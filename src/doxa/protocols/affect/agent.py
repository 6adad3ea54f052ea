"""An agent with a mood: it holds a dialogue turn by turn and carries its state along.

What it is shown is made anew at every turn: an instruction, the turns it remembers, the user's message, and its present
state, told once. The state is carried outside the conversation, so that it outlasts what the agent remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from doxa.dynamics.affect import AffectDynamics, Mood, Stateless
from doxa.errors import CapabilityError, InputError
from doxa.protocols.affect.estimators import Estimator, VaderVAD
from doxa.protocols.affect.injectors import Injector, PromptInjector
from doxa.protocols.affect.mood import MoodOf, Source
from doxa.protocols.affect.saving import read, write
from doxa.protocols.affect.steering import Steering, steering_of, steers
from doxa.protocols.affect.turn import Turn
from doxa.subjects.base import Conversation, Message, Reply, Sampling, Subject, assistant, system, user

Speaker: TypeAlias = Callable[[Conversation, Sampling], str]
"""A function of one's own that answers a conversation."""

SAMPLING = Sampling(temperature=0.7, max_tokens=128)
"""How replies are drawn unless one says otherwise."""


class Pending(NamedTuple):
    """A turn for which the agent has heard the user and not answered yet."""

    user: str
    signal: Float[np.ndarray, " d"]
    mood: Mood
    prompt: Conversation


class AffectAgent:
    """Talks with a user, in a mood that the talk moves.

    Args:
        llm: who answers: a subject, or a function of the messages and how to draw.
        dynamics: how the mood is moved; with ``Stateless`` it is measured and told to nobody.
        estimator: reads texts; VADER by default.
        injector: how the mood is told; in words by default.
        signal_source: whose texts move it: ``user``, ``reply`` (the agent's own last one) or ``both``.
        user_weight: share of the user's text with ``both``.
        sampling: how replies are drawn.
        instruction: a system message that stands before all else, or "".
        memory: how many turns before this one it is shown; None shows all.

    Attributes:
        turns: what was said so far.
        mood: the present mood.

    Raises:
        InputError: a setting is out of range, or rule and estimator have different dimensions.
    """

    def __init__(
        self,
        llm: Subject | Speaker,
        dynamics: AffectDynamics,
        estimator: Estimator | None = None,
        injector: Injector | None = None,
        signal_source: Source = "user",
        *,
        user_weight: float = 0.5,
        sampling: Sampling = SAMPLING,
        instruction: str = "",
        memory: int | None = None,
    ) -> None:
        if memory is not None and memory < 0:
            raise InputError(f"memory={memory}: must be a number of turns >= 0, or None for all")
        self.llm = llm
        self.rule = MoodOf(dynamics, estimator or VaderVAD(), signal_source, user_weight)
        micro = isinstance(llm, Subject) and llm.form == "micro"
        self.injector = injector or PromptInjector("micro" if micro else "verbal")
        if steers(self.injector) and not isinstance(llm, Subject):
            raise CapabilityError("a function has no open weights to steer; tell it in the prompt instead")
        self.sampling = sampling
        self.instruction = instruction
        self.memory = memory
        self.reset()

    def reset(self) -> None:
        """Forget what was said and go back to the baseline."""
        self.turns: list[Turn] = []
        self.mood = self.dynamics.start()

    @property
    def dynamics(self) -> AffectDynamics:
        """How the mood is moved; it can be changed only before the first turn or after a ``reset``."""
        return self.rule.dynamics

    @dynamics.setter
    def dynamics(self, dynamics: AffectDynamics) -> None:
        if self.turns:
            raise InputError(
                f"dynamics={dynamics}: {len(self.turns)} turns were moved by {self.dynamics}; reset() before a change"
            )
        self.rule = replace(self.rule, dynamics=dynamics)
        self.mood = dynamics.start()

    def fresh(self, seed: int) -> AffectAgent:
        """Return the same agent at the baseline, with another seed for its replies."""
        other = AffectAgent(
            self.llm,
            self.dynamics,
            self.rule.estimator,
            self.injector,
            self.rule.source,
            user_weight=self.rule.user_weight,
            sampling=replace(self.sampling, seed=seed),
            instruction=self.instruction,
            memory=self.memory,
        )
        other.rule = self.rule  # with the readings that it has
        return other

    def turn(
        self, user_text: str, *, number: int | None = None, dt: float = 1.0, silence: float = 0.0
    ) -> Turn:
        """Hear the user and answer.

        Args:
            user_text: what the user says, not empty.
            number: of the turn, from 1, to be sure that none is missed or held twice.
            dt: how long the turn lasts, in turns of the rule.
            silence: how long nobody spoke before it; the mood goes home meanwhile.

        Raises:
            InputError: the text is empty, it is not that turn's turn, or a time is below 0.
        """
        heard = self.hear(user_text, number=number, dt=dt, silence=silence)
        return self.answered(heard, self.ask(heard))

    def hear(
        self, user_text: str, *, number: int | None = None, dt: float = 1.0, silence: float = 0.0
    ) -> Pending:
        """Return the turn as it stands before the agent answers; nothing is changed yet. See ``turn``."""
        if number is not None and number != len(self.turns) + 1:
            raise InputError(f"number={number}: turn {len(self.turns) + 1} comes next; reset() begins again")
        if not user_text.strip():
            raise InputError(
                f"turn {len(self.turns) + 1}: the user's text is empty; say something or leave it out"
            )
        if silence < 0.0:
            raise InputError(f"silence={silence}: must be >= 0; time does not go back")
        before = self.dynamics.rested(self.mood, silence) if silence else self.mood
        signal = self.rule.signal(user_text, self.turns[-1].reply if self.turns else "")
        mood = self.dynamics.after(before, signal, dt)
        prompt = self._remembered(user_text)
        if not isinstance(self.dynamics, Stateless):
            prompt = self.injector.inject(prompt, mood.state, mood.turn)
        return Pending(user_text, signal, mood, prompt)

    def ask(self, heard: Pending) -> Reply:
        """Return a reply to a turn that was heard; a function's answer is a reply too."""
        if not isinstance(self.llm, Subject):
            return Reply(self.llm(heard.prompt, self.sampling))
        steering = self.steering(heard)
        if steering is None:
            return self.llm.reply([heard.prompt], sampling=self.sampling)[0]
        with steering.by.answering(self.llm, steering.strength):
            return self.llm.reply([heard.prompt], sampling=self.sampling)[0]

    def steering(self, heard: Pending) -> Steering | None:
        """Return how the model's activations are steered at a turn, None where they are not."""
        if isinstance(self.dynamics, Stateless):
            return None
        return steering_of(self.injector, heard.mood.state, heard.mood.turn)

    def answered(self, heard: Pending, reply: Reply) -> Turn:
        """Take a reply to a turn that was heard, and return the turn.

        The reply is read too, as ``expressed``: an estimator that asks a subject is asked once more a turn. An empty
        reply is missing. Where the reply moves the mood, the next turn hears it as neutral.
        """
        missing = (reply.fault or "no reason given") if reply.finish == "fault" else ""
        if not missing and not reply.text.strip():
            missing = "empty reply"
        text = "" if missing else reply.text
        expressed = np.full(self.dynamics.space.size, np.nan) if missing else self.rule.reading(text)
        turn = Turn(
            len(self.turns) + 1,
            heard.user,
            text,
            heard.signal,
            heard.mood.state,
            expressed,
            heard.prompt,
            missing,
        )
        self.turns.append(turn)
        self.mood = heard.mood
        return turn

    def _remembered(self, user_text: str) -> Conversation:
        """Return what the agent is shown but for its mood; a turn without a reply is left out with its question."""
        told = [one for one in self.turns if not one.missing]
        kept = told if self.memory is None else told[len(told) - min(self.memory, len(told)) :]
        head: list[Message] = [system(self.instruction)] if self.instruction else []
        pairs = [message for one in kept for message in (user(one.user), assistant(one.reply))]
        return (*head, *pairs, user(user_text))

    def save(self, path: str | Path) -> Path:
        """Write mood and turns to a file of JSON, one file to a user, to go on in another session."""
        return write(Path(path), self.rule, self.mood, self.turns)

    def load(self, path: str | Path) -> None:
        """Go on from where ``save`` was called.

        Raises:
            StoreError: the file is not there, damaged, or holds something else.
            InputError: it was saved under another rule, estimator or source; a mood means nothing under another one.
        """
        self.mood, self.turns = read(Path(path), self.rule)
