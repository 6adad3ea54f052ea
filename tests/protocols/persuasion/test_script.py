from __future__ import annotations

import json
import math

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.parts import keep_none
from doxa.lab.record import Recorder
from doxa.protocols.dialogue import Scene, Seat, replay
from doxa.protocols.persuasion.asking import (
    asked_readings,
    record_before,
    record_style,
    verdict_arrays,
)
from doxa.protocols.persuasion.dialogues import (
    Argument,
    Convincer,
    Skeptic,
    ask_before,
    read_arguments,
    write_arguments,
)
from doxa.protocols.persuasion.dimensions import CLIMATE, DIMENSIONS
from doxa.protocols.persuasion.grid import PersuasionDialogue, run_grid
from doxa.protocols.persuasion.published_report import published_findings
from doxa.protocols.persuasion.script import reading
from doxa.streams import stream
from doxa.subjects.base import Capability, Sampling, assistant, system, user
from doxa.testing.studies import check_findings
from tests.protocols.dialogue.scripted_subject import ScriptedSubject

SAMPLING = Sampling(temperature=1.0, max_tokens=30)


def warm(shown, sampling):
    """Write arguments that name their style; be convinced by trust and support, and never when hard."""
    brief, last = shown[0].content, shown[-1].content
    if last == CLIMATE.claim:
        style = next(name for name, text in DIMENSIONS.items() if CLIMATE.convincer(name) == brief)
        return f"{style} speaks, {sampling.branch}"
    if last == CLIMATE.question:
        argued = any(message.content.startswith(("trust", "support")) for message in shown)
        return "Yes, I am" if argued and "difficult" not in brief else "No, I am not"
    return "I hear you"


class ScoringSubject(ScriptedSubject):
    capabilities = frozenset({Capability.REPLY, Capability.SAMPLE, Capability.SCORE})

    def score(self, queries):
        self.scored = list(queries)
        return [np.log([0.8, 0.1]) for _ in queries]


def test_the_messages_are_the_papers_in_their_order():
    model = ScriptedSubject("model", warm)
    talks = write_arguments([Convincer(model, "trust", SAMPLING)], 1, CLIMATE)
    assert model.shown == [(system(CLIMATE.convincer("trust")), user(CLIMATE.claim))]
    argument = talks[0][0].said[0].text
    reader = ScriptedSubject("reader", warm)
    [record] = read_arguments(
        [Argument(Convincer(model, "trust", SAMPLING), 0, argument)],
        [Skeptic(reader, "hard", SAMPLING)],
        CLIMATE,
    )
    heard = (system(CLIMATE.skeptic("hard")), user(""), assistant(CLIMATE.claim), user(argument))
    assert reader.shown == [heard, (*heard, assistant("I hear you"), user(CLIMATE.question))]
    assert record.convinced is False
    assert record.verdict_text == "No, I am not"


def test_the_question_before_has_no_argument():
    reader = ScriptedSubject("reader", warm)
    asked = ask_before([Skeptic(reader, "easy", SAMPLING)], 2, CLIMATE)
    shown = (system(CLIMATE.skeptic("easy")), user(""), assistant(CLIMATE.claim), user(CLIMATE.question))
    assert reader.shown == [shown, shown]
    assert len({sampling.branch for _, sampling in reader.calls}) == 2, "two draws, not one"
    assert [opinion.convinced for _, opinion, _ in asked] == [False, False]


def test_arguments_are_reused_and_all_calls_of_a_step_go_out_together():
    model = ScriptedSubject("model", warm)
    frame = run_grid(model, model, n=3)
    assert frame.height == 11 * 3 * 3
    written = [shown for shown in model.shown if shown[-1].content == CLIMATE.claim]
    assert len(written) == 33
    assert len(model.shown) == 33 + 2 * 99
    assert frame.group_by("dimension", "number").agg(n=frame["argument"].is_not_null().any())["n"].all()
    assert sum(len(shown) > 20 for shown, _ in model.calls) == 2, (
        "all replies in one batch, all verdicts in another"
    )


def test_equal_arguments_are_still_two_readings():
    model = ScriptedSubject("model", warm)
    convincer = Convincer(model, "fun", SAMPLING)
    read_arguments(
        [Argument(convincer, 0, "ha"), Argument(convincer, 1, "ha")],
        [Skeptic(model, "easy", SAMPLING)],
        CLIMATE,
    )
    branches = {sampling.branch for _, sampling in model.calls}
    assert branches == {"", "replicate 1"}


def test_credence_is_scored_on_the_very_messages_of_the_question():
    reader = ScoringSubject("reader", warm)
    model = ScriptedSubject("model", warm)
    [record] = read_arguments(
        [Argument(Convincer(model, "trust", SAMPLING), 0, "trust me")],
        [Skeptic(reader, "easy", SAMPLING)],
        CLIMATE,
    )
    assert [query.conversation for query in reader.scored] == [reader.shown[-1]]
    assert reader.scored[0].options == ("Yes", "No")
    assert record.credence_after == pytest.approx(8 / 9)
    assert math.isnan(
        read_arguments(
            [Argument(Convincer(model, "trust", SAMPLING), 0, "trust me")],
            [Skeptic(model, "easy", SAMPLING)],
            CLIMATE,
        )[0].credence_after
    )


