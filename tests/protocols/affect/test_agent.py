import json

import numpy as np
import pytest

from doxa.dynamics.affect import VALENCE, FirstOrder, SecondOrder, Stateless
from doxa.errors import CapabilityError, InputError, StoreError
from doxa.protocols.affect import (
    AffectAgent,
    AffectSubject,
    CallableEstimator,
    DialogueScript,
    FixedState,
    MoodOf,
    NoInjector,
    PromptInjector,
    SteeringInjector,
    VaderVAD,
)
from doxa.subjects.base import Reply, Sampling, assistant, user
from tests.protocols.affect.speakers import Says, Tuned

WORDS = [
    "Hello there.",
    "You are awful and I hate you!",
    "I am sorry, thank you so much.",
    "What time is it?",
]


def test_a_turn_hears_moves_tells_and_reads():
    agent = AffectAgent(Tuned(), FirstOrder(0.5))
    first, second = agent.turn(WORDS[0]), agent.turn(WORDS[1])
    signal = VaderVAD().estimate([WORDS[1]])[0]
    assert second.signal == pytest.approx(signal)
    assert second.state == pytest.approx(0.5 * signal)
    assert second.prompt[0].content == PromptInjector().text(second.state)
    assert second.prompt[1:] == (user(WORDS[0]), assistant(first.reply), user(WORDS[1]))
    assert second.expressed == pytest.approx(VaderVAD().estimate([second.reply])[0])
    assert (second.number, second.user, second.missing) == (2, WORDS[1], "")


def test_the_state_is_told_once_and_anew_at_every_turn():
    agent = AffectAgent(Tuned(), SecondOrder(0.8), instruction="Be brief.")
    for turn in [agent.turn(text) for text in WORDS]:
        shown = "\n".join(message.content for message in turn.prompt)
        assert shown.count("Your present mood") == 1
        assert PromptInjector().text(turn.state) in shown
        assert shown.startswith("Be brief.\n\nYour present mood")


def test_a_stateless_mood_is_measured_and_told_to_nobody():
    agent = AffectAgent(Tuned(), Stateless())
    turns = [agent.turn(text) for text in WORDS]
    assert np.array_equal([turn.state for turn in turns], [turn.signal for turn in turns])
    assert all(turn.prompt[0].role == "user" for turn in turns)
    silent = AffectAgent(Tuned(), SecondOrder(0.8), injector=NoInjector())
    assert [silent.turn(text).prompt for text in WORDS] == [turn.prompt for turn in turns]


def test_with_alpha_one_the_state_is_the_stateless_one_and_is_told():
    one, other = AffectAgent(Tuned(), FirstOrder()), AffectAgent(Tuned(), Stateless())
    for text in WORDS:
        a, b = one.turn(text), other.turn(text)
        assert np.array_equal(a.state, b.state)
        assert a.prompt != b.prompt


def test_the_reply_can_move_the_mood_and_it_is_the_one_before():
    replies = ["I love this.", "I hate this.", "Fine."]
    read = VaderVAD().estimate(replies)

    def held(source, **options):
        agent = AffectAgent(Says(*map(Reply, replies)), FirstOrder(), signal_source=source, **options)
        return np.array([agent.turn(text).signal for text in WORDS[:3]])

    assert held("reply") == pytest.approx(np.array([[0, 0, 0], read[0], read[1]]))
    users = VaderVAD().estimate(WORDS[:3])
    assert held("user") == pytest.approx(users)
    assert held("both", user_weight=0.75) == pytest.approx(
        0.75 * users + 0.25 * np.array([[0, 0, 0], read[0], read[1]])
    )


def test_what_it_remembers_is_cut_and_its_mood_is_not():
    whole, short = AffectAgent(Tuned(), SecondOrder(0.9)), AffectAgent(Tuned(), SecondOrder(0.9), memory=1)
    for text in WORDS:
        a, b = whole.turn(text), short.turn(text)
        assert np.array_equal(a.state, b.state)
    assert len(a.prompt) == 8
    assert len(b.prompt) == 4
    assert [message.content for message in b.prompt[1:4:2]] == [WORDS[2], WORDS[3]]
    none = AffectAgent(Tuned(), SecondOrder(0.9), memory=0)
    assert [len(none.turn(text).prompt) for text in WORDS[:2]] == [2, 2]


def test_an_empty_reply_and_a_fault_are_missing_and_move_nothing():
    said = [Reply("  "), Reply("", finish="fault", fault="timeout"), Reply("I love it.")]
    agent = AffectAgent(Says(*said), FirstOrder(), signal_source="both")
    turns = [agent.turn(text) for text in WORDS[:3]]
    assert [turn.missing for turn in turns] == ["empty reply", "timeout", ""]
    assert np.isnan(turns[0].expressed).all()
    assert turns[2].signal == pytest.approx(0.5 * VaderVAD().estimate([WORDS[2]])[0])
    assert turns[2].prompt[1:] == (user(WORDS[2]),)  # what was not answered is not shown again


