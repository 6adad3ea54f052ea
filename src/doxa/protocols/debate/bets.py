"""Tables of bets: who bet how much on its own victory, after which speech of which debate.

The published schema is read from a path of the user's (``all_bets.csv``); tables of our own runs have the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from doxa.errors import InputError, did_you_mean
from doxa.protocols.debate.checking import checked

Side: TypeAlias = Literal["proposition", "opposition"]
SIDES: tuple[Side, ...] = ("proposition", "opposition")
STAGES = ("opening", "rebuttal", "closing")
MULTI_STAGES = ("opening", "rebuttal", "rebuttal 2", "closing")
CONDITIONS = (
    *("cross_model", "self_debate", "informed_self", "public_bets", "self_redteam"),
    "multi_round",
)
"""The five conditions of the paper and the extension in its data, which has two rebuttals."""

ALIASES = {
    "debate_against_same_model": "self_debate",
    "debate_against_same_model_informed_with_50_probability": "informed_self",
}
"""Labels of earlier releases of the table, in the form that ``condition_of`` compares."""

ROWS: dict[str, pl.DataType] = {
    "debate": pl.String(),
    "condition": pl.String(),
    "model": pl.String(),
    "side": pl.String(),
    "stage": pl.String(),
    "bet": pl.Float64(),
    "proposition_model": pl.String(),
    "opposition_model": pl.String(),
    "motion": pl.String(),
    "reasoning": pl.String(),
}
"""Columns of a table: one row per debate, side and stage. ``bet`` is in [0, 100], null where none could be read."""

PUBLISHED = {
    "debate_id": "debate",
    "experiment_type": "condition",
    "betting_model": "model",
    "proposition_model": "proposition_model",
    "opposition_model": "opposition_model",
    "side": "side",
    "speech_type": "stage",
    "bet_amount": "bet",
    "topic": "motion",
    "bet_reasoning": "reasoning",
}
"""Columns of the published table and what they are called here."""


@dataclass(frozen=True)
class BetTable:
    """Checked bets.

    Attributes:
        rows: one row per debate, side and stage, with the columns of ``ROWS``.
        warnings: what had to be decided on the way in, in sentences; empty if nothing.
    """

    rows: pl.DataFrame
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_csv(cls, path: str | Path, *, conditions: Mapping[str, str] | None = None) -> BetTable:
        """Read a table of the published schema.

        Args:
            path: a CSV file with the columns of ``PUBLISHED``.
            conditions: labels of the file that are not known here, and the condition each stands for.

        Raises:
            InputError: the file cannot be read, lacks a column, or holds bets that cannot be used; the message
                says which debate, side and stage.
        """
        try:
            frame = pl.read_csv(path, infer_schema=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{path}: cannot be read as CSV ({error})") from error
        lacking = [name for name in PUBLISHED if name not in frame.columns]
        if lacking:
            raise InputError(
                f"{path}: has no column {', '.join(lacking)}; it must have {', '.join(PUBLISHED)}"
            )
        frame = frame.select(pl.col(given).alias(name) for given, name in PUBLISHED.items())
        return cls.from_rows(frame, conditions=conditions)

    @classmethod
    def from_rows(
        cls,
        rows: pl.DataFrame | Sequence[Mapping[str, Any]],
        *,
        conditions: Mapping[str, str] | None = None,
    ) -> BetTable:
        """Return the checked table of rows with the columns of ``ROWS``; errors as in :meth:`from_csv`.

        A stage that one side lacks, a bet outside 0 to 100, bets on a scale of 1 or 10 and repeated rows are
        refused. An id that stands for several debates is told apart by models, motion and order, with a warning.
        """
        frame = pl.DataFrame(rows, infer_schema_length=None) if not isinstance(rows, pl.DataFrame) else rows
        labels = {str(label): condition_of(str(label), conditions) for label in frame["condition"].unique()}
        frame = frame.with_columns(pl.col("condition").cast(pl.String).replace(labels))
        good, warnings = checked(frame.select(*ROWS), SIDES, STAGES)
        return cls(good.cast(pl.Schema(ROWS)), warnings)

    @classmethod
    def from_own(cls, rows: Sequence[Mapping[str, Any]]) -> BetTable:
        """Return the table of bets that were read here, with the columns of ``ROWS``: a number says what it is."""
        return cls(pl.DataFrame(rows, schema=pl.Schema(ROWS)))

    @property
    def missing(self) -> int:
        """Number of bets that could not be read."""
        return int(self.rows["bet"].null_count())

    @property
    def debates(self) -> list[str]:
        """Ids of the debates, in order."""
        return self.rows["debate"].unique(maintain_order=True).to_list()

    def where(self, **columns: str) -> BetTable:
        """Return the rows in which columns have these values, for example ``condition="cross_model"``."""
        return BetTable(self.rows.filter(*(pl.col(name) == value for name, value in columns.items())))

    def groups(self, by: str = "") -> dict[str, BetTable]:
        """Return the parts of the table by the values of a column, sorted; "" gives it whole as ``all``.

        Raises:
            InputError: there is no such column to group by.
        """
        if not by:
            return {"all": self}
        known = ("condition", "model", "side", "motion", "debate")
        if by not in known:
            raise InputError(f"by={by!r}: {did_you_mean(by, known)}")
        return {name: self.where(**{by: name}) for name in sorted(self.rows[by].unique())}

    def wide(self) -> pl.DataFrame:
        """Return one row per debate and side with the bets of its stages as columns."""
        about = ["debate", "condition", "model", "side", "motion"]
        stages = [stage for stage in MULTI_STAGES if stage in STAGES or stage in self.rows["stage"]]
        wide = (
            self.rows.group_by(about, maintain_order=True)
            .agg(pl.col("bet").filter(pl.col("stage") == stage).first().alias(stage) for stage in stages)
            .sort("debate", pl.col("side") != SIDES[0])
        )
        return wide.select(*about, *stages)

    def pairs(self, stage: str = "closing") -> pl.DataFrame:
        """Return one row per debate with both sides' bets after a stage; a debate with a missing one is left out."""
        of = self.rows.filter(pl.col("stage") == stage)
        sides = [
            of.filter(pl.col("side") == side).select("debate", pl.col("bet").alias(side)) for side in SIDES
        ]
        return sides[0].join(sides[1], on="debate").drop_nulls().sort("debate")


def condition_of(label: str, conditions: Mapping[str, str] | None = None) -> str:
    """Return the condition a label of a table stands for, whatever its case and signs.

    >>> condition_of("Cross-model"), condition_of("Public Bets")
    ('cross_model', 'public_bets')
    """
    given = (conditions or {}).get(label, label)
    letters = "".join(sign if sign.isalnum() else " " for sign in given.lower())
    plain = "_".join(letters.split())
    plain = ALIASES.get(plain, plain)
    if plain not in CONDITIONS:
        raise InputError(f"condition {label!r}: {did_you_mean(plain, CONDITIONS)} Or say what it stands for")
    return plain
