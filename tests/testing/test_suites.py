"""Each contract suite passes a sound component and names what is wrong with a broken one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from doxa.elicit.answers import Answer
from doxa.elicit.elicitors import ForcedChoice
from doxa.lab.record import SCHEMAS, Finding, Recorder, Tables
from doxa.subjects.base import Conversation, Query, Reply, Sampling, Tool, user
from doxa.subjects.planted import PlantedSubject
from doxa.testing import (
    check_dynamics,
    check_elicitor,
    check_findings,
    check_measure,
    check_study,
    check_subject,
)

COINS = str(Path(__file__).parents[1] / "studies_for_tests" / "coins.py")


class Wrapped:
    """A sound subject with one thing changed."""

    def __init__(self) -> None:
        self.inner = PlantedSubject.open("bayesian", {})
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        self.calls += 1
        return self.inner.reply(conversations, sampling=sampling, tools=tools)

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return self.inner.score(queries)


class Forgetful(Wrapped):
    def reply(self, conversations: Any, *, sampling: Any, tools: Any = ()) -> list[Reply]:
        return super().reply(conversations, sampling=sampling, tools=tools)[:1]


class Restless(Wrapped):
    def reply(self, conversations: Any, *, sampling: Any, tools: Any = ()) -> list[Reply]:
        replies = super().reply(conversations, sampling=sampling, tools=tools)
        return [replace(reply, text=f"{reply.text}{self.calls}") for reply in replies]


class Batched(Wrapped):
    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return [scores - 0.001 * len(queries) for scores in super().score(queries)]


class Unlikely(Wrapped):
    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        return [scores + 2.0 for scores in super().score(queries)]


def test_subjects() -> None:
    check_subject(Wrapped())
    for broken, message in (
        (Forgetful(), "5 conversations, 1 replies"),
        (Restless(), "greedy replies differ the second time"),
        (Batched(), "scores hang on the batch"),
        (Unlikely(), "above 1"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_subject(broken)


class Changing:
    def init(self, rng: np.random.Generator, config: Any) -> dict[str, float]:
        return {"x": 0.0}

    def step(
        self, rng: np.random.Generator, state: dict[str, float], event: Any
    ) -> tuple[dict[str, float], None]:
        state["x"] += 1.0
        return state, None


class Global:
    def init(self, rng: np.random.Generator, config: Any) -> float:
        return 0.0

    def step(self, rng: np.random.Generator, state: float, event: Any) -> tuple[float, None]:
        return state + float(np.random.random()), None  # noqa: NPY002


class Walk:
    def init(self, rng: np.random.Generator, config: float) -> np.ndarray:
        return np.zeros(2)

    def step(self, rng: np.random.Generator, state: np.ndarray, event: float) -> tuple[np.ndarray, float]:
        return state + event * rng.normal(size=2), event


def test_dynamics() -> None:
    check_dynamics(Walk(), 0.0, [1.0, 2.0])
    check_dynamics(PlantedSubject.open("drifting", {}).mind)
    with pytest.raises(AssertionError, match="give it config and inputs, or an example"):
        check_dynamics(Walk())
    with pytest.raises(AssertionError, match="changes the state"):
        check_dynamics(Changing(), None, [1])
    with pytest.raises(AssertionError, match="global generator"):
        check_dynamics(Global(), None, [1])


def mean_credence(tables: Tables) -> pl.DataFrame:
    recorder = Recorder("", 0)
    frame = tables.beliefs.filter(pl.col("credence").is_not_null())
    for (subject,), rows in sorted(frame.group_by("subject"), key=lambda pair: str(pair[0])):
        recorder.measure(
            "mean credence", float(str(rows["credence"].mean())), subject=str(subject), unit="credence"
        )
    return recorder.tables().measures


def test_measures() -> None:
    check_measure(mean_credence)

    def first_credence(tables: Tables) -> pl.DataFrame:
        recorder = Recorder("", 0)
        for value in tables.beliefs["credence"].drop_nulls().head(1):
            recorder.measure("first", value, subject="a")
        return recorder.tables().measures

    with pytest.raises(AssertionError, match="hang on the order"):
        check_measure(first_credence)
    with pytest.raises(AssertionError, match="not rows of 'measures'"):
        check_measure(lambda tables: tables.beliefs)
    with pytest.raises(AssertionError, match="without saying why"):
        check_measure(
            lambda tables: pl.DataFrame(
                {**mean_credence(tables).to_dict(as_series=False)}, schema=SCHEMAS["measures"]
            ).with_columns(value=pl.lit(None, pl.Float64()), extra=pl.lit("{}"))
        )


def test_findings() -> None:
    good = Finding("a", "a claim", 0.5, (0.4, 0.6), "holds", control=True)
    check_findings([good])
    for broken, message in (
        ([], "no finding"),
        ([good, good], "share an id"),
        ([replace(good, interval=(0.6, 0.4))], "upside down"),
        ([replace(good, estimate=None)], "does not say why"),
        ([replace(good, control=False)], "no finding is a control"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_findings(broken)


BROKEN = {
    "another table": ('ctx.rng("flips", coin)', "__import__('numpy').random.default_rng()"),
    "says nothing about itself": ('"flips of each coin"', '""'),
    "declares ['coins']": ('uses=("flips", "shift")', 'uses=("flips", "shift", "coins")'),
    "without declaring": ('uses=("flips", "shift")', 'uses=("flips",)'),
    "one more seed": ('uses=("flips", "shift")', 'uses=("flips", "shift", "seeds")'),
}


def test_studies() -> None:
    check_study(COINS)


@pytest.mark.parametrize("message", BROKEN)
def test_broken_studies(message: str, tmp_path: Path) -> None:
    old, new = BROKEN[message]
    text = Path(COINS).read_text()
    assert old in text
    name = f"coins_{abs(hash(message))}"
    path = tmp_path / f"{name}.py"
    path.write_text(text.replace(old, new).replace("test-coins", name.replace("_", "-")))
    with pytest.raises(Exception, match=re.escape(message)):
        check_study(str(path))


class Guessing(ForcedChoice):
    """Calls everything that it cannot read a yes."""

    def elicit(self, *arguments: Any, **options: Any) -> list[Answer]:
        answers = super().elicit(*arguments, **options)
        return [replace(one, kind="answer", value="yes", credence=1.0) for one in answers]


class Lingering(ForcedChoice):
    """Leaves its question in the conversation."""

    def elicit(self, subject: Any, conversations: Any, questions: Any, **options: Any) -> list[Answer]:
        longer = [(*talk, user("By the way.")) for talk in conversations]
        return super().elicit(subject, longer, questions, **options)


class Sharpening(ForcedChoice):
    """Makes answers surer than they were."""

    def elicit(self, *arguments: Any, **options: Any) -> list[Answer]:
        answers = super().elicit(*arguments, **options)
        return [replace(one, credence=None if one.credence is None else one.credence**2) for one in answers]


def test_elicitors() -> None:
    check_elicitor(ForcedChoice())
    for broken, message in (
        (Guessing(way="text"), "forced-choice"),
        (Lingering(), "asks after something else"),
        (Sharpening(), "planted 0.1, read 0.01"),
    ):
        with pytest.raises(AssertionError, match=message):
            check_elicitor(broken)
