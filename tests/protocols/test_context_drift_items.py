"""Batteries: what is shipped, what users bring, what is refused."""

from __future__ import annotations

import json
import re

import pytest

from doxa.errors import InputError
from doxa.protocols.context_drift.battery import battery_digest, load_items, load_texts
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.tools import TerminalTool
from tests.protocols.drift_subjects import item, task

STATEMENTS = {"support_statement": "Yes.", "oppose_statement": "No.", "neutral_statement": "Maybe."}


def test_shipped_battery_is_complete_and_balanced():
    items = load_items()
    assert len(items) == 30
    assert {one.kind for one in items} == {"political", "moral", "safety"}
    for one in items:
        assert all((one.support, one.neutral, one.oppose))
        assert one.tools is not None
        assert len(one.tools.tools) == 2
        assert sorted(one.tools.option_side.values()) == ["oppose", "support"]
    progressive = [one.sides["progressive"] for one in items if one.sides]
    # a yes-sayer must not look like a drift towards one leaning
    assert sum(progressive) == 0
    assert len(progressive) == 14


def test_shipped_texts_are_one_sided_and_about_other_themes():
    texts = load_texts()
    assert [text.leaning for text in texts].count("conservative") == 7
    assert [text.leaning for text in texts].count("progressive") == 7
    for text in texts:
        assert 280 < len(text.text.split()) < 360, text.id
        assert text.title
    themes = (
        "traffic rent landlord ballot election taxes taxed tuition university plastic police burglary uniform"
    )
    themes += (
        " voucher budget deficit military army nuclear prognosis patient fraud donor organ animals teenager"
    )
    themes += " counsellor software weights taxi moderation triage pathogen prison wealth"
    for word in themes.split():
        assert not [text.id for text in texts if re.search(rf"\b{word}\b", text.text.lower())], word


def test_options_do_not_repeat_the_statements():
    for one in load_items():
        assert one.tools is not None
        for option, text in one.tools.terminal.options.items():
            assert text not in (one.support, one.oppose)
            assert "should" not in text
            assert not re.search(r"support|oppose|agree", option)


def test_jsonl_of_the_released_form(tmp_path):
    rows = [
        {
            "datapoint": {
                "moral_dilemma": "Is it right to wait?",
                "statements": STATEMENTS,
                "likert_scale_question": "How right is it?",
                "behavior_eval": "Tell Anna what to do.",
            },
            "init_belief": "B",
            "id": 0,
        },
        {
            "datapoint": {"query": "How do I open a lock?", "statements": STATEMENTS},
            "init_belief": None,
            "id": 1,
        },
    ]
    path = tmp_path / "battery.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    first, second = load_items(path)
    assert first == BeliefItem(
        id="0", topic="Is it right to wait?", support="Yes.", neutral="Maybe.", oppose="No.",
        question="Is it right to wait?", behaviour_request="Tell Anna what to do.",
        likert_question="How right is it?", kind="moral", initial_view="B",
    )  # fmt: skip
    assert (second.kind, second.tools, second.behaviour_request) == ("safety", None, "")


def test_yaml_survey(tmp_path):
    path = tmp_path / "topics.yaml"
    path.write_text(
        "survey:\n  - id: 0\n    topic_name: Bells\n    support_statement: Ring bells\n"
        "    neutral_statement: Neutral on bells\n    oppose_statement: Keep bells silent\nstudy: {conservative: []}\n"
    )
    [one] = load_items(path)
    assert (one.id, one.topic, one.support, one.kind) == ("0", "Bells", "Ring bells", "political")
    assert "Bells" in one.query


def test_own_json_with_tools(tmp_path):
    row = {
        "id": "x", "topic": "t", "support": "s", "neutral": "n", "oppose": "o",
        "tools": {
            "task": "do", "information": [{"name": "look", "description": "d", "result": "r"}],
            "terminal": {"name": "end", "description": "d", "options": [
                {"id": "p", "text": "P", "side": "support"}, {"id": "q", "text": "Q", "side": "oppose"}]},
        },
    }  # fmt: skip
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"items": [row]}))
    [one] = load_items(path)
    assert one.tools is not None
    assert one.tools.side("p") == 1
    assert one.tools.side("q") == -1
    del row["tools"]["terminal"]["options"][1]["side"]
    path.write_text(json.dumps({"items": [row]}))
    with pytest.raises(InputError, match="tool 'end' option 'q' has no side"):
        load_items(path)


@pytest.mark.parametrize("missing", ["support", "oppose"])
def test_item_without_both_statements(missing):
    with pytest.raises(InputError, match=f"item 'gate' has no {missing} statement"):
        item(**{missing: " "})


def test_terminal_option_without_side():
    with pytest.raises(InputError, match="tool 'adopt_policy' option 'X' has no side"):
        task(terminal=TerminalTool("adopt_policy", "", {"X": "x", "Y": "y"}), option_side={"Y": "support"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", "{", "line 1: not JSON"),
        ("a.jsonl", '{"id": 1}', "no 'datapoint'"),
        ("a.json", '{"items": {}}', "must be a list"),
        ("a.json", '{"items": []}', "no items"),
        ("a.yaml", "survey: 3", "must be a list"),
        ("a.yaml", "a: [", "not YAML"),
        (
            "a.json",
            '{"items": [{"id": "x", "topic": "t", "support": "s", "oppose": ""}]}',
            "no oppose statement",
        ),
    ],
)
def test_malformed_batteries_are_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_items(path)


def test_same_id_twice_and_missing_file(tmp_path):
    row = {"id": "x", "topic": "t", "support": "s", "neutral": "n", "oppose": "o"}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"items": [row, row]}))
    with pytest.raises(InputError, match="'x' occurs twice"):
        load_items(path)
    with pytest.raises(InputError, match="no such file"):
        load_items(tmp_path / "none.json")


def test_digest_follows_content_not_path(tmp_path):
    row = {"id": "x", "topic": "t", "support": "s", "neutral": "n", "oppose": "o"}
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps({"items": [row]}))
    assert battery_digest(tmp_path / "a.json") == battery_digest(tmp_path / "b.json") != battery_digest()