def test_equal_seeds_give_equal_runs_and_other_seeds_other_replies():
    def held(seed):
        agent = AffectAgent(Tuned(), SecondOrder(0.8)).fresh(seed)
        return [agent.turn(line.text).reply for line in DialogueScript.load("philosophy").lines]

    assert held(1) == held(1)
    assert held(1) != held(2)


def test_a_function_can_answer_too():
    seen = []

    def speak(conversation, sampling):
        seen.append((conversation, sampling))
        return "Fine."

    agent = AffectAgent(speak, FirstOrder(), sampling=Sampling(seed=5))
    assert agent.turn(WORDS[0]).reply == "Fine."
    assert seen[0][1].seed == 5
    assert AffectAgent(speak, SecondOrder(0.9)).turn(WORDS[1]).prompt[0].role == "system"


def test_another_attitude_than_mood_takes_its_own_space():
    estimator = CallableEstimator(lambda text: [0.8 if "yes" in text else -0.8], "agreement", VALENCE)
    agent = AffectAgent(
        Tuned(), SecondOrder(0.5, space=VALENCE), estimator, FixedState(np.zeros(3), PromptInjector())
    )
    assert agent.turn("yes").state == pytest.approx([0.4])
    with pytest.raises(InputError, match=r"give the rule the estimator's space"):
        AffectAgent(Tuned(), SecondOrder(0.5), estimator)


def test_silence_lets_the_mood_go_home():
    agent = AffectAgent(Tuned(), FirstOrder(tau_up=4.0, tau_down=4.0))
    before = agent.turn(WORDS[1]).state
    after = agent.turn("What time is it?", silence=8.0).state
    assert after == pytest.approx(before * np.exp(-9.0 / 4.0))
    assert agent.mood.turn == 2


def test_an_agent_goes_on_in_another_session(tmp_path):
    agent = AffectAgent(Tuned(), SecondOrder(0.9))
    for text in WORDS[:2]:
        agent.turn(text)
    path = agent.save(tmp_path / "anna.json")
    other = AffectAgent(Tuned(), SecondOrder(0.9))
    other.load(path)
    mine, its = agent.turn(WORDS[2]), other.turn(WORDS[2])
    assert np.array_equal(mine.state, its.state)
    assert (mine.reply, mine.prompt, mine.number) == (its.reply, its.prompt, its.number)
    with pytest.raises(InputError, match="saved under another rule"):
        AffectAgent(Tuned(), SecondOrder(0.8)).load(path)
    held = json.loads(path.read_text())
    for wrong in ({"state": [2.0, 0.0, 0.0]}, {"state": [float("nan"), 0.0, 0.0]}, {"velocity": [0.0]}):
        path.write_text(json.dumps({**held, **wrong}))
        with pytest.raises(StoreError, match=next(iter(wrong))):
            other.load(path)
    path.write_text(json.dumps({**held, "format": "another"}))
    with pytest.raises(StoreError, match="not a saved agent"):
        other.load(path)
    with pytest.raises(StoreError, match="not a saved agent"):
        other.load(tmp_path / "bob.json")


def test_what_is_wrong_is_named():
    agent = AffectAgent(Tuned(), SecondOrder(0.9))
    agent.turn(WORDS[0], number=1)
    for wrong, message in (
        (lambda: agent.turn(WORDS[1], number=3), "number=3: turn 2 comes next"),
        (lambda: agent.turn(" "), "turn 2: the user's text is empty"),
        (lambda: agent.turn(WORDS[1], silence=-1.0), "silence=-1.0"),
        (lambda: agent.turn(WORDS[1], dt=0.0), "dt=0.0"),
        (
            lambda: setattr(agent, "dynamics", FirstOrder()),
            r"1 turns were moved by second-order\?mu=0.9; reset\(\)",
        ),
        (lambda: AffectAgent(Tuned(), FirstOrder(), memory=-1), "memory=-1"),
        (lambda: AffectAgent(Tuned(), FirstOrder(), user_weight=1.5), "user_weight=1.5"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()
    assert len(agent.turns) == 1  # nothing that was refused has moved it
    agent.reset()
    agent.dynamics = FirstOrder()
    assert agent.turn(WORDS[1], number=1).state == pytest.approx(VaderVAD().estimate([WORDS[1]])[0])


def test_an_agent_and_a_subject_with_a_mood_show_the_same():
    for source in ("user", "reply", "both"):
        agent = AffectAgent(Tuned(), SecondOrder(0.8), signal_source=source)
        turns = [agent.turn(text) for text in WORDS]
        subject = AffectSubject(Tuned(), MoodOf(SecondOrder(0.8), VaderVAD(), source))
        talk = []
        for turn in turns:
            talk.append(user(turn.user))
            assert subject.shown(tuple(talk)) == turn.prompt
            talk.append(assistant(turn.reply))


def test_a_function_has_no_weights_to_steer():
    with pytest.raises(CapabilityError, match="no open weights to steer"):
        AffectAgent(lambda conversation, sampling: "", FirstOrder(), injector=SteeringInjector(None))