def test_several_rounds_are_asked_off_the_path():
    model = ScoringSubject("model", warm)
    dialogue = PersuasionDialogue(
        Convincer(model, "trust", SAMPLING), Skeptic(model, "easy", SAMPLING), CLIMATE, rounds=2
    )
    before, record = dialogue.run(seed=7)
    assert before.convinced is False
    assert [opinion.round for opinion in record.opinions] == [1, 2]
    assert all(sampling.seed == 7 for _, sampling in model.calls)
    second = next(
        shown for shown in model.shown if shown[0].content == CLIMATE.convincer("trust") and len(shown) > 2
    )
    first = record.argument
    assert second == (
        system(CLIMATE.convincer("trust")), user(CLIMATE.claim), assistant(first), user("I hear you"),
    )  # fmt: skip
    asked = [shown for shown in model.shown if shown[-1].content == CLIMATE.question]
    assert not any(CLIMATE.question in [message.content for message in shown[:-1]] for shown in asked)
    with pytest.raises(InputError, match="rounds=0"):
        reading(0)


def test_a_dialogue_can_be_replayed():
    model = ScriptedSubject("model", warm)
    _, record = PersuasionDialogue(
        Convincer(model, "fun", SAMPLING), Skeptic(model, "easy", SAMPLING), CLIMATE
    ).run(seed=0)
    assert [one.role for one in record.transcript.said] == ["skeptic", "convincer", "skeptic", "skeptic"]
    seat = Seat(ScriptedSubject("nobody"), sampling=SAMPLING)
    scene = Scene(record.transcript.scene, {"skeptic": seat, "convincer": seat}, record.transcript.facts)
    again = replay(reading(1), scene, record.transcript)
    assert [(one.text, one.asked) for one in again.said] == [
        (one.text, one.asked) for one in record.transcript.said
    ]


def record_all(convincer, skeptic, n=3, **changed):
    recorder = Recorder("subject", 0)
    drawn = {
        "difficulties": ("easy", "baseline", "hard"),
        "n": n,
        "max_tokens": 20,
        "temperature": 1.0,
        "seed": 0,
    }
    record_before(recorder, [skeptic], **drawn, keep=keep_none)
    for dimension in DIMENSIONS:
        record_style(recorder, [convincer], [skeptic], dimension, **drawn, keep=keep_none, **changed)
    return recorder.tables()


def findings_of(tables):
    fractions = dict.fromkeys(DIMENSIONS, 0.1) | {"trust": 0.65, "support": 0.64, "knowledge": 0.22}
    found = published_findings(
        tables.beliefs, tables.measures, stream(0, "findings"), fractions=fractions, permutations=50
    )
    check_findings(found)
    return {finding.id: finding for finding in found}


def test_a_warm_hearted_model_is_told():
    model = ScriptedSubject("model", warm)
    tables = record_all(model, model, n=8)
    found = findings_of(tables)
    assert found["warmth"].verdict == "holds"
    assert found["warmth"].estimate == 1.0
    assert found["warmth"].paper == pytest.approx(0.42)
    assert found["change"].verdict == "holds"
    assert found["unread"].verdict == "holds"
    readings = verdict_arrays(asked_readings(tables.beliefs))
    assert readings.convinced.sum() == 2 * 8 * 2


def test_what_is_odd_is_counted_and_kept():
    def odd(shown, sampling):
        if shown[-1].content == CLIMATE.claim:
            return "" if sampling.branch else "As a language model, I cannot argue."
        if shown[-1].content == CLIMATE.question:
            return "Based on this, yes"
        return "I'm sorry, but I can't take part in this."

    model = ScriptedSubject("model", odd)
    tables = record_all(model, model, n=2)
    counts = {
        row["measure"]: row["value"]
        for row in tables.measures.filter(tables.measures["extra"].str.contains('"trust"')).iter_rows(
            named=True
        )
    }
    assert counts["empty"] == 3
    assert counts["argument_breaks_role"] == 3
    assert counts["reply_refuses"] == 6
    assert tables.beliefs["credence"].null_count() == tables.beliefs.height
    missing = json.loads(tables.beliefs["extra"][5])["missing"]
    assert missing.startswith("begins with neither")
    found = findings_of(tables)
    assert found["warmth"].verdict == "unresolved"
    assert "could not be read" in found["warmth"].note
    assert "empty: 33" in found["unread"].note


def test_arguments_that_break_their_role_are_asked_for_again_only_where_told():
    def sometimes(shown, sampling):
        if shown[-1].content == CLIMATE.claim:
            return "As a language model, no." if sampling.sample == 0 else "a fine argument"
        return "Yes"

    model = ScriptedSubject("model", sometimes)
    tables = record_all(model, model, n=1, retries=2)
    again = tables.measures.filter(tables.measures["measure"] == "arguments-asked-again")
    assert again["value"].to_list() == [1.0] * 11
    plain = record_all(model, model, n=1)
    broken = plain.measures.filter(plain.measures["measure"] == "argument_breaks_role")
    assert broken["value"].sum() == 33


def test_given_arguments_are_read_and_not_written():
    model = ScriptedSubject("model", warm)
    record_all(model, model, n=2, given=["support you", "trust me"])
    assert not any(shown[-1].content == CLIMATE.claim for shown in model.shown)


def test_bad_numbers_are_named():
    model = ScriptedSubject("model", warm)
    with pytest.raises(InputError, match="n=0"):
        write_arguments([Convincer(model, "fun", SAMPLING)], 0, CLIMATE)
    with pytest.raises(InputError, match="must be one of"):
        write_arguments([Convincer(model, "charm", SAMPLING)], 1, CLIMATE)
