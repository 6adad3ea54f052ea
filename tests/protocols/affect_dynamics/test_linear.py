"""Moods as numbers alone: the spec's numbers, algebra, and rules of equal jump."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.dynamics.affect import FirstOrder, SecondOrder
from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.protocols.affect_dynamics.linear import (
    equal_jump,
    jump,
    momentum,
    record_linear,
    record_sweep,
    settling,
    shock_signal,
    sine_area,
)
from doxa.streams import stream


def by_hand(mu, gain, heard, *, clip):
    """Return the states of the momentum rule, written out."""
    state, speed, out = 0.0, 0.0, []
    for one in heard:
        speed = mu * speed + gain * (one - state)
        state += speed
        if clip and abs(state) > 1:
            state, speed = math.copysign(1.0, state), 0.0
        out.append(state)
    return np.array(out)


def test_the_signal_by_hand():
    assert shock_signal()[:, 0].tolist() == [0.0] * 5 + [-0.7] * 7 + [0.5] * 8 + [0.0] * 5


def test_zero_momentum_is_the_first_order():
    assert isinstance(momentum(0.0), FirstOrder)
    assert isinstance(momentum(0.5), SecondOrder)


@given(st.floats(0.05, 0.97), st.floats(0.02, 1.0), st.booleans())
@settings(max_examples=25)
def test_states_are_those_of_the_rule_written_out(mu, gain, clip):
    heard = shock_signal()
    found = momentum(mu, gain, clip=clip).series(heard)[:, 0]
    assert found == pytest.approx(by_hand(mu, gain, heard[:, 0], clip=clip), abs=1e-12)


def test_the_specs_numbers():
    free = {mu: momentum(mu, clip=False).series(shock_signal())[:, 0] for mu in (0.0, 0.5, 0.8, 0.95)}
    assert [round(float(one.min()), 2) for one in free.values()] == [-0.70, -0.88, -1.04, -0.77]
    assert [int(one.argmin()) + 1 for one in free.values()] == [6, 8, 11, 14]
    assert [round(abs(float(one[-1])), 2) for one in free.values()] == [0.0, 0.05, 0.54, 0.95]
    assert [round(sine_area(momentum(mu, clip=False)), 3) for mu in free] == [0.0, 0.006, 0.028, 0.238]


def test_oracles_are_recorded_and_small():
    recorder = Recorder("linear", 0)
    record_linear(recorder, (0.0, 0.8), 3)
    tables = recorder.tables()
    errors = rows_of(tables, "oracle")
    assert set(errors["oracle"]) == {
        *("loop formula", "pole size", "superposition", "symmetry", "first order is stateless"),
    }
    assert errors["value"].max() < 1e-3
    assert rows_of(tables, "settled", clip=False)["value"].to_list() == [1.0, 0.0]
    assert rows_of(tables, "period").drop_nulls("value")["value"].to_list() == pytest.approx(
        [13.55], abs=0.01
    )


def test_settling_by_hand():
    # alpha = 1 has settled once the relief has ended, eight turns after it began
    assert settling(momentum(0.0)) == (8.0, -0.7)
    never, _ = settling(momentum(0.99, 0.9))
    assert never is None


def test_the_first_order_of_equal_jump_jumps_as_much():
    noise = stream(1, "noise").normal(0, 0.3, (32, 40, 1)).clip(-1, 1)
    wanted = jump(momentum(0.8), noise)
    alpha = equal_jump(wanted, noise)
    assert jump(momentum(0.0, alpha), noise) == pytest.approx(wanted, rel=0.02)


def test_the_sweep_has_every_rule_and_its_rival():
    recorder = Recorder("sweep", 0)
    record_sweep(recorder, (0.0, 0.8), (0.2, 1.0), 0)
    tables = recorder.tables()
    assert rows_of(tables, "jump", kind="grid").height == 4
    rivals = rows_of(tables, "settling", kind="first order at equal jump")
    assert rivals["mu"].to_list() == [0.0, 0.8]
    normal = rows_of(tables, "settling", kind="normalised")
    assert normal["value"].to_list() == [8.0, 22.0]
    assert (rivals["value"] <= normal["value"]).all()
