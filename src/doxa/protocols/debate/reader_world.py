"""Debates over real arguments: debaters with a private taste learned from outcomes, before a jury with another.

The arguments of the persuasion bank are split in half. A reader is a judge fitted to a bootstrap resample of one half's
outcomes, the jury one fitted to the other half. At each stage a debater draws candidates of random style, speaks the
one its reader likes best and states its chance of winning with that same reader. The unit of all scores is the
standard deviation of what readers share, so that a reader is that quality plus noise, as in
:class:`~doxa.worlds.optimizers_curse.OptimizersCurseDebate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.belief.information import expit
from doxa.errors import InputError, did_you_mean
from doxa.protocols.persuasion.bank import ArgumentBank
from doxa.protocols.persuasion.judge import EmbeddedSkeptic

STAGES = 3
Switch: TypeAlias = Literal["cross_model", "self_debate", "informed_self", "public_bets", "self_redteam"]
SWITCHES: tuple[Switch, ...] = ("cross_model", "self_debate", "informed_self", "public_bets", "self_redteam")


class Tastes(NamedTuple):
    """What each reader and the jury make of every argument, centred, in standard deviations of the shared part.

    Attributes:
        readers: readings.
        jury: scores of the jury over their own standard deviation.
        noise: σ, standard deviation of what a reader has alone over that of what readers share.
        agreement: correlation of the mean reader with the jury.
    """

    readers: Float[np.ndarray, "readers arguments"]
    jury: Float[np.ndarray, " arguments"]
    noise: float
    agreement: float


class TextDebates(NamedTuple):
    """Debates over arguments; sides are P and O in this order.

    Attributes:
        credence: each side's stated chance of its own victory after each stage.
        won: whether P won.
    """

    credence: Float[np.ndarray, "debates 2 stages"]
    won: Bool[np.ndarray, " debates"]


def learn_tastes(bank: ArgumentBank, n_readers: int, penalty: float, rng: np.random.Generator) -> Tastes:
    """Fit readers and a jury.

    Args:
        bank: arguments with outcomes.
        n_readers: readers, >= 2, each from a resample of its own.
        penalty: ridge of every judge, 1 / C; a weak one makes tastes more private.
        rng: source of the split and of the resamples.
    """
    if n_readers < 2:
        raise InputError(f"n_readers={n_readers}: must be >= 2; two debaters of a cross debate differ")
    readings, size = bank.readings, len(bank.ids)
    vectors = bank.embeddings[readings.argument]
    half = rng.permutation(size)[: size // 2]

    def scores(times: Int[np.ndarray, " arguments"]) -> Float[np.ndarray, " arguments"]:
        """Return what a judge fitted to each argument so many times makes of all arguments."""
        counts = times[readings.argument]
        used = counts > 0
        judge = EmbeddedSkeptic.fit(
            vectors[used],
            readings.difficulty[used],
            readings.convinced[used],
            penalty,
            counts[used].astype(np.float64),
        )
        found = judge.argument_log_odds(bank.embeddings)
        return found - found.mean()

    draws = [rng.choice(half, size=half.size) for _ in range(n_readers)]
    readers = np.stack([scores(np.bincount(draw, minlength=size)) for draw in draws])
    other = np.ones(size, dtype=np.int64)
    other[half] = 0
    jury = scores(other)
    spread = np.cov(readers, bias=True)
    shared = float(spread[np.triu_indices(n_readers, 1)].mean())
    if shared <= 0.0:
        raise InputError("readers share nothing: their scores do not vary together; use a stronger penalty")
    alone = max(0.0, float(np.diag(spread).mean()) - shared)
    return Tastes(
        readers / math.sqrt(shared),
        jury / jury.std(),
        math.sqrt(alone / shared),
        float(np.corrcoef(readers.mean(axis=0), jury)[0, 1]),
    )


@dataclass(frozen=True)
class ReaderDebate:
    """Debates between readers, with the paper's five conditions as switches.

    ``cross_model`` seats two different readers; in all others both sides are one reader. ``public_bets`` averages
    the log-odds with those that the other side's last bet implies; ``informed_self`` draws them to 0;
    ``self_redteam`` scores the best of as many candidates for the opponent in place of an average speech.

    Attributes:
        condition: which switch.
        n_arguments: candidates of a stage.
        slope: log-odds of the jury per standard deviation of shared quality.
        weight: of the other's bet, and of the log-odds 0 of the informed.
        rescore: ``own`` states chances with the reader that chose; ``fresh`` with another reader's eyes.
    """

    condition: Switch | str = "cross_model"
    n_arguments: int = 8
    slope: float = 0.45
    weight: float = 0.5
    rescore: str = "own"

    def __post_init__(self) -> None:
        if self.condition not in SWITCHES:
            raise InputError(f"condition={self.condition!r}: {did_you_mean(str(self.condition), SWITCHES)}")
        if self.rescore not in ("own", "fresh"):
            raise InputError(f"rescore={self.rescore!r}: must be 'own' or 'fresh'")
        if not 0.0 <= self.weight <= 1.0:
            raise InputError(f"weight={self.weight}: must be in [0, 1]")

    def simulate(
        self, bank: ArgumentBank, tastes: Tastes, n_debates: int, rng: np.random.Generator
    ) -> TextDebates:
        """Return debates, drawn all at once."""
        count = len(tastes.readers)
        seats = np.stack([rng.permutation(count)[: min(3, count)] for _ in range(n_debates)])
        first, second = seats[:, 0], seats[:, 1]
        reader = np.stack([first, second if self.condition == "cross_model" else first], axis=1)
        # whoever rereads is neither of the two that chose
        fresh = np.stack([seats[:, -1]] * 2, axis=1) if count > 2 else reader[:, ::-1]
        eyes = (fresh if self.rescore == "fresh" else reader)[..., None]
        spoken = self._chosen(bank, tastes, reader, rng)
        own = tastes.readers[eyes, spoken]
        heard = tastes.readers[reader[..., None], spoken[:, ::-1]]
        unseen = self._unseen(bank, tastes, reader, rng)
        log_odds = self.slope * (np.cumsum(own, axis=-1) - (np.cumsum(heard, axis=-1) - heard) - unseen)
        log_odds = self._informed(log_odds)
        margin = self.slope * (tastes.jury[spoken[:, 0]] - tastes.jury[spoken[:, 1]]).sum(axis=-1)
        return TextDebates(expit(log_odds), rng.random(n_debates) < expit(margin))

    def _chosen(
        self,
        bank: ArgumentBank,
        tastes: Tastes,
        reader: Int[np.ndarray, "debates 2"],
        rng: np.random.Generator,
    ) -> Int[np.ndarray, "debates 2 stages"]:
        """Return the argument that each side speaks at each stage: its reader's favourite of those drawn."""
        drawn = candidates(bank, (*reader.shape, STAGES, self.n_arguments), rng)
        liked = tastes.readers[reader[..., None, None], drawn]
        return np.take_along_axis(drawn, liked.argmax(axis=-1)[..., None], -1)[..., 0]

    def _unseen(
        self,
        bank: ArgumentBank,
        tastes: Tastes,
        reader: Int[np.ndarray, "debates 2"],
        rng: np.random.Generator,
    ) -> Float[np.ndarray, "debates 2 stages"]:
        """Return what each side expects of the speech it has not heard yet, in its own reader's scores.

        Its experience is how it liked speeches that other readers chose; a red-teamer chooses one itself.
        """
        shape = (*reader.shape, STAGES)
        if self.condition == "self_redteam":
            drawn = candidates(bank, (*shape, self.n_arguments), rng)
            return tastes.readers[reader[..., None, None], drawn].max(axis=-1)
        count = len(tastes.readers)
        drawn = candidates(bank, (count, 4000, self.n_arguments), rng)
        picks = tastes.readers[np.arange(count)[:, None, None], drawn].argmax(axis=-1)
        picked = np.take_along_axis(drawn, picks[..., None], -1)[..., 0]
        liked = np.stack([tastes.readers[:, row].mean(axis=1) for row in picked], axis=1)
        others = (liked.sum(axis=1) - np.diag(liked)) / (count - 1)
        return np.broadcast_to(others[reader][..., None], shape)

    def _informed(
        self, log_odds: Float[np.ndarray, "debates 2 stages"]
    ) -> Float[np.ndarray, "debates 2 stages"]:
        """Return the log-odds with what the condition tells: 50 %, or the other side's last bet."""
        if self.condition == "informed_self":
            return (1.0 - self.weight) * log_odds
        if self.condition != "public_bets":
            return log_odds
        out = log_odds.copy()
        for stage in range(1, STAGES):
            implied = -out[:, ::-1, stage - 1]
            out[:, :, stage] = (1.0 - self.weight) * log_odds[:, :, stage] + self.weight * implied
        return out


def candidates(
    bank: ArgumentBank, shape: tuple[int, ...], rng: np.random.Generator
) -> Int[np.ndarray, "*shape"]:
    """Return numbers of arguments, each of a style drawn uniformly among the bank's styles."""
    names = sorted(set(bank.dimensions))
    members = [np.array(bank.of_dimension(name)) for name in names]
    style = rng.integers(len(names), size=shape)
    place = rng.random(shape)
    sizes = np.array([own.size for own in members])
    table = np.zeros((len(names), sizes.max()), dtype=np.int64)
    for row, own in enumerate(members):
        table[row, : own.size] = own
    return table[style, (place * sizes[style]).astype(np.int64)]
