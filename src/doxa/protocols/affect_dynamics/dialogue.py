"""Dialogues in four conditions and with controls, and what is recorded of them.

The conditions are the paper's: nothing told; the signal itself told (first order, α = 1); momentum 0.8 and 0.95. In a
control at the first momentum the mood runs as before, but what the model is told, or what moves the mood, is not it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.dynamics.affect import AffectDynamics, FirstOrder, SecondOrder, Stateless
from doxa.lab.record import Recorder
from doxa.protocols.affect import (
    AffectAgent,
    DialogueRun,
    DialogueRuns,
    DialogueScript,
    Estimator,
    FixedState,
    Injector,
    Line,
    MoodOf,
    NoInjector,
    NoiseEstimator,
    PromptInjector,
    Source,
)
from doxa.streams import stream
from doxa.subjects.base import Sampling, Subject

STATELESS, FIRST = "stateless", "first order"
ANOTHER, NEUTRAL, NOISE, UNTOLD = "another's state", "neutral state", "noise heard", "state not told"
STEERED = "steered"
UNRECONCILED = "without reconciliation"
"""Name of a script whose reconciliation says nothing of a mood."""
SERIES = ("signal", "state", "expressed")
METRICS = (
    *("coherence_autocorrelation", "coherence_jump", "coherence_variation", "baseline", "peak", "peak_delay"),
    *(
        "crossing",
        "settling",
        "recovered",
        "settled",
        "overshoot",
        "oscillations",
        "loop",
        "cumulative_loop",
        "lag",
    ),
)


@dataclass(frozen=True)
class Talk:
    """How dialogues are held.

    Attributes:
        subject: who is asked.
        estimator: reads texts.
        injector: tells the state.
        sampling: of the replies, but for the seed.
        memory: turns that the model is shown beside the user's message; None shows all.
        instruction: system message before all else, or "".
        mus: momenta of the second order.
        source: whose texts move the mood.
        user_weight: share of the user's text where both move it.
    """

    subject: Subject
    estimator: Estimator
    injector: Injector
    sampling: Sampling
    memory: int | None
    instruction: str = ""
    mus: tuple[float, ...] = (0.8, 0.95)
    source: Source = "user"
    user_weight: float = 0.5

    def agent(
        self,
        rule: AffectDynamics,
        *,
        estimator: Estimator | None = None,
        injector: Injector | None = None,
    ) -> AffectAgent:
        """Return an agent with a rule, and with an estimator or injector in place of the usual one."""
        return AffectAgent(
            self.subject,
            rule,
            estimator or self.estimator,
            injector or self.injector,
            self.source,
            user_weight=self.user_weight,
            sampling=self.sampling,
            instruction=self.instruction,
            memory=self.memory,
        )

    @property
    def rules(self) -> dict[str, AffectDynamics]:
        """The rule of each of the paper's conditions by its name."""
        space = self.estimator.space
        found: dict[str, AffectDynamics] = {STATELESS: Stateless(space=space), FIRST: FirstOrder(space=space)}
        return found | {momentum_name(mu): SecondOrder(mu, space=space) for mu in self.mus}

    def conditions(self) -> dict[str, AffectAgent]:
        """Return an agent for each of the paper's conditions."""
        return {name: self.agent(rule) for name, rule in self.rules.items()}

    @property
    def first_momentum(self) -> AffectDynamics:
        """The rule of all controls."""
        return self.rules[momentum_name(self.mus[0])]

    def controls(self) -> dict[str, AffectAgent]:
        """Return an agent for each control without chance of its own: a constant neutral state, and none told."""
        neutral = np.zeros((1, self.estimator.space.size))
        return {
            NEUTRAL: self.agent(self.first_momentum, injector=FixedState(neutral, self.injector)),
            UNTOLD: self.agent(self.first_momentum, injector=NoInjector()),
        }

    def drawn_controls(
        self, script: DialogueScript, other: DialogueScript, seeds: Sequence[int]
    ) -> dict[str, AffectAgent]:
        """Return agents for each control that draws: one for each seed, numbered behind the control's name.

        Args:
            script: what the user will say.
            other: another script, whose states in another order are told in the first of them.
            seeds: of that order and of the noise.
        """
        rule, agents = self.first_momentum, dict[str, AffectAgent]()
        elsewhere = rule.series(self.estimator.estimate([line.text for line in other.lines]))
        for seed in seeds:
            order = stream(seed, "affect-dynamics", ANOTHER).permutation(len(elsewhere))
            told = np.resize(elsewhere[order], (len(script), elsewhere.shape[1]))
            agents[f"{ANOTHER}#{seed}"] = self.agent(rule, injector=FixedState(told, self.injector))
            noise = NoiseEstimator(seed, self.estimator.space)
            agents[f"{NOISE}#{seed}"] = self.agent(rule, estimator=noise)
        return agents

    def reread(self, runs: DialogueRuns) -> DialogueRuns:
        """Return runs with signal, state and expressed as the usual estimator reads them, whatever moved their moods.

        For a run that heard noise this gives the mood that it would have had. Numbers behind a control's name go.
        """

        def read(run: DialogueRun) -> DialogueRun:
            name = run.condition.partition("#")[0]
            rule = self.rules.get(name, self.first_momentum)
            mood = MoodOf(rule, self.estimator, self.source, self.user_weight)
            before = ["", *(turn.reply for turn in run.turns)]
            signals = [mood.signal(turn.user, reply) for turn, reply in zip(run.turns, before, strict=False)]
            states = rule.series(np.array(signals))
            said = self.estimator.estimate([turn.reply for turn in run.turns])
            said[[bool(turn.missing) for turn in run.turns]] = np.nan
            turns = tuple(
                replace(turn, signal=signal, state=state, expressed=expressed)
                for turn, signal, state, expressed in zip(run.turns, signals, states, said, strict=True)
            )
            return replace(run, condition=name, turns=turns)

        return replace(runs, runs=tuple(read(run) for run in runs.runs))


