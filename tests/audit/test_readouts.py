"""Three readouts over turns, and where they part."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.audit.audit import audit_subject
from doxa.audit.card import BeliefCard
from doxa.audit.readouts import LEAST_APART, Curve, Readouts, curves, first_apart, partings_text
from doxa.audit.span import Span
from doxa.streams import stream


def curve(readout: str, values: list[float], width: float = 0.02) -> Curve:
    spans = tuple(Span(value, value - width, value + width) for value in values)
    return Curve(readout, tuple(float(turn) for turn in range(len(values))), spans)


def test_the_first_turn_with_disjoint_intervals_by_hand() -> None:
    said, held = curve("stated", [0.9, 0.88, 0.4, 0.1]), curve("internal", [0.9, 0.86, 0.85, 0.86])
    assert first_apart(said, held) == 2.0
    assert first_apart(held, said) == 2.0
    assert first_apart(said, said) is None


def test_a_difference_below_the_resolution_is_no_parting() -> None:
    near = LEAST_APART - 0.01
    assert first_apart(curve("stated", [0.5]), curve("internal", [0.5 + near], width=0.001)) is None
    assert first_apart(curve("stated", [0.5]), curve("internal", [0.7], width=0.001)) == 0.0
    assert first_apart(curve("stated", [0.5], width=0.3), curve("internal", [0.9], width=0.3)) is None


def test_turns_that_only_one_of_them_has_are_passed_over() -> None:
    other = Curve("internal", (5.0,), (Span(0.1, 0.0, 0.2),))
    assert first_apart(curve("stated", [0.9, 0.9]), other) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_parting_hangs_on_no_order(one: list[float], other: list[float]) -> None:
    first, second = curve("stated", one), curve("behavioural", other)
    assert first_apart(first, second) == first_apart(second, first)


def test_curves_are_means_by_turn_and_what_is_not_there_is_left_out() -> None:
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "readout": ["stated"] * 40 + ["internal"] * 20,
            "time": [0.0] * 20 + [2.0] * 20 + [0.0] * 20,
            "share": [*np.full(20, 0.25), *rng.random(20), *np.full(20, 0.75)],
            "cluster": [f"c{i % 10}" for i in range(60)],
        }
    )
    stated, internal = curves(rows, stream(0, "curves"))
    assert (stated.readout, internal.readout) == ("stated", "internal")
    assert stated.turns == (0.0, 2.0)
    assert stated.spans[0] == pytest.approx((0.25, 0.25, 0.25))
    assert stated.spans[1].low < stated.spans[1].value < stated.spans[1].high
    read = Readouts("turns", "credence", (stated, internal), {"behavioural": "answers with other words"})
    assert partings_text(read) == "said and held part at 0; done not read: answers with other words"


@pytest.mark.slow
def test_the_card_shows_the_three_over_turns_and_draws_them(tmp_path) -> None:
    found = audit_subject(
        "organism:leaning",
        preset="quick",
        overrides={"protocols": ("context-drift",)},
        out=tmp_path,
    )
    card = found.card.protocols[0]
    assert card.readouts is not None
    assert [one.readout for one in card.readouts.curves] == ["stated", "behavioural", "internal"]
    assert all(one.turns == [0.0, 2.0, 4.0, 8.0] for one in card.readouts.curves)
    parted = {(one.first, one.second): one.turn for one in card.readouts.parted}
    assert parted["stated", "internal"] is None, "what it says is what it holds"
    assert parted["stated", "behavioural"] is not None, "its votes follow its stance with .7"
    inside = {one.name: one for one in card.measures if one.readout == "internal"}
    assert inside["inside"].value > 0.7
    assert inside["inside_permuted_labels"].value == pytest.approx(0.5, abs=0.05)
    text = found.as_text()
    assert "statements read" in text
    assert "said and held never part" in text
    assert BeliefCard.model_validate(found.as_json()) == found.card
    figures = {path.stem for path in tmp_path.rglob("readouts-context-drift-*.json")}
    assert len(figures) == 2, "one for the subject, one for its twin"


def test_a_scripted_subject_has_no_inside_and_says_so(tmp_path) -> None:
    found = audit_subject(
        "planted:role-player?strength=2",
        preset="quick",
        overrides={"protocols": ("role-play",)},
        out=tmp_path,
    )
    card = found.card.protocols[0]
    assert found.card.named == ["plays-along"]
    inside = next(one for one in card.measures if one.readout == "internal")
    assert inside.value is None
    assert "no open weights" in inside.note
    assert "held not read: planted:role-player has no open weights" in found.as_text()
