from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from doxa.errors import CapabilityError, InputError
from doxa.society.memory import Memory, joined, recall
from doxa.society.personas import Persona
from doxa.society.prompts import Prompts
from doxa.society.requests import (
    NOBODY,
    OFFICIAL,
    Action,
    Emotion,
    Heard,
    Judge,
    Opinion,
    Probability,
    strings,
)
from doxa.society.subject_mind import SubjectMind
from doxa.subjects.base import Reply
from tests.society.speakers import Speaker, opinion, sensible


def column(*texts):
    out = strings(len(texts))
    out[:] = list(texts)
    return out


def asked(n=2, **changes):
    """Return an opinion request; everybody hears a believer, the official agent and an empty place."""
    persons = np.empty(n, dtype=object)
    persons[:] = [
        Persona(f"Person {k}", 30 + k, "a doctorate", ("kind", "tidy", "shy", "calm", "curious"))
        for k in range(n)
    ]
    heard = np.empty((n, 3), dtype=object)
    heard[:] = [["it is true", "it is false", "unheard"]] * n
    fields = {
        "population": np.zeros(n, dtype=int),
        "agent": np.arange(n),
        "time": 1,
        "topic": strings(n, "the moon {fell}"),
        "persona": persons,
        "previous": strings(n, "I doubt it"),
        "heard": Heard(heard, np.tile([1, 0, 0], (n, 1)), np.tile([1, OFFICIAL, NOBODY], (n, 1))),
        "today": strings(n),
        "memory": strings(n, "old memory"),
        "inner": np.zeros((n, 0)),
        "draws": np.zeros((n, 1)),
        "credence": np.zeros(n),
    }
    return Opinion(**{**fields, **changes})


def posed(kind, n=2, **more):
    return kind(
        np.zeros(n, dtype=int), np.arange(n), 0, column(*(f"situation {k}" for k in range(n))), **more
    )


