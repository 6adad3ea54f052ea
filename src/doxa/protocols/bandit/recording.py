"""How outcomes, episodes and words of bandit agents stand in the record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from doxa.canonical import Json
from doxa.lab.record import Recorder
from doxa.protocols.bandit.episodes import BanditLog
from doxa.protocols.bandit.steering import Outcome
from doxa.worlds.bandits import cumulative_arm

NO_VALUE = "no completion is valid"


def record_number(recorder: Recorder, name: str, value: float, *, why: str = NO_VALUE, **told: Any) -> None:
    """Record a number, or why there is none."""
    absent: dict[str, Any] = {"missing": why} if math.isnan(value) else {}
    recorder.measure(name, None if absent else float(value), **told, **absent)


def record_outcome(
    recorder: Recorder,
    subject: str,
    condition: str,
    time: float,
    outcome: Outcome,
    plain: Outcome,
    *,
    doubt: float | None = None,
    **told: Json,
) -> None:
    """Record mean entropy, its gain over the plain draw prompt by prompt, validity, and the share of words of doubt."""
    where: dict[str, Any] = {
        "subject": subject,
        "condition": condition,
        "axis": "sweep",
        "time": time,
        **told,
    }
    record_number(recorder, "entropy", outcome.mean_entropy, unit="nats", **where)
    record_number(recorder, "gain", outcome.mean_gain(plain), unit="nats", **where)
    record_number(recorder, "validity", float(outcome.validity.mean()), unit="fraction", **where)
    if doubt is not None:
        record_number(recorder, "doubt", doubt, unit="fraction", why="no word of either kind", **where)


def record_episodes(recorder: Recorder, subject: str, condition: str, log: BanditLog, *, shown: int) -> None:
    """Record episodes: entropy by round, commitment, regret, length, and the trajectories of ``shown`` runs."""
    told: dict[str, Any] = {"subject": subject, "condition": condition}
    if log.actions.shape[1] > 1:
        for step, value in enumerate(log.by_step(log.entropies)):
            record_number(recorder, "entropy", value, unit="nats", axis="round", time=step, **told)
        over_time = log.by_run(log.entropies)
        record_number(recorder, "time-averaged entropy", _mean(over_time), unit="nats", **told)
    commitment, regret = log.commitment(), log.by_run(log.regret)
    record_number(recorder, "commitment", _mean(commitment), unit="rounds", why="no round was played", **told)
    record_number(recorder, "regret", _mean(regret), unit="points", why="no round was played", **told)
    record_number(recorder, "rounds", float(log.rounds.mean()), unit="rounds", **told)
    record_number(recorder, "validity", float(log.valid.mean()), unit="fraction", axis="round", **told)
    for run in range(min(shown, len(log.play.arms))):
        arms = log.play.arms[run][: log.rounds[run]]
        for step, total in enumerate(cumulative_arm(arms)):
            recorder.measure(
                "cumulative arm", float(total), unit="rounds", axis="round", time=step + 1, run=run, **told
            )


def record_word_counts(recorder: Recorder, subject: str, kind: str, counts: Mapping[str, int]) -> None:
    """Record how often words were said."""
    for word, count in counts.items():
        recorder.measure(
            "word count", float(count), subject=subject, unit="words", condition=f"words {kind}", word=word
        )


def record_share(
    recorder: Recorder,
    subject: str,
    condition: str,
    prompt: int,
    time: int,
    share: float,
    word: str,
    samples: int,
) -> None:
    """Record the chance of the first arm after some tokens of a thought; ``word`` is the last of them."""
    known = not math.isnan(share)
    absent: dict[str, Any] = {} if known else {"missing": "no continuation is valid"}
    recorder.belief(
        subject=subject,
        proposition=f"the first arm is taken after prompt {prompt}",
        readout="behavioural",
        axis="token",
        time=time,
        credence=float(share) if known else None,
        n=samples,
        condition=condition,
        word=word,
        **absent,
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
