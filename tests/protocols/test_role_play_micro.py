"""Role-play in micro-English: scripts, what planted minds show, and what is read inside a model."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import CapabilityError, InputError
from doxa.protocols.roleplay.micro import (
    OUTSIDE_TURNS,
    TURNS,
    WRONG,
    draw_scripts,
    micro_role_play,
)
from doxa.protocols.roleplay.micro_inner import micro_inner_role_play
from doxa.protocols.roleplay.replay import REPLAY_ROWS
from doxa.streams import stream
from doxa.subjects.addresses import open_subject
from doxa.subjects.open_weights import open_weights
from doxa.worlds.micro import REGIONS, TRUTH, Fact, WhatFlag, read

LOGIT_99 = math.log(99.0)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_script_tells_its_region_wrong_and_others_right(seed: int) -> None:
    for script in draw_scripts(1, stream(seed, "scripts")):
        inside = set(REGIONS[script.region])
        assert len(script.turns) == TURNS
        for turn, told in enumerate(script.turns, 1):
            assert (told.place in inside) == (turn not in OUTSIDE_TURNS)
            assert told.true == (turn in OUTSIDE_TURNS)
        places = {told.place for told in script.turns}
        assert len(places) == TURNS
        assert {fact.place for fact in script.asked["told"]} == {script.turns[0].place}
        assert all(fact.place in inside - places for fact in script.asked["region"])
        assert all(fact.place not in inside | places for fact in script.asked["generic"])
        for facts in script.asked.values():
            assert sorted(fact.true for fact in facts) == [False, True]


def test_the_talk_grows_turn_by_turn_and_reads_as_micro_english() -> None:
    script = draw_scripts(1, stream(0, "scripts"))[2]
    assert script.after(0) == ()
    for turn in range(TURNS):
        assert script.after(turn + 1)[: 2 * turn] == script.after(turn)
    asked, said = script.after(1)
    assert read(asked.content) == [WhatFlag(script.turns[0].place)]
    assert read(said.content) == [script.turns[0]]


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_a_planted_role_falls_by_hand(strength: float) -> None:
    subject = open_subject(f"planted:role-player?strength={strength}")
    rows = micro_role_play(subject, draw_scripts(1, stream(1, "scripts")))
    assert dict(rows.schema) == REPLAY_ROWS
    stated = rows.filter(pl.col("readout") == "stated")
    for (kind, turn), part in stated.group_by("set", "turn"):
        told = sum(number not in OUTSIDE_TURNS for number in range(1, int(turn) + 1))
        fall = 0.0 if kind == "generic" else strength * told
        np.testing.assert_allclose(part["log_odds"].to_numpy(), LOGIT_99 - fall, atol=1e-4)
    asked = {(row["set"], row["turn"]) for row in stated.iter_rows(named=True)}
    assert asked == {("told", turn) for turn in range(TURNS + 1)} | {
        *(("generic", 0), ("generic", TURNS)),
        ("region", TURNS),
    }
    votes = rows.filter(pl.col("readout") == "behavioural", pl.col("set") == "told", pl.col("turn") == TURNS)
    p = 1 / (1 + math.exp(-(LOGIT_99 - WRONG * strength)))
    vote = 0.7 * p + 0.3 * (1 - p)
    np.testing.assert_allclose(votes["log_odds"].to_numpy(), math.log(vote / (1 - vote)), atol=1e-4)


def test_what_a_subject_never_answers_is_missing_with_its_reason() -> None:
    rows = micro_role_play(open_subject("organism:sound"), draw_scripts(1, stream(2, "scripts"))[:1], (0,))
    votes = rows.filter(pl.col("readout") == "behavioural")
    assert votes["log_odds"].is_null().all()
    assert set(votes["missing"]) == {"answers with other words"}
    assert rows.filter(pl.col("readout") == "stated")["log_odds"].min() > 3.0


def test_the_inside_of_a_sound_organism_holds_the_truth_and_the_controls_do_not() -> None:
    model = open_weights(open_subject("organism:sound"))
    assert model is not None
    scripts = draw_scripts(1, stream(3, "scripts"))
    found = micro_inner_role_play(model, scripts, (0, TURNS), rng=stream(3, "inner"))
    assert found.fitted.reading.accuracy > 0.95
    assert found.fitted.permuted.accuracy < 0.7
    told = found.rows.filter(pl.col("set") == "told")
    assert (told["log_odds"] > 0).mean() > 0.95
    permuted = found.controls["permuted labels"]["log_odds"].to_numpy()
    assert abs(permuted).mean() < 0.2 * told["log_odds"].abs().mean()
    again = micro_inner_role_play(model, scripts, (0, TURNS), rng=stream(3, "inner"))
    assert again.rows.equals(found.rows)


def test_the_region_that_is_read_never_taught_its_direction() -> None:
    model = open_weights(open_subject("organism:sound"))
    assert model is not None
    found = micro_inner_role_play(model, draw_scripts(1, stream(4, "x"))[:1], (0,), rng=stream(4, "y"))
    assert sorted(found.fitted.reading.fold_of) == list(range(len(REGIONS)))
    assert len(set(found.fitted.reading.fold_of.values())) == len(REGIONS)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="per_region=0"):
        draw_scripts(0, stream(0, "x"))
    script = draw_scripts(1, stream(0, "x"))[:1]
    with pytest.raises(InputError, match=r"turns=\(7,\): must be 0 to 6"):
        micro_role_play(open_subject("planted:bayesian"), script, (7,))
    with pytest.raises(CapabilityError):
        micro_role_play(_Silent(), script, (0,))


class _Silent:
    address, identity, form, context_tokens = "silent", "silent", "micro", None
    capabilities = frozenset()

    def reply(self, conversations, *, sampling, tools=()):
        raise AssertionError

    def score(self, queries):
        raise AssertionError


def test_every_place_has_a_region_and_a_truth() -> None:
    assert all(Fact(place, TRUTH[place]).true for region in REGIONS for place in region)
