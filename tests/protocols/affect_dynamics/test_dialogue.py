"""Dialogues in conditions and controls: who is told what, what is recorded, and what is not the state."""

from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.protocols.affect import DialogueScript, PromptInjector, VaderVAD, run_protocol
from doxa.protocols.affect_dynamics.dialogue import (
    ANOTHER,
    FIRST,
    NEUTRAL,
    NOISE,
    STATELESS,
    UNRECONCILED,
    UNTOLD,
    Talk,
    correlation,
    momentum_name,
    record_dialogues,
    record_texts,
    unreconciled,
)
from doxa.subjects.base import Reply, Sampling
from tests.protocols.affect.speakers import Tuned

MAIN = DialogueScript.load("philosophy")
OTHER = DialogueScript.load("negotiation")
MU = momentum_name(0.8)


def talk(subject=None, **changes):
    return Talk(subject or Tuned(), VaderVAD(), PromptInjector(), Sampling(seed=0), 0, **changes)


@pytest.fixture(scope="module")
def held():
    one = talk()
    runs = run_protocol(
        one.conditions() | one.controls() | one.drawn_controls(MAIN, OTHER, [0, 1]), MAIN, [0]
    )
    return one.reread(runs)


def told(runs, condition):
    return [
        [turn.prompt[0].content if turn.prompt[0].role == "system" else "" for turn in run.turns]
        for run in runs.of(condition).runs
    ]


def test_who_is_told_what(held):
    injector = PromptInjector()
    assert all(not text for text in told(held, STATELESS)[0] + told(held, UNTOLD)[0])
    for kind in (FIRST, MU):
        states = held.of(kind).series("state")[0]
        assert told(held, kind)[0] == [injector.text(state) for state in states]
    assert set(told(held, NEUTRAL)[0]) == {injector.text(np.zeros(3))}


def test_a_shuffled_state_is_that_of_another_script_in_another_order(held):
    rule = talk().first_momentum
    elsewhere = rule.series(VaderVAD().estimate([line.text for line in OTHER.lines]))
    wanted = sorted(PromptInjector().text(state) for state in elsewhere)
    orders = told(held, ANOTHER)
    assert len(orders) == 2, "one for each seed, under one name"
    assert all(sorted(order) == wanted for order in orders)
    assert orders[0] != orders[1]


def test_noise_moves_what_is_told_and_what_is_measured_is_the_mood_it_would_have_had(held):
    for run in held.of(NOISE).runs:
        assert run.series("state") == pytest.approx(held.of(MU).series("state")[0])
    assert told(held, NOISE)[0] != told(held, MU)[0]
    assert told(held, NOISE)[0] != told(held, NOISE)[1]


def test_the_first_order_is_the_stateless_series(held):
    assert np.array_equal(held.of(FIRST).series("state"), held.of(STATELESS).series("state"))


def test_a_reply_that_heeds_replies_is_reread_with_them():
    one = talk(source="both", user_weight=0.5)
    runs = run_protocol(one.conditions(), MAIN, [0])
    again = one.reread(runs)
    for before, after in zip(runs.runs, again.runs, strict=True):
        assert after.series("state") == pytest.approx(before.series("state"))
        assert after.series("expressed") == pytest.approx(before.series("expressed"))


def test_without_reconciliation_nothing_is_conciliatory():
    bare = unreconciled(MAIN)
    assert bare.name.endswith(UNRECONCILED)
    assert bare.spans == MAIN.spans
    first, last = bare.spans["reconciliation"]
    valence = VaderVAD().estimate([line.text for line in bare.lines])[first - 1 : last, 0]
    assert np.abs(valence).max() < 0.1


def test_correlation_by_hand():
    one = np.array([0.0, 1.0, 2.0, np.nan])
    assert correlation(one, np.array([0.0, -1.0, -2.0, 5.0])) == pytest.approx(-1.0)
    assert correlation(one, np.ones(4)) == 0.0
    assert np.isnan(correlation(one, np.array([1.0, np.nan, np.nan, 1.0])))


def test_what_is_recorded(held):
    recorder = Recorder("dialogue", 0)
    record_dialogues(recorder, held, PromptInjector(), subject="s")
    record_texts(recorder, held, [0], subject="s")
    tables = recorder.tables()
    series = rows_of(tables, "series", kind=MU, of="state", dimension="valence")
    assert series["value"].to_list() == pytest.approx(held.of(MU).series("state")[0, :, 0])
    found = held.metrics().filter(condition=MU, series="state", dimension="valence")
    for name in ("peak", "crossing", "lag", "loop"):
        value = rows_of(tables, name, kind=MU, of="state", dimension="valence")["value"].item()
        assert value == pytest.approx(float(found[name].item()))
    settling = rows_of(tables, "settling", kind=MU, of="state", dimension="valence")
    assert settling["value"].to_list() == [None], "what did not come has no time"
    assert settling["n"].to_list() == [0]
    assert rows_of(tables, "missing", kind=MU)["value"].to_list() == [0.0]
    talks = tables.transcripts.filter(conversation="philosophy, momentum 0.8, 0")
    assert talks.height == 2 * len(MAIN)


class Mute:
    """Answers nothing."""

    def __init__(self):
        self.address, self.identity, self.form, self.context_tokens = "mute", "mute", "published", None
        self.capabilities = frozenset()

    def reply(self, conversations, *, sampling, tools=()):
        return [Reply("", finish="fault", fault="timeout")] * len(conversations)

    def score(self, queries):
        raise AssertionError("nothing is scored")


def test_a_subject_that_never_answers_is_missing_throughout():
    one = talk(Mute())
    runs = one.reread(run_protocol(one.conditions(), MAIN, [0]))
    recorder = Recorder("dialogue", 0)
    record_dialogues(recorder, runs, PromptInjector(), subject="mute")
    tables = recorder.tables()
    assert rows_of(tables, "missing", kind=MU)["value"].to_list() == [25.0]
    assert rows_of(tables, "correlation", kind=MU, dimension="valence")["value"].to_list() == [None]
    assert rows_of(tables, "crossing", kind=MU, of="state", dimension="valence")["value"].to_list() == [16.0]