def momentum_name(mu: float) -> str:
    """Return the name of the condition with a momentum.

    >>> momentum_name(0.8)
    'momentum 0.8'
    """
    return f"momentum {mu:g}"


def unreconciled(script: DialogueScript) -> DialogueScript:
    """Return a script whose reconciliation is put in words of its opening, so that it signals what that signals."""
    opening = [line.text for line in script.lines if line.phase == "opening"]
    lines = tuple(
        Line(line.phase, opening[turn % len(opening)]) if line.phase == "reconciliation" else line
        for turn, line in enumerate(script.lines)
    )
    return DialogueScript(f"{script.name} {UNRECONCILED}", lines)


def correlation(one: Float[np.ndarray, " turns"], other: Float[np.ndarray, " turns"]) -> float:
    """Return Pearson's correlation over the turns both have; 0 where one is constant, NaN of fewer than three turns."""
    there = ~(np.isnan(one) | np.isnan(other))
    x, y = one[there], other[there]
    if x.size < 3:
        return float("nan")
    if np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def record_dialogues(
    recorder: Recorder, runs: DialogueRuns, injector: Injector, *, subject: str, eps: float = 0.1
) -> None:
    """Record what dialogues show, by condition: mean series, mean measures, correlations, leaks; and their texts.

    Args:
        recorder: of the cell.
        runs: of one script.
        injector: what told the state, to see whether replies give it away.
        subject: who answered.
        eps: width of what counts as recovered.
    """
    names = list(dict.fromkeys(run.condition for run in runs.runs))
    metrics = runs.metrics(eps)
    leaks = runs.leakage(injector) if isinstance(injector, PromptInjector) else None
    for name in names:
        some = runs.of(name)
        told: dict[str, Any] = {"subject": subject, "script": runs.script.name, "kind": name}
        _record_series(recorder, some, told)
        _record_metrics(recorder, metrics.filter(pl.col("condition") == name), told)
        for place, dimension in enumerate(runs.space.names):
            pairs = zip(some.series("state")[..., place], some.series("expressed")[..., place], strict=True)
            recorder.measure(
                "correlation",
                _mean([correlation(one, other) for one, other in pairs]),
                missing="fewer than three replies",
                dimension=dimension,
                **told,
            )
        if leaks is not None:
            shares = leaks.filter(pl.col("condition") == name)["leakage"].drop_nulls().to_list()
            recorder.measure("leaks", _mean(shares), missing="no replies", **told)
        turns = len(runs.script) * len(some.runs)
        recorder.measure("missing", sum(run.missing for run in some.runs), of=turns, **told)


def record_texts(recorder: Recorder, runs: DialogueRuns, seeds: Sequence[int], *, subject: str) -> None:
    """Record the texts of the dialogues of some seeds."""
    for run in runs.runs:
        if run.seed not in seeds:
            continue
        talk = f"{runs.script.name}, {run.condition}, {run.seed}"
        for turn, line in zip(run.turns, runs.script.lines, strict=True):
            for offset, (role, text) in enumerate((("user", turn.user), ("assistant", turn.reply))):
                recorder.utterance(
                    subject=subject,
                    conversation=talk,
                    turn=2 * turn.number - 2 + offset,
                    role=role,
                    text=text,
                    phase=line.phase,
                    told=turn.prompt[0].content if turn.prompt[0].role == "system" else "",
                    missing=turn.missing if offset else "",
                )


def _record_series(recorder: Recorder, runs: DialogueRuns, told: Mapping[str, Any]) -> None:
    for of in SERIES:
        values = runs.series(of)
        for place, dimension in enumerate(runs.space.names):
            for turn, now in enumerate(values[..., place].T, start=1):
                recorder.measure(
                    "series",
                    _mean(now.tolist()),
                    axis="turn",
                    time=turn,
                    missing="no replies",
                    of=of,
                    dimension=dimension,
                    **told,
                )


def _record_metrics(recorder: Recorder, metrics: pl.DataFrame, told: Mapping[str, Any]) -> None:
    """Record each measure's mean over dialogues, and of how many; a time that never came is left out and counted."""
    for (of, dimension), rows in metrics.group_by("series", "dimension", maintain_order=True):
        for name in METRICS:
            values = rows[name].drop_nulls().cast(pl.Float64).to_list()
            recorder.measure(
                name,
                _mean(values),
                missing="did not come in any dialogue",
                of=of,
                dimension=dimension,
                n=len(values),
                dialogues=rows.height,
                **told,
            )


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None
