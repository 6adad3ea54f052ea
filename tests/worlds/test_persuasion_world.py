from __future__ import annotations

import numpy as np
import pytest

from doxa.belief.information import expit
from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS
from doxa.protocols.persuasion.dialogues import (
    Argument,
    Convincer,
    Skeptic,
    ask_before,
    read_arguments,
    write_arguments,
)
from doxa.protocols.persuasion.script import CONVINCER
from doxa.protocols.persuasion.small_model import small_subject, tokenizer, wording
from doxa.streams import stream
from doxa.subjects.base import Sampling
from doxa.worlds.persuasion_learners import POSITIONS, train_persuasion_models
from doxa.worlds.persuasion_world import (
    CLAIM,
    NO,
    OFFSETS,
    PRIOR,
    QUESTION,
    YES,
    PersuasionWorld,
    persuasion_sampler,
)

STYLES = ("warm", "plain", "cold")


def test_skeptics_convert_with_the_planted_log_odds():
    world = PersuasionWorld(0, STYLES)
    rng = stream(0, "talk")
    yes: dict[tuple[str, str], list[bool]] = {}
    for _ in range(9000):
        talk = world.conversation("read", rng)
        words = talk[3][1].split()
        style = max(STYLES, key=lambda name: sum(word.startswith(name) for word in words))
        yes.setdefault((style, talk[0][1]), []).append(talk[-1][1] == YES)
    for place, style in enumerate(STYLES):
        share = np.mean(yes[style, "you doubt"])
        assert share == pytest.approx(expit(float(world.strengths[place])), abs=0.12)
    assert np.mean(yes["plain", "you wonder"]) > np.mean(yes["plain", "you deny"])


def test_shuffled_verdicts_hang_on_no_style():
    world = PersuasionWorld(0, STYLES, shuffled=True)
    assert len({world.converts(place, "baseline") for place in range(3)}) == 1
    assert PersuasionWorld(0, STYLES).converts(0, "baseline") == pytest.approx(
        expit(float(PersuasionWorld(0, STYLES).strengths[0]))
    )


def test_only_what_is_to_be_said_carries_loss():
    world = PersuasionWorld(1, STYLES)
    batch = persuasion_sampler(world, POSITIONS)(stream(1, "rows"), 40)
    words = world.vocabulary
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        said = [words[token] for token in targets if token != NO_LOSS]
        line = " ".join(words[token] for token in tokens)
        assert said[-1] == "<end>"
        if QUESTION in line:
            assert said[-2] in (YES, NO)
        assert CLAIM not in " ".join(said)
    with pytest.raises(InputError, match="positions=5"):
        persuasion_sampler(world, 5)(stream(1, "rows"), 40)


def test_the_tokenizer_writes_what_the_network_was_trained_on():
    world = PersuasionWorld(2, STYLES)
    talk = world.conversation("read", stream(2, "talk"))
    messages = [{"role": role.strip("<>"), "content": text} for role, text, _ in talk]
    ids = tokenizer(world).apply_chat_template(messages, return_dict=False)
    words = [world.vocabulary[token] for token in ids]
    expected = ["<begin>"]
    for role, text, _ in talk:
        expected += [role, *text.split(), "<end>"]
    assert words == expected


def test_bad_worlds_are_named():
    with pytest.raises(InputError, match="two different names"):
        PersuasionWorld(0, ("warm", "warm"))
    with pytest.raises(InputError, match="purity"):
        PersuasionWorld(0, STYLES, purity=1.5)
    with pytest.raises(InputError, match="must be >= 1"):
        PersuasionWorld(0, STYLES, words=0)
    with pytest.raises(InputError, match="same styles"):
        train_persuasion_models([PersuasionWorld(0, STYLES), PersuasionWorld(0, ("a", "b"))], steps=1)


@pytest.mark.slow
def test_a_small_network_takes_both_seats_and_knows_its_world():
    world = PersuasionWorld(100, STYLES, spread=3.0)
    models = train_persuasion_models(
        [world], steps=250, batch=32, width=32, peak_rate=1e-2, precision="float32"
    )
    subject = small_subject(models.net.export(0), world, "small")
    said, sampling = wording(world), Sampling(temperature=1.0, max_tokens=8, seed=3)
    convincers = [Convincer(subject, style, sampling) for style in STYLES]
    written = write_arguments(convincers, 20, said)
    arguments = [
        Argument(who, number, talk.by(CONVINCER)[0].text)
        for who, talks in zip(convincers, written, strict=True)
        for number, talk in enumerate(talks)
    ]
    own = [sum(word.startswith(one.writer.dimension) for word in one.text.split()) for one in arguments]
    assert np.mean(own) > 4.0, "most words are of the style that was asked for"
    records = read_arguments(arguments, [Skeptic(subject, "baseline", sampling)], said)
    credence = [
        np.mean([one.credence_after for one in records if one.dimension == style]) for style in STYLES
    ]
    assert np.argsort(credence).tolist() == np.argsort(world.strengths).tolist()
    before = {
        who.difficulty: opinion.credence
        for who, opinion, _ in ask_before([Skeptic(subject, name, sampling) for name in OFFSETS], 1, said)
    }
    for name, offset in OFFSETS.items():
        assert before[name] == pytest.approx(expit(PRIOR + offset), abs=0.15)
