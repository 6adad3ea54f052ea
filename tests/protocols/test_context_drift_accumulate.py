"""The four ways a context grows: roles, prefixes, what is skipped, what is refused."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.canonical import digest
from doxa.errors import InputError
from doxa.protocols.context_drift import (
    Debate,
    Library,
    MaskedReading,
    Persuasion,
    Reading,
    ReadingText,
    Research,
    ShortReadingWarning,
    WordOverlap,
    cut_rounds,
    load_items,
    load_texts,
)
from doxa.protocols.context_drift.published import growth
from doxa.protocols.context_drift.reading import first_words
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Reply, Sampling
from tests.protocols.drift_subjects import Scripted, item

GATE, LOCK = item(), item("lock")


def speaker(support=True, **options):
    """States its side when asked for a label, and otherwise a text that hangs on all that was said."""

    def answer(conversation, sampling):
        asked = conversation[-1].content
        if "Which of these two statements" in asked and len(conversation) == 1:
            wanted = "should open" if support else "should stay closed"
            found = re.search(rf"\((\w)\) The \w+ {wanted}", asked)
            return f"It creaks. The answer is: {found.group(1) if found else 'A'}"
        return "say " + digest([message.as_json() for message in conversation], length=8)

    return Scripted(answer, **options)


def roles(messages):
    return [message.role for message in messages]


@pytest.mark.parametrize("opponent", [None, speaker(False)])
def test_debate_construction(opponent):
    alpha = speaker()
    debate = Debate(3, opponent)
    done = debate.accumulate_all(alpha, [GATE, LOCK])
    assert done.sides == {"gate": -1, "lock": -1}
    for one in (GATE, LOCK):
        first, second = done.contexts[one.id], done.partners[one.id]
        assert len(first) == len(second) == 2 * 3 + 2
        assert roles(first) == roles(second) == ["user", "assistant"] * 4
        assert first[0].content == one.query
        assert first[1].content.startswith(one.support)
        assert first[2].content == second[1].content
        assert first[2].content.startswith(one.oppose)
        assert second[0].content.startswith(one.query)
        assert first[1].content in second[0].content
        assert first[-1] == type(first[-1])("assistant", second[-2].content)
        assert "The answer is" not in first[1].content
    assert debate.accumulate(alpha, GATE) == list(done.contexts["gate"])


@settings(deadline=None)
@given(st.integers(1, 4))
def test_fewer_rounds_are_a_prefix(rounds):
    for long, short in (
        (Debate(5, speaker(False)), Debate(rounds, speaker(False))),
        (Persuasion("values", 5), Persuasion("values", rounds)),
    ):
        whole = long.accumulate(speaker(), GATE)
        assert cut_rounds(whole, rounds) == tuple(short.accumulate(speaker(), GATE))


def test_fewer_rounds_are_a_prefix_when_speeches_are_drawn():
    subject = open_subject("planted:noise?p_yes=0.5")
    sampling = Sampling(temperature=1.0, max_tokens=50, seed=3)
    whole = Debate(4, sampling=sampling).accumulate(subject, GATE)
    assert len({message.content for message in whole}) > 2
    assert cut_rounds(whole, 2) == tuple(Debate(2, sampling=sampling).accumulate(subject, GATE))


def test_debate_between_subjects_that_agree_is_skipped_with_a_reason():
    done = Debate(2, speaker()).accumulate_all(speaker(), [GATE])
    assert done.contexts == {}
    assert "same label" in done.skipped["gate"]
    with pytest.raises(InputError, match="item 'gate' has no context: both start with the same label"):
        Debate(2, speaker()).accumulate(speaker(), GATE)
    allowed = Debate(2, speaker(), allow_agreement=True).accumulate_all(speaker(), [GATE])
    assert allowed.sides == {"gate": 1}


def test_persuasion_construction():
    target, persuader = speaker(False), speaker()
    done = Persuasion("empathy", 2, persuader).accumulate_all(target, [GATE])
    context, brief = done.contexts["gate"], done.partners["gate"]
    assert done.sides == {"gate": 1}
    assert roles(context) == ["user", "assistant"] * 3
    assert context[1].content.startswith(GATE.oppose)
    assert context[2].content == brief[1].content
    assert "feelings" in brief[0].content
    assert GATE.support in brief[0].content
    # only the persuader is told what to do
    assert all("win them over" not in message.content for message in context)
    with pytest.raises(InputError, match="technique='charm'"):
        Persuasion("charm")  # type: ignore[arg-type]


def test_a_fault_drops_the_item_and_says_so():
    def answer(conversation, sampling):
        if len(conversation) > 3 and "lock" in conversation[0].content:
            return Reply("", "fault", fault="timeout")
        return speaker()._answer(conversation, sampling)

    done = Debate(2).accumulate_all(Scripted(answer), [GATE, LOCK])
    assert list(done.contexts) == ["gate"]
    assert done.skipped == {"lock": "fault: timeout"}


def test_unreadable_starting_view_is_skipped():
    mute = Scripted(lambda conversation, sampling: "Hm.")
    for way in (Debate(1), Persuasion(rounds=1), Debate(1, speaker())):
        assert way.accumulate_all(mute, [GATE]).skipped == {"gate": "no readable starting view"}


def test_too_long_a_talk_is_refused_before_it_starts():
    subject = speaker(context_tokens=2048)
    with pytest.raises(InputError, match=r"rounds=10 .* up to 5000 tokens .* takes 2048; use rounds <= 2"):
        Debate(10).accumulate_all(subject, [GATE])
    assert subject.asked == []
    for rounds in (0, -1):
        with pytest.raises(InputError, match="rounds="):
            Persuasion(rounds=rounds)


TEXTS = [
    ReadingText("a", "One", "Ann", "alpha beta\ngamma", "left"),
    ReadingText("b", "Two", "", "delta epsilon", "left"),
]


def test_reading_keeps_text_and_summary():
    reader = Scripted(lambda conversation, sampling: "Short.")
    reading = Reading(TEXTS)
    done = reading.accumulate_all(reader, [item(sides={"left": 1}), LOCK])
    assert reading.words_used == reading.words_available == 8
    assert len(reader.asked) == 1
    first, second = done.contexts["gate"]
    assert "One (Ann)\n\nalpha beta\ngamma\n\nTwo\n\ndelta epsilon" in first.content
    assert second.content == "Short."
    assert done.contexts["lock"] == done.contexts["gate"]
    assert done.sides == {"gate": 1}


def test_mixed_reading_argues_for_nobody():
    mixed = Reading([*TEXTS, ReadingText("c", "Three", "", "zeta", "right")])
    assert mixed.leaning == ""
    assert mixed.accumulate_all(speaker(), [item(sides={"left": 1})]).sides == {}


@settings(deadline=None)
@given(st.text(alphabet="ab \n\t", max_size=40), st.integers(1, 20))
def test_first_words_are_the_first_words(text, count):
    cut = first_words(text, count)
    assert text.startswith(cut)
    assert cut.split() == text.split()[:count]


def test_reading_limits():
    assert Reading(TEXTS, 3).document == "One (Ann)\n\nalpha"
    with pytest.warns(ShortReadingWarning, match="hold 8 words"):
        long = Reading(TEXTS, 80_000)
    assert long.words_used == 8
    for texts in ([], [ReadingText("a", "One", "", "  ")]):
        with pytest.raises(InputError, match="reading is empty"):
            Reading(texts)
    with pytest.raises(InputError, match="max_words=0"):
        Reading(TEXTS, 0)


def test_reading_longer_than_the_context_is_refused_with_the_numbers():
    def answer(conversation, sampling):
        return Reply("ok", tokens_in=len(conversation[-1].content) // 2)

    whole = load_texts()
    subject = Scripted(answer, context_tokens=4096)
    with pytest.raises(InputError, match=r"need about \d+ tokens .* takes 4096; read at most 990 words"):
        Reading(whole).accumulate_all(subject, [GATE])
    Reading(whole, 990).accumulate_all(subject, [GATE])
    Reading(whole, 1100, Sampling(max_tokens=10)).accumulate_all(subject, [GATE])


def test_research_leaves_its_trace():
    calls = [
        ("search", {"query": "congestion charges"}),
        ("read", {"id": "congestion-charge/read_background"}),
    ]

    def answer(conversation, sampling):
        turn = sum(message.role == "assistant" for message in conversation)
        if turn < len(calls):
            name, arguments = calls[turn]
            return json.dumps({"name": name, "args": arguments})
        return "A report."

    items = load_items()
    library = Library.of(items, load_texts())
    done = Research(library).accumulate_all(Scripted(answer), items[:2])
    trace = done.contexts["congestion-charge"]
    assert roles(trace) == ["user", "assistant"] * 3
    assert "congestion-charge/read_background" in trace[2].content
    assert "Roads into the centre" in trace[4].content
    assert trace[-1].content == "A report."
    assert done.sides == {}


def test_research_that_never_ends_is_asked_for_its_report():
    def answer(conversation, sampling):
        if conversation[-1].content == "Write the report now.":
            return "Done."
        return json.dumps({"name": "search", "args": {"query": "gate"}})

    trace = Research(Library(TEXTS), max_steps=2).accumulate(Scripted(answer), GATE)
    assert [message.content for message in trace[-2:]] == ["Write the report now.", "Done."]


def test_research_that_could_outgrow_the_context_is_refused_before_it_starts():
    subject = Scripted(lambda conversation, sampling: "A report.", context_tokens=2048)
    with pytest.raises(InputError, match=r"max_steps=8 .* takes 2048; use max_steps <= 2"):
        Research(Library(TEXTS)).accumulate_all(subject, [GATE])
    assert subject.asked == []
    assert Research(Library(TEXTS), max_steps=2).accumulate(subject, GATE)


def test_library_answers_every_call_with_an_object():
    library = Library(TEXTS)
    assert library.call("read", {"id": "b"})["text"] == "delta epsilon"
    for name, arguments in (("read", {"id": "z"}), ("read", {}), ("search", {"query": 3}), ("buy", {})):
        assert library.call(name, arguments)["ok"] is False
    assert library.call("search", {"query": "xyz"}) == {"ok": True, "found": []}
    with pytest.raises(InputError, match="'a' occurs twice"):
        Library([TEXTS[0], TEXTS[0]])
    with pytest.raises(InputError, match="library is empty"):
        Library([])


def test_masked_reading_drops_what_is_about_the_item_and_its_control_as_much():
    texts = [
        ReadingText("a", "One", "", "The gate should open. Sheep eat grass. It rains.", "left"),
        TEXTS[1],
    ]
    relevant = MaskedReading(Reading(texts), 0.25, WordOverlap()).masked(GATE).document
    assert "gate" not in relevant
    assert "Sheep eat grass. It rains." in relevant
    random = MaskedReading(Reading(texts), 0.25, seed=1).masked(GATE).document
    assert len(random.split()) < len(Reading(texts).document.split())
    done = MaskedReading(Reading(texts), 0.25, WordOverlap()).accumulate_all(
        speaker(), [item(sides={"left": 1}), item("lock", topic="Sheep and grass")]
    )
    assert done.contexts["gate"] != done.contexts["lock"]
    assert done.sides == {"gate": 1}
    with pytest.raises(InputError, match="share="):
        MaskedReading(Reading(texts), 1.0)


@settings(deadline=None)
@given(st.integers(1, 12))
def test_texts_read_are_the_document(words):
    reading = Reading(TEXTS, min(words, 8))
    again = Reading(reading.texts_read) if reading.texts_read else None
    assert again is None or reading.document.split()[: again.words_used] == again.document.split()


@pytest.mark.slow
def test_masked_growth_uses_sentence_embeddings():
    items = load_items()[:2]
    grown = growth(
        "masked-conservative", items=items, texts=load_texts(), rounds=(1,), words=(200,), mask_share=0.5
    )
    made = grown.grow(speaker(), items, 200)
    whole = Reading([text for text in load_texts() if text.leaning == "conservative"], 200).document
    for one in items:
        words = len(made.contexts[one.id][0].content.split())
        assert 0.3 * len(whole.split()) < words < 0.8 * len(whole.split())
