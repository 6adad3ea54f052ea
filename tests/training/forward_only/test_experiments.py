from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.training.forward_only import SKANetwork, load_images
from doxa.training.forward_only.experiments import (
    PUBLISHED_PAIRS,
    PUBLISHED_SEED,
    Setup,
    pairs_of,
    record_clock,
    record_exact,
    record_net,
    record_time,
    some,
)


@pytest.fixture(scope="module")
def setup():
    return Setup(some(load_images("digits"), 100), (8, 4), 0.01)


def ignore(share, note):
    del share, note


def test_the_papers_pairs_and_those_of_another_budget():
    assert pairs_of([eta for eta, _ in PUBLISHED_PAIRS], 0.5) == PUBLISHED_PAIRS
    assert pairs_of((0.02, 0.004), 1.0) == ((0.02, 50), (0.004, 250))


def test_equal_budgets_and_their_controls(setup):
    recorder = Recorder("time", 0)
    record_time(recorder, setup, 0, pairs_of((0.02, 0.01, 0.005, 0.0025), 0.5), ignore)
    tables = recorder.tables()
    overlap = rows_of(tables, "overlap", curve="entropy", layer="mean")
    means = {(row["kind"], row["eta"]): row["value"] for row in overlap.iter_rows(named=True)}
    assert means["budget", 0.02] > means["budget", 0.01] > means["budget", 0.005] > 0.0
    assert means["budget", 0.0025] == 0.0
    assert means["steps", 0.01] > 3 * means["budget, three runs", 0.01]
    order = {
        row["kind"]: row["value"] for row in rows_of(tables, "order", curve="entropy").iter_rows(named=True)
    }
    assert order["budget"] == pytest.approx(1.0, abs=0.25)
    assert order["noise"] < 0.6
    sums = {
        (row["kind"], row["eta"]): row["value"] for row in rows_of(tables, "sum error").iter_rows(named=True)
    }
    assert sums["midpoint", 0.01] < 0.1 * sums["entropy", 0.01]


def test_the_published_run_is_kept_step_by_step(setup):
    recorder = Recorder("tensor-net", PUBLISHED_SEED)
    record_net(recorder, setup, PUBLISHED_SEED)
    tables = recorder.tables()
    steps = rows_of(tables, "step", curve="tensor_net", layer=1)
    assert steps["time"].to_list() == list(range(1, 50))
    assert rows_of(tables, "double precision")["value"][0] < 1e-3
    peak = rows_of(tables, "event", kind="flow peak", layer=1)
    flow = rows_of(tables, "step", curve="flow_norm", layer=1).sort("time")["value"].to_numpy()
    assert peak["time"][0] == np.argmax(flow) + 1
    recorder = Recorder("tensor-net", 0)
    record_net(recorder, setup, 0)
    assert rows_of(recorder.tables(), "step").is_empty()


def test_the_clock_runs_as_the_inputs_say(setup):
    recorder = Recorder("clock", 0)
    record_clock(recorder, setup, 0, ignore)
    tables = recorder.tables()
    rates = {row["kind"]: row["value"] for row in rows_of(tables, "rate").iter_rows(named=True)}
    assert rates["raw"] > rates["halved"] > rates["raw"] / 4
    assert rates["centred"] < rates["raw"]
    shares = rows_of(tables, "growth share")["value"]
    assert shares.is_between(0.4, 1.06).all()


def test_the_published_steps(trust_data):
    """Steps of arXiv:2504.03214 as its plots count them, from 0 at the second pass: 24 and 23, 28, 16 and 24."""
    history = SKANetwork().run(load_images().pixels, 0.01, 50)
    crossings = history.zero_crossings("code")
    assert [one and one.step - 1 for one in crossings] == [24, None, 23, None]
    assert [one.step - 1 for one in history.flow_peak()][:3] == [29, 16, 24]
    assert (history.tensor_net[1, 2:] > 0).all()
    assert (history.tensor_net[3, 2:] < 0).all()
    assert crossings[0].knowledge_norm == pytest.approx(600, rel=0.05)
    assert crossings[2].knowledge_norm == pytest.approx(450, rel=0.05)
    assert history.net_peak()[1].knowledge_norm == pytest.approx(1250, rel=0.05)


def test_paths_with_the_same_ends_have_the_same_action():
    recorder = Recorder("exact", 0)
    record_exact(recorder, 0)
    tables = recorder.tables()
    assert rows_of(tables, "path").height == 4
    assert rows_of(tables, "path")["value"].max() < 1e-5
    assert rows_of(tables, "residual")["value"][0] < 1e-9
