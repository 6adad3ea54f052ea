from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS
from doxa.streams import stream
from doxa.worlds import bandit_tokens as tokens
from doxa.worlds.bandit_teacher import (
    arm_probability,
    doubt,
    random_play,
    sharpened_belief,
    teacher_completions,
    teacher_entropy_nats,
    teacher_policy,
    teacher_sampler,
    train_students,
)
from doxa.worlds.bandit_tokens import BanditTokens, Play, Read

BELIEFS = np.array([0.003, 0.2, 0.5, 0.71, 0.99])


def some_play(*rounds):
    """Return play of one row from (arm, reward) pairs."""
    arms, rewards = (np.array([list(one)]) for one in zip(*rounds, strict=True))
    return Play(arms, rewards.astype(float))


def test_a_summary_prompt_by_hand():
    layout = BanditTokens()
    prompts = layout.prompts(some_play((0, 104.0), (1, 80.0), (0, 98.0), (0, 95.0)), 1)
    words = [layout.word(int(token)) for token in prompts.tokens[0]]
    assert words == [
        *("begin", "red machine", "pulled 3", "reward 98.75"),
        *("blue machine", "pulled 1", "reward 83.75", "Thought:"),
    ]
    assert prompts.read.counts.tolist() == [[3.0, 1.0]]
    assert prompts.read.sums[0] == pytest.approx([3 * -0.125, -1.625])


def test_a_prompt_of_rounds_by_hand():
    layout = BanditTokens(history="rounds")
    play = Play(np.array([[0, 1, -1], [1, -1, -1]]), np.array([[104.0, 80.0, 0.0], [100.0, 0.0, 0.0]]))
    prompts = layout.prompts(play, 0)
    told = [[layout.word(int(token)) for token in row] for row in prompts.rows()]
    assert told == [
        ["begin", "red button", "reward 102.5", "blue button", "reward 82.5", "Thought:"],
        ["begin", "blue button", "reward 102.5", "Thought:"],
    ]
    assert prompts.read.sums.tolist() == [[0.25, -1.75], [0.0, 0.25]]


def test_an_arm_never_pulled_has_no_reward():
    layout = BanditTokens()
    empty = layout.prompts(Play(np.full((1, 4), -1), np.zeros((1, 4))), 0)
    assert [layout.word(int(token)) for token in empty.tokens[0]][1:4] == [
        "red button",
        "pulled 0",
        "no reward",
    ]
    assert empty.read.counts.tolist() == [[0.0, 0.0]]
    assert sharpened_belief(empty.read) == pytest.approx([0.5])


def test_words_of_tokens_differ_but_for_the_thought_marker():
    layout = BanditTokens()
    words = [layout.word(int(token)) for token in range(1, layout.vocabulary)]
    assert len(set(words)) == len(words) - 1


def test_completions_are_read():
    layout, a, b = BanditTokens(), tokens.ARM_A, tokens.ARM_B
    rows = [
        [3, 4, 8, tokens.ACT, a[0]],
        [3, 4, 8, tokens.ACT, b[0]],
        [3, 4, 8, tokens.ACT, b[1]],
        [3, 4, 8, 9, b[0]],
        [tokens.ACT, a[0], tokens.ACT, b[0], 3],
        [3, 4, 8, 9, tokens.ACT],
        [tokens.ACT, 5, tokens.ACT, b[0], 3],
        [-1, -1, -1, -1, -1],
    ]
    assert layout.arms_of(np.array(rows), 0).tolist() == [0, 1, -1, -1, 0, -1, -1, -1]
    assert layout.arms_of(np.array(rows), 1).tolist() == [-1, -1, 1, -1, -1, -1, -1, -1]


def test_the_belief_is_that_of_unit_normal_priors_sharpened():
    read = Read(np.array([[3.0, 1.0]]), np.array([[-1.5, 0.6]]))
    means, variances = [-1.5 / 4, 0.6 / 2], [1 / 4, 1 / 2]
    better = 0.5 * math.erfc(-(means[1] - means[0]) / math.sqrt(2 * sum(variances)))
    assert sharpened_belief(read) == pytest.approx([better**2 / (better**2 + (1 - better) ** 2)])


def test_the_policy_is_the_sum_over_all_thoughts():
    unsure = 0.75 * doubt(BELIEFS)
    chance = {"filler": np.full(5, 0.25), "unsure": unsure, "sure": 0.75 - unsure}
    total = np.zeros(5)
    for thought in itertools.product(chance, repeat=3):
        counts = [np.full(5, thought.count(kind)) for kind in ("unsure", "sure")]
        total += np.prod([chance[kind] for kind in thought], axis=0) * arm_probability(BELIEFS, *counts)
    assert teacher_policy(BELIEFS) == pytest.approx(total)
    assert teacher_entropy_nats(np.array([0.5])) == pytest.approx([math.log(2)])
    assert teacher_policy(1 - BELIEFS) == pytest.approx(1 - teacher_policy(BELIEFS))


def test_what_the_teacher_says_has_its_shares():
    rng = stream(0, "test", "teacher")
    p = np.full(60_000, 0.71)
    said = teacher_completions(p, np.zeros(60_000, dtype=int), rng)
    thought = said[:, :3]
    assert (thought == tokens.FILLER).mean() == pytest.approx(0.25, abs=0.005)
    assert np.isin(thought, tokens.UNSURE).mean() == pytest.approx(0.75 * doubt(p[:1])[0], abs=0.005)
    assert (said[:, 4] == tokens.ARM_B[0]).mean() == pytest.approx(teacher_policy(p[:1])[0], abs=0.007)
    sure = np.isin(thought, tokens.SURE).sum(1) > np.isin(thought, tokens.UNSURE).sum(1)
    assert (said[sure, 4] == tokens.ARM_B[0]).mean() == pytest.approx(0.98, abs=0.01)


@pytest.mark.parametrize("history", ["summary", "rounds"])
def test_a_batch_has_loss_on_the_completion_only(history):
    layout = BanditTokens(history=history, horizon=6)
    batch = teacher_sampler(layout)(stream(0, "test", "batch"), 50)
    for text, targets in zip(batch.tokens, batch.targets, strict=True):
        (places,) = np.nonzero(targets != NO_LOSS)
        assert len(places) == tokens.COMPLETION_TOKENS
        assert text[places[0]] in tokens.THINK
        assert np.array_equal(text[places + 1], targets[places])
        assert layout.arms_of(text[places + 1], tokens.THINK.index(text[places[0]])) in (0, 1)


def test_random_play_has_every_length_and_both_arms():
    play = random_play(BanditTokens(), 2000, stream(0, "test", "play"))
    lengths = (play.arms >= 0).sum(1)
    assert set(lengths) == set(range(25))
    share = play.counts[lengths == 24, 1] / 24
    assert share.min() < 0.05
    assert share.max() > 0.95


def test_a_few_steps_of_training_teach_something():
    students = train_students(BanditTokens(horizon=5), [0, 1], steps=30, batch=32, width=16, layers=1)
    assert students.loss.shape[0] == 2
    assert students.net.export(1).config.vocab_size == BanditTokens().vocabulary


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BanditTokens(spread=0.0), "spread=0.0"),
        (lambda: BanditTokens().prompts(some_play((0, 1.0)), 2), "wording=2: must be 0 or 1"),
        (lambda: BanditTokens().prompts(some_play((2, 1.0)), 0), "has two"),
        (lambda: BanditTokens(horizon=1).prompts(some_play((0, 1.0)), 0), "the last"),
        (lambda: BanditTokens(history="rounds").prompts(some_play((-1, 1.0), (0, 1.0)), 0), "gap"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
