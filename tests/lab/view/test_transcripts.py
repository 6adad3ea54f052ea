from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.lab.view.message_marks import marked
from doxa.lab.view.panels import panel
from doxa.lab.view.run_data import RunData
from doxa.lab.view.talks import LETTERS, PIECE
from tests.hostile_texts import hostile_texts
from tests.lab.view.sample_runs import write_run
from tests.lab.view.talk_runs import long_tables, talk_tables


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunData:
    cells = {f"k{seed}": talk_tables(seed, text=f"says {seed}") for seed in range(3)}
    cells["other"] = talk_tables(0, condition="control", turns=4)
    return RunData(write_run(tmp_path_factory.mktemp("runs"), cells=cells).path)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> RunData:
    tables = long_tables(3000, huge=1_000_000)
    return RunData(write_run(tmp_path_factory.mktemp("runs"), cells={"k": tables}).path)


def asked(run: RunData, **query: str) -> Any:
    return panel("transcripts").data(run, query)


def whole_table(run: RunData) -> pl.DataFrame:
    return pl.concat([run.folder.read_table(cell.key, "transcripts") for cell in run.cells()])


def test_the_list_is_that_of_polars(run):
    found = asked(run)
    frame = whole_table(run)
    keys = ["condition", "seed", "conversation"]
    wanted = frame.group_by(keys).agg(
        pl.len(), pl.col("text").str.len_chars().sum().alias("letters"), pl.col("tokens").sum()
    )
    held = {(one["condition"], one["seed"], one["name"]): one for one in found["talks"]}
    assert found["total"] == wanted.height == len(held)
    for row in wanted.to_dicts():
        one = held[row["condition"], row["seed"], row["conversation"]]
        assert (one["messages"], one["letters"], one["tokens"]) == (row["len"], row["letters"], row["tokens"])


@pytest.mark.parametrize(
    ("query", "many"),
    [
        ({"condition": "control"}, 3),
        ({"seed": "2"}, 3),
        ({"subject": "organism:leaning"}, 12),
        ({"subject": "nobody"}, 0),
        ({"finish": "stop"}, 12),
        ({"finish": "length"}, 0),
        ({"search": "SAYS 1 4 KINDER"}, 1),
        ({"search": "kinder"}, 4),
        ({"search": "%"}, 0),
        ({"seed": "0", "condition": "dialogue"}, 3),
        ({"offset": "10"}, 12),
        ({"offset": "10", "limit": "1"}, 12),
    ],
)
def test_conversations_are_searched_and_filtered(run, query, many):
    found = asked(run, **query)
    assert found["total"] == many
    if "offset" not in query:
        assert len(found["talks"]) == many


def test_a_conversation_is_read_in_pages(run):
    (one,) = asked(run, search="says 1 ", seed="1", limit="1")["talks"]
    head = asked(run, talk=one["id"])
    assert (head["name"], head["seed"], head["messages"], head["roles"]) == (
        "scene 1",
        1,
        6,
        ["convincer", "skeptic"],
    )
    read = [
        message
        for offset in range(0, 6, 2)
        for message in asked(run, talk=one["id"], offset=str(offset), limit="2")["messages"]
    ]
    frame = whole_table(run).filter(seed=1, conversation="scene 1")
    assert [message["text"] for message in read] == frame["text"].to_list()
    assert [message["off"] for message in read] == [False, False, False, True, False, False]
    assert [message["private"] for message in read] == [False, False, False, True, False, True]
    assert read[3]["marks"] == ["asked off the path", "private: nobody else heard it"]


def test_forks_are_aligned_where_they_leave(run):
    talks = {one["name"]: one for one in asked(run, condition="dialogue", seed="0")["talks"]}
    forks = asked(run, talk=talks["scene 1"]["id"])["forks"]
    assert [(fork["name"], fork["branch"], fork["shared"], fork["messages"]) for fork in forks] == [
        ("scene 1 sterner", "sterner", 4, 6),
        ("scene 1 kinder", "kinder", 2, 6),
    ]
    trunk = asked(run, talk=talks["scene 1"]["id"], offset="0")["messages"]
    for fork in forks:
        own = asked(run, talk=fork["id"], offset="0")["messages"]
        same = [mine["text"] == its["text"] for mine, its in zip(trunk, own, strict=True)]
        assert same.index(False) == fork["shared"]


def test_a_fork_that_ends_early_shares_all_it_has(tmp_path):
    recorder = Recorder("c", 0)
    for name, turns in (("whole", 5), ("stopped", 3), ("other", 2)):
        for turn in range(turns):
            text = f"{name if name == 'other' else 'same'} {turn}"
            recorder.utterance(subject="s", conversation=name, turn=turn, role="user", text=text)
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    forks = asked(run, talk="k.0")["forks"]
    assert [(fork["name"], fork["shared"], fork["messages"]) for fork in forks] == [("stopped", 3, 3)]


