"""A subject that plays bandits in English; open weights are sampled from themselves and can be steered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from doxa.canonical import Json
from doxa.errors import CapabilityError, InputError, did_you_mean
from doxa.lab.parts import Keep, keep_none
from doxa.lens.completions import ENDED, UNSTEERED, Draw, Ends, sample_completions, uniforms
from doxa.lens.rows import Row
from doxa.protocols.bandit.agent import Completions, Streams
from doxa.protocols.bandit.text import (
    LABELS,
    WORDINGS,
    Wording,
    action_written,
    dialogue,
    parse_action,
    summary,
)
from doxa.subjects.base import Capability, Conversation, Sampling, Subject, require
from doxa.subjects.open_weights import no_weights, open_weights
from doxa.worlds.bandit_tokens import HISTORIES, History, Play

if TYPE_CHECKING:
    from doxa.subjects.transformers import TransformersSubject


@dataclass(frozen=True)
class TextAgent:
    """A subject that plays a bandit by being asked in English.

    A subject with open weights is sampled from its weights, and can be steered; one behind an address is asked for
    replies, and cannot.

    Attributes:
        subject: whom to ask.
        arms: how many there are, 2 to 6.
        horizon: rounds it is told of.
        wording: ``buttons`` or ``machines``.
        history: ``rounds`` tells all earlier answers and payoffs as a dialogue, ``summary`` pulls and mean payoff.
        max_tokens: longest answer.
        keep: keeps what open weights said in one call of ``complete``, so that an interrupted cell need not ask again;
            replies of a hosted subject stand in the reply cache.
    """

    subject: Subject
    arms: int = 2
    horizon: int = 50
    wording: Wording = "buttons"
    history: History = "rounds"
    max_tokens: int = 200
    keep: Keep = keep_none

    def __post_init__(self) -> None:
        if not 2 <= self.arms <= len(LABELS):
            raise InputError(f"arms={self.arms}: must be 2 to {len(LABELS)}")
        if self.wording not in WORDINGS:
            raise InputError(f"wording={self.wording!r}: {did_you_mean(self.wording, WORDINGS)}")
        if self.history not in HISTORIES:
            raise InputError(f"history={self.history!r}: {did_you_mean(self.history, HISTORIES)}")
        require(self.subject, Capability.REPLY)

    @cached_property
    def weights(self) -> TransformersSubject | None:
        """The model with open weights that answers, None if there is none."""
        return open_weights(self.subject)

    @property
    def opened(self) -> TransformersSubject:
        """The model with open weights.

        Raises:
            CapabilityError: there is none.
        """
        if self.weights is None:
            raise CapabilityError(no_weights(self.subject))
        return self.weights

    @property
    def model(self) -> Any:
        """Its model of transformers.

        Raises:
            CapabilityError: there is none.
        """
        return self.opened.model

    def rows(self, prompts: Sequence[Conversation]) -> list[Row]:
        """Return the token ids that the model is given."""
        return list(self.opened.rows(prompts))

    def decode(self, tokens: Row) -> str:
        """Return the text of the model's tokens, up to the end of a completion."""
        said = [int(token) for token in tokens if token != ENDED]
        text: str = self.opened.tokenizer.decode(
            said, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    @cached_property
    def ends(self) -> Ends:
        """When an answer is over: at an end token of the model, or behind a written action."""
        told = getattr(self.model.generation_config, "eos_token_id", None)
        ends = [*(told if isinstance(told, list) else [told]), self.opened.tokenizer.eos_token_id]
        tokens = frozenset(int(end) for end in ends if end is not None)
        return Ends(tokens, finished=lambda said: action_written(self.decode(said)))

    def prompts(self, play: Play, said: Sequence[Sequence[str]]) -> list[Conversation]:
        """Return the conversation of each run before its next round."""
        told: list[Conversation] = []
        for arms, rewards, texts in zip(play.arms, play.rewards, said, strict=True):
            past = (arms[arms >= 0].tolist(), rewards[arms >= 0].tolist())
            task = (self.wording, self.arms, self.horizon)
            told.append(dialogue(*task, *past, texts) if self.history == "rounds" else summary(*task, *past))
        return told

    def complete(
        self,
        prompts: Sequence[Conversation],
        streams: Streams,
        n_samples: int,
        draws: Sequence[Draw] = (UNSTEERED,),
    ) -> Completions:
        """Sample answers to conversations under each draw.

        Raises:
            CapabilityError: a draw is steered, and the subject's weights are not open.
        """
        if self.weights is not None:
            tokens = self._sampled(self.rows(prompts), streams, n_samples, draws)
            texts = [[[self.decode(own) for own in samples] for samples in part] for part in tokens]
        else:
            tokens, texts = None, [self._replies(prompts, streams, n_samples, draw) for draw in draws]
        arms = [[[parse_action(text, self.arms) for text in own] for own in part] for part in texts]
        return Completions(np.array(arms, dtype=np.int64), tokens, texts)

    def _sampled(
        self, rows: Sequence[Row], streams: Streams, n_samples: int, draws: Sequence[Draw]
    ) -> Int[np.ndarray, "draws prompts samples tokens"]:
        def sample() -> Json:
            chances = uniforms(
                streams.seed, *streams.names, rows=streams.rows, samples=n_samples, tokens=self.max_tokens
            )
            return sample_completions(self.model, rows, draws, chances, ends=self.ends).tolist()

        ways = [(*draw[1:], None if draw.steering is None else draw.steering.digest) for draw in draws]
        told = [[int(token) for token in row] for row in rows]
        shape = (len(draws), len(rows), n_samples, self.max_tokens)
        said = self.keep([told, ways, *streams, n_samples, self.max_tokens], sample)
        return np.array(said, dtype=np.int64).reshape(shape)

    def _replies(
        self, prompts: Sequence[Conversation], streams: Streams, n_samples: int, draw: Draw
    ) -> list[list[str]]:
        """Ask for replies; equal conversations of one call would get one reply, so each repeat takes other samples."""
        if draw.steering is not None and draw.multiplier != 0.0:
            raise CapabilityError(
                f"{self.subject.address} cannot be steered; organism: and hf: subjects can, their weights are open"
            )
        seen: Counter[Conversation] = Counter()
        repeat: list[int] = []
        for prompt in prompts:
            repeat.append(seen[prompt])
            seen[prompt] += 1
        texts: list[list[str]] = [[] for _ in prompts]
        branch = "/".join(map(str, streams.names))
        sampling = Sampling(draw.temperature, self.max_tokens, seed=streams.seed, branch=branch)
        for number in range(n_samples):
            for again in range(max(repeat) + 1):
                places = [place for place, count in enumerate(repeat) if count == again]
                replies = self.subject.reply(
                    [prompts[place] for place in places],
                    sampling=sampling.at(sample=number + again * n_samples),
                )
                for place, reply in zip(places, replies, strict=True):
                    texts[place].append(reply.text)
        return texts
