"""The study context-drift: its cells, its verdicts on subjects whose drift is known, its published form."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.context import Context
from doxa.lab.declaration import studies
from doxa.lab.record import Tables
from doxa.studies import context_drift
from doxa.subjects import addresses
from doxa.subjects.base import Capability, Conversation, Reply, Sampling

STUDY = studies.get("context-drift")
SERVER = "http://localhost:1/v1#gpt-5"


def configure(**overrides):
    return STUDY.configure("embedded", overrides)


def run_all(config):
    cells = list(context_drift.cells(config))
    return Tables.concat(
        [context_drift.run(cell, Context("context-drift", config, cell)) for cell in cells]
    ).check()


def verdicts(config, tables):
    return {one.id: one.verdict for one in context_drift.findings(tables, config)}


def test_one_cell_per_training_and_per_way():
    assert [(cell.condition, cell.seed) for cell in context_drift.cells(configure(seeds=3, seed=4))] == [
        ("embedded", 4), ("embedded", 5), ("embedded", 6),
    ]  # fmt: skip
    [micro] = context_drift.cells(configure(subject="planted:drifting"))
    assert micro.condition == "micro"
    ways = list(context_drift.cells(configure(subject=SERVER, accumulators=("debate", "research"), limit=3)))
    assert [cell.condition for cell in ways] == ["debate", "research"]
    assert ways[0].params["items"] == 3
    assert "accumulators" not in ways[0].uses


def test_a_battery_is_named_by_its_content(tmp_path):
    row = {"id": "x", "topic": "t", "support": "s", "neutral": "n", "oppose": "o"}
    digests = []
    for name, topic in (("a", "t"), ("b", "t"), ("c", "u")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"items": [{**row, "topic": topic}]}))
        [cell] = context_drift.cells(
            configure(subject=SERVER, items=str(tmp_path / f"{name}.json"), accumulators="persuasion")
        )
        digests.append(cell.params["battery"])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lengths": "0,4"}, "8 must be among them"),
        ({"n_coupled": 12}, "n_coupled=12: must be < n_topics=12"),
        ({"n_coupled": 13}, "n_coupled=13: must be in 0 .. n_topics=12"),
        ({"document_tokens": 7}, "document_tokens=7: must be even"),
        ({"heads": 5}, "width=64: must be a multiple of 2"),
        ({"subject": SERVER, "accumulators": "shouting"}, "accumulator 'shouting'"),
        ({"subject": SERVER, "accumulators": "reading-liberal"}, "no text has this leaning"),
        ({"subject": SERVER, "items": "/nowhere.jsonl"}, "no such file"),
        ({"subject": "nobody"}, "begins with none of"),
        ({"technique": "charm"}, "technique='charm'"),
        (
            {"subject": "planted:drifting", "accumulators": "debate"},
            "accumulators=.'debate',.: has no effect on subjects that speak micro-English.*, or measure models",
        ),
        (
            {"subject": "planted:drifting", "steps": 5},
            "steps=5: has no effect on .* measure networks trained here",
        ),
        (
            {"subject": SERVER, "lengths": "0,4,8"},
            "lengths=.*or measure networks trained here.* or subjects that",
        ),
        ({"limit": 3}, "limit=3: has no effect on networks trained here"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(overrides, message):
    with pytest.raises(InputError, match=message):
        list(context_drift.cells(configure(**overrides)))


@pytest.mark.parametrize("subject", ["", "planted:drifting", SERVER])
def test_every_part_takes_every_preset(subject):
    for preset in ("quick", "embedded", "paper"):
        assert list(context_drift.cells(STUDY.configure(preset, {"subject": subject, "seed": 3})))


def test_verdicts_on_a_planted_drift():
    config = configure(subject="planted:drifting?rate=0.5", contexts=16, lengths="0,4,8")
    tables = run_all(config)
    found = verdicts(config, tables)
    assert found["stated-drift"] == found["behaviour-less"] == "holds"
    assert found["uncoupled-topics"] == found["uncoupled-behaviour"] == "holds"
    assert found["balanced-reading"] == found["resampled"] == "holds"
    assert [figure.id for figure in context_drift.figures(tables, config)] == ["drift", "controls"]


def test_verdicts_without_a_drift_and_with_one_that_leaks():
    still = configure(subject="planted:drifting?rate=0", contexts=16, lengths="0,4,8")
    assert verdicts(still, run_all(still))["stated-drift"] == "fails"
    leaky = configure(subject="planted:drifting?rate=0.5&uncoupled=0.5", contexts=16, lengths="0,4,8")
    assert verdicts(leaky, run_all(leaky))["uncoupled-topics"] == "fails"


@pytest.mark.slow
def test_embedded_records_every_arm_and_mask():
    config = configure(seeds=2, steps=3, batch=8, contexts=16, width=16, lengths="0,1,4,8")
    tables = run_all(config)
    assert set(tables.beliefs["condition"]) == {
        "one-sided", "resampled", "uncoupled", "balanced",
        "mask nothing", "mask topic", "mask random", "mask coupled",
    }  # fmt: skip
    found = context_drift.findings(tables, config)
    assert len({one.id for one in found}) == len(found) == 15
    assert all(one.n == 2 for one in found)
    figures = context_drift.figures(tables, config)
    assert [figure.id for figure in figures] == ["drift", "controls", "shift", "belief-behaviour", "masks"]
    exact = tables.beliefs.filter(
        pl.col("condition") == "one-sided", pl.col("readout") == "reference",
        pl.col("proposition") == "stance on topic 0", pl.col("time") == 1,
    )  # fmt: skip
    # one statement by hand: P(z) = .85·.9 + .15·.1 = .78, then P(s) = .78·.85 + .22·.15
    assert exact["credence"].to_list() == pytest.approx([0.78 * 0.85 + 0.22 * 0.15] * 2)


def test_findings_without_numbers_say_why():
    config = configure(seeds=1)
    found = context_drift.findings(Tables.empty(), config)
    assert {(one.estimate, one.interval, one.verdict) for one in found} == {(None, None, "unresolved")}
    assert all("not measured" in one.note for one in found)


@pytest.mark.slow
def test_embedded_cells_give_the_same_tables_again():
    config = configure(seeds=1, steps=2, batch=8, contexts=16, width=16, lengths="0,4,8")
    first, second = run_all(config), run_all(config)
    assert all(a.equals(b) for a, b in zip(first, second, strict=True))


class Reader:
    """Supports everything, unless its context holds a text of one leaning; then it takes that leaning's side."""

    address, identity, form, context_tokens, batch_independent = SERVER, "reader", "published", None, True
    capabilities = frozenset({Capability.REPLY})

    def __init__(self, moved: bool = True) -> None:
        self.moved = moved

    def reply(self, conversations: list[Conversation], *, sampling: Sampling, tools=()) -> list[Reply]:
        return [Reply(self._answer(conversation)) for conversation in conversations]

    def score(self, queries):
        raise NotImplementedError

    def _answer(self, conversation: Conversation) -> str:
        asked, before = conversation[-1].content, " ".join(message.content for message in conversation[:-1])
        opposes = (
            self.moved and "(The Open Window Papers)" in before and "(The Hearthstone Letters)" not in before
        )
        if "Summarise" in asked:
            return "A summary."
        if '{"name": "<tool>"' in asked:
            tool = json.loads(asked.splitlines()[-1])
            listed = tool["parameters"]["properties"].get("option")
            if listed is None:
                return "A report."
            return json.dumps({"name": tool["name"], "args": {"option": listed["enum"][0]}})
        if "whole number" in asked:
            return f"The answer is: {20 if opposes else 80}"
        from doxa.protocols.context_drift import load_items

        found = re.findall(r"^\((A|B)\) (.*)$", asked, re.MULTILINE)
        if not found:
            return "I see."
        supports = {item.support for item in load_items()}
        letter = next(letter for letter, text in found if (text in supports) != opposes)
        return f"Because. The answer is: {letter}"


