r"""Files that users bring: a decision process, scores of answers, prompts, and what a training logged of its groups.

A process is JSON: ``{"P": [[[...]]], "R": [[...]], "gamma": 0.9}``; ``states`` and ``actions`` (names), ``start`` (a
distribution) and ``rewards`` (further rewards by name, of the shape of R) may be added.

Scores are JSON lines, one for each sampled answer: ``{"prompt": "...", "answer": "...", "scores": {"rm-a": 0.3}}``;
numbers may also stand beside prompt and answer, by the names of their columns.

Prompts are JSON lines ``{"prompt": "...", "answer": "..."}``, the answer being the right one.

A log has one number a step under ``tie_rate``, in any form that ``doxa.training.logs`` reads; or it is JSON lines of
single rewards, ``{"step": 1, "group": "...", "reward": 0.5}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.lab.files import sha256
from doxa.training.reward_policy.audit import Distinct, distinct, score_of
from doxa.worlds.decision_process import FiniteMDP, check_rewards

REWARD = "R"
TIE_RATE = "tie_rate"


class ProcessFile(NamedTuple):
    """A decision process from a file.

    Attributes:
        mdp: with the reward ``R``.
        states: names of the states.
        actions: names of the actions.
        start: start distribution.
        rewards: further rewards by name.
    """

    mdp: FiniteMDP
    states: tuple[str, ...]
    actions: tuple[str, ...]
    start: Float[np.ndarray, " states"]
    rewards: Mapping[str, Float[np.ndarray, "states actions"]]


def read_process(path: str) -> ProcessFile:
    """Return the decision process of a file.

    Raises:
        InputError: there is no such file, it is malformed, or it holds no decision process.
    """
    held = _json_object(_text(path, "mdp"), f"mdp={path}")
    missing = [name for name in ("P", REWARD, "gamma") if name not in held]
    if missing:
        raise InputError(f"mdp={path}: has no {' and no '.join(missing)}; a process has P, R and gamma")
    gamma = held["gamma"]
    if isinstance(gamma, bool) or not isinstance(gamma, int | float):
        raise InputError(f"mdp={path}: gamma={gamma!r}: must be a number in [0, 1)")
    mdp = FiniteMDP(_table(path, "P", held["P"]), _table(path, REWARD, held[REWARD]), float(gamma))
    if mdp.P.ndim != 3 or mdp.R.ndim != 2:
        raise InputError(f"mdp={path}: P has {mdp.P.ndim} axes and R {mdp.R.ndim}; must be 3 and 2")
    rewards = {
        name: check_rewards(f"rewards.{name}", _table(path, name, one), mdp.R.shape)
        for name, one in _mapping(path, "rewards", held.get("rewards", {})).items()
    }
    start = _table(path, "start", held.get("start", [1.0 / mdp.states] * mdp.states))
    if start.shape != (mdp.states,):
        raise InputError(
            f"mdp={path}: start has shape {start.shape}; must be one number for each of {mdp.states} states"
        )
    return ProcessFile(
        mdp,
        _names(path, "states", held.get("states"), mdp.states),
        _names(path, "actions", held.get("actions"), mdp.actions),
        start,
        rewards,
    )


@dataclass(frozen=True)
class Scored:
    """Sampled answers and what several reward models give them.

    Attributes:
        prompts: in the order of the file.
        answers: the different answers to each prompt.
        scores: by reward model, for each prompt the score of each answer.
    """

    prompts: tuple[str, ...]
    answers: tuple[Distinct, ...]
    scores: Mapping[str, tuple[Float[np.ndarray, " _"], ...]]

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviation of each model's scores over all answers, each answer once."""
        return {name: float(np.concatenate(rows).std()) for name, rows in self.scores.items()}


def read_scores(path: str) -> Scored:
    """Return the sampled answers of a file with their scores.

    Raises:
        InputError: there is no such file, a line is malformed, or a score is no finite number.
    """
    samples: dict[str, list[str]] = {}
    columns: dict[str, dict[str, list[float]]] = {}
    known: tuple[str, ...] | None = None
    for where, row in _lines(path, "scores"):
        prompt, answer = (_word(where, row, name) for name in ("prompt", "answer"))
        given = {
            **{k: v for k, v in row.items() if k not in ("prompt", "answer", "scores")},
            **_inner(where, row),
        }
        numbers = {name: score_of(value, f"{where}, {name}") for name, value in given.items()}
        known = tuple(numbers) if known is None else known
        if set(numbers) != set(known) or not known:
            raise InputError(
                f"{where}: has the scores {sorted(numbers)}; every line needs the same, at least one"
            )
        samples.setdefault(prompt, []).append(answer)
        for name, number in numbers.items():
            columns.setdefault(name, {}).setdefault(prompt, []).append(number)
    if known is None:
        raise InputError(
            f"scores={path}: is empty; give one JSON object a line, with prompt, answer and scores"
        )
    answers = {prompt: distinct(own) for prompt, own in samples.items()}
    scores = {name: tuple(answers[p].mean(columns[name][p]) for p in samples) for name in known}
    return Scored(tuple(samples), tuple(answers.values()), scores)


