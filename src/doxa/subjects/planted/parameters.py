"""The parameters of planted subjects: numbers with a meaning, a unit and a range, read from an address."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from doxa.errors import InputError, did_you_mean

C = TypeVar("C")


def parameter(default: float, doc: str, *, minimum: float, maximum: float, unit: str = "") -> Any:
    """Declare a parameter.

    Args:
        default: its value when the address does not give one.
        doc: what it means, one sentence.
        minimum: least allowed value.
        maximum: greatest allowed value.
        unit: unit of the value, or "" for a pure number.
    """
    return dataclasses.field(
        default=default, metadata={"doc": doc, "minimum": minimum, "maximum": maximum, "unit": unit}
    )


def read_parameters(kind: type[C], subject: str, given: Mapping[str, str]) -> C:
    """Return the parameters of a planted subject from the texts of its address.

    Raises:
        InputError: an unknown parameter, no number, or a number out of range.
    """
    known = {item.name: item for item in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    values: dict[str, float] = {}
    for name, text in given.items():
        if name not in known:
            raise InputError(f"planted:{subject} has no parameter '{name}'; {did_you_mean(name, known)}")
        values[name] = _number(name, text, known[name].metadata)
    return kind(**values)


def _number(name: str, text: str, limits: Mapping[str, Any]) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{name}={text!r}: must be a number, as in {name}={limits['minimum']}") from None
    if not math.isfinite(value) or not limits["minimum"] <= value <= limits["maximum"]:
        unit = f" {limits['unit']}" if limits["unit"] else ""
        raise InputError(f"{name}={text}: must be between {limits['minimum']} and {limits['maximum']}{unit}")
    return value
