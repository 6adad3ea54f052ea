from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.streams import stream
from doxa.subjects.base import Sampling, user
from doxa.subjects.transformers import TransformersSubject
from doxa.subjects.transformers_reply import _draw
from tests.subjects import tiny_models


@pytest.mark.parametrize("family", sorted(tiny_models.CONFIGS))
def test_padding_and_company_change_no_reply(family: str):
    subject = TransformersSubject(tiny_models.model(family), tiny_models.tokenizer())
    talks = [(user("is the flag of peru red? " * n),) for n in (1, 4, 2)]
    for sampling in (Sampling(max_tokens=10), Sampling(temperature=0.8, max_tokens=10, seed=1)):
        together = subject.reply(talks, sampling=sampling)
        assert together == [subject.reply([talk], sampling=sampling)[0] for talk in talks]
        assert together == subject.reply(talks[::-1], sampling=sampling)[::-1]


class Fixed:
    """A generator whose one uniform number is given."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def test_a_draw_by_hand():
    draw = getattr(_draw, "__wrapped__", _draw)  # the type check of the tests wants a real generator
    logits = np.log(np.array([0.1, 0.6, 0.3]))
    whole, nucleus = Sampling(temperature=1.0), Sampling(temperature=1.0, top_p=0.7)
    assert [draw(logits, whole, Fixed(u)) for u in (0.05, 0.15, 0.69, 0.71, 0.999)] == [0, 1, 1, 2, 2]
    assert [draw(logits, nucleus, Fixed(u)) for u in (0.0, 0.5, 0.67, 0.999)] == [1, 1, 2, 2]
    assert _draw(logits, Sampling(), stream(0)) == 1


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20),
    st.floats(1e-3, 10),
    st.floats(1e-6, 1),
    st.integers(0, 99),
)
def test_a_draw_is_a_token_of_positive_probability(
    values: list[float], temperature: float, top_p: float, seed: int
):
    logits = np.array(values)
    token = _draw(logits, Sampling(temperature=temperature, top_p=top_p), stream(seed))
    assert np.exp((logits[token] - logits.max()) / temperature) > 0.0


def test_draws_have_the_shares_of_the_softmax():
    logits = np.array([0.0, 1.0, 2.0, -1.0])
    expected = np.exp(logits / 0.7) / np.exp(logits / 0.7).sum()
    generator = stream(3)
    drawn = (
        np.bincount([_draw(logits, Sampling(temperature=0.7), generator) for _ in range(4000)], minlength=4)
        / 4000
    )
    assert np.all(np.abs(drawn - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000))
