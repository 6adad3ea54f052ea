from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import CapabilityError, InputError
from doxa.lab.parts import Parts
from doxa.lens.completions import UNSTEERED, Draw
from doxa.lens.entropic_steering import Setting
from doxa.lens.steering import SteeringVector
from doxa.protocols.bandit.agent import Completions, Streams, TokenAgent
from doxa.protocols.bandit.episodes import run_episodes
from doxa.protocols.bandit.steering import Outcome, choose, logged, outcomes
from doxa.protocols.bandit.student_folder import save_student, tokenizer
from doxa.protocols.bandit.subject import TextAgent
from doxa.protocols.bandit.text import LABELS, WORDINGS, action_written, dialogue, parse_action, summary
from doxa.protocols.bandit.words import count_words
from doxa.streams import stream
from doxa.subjects.base import Capability, Reply
from doxa.subjects.transformers import TransformersSubject
from doxa.worlds.bandit_teacher import random_play, train_students
from doxa.worlds.bandit_tokens import BanditTokens, Play
from doxa.worlds.bandits import GaussianBandit

EQUAL = GaussianBandit((100.0, 100.0), (10.0, 10.0), 6, seed=1)


@pytest.fixture(scope="module")
def student():
    """A network of a few steps; its completions are readable often enough to play."""
    return train_students(BanditTokens(horizon=6), [100], steps=150, batch=32, width=16, layers=2).net.export(
        0
    )


@pytest.fixture(scope="module")
def agent(student):
    return TokenAgent(student, BanditTokens(horizon=6))


class Scripted:
    """An agent that says what it is told to: ``arms[step]`` are the samples of every run."""

    arms, horizon = 2, 6

    def __init__(self, script: list[list[int]]) -> None:
        self.script, self.told = script, []

    def prompts(self, play: Play, said: Any) -> list[Any]:
        self.told.append([list(texts) for texts in said])
        return [int((row >= 0).sum()) for row in play.arms]

    def complete(self, prompts: Any, streams: Streams, n_samples: int, draws: Any = ((),)) -> Completions:
        rows = np.array([self.script[step][:n_samples] for step in prompts], dtype=np.int64)
        texts = [[[f"arm {arm}" for arm in row] for row in rows] for _ in draws]
        return Completions(np.stack([rows] * len(draws)), None, texts)


class Talker:
    """A subject without open weights."""

    address, identity, form, context_tokens = "talker", "talker", "published", None
    capabilities = frozenset({Capability.REPLY, Capability.SAMPLE})

    def __init__(self) -> None:
        self.calls = []

    def reply(self, conversations, *, sampling, tools=()):
        self.calls.append((tuple(conversations), sampling))
        label = LABELS[sampling.sample % 2]
        return [Reply(f"Thought: sample {sampling.sample}.\nAction: {label}") for _ in conversations]

    def score(self, queries):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("Thought: hm.\nAction: red", 0),
        ("ACTION : the BLUE button.", 1),
        ("action: 2", 1),
        ("Action: button 1 (red)", 0),
        ("**Action:** blue", 1),
        ("Action: red\nThought: no.\nAction: blue", 1),
        ("Action: red, it gave 102.5 points", 0),
        ("Action: red or blue", -1),
        ("Action: 1 (blue)", -1),
        ("Action: green", -1),
        ("Action: redder", -1),
        ("Action: 12", -1),
        ("Action:", -1),
        ("Action:\nred", -1),
        ("I press red.", -1),
        ("", -1),
    ],
)
def test_an_action_is_read_from_the_last_action_line(text, arm):
    assert parse_action(text, 2) == arm


@given(st.text(), st.integers(0, 2), st.sampled_from(["Action: {}", "action:{}", "ACTION: the {} one"]))
def test_a_last_line_decides_whatever_stands_before(before, arm, line):
    assert parse_action(f"{before}\n{line.format(LABELS[arm])}", 3) == arm


def test_a_written_action_is_one_whose_line_is_over():
    assert not action_written("Thought: so.\nAction: red")
    assert not action_written("Thought: so.\nAction:\n")
    assert action_written("Thought: so.\nAction: red\n")


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_dialogue_tells_the_task_and_everything_said_and_paid(wording):
    told = dialogue(wording, 2, 25, [0, 1], [104.26, 88.0], ["Thought: a.\nAction: red", "Action: blue\n"])
    assert [message.role for message in told] == ["user", "assistant", "user", "assistant", "user"]
    assert "25 rounds" in told[0].content
    assert "1 (red), 2 (blue)" in told[0].content
    assert WORDINGS[wording].things in told[0].content
    assert told[1].content == "Thought: a.\nAction: red"
    assert "received 104.3 points" in told[2].content
    assert told[4].content.endswith(
        f"Round 3 of 25. Which {WORDINGS[wording].thing} do you {WORDINGS[wording].act}?"
    )


