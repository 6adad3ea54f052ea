"""A population over days: interventions, then the steps of the schedule, then what is kept; each day can be the last.

Every draw hangs on the seed, its purpose and the day, never on what else is in the plan: a run with interventions on
no day is the run without. After each day all that is needed goes into one file, so that a killed run goes on from its
last whole day and ends in equal tables.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Int

from doxa.canonical import Json, digest
from doxa.dynamics import RegisteredDynamics, dynamics
from doxa.errors import InputError
from doxa.lab.files import sha256, write_atomic
from doxa.society import interventions as act
from doxa.society.dynamics.base import Info, State
from doxa.society.graph import Graph
from doxa.society.history import History
from doxa.society.schedules import Schedule
from doxa.streams import stream

_HISTORY = "history."


Steps: TypeAlias = Callable[[State, int], tuple[State, list[Info]]]
"""Takes the steps of a day, given the state before them and the day's number."""


@runtime_checkable
class Stepper(Protocol):
    """Where the steps of populations are taken."""

    def check(self, plan: Plan) -> None:
        """Raise InputError if a plan's steps cannot be taken there."""
        ...

    def begin(self, plan: Plan) -> AbstractContextManager[Steps]:
        """Return what takes the steps of a plan's days, for as long as the run lasts."""
        ...


class _Here:
    """Takes the steps in this process."""

    def check(self, plan: Plan) -> None:
        """Find nothing wrong: every plan can be run here."""

    @contextmanager
    def begin(self, plan: Plan) -> Generator[Steps]:
        """Yield what takes the steps."""
        model = dynamics.get(plan.dynamics)()
        yield lambda state, day: steps_of_day(plan, model, state, day)


_STEPPER: ContextVar[Stepper] = ContextVar("stepper", default=_Here())  # noqa: B039 - it holds nothing


@contextmanager
def stepping(stepper: Stepper) -> Generator[None]:
    """Let another stepper take the steps of all populations that are simulated within this context."""
    before = _STEPPER.set(stepper)
    try:
        yield
    finally:
        _STEPPER.reset(before)


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a run hangs on.

    Attributes:
        dynamics: name of a dynamics of populations, as ``sir`` or ``deffuant``.
        config: what it is set to.
        days: how many, at least 1.
        schedule: how each step goes.
        interventions: what is done, in this order on the same day, before the day's steps.
        steps: of each day, at least 1.
        seed: of all draws.
        watched: agents whose values of each day are kept, however large the population, or None.
    """

    dynamics: str
    config: Any
    days: int
    schedule: Schedule = field(default_factory=Schedule)
    interventions: tuple[act.Intervention, ...] = ()
    steps: int = 1
    seed: int = 0
    watched: Int[np.ndarray, " some"] | None = None

    def __post_init__(self) -> None:
        for name, value in (("days", self.days), ("steps", self.steps)):
            if value < 1:
                raise InputError(f"{name}={value}: must be at least 1")
        dynamics.get(self.dynamics)
        act.check(self.interventions, self.days, self.config)
        if hasattr(self.config, "graph"):
            self.schedule.check(self.config.graph.n)
        _STEPPER.get().check(self)

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return a random stream of the run."""
        return stream(self.seed, "population", *names)


@dataclass(frozen=True)
class Population:
    """A run that is over.

    Attributes:
        state: after the last day.
        history: of all days, from 0.
    """

    state: State
    history: History


def simulate(
    plan: Plan, *, folder: Path | None = None, told: Callable[[int, State], None] | None = None
) -> Population:
    """Return a population after all days of a plan.

    Args:
        plan: what happens.
        folder: where each day is kept; a run of the same plan goes on from there. None keeps none.
        told: called after each day, when it is kept, with its number and the state.

    Raises:
        InputError: the plan does not fit together.
        StoreError: a day cannot be written.
    """
    model = dynamics.get(plan.dynamics)()
    if not hasattr(plan.config, "graph"):
        raise InputError(f"{plan.dynamics}: is no dynamics of populations; its config has no graph")
    path = None if folder is None else folder / f"population-{identity(plan)[:24]}.npz"
    with _STEPPER.get().begin(plan) as steps:
        day, state, history = _resumed(plan, model, path) or _begun(plan, model)
        while day < plan.days:
            day += 1
            for number, what in enumerate(plan.interventions):
                if day in what.days:
                    state = act.apply(what, plan.rng("intervention", number, day), state)
            state, infos = steps(state, day)
            history.add(state, infos)
            if path is not None:
                _keep(path, day, state, history)
            if told is not None:
                told(day, state)
    return Population(state, history)


def steps_of_day(plan: Plan, model: RegisteredDynamics, state: State, day: int) -> tuple[State, list[Info]]:
    """Return a population after the steps of a day, and what there is to know about each."""
    infos: list[Info] = []
    for step in range(plan.steps):
        turn = plan.schedule.turn(plan.rng("schedule", day, step), len(state.values))
        state, info = model.step(plan.rng("step", day, step), state, turn)
        infos.append(info)
    return state, infos


def _begun(plan: Plan, model: RegisteredDynamics) -> tuple[int, State, History]:
    state: State = model.init(plan.rng("init"), plan.config)
    history = History(_labels(plan, model), watched=plan.watched)
    history.add(state)
    return 0, state, history


def _resumed(plan: Plan, model: RegisteredDynamics, path: Path | None) -> tuple[int, State, History] | None:
    """Return the last whole day that was kept, None where there is none or its file is damaged."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    day = int(arrays["day"])
    if day > plan.days:
        return None
    state = State(plan.config, arrays["values"], arrays.get("fixed"))
    for past in range(1, day + 1):
        for number, what in enumerate(plan.interventions):
            if past in what.days and act.lasting(what):
                state = act.apply(what, plan.rng("intervention", number, past), state)
    kept = {name.removeprefix(_HISTORY): array for name, array in arrays.items() if name.startswith(_HISTORY)}
    return day, state, History.of_arrays(_labels(plan, model), kept, watched=plan.watched)


def _keep(path: Path, day: int, state: State, history: History) -> None:
    arrays = {f"{_HISTORY}{name}": array for name, array in history.arrays().items()}
    arrays |= {"day": np.array(day), "values": state.values}
    if state.fixed is not None:
        arrays["fixed"] = state.fixed
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **arrays)
    write_atomic(path, held.getvalue())


def _labels(plan: Plan, model: RegisteredDynamics) -> tuple[str, ...] | None:
    named: Callable[[Any], tuple[str, ...]] | None = getattr(model, "labels", None)
    return None if named is None else named(plan.config)


def identity(plan: Plan) -> str:
    """Return the SHA-256 of all that the days of a plan hang on; not of how many there are."""
    whole = {part.name: _plain(getattr(plan, part.name)) for part in fields(plan) if part.name != "days"}
    return digest(whole)


def _plain(value: Any) -> Json:
    """Return a value as plain JSON, arrays and graphs as their digests."""
    if isinstance(value, Graph):
        return {"graph": value.digest}
    if isinstance(value, np.ndarray):
        return {
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "sha256": sha256(value.tobytes()),
        }
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        return {
            "kind": type(value).__name__,
            **{part.name: _plain(getattr(value, part.name)) for part in fields(value)},
        }
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | range):
        return [type(value).__name__ if hasattr(value, "_fields") else "", *(_plain(part) for part in value)]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