def test_interleaved_turns_stand_in_their_order(tmp_path):
    recorder = Recorder("c", 0)
    for turn in (2, 0, 1):
        for name in ("a", "b"):
            recorder.utterance(subject="s", conversation=name, turn=turn, role="user", text=f"{name}{turn}")
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    assert [one["text"] for one in asked(run, talk="k.1", offset="0")["messages"]] == ["b0", "b1", "b2"]
    assert [one["text"] for one in asked(run, talk="k.1", offset="1", limit="1")["messages"]] == ["b1"]
    assert asked(run, talk="k.1", find="B2") == {"at": [2], "more": False}


def test_a_huge_text_comes_folded_and_whole_in_pieces(long):
    message = asked(long, talk="k.0", offset="7", limit="1")["messages"][0]
    assert (len(message["text"]), message["letters"]) == (LETTERS, 1_000_000)
    text = message["text"]
    while len(text) < message["letters"]:
        text += asked(long, talk="k.0", place=str(message["place"]), **{"from": str(len(text))})["text"]
    assert text == long.folder.read_table("k", "transcripts")["text"][7]
    assert len(asked(long, talk="k.0", place="7", **{"from": "0"})["text"]) == PIECE
    assert asked(long, talk="k.0", place="7", **{"from": "999999999"})["text"] == ""


def test_any_page_of_a_long_conversation(long):
    for offset in (0, 1234, 2999, 3000):
        found = asked(long, talk="k.0", offset=str(offset), limit="3")["messages"]
        assert [message["turn"] for message in found] == list(range(offset, min(offset + 3, 3000)))
    found = asked(long, talk="k.0", find="message 29")
    assert found["at"] == [29, *range(290, 300), *range(2900, 3000)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"tlak": "x"}, "'tlak'"),
        ({"seed": "one"}, "seed='one'"),
        ({"offset": "-1"}, "offset=-1: must be >= 0"),
        ({"limit": "201"}, "limit=201: must be 0 to 200"),
        ({"talk": "k0"}, "talk='k0'"),
        ({"talk": "k0.99999"}, "talk='k0.99999'"),
        ({"talk": "nowhere.0"}, "talk='nowhere.0'"),
        ({"talk": "k0.0", "place": "x"}, "place='x'"),
        ({"talk": "k0.0", "place": "7"}, "place=7: the conversation has no such message"),
        ({"talk": "k0.0", "place": "0", "from": "-4"}, "from=-4"),
        ({"talk": "k0.0", "place": "0", "from": "9" * 12}, "from=9+: must be 0 to"),
    ],
)
def test_a_query_without_sense_is_named(run, query, says):
    with pytest.raises(InputError, match=says):
        asked(run, **query)


def row(**fields: Any) -> dict[str, Any]:
    import json

    base: dict[str, Any] = {
        "place": 0, "turn": 0, "role": "a", "subject": "s", "text": "t", "letters": 1, "tokens": 0, "finish": "",
    }  # fmt: skip
    extra = fields.pop("extra", {})
    return {**base, **fields, "extra": extra if isinstance(extra, str) else json.dumps(extra)}


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        ({}, []),
        ({"finish": "length"}, ["ended by length"]),
        ({"extra": {"audience": ["b"], "attempts": 1}}, ["heard by b"]),
        ({"extra": {"audience": ["b", "c"], "attempts": 1}}, []),
        ({"extra": {"audience": [], "attempts": 0}}, []),
        ({"extra": {"kept": None, "fault": "timeout"}}, ["no answer: timeout"]),
        ({"extra": {"missing": "refused", "rejected": ["x", "y"]}}, [
            "missing: refused", "2 replies before it could not be read"]),
        ({"role": "thought"}, ["private"]),
        ({"extra": {"private": True}}, ["private"]),
        ({"extra": "[1]"}, []),
        ({"extra": "{"}, []),
        ({"extra": "[" * 3000}, []),
    ],
)  # fmt: skip
def test_marks(fields, marks):
    assert marked(row(**fields), ["a", "b", "c"])["marks"] == marks


def test_what_others_heard_is_told_where_it_differs():
    assert marked(row(extra={"heard": "t"}), ["a"])["heard"] == ""
    assert marked(row(extra={"heard": "another"}), ["a"])["heard"] == "another"
    assert marked(row(text="tale", extra={"heard": "t"}), ["a"])["heard"] == "t"


def test_hostile_texts_come_back_as_they_are(tmp_path):
    recorder = Recorder("c", 0)
    texts = hostile_texts(130)[::5]
    for turn, text in enumerate(texts):
        recorder.utterance(
            subject=text,
            conversation=text,
            turn=turn,
            role=text,
            text=text,
            finish=text,
            condition=text,
            kind=text,
        )
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    stored = run.folder.read_table("k", "transcripts")
    for place, text in enumerate(stored["text"].to_list()):
        head = asked(run, talk=f"k.{place}")
        assert (head["name"], head["condition"], head["messages"]) == (text, text, 1)
        (message,) = asked(run, talk=f"k.{place}", offset="0")["messages"]
        assert (message["text"], message["role"]) == (text[:LETTERS], text)
        asked(run, search=text, condition=text, subject=text, finish=text)
