from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from doxa import load
from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.lab.run import plan, run_study
from doxa.society.pictures import opinion_shares
from doxa.society.scenarios import overrides_of, study_of
from doxa.studies.epidemic import COMPARTMENTS, plan_of
from doxa.studies.opinion import first_opinions
from doxa.testing import doxa_command, run_command, run_files
from doxa.testing.processes import Fault

SMALL = {"agents": "120", "days": "6", "seeds": "2", "graph": "ws?k=6&p=0.1"}
VERDICTS = {"no-ties": "holds"}


def test_an_epidemic_keeps_everybody_and_vaccination_averts(tmp_path):
    done = {
        "agents": "400",
        "days": "25",
        "seeds": "3",
        "vaccinate": "2,4",
        "share": "0.4",
        "infection": "0.1",
    }
    result = run_study("epidemic", overrides=done, out=tmp_path)
    assert {one.id: one.verdict for one in result.findings} == VERDICTS | {
        "spreads": "holds",
        "averted": "holds",
    }
    shares = load(result.folder).measures.filter(pl.col("measure") == "share")
    totals = shares.group_by("condition", "seed", "time").agg(pl.col("value").sum())["value"]
    assert np.allclose(totals, 1.0)
    assert {figure.id for figure in result.figures} == {"shares", "shares-2", "map"}


def test_with_interventions_on_no_day_nothing_is_run_beside(tmp_path):
    todo = plan("epidemic", overrides=SMALL)
    assert {cell.condition for cell in todo.cells.values()} == {"epidemic", "no ties"}


@pytest.mark.parametrize("dynamics", COMPARTMENTS)
def test_every_spread_has_its_compartments(dynamics, tmp_path):
    result = run_study("epidemic", overrides={**SMALL, "seeds": "1", "dynamics": dynamics}, out=tmp_path)
    states = load(result.folder).measures["extra"].str.json_path_match("$.state").drop_nulls().unique()
    assert set(states) == set(COMPARTMENTS[dynamics])


@pytest.mark.parametrize(
    "dynamics", ["deffuant", "algorithmic-bias", "bounded-confidence", "degroot", "friedkin-johnsen"]
)
def test_opinions_of_every_dynamics_come_nearer_and_a_campaign_moves_them(dynamics, tmp_path):
    done = {**SMALL, "seeds": "3", "dynamics": dynamics, "campaign": "1,2,3", "share": "1", "strength": "0.3"}
    result = run_study("opinion", overrides=done, out=tmp_path)
    assert {one.id: one.verdict for one in result.findings} == VERDICTS | {
        "nearer": "holds",
        "moved": "holds",
    }


def test_a_large_population_is_summed_up_and_drawn_all_the_same(tmp_path):
    done = {**SMALL, "agents": "1500", "graph": "well-mixed"}
    result = run_study("opinion", overrides=done, out=tmp_path)
    tables = load(result.folder)
    assert tables.beliefs.height == 0
    bars = tables.measures.filter(pl.col("measure") == "opinion histogram")
    assert np.allclose(bars.group_by("condition", "seed", "time").agg(pl.col("value").sum())["value"], 1.0)
    assert {figure.id for figure in result.figures} == {"moments", "opinions", "histogram"}


def test_a_day_on_which_nothing_could_be_read_keeps_its_place():
    recorder = Recorder("asked", 0)
    for day, credence in ((0, 0.2), (1, None), (2, 0.9)):
        missing = {} if credence is not None else {"missing": "refusal"}
        recorder.belief(
            subject="model",
            proposition="item",
            readout="stated",
            axis="day",
            time=day,
            credence=credence,
            **missing,
        )
    shares, edges = opinion_shares(recorder.tables(), "asked", 0)
    assert shares.sum(1).tolist() == [1.0, 0.0, 1.0]
    assert (edges[shares[0].argmax()], edges[shares[2].argmax()]) == pytest.approx((0.2, 0.9))


@pytest.mark.parametrize("start", ["even", "camps", "middle"])
def test_first_opinions_are_in_range_and_seeded(start):
    one = first_opinions(start, 2000, 3)
    assert one.dtype == np.float32
    assert 0.0 <= one.min() <= one.max() <= 1.0
    assert np.array_equal(one, first_opinions(start, 2000, 3))
    assert not np.array_equal(one, first_opinions(start, 2000, 4))


