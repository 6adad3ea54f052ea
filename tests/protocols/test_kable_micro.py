from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from doxa.errors import CapabilityError, InputError
from doxa.protocols import kable
from doxa.streams import stream
from doxa.subjects.base import Capability
from doxa.worlds import micro
from doxa.worlds.micro import Attitude, DoesBelieve, IsTrue


class MicroMind:
    """Answers micro-English exactly: the truth about facts, what was said about beliefs, unless ``first`` says no."""

    form = "micro"
    address = identity = "scripted:"
    context_tokens = None
    capabilities = frozenset({Capability.SCORE})

    def __init__(self, *, first_false: float = 0.9) -> None:
        self.first_false = first_false
        self.calls: list[list[str]] = []

    def score(self, queries):
        self.calls.append([query.conversation[-1].content for query in queries])
        assert {query.options for query in queries} == {("yes", "no")}
        return [np.log([p, 1 - p]) for p in map(self.p_yes, self.calls[-1])]

    def reply(self, conversations, *, sampling, tools=()):
        raise NotImplementedError

    def p_yes(self, text):
        *told, question = micro.read(text)
        match question:
            case IsTrue(fact):
                return 0.9 if fact.true else 0.1
            case DoesBelieve(person, fact):
                if Attitude(person, fact) not in told:
                    return 0.1
                return self.first_false if person == "i" and not fact.true else 0.9


def rows_of(mind, n_items=12, seed=0):
    return kable.micro_knowledge_belief(mind, n_items=n_items, rng=stream(seed, "test", "micro"))


def test_every_question_is_asked_of_every_person_in_one_call():
    mind = MicroMind()
    rows = rows_of(mind)
    assert len(mind.calls) == 1
    assert rows.schema == pl.Schema(kable.MICRO_ROWS)
    assert rows.height == 240
    counts = rows.group_by("person", "question", "truth").len()
    assert set(counts["len"]) == {12}
    assert counts.height == 2 * (1 + 3 * 3)
    assert rows["place"].n_unique() == 12
    assert rows["correct"].all()


def test_places_repeat_only_when_all_were_used():
    rows = rows_of(MicroMind(), n_items=50)
    uses = rows.unique("context")["place"].value_counts()["count"]
    assert sorted(set(uses)) == [1, 2]
    assert len(uses) == 40


@pytest.mark.parametrize("first_false", [0.9, 0.5, 0.1])
def test_the_planted_person_gap_is_recovered(first_false):
    gaps = kable.micro_gaps(rows_of(MicroMind(first_false=first_false)), stream(0, "test"))
    assert gaps.first_false.estimate == pytest.approx(first_false)
    assert gaps.third_false.estimate == pytest.approx(0.9)
    assert gaps.person_gap.estimate == pytest.approx(0.9 - first_false)
    assert gaps.truth_gap.estimate == pytest.approx(0.9 - first_false)
    assert gaps.frame_effect.estimate == pytest.approx(0.0)
    assert gaps.facts.estimate == pytest.approx(0.9)
    assert gaps.deny.estimate == pytest.approx(0.9)
    assert gaps.person_gap.n == 12


def test_saying_yes_to_everything_shows_in_deny():
    class YesSayer(MicroMind):
        def p_yes(self, text):
            return 0.99

    rows = rows_of(YesSayer())
    gaps = kable.micro_gaps(rows, stream(0, "test"))
    assert gaps.third_false.estimate == pytest.approx(0.99)
    assert gaps.deny.estimate == pytest.approx(0.01)
    assert gaps.facts.estimate == pytest.approx(0.5)


def test_same_stream_same_questions():
    one, other, third = MicroMind(), MicroMind(), MicroMind()
    assert rows_of(one).equals(rows_of(other))
    rows_of(third, seed=1)
    assert one.calls == other.calls != third.calls


def test_bad_input():
    with pytest.raises(InputError, match="n_items=0"):
        rows_of(MicroMind(), n_items=0)
    mute = MicroMind()
    mute.capabilities = frozenset()
    with pytest.raises(CapabilityError, match="cannot score"):
        rows_of(mute)
