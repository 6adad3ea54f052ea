"""Elicitors against scripted subjects whose beliefs, biases and slips are known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.information import expit, log_expit
from doxa.canonical import canonical_json
from doxa.elicit.asking import Elicitor, check_forms
from doxa.elicit.elicitors import (
    ForcedChoice,
    JsonObject,
    Letter,
    Likert,
    Ranking,
    TaggedNumber,
    ToolChoice,
    YesNo,
    elicitors,
)
from doxa.elicit.questions import Question, cross, micro_question
from doxa.errors import CapabilityError, InputError
from doxa.streams import stream
from doxa.subjects.base import Capability, Reply, Sampling, ToolCall, assistant, user
from doxa.worlds import micro
from tests.elicit.scripted_subject import ScriptedSubject, shown_options

GREEDY = Sampling()
WARM = Sampling(temperature=1.0)
STANCE = Question("q", "p", "Which is right?", ("support", "oppose"), ("The tax helps.", "The tax harms."))
TALK = (user("People talked."), assistant("They did."))
TEXT_ONLY = frozenset({Capability.REPLY, Capability.TOOLS})


def chooser(log_odds: float, bias: float = 0.0, form_shares: tuple[float, ...] = (0.9, 0.1)):
    """Return a scorer that holds a belief in the first statement and likes the place A by ``bias`` nats."""

    def score(query):
        shown = shown_options(query.conversation[-1].content)
        logits = {
            x: (log_odds if text == STANCE.labels[0] else 0.0) + (bias if x == "A" else 0.0)
            for x, text in shown.items()
        }
        total = math.log(sum(math.exp(value) for value in logits.values()))
        seen: dict[str, int] = {}
        out = []
        for form in query.options:
            letter = form.strip(" ()")
            share = form_shares[seen.setdefault(letter, 0)]
            seen[letter] += 1
            out.append(logits[letter] - total + math.log(share))
        return out

    return score


def test_every_elicitor_is_registered_by_its_name_and_keeps_the_protocol():
    assert set(elicitors.names()) >= {
        *("forced-choice", "letter", "yes-no", "likert", "tagged-number", "ranking", "json", "tool-call")
    }
    for name, kind in elicitors.items():
        assert kind.name == name
        assert isinstance(kind(), Elicitor)
        assert canonical_json(kind().as_json())


@given(st.floats(-20, 20), st.floats(-10, 10))
@settings(max_examples=60, deadline=None)
def test_a_liking_for_a_place_cancels(belief: float, bias: float):
    found = ForcedChoice().elicit(ScriptedSubject(chooser(belief, bias)), [TALK], [STANCE], sampling=GREEDY)[
        0
    ]
    assert found.log_odds == pytest.approx(belief, abs=1e-9)
    assert found.by_order == pytest.approx((belief + bias, belief - bias), abs=1e-9)
    assert found.n == 2


@given(st.floats(-20, 20))
@settings(max_examples=40, deadline=None)
def test_a_subject_without_a_liking_gives_the_same_in_every_order_and_mirrored_options(belief: float):
    subject = ScriptedSubject(chooser(belief))
    found = ForcedChoice().elicit(subject, [TALK], [STANCE], sampling=GREEDY)[0]
    assert found.by_order[0] == pytest.approx(found.by_order[1], abs=1e-12)
    one = ForcedChoice(counterbalanced=False).elicit(subject, [TALK], [STANCE], sampling=GREEDY)[0]
    assert one.log_odds == pytest.approx(found.log_odds, abs=1e-12)
    mirrored = Question("q", "not p", STANCE.text, STANCE.options[::-1], STANCE.labels[::-1])
    other = ForcedChoice().elicit(subject, [TALK], [mirrored], sampling=GREEDY)[0]
    assert other.log_odds == pytest.approx(-found.log_odds, abs=1e-9)


def test_surface_forms_are_summed():
    subject = ScriptedSubject(
        lambda query: [
            math.log(p) for p in (0.1, 0.2, 0.05, 0.05, 0.1, 0.1, 0.0625, 0.0375, 0.1, 0.1, 0.05, 0.05)
        ]
    )
    found = YesNo(counterbalanced=False).elicit(
        subject, [()], [Question("q", "p", "Is it?")], sampling=GREEDY
    )[0]
    assert found.probabilities == pytest.approx({"yes": 0.4, "no": 0.3, "unknown": 0.3})
    assert found.log_odds == pytest.approx(math.log(4 / 3))
    assert found.log_mass == pytest.approx(0.0, abs=1e-12)


def test_all_questions_go_in_one_call_on_their_own_forks_and_leave_no_trace():
    talks, asked = cross([TALK, ()], [STANCE, Question("r", "s", "And this?", ("x", "y"))])
    before = [tuple(talk) for talk in talks]
    for subject in (
        ScriptedSubject(lambda query: [-1.0] * len(query.options)),
        ScriptedSubject(None, lambda *_: "So, the answer is (A)", TEXT_ONLY),
    ):
        ForcedChoice().elicit(subject, talks, asked, sampling=GREEDY)
        assert len(subject.score_calls) + len(subject.reply_calls) == 1
        seen = (
            [query.conversation for query in subject.score_calls[0]]
            if subject.score_calls
            else subject.reply_calls[0][0]
        )
        assert len(seen) == 8
        for place, conversation in enumerate(seen):
            assert conversation[:-1] == talks[place // 2]
            assert conversation[-1].role == "user"
    assert talks == before


def test_text_is_read_letter_by_letter_in_every_order():
    def speak(conversation, sampling, tools):
        letter = next(
            x for x, text in shown_options(conversation[-1].content).items() if text == "The tax harms."
        )
        return f"I have thought.\nSo, the answer is ({letter})."

    found = ForcedChoice().elicit(ScriptedSubject(None, speak, TEXT_ONLY), [TALK], [STANCE], sampling=GREEDY)[
        0
    ]
    assert (found.value, found.n, found.credence, found.method) == ("oppose", 2, 0.0, "text")
    assert found.raw == ("I have thought.\nSo, the answer is (B).", "I have thought.\nSo, the answer is (A).")


def test_samples_are_drawn_at_their_own_index_and_nothing_is_asked_again():
    said = iter(
        [
            "So, the answer is (A)",
            "",
            "I'm sorry, I can't choose.",
            "So, the answer is (B)",
            "(A) or (B)",
            "So, the answer is (A)",
        ]
    )
    subject = ScriptedSubject(None, lambda *_: next(said), TEXT_ONLY)
    elicitor = ForcedChoice(samples=3)
    found = elicitor.elicit(subject, [TALK], [STANCE], sampling=Sampling(temperature=1.0, sample=5))[0]
    assert [sampling.sample for _, sampling, _ in subject.reply_calls] == [5, 6, 7]
    assert (found.n, found.refusals, found.missing) == (3, 1, 2)
    assert found.interval is not None
    assert len(found.raw) == 6


def test_a_fault_and_a_refusing_endpoint_are_named():
    fault = ScriptedSubject(None, lambda *_: Reply("", finish="fault", fault="timeout"), TEXT_ONLY)
    found = Likert().elicit(fault, [()], [STANCE], sampling=GREEDY)[0]
    assert (found.kind, found.reason, found.missing) == ("missing", "fault: timeout", 1)
    filtered = ScriptedSubject(None, lambda *_: Reply("", finish="refusal"), TEXT_ONLY)
    assert Likert().elicit(filtered, [()], [STANCE], sampling=GREEDY)[0].kind == "refusal"
    short = ScriptedSubject(None, lambda *_: Reply("The answer is: 7", finish="length"), TEXT_ONLY)
    assert Likert().elicit(short, [()], [STANCE], sampling=GREEDY)[0].kind == "missing"


@given(st.integers(1, 7), st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_an_upside_down_scale_is_read_back_and_a_liking_for_numbers_cancels(held: int, liking: float):
    def speak(conversation, sampling, tools):
        upright = '1 means "completely disagree"' in conversation[-1].content
        return f"The answer is: {held if upright else 8 - held}"

    question = Question("q", "p", "The tax helps.")
    text = ScriptedSubject(None, speak, TEXT_ONLY)
    found = Likert(low=1, high=7, counterbalanced=True).elicit(text, [()], [question], sampling=GREEDY)[0]
    assert (found.value, found.credence) == (held, pytest.approx((held - 1) / 6))

    def score(query):
        upright = '1 means "completely disagree"' in query.conversation[-1].content
        belief = [-abs(v - held) for v in range(1, 8)]
        return [
            belief[(int(form) if upright else 8 - int(form)) - 1] + liking * int(form) - math.log(2)
            for form in query.options
        ]

    found = Likert(low=1, high=7, counterbalanced=True).elicit(
        ScriptedSubject(score), [()], [question], sampling=GREEDY
    )[0]
    plain = [math.exp(-abs(v - held)) for v in range(1, 8)]
    mean = sum(v * p for v, p in zip(range(1, 8), plain, strict=True)) / sum(plain)
    assert found.value == pytest.approx(mean)


def test_a_tagged_number_is_a_credence():
    subject = ScriptedSubject(None, lambda *_: "I am quite sure: <number>80</number>", TEXT_ONLY)
    found = TaggedNumber().elicit(subject, [()], [Question("q", "p", "Is it true?")], sampling=GREEDY)[0]
    assert (found.value, found.credence, found.log_odds) == (80.0, 0.8, pytest.approx(math.log(4)))


def test_a_letter_prompt_is_put_unchanged():
    prompt = "Question: Is it?\nOptions:\n(A) Yes\n(B) No\n(C) Undeterminable\nAnswer:"
    question = Question("q", "p", prompt, ("A", "B", "C"), ("Yes", "No", "Undeterminable"))
    scored = ScriptedSubject(lambda query: [math.log(0.5), math.log(0.1), -9.0, -9.0, math.log(0.1), -9.0])
    found = Letter().elicit(scored, [()], [question], sampling=GREEDY)[0]
    assert scored.score_calls[0][0].conversation == (user(prompt),)
    assert scored.score_calls[0][0].options == (" (A)", "(A)", " (B)", "(B)", " (C)", "(C)")
    assert found.value == "A"
    assert found.log_odds == pytest.approx(math.log(0.6 / (2 * math.exp(-9.0))))
    told = ScriptedSubject(None, lambda *_: "So, the answer is (C).", TEXT_ONLY)
    found = Letter().elicit(told, [()], [question], sampling=GREEDY)[0]
    assert (found.value, found.credence, found.log_odds) == ("C", None, None)


def test_a_ranking_names_options_whatever_the_order_shown():
    question = Question("q", "p", "Which first?", ("red", "blue", "green"))

    def speak(conversation, sampling, tools):
        place = {text: letter for letter, text in shown_options(conversation[-1].content).items()}
        return f"Ranking: {place['blue']} > {place['red']} > {place['green']}"

    found = Ranking().elicit(ScriptedSubject(None, speak), [()], [question], sampling=GREEDY)[0]
    assert (found.value, found.n, found.log_odds) == (("blue", "red", "green"), 3, None)


def test_a_json_object_names_a_letter():
    def speak(conversation, sampling, tools):
        letter = next(
            x for x, text in shown_options(conversation[-1].content).items() if text == "The tax helps."
        )
        return f'```json\n{{"answer": "({letter})"}}\n```'

    found = JsonObject().elicit(ScriptedSubject(None, speak), [()], [STANCE], sampling=GREEDY)[0]
    assert (found.value, found.n, found.missing) == ("support", 2, 0)


def test_a_tool_call_is_read_by_label_and_needs_tools():
    def speak(conversation, sampling, tools):
        return Reply("", "tool_call", tool_calls=(ToolCall(tools[0].name, {"option": "The tax harms."}),))

    subject = ScriptedSubject(None, speak)
    question = Question("q", "p", "Act.", STANCE.options, STANCE.labels, readout="behavioural")
    found = ToolChoice().elicit(subject, [TALK, ()], [question, question], sampling=GREEDY)
    assert [(one.value, one.readout, one.n) for one in found] == [("oppose", "behavioural", 2)] * 2
    assert len(subject.reply_calls) == 2  # one per order of the tool's values
    mute = ScriptedSubject(None, speak, frozenset({Capability.REPLY}))
    with pytest.raises(CapabilityError, match="cannot tools"):
        ToolChoice().elicit(mute, [()], [question], sampling=GREEDY)


@given(st.floats(-15, 15))
@settings(max_examples=40, deadline=None)
def test_the_micro_world_is_asked_by_the_same_elicitor(belief: float):
    log_probs = {
        "yes": log_expit(belief),
        "no": log_expit(-belief),
        "for": log_expit(belief / 2),
        "against": log_expit(-belief / 2),
    }
    subject = ScriptedSubject(lambda query: [log_probs[form] for form in query.options], form="micro")
    questions = [micro_question(micro.Supports("tax")), micro_question(micro.Vote("tax"))]
    stated, acted = ForcedChoice().elicit(subject, [(), ()], questions, sampling=GREEDY)
    assert subject.score_calls[0][0].conversation == (user("do you support the tax ?"),)
    assert stated.log_odds == pytest.approx(belief, abs=1e-9)
    assert acted.log_odds == pytest.approx(belief / 2, abs=1e-9)
    assert (stated.readout, acted.readout) == ("stated", "behavioural")


def test_sureness_is_the_expected_percentage():
    subject = ScriptedSubject(
        lambda query: [math.log(0.5) if form in ("60 %", "80 %") else -50.0 for form in query.options]
    )
    found = ForcedChoice().elicit(subject, [()], [micro_question(micro.HowSure())], sampling=GREEDY)[0]
    assert found.credence == pytest.approx(0.7)
    said = ScriptedSubject(None, lambda *_: "70 % .", TEXT_ONLY)
    found = ForcedChoice().elicit(said, [()], [micro_question(micro.HowSure())], sampling=GREEDY)[0]
    assert (found.value, found.credence) == ("70 %", pytest.approx(0.7))


@pytest.mark.parametrize("belief", [-3.0, 0.0, 1.5])
def test_counted_replies_recover_the_credence_within_their_interval(belief: float):
    def speak(conversation, sampling, tools):
        yes = stream(0, "speak", sampling.sample, repr(belief)).random() < expit(belief)
        return "yes" if yes else "no"

    subject = ScriptedSubject(None, speak, TEXT_ONLY)
    found = ForcedChoice(samples=150).elicit(
        subject, [()], [micro_question(micro.Supports("tax"))], sampling=WARM
    )[0]
    half = 5 * math.sqrt(max(expit(belief) * expit(-belief), 0.002) / 150)
    assert found.credence == pytest.approx(expit(belief), abs=half)
    assert found.interval.low <= found.credence <= found.interval.high
    assert math.isfinite(found.log_odds)


def test_ways_and_what_cannot_be_done():
    subject = ScriptedSubject(lambda query: [-1.0] * len(query.options), lambda *_: "So, the answer is (A)")
    assert ForcedChoice().elicit(subject, [()], [STANCE], sampling=GREEDY)[0].method == "log-probabilities"
    assert ForcedChoice(way="text").elicit(subject, [()], [STANCE], sampling=GREEDY)[0].method == "text"
    assert ForcedChoice().elicit(subject, [], [], sampling=GREEDY) == []
    with pytest.raises(CapabilityError, match="cannot score"):
        ForcedChoice(way="log-probabilities").elicit(
            ScriptedSubject(None, lambda *_: "", TEXT_ONLY), [()], [STANCE], sampling=GREEDY
        )
    with pytest.raises(InputError, match="cannot score"):
        TaggedNumber(way="log-probabilities").elicit(subject, [()], [STANCE], sampling=GREEDY)
    with pytest.raises(InputError, match="2 conversations and 1 questions"):
        ForcedChoice().elicit(subject, [(), ()], [STANCE], sampling=GREEDY)
    with pytest.raises(InputError, match="temperature"):
        ForcedChoice(way="text", samples=2).elicit(subject, [()], [STANCE], sampling=GREEDY)
    with pytest.raises(InputError, match="samples=0"):
        ForcedChoice(samples=0).elicit(subject, [()], [STANCE], sampling=GREEDY)
    with pytest.raises(InputError, match="yes-no asks"):
        YesNo().elicit(subject, [()], [STANCE], sampling=GREEDY)
    with pytest.raises(InputError, match="no middle"):
        Likert(low=0, high=9).elicit(
            subject, [()], [Question("q", "p", "?", anchors=("a", "b", "c"))], sampling=GREEDY
        )


def test_a_form_that_begins_another_would_count_twice():
    with pytest.raises(InputError, match="count twice"):
        check_forms((("7",), ("75",)))
    with pytest.raises(InputError, match="count twice"):
        ForcedChoice().elicit(
            ScriptedSubject(lambda query: [0.0, 0.0]),
            [()],
            [Question("q", "p", "?", ("no", "nothing"), bare=True)],
            sampling=GREEDY,
        )