def test_wordings_differ_in_their_words_only():
    told = {name: summary(name, 2, 9, [0, 0, 1], [1.0, 2.0, 3.0])[0].content for name in WORDINGS}
    text = told["machines"]
    for there, here in zip(WORDINGS["machines"][::-1], WORDINGS["buttons"][::-1], strict=True):
        text = text.replace(there, here)
    assert text == told["buttons"]
    assert "1 (red): pressed 2 times, 1.5 points on average" in told["buttons"]


def test_words_are_counted_without_those_that_mean_nothing():
    counted = count_words(["The variance is HIGH; test it, don't settle. 12 Thought"], ["thought"])
    assert counted == {"variance": 1, "high": 1, "test": 1, "don't": 1, "settle": 1}


def test_an_episode_acts_on_valid_samples_and_ends_where_there_is_none():
    script = [[0, 1, -1], [-1, -1, 1], [-1, -1, -1], [0, 0, 0]]
    log = run_episodes(Scripted(script), EQUAL, 3, 3, seed=0)
    assert log.step.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert log.run_id.tolist() == [0, 1, 2] * 3
    assert set(log.played[:3]) <= {0, 1}
    assert log.played[3:].tolist() == [1, 1, 1, -1, -1, -1]
    assert np.isnan(log.rewards[6:]).all()
    assert log.rounds.tolist() == [2, 2, 2]
    assert log.entropies[:3] == pytest.approx([math.log(2)] * 3)
    assert log.entropies[3:6].tolist() == [0.0] * 3
    assert np.isnan(log.entropies[6:]).all()
    assert log.valid[[0, 3, 6]] == pytest.approx([2 / 3, 1 / 3, 0])
    assert np.isnan(log.by_step(log.entropies)[2:]).all()


def test_an_episode_may_end_at_the_first_invalid_completion():
    script = [[0, 1], [1, 0], [-1, 0], [0, 0]]
    agent = Scripted(script)
    log = run_episodes(agent, EQUAL, 2, 2, seed=0, on_invalid="end")
    assert log.play.arms[0].tolist() == [0, 1, -1, -1, -1, -1]
    assert agent.told[2] == [["arm 0", "arm 1"]] * 2
    assert log.commitment().tolist() == [1.0, 1.0]
    assert np.isnan(run_episodes(Scripted([[-1]]), EQUAL, 1, 1, 0, on_invalid="end").commitment()).all()


def test_the_same_luck_meets_every_draw_and_more_runs_leave_the_first_as_they_are(agent):
    few = run_episodes(agent, EQUAL, 3, 4, seed=5)
    again = run_episodes(agent, EQUAL, 3, 4, seed=5, draw=Draw(temperature=1.0))
    more = run_episodes(agent, EQUAL, 5, 4, seed=5)
    assert np.array_equal(few.actions, again.actions)
    assert np.array_equal(few.play.arms, more.play.arms[:3])
    assert np.array_equal(few.play.rewards, more.play.rewards[:3])
    assert few.tokens is not None
    assert few.tokens.shape == (*few.actions.shape, 5)


def test_logged_runs_give_vectors_and_the_share_of_offsets(agent):
    log = logged(agent, run_episodes(agent, EQUAL, 6, 8, seed=2), (0, 1))
    assert log.activations.shape == (len(log.log.prompts), 2, 16)
    vector = log.vector("activation")
    assert vector.layers == (0, 1)
    length = np.linalg.norm(log.activations[:, 1], axis=-1).mean()
    assert np.linalg.norm(vector.vectors[1]) == pytest.approx(length, rel=0.02)
    shuffled = log.vector("activation", rng=stream(0, "test"))
    assert not np.allclose(shuffled.vectors[1], vector.vectors[1])
    assert 0 <= log.offset_share(0) <= 1


def test_outcomes_meet_the_same_chances(agent):
    prompts = agent.layout.prompts(random_play(agent.layout, 5, stream(0, "test")), 0).rows()
    streams = Streams(0, ("test",), tuple(range(5)))
    vector = SteeringVector({0: np.ones(16, dtype=np.float32)})
    plain, none, steered = outcomes(
        agent, prompts, [Draw(), Draw(vector, 0.0), Draw(vector, 9.0)], streams, 6
    )
    assert np.array_equal(plain.completions.ids, none.completions.ids)
    assert not np.array_equal(plain.completions.ids, steered.completions.ids)
    assert none.mean_gain(plain) == 0.0


