"""Picks: the choices above a picture, which stand in its address, and how they are read from a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.lab.view.lines_picture import shown
from doxa.lab.view.panels import Query
from doxa.lab.view.run_data import whole
from doxa.lab.view.series import CHOICES


def pick(
    name: str, label: str, options: Iterable[Sequence[Any] | str], value: str, *, every: str = ""
) -> dict[str, Json]:
    """Return one choice as a panel's script draws it.

    Args:
        name: in the address.
        label: before the choice.
        options: values, or pairs of a value and words for it.
        value: what is picked now.
        every: words for no choice at all; "" where there is always one.
    """
    pairs: list[list[Json]] = [
        [option, shown(option)] if isinstance(option, str) else [str(option[0]), str(option[1])]
        for option in options
    ]
    if every:
        pairs = [pair for pair in pairs if pair[0] != ""]
    more = len(pairs) > CHOICES
    listed: list[Json] = [*([["", every]] if every else []), *pairs[:CHOICES]]
    return {"name": name, "label": label, "options": listed, "value": value, "more": more}


def checked(query: Query, names: Sequence[str]) -> Query:
    """Return the query if all its names are known.

    Raises:
        InputError: one is not.
    """
    for name in query:
        if name not in names:
            raise InputError(
                f"{name!r}: nothing of this name can be picked here; {did_you_mean(name, names)}"
            )
    return query


def one_of(query: Query, name: str, known: Iterable[str], default: str | None = None) -> str:
    """Return the value of a closed choice; by default the first of those known.

    Raises:
        InputError: it is none of those known.
    """
    allowed = list(known)
    value = query.get(name) or (allowed[0] if default is None else default)
    if value not in allowed:
        raise InputError(f"{name}={value!r}: {did_you_mean(value, allowed)}")
    return value


def whole_number(query: Query, name: str, default: int, most: int | None = None) -> int:
    """Return a number of a query.

    Raises:
        InputError: it is no whole number, negative, or too large.
    """
    found = whole(query.get(name, str(default)), name)
    if found < 0 or (most is not None and found > most):
        allowed = ">= 0" if most is None else f"0 to {most}"
        raise InputError(f"{name}={found}: must be {allowed}")
    return found


def values_of(rows: Iterable[Mapping[str, Any]], column: str) -> list[str]:
    """Return the values of a column of counted rows, sorted."""
    return sorted({str(row[column]) for row in rows})
