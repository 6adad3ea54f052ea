from __future__ import annotations

import polars as pl
import pytest

from doxa.lab.record import Recorder
from doxa.protocols.trust.comparing import compared
from doxa.protocols.trust.consistency import Ordered
from doxa.protocols.trust.plan import Plan
from doxa.protocols.trust.published import record_population
from doxa.protocols.trust.recording import read_measures
from doxa.worlds.personas import levels_of
from tests.protocols.trust.people import made, population

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
