from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.elicit.questions import Question, cross, fork, micro_question, orders
from doxa.errors import InputError
from doxa.subjects.base import user
from doxa.worlds import micro


@given(st.integers(2, 12))
@settings(deadline=None)
def test_each_option_stands_once_in_each_place(n_options: int):
    every = orders(n_options)
    assert len(every) == n_options
    for place in range(n_options):
        assert {order[place] for order in every} == set(range(n_options))


def test_micro_questions_carry_their_words():
    vote = micro_question(micro.Vote("tax"))
    assert (vote.text, vote.options, vote.readout, vote.bare) == (
        "vote on the tax .",
        ("for", "against"),
        "behavioural",
        True,
    )
    sure = micro_question(micro.HowSure(), id="s", proposition="p")
    assert sure.shares[0] == 0.0
    assert sure.shares[7] == 0.7
    assert (sure.id, sure.proposition, sure.readout) == ("s", "p", "stated")


def test_what_options_affirm_by_default():
    assert Question("q", "p", "?").shares == (1.0, 0.0)
    assert Question("q", "p", "?", ("A", "B", "C")).shares == (1.0, 0.0, None)
    assert Question("q", "p", "?", ("red", "blue", "green")).shares == (None, None, None)


def test_a_fork_leaves_the_conversation_as_it_is():
    talk = (user("hello"),)
    assert fork(talk, "why ?") == (user("hello"), user("why ?"))
    assert talk == (user("hello"),)


def test_cross_pairs_all_with_all():
    questions = [Question("a", "p", "?"), Question("b", "p", "?")]
    talks, asked = cross([(), (user("x"),)], questions)
    assert [q.id for q in asked] == ["a", "b", "a", "b"]
    assert talks == [(), (), (user("x"),), (user("x"),)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": " "}, "has no text"),
        ({"options": ("yes",)}, "at least two"),
        ({"options": ("yes", "Yes")}, "different"),
        ({"labels": ("a", "b", "c")}, "3 labels for 2 options"),
        ({"affirms": (1.0,)}, "affirms has 1 of 2"),
        ({"affirms": (1.5, 0.0)}, r"\[0, 1\]"),
        ({"anchors": ("low",)}, "anchors"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named(changes: dict, message: str):
    with pytest.raises(InputError, match=message):
        Question(**{"id": "q", "proposition": "p", "text": "?", **changes})
