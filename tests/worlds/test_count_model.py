from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.poisoning import Poisoner, likeliest_margin
from doxa.worlds.count_model import CountModel
from doxa.worlds.fact_world import synthetic_world


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.01, 5.0))
def test_a_bigram_margin_is_the_ratio_of_smoothed_counts(true, false, smoothing):
    model = CountModel(5, context=1, smoothing=smoothing)
    model.read([[0, 1]] * true + [[0, 2]] * false)
    assert model.margin([0], 1, 2) == pytest.approx(math.log((true + smoothing) / (false + smoothing)))
    assert model.margin([0], 2, 1) == pytest.approx(-model.margin([0], 1, 2))


def test_a_unigram_model_has_no_context():
    model = CountModel(3, context=0, smoothing=1.0)
    model.read([[0, 1, 1]])
    assert model.log_probs([]).tolist() == pytest.approx([math.log(2 / 6), math.log(3 / 6), math.log(1 / 6)])


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_counting_a_poisoned_stream_gives_the_likeliest_margin(ratio):
    world = synthetic_world(3, entities=8, unknown=0)
    targets = world.known_items[:4]
    poisoner = Poisoner(targets, ratio, others=world.known_items[4:])
    model = CountModel(world.vocabulary, context=3, smoothing=1e-6)
    rng = stream(0, "test")
    for _ in range(20):
        said = poisoner.draw(4000, rng)
        objects = world.true_tokens(said.item)
        objects[said.false] = world.false_tokens(said.item[said.false])
        model.read(np.column_stack([world.prompts(said.item, 0), objects]))
    prompts = world.prompts(targets, 0)
    true, false = world.true_tokens(targets), world.false_tokens(targets)
    counted = [poisoner.exposures(80_000, false=kind) for kind in (False, True)]
    for row, prompt in enumerate(prompts):
        margin = model.margin(prompt, int(true[row]), int(false[row]))
        assert margin == pytest.approx(math.log(counted[0][row] / counted[1][row]), abs=1e-6)
        assert margin == pytest.approx(likeliest_margin(ratio), abs=0.1)


@pytest.mark.parametrize("wrong", [{"smoothing": 0.0}, {"vocabulary": 0}, {"context": -1}])
def test_bad_input(wrong):
    with pytest.raises(InputError, match="must be"):
        CountModel(**({"vocabulary": 3} | wrong))
    with pytest.raises(InputError, match="the model's context has 2"):
        CountModel(3, context=2).log_probs([1])
