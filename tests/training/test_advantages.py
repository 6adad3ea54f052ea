from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.advantages import advantages, grpo_advantage, opo_advantage, rloo_advantage
from doxa.training.objectives import open_advantage

GROUP = torch.tensor([4, 4, 9, 9, 9, 1])
REWARDS = torch.tensor([0.0, 1.0, 1.0, 1.0, 1.0, 0.5])


def slow_grpo(rewards: np.ndarray, group: np.ndarray, scale: str, eps: float) -> list[float]:
    """One response at a time."""
    found: list[float] = []
    for reward, name in zip(rewards, group, strict=True):
        others = rewards[group == name]
        mean = others.mean() if len(others) > 1 else 0.0
        deviation = others.std(ddof=1) if len(others) > 1 else 1.0
        deviation = {"group": deviation, "batch": rewards.std(ddof=1), "none": 1.0 - eps}[scale]
        found.append((reward - mean) / (deviation + eps))
    return found


def test_by_hand():
    half = 0.5 / (math.sqrt(0.5) + 1e-6)
    assert grpo_advantage(REWARDS, GROUP).tolist() == pytest.approx([-half, half, 0, 0, 0, 0.5 / (1 + 1e-6)])
    assert grpo_advantage(REWARDS, GROUP, scale="none").tolist() == pytest.approx([-0.5, 0.5, 0, 0, 0, 0.5])
    assert rloo_advantage(REWARDS, GROUP).tolist() == pytest.approx([-1, 1, 0, 0, 0, 0.5])
    thirds = rloo_advantage(torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64), torch.zeros(4))
    assert thirds.tolist() == pytest.approx([-1 / 3, -1 / 3, -1 / 3, 1], rel=1e-15), "in double precision"
    mask = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    assert opo_advantage(REWARDS, GROUP, mask=mask).tolist() == pytest.approx([-0.25, 0.75, 0, 0, 0, 0.5])


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.floats(-3, 3)), min_size=2, max_size=12),
    scale=st.sampled_from(["group", "batch", "none"]),
    eps=st.sampled_from([1e-4, 1e-6, 1e-9]),
)
def test_grpo_is_the_slow_loop(rows: list[tuple[int, float]], scale: str, eps: float):
    group, rewards = np.array([one for one, _ in rows]), np.array([two for _, two in rows])
    by_group: dict[int, list[float]] = defaultdict(list)
    for name, reward in rows:
        by_group[name].append(reward)
    got = grpo_advantage(torch.from_numpy(rewards), torch.from_numpy(group), scale, eps).numpy()
    for one, expected, name in zip(got, slow_grpo(rewards, group, scale, eps), group, strict=True):
        if len(set(by_group[name])) == 1 and len(by_group[name]) > 1:
            assert one == 0.0
        else:
            assert one == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_equal_rewards_have_no_advantage_whatever_rounding_does():
    rewards = torch.full((7,), 0.1)
    group = torch.zeros(7, dtype=torch.long)
    for name in ("grpo?eps=1e-9", "grpo?eps=0", "grpo?scale=batch", "rloo"):
        assert open_advantage(name)(rewards, group).tolist() == [0.0] * 7


def test_trl_takes_another_epsilon():
    rewards, group = REWARDS[:2], GROUP[:2]
    assert open_advantage("grpo?eps=1e-4")(rewards, group)[1] == pytest.approx(0.5 / (math.sqrt(0.5) + 1e-4))


def test_reweighting():
    plain = grpo_advantage(REWARDS, GROUP)
    got = open_advantage("positive-weighted?weight=0.5&base=grpo")(REWARDS, GROUP)
    torch.testing.assert_close(got, torch.where(plain > 0, plain / 2, plain))
    mask = torch.tensor([[1, 1]] * 5 + [[1, 0]])
    entropy = torch.rand(6, 2, generator=torch_stream(0, "entropy"))
    aware = open_advantage("entropy-aware?coef=0.5&base=grpo?scale=none")
    assert aware.needs == {"entropy", "mask"}
    got = aware(REWARDS, GROUP, entropy=entropy, mask=mask)
    mean = entropy[mask > 0].mean()
    weight = torch.where(mask > 0, 1 + 0.5 * (entropy / mean - 1), 0.0)
    torch.testing.assert_close(got, grpo_advantage(REWARDS, GROUP, "none").unsqueeze(1) * weight)
    torch.testing.assert_close(weight[mask > 0].mean(), torch.tensor(1.0))


def test_shuffled_advantages_are_the_same_numbers_in_another_order():
    group, rewards = torch.arange(8) // 4, torch.arange(8.0)
    shuffled = open_advantage("shuffled")
    assert shuffled.needs == {"generator"}
    before = torch.get_rng_state()
    one, two = (shuffled(rewards, group, generator=torch_stream(seed, "x")) for seed in (3, 3))
    assert torch.equal(one, two)
    plain = grpo_advantage(rewards, group)
    assert not torch.equal(one, plain)
    torch.testing.assert_close(one.sort().values, plain.sort().values)
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="NaN"):
        grpo_advantage(torch.tensor([0.0, math.nan]), torch.tensor([0, 0]))
    with pytest.raises(InputError, match="both must be"):
        grpo_advantage(torch.zeros(2), torch.zeros(3, dtype=torch.long))
    with pytest.raises(InputError, match="eps=-1"):
        open_advantage("grpo?eps=-1")(torch.zeros(2), torch.zeros(2, dtype=torch.long))
    with pytest.raises(InputError, match="did you mean 'group'"):
        open_advantage("grpo?scale=groups")
    with pytest.raises(InputError, match="needs the mask"):
        open_advantage("opo")(REWARDS, GROUP)
    with pytest.raises(InputError, match="generator"):
        open_advantage("shuffled")(REWARDS, GROUP)
    with pytest.raises(InputError, match="base=shuffled"):
        open_advantage("positive-weighted?weight=2&base=shuffled")(REWARDS, GROUP)
    with pytest.raises(InputError, match="compute_entropy=True"):
        open_advantage("entropy-aware")(REWARDS, GROUP, mask=torch.ones(6, 2))
    with pytest.raises(InputError, match="coef=2"):
        open_advantage("entropy-aware?coef=2")(
            REWARDS, GROUP, mask=torch.ones(6, 2), entropy=torch.ones(6, 2)
        )
    with pytest.raises(InputError, match="say weight="):
        open_advantage("positive-weighted")
    with pytest.raises(InputError, match="weight=-1"):
        open_advantage("positive-weighted?weight=-1")(REWARDS, GROUP)
    assert advantages.names() == ["entropy-aware", "grpo", "opo", "positive-weighted", "rloo", "shuffled"]
