"""Any subject as a mind: prompts with slots, replies as JSON read without repair, asked again a few times and counted.

All agents of a step are asked in one call of the subject, one for each population: equal texts of two populations are
two draws. At temperature 0 equal prompts are asked once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Int, Shaped

from doxa.belief.information import expit
from doxa.canonical import Json
from doxa.elicit.reading import Found, Reading, Unparsed
from doxa.elicit.structured import Field, read_json
from doxa.errors import CapabilityError, InputError
from doxa.society.prompts import Prompts
from doxa.society.requests import (
    NOBODY,
    Action,
    Chosen,
    Emotion,
    Judge,
    Opinion,
    Opinions,
    Probability,
    Rated,
    Request,
    Rewrite,
    Situated,
    Summarise,
    Texts,
    Written,
    strings,
)
from doxa.society.subject_asking import Asker, missing_of
from doxa.subjects.base import (
    Capability,
    Conversation,
    Query,
    Reply,
    Subject,
    require,
    system,
    user,
)

_BELIEF = (Field("integer", 0, 1), Field("string", choices=("0", "1")), Field("boolean"))
"""1 or 0, as a number, a string or a truth value; anything else cannot be read."""


@dataclass(eq=False)
class SubjectMind:
    """A subject that answers for every agent.

    Attributes:
        subject: who is asked.
        prompts: what it is told, with slots.
        temperature: of opinions and memories.
        summary_temperature: of summaries.
        max_tokens: longest reply.
        retries: how often a reply that cannot be read is asked for again; then it is missing.
        fused: memory and opinion in one reply, without a summary: a third of the calls.
        belief: ``stated`` takes the 0 or 1 of the reply; ``probability`` scores both behind the tweet, so that the
            belief is a credence.
        seed: of all draws.
    """

    subject: Subject
    prompts: Prompts = field(default_factory=Prompts.default)
    temperature: float = 1.0
    summary_temperature: float = 0.5
    max_tokens: int = 300
    retries: int = 3
    fused: bool = False
    belief: Literal["stated", "probability"] = "stated"
    seed: int = 0
    width: int = field(default=0, init=False)
    draws: int = field(default=1, init=False)
    _asker: Asker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise InputError(f"retries={self.retries}: must be >= 0")
        require(self.subject, Capability.REPLY)
        if self.belief == "probability":
            require(self.subject, Capability.SCORE)
        self._asker = Asker(self.subject, self.max_tokens, self.retries, self.seed)

    @property
    def remembers(self) -> bool:
        """Whether memory is rewritten in the reply that holds the opinion."""
        return self.fused

    def begin(self, asked: Opinion, believes: Bool[np.ndarray, " rows"]) -> Opinions:
        """Return opening sentences of believers and doubters; nothing is asked."""
        pick = (asked.draws[:, 0] * 1e6).astype(np.int64)
        texts = strings(asked.size)
        for row in range(asked.size):
            sentences = self.prompts.agreeing if believes[row] else self.prompts.doubting
            texts[row] = sentences[pick[row] % len(sentences)].replace("{topic}", str(asked.topic[row]))
        return Opinions(
            missing=strings(asked.size),
            again=np.zeros(asked.size, dtype=np.int64),
            text=texts,
            belief=believes.astype(np.int64),
            credence=np.full(asked.size, np.nan),
            reasoning=strings(asked.size),
            memory=asked.memory,
            inner=asked.inner,
        )

    def announce(self, topic: Shaped[np.ndarray, " rows"]) -> Texts:
        """Return the official denial of each item."""
        said = strings(len(topic))
        said[:] = [self.prompts.denial.replace("{topic}", str(one)) for one in topic]
        return said

    def told(self, texts: Texts) -> list[str]:
        """Return the strings."""
        return [str(text) for text in texts]

    def exchanges(self) -> list[Json]:
        """Return every prompt and reply since this was asked last."""
        said, self._asker.said = self._asker.said, []
        return said

    def answer(self, request: Request) -> Any:
        """Return the answers to a request of any kind."""
        match request:
            case Opinion():
                return self._opinions(request)
            case Summarise():
                slots = [
                    {"topic": request.topic[row], "opinions": self._heard(request, row)}
                    for row in range(request.size)
                ]
                return self._written(request, "summary", slots, self.summary_temperature)
            case Rewrite():
                slots = [
                    {"topic": request.topic[row], "memory": request.text[row], "today": request.new[row]}
                    for row in range(request.size)
                ]
                return self._written(request, "memory", slots, self.temperature)
            case Emotion():
                return self._rated(request, "emotion", request.emotions, Field("number", 0, 1))
            case Probability():
                return self._rated(
                    request, "probability", ("probability", "confidence"), Field("number", 0, 1)
                )
            case Judge():
                return self._rated(request, "judge", ("score",), Field("number", *request.scale))
            case Action():
                return self._chosen(request)
            case _:
                raise CapabilityError(f"SubjectMind cannot answer {type(request).__name__}")

    def _opinions(self, request: Opinion) -> Opinions:
        """Return tweets, beliefs and reasons; the memory as well where it is fused."""
        if self.fused and not request.at_hand:
            raise InputError(
                "fused: what was heard stands in the prompt, so that short memory cannot be left out; use fused=False"
            )
        name = "fused" if self.fused else "opinion"
        slots = [self._slots(request, row) for row in range(request.size)]
        talks = [
            (system(self.prompts.fill("persona", one)), user(self.prompts.fill(name, one))) for one in slots
        ]
        extra = {"memory": Field("string")} if self.fused and request.carried else {}
        found, again = self._asker.ask(request, name, talks, partial(_opinion, extra=extra), self.temperature)
        values = [one.value if isinstance(one, Found) else {} for one in found]
        texts, reasons, memory = strings(request.size), strings(request.size), request.memory.copy()
        texts[:] = [value.get("tweet", "") for value in values]
        reasons[:] = [value.get("reasoning", "") for value in values]
        for row, value in enumerate(values):
            memory[row] = value.get("memory", memory[row])
        told = Opinions(
            missing=missing_of(found),
            again=again,
            text=texts,
            belief=np.array([value.get("belief", -1) for value in values], dtype=np.int64),
            credence=np.full(request.size, np.nan),
            reasoning=reasons,
            memory=memory,
            inner=request.inner,
        )
        return self._graded(talks, told) if self.belief == "probability" else told

    def _graded(self, talks: Sequence[Conversation], told: Opinions) -> Opinions:
        """Return opinions whose belief is scored behind the tweet; one that was not scored stays as stated."""
        read = np.flatnonzero(told.missing == "")
        queries = [
            Query(talks[row], (" 1", " 0"), f'{{"tweet": {json.dumps(told.text[row])}, "belief":')
            for row in read.tolist()
        ]
        for row, scores in zip(read.tolist(), self.subject.score(queries) if queries else [], strict=True):
            if np.isfinite(scores).all():
                told.credence[row] = float(expit(float(scores[0] - scores[1])))
                told.belief[row] = int(told.credence[row] >= 0.5)
        return told

    def _slots(self, request: Opinion, row: int) -> dict[str, str]:
        person, today = request.persona[row], str(request.today[row])
        return {
            "topic": str(request.topic[row]),
            "previous": str(request.previous[row]),
            "opinions": self._heard(request, row),
            "today": (today or self._heard(request, row)) if request.at_hand else self.prompts.nothing,
            "memory": str(request.memory[row])
            if request.carried and request.memory[row]
            else self.prompts.nothing,
            "name": person.name,
            "age": str(person.age),
            "traits": ", ".join(person.traits),
            "education": person.education,
        }

    def _heard(self, request: Opinion | Summarise, row: int) -> str:
        heard = request.heard
        lines = [
            self.prompts.line(str(heard.text[row, place]), bool(heard.belief[row, place]), int(speaker))
            for place, speaker in enumerate(heard.speaker[row])
            if speaker != NOBODY
        ]
        return "\n".join(lines) or self.prompts.nothing

    def _written(
        self, request: Request, name: str, slots: Sequence[dict[str, Any]], temperature: float
    ) -> Written:
        filled = [{key: str(value) or self.prompts.nothing for key, value in one.items()} for one in slots]
        talks = [(user(self.prompts.fill(name, one)),) for one in filled]
        found, again = self._asker.ask(request, name, talks, _text, temperature)
        texts = strings(request.size)
        texts[:] = [one.value if isinstance(one, Found) else "" for one in found]
        return Written(missing=missing_of(found), again=again, text=texts)

    def _rated(self, request: Situated, name: str, fields: Sequence[str], kind: Field) -> Rated:
        """Return numbers; of a field called ``confidence`` the confidence."""
        if not fields:
            raise InputError("emotions=(): name at least one")
        more = (
            {"criterion": request.criterion, "scale": _ends(request.scale)}
            if isinstance(request, Judge)
            else {}
        )
        found, again = self._posed(
            request, name, {**more, "fields": _example(fields)}, dict.fromkeys(fields, kind)
        )
        rated = [one for one in fields if one != "confidence"]
        values = np.array(
            [[one.value[name] if isinstance(one, Found) else np.nan for name in rated] for one in found],
            dtype=np.float64,
        ).reshape(request.size, len(rated))
        told = [one.value.get("confidence", np.nan) if isinstance(one, Found) else np.nan for one in found]
        return Rated(
            missing=missing_of(found),
            again=again,
            value=values if isinstance(request, Emotion) else values[:, 0],
            confidence=np.array(told, dtype=np.float64),
        )

    def _chosen(self, request: Action) -> Chosen:
        if len(request.options) < 2:
            raise InputError(f"options={request.options}: give at least two")
        schema = {"action": Field("string", choices=request.options)}
        slots = {"options": "\n".join(f"- {option}" for option in request.options)}
        found, again = self._posed(request, "action", slots, schema)
        choice = [
            request.options.index(one.value["action"]) if isinstance(one, Found) else -1 for one in found
        ]
        return Chosen(missing=missing_of(found), again=again, choice=np.array(choice, dtype=np.int64))

    def _posed(
        self, request: Situated, name: str, slots: dict[str, str], schema: dict[str, Field]
    ) -> tuple[list[Reading], Int[np.ndarray, " rows"]]:
        talks = [
            (user(self.prompts.fill(name, {"situation": str(told), **slots})),) for told in request.situation
        ]
        return self._asker.ask(
            request, name, talks, lambda reply: read_json(reply.text, schema), self.temperature
        )


def _opinion(reply: Reply, extra: dict[str, Field]) -> Reading:
    """Read {tweet, belief, reasoning}; belief as 1 or 0, "1" or "0", true or false."""
    reading: Reading = Unparsed("no answer in the reply")
    for kind in _BELIEF:
        schema = {"tweet": Field("string"), "belief": kind, "reasoning": Field("string"), **extra}
        reading = read_json(reply.text, schema)
        if isinstance(reading, Found):
            return Found({**reading.value, "belief": int(reading.value["belief"])}, reading.span)
        if not (isinstance(reading, Unparsed) and "'belief'" in reading.reason):
            return reading
    return Unparsed("field 'belief' is neither 0 nor 1")


def _text(reply: Reply) -> Reading:
    said = reply.text.strip()
    return Found(said, (0, len(reply.text))) if said else Unparsed("the reply is empty")


def _example(fields: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{name}": …' for name in fields) + "}"


def _ends(scale: tuple[float, float]) -> str:
    return f"{scale[0]:g} to {scale[1]:g}"
