"""What every agent is: ``init`` / ``step`` over a named state, and ``act`` / ``update`` over one it keeps itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.linear_bandits.actions import checked_actions
from doxa.worlds.linear_bandits.world_kernels import ARM, PLAYED, WAITING, Place, Tape, WorldArrays


class Choice(NamedTuple):
    """What an agent plays.

    Attributes:
        arm: number of the action among the agent's.
        action: the vector.
    """

    arm: int
    action: Float[np.ndarray, " d"]


class Kernels(NamedTuple):
    """The compiled functions of a kind of agent.

    Attributes:
        choose: (state, settings, luck) to an arm.
        learn: (state, settings, reward), writing into the state.
        run: (world, place, noise, luck, state, settings, tape), many rounds of both.
    """

    choose: Callable[..., Any]
    learn: Callable[..., Any]
    run: Callable[..., Any]


class Agent(ABC):
    """Chooses among actions, and learns from the rewards they pay.

    Kinds of agents say how a state begins, what is chosen and what is learnt, each a compiled kernel, so that a round
    by hand and a million rounds in a batch are the same arithmetic.

    Args:
        actions: the vectors it chooses among.
        name: how it is called in results; its own draws hang on it.
    """

    kernels: ClassVar[Kernels]
    shown: ClassVar[str]
    """Field of the state that says what is held of each action."""
    chance: ClassVar[bool] = False
    """Whether it draws: one uniform number for each round then belongs to it."""

    def __init__(self, actions: object, name: str) -> None:
        self.actions = checked_actions(actions)
        self.name = name
        self._held: Any = None
        self._luck = self.stream(0)
        self.reset(0)

    @abstractmethod
    def init(self) -> Any:
        """Return the state before the first round: a named tuple of arrays."""

    @abstractmethod
    def settings(self) -> Any:
        """Return what the kernels are set to."""

    @cached_property
    def set_to(self) -> Any:
        """``settings``, computed once."""
        return self.settings()

    def choose_in(self, state: Any, luck: float) -> int:
        """Return the arm of this round, writing what was decided into the state."""
        state.clock[WAITING] = 1
        return int(self.kernels.choose(state, self.set_to, luck))

    def learn_in(self, state: Any, reward: float) -> None:
        """Write into the state what the round's reward taught."""
        self.kernels.learn(state, self.set_to, reward)
        state.clock[WAITING] = 0

    def run_in(
        self,
        world: WorldArrays,
        place: Place,
        noise: Float[np.ndarray, "rounds noises"],
        luck: Float[np.ndarray, " draws"],
        state: Any,
        tape: Tape,
    ) -> None:
        """Play many rounds, writing into state, place and tape."""
        self.kernels.run(world, place, noise, luck, state, self.set_to, tape)

    def board(self, state: Any) -> Float[np.ndarray, " arms"]:
        """Return what is held of each action: an expected reward, or a probability for exponential weights."""
        return getattr(state, self.shown)

    def estimate(self, state: Any) -> Float[np.ndarray, " d"]:
        """Return the estimate of h; NaN for agents that have none."""
        del state
        return np.full(self.actions.shape[1], np.nan)

    def step(self, state: Any, reward: float | None = None, luck: float = 0.0) -> tuple[Any, Choice]:
        """Take the reward of the last round and choose the next action; the state given stays as it was.

        Args:
            state: of ``init`` or of the step before.
            reward: what the last choice paid; None before the first round.
            luck: a uniform number in [0, 1), for agents that draw.

        Raises:
            InputError: the reward is no finite number, or nothing was chosen in the state.
        """
        after = copy_of(state)
        if reward is not None:
            paid = _finite(reward, int(after.clock[PLAYED]))
            if not after.clock[WAITING]:
                raise InputError(
                    f"{self.name}: reward={reward} for a state in which nothing was chosen; give the reward with the "
                    "state that step() returned beside the choice"
                )
            self.learn_in(after, paid)
        arm = self.choose_in(after, luck)
        return after, Choice(arm, self.actions[arm])

    def stream(self, seed: int, trial: int = 0) -> np.random.Generator:
        """Return the stream of the agent's own draws, one uniform number a round."""
        return stream(seed, "linear-bandit", "luck", self.name, trial)

    def reset(self, seed: int = 0) -> None:
        """Forget all; the agent's own draws begin anew from a seed."""
        self._held, self._luck = self.init(), self.stream(seed)

    def act(self) -> Float[np.ndarray, " d"]:
        """Return the action of this round; asked again before an update, it is the same."""
        if not self._held.clock[WAITING]:
            luck = float(self._luck.random()) if self.chance else 0.0
            self.choose_in(self._held, luck)
        return self.actions[self.arm]

    @property
    def arm(self) -> int:
        """Number of the action last chosen."""
        return int(self._held.clock[ARM])

    def update(self, reward: float) -> None:
        """Take the reward of the action that ``act`` gave.

        Raises:
            InputError: the reward is no finite number, or ``act`` was not called.
        """
        if not self._held.clock[WAITING]:
            raise InputError(f"{self.name}: update() without act(); ask for the action of the round first")
        self.learn_in(self._held, _finite(reward, int(self._held.clock[PLAYED])))

    @property
    def state(self) -> Any:
        """A copy of the state that ``act`` and ``update`` move."""
        return copy_of(self._held)

    def state_dict(self) -> dict[str, Any]:
        """Return all that ``load_state_dict`` needs to go on from here, as arrays and plain values."""
        held = {name: np.array(value) for name, value in self._held._asdict().items()}
        return {"state": held, "luck": self._luck.bit_generator.state}

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` returned.

        Raises:
            InputError: it is that of an agent of another kind or size.
        """
        fresh = self.init()
        held = kept["state"]
        if set(held) != set(fresh._fields):
            raise InputError(f"{self.name}: a state of {', '.join(held)}; needs {', '.join(fresh._fields)}")
        for name, value in fresh._asdict().items():
            if np.shape(held[name]) != value.shape:
                raise InputError(f"{self.name}: {name} has shape {np.shape(held[name])}; needs {value.shape}")
        self.reset(0)
        self._held = type(fresh)(
            **{name: np.array(held[name], dtype=value.dtype) for name, value in fresh._asdict().items()}
        )
        self._luck.bit_generator.state = kept["luck"]


def copy_of(state: Any) -> Any:
    """Return a state with arrays of its own."""
    return type(state)(*(np.array(value) for value in state))


def _finite(reward: float, played: int) -> float:
    if not np.isfinite(reward):
        raise InputError(
            f"reward={reward} in round {played + 1}: must be a finite number; leave no round out"
        )
    return float(reward)