def measured(tables, way, name):
    rows = tables.measures.filter(pl.col("condition") == way, pl.col("measure") == name).sort("time")
    return rows["value"].to_list()


@pytest.mark.parametrize("moved", [True, False])
def test_published_form_finds_what_reading_moves(monkeypatch, moved):
    monkeypatch.setattr(addresses, "open_subject", lambda address, **_: Reader(moved))
    config = configure(subject=SERVER, words="200,1000", accumulators="reading-progressive,reading-balanced")
    tables = run_all(config)
    assert measured(tables, "reading-progressive", "shift/stated") == [100.0 * moved] * 2
    assert measured(tables, "reading-progressive", "floor/stated") == [0.0, 0.0]
    assert measured(tables, "reading-balanced", "net_shift/stated") == [0.0, 0.0]
    # seven political items each way: the side argued for is reached by half of them
    assert measured(tables, "reading-progressive", "directional/stated") == [0.0, 0.0]
    found = {one.id: one for one in context_drift.findings(tables, config)}
    assert found["reading-progressive-stated"].verdict == ("holds" if moved else "unresolved")
    assert found["reading-progressive-stated"].paper == 13.5
    assert found["reading-balanced-stated"].verdict == "holds"
    assert found["reading-balanced-stated"].control
    assert "at length 1000" in found["reading-progressive-stated"].note
    figures = context_drift.figures(tables, config)
    assert [figure.id for figure in figures] == [
        "shift-reading-progressive",
        "shift-reading-balanced",
        "belief-behaviour",
    ]
    said = tables.transcripts.filter(pl.col("conversation").str.ends_with("/context"))
    assert said["role"].to_list() == ["user", "assistant"] * 2


