from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.sum_composition import (
    MALFORMED,
    SumComposition,
    compositions,
    demonstration_sampler,
)

WORLD = SumComposition()


def row(*digits: int, ended: bool = True) -> list[int]:
    return [*digits, *[0] * (8 - len(digits))] if ended else [*digits]


def test_right_answers_are_counted_as_by_enumeration():
    counted = np.zeros(46, dtype=int)
    for parts in range(1, 6):
        for digits in itertools.product(range(1, 10), repeat=parts):
            counted[sum(digits)] += 1
    small = SumComposition(low=2, high=45, most=6)
    assert small.right_answers() == counted[2:46].tolist()


def test_right_answers_without_the_bound_on_digits_are_powers_of_two():
    assert [sum(compositions(total, parts) for parts in range(10)) for total in range(1, 9)] == [
        2 ** (total - 1) for total in range(1, 9)
    ]
    assert WORLD.right_answers()[0] == 2**5
    assert len(WORLD.right_answers()) == len(WORLD.prompts) == 31


def test_judging_by_hand():
    tokens = np.array(
        [
            row(3, 4),  # 7, right
            row(4, 3),
            row(3, 3),  # 6, wrong
            row(),  # nothing
            row(1, 1, 1, 1, 1, 1, 1, 1, ended=False),  # cut off
            row(3, 12),  # not a digit
        ]
    )
    prompt = np.full(6, 1)
    assert WORLD.answer(prompt, tokens).tolist() == [7, 7, 6, 0, MALFORMED, MALFORMED]
    assert WORLD.correct(prompt, tokens).tolist() == [True, True, False, False, False, False]
    assert WORLD.reward(prompt, tokens).tolist() == [1, 1, 0, 0, 0, 0]
    paid = SumComposition(short_bonus=0.01, short_digits=2).reward(prompt, tokens)
    assert paid.tolist() == [1.01, 1.01, 0.01, 0.01, 0, 0]
    assert WORLD.text(tokens[0]) == "3+4"
    assert WORLD.text(tokens[4]) == "1+1+1+1+1+1+1+1..."
    assert WORLD.text(tokens[5]) == "3+?"


def test_demonstrations_miss_as_often_and_as_far_as_said():
    rows = WORLD.demonstrations(stream(0, "demonstrations"), 20_000)
    assert rows.tokens.shape == rows.targets.shape == (20_000, 8)
    answers = np.where(rows.targets < 0, 0, rows.targets)
    assert np.array_equal(
        rows.tokens[:, 1:][rows.targets[:, 1:] >= 0], answers[:, :-1][rows.targets[:, 1:] >= 0]
    )
    prompt = rows.tokens[:, 0] - 10
    miss = WORLD.answer(prompt, answers) - WORLD.targets[prompt]
    off = miss != 0
    assert abs(off.mean() - 0.6) < 4 * np.sqrt(0.24 / 20_000)
    places, seen = np.unique(miss[off], return_counts=True)
    assert places.tolist() == [-4, -3, -2, -1, 1, 2, 3, 4]
    assert chisquare(seen).pvalue > 0.001
    assert chisquare(np.bincount(prompt)).pvalue > 0.001
    # every row ends once and carries loss up to its end
    assert ((rows.targets == 0).sum(1) == 1).all()
    assert np.array_equal(rows.targets < 0, np.cumsum(rows.targets == 0, 1) - (rows.targets == 0) > 0)


def test_digits_of_a_sum_are_drawn_evenly_from_all_of_their_number():
    """Target 6 without misses: one to six digits, each as likely, and each composition of so many."""
    world = SumComposition(low=6, high=6)
    rows = world.demonstrations(stream(1, "demonstrations"), 12_000, off_share=0.0)
    texts, seen = np.unique(
        [world.text(np.where(one < 0, 0, one)) for one in rows.targets], return_counts=True
    )
    expected = [12_000 / 6 / compositions(6, len(text.split("+"))) for text in texts]
    assert len(texts) == 32
    assert chisquare(seen, expected).pvalue > 0.001


def test_a_sampler_draws_from_one_set():
    sample = demonstration_sampler(WORLD, stream(0, "set"), 5)
    rows = sample(stream(0, "rows"), 400)
    assert len(np.unique(rows.tokens, axis=0)) <= 5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SumComposition(low=0), "1 <= low"),
        (lambda: SumComposition(low=9, high=8), "low <= high"),
        (lambda: SumComposition(high=64), "most >= 9"),
        (lambda: WORLD.demonstrations(stream(0), 3, off_share=1.5), "off_share"),
        (lambda: WORLD.demonstrations(stream(0), 3, off_by=6), r"1 .. 5"),
        (lambda: demonstration_sampler(WORLD, stream(0), 0), "count=0"),
    ],
)
def test_bad_input_is_refused(make: object, said: str):
    with pytest.raises(InputError, match=said):
        make()  # pyright: ignore[reportCallIssue]