def test_the_choice_is_the_most_entropy_among_valid_settings():
    def outcome(entropy: float, validity: float) -> Outcome:
        return Outcome(
            np.array([entropy]), np.array([validity]), Completions(np.zeros((1, 1, 1), int), None, [])
        )

    found = {
        Setting(None, 0.0, 1.0): outcome(0.3, 1.0),
        Setting(None, 0.0, 1.5): outcome(0.35, 0.96),
        Setting(None, 0.0, 2.0): outcome(0.5, 0.7),
        Setting(0, -1.0, 1.0): outcome(0.69, 1.0),
        Setting(0, 0.5, 1.0): outcome(0.4, 1.0),
        Setting(1, 0.5, 1.0): outcome(0.45, 0.97),
        Setting(1, 1.0, 1.0): outcome(0.6, 0.5),
        Setting(2, 0.5, 1.0): outcome(0.65, 1.0),
    }
    assert choose(found, (0, 1)) == (1, 0.5, 1.5)
    assert choose(found, (0, 1, 2)) == (2, 0.5, 1.5)
    assert choose({key: own for key, own in found.items() if key.layer is None}, (0,)) == (0, 0.0, 1.5)
    spoilt = {key: outcome(0.6, 0.3) if key.layer is not None else own for key, own in found.items()}
    assert choose(spoilt, (0, 1)) == (0, 0.0, 1.5), "what is not valid is not chosen"


def test_a_subject_without_weights_is_asked_and_repeats_get_samples_of_their_own():
    subject = Talker()
    agent = TextAgent(subject, 2, 6)
    log = run_episodes(agent, EQUAL, 2, 4, seed=0)
    assert log.actions.shape == (12, 4)
    assert log.entropies[:2] == pytest.approx([math.log(2)] * 2)
    first = [sampling.sample for conversations, sampling in subject.calls[:8]]
    assert sorted(first) == list(range(8)), "both runs open with the same prompt and must not share samples"
    assert log.texts[0][0].startswith("Thought: sample 0.")
    with pytest.raises(CapabilityError, match="cannot be steered"):
        agent.complete(log.prompts[:1], Streams(0, (), (0,)), 1, [Draw(SteeringVector({0: np.ones(4)}), 1.0)])
    with pytest.raises(CapabilityError, match="no open weights"):
        _ = agent.model


def test_the_folders_tokenizer_reads_the_summary_as_the_networks_own_tokens():
    layout = BanditTokens()
    play = random_play(layout, 60, stream(0, "test", "folder"))
    made, apart = tokenizer(layout), 0
    for wording, name in enumerate(WORDINGS):
        own = layout.prompts(play, wording).tokens
        for row, arms in enumerate(play.arms):
            told = summary(name, 2, 25, arms[arms >= 0].tolist(), play.rewards[row][arms >= 0].tolist())
            text = made.apply_chat_template([{"role": "user", "content": told[0].content}], tokenize=False)
            found = made(text, add_special_tokens=False)["input_ids"]
            assert len(found) == 8
            apart += sum(one != other for one, other in zip(found, own[row], strict=True))
    assert apart <= 6, "only means that round across the border of a bucket differ"
    assert made.decode([4, 9, 3, 2, 12]) == " unsure superior well\nAction: red"


@pytest.mark.slow
def test_a_student_in_a_folder_plays_in_english(tmp_path):
    folder = save_student(tmp_path / "student", seed=100, steps=150, batch=32, width=16)
    subject = TransformersSubject.open(str(folder))
    agent = TextAgent(subject, 2, 25, history="summary", max_tokens=5)
    env = GaussianBandit((100.0, 100.0), (10.0, 10.0), 25, seed=1)
    log = run_episodes(agent, env, 2, 3, seed=0)
    assert log.valid.mean() > 0.5
    assert {text.partition("\n")[2][:7] for own in log.texts for text in own} >= {"Action:"}
    fitted = logged(agent, log, (0, 2)).vector("raw")
    draws = [UNSTEERED, Draw(fitted.at_layers(0), 3.0)]
    told = (log.prompts[:5], draws, Streams(0, (), tuple(range(5))), 2)
    whole, kept = outcomes(agent, *told), Parts(tmp_path / "parts")
    parts = outcomes(replace(agent, keep=kept), *told, at_once=2)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.completions.ids, other.completions.ids)
        assert one.completions.texts == other.completions.texts
        np.testing.assert_array_equal(one.entropy, other.entropy)
    silent = replace(agent, keep=lambda name, _: kept(name, lambda: pytest.fail("asked again")))
    again = outcomes(silent, *told, at_once=2)
    np.testing.assert_array_equal(again[1].completions.ids, parts[1].completions.ids)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run_episodes(Scripted([]), EQUAL, 0, 1, 0), "n_runs=0"),
        (lambda: run_episodes(Scripted([]), GaussianBandit((1.0, 2.0), (1.0, 1.0), 5), 1, 1, 0), "6 rounds"),
        (lambda: TextAgent(Talker(), 9, 5), "arms=9: must be 2 to 6"),
        (lambda: TokenAgent(None, BanditTokens(), 2), "wording=2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