@pytest.mark.parametrize("belief", [1, "1", True, 1.0])
def test_a_belief_may_be_a_number_a_string_or_a_truth_value(belief):
    told = SubjectMind(Speaker(lambda talk, _: opinion(belief))).answer(asked())
    assert told.belief.tolist() == [1, 1]
    assert told.text.tolist() == ["hm", "hm"]
    assert told.reasoning.tolist() == ["so", "so"]
    assert (told.missing == "").all()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (opinion(2), "neither 0 nor 1"),
        (opinion("maybe"), "neither 0 nor 1"),
        (opinion(None), "neither 0 nor 1"),
        ('{"tweet": "x", "belief": 1', "does not end"),
        ("I cannot help with that.", "refusal: I cannot help"),
        (Reply("", finish="fault", fault="HTTP 500"), "fault: HTTP 500"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_read_is_asked_again_and_then_missing(reply, why):
    speaker = Speaker(lambda talk, _: reply)
    told = SubjectMind(speaker, retries=2).answer(asked())
    assert told.belief.tolist() == [-1, -1]
    assert all(why in one for one in told.missing)
    assert told.again.tolist() == [2, 2]
    assert [sampling.sample for sampling in speaker.samplings] == [0, 1, 2]
    assert all(len(call) == 2 for call in speaker.calls), "all agents in one call"


def test_only_the_unread_are_asked_again():
    speaker = Speaker(
        lambda talk, sampling: opinion(1) if sampling.sample or "Person 0" in talk[0].content else "?"
    )
    mind = SubjectMind(speaker)
    told = mind.answer(asked())
    assert told.again.tolist() == [0, 1]
    assert [len(call) for call in speaker.calls] == [2, 1]
    said = mind.exchanges()
    assert [(one["agent"], one["attempt"], bool(one["missing"])) for one in said] == [
        (0, 0, False), (1, 0, True), (1, 1, False),
    ]  # fmt: skip
    assert said[0]["prompt"][0]["content"].startswith("You are Person 0, 30 years old, with a doctorate.")
    assert mind.exchanges() == []


def test_prompts_tell_what_was_heard_and_fill_no_slot_twice():
    speaker = Speaker(lambda talk, _: opinion(1, memory="new"))
    SubjectMind(speaker, fused=True).answer(asked())
    shown = speaker.calls[0][0]
    assert "- it is true (believes it)\n- Official statement: it is false" in shown
    assert "unheard" not in shown
    assert "the moon {fell}" in shown
    assert '{"tweet": "your message"' in shown
    SubjectMind(speaker, fused=True).answer(asked(carried=False))
    assert "old memory" not in speaker.calls[1][0]
    with pytest.raises(InputError, match="fused=False"):
        SubjectMind(speaker, fused=True).answer(asked(at_hand=False))


def test_memory_is_summarised_and_rewritten_unless_the_mind_does_it_itself():
    speaker = Speaker(sensible)
    mind = SubjectMind(speaker, temperature=1.0, summary_temperature=0.5)
    recalled = recall(mind, Memory(), asked())
    assert [sampling.temperature for sampling in speaker.samplings] == [0.5, 1.0]
    assert "digest" in recalled.asked.memory[0]
    assert recalled.asked.today[0] in speaker.calls[1][0]
    mind.answer(recalled.asked)
    assert recalled.asked.memory[0] in speaker.calls[2][0]
    assert recalled.asked.today[0] in speaker.calls[2][0]
    fused = Speaker(lambda talk, _: opinion(0, memory="new memory"))
    recalled = recall(SubjectMind(fused, fused=True), Memory(), asked())
    assert fused.calls == []
    assert SubjectMind(fused, fused=True).answer(recalled.asked).memory.tolist() == ["new memory"] * 2


def test_each_part_of_memory_can_be_left_out():
    def after(memory):
        speaker = Speaker(sensible)
        return recall(SubjectMind(speaker), memory, asked()).asked, speaker

    short, speaker = after(Memory(short=False))
    assert not short.at_hand
    assert short.today.tolist() == ["", ""]
    assert "digest" in short.memory[0], "memory still takes the day in"
    long, speaker = after(Memory(long=False))
    assert len(speaker.calls) == 1
    assert not long.carried
    plain, speaker = after(Memory(reflection=False))
    assert len(speaker.calls) == 1
    assert plain.memory[0] == f"old memory\n{plain.today[0]}"


def test_a_summary_that_cannot_be_had_leaves_the_memory():
    recalled = recall(SubjectMind(Speaker(lambda talk, _: ""), retries=1), Memory(), asked())
    assert recalled.asked.memory.tolist() == ["old memory"] * 2
    assert (recalled.again, recalled.missing) == (4, 2)


def test_the_last_summaries_stay():
    assert joined(column("a\nb", ""), column("c\nd", "e"), 2).tolist() == ["b\nc d", "e"]
    assert Memory.of(("short", "long")) == Memory(reflection=False)
    with pytest.raises(InputError, match="did you mean 'long'"):
        Memory.of(("lon",))
    with pytest.raises(InputError, match="last=0"):
        Memory(last=0)


def test_at_temperature_0_equal_prompts_are_asked_once():
    persons = np.array([asked().persona[0]] * 3, dtype=object)
    request = asked(3, persona=persons)
    speaker = Speaker(sensible)
    told = SubjectMind(speaker, temperature=0.0).answer(request)
    assert [len(call) for call in speaker.calls] == [1]
    assert len(set(told.text)) == 1
    SubjectMind(speaker).answer(replace(request, population=np.array([0, 1, 1])))
    assert [len(call) for call in speaker.calls[1:]] == [1, 2], "two populations are two draws"
    assert len({sampling.branch for sampling in speaker.samplings[1:]}) == 2


def test_belief_may_be_scored_behind_the_tweet():
    speaker = Speaker(sensible, scores=lambda query: [np.log(0.8), np.log(0.2)])
    told = SubjectMind(speaker, belief="probability").answer(asked())
    assert told.credence == pytest.approx([0.8, 0.8])
    assert told.belief.tolist() == [1, 1]
    assert speaker.queries[0].opening == f'{{"tweet": {json.dumps(told.text[0])}, "belief":'
    speaker = Speaker(sensible, scores=lambda query: [np.nan, np.nan])
    told = SubjectMind(speaker, belief="probability").answer(asked())
    assert np.isnan(told.credence).all()
    assert set(told.belief) <= {0, 1}, "as stated"
    with pytest.raises(CapabilityError):
        SubjectMind(Speaker(sensible), belief="probability")


def test_other_requests_are_answered_in_json_too():
    speaker = Speaker(lambda talk, _: '{"probability": 0.3, "confidence": 0.9}')
    told = SubjectMind(speaker).answer(posed(Probability))
    assert told.value.tolist() == [0.3, 0.3]
    assert told.confidence.tolist() == [0.9, 0.9]
    speaker = Speaker(lambda talk, _: '{"joy": 0.1, "fear": 0.7}')
    told = SubjectMind(speaker).answer(posed(Emotion, emotions=("joy", "fear")))
    assert told.value.tolist() == [[0.1, 0.7]] * 2
    speaker = Speaker(lambda talk, _: '{"score": 4}' if "situation 0" in talk[0].content else '{"score": 9}')
    told = SubjectMind(speaker, retries=0).answer(posed(Judge, criterion="kindness", scale=(1, 5)))
    assert told.value[0] == 4
    assert np.isnan(told.value[1])
    assert "outside its scale" in told.missing[1]
    assert "kindness? Give a score from 1 to 5" in speaker.calls[0][0]
    speaker = Speaker(lambda talk, _: '{"action": "stay home"}')
    told = SubjectMind(speaker).answer(posed(Action, options=("go out", "stay home")))
    assert told.choice.tolist() == [1, 1]
    with pytest.raises(InputError, match="at least two"):
        SubjectMind(speaker).answer(posed(Action, options=("go",)))
    with pytest.raises(InputError, match="retries=-1"):
        SubjectMind(speaker, retries=-1)


def test_prompts_are_one_file_of_ones_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("opinion: 'Say {topic} to {name} in {\"json\": 1}'\ndoubting: ['No: {topic}']\n")
    prompts = Prompts.read(mine)
    assert prompts.fill("opinion", {"topic": "{name}", "name": "Eva"}) == 'Say {name} to Eva in {"json": 1}'
    assert prompts.summary == Prompts.default().summary
    began = SubjectMind(Speaker(sensible), prompts=prompts).begin(asked(), np.array([True, False]))
    assert began.text[1] == "No: the moon {fell}"
    assert began.text[0] != began.text[1]
    for text, match in [
        ("opinon: x", "did you mean 'opinion'"),
        ("- x", "give a text to each name"),
        ("agreeing: x", "list of sentences"),
        ("a: [", "no YAML"),
    ]:
        mine.write_text(text)
        with pytest.raises(InputError, match=match):
            Prompts.read(mine)
    with pytest.raises(InputError, match="cannot be read"):
        Prompts.read(tmp_path / "none.yaml")
    mine.write_text("summary: 'What of {colour}?'")
    with pytest.raises(InputError, match="no fact 'colour'"):
        recall(SubjectMind(Speaker(sensible), prompts=Prompts.read(mine)), Memory(), asked())
