"""The protocol on a subject of the user's: what it says of people, how it plays them, and how it foresees its moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, percentile_interval
from doxa.belief.rankings import Imposed, impose
from doxa.lab.parts import Keep, keep_none
from doxa.lab.record import Recorder
from doxa.protocols.trust.believing import Belief, elicit_beliefs
from doxa.protocols.trust.consistency import Believed, Consistency, Ordered, consistency
from doxa.protocols.trust.forecasting import SCHEMA, forecast_and_play_all, horizon_slope, mae_by_horizon
from doxa.protocols.trust.playing import Method, play_nobody, play_population
from doxa.protocols.trust.recording import record_beliefs, record_consistency
from doxa.protocols.trust.text import Strategy, Style
from doxa.streams import stream
from doxa.subjects.base import Subject
from doxa.worlds.personas import TEST_ATTRIBUTES, levels_of
from doxa.worlds.trust_game import ARCHETYPES, TrustGame

MAIN = "CTX+TR"
"""The strategy whose beliefs condition play, as published."""
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Plan:
    """What is asked; the paper's values are in the study's settings.

    Attributes:
        personas: drawn from the bank.
        least: of each common level.
        repeats: of each question about groups.
        strategies: how groups are asked about.
        targets: Spearman correlations of imposed orderings.
        method: how amounts are read.
        style: of the one-shot prompt.
        retries: of an unreadable reply.
        temperature: of replies.
        nobody: plays without a persona.
        bootstrap: resamples.
        individuals: personas that forecast and play rounds.
        rounds: of their games.
        individual_style: of their prompts.
        max_tokens: longest reply.
    """

    personas: int
    least: int
    repeats: int
    strategies: tuple[Strategy, ...]
    targets: tuple[float, ...]
    method: Method
    style: Style
    retries: int
    temperature: float
    nobody: int
    bootstrap: int
    individuals: int
    rounds: int
    individual_style: Style
    max_tokens: int


class Compared(NamedTuple):
    """A consistency where anything could be compared, and attributes or levels that were left out, with the reason."""

    found: Consistency | None
    left_out: dict[str, str]


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
    endowment: int = 10,
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
        endowment: of the game, in dollars.
        conditioned: whether to play under orderings and without a persona too.
    """
    levels = {name: levels_of(bank, name) for name in TEST_ATTRIBUTES}
    asks, told, game = _Asks(subject, personas, plan, seed, keep), subject.address, TrustGame(endowment)
    progress(0.0, "eliciting")
    beliefs = elicit_beliefs(
        subject,
        levels,
        plan.strategies,
        plan.repeats,
        game=game,
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
    plain = asks.play(game, "none")
    record_plays(recorder, told, plain, "none")
    behaviour = _analysed(personas, plain, levels)
    for strategy in plan.strategies:
        mine = [belief for belief in beliefs if belief.strategy == strategy]
        _record(recorder, told, compared(mine, behaviour, plan.bootstrap, seed), strategy)
    if not conditioned:
        return
    main = [belief for belief in beliefs if belief.strategy == MAIN]
    record_conditions(recorder, asks, game, main, behaviour, levels, progress)
    record_shuffled(recorder, told, main, behaviour, seed)
    progress(0.9, "without a persona")
    if plan.nobody:
        alone = play_nobody(
            subject, plan.nobody, game=game, style=plan.style, seed=seed, max_tokens=plan.max_tokens
        )
        record_plays(recorder, told, alone, "nobody")


def record_conditions(
    recorder: Recorder,
    asks: _Asks,
    game: TrustGame,
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
        record_plays(recorder, told, played, condition)
        behaviour = _analysed(asks.personas, played, levels)
        orders = [Ordered.of(name, ranking) for name, ranking in rankings.items()]
        found = compared(orders, behaviour, plan.bootstrap, asks.seed)
        before = compared(orders, plain, plan.bootstrap, asks.seed)
        _record(recorder, told, found, f"{condition}, supplied")
        _record(recorder, told, before, f"{condition}, unconditioned")
        elicited = compared(beliefs, behaviour, plan.bootstrap, asks.seed)
        _record(recorder, told, elicited, f"{condition}, elicited")
        gain = difference(found.found, before.found)
        ends: dict[str, Any] = {"low": gain.low, "high": gain.high} if gain.ends else {}
        recorder.measure(
            "gain",
            None if np.isnan(gain.estimate) else gain.estimate,
            subject=told,
            axis="sweep",
            ordering=condition,
            missing="nothing could be compared",
            n=gain.n,
            **ends,
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


def record_individuals(
    recorder: Recorder,
    subject: Subject,
    personas: pl.DataFrame,
    plan: Plan,
    seed: int,
    progress: Progress,
    keep: Keep = keep_none,
    *,
    endowment: int = 10,
) -> None:
    """Let personas forecast and play rounds with each archetype, and record the errors by horizon."""

    def rows() -> Any:
        games = forecast_and_play_all(
            subject,
            personas.to_dicts(),
            ARCHETYPES,
            plan.rounds,
            game=TrustGame(endowment),
            method=plan.method,
            style=plan.individual_style,
            seed=seed,
            temperature=plan.temperature,
            max_tokens=plan.max_tokens,
            retries=plan.retries,
            progress=lambda done, total: progress(done / total, "rounds"),
        )
        return games.to_dicts()

    games = pl.DataFrame(
        keep(["games", subject.identity, personas["agent_id"].to_list()], rows), schema=SCHEMA
    )
    told = subject.address
    for row in mae_by_horizon(games).iter_rows(named=True):
        more = {"trustee": row["trustee"], "n": row["n"], "rule": "subject"}
        recorder.measure(
            "mae", row["mae"], subject=told, unit="dollars", axis="round", time=row["horizon"], **more
        )
    for name in (*ARCHETYPES, "all"):
        part = games if name == "all" else games.filter(trustee=name)
        slope = horizon_slope(part, rng=stream(seed, "trust", "slope", name))
        ends: dict[str, Any] = {"low": slope.low, "high": slope.high} if slope.ends else {}
        recorder.measure(
            "slope",
            None if np.isnan(slope.estimate) else slope.estimate,
            subject=told,
            unit="dollars a round",
            axis="round",
            trustee=name,
            missing="too few forecasts could be read",
            n=slope.n,
            **ends,
        )
    read = games["abs_error"].is_not_null()
    recorder.measure(
        "read",
        float(read.to_numpy().mean()),
        subject=told,
        unit="fraction",
        axis="round",
        n=games.height,  # pyright: ignore[reportArgumentType]
        reasons=sorted({reason for reason in games["missing"].to_list() if reason})[:20],
    )
    for row in games.iter_rows(named=True):
        for kind, text in (("forecast", row["forecast_text"]), ("move", row["text"])):
            name = f"{row['agent_id']} {row['trustee']} {kind}"
            recorder.utterance(
                subject=told, conversation=name, turn=row["round"], role="assistant", text=text or ""
            )


def record_plays(recorder: Recorder, subject: str, plays: pl.DataFrame, condition: str) -> None:
    """Record the share of valid answers, the mean, and every answer raw."""
    told: dict[str, Any] = {"subject": subject, "axis": "sweep", "ordering": condition, "n": plays.height}
    sent = plays["sent"].drop_nulls()
    reasons = plays.filter(pl.col("sent").is_null())["missing"].value_counts(sort=True).head(10).rows()
    counted = {str(reason): int(count) for reason, count in reasons}
    recorder.measure("valid", sent.len() / plays.height, unit="fraction", reasons=counted, **told)
    recorder.measure("retries", float(plays["retries"].sum()), unit="replies", **told)
    mean = None if not sent.len() else float(sent.to_numpy().mean())  # pyright: ignore[reportArgumentType]
    recorder.measure("mean sent", mean, unit="dollars", missing="nothing was read", **told)
    spread = None if sent.len() < 2 else float(sent.to_numpy().std(ddof=1))  # pyright: ignore[reportArgumentType]
    recorder.measure("sd sent", spread, unit="dollars", missing="fewer than two were read", **told)
    for row in plays.iter_rows(named=True):
        name = f"{condition} {row['agent_id']}"
        recorder.utterance(
            subject=subject,
            conversation=name,
            turn=0,
            role="assistant",
            text=row["text"] or "",
            sent=row["sent"],
        )


def compared(
    beliefs: Sequence[Believed], behaviour: pl.DataFrame, bootstrap: int, seed: int, *, tested: bool = True
) -> Compared:
    """Hold beliefs against behaviour where there is enough of it.

    A level with fewer than two amounts is left out of its attribute, an attribute with fewer than two such levels, or
    without a readable belief, altogether; both are named.
    """
    left: dict[str, str] = {}
    kept: list[Believed] = []
    rows = behaviour.filter(pl.col("sent").is_not_null())
    for belief in beliefs:
        name = belief.attribute
        counts = dict(rows[name].drop_nulls().value_counts().iter_rows())
        full = [place for place, level in enumerate(belief.levels) if counts.get(level, 0) >= 2]
        if len(full) < len(belief.levels):
            few = [level for place, level in enumerate(belief.levels) if place not in full]
            left[name] = f"fewer than two amounts for {few}"
            rows = rows.with_columns(
                pl.when(pl.col(name).is_in(few)).then(None).otherwise(pl.col(name)).alias(name)
            )
        if len(full) < 2 or not np.isfinite(belief.scores).all():
            left[name] = (
                "the belief could not be read" if len(full) >= 2 else "fewer than two levels with two amounts"
            )
            continue
        levels = tuple(belief.levels[place] for place in full)
        kept.append(Ordered(name, levels, tuple(belief.scores[place] for place in full), belief.eta2))
    if not kept:
        return Compared(None, left)
    return Compared(
        consistency(kept, rows, bootstrap, rng=stream(seed, "trust", "bootstrap"), tested=tested), left
    )


def difference(one: Consistency | None, other: Consistency | None) -> Interval:
    """Return the difference of two median ρ over the attributes both have, resampling personas."""
    if one is None or other is None:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    names = [[*part.table["attribute"]] for part in (one, other)]
    shared = [name for name in names[0] if name in names[1]]
    values: list[float] = []
    draws: list[np.ndarray] = []
    for part, own in zip((one, other), names, strict=True):
        places = [own.index(name) for name in shared]
        rho = np.array([part.table["spearman"][place] for place in places], dtype=np.float64)
        drawn = part.rho_draws[places]
        with np.errstate(all="ignore"):
            values.append(float(np.median(rho[~np.isnan(rho)])) if (~np.isnan(rho)).any() else float("nan"))
            filled = np.where(np.isnan(drawn).all(0), 0.0, drawn)
            draws.append(np.where(np.isnan(drawn).all(0), np.nan, np.nanmedian(filled, 0)))
    n = int(one.table["n"].max() or 0)  # pyright: ignore[reportArgumentType]
    return percentile_interval(values[0] - values[1], draws[0] - draws[1], n)


@dataclass(frozen=True)
class _Asks:
    """Who plays, and what of it is kept."""

    subject: Subject
    personas: pl.DataFrame
    plan: Plan
    seed: int
    keep: Keep

    def play(
        self, game: TrustGame, condition: str, rankings: Mapping[str, Sequence[str]] | None = None
    ) -> pl.DataFrame:
        """Return the plays of a condition."""
        plan = self.plan

        def compute() -> Any:
            return play_population(
                self.subject,
                self.personas,
                rankings,
                game=game,
                method=plan.method,
                style=plan.style,
                seed=self.seed,
                branch=condition,
                temperature=plan.temperature,
                max_tokens=plan.max_tokens,
                retries=plan.retries,
            ).to_dicts()

        orders = {name: list(ranking) for name, ranking in (rankings or {}).items()}
        name = [
            "play",
            self.subject.identity,
            game.endowment,
            condition,
            orders,
            self.personas["agent_id"].to_list(),
        ]
        schema = {
            "agent_id": pl.String(),
            "sent": pl.Int64(),
            "expected": pl.Float64(),
            "text": pl.String(),
            "missing": pl.String(),
            "retries": pl.Int64(),
        }
        return pl.DataFrame(self.keep(name, compute), schema=schema)


def _analysed(
    personas: pl.DataFrame, plays: pl.DataFrame, levels: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    """Return personas with their amounts; rare levels, which no belief is about, are null."""
    rows = personas.with_columns(plays["sent"], plays["expected"])
    return rows.with_columns(
        pl.when(pl.col(name).is_in(list(own))).then(pl.col(name)).otherwise(None).alias(name)
        for name, own in levels.items()
    )


def _record(recorder: Recorder, subject: str, held: Compared, strategy: str) -> None:
    if held.found is not None:
        record_consistency(recorder, subject, held.found, strategy)
    for name, why in held.left_out.items():
        recorder.measure(
            "left out", None, subject=subject, axis="sweep", attribute=name, strategy=strategy, missing=why
        )
