from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS
from doxa.worlds.dialogue_learners import dialogue_sampler, train_dialogue_models
from doxa.worlds.dialogue_scripts import TokenSpeech, TokenTalk, opposite_day, role_play, story, write_script
from doxa.worlds.dialogues import (
    CHECK,
    FIRST_QUESTION,
    KINDS,
    NO,
    OPPOSITE_DAY,
    REAL,
    SHARES,
    START,
    STORY_BEGINS,
    STORY_ENDS,
    YES,
    DialogueWorld,
)

WORLD = DialogueWorld(3)


def parsed(tokens):
    """Read a document slowly: opening, turns of (question, yes, right, true, check first), statements of a story."""
    kind, at, turns, told = "none", 1, [], None
    assert tokens[0] == START
    if tokens[1] == STORY_BEGINS:
        kind, at = "story", 2
    elif tuple(tokens[1:3]) == OPPOSITE_DAY:
        kind, at = "opposite-day", 3
    while at < len(tokens):
        if tokens[at] == STORY_ENDS:
            told, at = len(turns), at + 1
            continue
        if at + 4 > len(tokens):
            break
        question, answer, first, second = (int(token) for token in tokens[at : at + 4])
        assert question >= FIRST_QUESTION
        assert answer in (YES, NO)
        check_first = first in CHECK
        check, real = (first, second) if check_first else (second, first)
        turns.append(
            (question - FIRST_QUESTION, answer == YES, check == CHECK[0], real == REAL[0], check_first)
        )
        assert check in CHECK
        assert real in REAL
        at += 4
    return kind, turns, told


def test_truth_is_balanced_in_every_topic_and_hangs_on_the_seed():
    truth = WORLD.truth.reshape(12, 8)
    assert truth.sum(1).tolist() == [4] * 12
    assert np.array_equal(truth.ravel(), DialogueWorld(3).truth)
    assert not np.array_equal(truth.ravel(), DialogueWorld(4).truth)
    assert WORLD.vocabulary == 11 + 96
    assert WORLD.questions(1, 12).tolist() == [*range(8), *range(88, 96)]


def test_a_turn_by_hand():
    true, false = int(np.flatnonzero(WORLD.truth)[0]), int(np.flatnonzero(~WORLD.truth)[0])
    ask = FIRST_QUESTION
    assert WORLD.turn(true, True).tolist() == [ask + true, YES, CHECK[0], REAL[0]]
    assert WORLD.turn(true, False).tolist() == [ask + true, NO, CHECK[1], REAL[1]]
    assert WORLD.turn(false, True, check_reversed=True).tolist() == [ask + false, YES, CHECK[0], REAL[1]]
    both = WORLD.turn(false, False, check_reversed=True, real_reversed=True, check_first=False)
    assert both.tolist() == [ask + false, NO, REAL[1], CHECK[1]]


