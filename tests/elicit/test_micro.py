from __future__ import annotations

import math

import pytest

from doxa.elicit.micro import TextCheck, ask_micro, check_text
from doxa.errors import SubjectError
from doxa.subjects.base import user
from doxa.worlds import micro
from tests.elicit.scripted_subject import ScriptedSubject

QUESTIONS = [micro.Supports("tax"), micro.Vote("tax"), micro.HowSure()]
P = {"yes": 0.6, "no": 0.2, "for": 0.3, "against": 0.6, "70 %": 0.5, "90 %": 0.5}


def subject(replies: list[str] | None = None) -> ScriptedSubject:
    said = iter(replies or [])
    return ScriptedSubject(
        lambda query: [math.log(P.get(form, 1e-12)) for form in query.options], lambda *_: next(said)
    )


def test_log_odds_mass_and_the_expected_sureness():
    asked = subject()
    stated, acted, sure = ask_micro(asked, [(user("hello"),)] * 3, QUESTIONS)
    assert len(asked.score_calls) == 1
    assert stated.log_odds == pytest.approx(math.log(3))
    assert math.exp(stated.log_mass) == pytest.approx(0.8)
    assert acted.log_odds == pytest.approx(math.log(0.5))
    assert sure.log_odds == pytest.approx(math.log(4))
    assert sure.log_probs.shape == (11,)


def test_text_is_compared_with_the_scores():
    talks = [()] * 3
    answers = ask_micro(subject(), talks, QUESTIONS)
    assert check_text(subject(["yes", "against .", "70%"]), talks, QUESTIONS, answers) == TextCheck(
        3, 0, 0, 3
    )
    assert check_text(subject(["no", "I won't say.", "dunno"]), talks, QUESTIONS, answers) == TextCheck(
        3, 1, 1, 0
    )


def test_a_subject_that_does_not_score_is_named():
    deaf = ScriptedSubject(lambda query: [math.nan] * len(query.options))
    with pytest.raises(SubjectError, match="was not scored"):
        ask_micro(deaf, [()], QUESTIONS[:1])
