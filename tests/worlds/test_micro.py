from __future__ import annotations

import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.worlds import micro
from doxa.worlds.micro import (
    Attitude,
    DoesBelieve,
    Fact,
    HowSure,
    IsTrue,
    Report,
    Stance,
    Supports,
    Unread,
    Vote,
    VoteTrue,
    WhatFlag,
    ask,
    evidence_log_odds,
    options,
    read,
    say,
)

facts = st.builds(Fact, st.sampled_from(micro.PLACES), st.sampled_from(micro.COLOURS))
people = st.sampled_from(micro.PEOPLE)
topics = st.sampled_from(micro.TOPICS)
reports = st.builds(Report, st.sampled_from(sorted(micro.SOURCES)), st.booleans())
events = st.one_of(
    facts, st.builds(Attitude, people, facts), st.builds(Stance, topics, st.booleans()), reports
)
questions = st.one_of(
    st.builds(IsTrue, facts),
    st.builds(DoesBelieve, people, facts),
    st.builds(Supports, topics),
    st.builds(Vote, topics),
    st.builds(VoteTrue, facts),
    st.builds(WhatFlag, st.sampled_from(micro.PLACES)),
    st.just(HowSure()),
)


def text_of(item: object) -> str:
    asks = isinstance(item, IsTrue | DoesBelieve | Supports | Vote | VoteTrue | WhatFlag | HowSure)
    return ask(item) if asks else say(item)


def test_each_sentence_reads_as_written() -> None:
    red = Fact("peru", "red")
    assert say(red) == "the flag of peru is red ."
    assert say(Attitude("i", red)) == "i believe that the flag of peru is red ."
    assert say(Stance("tax", False)) == "the tax is opposed ."
    assert read("people oppose the tax .") == [Stance("tax", False)]
    assert say(Report("atlas", True)) == "the atlas says yes ."
    assert ask(IsTrue(red)) == "is it true that the flag of peru is red ?"
    assert ask(DoesBelieve("mary", red)) == "does mary believe that the flag of peru is red ?"
    assert ask(Supports("tax")) == "do you support the tax ?"
    assert ask(Vote("tax")) == "vote on the tax ."
    assert ask(VoteTrue(red)) == "vote that the flag of peru is red ."
    assert options(VoteTrue(red)) == ("for", "against")
    assert ask(WhatFlag("peru")) == "what is the flag of peru ?"
    assert options(WhatFlag("peru"))[0] == "the flag of peru is red"
    assert options(HowSure())[7] == "70 %"
    assert options(Supports("tax")) == ("yes", "no")


@given(st.lists(st.one_of(events, questions), max_size=8), st.sampled_from([" ", "\n", "  \n"]))
def test_what_is_told_or_asked_is_read_back(items: list[object], space: str) -> None:
    assert read(space.join(text_of(item) for item in items)) == items


@given(st.one_of(events, questions))
def test_case_spacing_and_the_last_stop_do_not_matter(item: object) -> None:
    text = text_of(item)
    assert read(text.replace(" .", ".").replace(" ?", "?").upper()) == [item]
    assert read(text[:-2]) == [item]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for item in read(text):
        assert not isinstance(item, Unread) or item.text.strip() == item.text != ""


@given(
    st.lists(st.sampled_from(["the", "flag", "of", "peru", "is", "i", "that", ".", "?", "do", "\x00", "é"]))
)
def test_shuffled_words_are_read(words: list[str]) -> None:
    read(" ".join(words))


def test_a_statement_is_no_question() -> None:
    assert read("people support the tax ?") == [Unread("people support the tax ?")]
    assert read("the tax is supported ?") == [Unread("the tax is supported ?")]
    assert read("how sure .") == [Unread("how sure .")]
    assert read("james believe that the flag of peru is red .")[0].__class__ is Unread
    assert read("...?!\n\n") == []


def test_a_long_text_is_read_sentence_by_sentence() -> None:
    assert len(read("people support the tax . " * 20_000)) == 20_000
    assert len(read("tax " * 50_000)) == 1


def test_every_place_has_one_colour_and_no_word_has_two_meanings() -> None:
    assert set(micro.TRUTH) == set(micro.PLACES)
    assert set(micro.TRUTH.values()) <= set(micro.COLOURS)
    words = [*micro.PLACES, *micro.COLOURS, *micro.PEOPLE, *micro.TOPICS, *micro.SOURCES]
    assert len(words) == len(set(words))
    assert sum(Fact(place, colour).true for place in micro.PLACES for colour in micro.COLOURS) == len(
        micro.PLACES
    )


def test_each_place_lies_in_one_region_and_about_the_last_nobody_plays() -> None:
    assert [place for region in micro.REGIONS for place in region] == list(micro.PLACES)
    assert micro.REGIONS[:4] == micro.PLAYED_REGIONS


def test_evidence_by_hand() -> None:
    assert evidence_log_odds([]) == 0.0
    assert evidence_log_odds([Report("atlas", True)]) == pytest.approx(math.log(19))
    assert evidence_log_odds([Report("gossip", True)]) == pytest.approx(math.log(2 / 3))
    both = [Report("sailor", True), Report("teacher", False)]
    assert evidence_log_odds(both, prior=0.2) == pytest.approx(math.log(1.5 / 16))


@given(st.lists(reports, max_size=6), st.floats(0.01, 0.99))
def test_evidence_against_enumeration(said: list[Report], prior: float) -> None:
    joint = {True: prior, False: 1 - prior}
    for answer, report in itertools.product((True, False), said):
        right = micro.SOURCES[report.source]
        joint[answer] *= right if report.says == answer else 1 - right
    assert evidence_log_odds(said, prior) == pytest.approx(math.log(joint[True] / joint[False]), abs=1e-9)
    flipped = [Report(report.source, not report.says) for report in said]
    assert evidence_log_odds(flipped, 1 - prior) == pytest.approx(-evidence_log_odds(said, prior), abs=1e-9)


@pytest.mark.parametrize("prior", [0.0, 1.0, -1.0, math.nan])
def test_a_prior_outside_the_open_interval_is_refused(prior: float) -> None:
    with pytest.raises(InputError, match="prior="):
        evidence_log_odds([], prior)


def test_unknown_words_are_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'peru'"):
        Fact("perú", "red")
    with pytest.raises(InputError, match="topic='taxes'"):
        Stance("taxes", True)
    with pytest.raises(InputError, match="person='bob'"):
        Attitude("bob", Fact("peru", "red"))
    with pytest.raises(InputError, match="source="):
        Report("oracle", True)


def test_the_world_loads_without_torch() -> None:
    code = "import sys, doxa.worlds.micro; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