class Listener(Reader):
    """A reader that takes in little and counts what it is asked."""

    context_tokens, asked = 1500, 0

    def reply(self, conversations: list[Conversation], *, sampling: Sampling, tools=()) -> list[Reply]:
        self.asked += len(conversations)
        return super().reply(conversations, sampling=sampling, tools=tools)


@pytest.mark.parametrize(
    ("way", "most"),
    [("reading-progressive", "read at most"), ("thinned-progressive", "read at most"), ("debate", "rounds <= 1"),
     ("persuasion", "rounds <= 1"), ("research", "longer context")],
)  # fmt: skip
def test_a_context_that_could_not_fit_is_refused_before_anything_is_measured(monkeypatch, way, most):
    listener = Listener()
    monkeypatch.setattr(addresses, "open_subject", lambda address, **_: listener)
    with pytest.raises(InputError, match=f"takes 1500; .*{most}"):
        run_all(configure(subject=SERVER, accumulators=way, limit=2, words="100,1500"))
    assert listener.asked <= 1  # one question may measure how many tokens its text takes


def test_items_on_which_debaters_agree_are_skipped_and_counted(monkeypatch):
    monkeypatch.setattr(addresses, "open_subject", lambda address, **_: Reader())
    config = configure(
        subject=SERVER, opponent="http://localhost:2/v1#other", limit=2, rounds="1", accumulators="debate"
    )
    tables = run_all(config)
    assert measured(tables, "debate", "skipped") == [2.0]
    assert "skipped 2" in context_drift.findings(tables, config)[0].note


def test_published_talk_is_measured_along_its_way(monkeypatch):
    monkeypatch.setattr(addresses, "open_subject", lambda address, **_: Reader())
    config = configure(
        subject=SERVER, limit=2, rounds="1,2", accumulators="debate,persuasion,research,thinned-progressive"
    )
    tables = run_all(config)
    for way, times in (
        ("debate", [0, 1, 2]),
        ("persuasion", [0, 1, 2]),
        ("research", [0, 8]),
        ("thinned-progressive", [0, 500, 1000, 2000]),
    ):
        rows = tables.beliefs.filter(pl.col("condition") == way)
        assert sorted(set(rows["time"])) == times
        assert set(rows["proposition"]) == {"congestion-charge", "rent-ceiling"}
    contexts = tables.transcripts.filter(
        pl.col("conversation") == "rent-ceiling/context", pl.col("condition") == "debate"
    )
    assert contexts.height == 2 * 2 + 2
