from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.protocols import trust
from doxa.protocols.trust.believing import read_statement
from doxa.protocols.trust.parsing import (
    parse_amount,
    parse_effect_size,
    parse_level_dollars,
    parse_ranking,
    unanswered,
)
from doxa.subjects.base import Reply

GAME = trust.TrustGame()
LEVELS = ("High", "Moderate", "Low")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I could give 3 dollars. Finally, I will give 7 dollars.", 7),
        ("**Finally, I will give $4.**", 4),
        ("Action: give 0 dollars", 0),
        ("I have $10 and part with $6", 6),
        ("Finally, I will give 10 dollars, of my 10 dollars.", 10),
        ("Finally, I will give 5.0 dollars", 5),
        ("I will give them 8 dollars", 8),
    ],
)
def test_amounts(text, value):
    assert parse_amount(text, GAME).value == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Finally, I will give 11 dollars.", "above the endowment of 10"),
        ("Finally, I will give -2 dollars.", "negative"),
        ("Finally, I will give 2.5 dollars.", "not whole"),
        ("Finally, I will give 1000 cents.", "in cents"),
        ("Finally, I will give ___ dollars", "no amount"),
        ("I trust them.", "no amount"),
        ("I'm sorry, but I can't answer that.", "refusal"),
    ],
)
def test_amounts_that_are_none_are_never_clipped(text, why):
    found = parse_amount(text, GAME)
    assert found.value is None
    assert why in found.missing


@settings(deadline=None)
@given(st.text(max_size=300))
def test_readers_are_total(text):
    parse_amount(text, GAME)
    parse_ranking(text, "openness", LEVELS)
    parse_effect_size(text)
    parse_level_dollars(text, "openness", LEVELS, GAME)


def test_rankings_in_any_dress():
    for text in (
        "Ranking: High > Moderate > Low\nEffect size: 0.06",
        "**Ranking:** Openness: High > Openness: Moderate > Openness: Low",
        "I think\nhigh > MODERATE > low.",
    ):
        assert parse_ranking(text, "openness", LEVELS).levels == LEVELS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Ranking: High > Low", "misses the level 'Moderate' of openness"),
        ("Ranking: High > Low > High", "repeats the level 'High' of openness"),
        ("Ranking: High > Modrate > Low", "did you mean 'Moderate'"),
        ("Ranking: High = Moderate > Low", "unknown level"),
        ("They trust alike.", "no ranking"),
        ("", "no ranking"),
    ],
)
def test_rankings_that_are_none(text, why):
    found = parse_ranking(text, "openness", LEVELS)
    assert found.levels is None
    assert why in found.missing


def test_effect_sizes():
    assert parse_effect_size("Effect size: .06").value == 0.06
    assert [parse_effect_size(f"Effect size: {word}").value for word in ("small", "Medium", "large")] == [
        0.01,
        0.06,
        0.14,
    ]
    assert parse_effect_size("Effect size (eta squared): large, 0.2").value == 0.2
    assert "outside" in parse_effect_size("Effect size: 3").missing
    assert "neither" in parse_effect_size("Effect size: small to medium").missing
    assert "no effect size" in parse_effect_size("none").missing


def test_tables_of_dollars():
    table = "High = mean 6.5, SD 2.5\nOpenness: Moderate: mean $5.5, SD $2.2\nLow = mean 3.5, SD 1.5"
    found = parse_level_dollars(table, "openness", LEVELS, GAME)
    assert found.means == (6.5, 5.5, 3.5)
    assert found.sds == (2.5, 2.2, 1.5)
    for text, why in (
        ("High = mean 12, SD 1", "outside 0 to 10"),
        ("High = mean 2, SD -1", "must be >= 0"),
        ("High = mean 2", "1 numbers"),
        ("High = mean 2, SD 1", "misses the level 'Moderate'"),
        ("High = mean 2, SD 1\nHigh = mean 2, SD 1", "stands twice"),
        ("Hih = mean 2, SD 1", "did you mean 'High'"),
        ("High = mean 200 cents, SD 1", "cents"),
    ):
        assert why in parse_level_dollars(text, "openness", LEVELS, GAME).missing


def test_the_check_value_of_the_paper():
    groups = ("18-29", "30-44", "45-64", "65+")
    numbers = zip(groups, (3.5, 6.5, 4.5, 5.5), (1.5, 2.5, 1.8, 2.2), strict=True)
    text = "\n".join(f"{group} = mean {mean}, SD {sd}" for group, mean, sd in numbers)
    said = read_statement(Reply(text), "age", groups, "CTX+$", GAME)
    assert said.eta2 == pytest.approx(0.2334899, abs=1e-7)


def test_faults_and_empty_replies_say_so():
    assert unanswered(Reply("", finish="fault", fault="timed out")) == "fault: timed out"
    assert unanswered(Reply(" ")) == "the reply is empty"
