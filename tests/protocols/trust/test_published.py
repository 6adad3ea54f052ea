from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from doxa.lab.record import Recorder, Tables
from doxa.protocols import trust
from doxa.protocols.trust.comparing import compared
from doxa.protocols.trust.consistency import Ordered
from doxa.protocols.trust.plan import Plan
from doxa.protocols.trust.published import record_population
from doxa.protocols.trust.published_report import subject_findings
from doxa.protocols.trust.recording import read_measures
from doxa.worlds.personas import levels_of
from tests.protocols.trust.people import Swayed, made, population

LEVELS = ("High", "Moderate", "Low")


PLAN = Plan(
    personas=120,
    least=3,
    repeats=2,
    strategies=("CTX+TR", "CTX+$"),
    targets=(-0.8,),
    method="reply",
    style="bdi",
    retries=0,
    temperature=0.05,
    nobody=3,
    bootstrap=200,
    individuals=2,
    rounds=2,
    individual_style="bdi",
    max_tokens=64,
)


@pytest.mark.parametrize(("reverse", "sign"), [(False, 1), (True, -1)])
def test_a_population_that_does_or_undoes_what_it_says(people, reverse, sign):
    recorder, subject = Recorder("population", 0), population(people, reverse=reverse, obeys=True)
    record_population(recorder, subject, people, people, PLAN, 0, lambda share, note: None)
    frame = read_measures(recorder.tables().measures)
    medians = dict(frame.filter(measure="median spearman").select("strategy", "value").iter_rows())
    assert sign * medians["CTX+TR"] > 0.7
    assert sign * medians["CTX+$"] > 0.7
    assert medians["self, supplied"] > 0.9, "it obeys what it is told"
    assert medians["imposed -0.8, supplied"] > 0.9
    gains = dict(frame.filter(measure="gain").select("ordering", "value").iter_rows())
    assert gains["imposed -0.8"] > 0.3 if sign > 0 else gains["self"] > 1
    dealt = frame.filter(strategy="dealt", measure="median spearman")["value"]
    assert abs(dealt.mean()) < 0.15
    assert dict(frame.filter(measure="valid").select("ordering", "value").iter_rows())["nobody"] == 1.0


def test_other_games_prompts_and_people_stand_beside_the_plain_play(people):
    subject, parts = population(people, kind=Swayed), []
    plan = replace(PLAN, other_styles=("thought-action",), other_temperatures=(1.0,), targets=())
    for name, game in (("population", trust.TrustGame()), ("game dictator", trust.DictatorGame())):
        recorder = Recorder(name, 0)
        record_population(
            recorder, subject, people, people, plan, 0, lambda *_: None, game=game, conditioned="pop" in name
        )
        parts.append(recorder.tables())
    found = {finding.id: finding for finding in subject_findings(Tables.concat(parts), "")}

    plain, action, given = (
        trust.play_population(subject, people, **how)["sent"]
        for how in ({}, {"style": "thought-action"}, {"game": trust.DictatorGame()})
    )
    assert found["shift-style-thought-action"].estimate == pytest.approx((action - plain).mean() / 10)
    assert found["shift-style-thought-action"].estimate < -0.05
    assert found["shift-temperature-1"].estimate == 0.0
    assert found["shift-temperature-1"].verdict == found["moved-temperature-1"].verdict == "holds"
    assert found["trust-over-dictator"].estimate == pytest.approx((plain - given).mean() / 10)
    assert found["trust-over-dictator"].verdict == "holds"
    assert found["people-trust"].estimate == pytest.approx(plain.mean() / 10)
    assert f"{(plain == 0).mean():.0%} send nothing" in found["people-trust"].note
    assert found["people-dictator"].estimate == pytest.approx(given.mean() / 10)
    assert found["game-dictator"].estimate > 0.7
    assert found["nobody"].estimate == pytest.approx(plain.mean() / 10 - 0.5)


def test_questions_name_what_a_game_shows(people):
    subject = population(people)
    for game, words in (
        (trust.TrustGame(), "most to least trusting"),
        (trust.DictatorGame(), "most to least generous"),
        (trust.LotteryGame(), "most to least willing to take risks"),
    ):
        trust.elicit_population_belief(subject, "openness", LEVELS, "CTX+TR", 1, game=game)
        trust.play_population(subject, people.head(1), {"openness": LEVELS}, game=game)
        asked, played = subject.asked[-2:]
        assert words in asked
        assert game.rules in asked
        assert f"are more {game.trait.adjective} than" in played
        assert f"your belief about {game.opposite}," in played


def test_an_order_that_is_undefined_is_counted_beside_the_median(people):
    recorder, subject = Recorder("population", 0), population(people)
    subject.says["age"] = (0.0,) * len(subject.levels["age"])
    record_population(recorder, subject, people, people, PLAN, 0, lambda *_: None, conditioned=False)
    found = {finding.id: finding for finding in subject_findings(recorder.tables(), "")}
    assert "undefined, not in the median: age" in found["rho-ctx-dollars"].note


def test_levels_and_attributes_that_cannot_be_compared_are_left_out_and_named(people):
    behaviour = made(people, "openness", 2).with_columns(
        pl.when(pl.col("us_citizenship_status") == "A U.S. citizen")
        .then(pl.col("sent"))
        .otherwise(None)
        .alias("sent")
    )
    beliefs = [
        Ordered.of("openness", LEVELS),
        Ordered.of("us_citizenship_status", levels_of(people, "us_citizenship_status")),
    ]
    found, left = compared(beliefs, behaviour, 100, 0)
    assert found.table["attribute"].to_list() == ["openness"]
    assert "fewer than two levels" in left["us_citizenship_status"]
