"""Dialogues held from a script: many agents and seeds side by side, and what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.belief.recovery import coherence, loop_area, recovery, response_lag
from doxa.dynamics.affect import MoodSpace
from doxa.errors import InputError, did_you_mean
from doxa.lab.figures import Figure, curves
from doxa.lab.record import Recorder
from doxa.protocols.affect.injectors import PromptInjector, leakage
from doxa.protocols.affect.script import DialogueScript
from doxa.protocols.affect.turn import Turn

Series: TypeAlias = Literal["signal", "state", "expressed"]
"""What moved the mood, the mood, or the estimator's reading of the replies."""


@dataclass(frozen=True, eq=False)
class DialogueRun:
    """One dialogue: an agent, a seed, and its turns."""

    condition: str
    seed: int
    turns: tuple[Turn, ...]

    def series(self, of: Series) -> Float[np.ndarray, "turns d"]:
        """Return a series over the turns, NaN where a reply is missing."""
        return np.array([getattr(turn, of) for turn in self.turns])

    @property
    def missing(self) -> int:
        """How many turns have no reply."""
        return sum(bool(turn.missing) for turn in self.turns)


@dataclass(frozen=True, eq=False)
class DialogueRuns:
    """Dialogues of one script.

    Attributes:
        script: what the user said.
        space: dimensions of mood and signal.
        runs: in the order of conditions and seeds.
    """

    script: DialogueScript
    space: MoodSpace
    runs: tuple[DialogueRun, ...]

    def of(self, condition: str) -> DialogueRuns:
        """Return the runs of one condition.

        Raises:
            InputError: there is none of that name.
        """
        kept = tuple(run for run in self.runs if run.condition == condition)
        if not kept:
            known = {run.condition for run in self.runs}
            raise InputError(f"condition {condition!r}; {did_you_mean(condition, known)}")
        return DialogueRuns(self.script, self.space, kept)

    def series(self, of: Series) -> Float[np.ndarray, "runs turns d"]:
        """Return a series of all runs."""
        return np.array([run.series(of) for run in self.runs])

    def to_frame(self) -> pl.DataFrame:
        """Return a row for each turn: condition, seed, turn, phase, texts, and each series by dimension."""
        rows: list[dict[str, Any]] = []
        for run in self.runs:
            for turn, line in zip(run.turns, self.script.lines, strict=True):
                told = {
                    "condition": run.condition,
                    "seed": run.seed,
                    "turn": turn.number,
                    "phase": line.phase,
                }
                said = {"user": turn.user, "reply": turn.reply, "missing": turn.missing}
                numbers = {
                    f"{of}_{name}": _number(value)
                    for of in get_args(Series)
                    for name, value in zip(self.space.names, getattr(turn, of), strict=True)
                }
                rows.append({**told, **said, **numbers})
        return pl.DataFrame(rows, infer_schema_length=None)

    def metrics(self, eps: float = 0.1) -> pl.DataFrame:
        """Return a row for each run, series (``state``, ``expressed``) and dimension.

        Columns are those of ``doxa.belief.recovery``: coherence (autocorrelation, jump, variation); the shock's peak,
        its delay, crossing and settling, null where they did not come until ``last``; overshoot and oscillations; the
        loop over the signal and over its cumulative sum, from the shock to the end of the reconciliation; the lag
        behind the signal. Valence and dominance dip, arousal rises. All are null where a turn has no reply, and
        ``missing`` says how many have none.

        Args:
            eps: width of what counts as recovered.
        """
        rows = [
            {
                "condition": run.condition, "seed": run.seed, "series": of, "dimension": name,
                "missing": run.missing if of == "expressed" else 0,
                **self._measured(run, of, place, eps),
            }
            for run in self.runs
            for of in ("state", "expressed")
            for place, name in enumerate(self.space.names)
        ]  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def leakage(self, injector: PromptInjector) -> pl.DataFrame:
        """Return for each run the share of replies that have words of the state in them.

        A stateless run, to which nothing is told, has the share that comes by chance.
        """
        rows = [
            {
                "condition": run.condition,
                "seed": run.seed,
                "leakage": _number(
                    leakage(
                        [turn.reply for turn in run.turns if not turn.missing],
                        np.array([turn.state for turn in run.turns if not turn.missing]).reshape(
                            -1, self.space.size
                        ),
                        injector,
                    )
                ),
            }
            for run in self.runs
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def plot(self, of: Series = "state", dimension: str = "valence") -> Figure:
        """Return the figure of one series and dimension over the turns: means over seeds, bands from least to most."""
        if dimension not in self.space.names:
            raise InputError(f"dimension {dimension!r}; {did_you_mean(dimension, self.space.names)}")
        place = self.space.names.index(dimension)
        rows: list[dict[str, Any]] = []
        for condition in dict.fromkeys(run.condition for run in self.runs):
            values = self.of(condition).series(of)[:, :, place]
            for turn, now in enumerate(values.T, 1):
                there = now[~np.isnan(now)]
                if len(there):
                    rows.append(
                        {
                            "turn": turn,
                            "condition": condition,
                            "value": float(there.mean()),
                            "low": float(there.min()),
                            "high": float(there.max()),
                        }
                    )
        return curves(
            f"{of}-{dimension}",
            f"{dimension.capitalize()} over the dialogue: {of}",
            "Lines: means over seeds. Bands: from the lowest to the highest seed. Shades: phases of the script.",
            rows,
            x="turn", value="value", low="low", high="high", group="condition",
            x_title="turn", value_title=f"{dimension}, {of}",
            spans={phase: (first - 0.5, last + 0.5) for phase, (first, last) in self.script.spans.items()},
            domain=(self.space.low[place], self.space.high[place]),
        )  # fmt: skip

    def record(self, recorder: Recorder, *, subject: str = "") -> None:
        """Add every turn to a cell's record: its texts to the transcripts, its numbers to the measures."""
        for run in self.runs:
            for turn, line in zip(run.turns, self.script.lines, strict=True):
                place: dict[str, Any] = {"subject": subject, "condition": run.condition}
                talk = f"{self.script.name} {run.condition} {run.seed}"
                for offset, (role, text) in enumerate((("user", turn.user), ("assistant", turn.reply))):
                    recorder.utterance(
                        **place, conversation=talk, turn=2 * turn.number - 2 + offset, role=role, text=text,
                        phase=line.phase, dialogue_seed=run.seed, missing=turn.missing if offset else "",
                    )  # fmt: skip
                for of in get_args(Series):
                    for name, value in zip(self.space.names, getattr(turn, of), strict=True):
                        reason: dict[str, str] = {"missing": turn.missing} if np.isnan(value) else {}
                        recorder.measure(
                            f"{of}_{name}", _number(value), **place, axis="turn", time=turn.number,
                            dialogue_seed=run.seed, phase=line.phase, **reason,
                        )  # fmt: skip

    def _measured(self, run: DialogueRun, of: Series, place: int, eps: float) -> dict[str, Any]:
        x, signal = run.series(of)[:, place], run.series("signal")[:, place]
        if np.isnan(x).any():
            return dict.fromkeys(_COLUMNS)
        script = self.script
        way = "rise" if self.space.names[place] == "arousal" else "dip"
        told = recovery(x, script.shock, script.reconciliation, eps=eps, way=way)
        moved = slice(script.shock - 1, script.spans["reconciliation"][1])
        lag = response_lag(signal, x)
        found = {
            **{f"coherence_{name}": value for name, value in coherence(x)._asdict().items()},
            **told._asdict(),
            "loop": loop_area(signal[moved], x[moved]),
            "cumulative_loop": loop_area(np.cumsum(signal)[moved], x[moved]),
            "lag": lag.lag,
            "lag_correlation": lag.correlation,
        }
        return {name: _number(value) if isinstance(value, float) else value for name, value in found.items()}


_COLUMNS = (
    *("coherence_autocorrelation", "coherence_jump", "coherence_variation", "baseline", "peak", "peak_turn"),
    *("peak_delay", "crossing", "settling", "recovered", "settled", "overshoot", "oscillations", "last"),
    *("loop", "cumulative_loop", "lag", "lag_correlation"),
)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
