r"""A mind that reads tweets with a learned reader and moves its log-odds by Bayes' rule with a confirmation bias.

.. math:: \ell \leftarrow \ell_0 + \varphi (\ell - \ell_0) + \sum_j w \lambda_j m_j,
          \qquad \lambda_j = 1 \pm \kappa,

ℓ₀ the item's plausibility and a personal deviation, m_j the stance read in text j, in [-1, 1], w the trust of the
listener, λ above 1 where the text agrees with what is believed so far. It believes with probability σ(ℓ / τ), says so
as surely as |ℓ| allows, and takes up a detail of something that it heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from doxa.belief.information import expit
from doxa.canonical import Json
from doxa.errors import CapabilityError, InputError
from doxa.society.personas import Persona
from doxa.society.requests import NOBODY, OFFICIAL, Opinion, Opinions, Request, Texts, none_missing, strings
from doxa.society.rumour import tweets
from doxa.society.rumour.stance import StanceReader

TRUST: Mapping[str, float] = {
    "agreeableness": 0.15,
    "conscientiousness": -0.05,
    "surgency": 0.0,
    "stability": -0.15,
    "intellect": -0.05,
}
"""How a trait's high pole changes the log of a listener's trust in others; the low pole changes it the other way.

An input, not a result: agreeable and unstable people trust more (as the paper reports of its agents).
"""

SCHOOLING = -0.02
"""Change of the log of trust for each step of education above the middle one."""

LEVEL_AT = (0.4, 1.0, 1.8, 2.8)
"""|ℓ| in nats from which a tweet is one step surer."""

DIGEST_AT = (-0.4, -0.1, 0.1, 0.4)
"""Digest of what was heard from which it is put in the next of the generic sentences."""

LOG_ODDS, PRIOR, TRUSTS, _DIGEST = range(4)
"""Columns of what the mind keeps: ℓ, ℓ₀, the trust factor, the digest."""


@dataclass(frozen=True)
class Temper:
    """How the minds of a population work.

    Attributes:
        trust: w of a person with average traits, in nats for a text as sure as can be; 0 listens to nobody.
        official_trust: the same for the official agent.
        doubt: weight of a doubting text against a believing one, in [0, 1]; what officials say always counts fully.
        persistence: φ in [0, 1).
        confirmation: κ in [0, 1].
        temperature: τ in nats, above 0 and at most 0.5: warmer minds jump on the first day, before anybody spoke.
        spread: standard deviation of the personal deviations, in nats.
        start: log-odds of those who believe at the start.
        keep: weight of the old digest when a day is taken into it.
    """

    trust: float = 1.2
    official_trust: float = 0.5
    doubt: float = 0.1
    persistence: float = 0.7
    confirmation: float = 0.3
    temperature: float = 0.3
    spread: float = 0.3
    start: float = 2.5
    keep: float = 0.5

    def __post_init__(self) -> None:
        for name in ("trust", "official_trust", "spread"):
            if getattr(self, name) < 0.0:
                raise InputError(f"{name}={getattr(self, name)}: must be >= 0")
        if not 0.0 <= self.persistence < 1.0:
            raise InputError(f"persistence={self.persistence}: must be in [0, 1)")
        for name in ("confirmation", "doubt"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name}={getattr(self, name)}: must be in [0, 1]")
        if not 0.0 < self.temperature <= 0.5:
            raise InputError(f"temperature={self.temperature}: must be in (0, 0.5]")
        if not 0.0 <= self.keep < 1.0:
            raise InputError(f"keep={self.keep}: must be in [0, 1)")


def trust_factor(personas: Sequence[Persona]) -> Float[np.ndarray, " people"]:
    """Return by how much each person trusts more or less than one with average traits."""
    from doxa.society.personas import EDUCATION

    middle = (len(EDUCATION) - 1) / 2.0
    return np.exp(
        [
            sum(TRUST[trait] * (1.0 if level == "high" else -1.0) for trait, level in one.levels.items())
            + SCHOOLING * (EDUCATION.index(one.education) - middle if one.education in EDUCATION else 0.0)
            for one in personas
        ]
    )


@dataclass(frozen=True, eq=False)
class TextMind:
    """The learned-plus-Bayesian mind.

    Attributes:
        reader: reads stance and strength.
        prior: ℓ₀ of each item, in nats, by its text; a number holds for every item.
        temper: how it works.
    """

    reader: StanceReader
    prior: Mapping[str, float] | float
    temper: Temper = field(default_factory=Temper)
    remembers: bool = field(default=True, init=False)
    width: int = field(default=4, init=False)
    draws: int = field(default=12, init=False)

    def begin(self, asked: Opinion, believes: Bool[np.ndarray, " rows"]) -> Opinions:
        """Return agents at rest: a day in silence changes nothing, but that believers come down to ℓ₀ in time."""
        from scipy.special import ndtri

        noise = self.temper.spread * ndtri(np.clip(asked.draws[:, 0], 1e-9, 1.0 - 1e-9))
        prior = self._priors(asked.topic) + noise
        inner = np.zeros((asked.size, self.width))
        inner[:, PRIOR] = prior
        inner[:, LOG_ODDS] = np.where(believes, self.temper.start, prior)
        inner[:, TRUSTS] = trust_factor(asked.persona.tolist())
        detail = tweets.details(asked.draws[:, 1:5])
        text = tweets.write(believes, _level(inner[:, LOG_ODDS]), detail, None, None, asked.draws[:, 5:7])
        return self._told(asked, text, believes, inner)

    def announce(self, topic: Shaped[np.ndarray, " rows"]) -> Texts:
        """Return the official denial."""
        return np.tile(tweets.grammar().denial, (len(topic), 1))

    def told(self, texts: Texts) -> list[str]:
        """Return tweets as strings."""
        return tweets.spoken(texts)

    def exchanges(self) -> list[Json]:
        """Return nothing: no model is asked."""
        return []

    def answer(self, request: Request) -> Opinions:
        """Return opinions; it can be asked for nothing else."""
        if not isinstance(request, Opinion):
            raise CapabilityError(
                f"TextMind holds opinions; for {type(request).__name__} ask a subject through SubjectMind"
            )
        inner = request.inner.copy()
        heard = request.heard
        stance = self.reader.read(heard.text)
        place = heard.speaker != NOBODY
        # a day's mean stance enters the digest, whether or not its texts are at hand
        said = np.where(place, stance, 0.0)
        mean = said.sum(axis=1) / np.maximum(1, place.sum(axis=1))
        keep = self.temper.keep if request.carried else 0.0
        inner[:, _DIGEST] = keep * inner[:, _DIGEST] + (1.0 - keep) * mean
        if not request.at_hand:
            said = np.where(place, inner[:, _DIGEST][:, None], 0.0)
        inner[:, LOG_ODDS] = self._moved(inner, said, heard.speaker == OFFICIAL)
        believes = request.draws[:, 0] < expit(inner[:, LOG_ODDS] / self.temper.temperature)
        text = self._written(request, believes, inner)
        return self._told(request, text, believes, inner)

    def _moved(
        self,
        inner: Float[np.ndarray, "rows width"],
        said: Float[np.ndarray, "rows places"],
        official: Bool[np.ndarray, "rows places"],
    ) -> Float[np.ndarray, " rows"]:
        temper = self.temper
        log_odds, prior = inner[:, LOG_ODDS], inner[:, PRIOR]
        agrees = np.sign(said) * np.sign(log_odds)[:, None]
        weight = inner[:, TRUSTS][:, None] * np.where(official, temper.official_trust, temper.trust)
        weight = np.where((said < 0.0) & ~official, temper.doubt * weight, weight)
        shift = (weight * (1.0 + temper.confirmation * agrees) * said).sum(axis=1)
        return prior + temper.persistence * (log_odds - prior) + shift

    def _written(
        self, asked: Opinion, believes: Bool[np.ndarray, " rows"], inner: Float[np.ndarray, "rows width"]
    ) -> Int[np.ndarray, "rows words"]:
        """Return tweets: with today's texts at hand one is taken up and answered with a new detail; else the digest."""
        own = asked.previous[:, tweets.grammar().detail]
        level, draws = _level(inner[:, LOG_ODDS]), asked.draws
        if not asked.at_hand:
            digest = np.searchsorted(DIGEST_AT, inner[:, _DIGEST])
            return tweets.write(believes, level, own, None, digest, draws[:, 1:3])
        heard = asked.heard
        if not heard.speaker.shape[1]:
            return tweets.write(believes, level, own, None, None, draws[:, 1:3])
        count = (heard.speaker >= 0).sum(axis=1)
        pick = (draws[:, 3] * np.maximum(count, 1)).astype(np.int64)
        rows = np.arange(asked.size)
        taken = heard.text[rows, pick][:, tweets.grammar().detail].copy()
        taken[count == 0] = -1
        answers = (draws[:, 4] < 0.5) & (count > 0)
        detail = np.where(answers[:, None], tweets.details(draws[:, 5:9]), own)
        return tweets.write(believes, level, detail, taken, None, draws[:, 1:3])

    def _priors(self, topic: Shaped[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
        if not isinstance(self.prior, Mapping):
            return np.full(len(topic), float(self.prior))
        unknown = sorted({str(one) for one in topic} - set(self.prior))
        if unknown:
            raise InputError(f"no plausibility for '{unknown[0]}'; give prior[{unknown[0]!r}], in nats")
        return np.array([self.prior[str(one)] for one in topic])

    def _told(
        self,
        asked: Opinion,
        text: Int[np.ndarray, "rows words"],
        believes: Bool[np.ndarray, " rows"],
        inner: Float[np.ndarray, "rows width"],
    ) -> Opinions:
        return Opinions(
            **none_missing(asked.size),
            text=text,
            belief=believes.astype(np.int64),
            credence=expit(inner[:, LOG_ODDS]),
            reasoning=strings(asked.size),
            memory=asked.memory,
            inner=inner,
        )


def _level(log_odds: Float[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    return np.searchsorted(LEVEL_AT, np.abs(log_odds))
