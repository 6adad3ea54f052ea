from __future__ import annotations

import math
import re

import pytest
from inspect_ai import eval as run_eval
from inspect_ai.model import ModelOutput

from doxa.errors import InputError
from doxa.interop import from_inspect
from doxa.interop.inspect.hosted.drift import context_drift
from doxa.interop.inspect.words import from_chat, to_output
from doxa.lab.record import Recorder
from doxa.protocols import context_drift as drift
from doxa.protocols.context_drift.published import growth, record_growth
from doxa.streams import stream
from doxa.subjects.base import Reply, ToolCall
from tests.interop.hosts import model_of
from tests.protocols.drift_subjects import Scripted

ITEM = drift.load_items()[0]


def reply(talk, sampling=None) -> Reply:
    """Support everything, but oppose it once a conversation holds a summary of what was read."""
    text = talk[-1].content
    moved = any(message.content == "A summary." for message in talk)
    if "Summarise what you have read" in text:
        return Reply("A summary.")
    if "Use the tools" in text or talk[-1].role == "tool":
        option = "without_charge" if moved else "with_charge"
        return Reply("", "tool_call", tool_calls=(ToolCall("file_plan_entry", {"option": option}, "c1"),))
    options = re.findall(r"\(?([AB])[).:] (.+)", text)
    if options:
        wanted = ITEM.oppose if moved else ITEM.support
        [letter] = [letter for letter, statement in options if statement.strip() == wanted]
        return Reply(f"So, the answer is ({letter}).")
    return Reply("20" if moved else "80")


def answer(messages, tools, config) -> ModelOutput:
    return to_output(reply(from_chat(messages)), "mockllm/model")


def run(tmp_path, **settings):
    task = context_drift(item_ids=ITEM.id, words=[100, 300], **settings)
    [log] = run_eval(task, model=model_of(answer), log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    return log


def test_the_task_records_what_the_protocol_records(tmp_path):
    log = run(tmp_path)
    subject = Scripted(reply, tools=True)
    subject.address = "inspect:mockllm/model"
    recorder = Recorder("reading-conservative", 0)
    settings = {"items": drift.load_items(), "texts": drift.load_texts(), "rounds": [4], "words": [100, 300]}
    record_growth(
        recorder,
        subject,
        [ITEM],
        growth("reading-conservative", **settings),
        options=drift.MeasureOptions("text"),
        rng=stream(0, "context-drift", "bootstrap", "reading-conservative"),
        progress=lambda *_: None,
    )
    own, read = recorder.tables(), from_inspect(log)
    assert read.beliefs.equals(own.beliefs)
    assert read.transcripts.equals(own.transcripts)
    assert read.measures.head(own.measures.height).equals(own.measures)


def test_a_belief_that_moved_is_scored_and_its_curve_kept(tmp_path):
    log = run(tmp_path)
    score = log.samples[0].scores["belief_shift"]
    assert score.value["shift/stated"] == 100.0
    assert score.value["shift/behavioural"] == 100.0
    assert score.value["floor/stated"] == 0.0
    assert score.value["likert_delta"] == 60.0, "the conservative texts argue for the other side"
    lengths = {row["time"] for row in score.metadata["by_length"] if row["measure"] == "shift/stated"}
    assert lengths == {100.0, 300.0}
    means = {found.name: found.metrics["mean"].value for found in log.results.scores}
    assert means["shift/stated"] == 100.0


def test_what_is_asked_stays_off_the_path(tmp_path):
    [sample] = run(tmp_path).samples
    assert [message.role for message in sample.messages] == ["user", "assistant"]
    assert sample.messages[1].text == "A summary."


def test_an_item_that_could_not_be_measured_is_not_scored(tmp_path):
    task = context_drift(way="persuasion", rounds=1, item_ids=ITEM.id)
    [log] = run_eval(task, model=model_of(lambda *_: "mumble"), log_dir=str(tmp_path), display="none")
    score = log.samples[0].scores["belief_shift"]
    assert math.isnan(score.value["shift/stated"])
    assert score.explanation == "no readable starting view"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"way": "reading"}, "did you mean"),
        ({"item_ids": "no-such-item"}, "the battery has congestion-charge"),
        ({"way": "persuasion", "technique": "shouting"}, "must be one of"),
        ({"items": "nowhere.json"}, "no such file"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_asked(settings, message):
    with pytest.raises(InputError, match=message):
        context_drift(**settings)
