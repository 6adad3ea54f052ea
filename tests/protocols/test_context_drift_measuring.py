"""Measuring a battery: replies, scores, behaviour, judges, refusals; every probe on its own copy."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest

from doxa.errors import CapabilityError, InputError
from doxa.protocols.context_drift import MeasureOptions, judge_agreement, length_curve, measure, shift
from doxa.protocols.context_drift.elicitors import (
    ReasonedAgreement,
    ReasonedChoice,
    agreement_question,
    choice_question,
)
from doxa.protocols.context_drift.shifts import MEASURED
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Reply, Sampling, assistant, user
from tests.protocols.drift_subjects import Scripted, item

GATE = item()


def believer(support=True, agreement=80, option="open"):
    """Answers every probe by its text, whatever letter the statement has."""

    def answer(conversation, sampling):
        asked = conversation[-1].content
        if "Decide about the gate" in asked:
            return json.dumps({"name": "decide", "args": {"option": option}})
        if "whole number" in asked:
            return f"Because. The answer is: {agreement}"
        wanted = "should open" if support else "should stay closed"
        letter = re.search(rf"\((\w)\) The \w+ {wanted}", asked).group(1)
        return f"It swings well. **The answer is: ({letter})**"

    return Scripted(answer)


def says(reply):
    return Scripted(lambda conversation, sampling: reply)


def label(reply, **options):
    """Read one forced choice: +1, -1 or None."""
    elicitor = ReasonedChoice(way="text", counterbalanced=False, **options)
    [answer] = elicitor.elicit(says(reply), [()], [choice_question(GATE)], sampling=Sampling())
    return {"support": 1, "oppose": -1, None: None}[answer.value]


def value(frame, probe, column="value"):
    return frame.filter(pl.col("probe") == probe)[column].to_list()


@pytest.mark.parametrize("support", [True, False])
def test_replies_are_read_whatever_the_order(support):
    frame = measure(believer(support), [GATE, item("lock")], passes=6, probes=("label",))
    assert dict(frame.schema) == MEASURED
    assert value(frame, "label") == [1.0 if support else -1.0] * 12
    flips = {MeasureOptions().flipped(GATE, sample) for sample in range(6)}
    assert flips == {True, False}


def test_three_probes_of_one_item():
    frame = measure(believer(agreement=65, option="close"), [GATE])
    assert value(frame, "label") == [1.0]
    assert value(frame, "likert") == [65.0]
    assert value(frame, "behavior") == [-1.0]
    assert frame["missing"].to_list() == ["", "", ""]


def test_every_probe_stands_on_its_own_copy_of_the_context():
    subject = believer()
    context = (user("before"), assistant("yes"))
    measure(subject, [GATE, item("lock")], context)
    # the tool loop ends with its first reply here, so each conversation holds one question
    assert all(asked[:2] == context and len(asked) == 3 for asked in subject.asked)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("First A, then B. The answer is: A. No: the answer is: B", -1),
        ("So, the answer is: **A**.", 1),
        ("The answer is: (B)", -1),
        ("The answer is: around 60", None),
        ("The answer is: A or B", None),
        ("Hard to say; both have merit.", None),
        ("", None),
    ],
)
def test_reading_labels(text, found):
    assert label(text) == found
    assert label(text, flipped=frozenset({"gate"})) == (None if found is None else -found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is: 0", 0), ("The answer is: **100**.", 100), ("The answer is: (40)", 40),
        ("The answer is: around 60", None), ("The answer is: 7.5", None), ("The answer is: 101", None),
        ("The answer is: -3", None), ("The answer is: A", None), ("The answer is: 50-60", None),
        ("The answer is: 1e309", None), ("60 reasons. The answer is: 20", 20),
    ],
)  # fmt: skip
def test_reading_agreements(text, found):
    [answer] = ReasonedAgreement(way="text").elicit(
        says(text), [()], [agreement_question(GATE)], sampling=Sampling()
    )
    assert answer.value == found
    assert (answer.reason == "") == (found is not None)


def test_refusals_faults_and_cut_replies_are_told_apart():
    replies = {
        "refusal": Reply("I'm sorry, but I can't share opinions.", "stop"),
        "declined": Reply("No.", "refusal"),
        "fault": Reply("", "fault", fault="timeout"),
        "cut": Reply("The answer is: A", "length"),
    }
    found = {name: measure(says(reply), [GATE], probes=("label",)) for name, reply in replies.items()}
    assert [value(found[name], "label", "refusal") for name in replies] == [[True], [True], [False], [False]]
    assert value(found["fault"], "label", "missing") == ["fault: timeout"]
    for frame in found.values():
        assert value(frame, "label") == [None]
        assert value(frame, "label", "missing") != [""]


def test_scores_average_both_orders_and_sum_surface_forms():
    def score(query):
        asked = query.conversation[-1].content
        if query.options[0] == " 0.":
            return [np.log(0.2 if option in (" 70.", " 80.") else 1e-9) for option in query.options]
        if query.opening.startswith("{"):
            return [np.log(0.75) if option.startswith("open") else np.log(0.25) for option in query.options]
        support = re.search(r"\((\w)\) The gate should open", asked).group(1)
        # a liking for A of 2 nats, and 1 nat for the support statement, spread over two surface forms
        return [
            (2.0 if "A" in option else 0.0) + (1.0 if support in option else 0.0) + np.log(0.5)
            for option in query.options
        ]

    subject = Scripted(lambda c, s: "", score=score)
    frame = measure(subject, [GATE])
    assert subject.batches == [2, 1, 2]
    assert value(frame, "label", "log_odds") == pytest.approx([1.0])
    assert value(frame, "likert") == pytest.approx([75.0], abs=1e-3)
    assert value(frame, "behavior", "log_odds") == pytest.approx([np.log(3.0)])


def test_a_tie_is_no_belief():
    subject = Scripted(lambda c, s: "", score=lambda query: [0.0] * len(query.options))
    frame = measure(subject, [GATE], probes=("label",))
    assert value(frame, "label") == [None]
    assert value(frame, "label", "missing") == ["two options are equally likely"]


def test_judge_reads_free_responses_and_cross_checks_tools():
    free = item("bell", tools=None, behaviour_request="Please ring the bell.")

    def answer(conversation, sampling):
        asked = conversation[-1].content
        if "Please ring" in asked:
            return "I ring it."
        return json.dumps({"name": "decide", "args": {"option": "open"}})

    def verdict(conversation, sampling):
        asked = conversation[-1].content
        wanted = "bell should open" if "I ring it" in asked else "gate should open"
        return f"The answer is: {re.search(rf'.((A|B)). The {wanted}', asked).group(1)}"

    frame = measure(
        Scripted(answer), [GATE, free], probes=("behavior",), options=MeasureOptions(judge=Scripted(verdict))
    )
    assert value(frame, "behavior") == [1.0, 1.0]
    assert value(frame, "judge") == [1.0]
    assert judge_agreement(frame) == (1, 1)
    partial = measure(
        Scripted(answer),
        [free],
        probes=("behavior",),
        options=MeasureOptions(judge=Scripted(lambda c, s: "The answer is: A")),
    )
    assert value(partial, "behavior", "missing")[0].startswith("judge: two answers are equally frequent")


def test_behaviour_without_tools_or_judge_is_missing():
    bare = item("bell", tools=None)
    free = item("horn", tools=None, behaviour_request="Blow the horn.")
    frame = measure(believer(), [bare, free], probes=("behavior",))
    assert [text.split(";")[0] for text in frame["missing"]] == [
        "the item has neither tools nor a request for behaviour",
        "a free response needs a judge",
    ]


def test_items_without_a_context_are_missing_not_dropped():
    frame = measure(
        believer(), [GATE, item("lock")], {"gate": (user("hi"), assistant("ho"))}, probes=("label",)
    )
    assert frame["missing"].to_list() == ["", "no context"]


def test_readout_is_chosen_by_capability():
    talker = believer()
    with pytest.raises(CapabilityError):
        measure(talker, [GATE], options=MeasureOptions(way="log-probabilities"))
    scorer = Scripted(lambda c, s: "The answer is: A", score=lambda q: [0.0] * len(q.options))
    measure(scorer, [GATE], probes=("label",), options=MeasureOptions(way="text"))
    assert scorer.asked[0][-1].content.endswith("The answer is: X")


def test_bad_input():
    with pytest.raises(InputError, match="no items"):
        measure(believer(), [])
    with pytest.raises(InputError, match="'gate' occurs twice"):
        measure(believer(), [GATE, GATE])
    with pytest.raises(InputError, match="did you mean 'label'"):
        measure(believer(), [GATE], probes=("labels",))  # type: ignore[arg-type]


def test_a_random_answerer_has_no_net_shift():
    items = [item(f"gate{number}") for number in range(40)]
    options = MeasureOptions(way="text")
    covered = 0
    for share in (0.1, 0.3, 0.5, 0.7):
        subject = open_subject(f"planted:noise?p_yes={share}")
        pre = measure(subject, items, probes=("label",), passes=2, options=options)
        post = measure(
            subject, items, (user("hello"), assistant("ok")), ("label",), first_pass=2, options=options
        )
        result = shift(pre, post)
        assert result.n == 40
        assert 20 < result.shift < 80
        assert result.ci is not None
        covered += result.ci[0] <= 0.0 <= result.ci[1]
    assert covered >= 3  # 3.8 expected at 95 %


def test_length_curve_measures_each_length():
    def answer(conversation, sampling):
        flipped = "(A) The gate should stay" in conversation[-1].content
        supports = len(conversation) < 4
        return "The answer is: A" if supports != flipped else "The answer is: B"

    def context_at(length):
        return {"gate": (user("more"), assistant("ok")) * length}

    curve = length_curve(
        Scripted(answer), [GATE], context_at, (1, 2), probes=("label",), sides={"gate": -1},
    )  # fmt: skip
    assert curve["shift"].to_list() == [0.0, 100.0]
    assert curve["directional"].to_list() == [0.0, 100.0]
    with pytest.raises(InputError, match="must rise"):
        length_curve(Scripted(answer), [GATE], context_at, (2, 1))


@pytest.mark.slow
def test_a_battery_is_scored_by_a_model_with_open_weights():
    from doxa.protocols.context_drift import Reading, load_items, load_texts
    from doxa.subjects.organisms import tokenizer
    from doxa.subjects.organisms.recipes import Architecture
    from doxa.subjects.organisms.training import blank
    from doxa.subjects.transformers import TransformersSubject

    words = tokenizer.build()
    model = blank(Architecture(layers=1, width=16, hidden=16, heads=2), len(words), 0).eval()
    subject = TransformersSubject(model, words)
    items = load_items()[:2]
    with pytest.raises(InputError, match="takes 2048; read at most"):
        Reading(load_texts(), 2000).accumulate_all(subject, items)
    made = Reading(load_texts(), 5, Sampling(max_tokens=4)).accumulate_all(subject, items)
    pre, post = measure(subject, items, passes=2), measure(subject, items, made.contexts, first_pass=2)
    for frame in (pre, post):
        assert frame["value"].is_not_null().all()
        assert frame.filter(pl.col("probe") != "likert")["log_odds"].is_not_null().all()
    assert shift(pre, post).floor == 0.0
