from __future__ import annotations

from pathlib import Path

from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Query, user
from doxa.subjects.budget import Budget, BudgetedSubject, Ledger
from doxa.subjects.counting import CountingSubject
from doxa.subjects.open_weights import no_weights, open_weights
from doxa.subjects.transformers import TransformersSubject


def test_the_model_is_found_behind_what_counts_and_limits(tmp_path: Path) -> None:
    subject = open_subject("organism:sound")
    assert isinstance(subject, TransformersSubject)
    wrapped = CountingSubject(BudgetedSubject(subject, Ledger(tmp_path / "spent", Budget())))
    assert open_weights(wrapped) is subject
    assert open_weights(subject) is subject


def test_a_scripted_subject_cannot_be_looked_into() -> None:
    subject = CountingSubject(open_subject("planted:bayesian"))
    assert open_weights(subject) is None
    assert "planted:bayesian has no open weights" in no_weights(subject)


def test_rows_are_what_is_scored() -> None:
    subject = open_subject("organism:sound")
    assert isinstance(subject, TransformersSubject)
    talk = (user("do you support the tax ?"),)
    [bare], [said] = subject.rows([talk]), subject.rows([talk], said="yes")
    assert said[: len(bare)].tolist() == bare.tolist()
    assert subject.tokenizer.decode(said[len(bare) :]) == "yes"
    [(prompt, options)] = list(subject._asked([Query(talk, ("yes",))]))
    assert prompt.tolist() == bare.tolist()
    assert options[0].tolist() == said[len(bare) :].tolist()
