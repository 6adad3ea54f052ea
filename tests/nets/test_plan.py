from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.nets import NetShape, TrainingPlan


def test_the_one_cycle_rate_by_hand():
    plan = TrainingPlan(steps=11, batch=1, peak_rate=1.0, warmup_share=0.3)
    assert plan.rate(0) == pytest.approx(1 / 25)
    assert plan.rate(3) == pytest.approx(1.0)
    assert plan.rate(10) == pytest.approx(1 / 250_000)
    assert plan.rate(5) == pytest.approx(
        1 / 250_000 + (1 - 1 / 250_000) * (1 + math.cos(math.pi * 2 / 7)) / 2
    )


@given(steps=st.integers(20, 400), share=st.sampled_from([0.2, 0.3, 0.5]))
def test_the_one_cycle_rate_follows_torch(steps: int, share: float):
    weight = torch.nn.Parameter(torch.zeros(1))
    adam = torch.optim.AdamW([weight], lr=1.0)
    # Torch puts the peak at steps * share - 1, ours is a whole step: equal where that is a whole number.
    steps = steps // 10 * 10
    peer = torch.optim.lr_scheduler.OneCycleLR(
        adam,
        max_lr=2e-3,
        total_steps=steps,
        pct_start=(round(share * steps) + 1) / steps,
        cycle_momentum=False,
    )
    plan = TrainingPlan(steps=steps, batch=1, peak_rate=2e-3, warmup_share=share)
    for step in range(steps):
        assert plan.rate(step) == pytest.approx(peer.get_last_lr()[0], rel=1e-9, abs=1e-12)
        adam.step()
        if step + 1 < steps:
            peer.step()


@given(st.integers(1, 50), st.sampled_from(["one-cycle", "cosine", "constant"]), st.floats(0, 0.99))
def test_every_rate_is_positive_and_at_most_the_peak(steps: int, schedule: str, share: float):
    plan = TrainingPlan(steps=steps, batch=1, peak_rate=0.5, schedule=schedule, warmup_share=share)
    rates = [plan.rate(step) for step in range(steps)]
    assert all(0 < rate <= 0.5 + 1e-12 for rate in rates)


@pytest.mark.parametrize(
    "wrong",
    [{"vocabulary": 0}, {"width": 30, "heads": 4}, {"hidden": -1}, {"layers": 0}, {"init_std": -0.1}],
)
def test_a_shape_that_cannot_be_names_the_value(wrong: dict[str, int]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        NetShape(**({"vocabulary": 5} | wrong))


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch": 0}, {"peak_rate": 0.0}, {"warmup_share": 1.0}, {"clip_norm": -1.0}]
)
def test_a_plan_that_cannot_be_names_the_value(wrong: dict[str, float]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrainingPlan(**({"steps": 1, "batch": 1, "peak_rate": 1.0} | wrong))
