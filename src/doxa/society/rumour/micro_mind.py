"""A subject of the micro world as a mind: neighbours are sources whose reliability it learnt, the rumour is a question.

Each agent speaks as one of the world's four sources, by its number. What believers say is a report of yes, what
doubters say one of no, and the official agent is the atlas. Asked "how sure ?" behind the reports that an agent
remembers, the subject gives a credence; belief is drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Shaped

from doxa.belief.information import expit
from doxa.canonical import Json
from doxa.elicit.micro import ask_micro
from doxa.errors import CapabilityError
from doxa.society.requests import NOBODY, OFFICIAL, Opinion, Opinions, Request, Texts, none_missing, strings
from doxa.subjects.base import Capability, Subject, require, user
from doxa.worlds import micro

SOURCES = tuple(micro.SOURCES)
OFFICIAL_SOURCE = SOURCES[0]


@dataclass(eq=False)
class MicroMind:
    """A subject that speaks micro-English.

    Attributes:
        subject: who is asked; it must score.
        last: reports that stay in the long memory.
    """

    subject: Subject
    last: int = 6
    remembers: bool = field(default=True, init=False)
    width: int = field(default=0, init=False)
    draws: int = field(default=1, init=False)
    _said: list[Json] = field(default_factory=list[Json], init=False, repr=False)

    def __post_init__(self) -> None:
        require(self.subject, Capability.SCORE)

    def begin(self, asked: Opinion, believes: Bool[np.ndarray, " rows"]) -> Opinions:
        """Return reports of yes and of no; nothing is asked."""
        belief = believes.astype(np.int64)
        return Opinions(
            **none_missing(asked.size),
            text=_reports(asked.agent, belief),
            belief=belief,
            credence=np.full(asked.size, np.nan),
            reasoning=strings(asked.size),
            memory=asked.memory,
            inner=asked.inner,
        )

    def announce(self, topic: Shaped[np.ndarray, " rows"]) -> Texts:
        """Return the atlas' report of no."""
        return strings(len(topic), micro.say(micro.Report(OFFICIAL_SOURCE, False)))

    def told(self, texts: Texts) -> list[str]:
        """Return the strings."""
        return [str(text) for text in texts]

    def exchanges(self) -> list[Json]:
        """Return what was asked and the credence that was read, since this was asked last."""
        said, self._said = self._said, []
        return said

    def answer(self, request: Request) -> Any:
        """Return opinions; micro-English has no words for other requests."""
        if not isinstance(request, Opinion):
            raise CapabilityError(
                f"{self.subject.address} speaks micro-English, which has no words for {type(request).__name__}; "
                "ask a subject of plain English"
            )
        today = _heard(request)
        memory = strings(request.size)
        shown: list[str] = []
        for row in range(request.size):
            kept = str(request.memory[row]).splitlines() if request.carried else []
            shown.append(" ".join([*kept, *(today[row] if request.at_hand else [])]))
            memory[row] = "\n".join([*kept, *today[row]][-self.last :])
        # an agent that heard nothing keeps what it believes; the others are asked in one call
        asked = [row for row, text in enumerate(shown) if text]
        found = ask_micro(
            self.subject, [(user(shown[row]),) for row in asked], [micro.HowSure()] * len(asked)
        )
        credence = np.where(np.isnan(request.credence), 0.5, request.credence)
        credence[asked] = [float(expit(one.log_odds)) for one in found]
        for row in asked:
            self._said.append(
                {
                    "population": int(request.population[row]),
                    "agent": int(request.agent[row]),
                    "time": request.time,
                    "asked": "how sure",
                    "attempt": 0,
                    "prompt": [user(f"{shown[row]} {micro.ask(micro.HowSure())}").as_json()],
                    "reply": f"{100 * credence[row]:.1f} %",
                    "finish": "stop",
                    "tokens": 0,
                    "missing": "",
                }
            )
        belief = (request.draws[:, 0] < credence).astype(np.int64)
        return Opinions(
            **none_missing(request.size),
            text=_reports(request.agent, belief),
            belief=belief,
            credence=credence,
            reasoning=strings(request.size),
            memory=memory,
            inner=request.inner,
        )


def _reports(agent: Int[np.ndarray, " rows"], belief: Int[np.ndarray, " rows"]) -> Texts:
    texts = strings(len(agent))
    texts[:] = [
        micro.say(micro.Report(SOURCES[number % len(SOURCES)], bool(yes)))
        for number, yes in zip(agent.tolist(), belief.tolist(), strict=True)
    ]
    return texts


def _heard(request: Opinion) -> list[list[str]]:
    """Return the reports each agent heard today."""
    denial = micro.say(micro.Report(OFFICIAL_SOURCE, False))
    return [
        [
            denial if speaker == OFFICIAL else str(text)
            for text, speaker in zip(texts, speakers, strict=True)
            if speaker != NOBODY
        ]
        for texts, speakers in zip(request.heard.text, request.heard.speaker.tolist(), strict=True)
    ]
