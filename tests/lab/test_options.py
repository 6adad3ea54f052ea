from __future__ import annotations

from typing import Any, Literal

import pytest

from doxa.errors import InputError
from doxa.lab.options import option_value, parse_options, typed_options


def made(
    rng: Any,
    n: int,
    p: float,
    *,
    how: Literal["slow", "fast"] = "slow",
    loud: bool = False,
    top: int | None = None,
) -> None: ...


def untyped(x, y=2, z="a"): ...


def test_options_have_the_types_of_the_function():
    name, texts = parse_options("thing", "made?n=3&p=1e-2&how=fast&loud=true&top=7", "made?n=1")
    assert name == "made"
    found = typed_options("thing", "made", made, texts, without=("rng",))
    assert found == {"n": 3, "p": 0.01, "how": "fast", "loud": True, "top": 7}
    assert typed_options("thing", "untyped", untyped, {"y": "4", "z": "b"}, without=("x",)) == {
        "y": 4,
        "z": "b",
    }
    assert parse_options("thing", "bare", "made?n=1") == ("bare", {})


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"n": "3"}, "thing 'made': say p="),
        ({"n": "3", "p": "1", "hwo": "fast"}, "has no option 'hwo'; did you mean 'how'"),
        ({"n": "3", "p": "1", "rng": "0"}, "has no option 'rng'"),
        ({"n": "three", "p": "1"}, "n=three must be a whole number"),
        ({"n": "3", "p": "much"}, "p=much must be a number"),
        ({"n": "3", "p": "1", "loud": "yes"}, "loud=yes must be true or false"),
        ({"n": "3", "p": "1", "how": "fats"}, "how=fats; did you mean 'fast'"),
        ({"n": "3", "p": "1", "top": "all"}, "top=all must be a whole number"),
    ],
)
def test_errors_say_what_to_type(texts: dict[str, str], message: str):
    with pytest.raises(InputError, match=message):
        typed_options("thing", "made", made, texts, without=("rng",))


@pytest.mark.parametrize("address", ["made?n", "made?n=1&n=2", "made?&"])
def test_an_address_is_pairs(address: str):
    with pytest.raises(InputError, match=r"options are name=value|gives an option twice"):
        parse_options("thing", address, "made?n=1")


def test_other_types_are_text():
    assert option_value("thing", "made", "key", "text", list) == "text"
