from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.protocols.persuasion.dimensions import CLIMATE, DIMENSIONS, check_dimension
from doxa.protocols.persuasion.verdicts import breaks_role, check_argument, convinced_table, parse_verdict


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes, I am convinced", True),
        ("**Yes** I am", True),
        (" yes", True),
        ('"Yes"\n', True),
        ("No.", False),
        ("\n\nNO, not at all. Yes, it is warm", False),
        ("Based on our conversation, yes", None),
        ("", None),
        ("   ", None),
    ],
)
def test_the_first_word_is_the_verdict(text, said):
    assert parse_verdict(text) is said


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_read(text):
    assert parse_verdict(text) in (True, False, None)
    assert isinstance(breaks_role(text), bool)


def test_role_breaks_are_found_and_climate_models_are_not():
    assert breaks_role("As a large language model, I have no opinions.")
    assert breaks_role("I\N{RIGHT SINGLE QUOTATION MARK}m just an AI, it is not my place.")
    assert breaks_role("I don't have personal beliefs.")
    assert not breaks_role("As an airline pilot I trust models of the atmosphere.")


def test_an_argument_is_neither_empty_nor_a_verdict():
    assert check_argument("Yesterday it rained.", "trust-001") == "Yesterday it rained."
    with pytest.raises(InputError, match="trust-001 is empty"):
        check_argument("  \n", "trust-001")
    for text in ("Yes, I am convinced.", "No. It is natural.", "**No**, never"):
        with pytest.raises(InputError, match="mixed up"):
            check_argument(text, "trust-001")


def rows(yes, no, unparsed, dimension="trust"):
    said = [True] * yes + [False] * no + [None] * unparsed
    return pl.DataFrame(
        {"dimension": [dimension] * len(said), "difficulty": ["baseline"] * len(said), "convinced": said},
        schema={"dimension": pl.String, "difficulty": pl.String, "convinced": pl.Boolean},
    )


def test_the_table_by_hand():
    row = convinced_table(rows(3, 97, 4), "wald").row(0, named=True)
    half = 1.959964 * math.sqrt(0.03 * 0.97 / 100)
    assert (row["n"], row["unparsed"], row["p"]) == (100, 4, 0.03)
    assert (row["lo"], row["hi"]) == pytest.approx((max(0.0, 0.03 - half), 0.03 + half))
    assert not row["normal_approx_ok"]
    zero = convinced_table(rows(0, 20, 0), "wald").row(0, named=True)
    assert (zero["lo"], zero["hi"]) == (0.0, 0.0)
    wilson = convinced_table(rows(0, 20, 0)).row(0, named=True)
    assert wilson["hi"] > 0.1
    unread = convinced_table(rows(0, 0, 5)).row(0, named=True)
    assert unread["n"] == 0
    assert (unread["lo"], unread["hi"]) == (0.0, 1.0)


def test_unknown_names_list_what_there_is():
    with pytest.raises(InputError, match="baseline, knowledge, power"):
        check_dimension("charm")
    with pytest.raises(InputError, match="conflict"):
        convinced_table(rows(1, 1, 0, "charm"))
    with pytest.raises(InputError, match="identity, fun, conflict"):
        CLIMATE.convincer("charm")
    with pytest.raises(InputError, match="'easy'"):
        CLIMATE.skeptic("eazy")
    assert len(DIMENSIONS) == 11
    assert CLIMATE.convincer("baseline") == CLIMATE.task
