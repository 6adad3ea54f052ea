"""A mood that hears itself, on talkers whose response is known."""

from __future__ import annotations

import numpy as np
import pytest

from doxa.dynamics.affect import FirstOrder
from doxa.errors import CapabilityError, InputError
from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.protocols.affect import DialogueScript, PromptInjector, VaderVAD
from doxa.protocols.affect_dynamics.dialogue import Talk
from doxa.protocols.affect_dynamics.feedback import (
    Loop,
    branches,
    closed_loop,
    critical_gain,
    record_feedback,
    response_curve,
)
from doxa.protocols.affect_dynamics.planted import PlantedMood, record_planted
from doxa.subjects.base import Query, Sampling, user


def loop(heeds, gains=(0.2, 1.4)):
    subject = PlantedMood(heeds)
    return Loop(subject, VaderVAD(), PromptInjector(), FirstOrder(0.3), gains, 4, 30, Sampling())


def test_branches_of_a_line_by_hand():
    line = np.linspace(-1.0, 1.0, 21)
    found = branches((0.5, 1.5), line, line)
    assert found[0] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert found[1] == pytest.approx([-1.0, 1.0], abs=1e-6)


def test_branches_are_fixed_points():
    values = np.linspace(-1.0, 1.0, 81)
    curve = np.tanh(2.0 * values)
    gain = 0.9
    for end in branches((gain,), values, curve)[0]:
        assert end == pytest.approx(gain * np.tanh(2.0 * end), abs=1e-3)
        assert abs(end) > 0.5


def test_critical_gain_by_hand():
    gains = (0.2, 0.4, 0.6)
    assert critical_gain(gains, (0.0, 0.5, 0.9), 0.3) == 0.4
    assert critical_gain(gains, (0.5, 0.1, 0.9), 0.3) == 0.6, "from it on, all are above"
    assert critical_gain(gains, (0.0, 0.1, 0.2), 0.3) is None
    assert critical_gain(gains, (0.4, 0.5, 0.6), 0.3) == 0.2


def test_the_response_of_a_planted_mood_is_a_staircase_scaled_by_its_rate():
    values, whole = response_curve(loop(1.0), 20, 0)
    _, none = response_curve(loop(0.0), 20, 0)
    assert np.abs(none).max() < 1e-12
    assert whole[values < -0.5].mean() == pytest.approx(-0.77, abs=0.08)
    assert whole[(values > 0.1) & (values < 0.5)].mean() == pytest.approx(0.4, abs=0.08)


def test_a_loop_locks_in_by_its_gain_and_never_where_nothing_is_heeded():
    late = closed_loop(loop(1.0), 0)[..., -10:].mean((2, 3))
    assert late[1] == pytest.approx([-1.0, 1.0], abs=0.1)
    assert late[0] == pytest.approx([0.0, 0.0], abs=0.05)
    deaf = closed_loop(loop(0.0), 0)[..., -10:].mean((2, 3))
    assert np.abs(deaf).max() < 0.1
    untold = closed_loop(loop(1.0), 0, told=False)[..., -10:].mean((2, 3))
    assert np.abs(untold).max() < 0.1


def test_a_mood_that_hears_others_does_not_keep_its_own_start():
    late = closed_loop(loop(1.0), 0, heard="another's")[..., -10:].mean((2, 3))
    assert late[1, 1] - late[1, 0] == pytest.approx(0.0, abs=0.15)


def test_what_is_recorded():
    recorder = Recorder("model", 0)
    record_feedback(recorder, loop(1.0), 2, 0, lambda share, note: None)
    rows = rows_of(recorder.tables(), "branch")
    assert set(rows["kind"]) == {"foretold", "loop", "another's replies", "not told"}
    assert rows.height == 4 * 2 * 2


def test_planted_rates_come_back():
    recorder = Recorder("model", 0)
    talk = Talk(PlantedMood(), VaderVAD(), PromptInjector(), Sampling(), 0)
    record_planted(recorder, talk, DialogueScript.load("philosophy"), 6, 0)
    rows = rows_of(recorder.tables(), "planted slope").sort("heeds")
    share = rows["value"].to_numpy() / rows["value"].to_numpy()[-1]
    assert share == pytest.approx(rows["heeds"].to_numpy(), abs=0.15)
    assert rows_of(recorder.tables(), "planted correlation", heeds=0.0)["value"].item() == 0.0


def test_bad_input():
    with pytest.raises(InputError, match="heeds=2"):
        PlantedMood(2.0)
    with pytest.raises(CapabilityError, match="cannot score"):
        PlantedMood().score([Query((user("a"),), ("b",))])
