"""What every mood with dynamics can do: be moved, be analysed, be held and be reset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import numpy as np
from jaxtyping import Complex, Float

from doxa.canonical import Json
from doxa.dynamics.affect.space import VAD, MoodSpace
from doxa.errors import InputError

if TYPE_CHECKING:
    from doxa.dynamics.linear import LinearSystem


class Mood(NamedTuple):
    """A state, how fast it moves, and how many turns moved it.

    Attributes:
        state: s_t, one number to a dimension.
        velocity: v_t per turn; 0 where the rule has none.
        turn: t, 0 before the first.
    """

    state: Float[np.ndarray, "*batch d"]
    velocity: Float[np.ndarray, "*batch d"]
    turn: int = 0


class Analysis(NamedTuple):
    """One dimension's rule as a linear system, away from the ends of the scale.

    Attributes:
        poles: the largest first.
        spectral_radius: its size; 0 where nothing is remembered.
        period: turns that a swing takes, inf where it does not swing.
        damping: ζ of the largest pole; 1 does not swing.
        time_constant: turns in which what is remembered falls to 1/e, -1/ln of the radius; 0 where nothing is.
        static_gain: where a signal held at one leads.
    """

    poles: Complex[np.ndarray, " n"]
    spectral_radius: float
    period: float
    damping: float
    time_constant: float
    static_gain: float


@dataclass(frozen=True, kw_only=True)
class AffectDynamics:
    """A rule that moves a mood; a subclass says how in ``_after``.

    A rule is a value. ``start`` and ``after`` make and move moods that are values too, of one talker or of many side by
    side. For one talker the rule also holds a mood of its own: ``update`` moves it, ``reset`` puts it back.

    Attributes:
        baseline: s̄, where a mood begins; zero by default.
        space: the dimensions and their ends.
        clip: whether a state beyond an end is put back to it.

    Raises:
        InputError: the baseline is no point of the space.
    """

    kind: ClassVar[str] = ""
    """The rule's name in an address."""

    baseline: tuple[float, ...] | None = None
    space: MoodSpace = VAD
    clip: bool = True

    def __post_init__(self) -> None:
        if self.baseline is not None:
            held = self.space.checked("baseline", self.baseline)
            if held.ndim != 1:
                raise InputError(f"baseline={self.baseline}: give one number to a dimension")
            object.__setattr__(self, "baseline", tuple(float(one) for one in held))

    @property
    def home(self) -> Float[np.ndarray, " d"]:
        """The baseline as an array."""
        return np.zeros(self.space.size) if self.baseline is None else np.array(self.baseline)

    def start(self, *batch: int) -> Mood:
        """Return the mood before anything is heard.

        Args:
            batch: how many talkers, along leading axes.
        """
        state = np.broadcast_to(self.home, (*batch, self.space.size)).copy()
        return Mood(state, np.zeros_like(state))

    def after(self, mood: Mood, signal: object, dt: float = 1.0) -> Mood:
        """Return the mood after one turn.

        Args:
            mood: before it.
            signal: what is heard, one number to a dimension.
            dt: how long the turn lasts, in turns; its signal is held that long.

        Raises:
            InputError: the signal is no point of the space, or ``dt`` is not a number > 0.
        """
        return self._moved_by(mood, self.space.checked("signal", signal), _checked_length("dt", dt))._replace(
            turn=mood.turn + 1
        )

    def rested(self, mood: Mood, time: float) -> Mood:
        """Return the mood after a silence: it goes home as it would under a signal at the baseline.

        Args:
            mood: before it.
            time: how long, in turns.

        Raises:
            InputError: ``time`` is not a number > 0.
        """
        return self._moved_by(mood, self.home, _checked_length("time", time))

    def series(
        self, signals: object, dt: float | Sequence[float] = 1.0
    ) -> Float[np.ndarray, "*batch turns d"]:
        """Return the states after each of a row of signals, from the baseline.

        Args:
            signals: [*batch, turns, d].
            dt: length of every turn, or of each.

        Raises:
            InputError: a signal is no point of the space, or lengths are no numbers > 0, one to a turn.
        """
        given = self.space.checked("signal", signals, steps=True)
        turns = given.shape[-2]
        lengths = [float(dt)] * turns if isinstance(dt, int | float) else [float(one) for one in dt]
        if len(lengths) != turns:
            raise InputError(f"dt has {len(lengths)} lengths for {turns} turns; give one, or one to a turn")
        for one in lengths:
            _checked_length("dt", one)
        mood = self.start(*given.shape[:-2])
        states = np.empty_like(given)
        for turn, length in enumerate(lengths):
            mood = self._moved_by(mood, given[..., turn, :], length)
            states[..., turn, :] = mood.state
        return states

    @property
    def mood(self) -> Mood:
        """The mood that the rule holds."""
        found: Mood | None = self.__dict__.get("_mood")
        return self.start() if found is None else found

    def update(self, signal: object, dt: float = 1.0, *, turn: int | None = None) -> Float[np.ndarray, " d"]:
        """Move the mood that the rule holds and return its state.

        Args:
            signal: what is heard, one number to a dimension.
            dt: how long the turn lasts, in turns.
            turn: number of the turn from 1, to be sure that none is missed or heard twice.

        Raises:
            InputError: as for ``after``, or it is not that turn's turn.
        """
        before = self.mood
        if turn is not None and turn != before.turn + 1:
            raise InputError(f"turn={turn}: turn {before.turn + 1} comes next; reset() begins again")
        after = self.after(before, signal, dt)
        object.__setattr__(self, "_mood", after)
        return after.state.copy()

    def reset(self) -> None:
        """Put the mood that the rule holds back to the baseline."""
        object.__setattr__(self, "_mood", None)

    def system(self) -> LinearSystem:
        """Return one dimension as a linear system whose output at a turn is the state after its signal."""
        raise NotImplementedError

    def poles(self) -> Complex[np.ndarray, " n"]:
        """Return the poles of one dimension, the largest first; none where nothing is remembered."""
        return self.system().poles()

    def frequency_response(self, omega: Float[np.ndarray, " w"] | float) -> Complex[np.ndarray, " w"]:
        """Return H(e^{iω}) from signal to state, ω in radians per turn."""
        return self.system().frequency_response(omega)[:, 0, 0]

    def step_response(self, n: int) -> Float[np.ndarray, " n"]:
        """Return the state at turns 1 … n under a signal held at one."""
        return self.system().step_response(n)[:, 0, 0]

    def analysis(self) -> Analysis:
        """Return poles, period, damping and time constant of one dimension."""
        system = self.system()
        poles, radius = system.poles(), system.spectral_radius()
        swings = [
            period for period in system.periods() if not math.isclose(period, 2.0) and math.isfinite(period)
        ]
        return Analysis(
            poles,
            radius,
            float(max(swings, default=math.inf)),
            float(system.damping_ratios()[0]) if len(poles) else 1.0,
            -1.0 / math.log(radius) if radius > 0.0 else 0.0,
            float(system.static_gain()[0, 0]),
        )

    def __str__(self) -> str:
        """The rule with what is not at its default, as an address gives it."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "space"}
        plain = {one.name: one.default for one in fields(self)}
        options = "&".join(f"{name}={_text(value)}" for name, value in given.items() if value != plain[name])
        return self.kind + (f"?{options}" if options else "")

    def as_json(self) -> dict[str, Json]:
        """Return the rule as plain JSON: its name and every setting."""
        values: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        home: list[Json] = [float(one) for one in self.home]
        return {"rule": self.kind, **values, "baseline": home, "space": self.space.as_json()}

    def _moved_by(self, mood: Mood, signal: Float[np.ndarray, "*batch d"], dt: float) -> Mood:
        after = self._after(mood, signal, dt)
        if not self.clip:
            return after
        held = self.space.clipped(after.state)
        return after if np.array_equal(held, after.state) else self._at_the_end(after, held)

    def _after(self, mood: Mood, signal: Float[np.ndarray, "*batch d"], dt: float) -> Mood:
        """Return the mood after a turn, whatever the ends of the scale."""
        raise NotImplementedError

    def _at_the_end(self, mood: Mood, held: Float[np.ndarray, "*batch d"]) -> Mood:
        """Return a mood whose state was put back to the ends of the scale."""
        return mood._replace(state=held)


def _text(value: object) -> str:
    """Return a setting as an address has it."""
    if isinstance(value, tuple):
        return ",".join(map(str, cast(tuple[float, ...], value)))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked_length(name: str, value: float) -> float:
    if not 0.0 < value < math.inf:
        raise InputError(f"{name}={value}: must be a number of turns > 0; time does not go back")
    return float(value)
