from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.training.reward_policy import exact_study
from doxa.training.reward_policy.exact_study import record_exact


@pytest.fixture(scope="module")
def tables():
    recorder = Recorder("exact", 5)
    record_exact(recorder, 5, 100, 3, lambda share, note: None)
    return recorder.tables()


def test_a_hundred_pairs_and_no_violation(tables):
    rows = rows_of(tables, "violations")
    assert rows["value"].sum() == 0
    assert rows.filter(rows["bound"] == "values")["pairs"].sum() == 100
    assert rows["nearest"].max() <= 1.0 + 1e-9
    assert rows.filter(rows["bound"] == "soft policy")["nearest"].max() > 0.4


def test_a_violation_would_be_seen(monkeypatch):
    monkeypatch.setattr(exact_study, "lipschitz_bound", lambda alpha, gamma, moved: 0.01 * moved)
    recorder = Recorder("exact", 5)
    exact_study.record_bounds(recorder, 5, 64)
    rows = rows_of(recorder.tables(), "violations")
    assert rows.filter(rows["bound"] == "soft policy")["value"].sum() > 10
    assert rows.filter(rows["bound"] == "values")["value"].sum() == 0


def test_cliffs(tables):
    rows = rows_of(tables, "distance")
    for ways in (2, 3, 4):
        own = rows.filter((rows["kind"] == "uniform") & (rows["ways"] == ways))
        assert own["value"].to_numpy() == pytest.approx((ways - 1) / ways)
    soft = rows.filter(rows["kind"] == "soft")
    assert np.all(soft["most"].to_numpy() <= soft["bound"].to_numpy() + 1e-9)
    assert np.all(rows["change"].to_numpy() <= rows["time"].to_numpy() * (1 + 1e-9))


def test_what_may_not_change_does_not(tables):
    rows = rows_of(tables, "changed")
    for kind in ("inside the radius", "shaping", "constant"):
        assert rows.filter(rows["kind"] == kind)["value"].sum() == 0
    beyond = rows.filter(rows["kind"] == "beyond the radius")
    assert beyond["value"].to_list() == beyond["tried"].to_list()


def test_worlds(tables):
    routes = rows_of(tables, "route")
    uniform = dict(routes.filter(routes["kind"] == "uniform").select("time", "value").rows())
    assert (uniform[-1e-6], uniform[0.0], uniform[1e-6]) == (1.0, 0.5, 0.0)
    assert rows_of(tables, "gap").height == 41 * 41
    assert rows_of(tables, "tightness")["value"][0] == pytest.approx(1.0, abs=1e-6)
    assert rows_of(tables, "slack mismatch")["value"].to_list() == [0.0]
