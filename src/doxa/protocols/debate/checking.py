"""What a table of bets must be before anything is computed from it; each refusal names the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from doxa.errors import InputError

_IDENTITY = ("condition", "debate", "proposition_model", "opposition_model", "motion")
FEW = 6
"""A model with fewer bets than this may by chance have none above 10."""


class Checked(NamedTuple):
    """Rows that can be used, and what had to be decided."""

    rows: pl.DataFrame
    warnings: tuple[str, ...]


def checked(rows: pl.DataFrame, sides: Sequence[str], stages: Sequence[str]) -> Checked:
    """Return usable rows with one debate to an id, or raise InputError; see ``BetTable.from_rows``."""
    if rows.is_empty():
        raise InputError("the table has no bets; there is nothing to evaluate")
    rows = rows.with_columns(pl.col("side", "stage").cast(pl.String).str.strip_chars().str.to_lowercase())
    known_stages = [*stages, *(f"{stage} 2" for stage in stages)]
    for column, known in (("side", sides), ("stage", known_stages)):
        strange = [value for value in rows[column].unique() if value not in known]
        if strange:
            raise InputError(f"{column} {strange[0]!r}: must be one of {', '.join(known)}")
    rows = _numbers(rows)
    _scale(rows)
    rows = _numbered_rebuttals(rows)
    return _one_debate_each(rows, sides)


def _numbers(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with bets as numbers in [0, 100], null where the cell is empty."""
    text = pl.col("bet").cast(pl.String).str.strip_chars()
    empty = text.is_null() | text.str.to_lowercase().is_in(["", "nan", "none", "null"])
    read = rows.with_columns(
        _text=text, bet=pl.when(~empty).then(text.cast(pl.Float64, strict=False)), _empty=empty
    )
    wrong = read.filter(
        ~pl.col("_empty") & (pl.col("bet").is_null() | ~pl.col("bet").is_between(0, 100).fill_null(False))
    )
    if wrong.height:
        one = wrong.row(0, named=True)
        raise InputError(f"{_where(one)}: bet {one['_text']!r} must be a number from 0 to 100")
    return read.drop("_text", "_empty")


def _scale(rows: pl.DataFrame) -> None:
    """Raise InputError if a model's bets are shares or on a scale to 10; they are not averaged with others."""
    shares = rows.filter(pl.col("bet").is_between(0, 1, closed="none"))
    if shares.height:
        one = shares.row(0, named=True)
        raise InputError(
            f"{_where(one)}: bet {one['bet']:g} looks like a share of 1; bets go from 0 to 100, multiply by 100"
        )
    most = rows.group_by("model").agg(pl.col("bet").max().alias("most"), pl.col("bet").count().alias("n"))
    for model, top, count in most.sort("model").iter_rows():
        if count >= FEW and top <= 10:
            scale = 1 if top <= 1 else 10
            raise InputError(
                f"model {model!r}: none of its {count} bets is above {top:g}, as on a scale to {scale}; "
                "bets go from 0 to 100, rescale them first"
            )


def _numbered_rebuttals(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the second rebuttal of each side of a multi-round debate named as such."""
    multi = (pl.col("condition") == "multi_round") & (pl.col("stage") == "rebuttal")
    turn = pl.int_range(pl.len()).over([*_IDENTITY, "side", "stage"]) % 2
    second = multi & (turn == 1)
    if rows.filter(pl.col("stage") == "rebuttal 2").height:  # already named
        return rows
    return rows.with_columns(stage=pl.when(second).then(pl.lit("rebuttal 2")).otherwise(pl.col("stage")))


def _one_debate_each(rows: pl.DataFrame, sides: Sequence[str]) -> Checked:
    """Return the rows with ids that name one debate each; raise InputError for what is missing or doubled."""
    warnings: list[str] = []
    cases = rows.select(*_IDENTITY).unique(maintain_order=True)
    shared = cases.group_by("debate", maintain_order=True).len().filter(pl.col("len") > 1)
    if shared.height:
        first = shared["debate"][0]
        warnings.append(
            f"{shared.height} ids, such as {first!r}, stand for debates of different conditions, models or motions; "
            "they were told apart by these"
        )
    parts: list[pl.DataFrame] = []
    repeated: list[str] = []
    seen: dict[str, int] = {}
    for part in rows.partition_by(_IDENTITY, maintain_order=True):
        times = _times(part, sides)
        name = str(part["debate"][0])
        if times > 1:
            repeated.append(name)
        turn = pl.int_range(pl.len()).over("side", "stage")
        alone = times == 1 and name not in shared["debate"]
        number = seen.get(name, 0) + 1 + turn
        seen[name] = seen.get(name, 0) + times
        named = pl.col("debate") if alone else pl.format("{}#{}", pl.lit(name), number)
        parts.append(part.with_columns(debate=named))
    if repeated:
        warnings.append(
            f"{len(repeated)} ids, such as {repeated[0]!r}, stand for several debates with the same models and "
            "motion; their rows were paired in the order they have"
        )
    return Checked(pl.concat(parts), tuple(warnings))


def _times(part: pl.DataFrame, sides: Sequence[str]) -> int:
    """Return how many debates a group of rows holds: as many as each side has bets at each stage."""
    one = part.row(0, named=True)
    where = f"debate {one['debate']!r} ({one['condition']})"
    expected = [
        "opening",
        "rebuttal",
        *(["rebuttal 2"] if one["condition"] == "multi_round" else []),
        "closing",
    ]
    counts = {
        (side, stage): part.filter(pl.col("side") == side, pl.col("stage") == stage).height
        for side in sides
        for stage in expected
    }
    extra = part.filter(~pl.col("stage").is_in(expected))
    if extra.height:
        raise InputError(f"{where}: has a stage {extra['stage'][0]!r}, which this condition does not have")
    for (side, stage), count in counts.items():
        if count == 0:
            raise InputError(f"{where}: the {side} has no bet after its {stage}; complete it or leave it out")
    if len(set(counts.values())) > 1:
        (side, stage), most = max(counts.items(), key=lambda item: item[1])
        least = min(counts.values())
        raise InputError(
            f"{where}: {most} rows for the {side}'s {stage} and {least} for another speech; give each debate, "
            "side and stage one row"
        )
    for column, side in (("proposition_model", sides[0]), ("opposition_model", sides[1])):
        wrong = part.filter(pl.col("side") == side, pl.col("model") != pl.col(column))
        if wrong.height:
            raise InputError(
                f"{where}: {wrong['model'][0]!r} bets for the {side}, whose model is {one[column]!r}"
            )
    times = next(iter(counts.values()))
    if times > 1 and part.unique().height < part.height:
        raise InputError(f"{where}: the same row stands there twice, word for word; give it once")
    return times


def _where(row: dict[str, object]) -> str:
    return f"debate {row['debate']!r}, {row['side']}, {row['stage']}"
