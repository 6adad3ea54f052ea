"""The embedded experiments: a network of two registers, asked and played like any subject, and networks of rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.rank_correlation import spearman
from doxa.belief.rankings import impose, order_correlation
from doxa.lab.record import Recorder
from doxa.protocols.trust.believing import Belief, elicit_beliefs
from doxa.protocols.trust.consistency import Consistency, Ordered, consistency
from doxa.protocols.trust.forecasting import forecast_and_play_all, horizon_slope, mae_by_horizon
from doxa.protocols.trust.playing import play_population
from doxa.protocols.trust.recording import record_beliefs, record_consistency
from doxa.protocols.trust.rule_subject import RuleSubject
from doxa.protocols.trust.text import STRATEGIES, phrase
from doxa.streams import stream
from doxa.subjects.base import Subject
from doxa.worlds.trust_game import ARCHETYPES
from doxa.worlds.trust_world import GroupFacts, TrustWorld

MAIN = "CTX+TR"
"""The strategy whose beliefs are fed back, as published."""
ANSWER_TOKENS = 48
"""Longest answer of a network: a table of eight levels has half as many."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        people: personas that play.
        repeats: of each question about groups.
        each: personas that play under orderings, each once at every level.
        targets: Spearman correlations of imposed orderings with the elicited ones.
        bootstrap: resamples of personas.
        games: personas that forecast and play rounds with each trustee.
    """

    people: int
    repeats: int
    each: int
    targets: tuple[float, ...]
    bootstrap: int
    games: int


def record_registers(
    recorder: Recorder,
    subject: Subject,
    world: TrustWorld,
    sizes: Sizes,
    progress: Callable[[float, str], None],
    *,
    conditioned: bool = True,
) -> None:
    """Elicit, play, compare and, where asked for, play under orderings."""
    personas = world.population.personas[: sizes.people]
    levels = world.population.levels
    progress(0.0, "eliciting")
    beliefs = elicit_beliefs(
        subject, levels, STRATEGIES, sizes.repeats, seed=world.seed, max_tokens=ANSWER_TOKENS
    )
    record_beliefs(recorder, subject.address, beliefs)
    progress(0.2, "playing")
    played = _played(subject, personas, world.seed, "plain")
    said, done = world.group_facts(world.saying), world.group_facts(world.doing)
    by_strategy = {name: [belief for belief in beliefs if belief.strategy == name] for name in STRATEGIES}
    for strategy, own in by_strategy.items():
        luck = stream(world.seed, "trust", "bootstrap", strategy)
        found = consistency(own, played, sizes.bootstrap, rng=luck)
        record_consistency(recorder, subject.address, found, strategy)
        if strategy == MAIN:
            planned(recorder, subject.address, own, found, said, done)
    shuffled = pl.DataFrame(
        [personas["agent_id"]]
        + [
            personas[name].gather(
                stream(world.seed, "trust", "shuffled", name, f"{world.c:g}").permutation(personas.height)
            )
            for name in levels
        ]
    )
    other = _played(subject, shuffled, world.seed, "shuffled").select("agent_id", "sent", "expected")
    luck = stream(world.seed, "trust", "bootstrap", "shuffled")
    control = consistency(by_strategy[MAIN], personas.join(other, on="agent_id"), sizes.bootstrap, rng=luck)
    record_consistency(recorder, subject.address, control, "shuffled")
    if not conditioned:
        return
    progress(0.5, "playing under orderings")
    record_conditions(recorder, subject, world, by_strategy[MAIN], sizes, progress)


def planned(
    recorder: Recorder,
    subject: str,
    beliefs: Sequence[Belief],
    found: Consistency,
    said: Mapping[str, GroupFacts],
    done: Mapping[str, GroupFacts],
) -> None:
    """Record, over attributes, how far sayings follow the plan of sayings, and plays that of doings."""
    told = [
        spearman(belief.scores, said[belief.attribute].means).estimate for belief in beliefs if belief.read
    ]
    acted = [spearman(means, done[name].means).estimate for name, means in found.level_means.items()]
    for name, values in (("says as planned", told), ("plays as planned", acted)):
        value = float(np.nanmedian(values)) if values else None
        recorder.measure(name, value, subject=subject, axis="sweep", missing="nothing was read")


def record_conditions(
    recorder: Recorder,
    subject: Subject,
    world: TrustWorld,
    beliefs: Sequence[Belief],
    sizes: Sizes,
    progress: Callable[[float, str], None],
) -> None:
    """Record the order found in play under no ordering, the elicited one, and imposed ones, one attribute at a time.

    The same people play at every level of the attribute, so that nothing else differs between levels.
    """
    own = {belief.attribute: belief.ranking for belief in beliefs if belief.ranking}
    supplied: dict[str, dict[str, tuple[str, ...]]] = {"none": dict(own), "self": dict(own)}
    for target in sizes.targets:
        imposed = impose(own, target, world.seed).rankings
        supplied[f"imposed {target:g}"] = {name: one.ranking for name, one in imposed.items()}
    for done, (condition, rankings) in enumerate(supplied.items()):
        for attribute, ranking in rankings.items():
            people = _at_every_level(world, attribute, sizes.each)
            told = None if condition == "none" else {attribute: ranking}
            # All orderings meet the same people and the same luck; only what they are told differs.
            played = _played(subject, people, world.seed, f"orderings {attribute}", told)
            found = consistency(
                [Ordered.of(attribute, ranking)],
                played,
                100,
                rng=stream(world.seed, "trust", "orderings", attribute),
                value="expected",
                tested=False,
            )
            means = dict(zip(ranking, found.level_means[attribute], strict=True))
            acted = sorted(means, key=lambda level, means=means: -means[level])
            extra: dict[str, Any] = {
                "subject": subject.address,
                "axis": "sweep",
                "attribute": attribute,
                "ordering": condition,
            }
            numbers = {
                "rho supplied": found.table["spearman"][0],
                "rho own": order_correlation(own[attribute], acted),
                "rho of ordering": order_correlation(own[attribute], ranking),
            }
            for name, value in numbers.items():
                recorder.measure(name, value, missing="all levels sent alike", **extra)
        progress(0.5 + 0.5 * (done + 1) / len(supplied), condition)


def record_rounds(
    recorder: Recorder,
    subjects: Mapping[str, Subject],
    world: TrustWorld,
    sizes: Sizes,
    rounds: int,
    progress: Callable[[float, str], None],
) -> None:
    """Record errors of forecasts by horizon of networks, and of a rule without noise that knows itself."""
    personas = world.population.personas[: sizes.games].to_dicts()
    ages = {
        phrase("age", level): 2.0 + 2.0 * place for place, level in enumerate(world.population.levels["age"])
    }
    asked: dict[str, Subject] = {**subjects, "deterministic": RuleSubject(base=ages)}
    for done, (name, subject) in enumerate(asked.items()):
        method = "reply" if name == "deterministic" else "distribution"
        games = forecast_and_play_all(subject, personas, ARCHETYPES, rounds, method=method, seed=world.seed)
        for row in mae_by_horizon(games).iter_rows(named=True):
            told: dict[str, Any] = {
                "subject": subject.address,
                "axis": "round",
                "time": row["horizon"],
                "rule": name,
            }
            recorder.measure("mae", row["mae"], unit="dollars", trustee=row["trustee"], n=row["n"], **told)
        slope = horizon_slope(games, rng=stream(world.seed, "trust", "slope", name))
        errors = games["abs_error"].drop_nulls().to_numpy()
        why = "no game could be read"
        numbers = {"slope": slope.estimate, "mean error": float(errors.mean()) if errors.size else None}
        for measure, value in numbers.items():
            more: dict[str, Any] = {"subject": subject.address, "axis": "round", "rule": name, "missing": why}
            recorder.measure(measure, value, unit="dollars", **more)
        progress((done + 1) / len(asked), f"{name} games")


def _played(
    subject: Subject,
    personas: pl.DataFrame,
    seed: int,
    branch: str,
    conditioning: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Return the personas with what they send, drawn from the network's distribution of amounts."""
    found = play_population(subject, personas, conditioning, method="distribution", seed=seed, branch=branch)
    return personas.with_columns(found["sent"], found["expected"])


def _at_every_level(world: TrustWorld, attribute: str, each: int) -> pl.DataFrame:
    """Return the first people once at each level of an attribute, all else as it is."""
    people = world.population.personas.head(each)
    return pl.concat(
        [people.with_columns(pl.lit(level).alias(attribute)) for level in world.population.levels[attribute]]
    )
