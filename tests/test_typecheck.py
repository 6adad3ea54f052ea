"""Shapes and types of doxa are checked while the tests run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from jaxtyping import Float, Int

from doxa.belief.log_odds import credence_of
from tests.typecheck import CHECKED, ONE_OF, begin_test, checked

Vector = Float[np.ndarray, " n"]


@checked
def total(numbers: Vector, weights: Float[np.ndarray, " n"], power: float = 1) -> Float[np.ndarray, ""]:
    return np.array((numbers**power * weights).sum())


@checked
def longer(numbers: Vector) -> Vector:
    return np.append(numbers, 0.0)


@checked
def shown(name: str, times: int | None = None) -> str:
    return name if times is None else times  # type: ignore[return-value]


@checked
def rows(table: Float[np.ndarray, "n d"], index: Int[np.ndarray, " n"]) -> Iterator[Float[np.ndarray, " d"]]:
    for one in index:
        yield table[one]


@checked
@dataclass(frozen=True)
class Point:
    place: Vector
    name: str


def test_what_fits_passes() -> None:
    assert total(np.ones(3), np.ones(3)) == 3.0
    assert shown("a") == "a"
    assert len(list(rows(np.ones((2, 4)), np.array([1, 0])))) == 2
    assert Point(np.ones(2), "a").name == "a"


def test_sizes_of_one_call_are_compared_and_those_of_two_calls_are_not() -> None:
    total(np.ones(3), np.ones(3))
    total(np.ones(4), np.ones(4))
    with pytest.raises(jaxtyping.TypeCheckError):
        total(np.ones(3), np.ones(4))
    with pytest.raises(jaxtyping.TypeCheckError):
        longer(np.ones(3))


def test_kinds_and_axes_are_checked() -> None:
    for wrong in (np.ones(3, dtype=int), np.ones((3, 1)), [1.0]):
        with pytest.raises(jaxtyping.TypeCheckError):
            longer(wrong)
    with pytest.raises(jaxtyping.TypeCheckError):
        rows(np.ones((2, 4)), np.array([1]))


def test_types_without_arrays_are_checked_on_the_way_in_and_out() -> None:
    for arguments in ((1,), ("a", "b"), ("a", 1)):
        with pytest.raises(jaxtyping.TypeCheckError):
            shown(*arguments)


def test_fields_of_data_classes_are_checked() -> None:
    for place, name in ((np.ones((1, 1)), "a"), (np.ones(1), 2)):
        with pytest.raises(jaxtyping.TypeCheckError):
            Point(place, name)


def grown(by: int):
    @checked
    def add(number: int, numbers: Vector | None = None, *, fall: bool = False) -> int:
        if fall:
            raise ZeroDivisionError
        return number + by if numbers is None else len(numbers) + grown(by + 1)(number)

    return add


def test_functions_made_anew_are_each_their_own_and_checked() -> None:
    one, ten = grown(1), grown(10)
    assert (one(1), ten(1), one(1)) == (2, 11, 2)
    for add, wrong in ((one, "a"), (ten, 1.5), (grown(2), None)):
        with pytest.raises(jaxtyping.TypeCheckError):
            add(wrong)
        with pytest.raises(ZeroDivisionError):
            add(1, fall=True)
        with pytest.raises(jaxtyping.TypeCheckError):
            add(1, np.ones((2, 2)))
    assert (ten(1, np.ones(3)), one(1)) == (3 + 12, 2)


def test_a_generator_stays_the_functions_own() -> None:
    @checked
    def counted(until: int) -> Iterator[int]:
        yield from range(until)

    assert counted(2).gi_code is counted.__wrapped__.__code__
    with pytest.raises(jaxtyping.TypeCheckError):
        counted("a")


def test_a_name_known_to_type_checkers_alone_is_not_checked() -> None:
    def late(one: Unknown, other: int) -> None:  # noqa: F821
        return None

    assert checked(late)("anything", 1) is None
    with pytest.raises(jaxtyping.TypeCheckError):
        checked(late)("anything", "b")


def test_checking_can_be_left_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert shown("a", 1) == 1
    assert len(longer(np.ones(3))) == 4


def test_of_many_calls_the_first_in_a_test_are_checked_and_then_one_of_some() -> None:
    def refused(calls: int) -> int:
        count = 0
        for _ in range(calls):
            try:
                shown("a", 1)
            except jaxtyping.TypeCheckError:
                count += 1
        return count

    begin_test()
    assert refused(CHECKED) == CHECKED
    assert refused(10 * ONE_OF) == 10
    begin_test()
    assert refused(1) == 1


def test_doxa_itself_is_checked() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        credence_of(Path("0.5"))
