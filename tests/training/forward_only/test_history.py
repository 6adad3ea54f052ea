from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from doxa.errors import InputError
from doxa.training.forward_only import SKAHistory, SKANetwork
from tests.training.forward_only.test_network import inputs

STEPS = 6


def history(net, flow=None, entropy=None):
    """A history whose tensor net, flow and entropy are given from step 1 on."""
    rows = np.full((1, STEPS), np.nan)
    rows[0, 1:] = net
    others = {
        name: np.ones((1, STEPS))
        for name in ("entropy_midpoint", "cosine", "weight_norm", "shannon", "softplus")
    }
    norms = np.arange(1.0, STEPS + 1)[None]
    return SKAHistory(
        dt=0.5,
        entropy=rows if entropy is None else np.array([[np.nan, *entropy]]),
        flow_norm=rows if flow is None else np.array([[np.nan, *flow]]),
        tensor_net=rows,
        lagrangian=np.zeros((1, STEPS)),
        knowledge_norm=norms,
        output=np.zeros((STEPS, 1)),
        **others,
    )


def test_the_first_crossing_is_where_the_sign_has_changed():
    crossing = history([-1.0, -2.0, 3.0, -1.0, 2.0]).zero_crossings()[0]
    assert (crossing.layer, crossing.step, crossing.time, crossing.value, crossing.knowledge_norm) == (
        1,
        3,
        1.5,
        3.0,
        4.0,
    )
    assert history([1.0, 2.0, 0.0, 1.0, 2.0]).zero_crossings() == (None,)


def test_extremes_at_the_end_are_none():
    peaked = history([1.0] * 5, flow=[1.0, 2.0, 5.0, 3.0, 1.0], entropy=[-1.0, -2.0, -3.0, -4.0, -5.0])
    assert peaked.flow_peak()[0][:4] == (1, 3, 1.5, 5.0)
    assert peaked.flow_peak()[0].interior
    assert peaked.entropy_minimum()[0].step == 5
    assert not peaked.entropy_minimum()[0].interior
    assert history([1.0, 4.0, 2.0, 0.0, 0.0]).net_peak()[0].step == 2


def test_a_table_a_file_and_a_sum_of_the_curves(tmp_path):
    run = SKANetwork((4, 3), 6, 0.3).run(inputs(), 0.1, 5)
    table = run.to_frame()
    assert table.shape == (10, 14)
    assert table.filter(pl.col("step") == 0)["entropy"].to_list() == [None, None]
    run.write_csv(tmp_path / "run.csv")
    assert pl.read_csv(tmp_path / "run.csv").shape == table.shape
    run.save(tmp_path / "run.json")
    again = SKAHistory.load(tmp_path / "run.json")
    assert again.to_frame().equals(table)
    np.testing.assert_array_equal(again.output, run.output)
    np.testing.assert_allclose(run.cumulative("entropy")[:, -1], np.nansum(run.entropy, axis=1))
    assert run.cumulative("cosine")[0, 0] == 0.0


@pytest.mark.parametrize("kind", ["entropy", "tensor_net", "phase"])
def test_curves_are_drawn(kind):
    figure = SKANetwork((4, 3), 6, 0.3).run(inputs(), 0.1, 5).plot(kind)
    assert figure.spec["data"]["values"]


def test_bad_input_is_named(tmp_path):
    run = history([1.0] * 5)
    with pytest.raises(InputError, match="did you mean 'entropy'"):
        run.cumulative("entropi")
    with pytest.raises(InputError, match="no curve 'entropi'"):
        run.plot("entropi")
    with pytest.raises(InputError, match="sign='paper'"):
        run.zero_crossings("paper")
    with pytest.raises(InputError, match="sign='Code'"):
        run.exact_net("Code")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(InputError, match=r"SKAHistory\.save"):
        SKAHistory.load(tmp_path / "other.json")
