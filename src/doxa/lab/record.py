"""The record: tidy tables with fixed columns, in memory as Polars frames, on disk as Parquet.

The columns ``run`` and ``study`` are the same for a whole run; they are added when a run is loaded, so that
a cell's file depends on the cell alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from doxa.belief.log_odds import credence_of, log_odds_of
from doxa.canonical import Json, canonical_json
from doxa.errors import InputError

Readout = Literal["stated", "behavioural", "internal", "reference"]
Axis = Literal["turn", "ply", "token", "layer", "step", "checkpoint", "day", "round", "sweep"]
Verdict = Literal["holds", "fails", "unresolved"]

READOUTS: tuple[str, ...] = ("stated", "behavioural", "internal", "reference")
AXES: tuple[str, ...] = ("turn", "ply", "token", "layer", "step", "checkpoint", "day", "round", "sweep")

SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "beliefs": {
        "condition": pl.String(),
        "seed": pl.Int64(),
        "subject": pl.String(),
        "proposition": pl.String(),
        "axis": pl.String(),
        "time": pl.Float64(),
        "readout": pl.String(),
        "log_odds": pl.Float64(),
        "credence": pl.Float64(),
        "n": pl.Int64(),
        "extra": pl.String(),
    },
    "measures": {
        "condition": pl.String(),
        "seed": pl.Int64(),
        "subject": pl.String(),
        "axis": pl.String(),
        "time": pl.Float64(),
        "measure": pl.String(),
        "value": pl.Float64(),
        "unit": pl.String(),
        "extra": pl.String(),
    },
    "transcripts": {
        "condition": pl.String(),
        "seed": pl.Int64(),
        "subject": pl.String(),
        "conversation": pl.String(),
        "turn": pl.Int64(),
        "role": pl.String(),
        "text": pl.String(),
        "tokens": pl.Int64(),
        "finish": pl.String(),
        "extra": pl.String(),
    },
}
"""Column types of each table, without ``run`` and ``study``."""


class Tables(NamedTuple):
    """The three tables of a cell or of a whole run."""

    beliefs: pl.DataFrame
    measures: pl.DataFrame
    transcripts: pl.DataFrame

    @classmethod
    def empty(cls) -> Tables:
        """Return three tables without rows."""
        return cls(*(pl.DataFrame(schema=SCHEMAS[name]) for name in cls._fields))

    @classmethod
    def concat(cls, parts: Iterable[Tables]) -> Tables:
        """Stack many tables in the order given."""
        parts = [cls.empty(), *parts]
        return cls(*(pl.concat([part[i] for part in parts]) for i in range(len(cls._fields))))

    def check(self) -> Tables:
        """Return self if columns and types are those of the record.

        Raises:
            InputError: a table has other columns or types.
        """
        for name, frame in zip(self._fields, self, strict=True):
            if dict(frame.schema) != SCHEMAS[name]:
                raise InputError(
                    f"table '{name}' has columns {dict(frame.schema)}; the record wants {SCHEMAS[name]}"
                )
        return self


@dataclass
class Recorder:
    """Collects the rows of one cell. ``condition`` and ``seed`` are filled in from the cell.

    A belief is given by ``log_odds`` (nats) or by ``credence`` in [0, 1]; the other is computed.
    """

    condition: str
    seed: int
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})

    def belief(
        self,
        *,
        subject: str,
        proposition: str,
        readout: Readout,
        axis: Axis = "turn",
        time: float = 0.0,
        log_odds: float | None = None,
        credence: float | None = None,
        n: int = 1,
        condition: str | None = None,
        **extra: Json,
    ) -> None:
        """Add one credence. A missing belief has neither number and says why in ``extra`` (``missing=...``)."""
        if readout not in READOUTS:
            raise InputError(f"readout={readout!r}: must be one of {READOUTS}")
        if credence is not None and not 0.0 <= credence <= 1.0:
            raise InputError(f"credence={credence}: must be in [0, 1]")
        if log_odds is None and credence is None and "missing" not in extra:
            raise InputError("a belief needs log_odds or credence; a missing one needs missing='reason'")
        if log_odds is not None and math.isnan(log_odds):
            raise InputError(
                "log_odds=nan: a belief that could not be read is missing='reason', not a number"
            )
        self._rows["beliefs"].append(
            {
                "condition": self.condition if condition is None else condition,
                "seed": self.seed,
                "subject": subject,
                "proposition": proposition,
                "axis": _axis(axis),
                "time": float(time),
                "readout": readout,
                "log_odds": log_odds,
                "credence": credence,
                "n": n,
                "extra": canonical_json(extra),
            }
        )

    def measure(
        self,
        measure: str,
        value: float | None,
        *,
        subject: str,
        unit: str = "",
        axis: Axis = "step",
        time: float = 0.0,
        condition: str | None = None,
        **extra: Json,
    ) -> None:
        """Add one number. ``value=None`` (or NaN) is missing and says why in ``extra`` (``missing=...``).

        The reason may be given beside any value; where there is a value it is not recorded.
        """
        if value is not None and math.isnan(value):
            value = None
        if value is not None:
            extra.pop("missing", None)
        elif "missing" not in extra:
            raise InputError(f"measure '{measure}' has no value; say why with missing='reason'")
        self._rows["measures"].append(
            {
                "condition": self.condition if condition is None else condition,
                "seed": self.seed,
                "subject": subject,
                "axis": _axis(axis),
                "time": float(time),
                "measure": measure,
                "value": None if value is None else float(value),
                "unit": unit,
                "extra": canonical_json(extra),
            }
        )

    def utterance(
        self,
        *,
        subject: str,
        conversation: str,
        turn: int,
        role: str,
        text: str,
        tokens: int = 0,
        finish: str = "",
        condition: str | None = None,
        **extra: Json,
    ) -> None:
        """Add one message of a conversation, raw."""
        self._rows["transcripts"].append(
            {
                "condition": self.condition if condition is None else condition,
                "seed": self.seed,
                "subject": subject,
                "conversation": conversation,
                "turn": turn,
                "role": role,
                "text": text,
                "tokens": tokens,
                "finish": finish,
                "extra": canonical_json(extra),
            }
        )

    def tables(self) -> Tables:
        """Return what was recorded, in the order it was recorded."""
        tables = Tables(
            *(pl.DataFrame(_encodable(self._rows[name]), schema=SCHEMAS[name]) for name in Tables._fields)
        )
        return tables._replace(beliefs=completed(tables.beliefs))


def completed(beliefs: pl.DataFrame) -> pl.DataFrame:
    """Return the table of beliefs with log-odds and credence each computed where only the other is there."""
    return beliefs.with_columns(
        pl.coalesce(pl.col(name), _from(beliefs, other, compute))
        for name, other, compute in (
            ("credence", "log_odds", credence_of),
            ("log_odds", "credence", log_odds_of),
        )
    )


def _from(beliefs: pl.DataFrame, name: str, compute: Callable[[np.ndarray], np.ndarray]) -> pl.Series:
    """Return what follows from a column, nothing where it is empty."""
    given = beliefs[name]
    found = pl.Series(compute(given.fill_null(0.0).to_numpy()), dtype=pl.Float64())
    return found.set(given.is_null(), None)


@dataclass(frozen=True)
class Finding:
    """A claim with an estimate, an interval and a verdict.

    Attributes:
        id: short stable name, unique within the study.
        claim: the sentence that was fixed before the run.
        estimate: the number found; None if it could not be computed, then ``note`` says why.
        interval: lower and upper end of the interval; None if there is none, then ``note`` says why.
        unit: unit of the estimate, or "" for a pure number.
        verdict: ``holds``, ``fails`` or ``unresolved``.
        control: whether this is a control, which holds when the effect is absent.
        paper: the paper's own number in the same unit, or None.
        level: coverage of the interval.
        n: how many independent units (seeds, items, clusters) the interval rests on.
        note: anything a reader must know beside the number.
        bound: the bounds that the verdict was read against, for people; "" where they are not of that form.
    """

    id: str
    claim: str
    estimate: float | None
    interval: tuple[float, float] | None
    verdict: Verdict
    unit: str = ""
    control: bool = False
    paper: float | None = None
    level: float = 0.95
    n: int = 0
    note: str = ""
    bound: str = ""

    @classmethod
    def judged(
        cls,
        name: str,
        claim: str,
        estimate: float | None,
        interval: tuple[float, float] | None,
        *,
        above: float | None = None,
        below: float | None = None,
        **rest: Any,
    ) -> Finding:
        """Return the finding that a number lies within bounds; without a finite estimate it has no interval either.

        Args:
            name: its id.
            claim: the sentence that was fixed before the run.
            estimate: the number; None or NaN where there is none.
            interval: its ends, None where it has none.
            above: lower bound, None for none.
            below: upper bound, None for none.
            rest: further fields.
        """
        known = estimate is not None and math.isfinite(estimate)
        ends = interval if known else None
        verdict = judge(ends, above=above, below=below)
        bound = bound_text(above, below)
        return cls(name, claim, estimate if known else None, ends, verdict, bound=bound, **rest)

    def as_json(self) -> dict[str, Json]:
        """Return the finding as plain JSON; a number that is not finite becomes null."""
        return {
            "id": self.id,
            "claim": self.claim,
            "estimate": _finite(self.estimate),
            "interval": None if self.interval is None else [_finite(end) for end in self.interval],
            "unit": self.unit,
            "verdict": self.verdict,
            "control": self.control,
            "paper": _finite(self.paper),
            "level": self.level,
            "n": self.n,
            "note": self.note,
            "bound": self.bound,
        }


def bound_text(above: float | None, below: float | None) -> str:
    """Return what an interval must lie within, for people; "" for no bounds.

    >>> bound_text(0.15, None), bound_text(-0.25, 0.25), bound_text(1.7, 2.3), bound_text(None, 1e-6)
    ('above 0.15', 'within ±0.25', '1.7 to 2.3', 'below 1e-6')
    >>> bound_text(0.5 - 1e-9, 0.5 + 1e-9), bound_text(1 - 1e-9, None)
    ('0.5 ± 1e-9', 'above 0.999999999')
    """
    if above is not None and below is not None:
        if above == -below:
            return f"within ±{_short(below)}"
        if f"{above:.6g}" == f"{below:.6g}":
            return f"{_short((above + below) / 2)} ± {_short((below - above) / 2)}"
        return f"{_short(above)} to {_short(below)}"
    if above is not None:
        return f"above {_short(above)}"
    return f"below {_short(below)}" if below is not None else ""


def _short(end: float) -> str:
    """Return an end of a bound with six digits, or with more where six would make a whole number of it."""
    text = f"{end:.6g}"
    if float(text) != end and float(text).is_integer():
        text = f"{end:.12g}"
    return text.replace("e-0", "e-")


def judge(
    interval: tuple[float, float] | None, *, above: float | None = None, below: float | None = None
) -> Verdict:
    """Return the verdict of "the quantity is above / below / between these bounds", read from its interval.

    ``holds`` when the whole interval lies strictly within the bounds, ``fails`` when it lies wholly outside,
    ``unresolved`` when it straddles one or there is no interval.

    >>> judge((0.2, 0.4), above=0.15), judge((0.1, 0.4), above=0.15), judge((0.0, 0.1), above=0.15)
    ('holds', 'unresolved', 'fails')
    """
    if interval is None or any(math.isnan(end) for end in interval):
        return "unresolved"
    low, high = interval
    if (above is None or above < low) and (below is None or high < below):
        return "holds"
    if (above is not None and high <= above) or (below is not None and low >= below):
        return "fails"
    return "unresolved"


def _encodable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    r"""Return rows whose texts can be stored: half a surrogate pair, which a model may send, becomes ``\\udXXX``."""
    return [
        {
            name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _axis(axis: str) -> str:
    if axis not in AXES:
        raise InputError(f"axis={axis!r}: must be one of {AXES}")
    return axis


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
