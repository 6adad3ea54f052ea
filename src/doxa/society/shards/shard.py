"""One part of a population: its steps, and what it tells and is told between them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped

from doxa.dynamics import dynamics
from doxa.society.dynamics.base import Info, State, Turn
from doxa.society.schedules import Schedule
from doxa.society.shards.pieces import Piece
from doxa.streams import stream


class Clock(NamedTuple):
    """What a step hangs on beside values: the dynamics' name, the schedule, the seed, and how many agents there are."""

    dynamics: str
    schedule: Schedule
    seed: int
    n: int


class Shard:
    """A part that takes the whole population's steps with its own agents.

    Args:
        clock: of the whole population.
        piece: whom it holds.
        config: settings of the part.
        values: of all whom it holds, in the order of places.
        fixed: what they keep from the start, or None.
    """

    def __init__(
        self,
        clock: Clock,
        piece: Piece,
        config: Any,
        values: Shaped[np.ndarray, " local"],
        fixed: Float32[np.ndarray, " local"] | None,
    ) -> None:
        self._clock, self._piece = clock, piece
        self._model = dynamics.get(clock.dynamics)()
        self._state = State(config, np.array(values), None if fixed is None else np.array(fixed))
        self._everyone = Turn(np.arange(len(piece.own), dtype=np.int32), draws=piece.own.view(np.uint32))
        self._infos: list[Info] = []

    def put(self, values: Shaped[np.ndarray, " local"]) -> None:
        """Take new values of all whom it holds."""
        self._state = self._state._replace(values=np.array(values))

    def step(self, day: int, step: int) -> tuple[Shaped[np.ndarray, " _"], ...]:
        """Take a step and return what each part is told of it.

        Args:
            day: from 1.
            step: of the day, from 0.
        """
        rng = stream(self._clock.seed, "population", "step", day, step)
        self._state, info = self._model.step(rng, self._state, self._turn(day, step))
        self._infos.append(info)
        return tuple(self._state.values.take(places) for places in self._piece.told)

    def heard(self) -> tuple[Shaped[np.ndarray, " _"], ...]:
        """Return where what each part tells of its step is to be written, before this one takes its next."""
        return tuple(self._state.values[begin:end] for begin, end in self._piece.told_by)

    def end_day(self) -> tuple[Shaped[np.ndarray, " m"], list[Info]]:
        """Return the values of its own agents, and what there is to know about the steps since the last day."""
        infos, self._infos = self._infos, []
        return self._state.values[: len(self._piece.own)], infos

    def _turn(self, day: int, step: int) -> Turn:
        """Return the turn of the whole population as far as own agents act in it."""
        schedule, n = self._clock.schedule, self._clock.n
        whole = schedule.turn(stream(self._clock.seed, "population", "schedule", day, step), n)
        if whole.agents is None:
            return self._everyone._replace(in_turn=whole.in_turn)
        place = np.full(n, -1, dtype=np.int32)
        place[self._piece.own] = np.arange(len(self._piece.own), dtype=np.int32)
        local = place[whole.agents]
        here = np.flatnonzero(local >= 0)
        return Turn(local[here], whole.in_turn, draws=here.astype(np.uint32))