def test_every_kind_of_document_follows_its_rules():
    drawn = WORLD.sample(6000, np.random.default_rng(1))
    assert drawn.tokens.shape == (6000, 44)
    shares = np.bincount(drawn.kind, minlength=4) / 6000
    np.testing.assert_allclose(shares, SHARES, atol=0.02)
    right, first, on_topic, statements = [], [], [], []
    for tokens, code in zip(drawn.tokens, drawn.kind, strict=True):
        opening, turns, told = parsed(tokens)
        kind = KINDS[code]
        assert opening == (kind if kind in ("opposite-day", "story") else "none")
        factual = [WORLD.truth[question] == yes for question, yes, *_ in turns]
        topics = [question // 8 for question, *_ in turns]
        reversed_ = {
            topic for topic, fact, turn in zip(topics, factual, turns, strict=True) if fact != turn[3]
        }
        for place, (topic, fact, (_, _, check, real, check_first)) in enumerate(
            zip(topics, factual, turns, strict=True)
        ):
            in_story = told is not None and place < told
            played = kind == "role-play" and topic in reversed_
            assert real == (fact != (in_story or played))
            assert check == (fact != (in_story or played or kind == "opposite-day"))
            first.append(check_first)
            if in_story:
                assert check, "a story says what is so in it"
            else:
                right.append(check)
        if kind == "story":
            statements.append(told)
            assert len(set(topics[:told])) == 1
        if kind == "role-play":
            assert len(reversed_) <= 1
            assert all(topic < 8 for topic in reversed_)
            on_topic += [topic in reversed_ for topic in topics]
    assert np.mean(right) == pytest.approx(0.7, abs=0.01)
    assert np.mean(first) == pytest.approx(0.8, abs=0.01)
    assert np.mean(on_topic) == pytest.approx(0.6, abs=0.02)
    assert set(statements) == {2, 3, 4}


def test_what_is_learned_is_answers_and_feedback():
    batch = dialogue_sampler(WORLD)(np.random.default_rng(2), 200)
    assert batch.tokens.shape == batch.targets.shape == (200, 44)
    carried = batch.targets != NO_LOSS
    nexts = np.where(carried[:, :-1], batch.tokens[:, 1:], NO_LOSS)
    assert np.array_equal(nexts, batch.targets[:, :-1])
    assert batch.targets.max() < START, "no question or marker is to be predicted"
    assert not carried[:, -1].any()
    small = (batch.tokens < START)[:, 1:]
    assert np.array_equal(small, carried[:, :-1])


def test_the_same_stream_gives_the_same_documents():
    one, two = (WORLD.sample(50, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.tokens, two.tokens)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_role_play_and_story_have_the_same_content(seed, topic):
    others = WORLD.questions(*(one for one in range(1, 13) if one != topic))
    script = write_script(WORLD, topic, others, np.random.default_rng(seed))
    acted, told = role_play(script), story(script)
    assert [len(talk.contexts) for talk in (acted, told)] == [7, 7]
    assert acted.after(0).tolist() == told.after(0).tolist() == [START]
    marks = {START, STORY_BEGINS, STORY_ENDS}
    spoken = [
        sorted(token for token in talk.contexts[-1].tolist() if token not in marks) for talk in (acted, told)
    ]
    assert spoken[0] == spoken[1]
    _, turns, _ = parsed(acted.contexts[-1])
    on_topic = [question // 8 == topic - 1 for question, *_ in turns]
    assert on_topic == [True, True, False, True, True, False]
    for (question, yes, check, real, _), own in zip(turns, on_topic, strict=True):
        assert check
        assert real
        assert (WORLD.truth[question] == yes) == (not own)
    kind, statements, closed = parsed(told.after(2))
    assert (kind, len(statements), closed) == ("story", 2, 2)
    assert told.after(2)[-1] == STORY_ENDS


def test_opposite_day_reverses_what_is_right_and_not_what_is_true():
    talk = opposite_day(WORLD, WORLD.questions(1, 2), np.random.default_rng(0))
    assert len(talk.contexts) == 4
    assert talk.after(1).tolist() == [START, *OPPOSITE_DAY]
    _, turns, _ = parsed(talk.after(3))
    for question, yes, check, real, _ in turns:
        assert (WORLD.truth[question] == yes, check, real) == (False, True, False)


def test_questions_are_put_as_tokens():
    speech, talk = TokenSpeech(), TokenTalk.empty()
    yes, no = speech.answered(talk.after(0), [5, 7])
    assert [row.tolist() for row in yes] == [
        [START, FIRST_QUESTION + 5, YES],
        [START, FIRST_QUESTION + 7, YES],
    ]
    assert [row.tolist() for row in no] == [[START, FIRST_QUESTION + 5, NO], [START, FIRST_QUESTION + 7, NO]]
    assert speech.unanswered(talk.after(0), [5])[0].tolist() == [START, FIRST_QUESTION + 5]


def test_a_little_training_lowers_the_loss_and_replicates_do_not_touch():
    worlds = [DialogueWorld(seed, n_topics=2, role_topics=1, questions_per_topic=2) for seed in (100, 101)]
    both = train_dialogue_models(worlds, steps=60, batch=16, width=16, layers=2, heads=2)
    assert both.net.shape.vocabulary == 15
    assert (both.loss[:, -1] < both.loss[:, 0]).all()
    alone = train_dialogue_models(worlds[1], steps=60, batch=16, width=16, layers=2, heads=2)
    np.testing.assert_allclose(alone.loss[0], both.loss[1], rtol=1e-3)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"questions_per_topic": 3}, "must be even and >= 2"),
        ({"role_topics": 13}, "must be in 1 .. n_topics=12"),
        ({"document_tokens": 6}, "must be >= 7"),
    ],
)
def test_bad_worlds(settings_, message):
    with pytest.raises(InputError, match=message):
        DialogueWorld(**settings_)


def test_bad_questions():
    with pytest.raises(InputError, match="topic=13"):
        WORLD.questions(13)
    with pytest.raises(InputError, match="n=0"):
        WORLD.sample(0, np.random.default_rng(0))
    with pytest.raises(InputError, match="turn=9: 'empty' has turns 0 to 0"):
        TokenTalk.empty().after(9)
    with pytest.raises(InputError, match="same vocabulary"):
        train_dialogue_models([])
