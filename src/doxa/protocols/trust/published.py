"""The population on a subject of the user's: what it says of people, how it plays them, told orderings or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from doxa.belief.rankings import Imposed, impose
from doxa.lab.parts import Keep, keep_none
from doxa.lab.record import Recorder
from doxa.protocols.trust.believing import Belief, elicit_beliefs
from doxa.protocols.trust.comparing import compared, difference, with_amounts
from doxa.protocols.trust.consistency import Ordered
from doxa.protocols.trust.plan import Asks, Plan, Progress
from doxa.protocols.trust.recording import (
    record_beliefs,
    record_held,
    record_interval,
    record_plays,
    record_shares,
)
from doxa.protocols.trust.sensitivity import record_nobody, record_sensitivity
from doxa.streams import stream
from doxa.subjects.base import Subject
from doxa.worlds.money_game import MoneyGame
from doxa.worlds.personas import TEST_ATTRIBUTES, levels_of
from doxa.worlds.trust_game import TrustGame

MAIN = "CTX+TR"
"""The strategy whose beliefs condition play, as published."""


def record_population(
    recorder: Recorder,
    subject: Subject,
    bank: pl.DataFrame,
    personas: pl.DataFrame,
    plan: Plan,
    seed: int,
    progress: Progress,
    keep: Keep = keep_none,
    *,
    game: MoneyGame | None = None,
    conditioned: bool = True,
) -> None:
    """Elicit beliefs, play, and record how far they agree; then play under orderings and without a persona.

    Args:
        recorder: where it goes.
        subject: who is asked.
        bank: the whole bank, which says what levels are common.
        personas: those who play.
        plan: what is asked.
        seed: of orders, samples and resamples.
        progress: told the share done and what is being done.
        keep: keeps the plays of each condition.
        game: the rules, of the trust game where none are given.
        conditioned: whether to play under orderings, in other ways, and without a persona too.
    """
    levels = {name: levels_of(bank, name) for name in TEST_ATTRIBUTES}
    asks, told = Asks(subject, personas, plan, seed, keep), subject.address
    rules: MoneyGame = game or TrustGame()
    progress(0.0, "eliciting")
    beliefs = elicit_beliefs(
        subject,
        levels,
        plan.strategies,
        plan.repeats,
        game=rules,
        seed=seed,
        temperature=plan.temperature,
        max_tokens=plan.max_tokens,
    )
    record_beliefs(recorder, told, beliefs)
    for belief in beliefs:
        for repeat, one in enumerate(belief.raw):
            name = f"{belief.strategy} {belief.attribute} {repeat}"
            recorder.utterance(
                subject=told,
                conversation=name,
                turn=0,
                role="assistant",
                text=one.reply.text,
                tokens=one.reply.tokens_out,
                finish=one.reply.finish,
            )
    progress(0.2, "playing")
    plain = asks.play(rules, "none")
    record_plays(recorder, told, plain, "none", rules.endowment)
    record_shares(recorder, told, plain, "none", rules.endowment)
    behaviour = with_amounts(personas, plain, levels)
    for strategy in plan.strategies:
        mine = [belief for belief in beliefs if belief.strategy == strategy]
        record_held(recorder, told, compared(mine, behaviour, plan.bootstrap, seed), strategy)
    if not conditioned:
        return
    main = [belief for belief in beliefs if belief.strategy == MAIN]
    record_conditions(recorder, asks, rules, main, behaviour, levels, progress)
    record_shuffled(recorder, told, main, behaviour, seed)
    progress(0.8, "playing in other ways")
    record_sensitivity(recorder, asks, rules, main, plain, levels)
    progress(0.9, "without a persona")
    if plan.nobody:
        record_nobody(recorder, asks, rules, plain)


def record_conditions(
    recorder: Recorder,
    asks: Asks,
    game: MoneyGame,
    beliefs: Sequence[Belief],
    plain: pl.DataFrame,
    levels: Mapping[str, Sequence[str]],
    progress: Progress,
) -> None:
    """Play under elicited and imposed orderings, held against what was supplied and what was elicited."""
    told, plan = asks.subject.address, asks.plan
    own = {belief.attribute: belief.ranking for belief in beliefs if belief.ranking}
    supplied: dict[str, dict[str, tuple[str, ...]]] = {"self": own}
    for target in plan.targets:
        imposed: Imposed = impose(own, target, asks.seed)
        supplied[f"imposed {target:g}"] = {name: one.ranking for name, one in imposed.rankings.items()}
        for name, one in imposed.rankings.items():
            recorder.measure(
                "rho of ordering",
                one.rho,
                subject=told,
                axis="sweep",
                attribute=name,
                ordering=f"imposed {target:g}",
            )
        for name in imposed.not_perturbable:
            recorder.measure(
                "rho of ordering",
                None,
                subject=told,
                axis="sweep",
                attribute=name,
                ordering=f"imposed {target:g}",
                missing="not perturbable: two levels",
            )
    for number, (condition, rankings) in enumerate(supplied.items()):
        progress(0.2 + 0.5 * number / len(supplied), condition)
        played = asks.play(game, condition, rankings)
        record_plays(recorder, told, played, condition, game.endowment)
        behaviour = with_amounts(asks.personas, played, levels)
        orders = [Ordered.of(name, ranking) for name, ranking in rankings.items()]
        found = compared(orders, behaviour, plan.bootstrap, asks.seed)
        before = compared(orders, plain, plan.bootstrap, asks.seed)
        record_held(recorder, told, found, f"{condition}, supplied")
        record_held(recorder, told, before, f"{condition}, unconditioned")
        elicited = compared(beliefs, behaviour, plan.bootstrap, asks.seed)
        record_held(recorder, told, elicited, f"{condition}, elicited")
        gain = difference(found.found, before.found)
        record_interval(
            recorder, told, "gain", gain, "nothing could be compared", axis="sweep", ordering=condition
        )


def record_shuffled(
    recorder: Recorder,
    subject: str,
    beliefs: Sequence[Belief],
    behaviour: pl.DataFrame,
    seed: int,
    draws: int = 100,
) -> None:
    """Record the median ρ where amounts are dealt to other personas, many times: the control, without further calls."""
    for draw in range(draws):
        order = stream(seed, "trust", "dealt", draw).permutation(behaviour.height)
        dealt = behaviour.with_columns(behaviour["sent"].gather(order))
        found = compared(beliefs, dealt, 100, seed, tested=False).found
        value = None if found is None else found.median()["spearman"].estimate
        recorder.measure(
            "median spearman",
            value,
            subject=subject,
            axis="sweep",
            strategy="dealt",
            draw=draw,
            missing="nothing could be compared",
        )
