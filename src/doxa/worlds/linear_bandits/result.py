"""What a simulation found: regret at checkpoints for every agent and trial, slopes, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from doxa.lab.figures import Figure

KINDS = ("pseudo", "expected", "realised")
"""The three regrets."""


class Slopes(NamedTuple):
    """Exponents of the growth of regret, from a line through log regret over log rounds.

    Attributes:
        names: of the agents.
        slopes: of each agent and trial; NaN where regret is 0 at some checkpoint of the window.
    """

    names: tuple[str, ...]
    slopes: Float[np.ndarray, "agents trials"]

    def of(self, name: str) -> Float[np.ndarray, " trials"]:
        """Return those of one agent."""
        return self.slopes[_place(self.names, name)]


@dataclass(frozen=True, eq=False)
class BanditResult:
    """Simulated agents.

    Attributes:
        names: of the agents.
        actions: number of the action of each round; None where rounds were not kept.
        rewards: reward of each round; None where rounds were not kept.
        pseudo_regret: Σ(J* - ⟨h, u_t⟩) at each checkpoint.
        expected_regret: T·J* - ΣE[y_t], the state without noise; transients count.
        realised_regret: T·J* - Σy_t.
        checkpoints: rounds after which regret was kept.
        pulls: by agent, how often each of its actions was played up to each checkpoint.
        boards: by agent, what it then held of each action.
        estimates: by agent, its estimate of h; NaN where it has none.
        arms: by agent, its actions.
        wall_time: seconds of each trial, all agents together.
    """

    names: tuple[str, ...]
    actions: Int[np.ndarray, "agents trials rounds"] | None
    rewards: Float[np.ndarray, "agents trials rounds"] | None
    pseudo_regret: Float[np.ndarray, "agents trials checkpoints"]
    expected_regret: Float[np.ndarray, "agents trials checkpoints"]
    realised_regret: Float[np.ndarray, "agents trials checkpoints"]
    checkpoints: Int[np.ndarray, " checkpoints"]
    pulls: tuple[Int[np.ndarray, "trials checkpoints _"], ...]
    boards: tuple[Float[np.ndarray, "trials checkpoints _"], ...]
    estimates: tuple[Float[np.ndarray, "trials checkpoints _"], ...]
    arms: tuple[Float[np.ndarray, "_ _"], ...]
    wall_time: Float[np.ndarray, " trials"]

    def __post_init__(self) -> None:
        least = float(np.diff(self.pseudo_regret, axis=-1, prepend=0.0).min(initial=0.0))
        if least < -1e-6:
            raise InputError(f"pseudo-regret falls by {-least:g}: an action is worth more than J*")

    def regret(self, kind: str = "pseudo") -> Float[np.ndarray, "agents trials checkpoints"]:
        """Return one of the three regrets.

        Raises:
            InputError: there is no such regret.
        """
        if kind not in KINDS:
            raise InputError(f"regret kind={kind!r}: {did_you_mean(kind, KINDS)}")
        return getattr(self, f"{kind}_regret")

    def of(self, name: str) -> int:
        """Return an agent's place.

        Raises:
            InputError: there is no such agent.
        """
        return _place(self.names, name)

    def final(self, name: str, kind: str = "pseudo") -> Float[np.ndarray, " trials"]:
        """Return an agent's regret after the last round of each trial."""
        return self.regret(kind)[self.of(name), :, -1]

    def slope(self, t0: float, t1: float, kind: str = "pseudo") -> Slopes:
        """Fit log regret = a + slope · log t to the checkpoints in [t0, t1].

        Raises:
            InputError: there are fewer than three checkpoints in the window.
        """
        inside = (self.checkpoints >= t0) & (self.checkpoints <= t1)
        if inside.sum() < 3:
            raise InputError(
                f"[{t0:g}, {t1:g}] holds {inside.sum()} checkpoints: give a window with three or more"
            )
        across = np.log(self.checkpoints[inside].astype(float))
        across -= across.mean()
        regret = self.regret(kind)[:, :, inside]
        grows = np.all(regret > 0.0, axis=-1)
        up = np.log(np.where(grows[..., None], regret, 1.0))
        return Slopes(self.names, np.where(grows, (up @ across) / (across @ across), np.nan))

    def to_frame(self) -> pl.DataFrame:
        """Return a row for each agent, trial and checkpoint, with all three regrets."""
        import polars as pl

        agents, trials, marks = self.pseudo_regret.shape
        return pl.DataFrame(
            {
                "agent": np.repeat(self.names, trials * marks),
                "trial": np.tile(np.repeat(np.arange(trials), marks), agents),
                "round": np.tile(self.checkpoints, agents * trials),
                **{f"{kind}_regret": self.regret(kind).ravel() for kind in KINDS},
            }
        )

    def plot(self, kind: str = "pseudo") -> list[Figure]:
        """Draw regret over rounds, its growth on two logarithms, shares of actions, and what agents hold of each.

        The bands are mean ± standard error over trials.
        """
        from doxa.worlds.linear_bandits.pictures import result_figures

        return result_figures(self, kind)


def mean_and_error(
    values: Float[np.ndarray, "trials checkpoints"],
) -> tuple[Float[np.ndarray, " checkpoints"], Float[np.ndarray, " checkpoints"]]:
    """Return the mean over trials and its standard error, 0 for a single trial."""
    trials = len(values)
    spread = values.std(axis=0, ddof=1) / np.sqrt(trials) if trials > 1 else np.zeros(values.shape[1])
    return values.mean(axis=0), spread


def _place(names: tuple[str, ...], name: str) -> int:
    if name not in names:
        raise InputError(f"no agent '{name}'; {did_you_mean(name, names)}")
    return names.index(name)


def as_rows(result: BanditResult, kind: str = "pseudo") -> list[dict[str, Any]]:
    """Return the mean regret of each agent at each checkpoint with its band, as a figure's rows."""
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(result.names):
        mean, error = mean_and_error(result.regret(kind)[place])
        for at, value, around in zip(result.checkpoints, mean, error, strict=True):
            rows.append(
                {
                    "round": int(at),
                    "value": float(value),
                    "low": float(value - around),
                    "high": float(value + around),
                    "agent": name,
                }
            )
    return rows