@pytest.mark.parametrize(
    ("study", "settings", "message"),
    [
        ("epidemic", {"vaccinate": "99"}, "day 99 of an intervention is after the last day, 60"),
        ("epidemic", {"vaccinate": "2", "dynamics": "sis"}, "nobody stays immune in sis"),
        ("opinion", {"campaign": "50"}, "campaign=50: is after the last day, 40"),
        ("opinion", {"graph": "well-mixed", "dynamics": "degroot"}, "degroot needs a graph"),
        ("opinion", {"graph": "bb?m=3"}, "no graph called 'bb'; did you mean 'ba'"),
        ("opinion", {"agents": "1"}, "agents=1: must be >= 2"),
        ("opinion", {"days": "0"}, "days=0: must be >= 1"),
        ("epidemic", {"graph": "ba?m=2000"}, "m=2000: must be in 1..1999"),
        ("epidemic", {"graph": "file:none.txt"}, "none.txt: no such file"),
        ("epidemic", {"graph": "well-mixed"}, "say how many others each meets a day"),
        ("epidemic", {"contacts": "4", "isolate": "2"}, "leave one of both out"),
        (
            "epidemic",
            {"graph": "well-mixed", "contacts": "4", "vaccinate": "2", "by": "degree"},
            "by='degree': needs a graph",
        ),
        ("opinion", {"graph": "well-mixed", "campaign": "2", "by": "degree"}, "by='degree': needs a graph"),
        ("epidemic", {"contacts": "2000"}, "contacts=2000: must be from 1 to 1999"),
        ("epidemic", {"infection": "1.5"}, "infection=1.5: must be <= 1"),
        ("epidemic", {"infektion": "0.5"}, "did you mean 'infection'"),
        ("fps", {"graph": "ws?k=6"}, "say p="),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(study, settings, message):
    with pytest.raises(InputError, match=message):
        plan(study, overrides=settings)


def test_scenarios_are_found_by_name_or_file(tmp_path):
    assert study_of("epidemic") == "epidemic"
    assert study_of("herd") == "steering-herd"
    with pytest.raises(InputError, match="did you mean 'opinion'"):
        study_of("opinon")
    with pytest.raises(InputError, match="is no file"):
        study_of(str(tmp_path / "mine.py"))
    with pytest.raises(InputError, match="no scenario called 'kable'"):
        study_of("kable")


def test_what_was_in_the_file_of_a_graph_tells_its_cells_apart(tmp_path):
    file = tmp_path / "friends.txt"
    keys = []
    for last in (2, 0):
        file.write_text(f"0 1\n1 2\n2 3\n3 {last}\n")
        for study in ("epidemic", "opinion", "fps"):
            people = {"n_infected": "1", "n_susceptible": "3"} if study == "fps" else {"agents": "4"}
            more = {"experiments": "denials"} if study == "fps" else {}
            settings = {"graph": f"file:{file}", "seeds": "2", **people, **more}
            keys.append({key for key, cell in plan(study, overrides=settings).cells.items() if cell.uses})
    assert not any(before & after for before, after in zip(keys[:3], keys[3:], strict=True))
    with pytest.raises(InputError, match="has 4 nodes, and 5 are asked for; ask for 4"):
        plan("epidemic", overrides={"graph": f"file:{file}", "agents": "5"})


def test_an_option_a_scenario_does_not_have_is_refused():
    assert overrides_of("epidemic", agents=5, days=None) == {"agents": 5}
    assert overrides_of("herd", agents=50, subject=None) == {"agents": 50}
    for option in ({"graph": "ring"}, {"days": 3}):
        with pytest.raises(InputError, match="herd takes --agents, --subject; with --set it takes seed"):
            overrides_of("herd", **option)
    with pytest.raises(InputError, match="--subject: epidemic takes --agents, --days, --graph"):
        overrides_of("epidemic", subject="organism:sound")


@pytest.mark.parametrize(("agents", "believers"), [(2, 1), (10, 1), (30, 2), (300, 20), (1000, 67)])
def test_a_rumour_among_more_people_begins_with_the_same_share_of_believers(agents, believers):
    given = overrides_of("fps", agents=agents, graph="ring", days=4)
    people = {"n_infected": believers, "n_susceptible": agents - believers}
    assert given == {**people, "graph": "ring", "days": 4}
    with pytest.raises(InputError, match="--agents 1: must be >= 2"):
        overrides_of("fps", agents=1)


def test_on_a_graph_a_rumour_reaches_only_those_who_are_linked(tmp_path):
    file = tmp_path / "apart.txt"
    pairs = [(a, b) for block in range(0, 40, 4) for a in range(block, block + 4) for b in range(block, a)]
    file.write_text("\n".join(f"{a} {b}" for a, b in pairs))
    settings = {"experiments": "denials", "seeds": "2", "runs": "2", "days": "6", "mild": "-3", "trust": "9"}
    final = {}
    for graph in ("well-mixed", f"file:{file}"):
        given = overrides_of("fps", agents=40, graph=graph)
        tables = run_study("fps", overrides={**settings, **given}, out=tmp_path).tables
        rows = tables.measures.filter(
            pl.col("measure") == "final", pl.col("extra").str.json_path_match("$.policy") == "none"
        )
        final[graph] = rows["value"].max()
    assert final[f"file:{file}"] <= 12 / 40 + 1e-9 < final["well-mixed"], "three believers, blocks of four"


def test_the_graph_of_a_plan_hangs_on_the_seed_alone():
    config = plan("epidemic", overrides=SMALL).config
    one, same, other = (
        plan_of(config, seed, how) for seed, how in ((0, "epidemic"), (0, "nothing done"), (1, "epidemic"))
    )
    assert one.config.graph.digest == same.config.graph.digest != other.config.graph.digest


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        ("epidemic", ("--agents", "60", "--days", "8", "--graph", "ring", "--seeds", "1")),
        (
            "fps",
            (
                *("--agents", "9", "--days", "5", "--graph", "ring", "--seeds", "2"),
                *("--set", "experiments=denials", "--set", "runs=1"),
            ),
        ),
    ],
)
def test_a_scenario_that_is_killed_between_two_days_goes_on_to_equal_tables(tmp_path, scenario, settings):
    def simulate(out, fault=None):
        command = doxa_command("simulate", scenario, *settings, "--out", str(tmp_path / out))
        return run_command(command, fault=fault)

    assert simulate("whole").status == 0
    ended = simulate("killed", Fault("replace", 3, "kill", within="/parts/"))
    assert ended.killed, ended.stderr
    kept = [path for path in tmp_path.glob("killed/*/parts/*/*") if path.suffix in (".npz", ".json")]
    assert kept, "the days before are there"
    assert simulate("killed").status == 0
    assert not list(tmp_path.glob("killed/*/parts/*/*"))
    assert run_files(tmp_path / "killed") == run_files(tmp_path / "whole")