def content_digest(path: str) -> str:
    """Return what tells a file from what was in it before."""
    return sha256(_text(path, "file").encode())


class Task(NamedTuple):
    """A prompt, and its right answer."""

    prompt: str
    answer: str


def read_prompts(path: str) -> list[Task]:
    """Return the prompts of a file, each with its right answer.

    Raises:
        InputError: there is no such file, it is empty, or a line is malformed.
    """
    found = [
        Task(_word(where, row, "prompt"), _word(where, row, "answer"))
        for where, row in _lines(path, "prompts")
    ]
    if not found:
        raise InputError(f"prompts={path}: is empty; give one JSON object a line, with prompt and answer")
    return found


class TieLog(NamedTuple):
    """How many groups of each step were amplified: rewards differ, with a deviation below the tolerance.

    Attributes:
        step: ascending.
        rate: share of groups.
        source: what the shares come from.
    """

    step: Float[np.ndarray, " steps"]
    rate: Float[np.ndarray, " steps"]
    source: str


def read_tie_rates(path: str, tol: float) -> TieLog:
    """Return the tie rate of each step of a training.

    Args:
        path: a file, or a folder of event files.
        tol: deviation below which the rewards of a group count as tied; a log of tie rates has its own.

    Raises:
        InputError: there is no such file, or it holds neither tie rates nor rewards by step and group.
    """
    from doxa.training.logs import files_of, read_log

    first = files_of(path)[0]
    if first.suffix in (".jsonl", ".json", ".ndjson"):
        rewards = _rewards_by_step(str(first))
        if rewards:
            return _rates(rewards, tol)
    log = read_log(path, entropy=TIE_RATE)
    rate = log.values[log.columns.entropy]
    known = np.isfinite(rate)
    if np.any((rate[known] < 0.0) | (rate[known] > 1.0)):
        raise InputError(f"log={path}: {TIE_RATE} must be shares in [0, 1]")
    return TieLog(log.step[known].astype(np.float64), rate[known], f"column {log.columns.entropy}")


def _rates(rewards: Mapping[float, tuple[list[str], list[float]]], tol: float) -> TieLog:
    from doxa.training.monitor import tied_share

    steps = sorted(rewards)
    rates = [tied_share(np.array(rewards[one][1]), np.array(rewards[one][0]), tol) for one in steps]
    count = sum(len(own) for own, _ in rewards.values())
    return TieLog(np.array(steps, dtype=np.float64), np.array(rates), f"{count} rewards")


def _rewards_by_step(path: str) -> dict[float, tuple[list[str], list[float]]]:
    """Return groups and rewards of each step; nothing where the lines are no rewards of single answers."""
    found: dict[float, tuple[list[str], list[float]]] = {}
    for where, row in _lines(path, "log"):
        group = row.get("group", row.get("prompt"))
        if group is None or "reward" not in row:
            return {}
        step = score_of(row.get("step", 0), f"{where}, step")
        groups, rewards = found.setdefault(step, ([], []))
        groups.append(str(group))
        rewards.append(score_of(row["reward"], f"{where}, reward"))
    return found


def _lines(path: str, setting: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each line stands, and its object."""
    for number, line in enumerate(_text(path, setting).splitlines(), 1):
        if line.strip():
            yield f"{setting}={path}, line {number}", _json_object(line, f"{setting}={path}, line {number}")


def _text(path: str, setting: str) -> str:
    place = Path(path).expanduser()
    if not place.is_file():
        raise InputError(f"{setting}={path}: no such file")
    try:
        return place.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{setting}={path}: is not UTF-8 text") from None


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        held: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON ({error})") from None
    if not isinstance(held, dict):
        raise InputError(f"{where}: must be a JSON object")
    return cast(dict[str, Any], held)


def _inner(where: str, row: Mapping[str, Any]) -> dict[str, Any]:
    scores = row.get("scores", {})
    if not isinstance(scores, dict):
        raise InputError(f"{where}: scores={scores!r}: must be an object of numbers by reward model")
    return cast(dict[str, Any], scores)


def _word(where: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise InputError(f"{where}: {name}={value!r}: must be a text")
    return value


def _table(path: str, name: str, value: object) -> Float[np.ndarray, ...]:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"mdp={path}: {name} must be numbers in rows of equal length") from None


def _mapping(path: str, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"mdp={path}: {name} must be an object of rewards by name")
    return cast(dict[str, Any], value)


def _names(path: str, name: str, value: object, count: int) -> tuple[str, ...]:
    if value is None:
        return tuple(str(number) for number in range(count))
    given = [str(one) for one in cast(list[object], value)] if isinstance(value, list) else []
    if len(given) != count or len(set(given)) != count:
        raise InputError(f"mdp={path}: {name} must be {count} different names")
    return tuple(given)
