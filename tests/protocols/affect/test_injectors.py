import numpy as np
import pytest

from doxa.errors import InputError
from doxa.protocols.affect import BINS, Bins, FixedState, Injector, NoInjector, PromptInjector, leakage
from doxa.subjects.base import assistant, system, user
from doxa.subjects.organisms.tokenizer import build
from doxa.subjects.planted.asking import asked

LOW, HIGH = np.array([-0.7, 0.4, -0.2]), np.array([0.6, 0.7, 0.8])
TALK = (user("hello"), assistant("good day"), user("how are you?"))


def test_words_are_those_of_fixed_bins():
    injector = PromptInjector()
    assert injector.words(LOW) == ("strongly negative", "stirred", "unsure of yourself")
    assert injector.words(np.zeros(3)) == ("neutral", "calm", "composed")
    edges = [BINS["valence"].word(value) for value in (-0.51, -0.5, -0.1, 0.0999, 0.1, 0.5)]
    assert edges == [
        "strongly negative", "slightly negative", "neutral", "neutral", "slightly positive", "strongly positive",
    ]  # fmt: skip


def test_the_state_is_told_in_words_numbers_or_both():
    assert (
        PromptInjector()
        .text(LOW)
        .startswith(
            "Your present mood: valence strongly negative, arousal stirred, dominance unsure of yourself. Let it shape"
        )
    )
    assert "valence -0.70, arousal +0.40" in PromptInjector("numeric").text(LOW)
    assert "valence strongly negative (-0.70)" in PromptInjector("both").text(LOW)
    assert PromptInjector(template="[{state}]").text(HIGH)[0] == "["


def test_the_system_message_gets_it_and_the_rest_stays():
    injector = PromptInjector()
    assert injector.inject(TALK, LOW, 2) == (system(injector.text(LOW)), *TALK)
    headed = injector.inject((system("Be brief."), *TALK), LOW, 2)
    assert headed == (system(f"Be brief.\n\n{injector.text(LOW)}"), *TALK)


def test_the_last_user_message_can_have_it_instead():
    shown = PromptInjector(position="user").inject(TALK, LOW, 2)
    assert shown[:2] == TALK[:2]
    assert shown[2].content.startswith("(Your present mood")
    assert shown[2].content.endswith("\n\nhow are you?")
    with pytest.raises(InputError, match="no user message"):
        PromptInjector(position="user").inject((system("a"),), LOW, 1)


def test_controls_tell_what_they_were_given_or_nothing():
    told = FixedState(np.array([HIGH, LOW]), PromptInjector())
    assert told.inject(TALK, LOW, 1) == PromptInjector().inject(TALK, HIGH, 1)
    assert told.inject(TALK, HIGH, 2) == told.inject(TALK, HIGH, 9) == PromptInjector().inject(TALK, LOW, 2)
    assert FixedState(np.zeros(3), PromptInjector()).inject(TALK, LOW, 5)[0].content.count("neutral") == 1
    assert NoInjector().inject(TALK, LOW, 1) == TALK
    for one in (told, NoInjector(), PromptInjector()):
        assert isinstance(one, Injector)
    assert told.as_json() != FixedState(np.array([LOW, HIGH]), PromptInjector()).as_json()


def test_a_reply_that_speaks_of_its_mood_is_caught():
    injector = PromptInjector()
    assert injector.leaks("I feel STRONGLY NEGATIVE about it.", LOW) == ("strongly negative",)
    assert injector.leaks("My mood is my own, and dominance too.", LOW) == ("dominance", "mood")
    assert injector.leaks("I stirrup the moody horse.", LOW) == ()
    number = PromptInjector("numeric")
    assert number.leaks("I am at -0.70 or 10.70, not strongly negative.", np.array([-0.7, 0.4, 0.0])) == (
        "0.70",
    )
    assert number.leaks("I am at 0.7.", np.array([-0.7, 0.4, 0.0])) == ()
    assert PromptInjector("micro").leaks("i am angry .", np.array([-0.7, 0.4, 0.0])) == ("angry",)
    assert leakage(["my mood", "a chair"], np.array([LOW, LOW]), injector) == 0.5
    assert np.isnan(leakage([], np.zeros((0, 3)), injector))


def test_organisms_are_told_in_words_they_know_as_wholes():
    tokenizer = build()
    for state in (LOW, HIGH, np.zeros(3), np.array([-0.3, 0.1, 0.0])):
        text = PromptInjector("micro").text(state)
        assert len(tokenizer(text)["input_ids"]) == len(text.split()), text


@pytest.mark.parametrize("style", ["verbal", "numeric", "both", "micro"])
def test_a_planted_subject_is_asked_the_same_with_a_mood(style):
    for question in ("is bali red ? yes or no", "Answer with a number from 0 to 100.", "(A) Yes\n(B) No"):
        plain = (user(question),)
        assert asked(PromptInjector(style).inject(plain, LOW, 1)) == asked(plain)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PromptInjector(template="mood"), r"must have \{state\}"),
        (lambda: PromptInjector(bins={"stance": Bins((0.1, -0.1), ("a", "b", "c"))}), "ascending edges"),
        (lambda: PromptInjector(bins={"stance": Bins((0.0,), ("a",))}), "one word more"),
        (lambda: PromptInjector().text(np.zeros(1)), "state of 1 dimensions"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
