"""What a subject believes of groups of people, asked several times with the levels in shuffled order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.belief.effect_sizes import eta_squared_from_summary
from doxa.belief.rank_correlation import mean_pairwise_spearman
from doxa.belief.ranks import average_ranks
from doxa.errors import InputError
from doxa.protocols.trust.parsing import (
    parse_effect_size,
    parse_level_dollars,
    parse_ranking,
    unanswered,
)
from doxa.protocols.trust.text import GROUP_SIZE, STRATEGIES, Strategy, belief_prompt
from doxa.streams import stream
from doxa.subjects.base import Capability, Conversation, Reply, Sampling, Subject, require
from doxa.subjects.together import together
from doxa.worlds.money_game import MoneyGame
from doxa.worlds.trust_game import TrustGame

TEMPERATURE = 0.05
"""As published."""


class Statement(NamedTuple):
    """One answer about an attribute.

    Attributes:
        scores: of each level, higher for more trusting (places of a ranking, or mean dollars); None if unread.
        eta2: effect size in [0, 1]; None if unread.
        means: dollars of each level, where dollars were asked for.
        sds: their standard deviations.
        missing: why it could not be read; "" if it could.
        reply: what was said, raw.
    """

    scores: tuple[float, ...] | None
    eta2: float | None
    means: tuple[float, ...] | None
    sds: tuple[float, ...] | None
    missing: str
    reply: Reply


@dataclass(frozen=True)
class Belief:
    """What is believed of one attribute by one strategy, over repeats.

    Attributes:
        attribute: which.
        strategy: how it was asked for.
        levels: its levels, in their usual order.
        scores: of each level, higher for more trusting: the mean over repeats of its rank; NaN if none was read.
        eta2: mean effect size over repeats; NaN if none was read.
        level_means: mean dollars of each level over repeats, None where dollars were not asked for.
        level_sds: the standard deviations, likewise.
        raw: the repeats.
    """

    attribute: str
    strategy: Strategy
    levels: tuple[str, ...]
    scores: tuple[float, ...]
    eta2: float
    level_means: tuple[float, ...] | None
    level_sds: tuple[float, ...] | None
    raw: tuple[Statement, ...]

    @property
    def read(self) -> int:
        """How many repeats could be read."""
        return sum(one.scores is not None for one in self.raw)

    @property
    def ranking(self) -> tuple[str, ...]:
        """Levels from most to least trusting; equal ones in their usual order; empty if none was read."""
        if not self.read:
            return ()
        order = np.argsort(-np.array(self.scores), kind="stable")
        return tuple(self.levels[place] for place in order)

    @property
    def agreement(self) -> float:
        """Mean pairwise Spearman of the repeats, the ceiling for any consistency; NaN below two of them."""
        rows = [np.array(one.scores) for one in self.raw if one.scores is not None]
        return mean_pairwise_spearman(rows).estimate if len(rows) > 1 else float("nan")


def elicit_population_belief(
    model: Subject,
    attribute: str,
    levels: Sequence[str],
    strategy: Strategy,
    repeats: int = 5,
    shuffle_levels: bool = True,
    *,
    game: MoneyGame | None = None,
    seed: int = 0,
    temperature: float = TEMPERATURE,
    max_tokens: int = 512,
) -> Belief:
    """Ask a subject how one attribute goes with trust; arguments as in :func:`elicit_beliefs`."""
    found = elicit_beliefs(
        model,
        {attribute: levels},
        (strategy,),
        repeats,
        shuffle_levels,
        game=game,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
    )
    return found[0]


def elicit_beliefs(
    model: Subject,
    levels: Mapping[str, Sequence[str]],
    strategies: Sequence[Strategy] = STRATEGIES,
    repeats: int = 5,
    shuffle_levels: bool = True,
    *,
    game: MoneyGame | None = None,
    seed: int = 0,
    temperature: float = TEMPERATURE,
    max_tokens: int = 512,
) -> list[Belief]:
    """Ask a subject about attributes by each strategy, all questions and repeats together.

    Args:
        model: the subject.
        levels: the levels of each attribute.
        strategies: how to ask.
        repeats: times each question is asked, >= 1.
        shuffle_levels: whether the levels are listed in another order each time, because their order leaks into
            rankings; else always as given.
        game: the rules, of the trust game where none are given.
        seed: of orders and samples.
        temperature: of the replies.
        max_tokens: longest reply.

    Returns:
        Beliefs by strategy, then attribute.

    Raises:
        InputError: an attribute has fewer than two levels or repeats one, or repeats is below 1.
    """
    require(model, Capability.REPLY)
    if repeats < 1:
        raise InputError(f"repeats={repeats}: must be >= 1")
    for attribute, own in levels.items():
        if len(set(own)) < 2 or len(set(own)) < len(own):
            raise InputError(f"{attribute} has levels {list(own)}: give two or more, each once")
    rules: MoneyGame = game or TrustGame()
    asked: list[tuple[Strategy, str]] = [(way, name) for way in strategies for name in levels]
    said: list[list[Statement]] = [[] for _ in asked]
    draws: list[tuple[list[Conversation], Sampling]] = []
    for repeat in range(repeats):
        prompts: list[Conversation] = []
        for strategy, attribute in asked:
            listed = list(levels[attribute])
            if shuffle_levels:
                names = ("trust", "listed", strategy, attribute, repeat)
                listed = [listed[place] for place in stream(seed, *names).permutation(len(listed))]
            prompts.append(belief_prompt(attribute, listed, strategy, rules))
        sampling = Sampling(temperature, max_tokens, seed=seed, sample=repeat, branch="trust/beliefs")
        draws.append((prompts, sampling))
    jobs = [(model, partial(model.reply, talks, sampling=sampling)) for talks, sampling in draws]
    for replies in together(jobs):
        for place, ((strategy, attribute), reply) in enumerate(zip(asked, replies, strict=True)):
            said[place].append(read_statement(reply, attribute, tuple(levels[attribute]), strategy, rules))
    return [
        belief_of(attribute, tuple(levels[attribute]), strategy, own)
        for (strategy, attribute), own in zip(asked, said, strict=True)
    ]


def read_statement(
    reply: Reply, attribute: str, levels: tuple[str, ...], strategy: Strategy, game: MoneyGame
) -> Statement:
    """Return what a reply says of an attribute, or why it cannot be read."""
    why = unanswered(reply)
    if why:
        return Statement(None, None, None, None, why, reply)
    if strategy == "CTX+$":
        table = parse_level_dollars(reply.text, attribute, levels, game)
        if table.means is None or table.sds is None:
            return Statement(None, None, None, None, table.missing, reply)
        eta2 = eta_squared_from_summary(table.means, table.sds, GROUP_SIZE).estimate
        return Statement(table.means, None if np.isnan(eta2) else eta2, table.means, table.sds, "", reply)
    ranking = parse_ranking(reply.text, attribute, levels)
    if ranking.levels is None:
        return Statement(None, None, None, None, ranking.missing, reply)
    effect = parse_effect_size(reply.text)
    places = tuple(float(len(levels) - ranking.levels.index(level)) for level in levels)
    return Statement(places, effect.value, None, None, effect.missing, reply)


def belief_of(
    attribute: str, levels: tuple[str, ...], strategy: Strategy, said: Sequence[Statement]
) -> Belief:
    """Return the belief of some repeats; those that could not be read are left out, and counted by ``read``."""
    none = (float("nan"),) * len(levels)
    ranks = [average_ranks(np.array(one.scores)) for one in said if one.scores is not None]
    eta2 = [one.eta2 for one in said if one.eta2 is not None]
    return Belief(
        attribute,
        strategy,
        levels,
        _mean(ranks) or none,
        float(np.mean(eta2)) if eta2 else float("nan"),
        _mean([np.array(one.means) for one in said if one.means is not None]),
        _mean([np.array(one.sds) for one in said if one.sds is not None]),
        tuple(said),
    )


def _mean(rows: Sequence[Float[np.ndarray, " _"]]) -> tuple[float, ...] | None:
    return tuple(float(one) for one in np.mean(rows, axis=0)) if rows else None
