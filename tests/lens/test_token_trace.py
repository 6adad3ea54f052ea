from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lens.completions import ENDED, Ends, uniforms
from doxa.lens.token_trace import token_trace
from tests.lens import lens_models

PROMPTS = [[5, 9, 31], [7, 7, 8, 8]]


def numbers(tokens=3, samples=40):
    return uniforms(0, "test", "trace", rows=range(2), samples=samples, tokens=tokens)


def first_token(tokens):
    return (tokens[..., 0] >= 160).astype(int)


def last_token(tokens):
    return np.where(tokens[..., -1] < 300, (tokens[..., -1] >= 160).astype(int), -1)


def test_an_action_that_hangs_on_one_token_is_settled_by_it():
    model = lens_models.model("llama")
    said = np.array([[10, 20, 30], [310, 20, 30]])
    shares = token_trace(model, PROMPTS, said, numbers(), arms_of=first_token)
    assert shares.shape == (2, 4)
    assert shares[:, 1:].tolist() == [[1.0] * 3, [0.0] * 3]
    assert np.all((shares[:, 0] > 0) & (shares[:, 0] < 1))
    late = token_trace(model, PROMPTS, said, numbers(), arms_of=last_token)
    assert late[:, 3].tolist() == [1.0, 1.0]
    assert np.all((late[:, :3] > 0) & (late[:, :3] < 1))
    other = token_trace(model, PROMPTS, said, numbers(), arms_of=last_token, arm=1)
    assert late + other == pytest.approx(np.ones((2, 4)))


def test_a_completion_that_is_over_is_not_continued():
    """What ends at its second token names an action there; a third would name another."""
    said = np.array([[10, 20, ENDED], [10, 20, 30]])
    seen: list[np.ndarray] = []

    def arms_of(tokens):
        seen.append(tokens)
        return (tokens[..., 1] >= 160).astype(int)

    ends = Ends(finished=lambda tokens: len(tokens) >= 2)
    shares = token_trace(lens_models.model("llama"), PROMPTS, said, numbers(5), arms_of=arms_of, ends=ends)
    assert shares[:, 2:].tolist() == [[1.0, 1.0]] * 2
    for tokens in seen:
        assert tokens.shape[-1] == 5
    assert np.all(seen[1][..., 2:] == ENDED), "over with the token that follows what was begun"
    assert np.all(seen[2][..., 2:] == ENDED)
    assert seen[3][:, 0].tolist() == [[10, 20, *[ENDED] * 3], [10, 20, 30, *[ENDED] * 2]]


def test_the_last_place_is_the_completion_as_it_was_said():
    """There is room for two more tokens, and none of them is asked for."""
    said = np.array([[10, 20, 30], [310, 20, 30]])
    lengths: list[int] = []

    def arms_of(tokens):
        lengths.append(tokens.shape[-2])
        return np.where((tokens == ENDED).any(-1), 0, 1)

    shares = token_trace(lens_models.model("llama"), PROMPTS, said, numbers(5), arms_of=arms_of)
    assert shares[:, 3].tolist() == [1.0, 1.0]
    assert lengths[-1] == 1


def test_without_a_valid_continuation_there_is_no_share():
    shares = token_trace(
        lens_models.model("llama"),
        PROMPTS,
        np.array([[10], [20]]),
        numbers(1),
        arms_of=lambda tokens: np.full(tokens.shape[:-1], -1),
    )
    assert np.isnan(shares).all()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (np.zeros((1, 2), dtype=int), "completions of shape"),
        (np.zeros((2, 5), dtype=int), "chances for 3 tokens"),
    ],
)
def test_bad_input(said, message):
    with pytest.raises(InputError, match=message):
        token_trace(lens_models.model("llama"), PROMPTS, said, numbers(), arms_of=first_token)
