"""Days, interventions, what is kept, and going on after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.society.dynamics import DeffuantConfig, FriedkinJohnsenConfig, SirConfig, SisConfig, WellMixed
from doxa.society.interventions import Change, Isolate, Persuade, Put, Target
from doxa.society.population import Plan, identity, simulate
from doxa.society.schedules import Schedule
from doxa.streams import stream
from tests.society.dynamics import slow

GRAPH = slow.random_graph(200, 700)


def sir(**more) -> Plan:
    config = SirConfig(graph=GRAPH, infection=0.2, recovery=0.2, begin={"infected": 0.05})
    return Plan("sir", config, **{"days": 12, **more})


def tables(population):
    recorder = Recorder("base", 0)
    population.history.record(recorder)
    return recorder.tables()


def test_shares_and_moves_add_up_each_day():
    measures = tables(simulate(sir())).measures
    shares = measures.filter(pl.col("measure") == "share")
    assert shares["time"].unique().sort().to_list() == list(range(13))
    assert shares.group_by("time").agg(pl.col("value").sum())["value"].to_list() == pytest.approx([1.0] * 13)
    infected = shares.filter(pl.col("extra").str.contains('"infected"'))["value"].to_numpy() * 200
    moves = measures.filter(pl.col("measure") == "moves")
    came = moves.filter(pl.col("extra").str.contains('"target":"infected"'))["value"].sum()
    left = moves.filter(pl.col("extra").str.contains('"source":"infected"'))["value"].sum()
    assert infected[0] == pytest.approx(10)
    assert infected[-1] - infected[0] == pytest.approx(came - left)


def test_of_few_every_opinion_is_kept_and_of_many_a_summary():
    few = tables(simulate(Plan("deffuant", DeffuantConfig(WellMixed(30)), days=2)))
    assert few.beliefs.height == 3 * 30
    assert few.beliefs["credence"].is_between(0, 1).all()
    many = simulate(Plan("deffuant", DeffuantConfig(WellMixed(5_000)), days=2))
    kept = tables(many)
    assert kept.beliefs.height == 0
    assert kept.measures.height == 3 * (2 + 5 + 20)
    last = kept.measures.filter(pl.col("time") == 2)
    bars = last.filter(pl.col("measure") == "opinion histogram")["value"].to_numpy()
    np.testing.assert_allclose(bars * 5_000, np.histogram(many.state.values, 20, (0, 1))[0], atol=1e-6)
    median = last.filter(pl.col("extra").str.contains('"quantile":0.5'))["value"].item()
    assert median == pytest.approx(float(np.median(many.state.values)), abs=1e-6)


def test_interventions_on_no_day_change_nothing_and_on_a_day_only_what_follows():
    base = simulate(sir()).history.shares
    none = simulate(sir(interventions=(Put((), 2), Change((), "infection", 0.0)))).history.shares
    assert (none == base).all()
    late = simulate(sir(interventions=(Put((7,), 2, Target(share=0.5)),))).history.shares
    assert (late[:7] == base[:7]).all()
    assert not (late[7:] == base[7:]).all()


def test_a_change_lasts():
    shares = simulate(sir(interventions=(Change([5], "infection", 0.0),))).history.shares
    assert (shares[4:, 0] == shares[4, 0]).all()
    assert shares[0, 0] > shares[4, 0]


def test_the_isolated_neither_catch_nor_pass_on():
    everyone = Target()
    shares = simulate(sir(interventions=(Isolate([1], everyone),))).history.shares
    assert (shares[:, 0] == shares[0, 0]).all()
    some = Isolate([1], Target(agents=np.arange(100, dtype=np.int32)))
    plan = Plan("sis", SisConfig(graph=GRAPH, infection=1.0, recovery=0.0, begin={"infected": 0.02}), 20)
    start = simulate(
        Plan(plan.dynamics, plan.config, 1, interventions=(Change([1], "infection", 0.0),))
    ).state
    end = simulate(Plan(plan.dynamics, plan.config, 20, interventions=(some,))).state
    assert (end.values[:100] == start.values[:100]).all()
    assert end.config.graph.degree[:100].sum() == 0
    type(end.config.graph)(end.config.graph.offsets, end.config.graph.targets)  # checks the rows


def test_a_message_moves_opinions_part_of_the_way():
    config = FriedkinJohnsenConfig(GRAPH, openness=0.0)
    before = simulate(Plan("friedkin-johnsen", config, 1)).state.values
    heard = Persuade([1], towards=1.0, strength=0.25, target=Target(agents=np.arange(50, dtype=np.int32)))
    # wholly closed agents go back to where they began in the same day's step
    assert (
        simulate(Plan("friedkin-johnsen", config, 1, interventions=(heard,))).state.values == before
    ).all()
    mixed = DeffuantConfig(WellMixed(200), confidence=0.0)
    apart = simulate(Plan("deffuant", mixed, 1)).state.values
    after = simulate(Plan("deffuant", mixed, 1, interventions=(heard,))).state.values
    np.testing.assert_allclose(after[:50], apart[:50] + 0.25 * (1 - apart[:50]), atol=1e-6)
    assert (after[50:] == apart[50:]).all()


def test_targets_are_those_asked_for():
    state = simulate(sir(days=3)).state
    hubs = Target(share=0.1, by="degree").choose(stream(0), state)
    assert len(hubs) == 20
    assert GRAPH.degree[hubs].min() >= np.sort(GRAPH.degree)[-20]
    infected = Target(holding=1).choose(stream(0), state)
    assert infected.tolist() == np.flatnonzero(state.values == 1).tolist()
    drawn = Target(share=0.25).choose(stream(0), state)
    assert len(set(drawn.tolist())) == 50
    assert drawn.tolist() != Target(share=0.25).choose(stream(1), state).tolist()


def test_a_schedule_of_contacts_needs_no_graph():
    config = SisConfig(graph=WellMixed(300), infection=0.3, recovery=0.1, begin={"infected": 0.1})
    shares = simulate(
        Plan("sis", config, 20, schedule=Schedule("shuffled", contacts=3), steps=2)
    ).history.shares
    assert shares[-1, 1] > 0.5


PLANS = {
    "sir": sir(
        interventions=(
            Put([3], 2, Target(share=0.1)),
            Isolate([2], Target(share=0.1)),
            Change([4], "infection", 0.1),
        )
    ),
    "friedkin-johnsen": Plan("friedkin-johnsen", FriedkinJohnsenConfig(GRAPH), 12),
    "deffuant": Plan("deffuant", DeffuantConfig(WellMixed(3_000)), 12, schedule=Schedule(activity=0.7)),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("stop", [1, 5, 12])
def test_a_run_that_was_stopped_goes_on_to_equal_tables(tmp_path, name, stop):
    plan, days = PLANS[name], []

    def interrupt(day, state):
        if day == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(plan, folder=tmp_path, told=interrupt)
    resumed = simulate(plan, folder=tmp_path, told=lambda day, state: days.append(day))
    assert days == list(range(stop + 1, 13))
    whole = simulate(plan)
    for one, other in zip(tables(resumed), tables(whole), strict=True):
        assert one.equals(other)
    assert resumed.state.values.tobytes() == whole.state.values.tobytes()


def test_a_killed_process_goes_on_to_equal_tables(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from tests.society.test_population import PLANS, simulate\n"
        "def told(day, state):\n    if day == 6: os.kill(os.getpid(), signal.SIGKILL)\n"
        "simulate(PLANS['sir'], folder=Path(sys.argv[1]), told=told)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    days = []
    resumed = simulate(PLANS["sir"], folder=tmp_path, told=lambda day, state: days.append(day))
    assert days == list(range(7, 13))
    assert tables(resumed).measures.equals(tables(simulate(PLANS["sir"])).measures)


def test_a_damaged_day_is_computed_again(tmp_path):
    simulate(PLANS["sir"], folder=tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]):
        file.write_bytes(damaged)
        again = simulate(PLANS["sir"], folder=tmp_path)
        assert tables(again).measures.equals(tables(simulate(PLANS["sir"])).measures)


def test_plans_are_told_apart_but_for_their_length():
    plans = [sir(), sir(seed=1), sir(steps=2), sir(schedule=Schedule("together")), *PLANS.values()]
    plans.append(sir(interventions=(Put([3], 2, Target(share=0.2)),)))
    assert len({identity(plan) for plan in plans}) == len(plans)
    assert identity(sir(days=3)) == identity(sir())


def test_a_longer_plan_goes_on(tmp_path):
    simulate(sir(days=5), folder=tmp_path)
    days = []
    longer = simulate(sir(), folder=tmp_path, told=lambda day, state: days.append(day))
    assert days == list(range(6, 13))
    assert (longer.history.shares == simulate(sir()).history.shares).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sir(days=0), "days=0: must be at least 1"),
        (lambda: sir(interventions=(Put([13], 2),)), r"day 13 is not in 1\.\.12"),
        (lambda: sir(interventions=(Change([1], "infecton", 0.1),)), "did you mean 'infection'"),
        (lambda: sir(interventions=(Change([1], "infection", 3.0),)), "must be from 0 to 1"),
        (lambda: Target(share=1.5), "share=1.5"),
        (lambda: Isolate([1], Target(holding=1)), "isolate agents by name"),
        (lambda: Persuade([1], 1.0, 2.0), "strength=2.0"),
        (lambda: simulate(sir(interventions=(Persuade([1], 1.0, 0.5),))), "put agents into compartments"),
        (
            lambda: sir(interventions=(Put([1], 0.5),)),
            "value=0.5: agents hold the numbers of compartments 0 to 2",
        ),
        (lambda: sir(interventions=(Put([1], 0, Target(holding=9)),)), "holding=9: agents hold the numbers"),
        (lambda: simulate(sir(interventions=(Put([1], 7),))), "compartments 0 to 2"),
        (lambda: Plan("sirr", None, 3), "no dynamics called 'sirr'"),
    ],
)
def test_what_makes_no_sense_is_told_of(make, message):
    with pytest.raises(InputError, match=message):
        make()
