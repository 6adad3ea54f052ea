from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.poisoning import Poisoner, check_checkpoints, checkpoint_steps, likeliest_margin

TARGETS, OTHERS = np.arange(3), np.arange(3, 10)


@given(st.floats(0, 1), st.integers(1, 400), st.integers(0, 1000))
@settings(deadline=None)
def test_the_share_of_false_statements_is_exact(ratio, n, seed):
    said = Poisoner(TARGETS, ratio, others=OTHERS).draw(n, stream(seed, "text"))
    assert said.false.sum() == round(ratio * said.target.sum())
    assert not said.false[~said.target].any()
    assert np.isin(said.item[said.target], TARGETS).all()
    assert np.isin(said.item[~said.target], OTHERS).all()


@given(st.floats(0, 1), st.integers(1, 400))
@settings(deadline=None)
def test_in_corpus_mode_it_is_a_share_of_all_text(ratio, n):
    said = Poisoner(TARGETS, ratio, "corpus", OTHERS).draw(n, stream(0, "text"))
    assert said.false.sum() == round(ratio * n)
    assert (said.false == said.target).all()


@given(
    st.floats(0, 1) | st.sampled_from([0.001, 0.01, 0.5, 0.999]),
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.sampled_from(["replace", "corpus"]),
)
@settings(deadline=None)
def test_the_share_is_exact_over_any_sequence_of_draws(ratio, sizes, mode):
    poisoner, rng = Poisoner(TARGETS, ratio, mode, OTHERS), stream(0, "text")
    possible = false = 0
    for n in sizes:
        said = poisoner.draw(n, rng)
        possible += n if mode == "corpus" else int(said.target.sum())
        false += int(said.false.sum())
        assert abs(false - ratio * possible) <= 0.5 + 1e-9


def test_a_low_ratio_is_reached_in_small_draws():
    rare, rng = Poisoner(TARGETS, 0.001, "corpus", OTHERS), stream(0, "text")
    assert sum(int(rare.draw(256, rng).false.sum()) for _ in range(100)) == 26
    few, others = np.arange(10), np.arange(10, 610)
    some = Poisoner(few, 0.1, others=others)
    said = [some.draw(256, rng) for _ in range(100)]
    targets = sum(int(part.target.sum()) for part in said)
    assert sum(int(part.false.sum()) for part in said) == round(0.1 * targets)


def test_exposures_are_counted_and_hang_on_the_seed():
    poisoners = [Poisoner(TARGETS, 0.3, others=OTHERS) for _ in range(2)]
    for poisoner in poisoners:
        rng = stream(1, "text")
        said = [poisoner.draw(500, rng) for _ in range(3)]
    items = np.concatenate([part.item for part in said])
    false = np.concatenate([part.false for part in said])
    by_hand = [int(((items == one) & false).sum()) for one in TARGETS]
    assert poisoners[0].exposures(1500).tolist() == poisoners[1].exposures(1500).tolist() == by_hand
    both = poisoners[0].exposures(1500) + poisoners[0].exposures(1500, false=False)
    assert both.tolist() == [int((items == one).sum()) for one in TARGETS]
    assert poisoners[0].exposures(0).tolist() == [0, 0, 0]
    assert poisoners[0].exposures(700).sum() <= poisoners[0].exposures(1500).sum()
    with pytest.raises(InputError, match="only 1500 statements were drawn"):
        poisoners[0].exposures(1501)


@pytest.mark.parametrize("order", ["false first", "false last"])
def test_orders_put_false_statements_at_one_end(order):
    poisoner = Poisoner(TARGETS, 0.5, order=order, total=100)
    rng = stream(0, "text")
    false = np.concatenate([poisoner.draw(50, rng).false for _ in range(2)])
    assert false[:50].all() == (order == "false first")
    assert false.sum() == 50
    assert false[50:].all() == (order == "false last")


@pytest.mark.parametrize("ratio", [-0.01, 1.01, float("nan")])
def test_ratios_outside_are_refused(ratio):
    with pytest.raises(InputError, match=r"must be in \[0, 1\]"):
        Poisoner(TARGETS, ratio)
    with pytest.raises(InputError, match=r"must be in \[0, 1\]"):
        likeliest_margin(ratio)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": np.zeros(0, int)}, "at least one fact"),
        ({"mode": "corpus"}, "needs others"),
        ({"order": "false first"}, "needs total"),
    ],
)
def test_bad_poisoners(wrong, message):
    with pytest.raises(InputError, match=message):
        Poisoner(**({"targets": TARGETS, "ratio": 0.5} | wrong))
    with pytest.raises(InputError, match="n=0"):
        Poisoner(TARGETS, 0.5).draw(0, stream(0, "text"))


@given(st.integers(1, 10_000), st.integers(2, 30))
def test_checkpoints_are_dense_early(steps, count):
    marks = checkpoint_steps(steps, count)
    assert marks[0] == 0
    assert marks[-1] == steps
    assert len(marks) <= count
    assert list(marks) == sorted(set(marks))
    check_checkpoints(marks, steps)


def test_bad_checkpoints():
    with pytest.raises(InputError, match="checkpoint 501: must be <= steps=500"):
        check_checkpoints([0, 501], 500)
    with pytest.raises(InputError, match="increasing"):
        check_checkpoints([5, 5], 500)
    with pytest.raises(InputError, match="count=1"):
        checkpoint_steps(10, 1)
