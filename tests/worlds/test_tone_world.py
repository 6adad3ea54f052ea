"""The tone world: levels and notes by hand, wording by rule, what is seen of a text, and what a talk teaches."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds import tone_wording as wording
from doxa.worlds.tone_world import (
    EDGES,
    SPECIAL,
    TAGS,
    Tone,
    ToneWorld,
    levels_of,
    note,
    remark_text,
    reply_text,
    template_count,
)

WORLD = ToneWorld()


def test_levels_and_notes_by_hand() -> None:
    assert levels_of((-0.7, 0.3, 0.0)) == Tone(0, 1, 1)
    assert levels_of((-0.5, 0.2, 1 / 3)) == Tone(1, 1, 2), "an edge belongs to the level above it"
    assert levels_of((1.0, 1.0, -1.0)) == Tone(4, 2, 0)
    assert note((0.0, 0.0, 0.0)) == "neutral , quiet , level ."


def test_there_are_several_hundred_templates() -> None:
    assert template_count() == 5 * 8 * 9 * 9


@given(st.integers(0, 4), st.integers(0, 2), st.integers(0, 2), st.integers(0, 10**6))
def test_a_reply_has_tone_words_of_its_valence_only(valence, arousal, dominance, seed) -> None:
    text = reply_text(Tone(valence, arousal, dominance), stream(seed, "reply"))
    said = set(re.findall(r"[a-z]+", text))
    for level, words in enumerate(wording.TONE_WORDS):
        count = len(said & set(words))
        assert count == (0 if level != valence or not words else 2 if valence in (0, 4) else 1)


def test_what_is_seen_of_a_text_by_hand() -> None:
    words = [WORLD.words[token] for token in WORLD.encode("STRONGLY negative, xyzzy music! negativeness")]
    assert words == ["strongly negative", ",", "music", "!"]
    turn = [WORLD.words[token] for token in WORLD.turn("user", "music ?")]
    assert turn == ["<user>", "music", "?", "<end>"]
    prompt = [WORLD.words[token] for token in WORLD.prompt([("user", "music ?")])]
    assert prompt == ["<begin>", *turn, "<assistant>"]


@given(st.integers(0, 10**6))
def test_every_word_that_is_said_is_known(seed) -> None:
    turns, reply = WORLD.talk(stream(seed, "talk"))
    for text in (reply, *(text for _, text in turns)):
        assert "".join(WORLD.words[token] for token in WORLD.encode(text)).replace(" ", "") == text.replace(
            " ", ""
        )


def test_a_talk_follows_its_note_and_without_one_the_last_remark() -> None:
    world, rng = ToneWorld(earlier=2), stream(0, "talks")
    level_of = {word: level for level, words in enumerate(wording.TONE_WORDS) for word in words}

    def valence(text: str) -> int:
        found = [level_of[word] for word in re.findall(r"[a-z]+", text) if word in level_of]
        return found[0] if found else 2

    noted = 0
    for _ in range(400):
        turns, reply = world.talk(rng)
        if turns[0][0] == "system":
            noted += 1
            assert valence(reply) == TAGS[0].index(turns[0][1].split(" , ")[0])
        else:
            assert valence(reply) == valence(turns[-1][1]), "a mirror of the remark"
    assert 0.65 < noted / 400 < 0.85


def test_loss_stands_on_the_last_reply_alone() -> None:
    world = ToneWorld(earlier=1)
    batch = world.sampler(80)(stream(3, "rows"), 50)
    reader = stream(3, "rows")
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        _, reply = world.talk(reader)
        said = [*world.encode(reply), world.end]
        assert targets[targets >= 0].tolist() == said
        place = np.flatnonzero(targets >= 0)
        assert WORLD.words[tokens[place[0]]] == "<assistant>"
        assert tokens[place[1:]].tolist() == said[:-1]


def test_a_row_that_is_too_long_loses_its_oldest_exchange_and_never_its_note() -> None:
    world = ToneWorld(earlier=3, noted=1.0)
    rows = world.sampler(60)(stream(4, "rows"), 100).tokens
    assert (rows[:, 1] == SPECIAL.index("<system>")).all()
    with pytest.raises(InputError, match="positions"):
        ToneWorld(earlier=0).sampler(12)(stream(5, "rows"), 20)


def test_remarks_of_ones_own_are_mixed_in() -> None:
    world = ToneWorld(remarks=(("the weather is grotesque", 0),), noted=0.0, earlier=0)
    assert "grotesque" in world.words
    talks = [world.talk(stream(seed, "own"))[0][0][1] for seed in range(60)]
    assert 10 < talks.count("the weather is grotesque") < 50
    assert remark_text(2, stream(0, "r")).endswith((".", "?"))


def test_bad_input() -> None:
    with pytest.raises(InputError, match="noted=2"):
        ToneWorld(noted=2.0)
    with pytest.raises(InputError, match="earlier=-1"):
        ToneWorld(earlier=-1)
    with pytest.raises(InputError, match="edges"):
        ToneWorld(edges=EDGES[:2])
    with pytest.raises(InputError, match="none stands in the note"):
        ToneWorld(describe=lambda state: "hm")
