"""A subject for tests that plays planner, oracle, reader and agent by rule, from the prompts it is shown alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from doxa.belief.information import expit, logit
from doxa.canonical import digest
from doxa.errors import CapabilityError
from doxa.society.herding import SocialLearning
from doxa.society.herding.speaking import CLIP_BELIEF
from doxa.subjects.base import Capability, Reply


@dataclass(frozen=True)
class Speaker:
    """Writes tips that hold their reliability in a word, and weighs them as non-Bayesian agents do.

    Attributes:
        alpha, consistent, inconsistent: weights of the public belief and of tips that agree or contradict.
        precision: what it sets as a planner.
        per_cent: whether it answers in per cent until it is asked again.
        honest: whether tips say how reliable they are; else all sound alike.
    """

    alpha: float = 1.0
    consistent: float = 1.0
    inconsistent: float = 1.0
    precision: float = 0.8
    per_cent: bool = False
    honest: bool = True
    address: str = "scripted:speaker"
    capabilities: frozenset = frozenset({Capability.REPLY})
    form: str = "published"
    context_tokens: int | None = None

    @property
    def identity(self):
        return digest(
            [self.alpha, self.consistent, self.inconsistent, self.precision, self.per_cent, self.honest]
        )

    def reply(self, conversations, *, sampling, tools=()):
        return [Reply(self.said(conversation)) for conversation in conversations]

    def score(self, queries):
        raise CapabilityError("it only replies")

    def said(self, conversation):
        asked = conversation[-1].content
        if "Write the tip" in asked:
            good = "the car is good" in asked
            precision = re.search(r"Reliability: ([\d.]+)", asked).group(1) if self.honest else "0.55"
            return f"{'Buy' if good else 'Avoid'} code{precision}"
        if "The tip:" in asked:
            return f"<number>{100 * self._meant(asked):.0f}</number>"
        if "Answer with one JSON object" in asked:
            return self._acts(asked)
        if self.per_cent and "You answered" not in asked:
            return f"<number>{100 * self.precision:g}</number>"
        return f"It should be <number>{self.precision:g}</number>"

    def _meant(self, asked):
        word, code = re.search(r"(Buy|Avoid) code([\d.]+)", asked).groups()
        return float(code) if word == "Buy" else 1.0 - float(code)

    def _acts(self, asked):
        told = re.search(r"at (\d+) per cent", asked)
        public = logit(float(told.group(1)) / 100) if told else self._public(asked)
        q = float(re.search(r"with a chance of ([\d.]+)\.", asked).group(1))
        good = "Buy code" in asked
        evidence = float(logit(min(q, CLIP_BELIEF))) * (1 if good else -1)
        weight = self.consistent if evidence * public >= 0 else self.inconsistent
        thought = self.alpha * public + weight * evidence
        buys = good if abs(thought) < 1e-9 else bool(thought > 0)
        return json.dumps({"belief": round(100 * float(expit(thought))), "buy": buys})

    def _public(self, asked):
        model, belief = SocialLearning(), 0.5
        for precision, act in re.findall(r"reliability ([\d.]+), (bought|did not buy)", asked):
            belief = model.update(belief, float(precision), "G" if act == "bought" else "B")
        return float(logit(belief))
