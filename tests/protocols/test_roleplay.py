from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from doxa.errors import CapabilityError, ContextError, InputError, SubjectError
from doxa.lab.parts import Parts
from doxa.lab.record import Recorder
from doxa.protocols import roleplay
from doxa.protocols.roleplay import Conversation, YesNoQuestion, YesNoQuestions, files, replay
from doxa.protocols.roleplay.published import ends, record_replay
from doxa.protocols.roleplay.published_report import published_figures, published_findings
from doxa.subjects.base import Capability, Message, Reply, Sampling, assistant, system, user
from doxa.subjects.transformers import TransformersSubject
from tests.subjects import tiny_models


@dataclass
class Gullible:
    """Knows every answer of a table; says the opposite of the relevant ones after a number of turns."""

    truths: dict[str, bool]
    turned: frozenset[str] = frozenset()
    after: int = 10**6
    scores: bool = True
    text: str = ""
    address: str = "test:gullible"
    identity: str = "gullible"
    form: str = "published"
    context_tokens: int | None = None
    seen: list = field(default_factory=list)

    @property
    def capabilities(self):
        return frozenset({Capability.SCORE} if self.scores else {Capability.REPLY})

    def _yes(self, conversation):
        self.seen.append(conversation)
        turns = sum(message.role == "assistant" for message in conversation)
        asked = conversation[-1].content
        for text, truth in self.truths.items():
            if text in asked:
                return truth != (text in self.turned and turns >= self.after)
        return True

    def score(self, queries):
        found = []
        for query in queries:
            asked = query.conversation[-1].content
            if "fact sheet" in asked:
                found.append(self._pick(query, asked))
                continue
            yes = self._yes(query.conversation)
            found.append(
                np.array([-0.1 if (option.strip() == "Yes") == yes else -3.1 for option in query.options])
            )
        return found

    def _pick(self, query, asked):
        """Put the line that it holds true on the sheet; its statements are its questions without the mark."""
        lines = [line for line in asked.splitlines() if line.startswith("(")]
        turns = sum(message.role == "assistant" for message in query.conversation)
        true = [("so" in line) != (turns >= self.after and "moon" in line) for line in lines]
        letters = [option.strip(" ()") for option in query.options]
        return np.array([-0.1 if true["AB".index(letter)] else -2.1 for letter in letters])

    def reply(self, conversations, *, sampling, tools=()):
        del sampling, tools
        return [Reply(self.text or ("Yes." if self._yes(one) else "No.")) for one in conversations]


def pairs(name, words, *, split=""):
    return [
        YesNoQuestion(
            f"Is {word} {how}?",
            how == "so",
            f"{word}/{how}",
            name,
            split,
            word,
            f"{word} is so",
            f"{word} is not",
        )
        for word in words
        for how in ("so", "other")
    ]


GENERIC = YesNoQuestions(pairs("generic", [f"thing{n}" for n in range(6)]))
MOON = YesNoQuestions(pairs("moon", [f"moon{n}" for n in range(6)]))
SETS = {"generic": GENERIC, "moon": MOON}
TRUTHS = {item.text: item.truth for questions in SETS.values() for item in questions}
TURNED = frozenset(item.text for item in MOON)
TALK = Conversation(
    turns=[("let us play", "gladly"), ("go on", "so I do"), ("and", "the end")], relevant=("moon",)
)


def shares(rows):
    return {
        (row["set"], row["readout"], row["turn"]): row["share"]
        for row in rows.group_by("set", "readout", "turn")
        .agg(share=(pl.col("log_odds") > 0).mean())
        .iter_rows(named=True)
    }


def test_a_planted_turn_is_recovered_in_words_and_acts():
    subject = Gullible(TRUTHS, TURNED, after=2)
    rows = replay(subject, TALK, SETS, readouts=("stated", "behavioural"))
    assert dict(rows.schema) == roleplay.REPLAY_ROWS
    assert rows.height == 4 * (2 * 12 + 2 * 6)
    found = shares(rows)
    for readout in ("stated", "behavioural"):
        assert [found["moon", readout, turn] for turn in range(4)] == [1.0, 1.0, 0.0, 0.0]
        assert [found["generic", readout, turn] for turn in range(4)] == [1.0] * 4
    stated = rows.filter((pl.col("readout") == "stated") & (pl.col("turn") == 0))["log_odds"]
    assert stated.to_list() == pytest.approx([3.0] * 24)


def test_what_is_asked_at_one_turn_is_not_seen_at_the_next():
    subject = Gullible(TRUTHS)
    replay(subject, TALK, SETS, turns=[3, 0])
    for conversation in subject.seen:
        assert conversation[:-1] in (TALK.after(0), TALK.after(3))


def test_turns_that_were_kept_are_not_asked_again(tmp_path):
    kept = Parts(tmp_path)
    replay(Gullible(TRUTHS, TURNED, after=2), TALK, SETS, turns=[0, 1], keep=kept)
    subject = Gullible(TRUTHS, TURNED, after=2)
    rows = replay(subject, TALK, SETS, keep=kept)
    assert {len(conversation[:-1]) for conversation in subject.seen} == {4, 6}, "turns 2 and 3 alone"
    assert_frame_equal(rows, replay(Gullible(TRUTHS, TURNED, after=2), TALK, SETS))


def test_without_log_probabilities_replies_are_read_and_what_cannot_be_read_is_missing():
    rows = replay(Gullible(TRUTHS, TURNED, after=1, scores=False), TALK, SETS, turns=[0, 1])
    assert shares(rows)["moon", "stated", 1] == 0.0
    assert rows["log_odds"].abs().to_list() == pytest.approx([np.log(3.0)] * 48)
    unread = replay(Gullible(TRUTHS, scores=False, text="hm"), TALK, {"moon": MOON}, turns=[0])
    assert unread["log_odds"].is_null().all()
    assert set(unread["missing"].str.split(":").list.first()) == {"missing"}


def test_after_a_user_ply_the_question_joins_the_pending_message():
    subject = Gullible(TRUTHS)
    rows = replay(subject, TALK.by_plies(), {"moon": MOON}, turns=[3])
    assert rows["turn"].unique().to_list() == [3]
    assert subject.seen[0][-1].content == f"go on\n\n{MOON[0].asked}"
    assert [message.role for message in subject.seen[0]] == ["user", "assistant", "user"]


def argued(subject, turns="all"):
    """Return the record of the shipped argument replayed on a subject, with questions about the moon in its place."""
    recorder = Recorder("argument", 0)
    record_replay(
        recorder, subject, roleplay.load_conversation("argument"), {"generic": GENERIC, "consciousness": MOON},
        generic="generic", readouts=("stated",), turns=turns, penalty=1.0, seed=0,
    )  # fmt: skip
    return recorder.tables()


def test_the_argument_is_asked_after_each_message_of_two_copies():
    talk = roleplay.load_conversation("argument")
    assert [message.role for message in talk.plies] == ["user", "assistant"] * 10
    for side in ("user", "assistant"):
        assert "{model}" in " ".join(message.content for message in talk.plies if message.role == side)
    subject = Gullible(TRUTHS, TURNED, after=6)
    beliefs = argued(subject).beliefs
    assert set(beliefs["axis"]) == {"ply"}
    about = beliefs.filter(pl.col("proposition").str.starts_with("consciousness"))
    right = about.group_by("time").agg(share=(pl.col("log_odds") > 0).mean()).sort("time")
    assert right.rows() == [(float(ply), 1.0 if ply < 12 else 0.0) for ply in range(21)]
    said = talk.named("gullible").plies
    for ply in range(21):
        pending = f"{said[ply - 1].content}\n\n" if ply % 2 else ""
        asked = (*said[: ply - ply % 2], user(pending + MOON[0].asked))
        assert asked in subject.seen


def test_what_is_found_of_the_argument_is_told_in_plies():
    tables = argued(Gullible(TRUTHS, TURNED, after=6), turns="ends")
    assert set(tables.beliefs["time"]) == {0.0, 20.0}
    found = {finding.id: finding for finding in published_findings(tables, paper={}, seed=0)}
    fallen, kept = found["argument/consciousness/stated"], found["argument/generic/stated"]
    assert (fallen.control, kept.control) == (False, True)
    assert fallen.note.startswith("ply 0: 100.0%, ply 20: 0.0%")
    [figure] = published_figures(tables)
    assert figure.title == "Truth over plies: argument"
    back = Conversation(turns=[("a", "b"), ("c", "d"), ("stop", "sorry")], framing="correction", step="ply")
    assert ends(back) == (0, 4, 6)


def test_own_words_take_the_place_of_the_script():
    subject = Gullible({}, scores=False, text="my own")
    own = roleplay.in_own_words(subject, TALK, sampling=Sampling())
    assert own.turns == (("let us play", "my own"), ("go on", "my own"), ("and", "my own"))
    assert own.relevant == TALK.relevant
    with pytest.raises(SubjectError, match=r"turn 1: .*gave no reply"):
        roleplay.in_own_words(Gullible({}, scores=False, text="  "), TALK, sampling=Sampling())


def test_a_conversation_is_given_by_turns_or_plies():
    plies = [user("a"), assistant("b"), user("c")]
    talk = Conversation(plies=plies, system="s")
    assert talk.turns == (("a", "b"), ("c", ""))
    assert talk.n_turns == 2
    assert talk.after(0) == (system("s"),)
    assert talk.after(2) == (system("s"), *plies)
    assert Conversation(turns=[("a", "b"), ("c", "")]).plies == tuple(plies)
    assert talk.by_plies().chosen() == (0, 1, 2, 3)
    assert talk.by_steps() is talk
    by_ply = Conversation(plies=plies, step="ply")
    for same in (by_ply, by_ply.named("toy"), by_ply.then()):
        assert same.by_steps().chosen() == (0, 1, 2, 3)
    assert talk.chosen([2, 0, 2]) == (0, 2)
    named = Conversation(turns=[("hello {model}", "yes")], system="you are {model}").named("toy")
    assert named.after(1)[:2] == (system("you are toy"), user("hello toy"))
    longer = Conversation(turns=[("a", "b")]).then(("c", "d"), name="x")
    assert (longer.turns, longer.id) == ((("a", "b"), ("c", "d")), "x")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"plies": [user("a"), user("b")]}, "message 2 is by user .two consecutive messages of user"),
        ({"plies": [user("a"), assistant("b"), assistant("c")]}, "message 3 is by assistant"),
        ({"plies": [assistant("a")]}, "the first message"),
        ({"turns": [("a", ""), ("b", "c")]}, "message 2 is empty"),
        ({}, "says nothing"),
        ({"turns": [("a", "b")], "plies": [user("a")]}, "not both"),
    ],
)
def test_bad_conversations(given, message):
    with pytest.raises(InputError, match=message):
        Conversation(**given)


def test_bad_turns():
    with pytest.raises(InputError, match="has turns 0 to 3"):
        TALK.after(4)
    with pytest.raises(InputError, match="at least one turn"):
        TALK.chosen([])
    with pytest.raises(InputError, match="has plies 0 to 6"):
        TALK.by_plies().after(7)


def test_lopsided_and_small_sets_are_warned_of():
    with pytest.warns(roleplay.QuestionsWarning, match="67% of the answers are Yes"):
        YesNoQuestions([YesNoQuestion(f"q{n}", n % 3 > 0) for n in range(12)])
    with pytest.warns(roleplay.QuestionsWarning, match="8 questions; give at least 10"):
        YesNoQuestions([YesNoQuestion(f"q{n}", n % 2 > 0) for n in range(8)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        YesNoQuestions([YesNoQuestion(f"q{n}", n % 5 > 1) for n in range(10)])
    with pytest.raises(InputError, match="is empty"):
        YesNoQuestions([])
    with pytest.raises(InputError, match="with both answers"):
        YesNoQuestions([YesNoQuestion("q", True), YesNoQuestion(" Q ", False)])
    with pytest.raises(InputError, match="question 1 has no text"):
        YesNoQuestions([YesNoQuestion(" ", True)])


def test_copies_of_a_question_and_its_opposite_belong_together():
    items = [YesNoQuestion("Q?", True), YesNoQuestion(" q? ", True), *pairs("s", ["w"])]
    with pytest.warns(roleplay.QuestionsWarning):
        groups = YesNoQuestions(items).groups
    assert groups == ("q?", "q?", "w", "w")


def test_a_target_must_be_new_to_the_probe():
    with pytest.raises(InputError, match=r"also in the probe's training set"):
        roleplay.check_apart(MOON, [YesNoQuestion(" is MOON1 so?", True)])
    roleplay.check_apart(GENERIC, MOON)


def test_the_internal_readout_needs_open_weights():
    with pytest.raises(CapabilityError, match="internal readout needs"):
        replay(Gullible(TRUTHS), TALK, SETS, readouts=("internal",))
    with pytest.raises(CapabilityError, match="no open weights"):
        roleplay.inner_margins(Gullible(TRUTHS), GENERIC)


@pytest.fixture(scope="module")
def tiny():
    return TransformersSubject(tiny_models.model("llama"), tiny_models.tokenizer())


@pytest.mark.filterwarnings("ignore:Yes is 2 tokens")
def test_margins_inside_a_model_beside_what_it_says(tiny):
    inner = roleplay.inner_margins(tiny, GENERIC, targets={"talk": TALK.after(1)})
    assert inner.layer in (0, 1)
    assert set(inner.accuracy) == {"empty", "opposite-day", "talk"}
    fitted = {item.pair for item in inner.fitted}
    assert 0 < len(inner.fitted) < 12
    assert len(inner.fitted) == 2 * len(fitted), "no pair straddles the split"
    rows = replay(tiny, TALK, {"moon": MOON}, readouts=("stated", "internal"), turns=[0, 1], inner=inner)
    assert rows["log_odds"].is_finite().all()
    again = inner.margins((), MOON)
    first = rows.filter((pl.col("readout") == "internal") & (pl.col("turn") == 0))["log_odds"]
    np.testing.assert_array_equal(first.to_numpy(), again)
    swapped = YesNoQuestions([YesNoQuestion(item.text, not item.truth) for item in MOON])
    np.testing.assert_array_equal(inner.margins((), swapped), -again)
    same = Conversation(turns=[("a", "b")], relevant=("generic",))
    with pytest.raises(InputError, match="training set"):
        replay(tiny, same, SETS, readouts=("internal",), inner=inner)


@pytest.mark.filterwarnings("ignore:Yes is 2 tokens")
def test_questions_marked_test_are_never_fitted(tiny):
    marked = YesNoQuestions([*GENERIC, *pairs("generic", ["held1", "held2"], split="test")])
    inner = roleplay.inner_margins(tiny, marked)
    assert not {item.pair for item in inner.fitted} & {"held1", "held2"}


@pytest.mark.filterwarnings("ignore:Yes is 2 tokens")
def test_questions_for_a_conversation_alone_are_neither_fitted_nor_choose_the_layer(tiny):
    plain = roleplay.inner_margins(tiny, GENERIC)
    marked = YesNoQuestions([*pairs("generic", ["moon1", "moon2"], split="target"), *GENERIC])
    inner = roleplay.inner_margins(tiny, marked)
    assert {item.pair for item in inner.fitted} == {item.pair for item in plain.fitted}
    np.testing.assert_allclose(inner.probe.weights, plain.probe.weights, rtol=1e-2, atol=1e-3)
    for context, values in plain.by_layer.items():
        np.testing.assert_array_equal(inner.by_layer[context], values)
    with pytest.raises(InputError, match="all are marked test or target"):
        roleplay.inner_margins(tiny, YesNoQuestions(pairs("g", [f"t{n}" for n in range(5)], split="target")))


@pytest.mark.filterwarnings("ignore:Yes is 2 tokens")
def test_the_naive_direction_is_that_of_the_empty_context_alone(tiny):
    inner = roleplay.inner_margins(tiny, GENERIC)
    alone = roleplay.inner_margins(tiny, GENERIC, contexts={"empty": ()}, layers=[inner.layer])
    assert alone.fitted == inner.fitted
    np.testing.assert_allclose(inner.naive.weights, alone.probe.weights, rtol=1e-2, atol=1e-3)
    rows = replay(tiny, TALK, {"moon": MOON}, readouts=("stated", "internal"), turns=[1], inner=inner)
    naive = rows.filter(pl.col("readout") == "internal")["naive"].to_numpy()
    np.testing.assert_array_equal(naive, inner.read(TALK.after(1), MOON).naive)
    assert np.abs(naive - inner.margins(TALK.after(1), MOON)).max() > 1e-3
    assert rows.filter(pl.col("readout") == "stated")["naive"].is_null().all()


def held(framing, sets, *, relevant=(), stated=True, step="turn"):
    """Return the findings of a record of two turns; ``sets`` gives (robust, naive, fitted) of each pair at its end."""
    recorder = Recorder("talk", 0)
    recorder.measure(
        "turns", 1.0, subject="s", unit="turns",
        framing=framing, relevant=list(relevant), generic="facts", title="",
    )  # fmt: skip
    for name, pairs_of_set in sets.items():
        for number, (robust, naive, fitted) in enumerate(pairs_of_set):
            for time, factor in ((0.0, 0.0), (1.0, 1.0)):
                for how in ("yes", "no"):
                    wobble = 0.1 * (number % 3)
                    place = {
                        "subject": "s", "proposition": f"{name}: {number}/{how}", "axis": step, "time": time,
                        "set": name, "pair": str(number), "truth": how == "yes",
                    }  # fmt: skip
                    recorder.belief(
                        readout="internal", log_odds=5.0 + factor * (robust - 5.0) + wobble,
                        naive=5.0 + factor * (naive - 5.0) + wobble, fitted=fitted, **place,
                    )  # fmt: skip
                    if stated:
                        recorder.belief(readout="stated", log_odds=1.0, **place)
    return {finding.id: finding for finding in published_findings(recorder.tables(), paper={}, seed=0)}


def test_on_opposite_day_the_naive_margin_must_turn_and_the_robust_one_must_not():
    found = held("opposite-day", {"identity": [(6.0, -4.0, False)] * 10})
    naive, robust = found["talk/identity/internal-naive"], found["talk/identity/internal"]
    assert (naive.verdict, naive.control) == ("holds", False)
    assert "naive margin of 'identity' is inverted" in naive.claim
    assert naive.estimate == pytest.approx(-3.91)
    assert (robust.verdict, robust.control) == ("holds", True)
    turned = held("opposite-day", {"identity": [(-6.0, 4.0, False)] * 10})
    assert turned["talk/identity/internal-naive"].verdict == "fails"
    assert turned["talk/identity/internal"].verdict == "fails", (
        "the robust one was fitted by real truth there"
    )
    assert "talk/identity/internal-naive" not in held("story", {"identity": [(6.0, -4.0, False)] * 10})


def test_what_must_stay_is_judged_on_questions_the_direction_was_not_fitted_on():
    few = held("story", {"facts": [(6.0, 6.0, True)] * 27 + [(6.0, 6.0, False)] * 3})["talk/facts/internal"]
    assert (few.verdict, few.control, few.n) == ("unresolved", True, 3)
    assert "6 questions it was not fitted on; at least 10 are needed" in few.note
    enough = {"facts": [(6.0, 6.0, True)] * 20 + [(-6.0, 6.0, False)] * 6}
    found = held("story", enough)["talk/facts/internal"]
    assert (found.verdict, found.n) == ("fails", 6), "fitted ones do not hide it"
    none = held("story", {"facts": [(6.0, 6.0, True)] * 12})["talk/facts/internal"]
    assert (none.verdict, none.estimate, none.n) == ("unresolved", None, 0)


def test_no_flip_is_claimed_where_nothing_was_said_in_the_empty_context():
    about = {"moon": [(-6.0, -6.0, False)] * 10}
    told = held("role-play", about, relevant=["moon"])["talk/moon/internal"]
    assert (told.verdict, told.control) == ("holds", False)
    unsaid = held("role-play", about, relevant=["moon"], stated=False)["talk/moon/internal"]
    assert unsaid.verdict == "unresolved"
    assert "base accuracy in the empty context is not known" in unsaid.note


def test_chance_is_judged_by_pairs():
    """Of 20 questions in 10 pairs 16 right are above chance if each counts, and not if 8 of 10 pairs do."""
    recorder = Recorder("talk", 0)
    recorder.measure(
        "turns", 1.0, subject="s", unit="turns", framing="role-play", relevant=["moon"], generic="g", title=""
    )
    for pair in range(10):
        for how in ("yes", "no"):
            for time in (0.0, 1.0):
                recorder.belief(
                    subject="s", proposition=f"{pair}/{how}", readout="stated", time=time, set="moon",
                    pair=str(pair), log_odds=-1.0 if time or pair >= 8 else 1.0,
                )  # fmt: skip
    [found] = published_findings(recorder.tables(), paper={}, seed=0)
    assert found.interval is not None
    assert found.interval[1] < 0.0
    assert found.verdict == "unresolved"
    assert "not above chance" in found.note


def test_a_cell_hangs_on_its_own_script_and_questions_alone(monkeypatch, tmp_path):
    river, archive = (roleplay.load_conversation(name) for name in ("river", "archive-story"))
    before = roleplay.used_digest(river, "shipped", "facts")
    assert len(before) == 16
    assert before != roleplay.used_digest(archive, "shipped", "facts")
    assert before != roleplay.used_digest(river.then(("more", "of it"), name=river.id), "shipped", "facts")
    monkeypatch.setattr(files, "CONVERSATIONS", (*roleplay.CONVERSATIONS, "another"))
    monkeypatch.setattr(files, "SETS", tuple(name for name in roleplay.SETS if name != "archive"))
    assert roleplay.used_digest(river, "shipped", "facts") == before
    table = tmp_path / "mine.csv"
    lines = ["question,answer,set", *(f"Is {n} even?,{'No' if n % 2 else 'Yes'},sums" for n in range(10))]
    lines += [f"Is {n} blue?,{'No' if n % 2 else 'Yes'},colours" for n in range(10)]
    talk = Conversation(turns=[("a", "b")], framing="story", relevant=("sums",))
    table.write_text("\n".join(lines), "utf-8")
    own = roleplay.used_digest(talk, str(table), "sums")
    table.write_text("\n".join(lines).replace("blue", "red"), "utf-8")
    assert roleplay.used_digest(talk, str(table), "sums") == own
    table.write_text("\n".join(lines).replace("even", "odd"), "utf-8")
    assert roleplay.used_digest(talk, str(table), "sums") != own


def test_a_talk_that_outgrows_the_context_names_the_turn(tiny):
    long = Conversation(turns=[("short", "b"), ("x" * 900, "y")], id="long")
    with pytest.raises(ContextError, match="conversation 'long', turn 2"):
        replay(tiny, long, {"moon": MOON})
    with pytest.raises(ContextError, match="conversation 'long', ply 3"):
        replay(tiny, long.by_plies(), {"moon": MOON})


def test_what_ships_is_balanced_paired_and_apart():
    sets = roleplay.load_questions()
    assert {name: len(questions) for name, questions in sets.items()} == {
        "facts": 60,
        "identity": 20,
        "ethics": 40,
        "consciousness": 20,
        "river": 20,
        "glacier": 20,
        "archive": 20,
    }
    texts = [item.text for questions in sets.values() for item in questions]
    assert len(set(texts)) == len(texts)
    for questions in sets.values():
        assert questions.truth.mean() == 0.5
        for item in questions:
            assert item.text.endswith("?")
            assert item.true != item.false
        ids = [item.id for item in questions]
        assert len(set(ids)) == len(ids)
    for name, questions in sets.items():
        if name != "facts":
            roleplay.check_apart(sets["facts"], questions)


def test_shipped_conversations_are_of_the_kinds_that_the_protocol_needs():
    talks = {name: roleplay.load_conversation(name) for name in roleplay.CONVERSATIONS}
    assert {name: talk.n_turns for name, talk in talks.items()} == {
        "opposite-day": 3,
        "consciousness": 12,
        "river": 12,
        "glacier-story": 2,
        "archive-story": 2,
        "correction": 13,
        "argument": 10,
    }
    assert {name for name, talk in talks.items() if talk.step == "ply"} == {"argument"}
    assert talks["correction"].after(12) == talks["consciousness"].after(12)
    assert {talk.framing for talk in talks.values()} == {
        *("opposite-day", "discussion", "role-play", "story", "correction"),
    }
    facts = " ".join(item.text for item in roleplay.load_questions("facts")["facts"])
    for asked, _ in talks["opposite-day"].turns:
        assert asked.split("?")[0] not in facts
    roleplay.check_files(roleplay.CONVERSATIONS, "shipped", "facts")


def test_user_files(tmp_path):
    table = tmp_path / "mine.csv"
    lines = [
        "question,answer,split,set",
        *(f"Is {n} even?,{'Yes' if n % 2 == 0 else 'no'},,sums" for n in range(10)),
    ]
    lines += [f"Is {n} blue?,{'Yes' if n % 2 else 'No'},target,colours" for n in range(10)]
    table.write_text("\n".join(lines), "utf-8")
    sets = roleplay.load_questions(table)
    assert {name: len(questions) for name, questions in sets.items()} == {"sums": 10, "colours": 10}
    assert sets["sums"][0].truth
    assert not sets["sums"][1].truth
    assert sets["colours"][0].split == "target"
    talk = tmp_path / "talk.json"
    turns = [{"user": "hello", "assistant": "hi"}, {"user": "and"}]
    talk.write_text(json.dumps({"id": "t", "relevant": ["colours"], "turns": turns}), "utf-8")
    loaded = roleplay.load_conversation(talk)
    assert (loaded.id, loaded.relevant, loaded.n_turns) == ("t", ("colours",), 2)
    roleplay.check_files([str(talk)], str(table), "sums")
    talk.write_text(
        json.dumps([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]), "utf-8"
    )
    assert roleplay.load_conversation(talk).after(1) == (Message("system", "s"), Message("user", "u"))
    talk.write_text(json.dumps({"step": "ply", "turns": turns}), "utf-8")
    assert roleplay.load_conversation(talk).by_steps().chosen() == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question,truth\na?,Yes\n", "column 'answer' is missing"),
        ("question,answer,split,set\na?,maybe,,\n", "line 2: answer='maybe': must be Yes or No"),
        ("question,answer,split,set\na?,Yes,both,\n", "split='both'"),
        ("question,answer,split,set\n", "no questions"),
        ("question,answer,split,set\n ,Yes,,s\n", "question 1 has no text"),
    ],
)
def test_bad_question_files(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        roleplay.load_questions(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"turns": "a"}', "must be a list of objects"),
        ('[{"user": "a"}, {"user": "b", "assistant": "c"}]', "turn 1 needs 'user' and 'assistant'"),
        (
            '[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]',
            "two consecutive messages of user",
        ),
        ('[{"role": "robot", "content": "a"}]', "message 1 has role 'robot'"),
        ('{"step": "plies", "turns": [{"user": "a"}]}', "step='plies': must be turn or ply"),
    ],
)
def test_bad_conversation_files(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        roleplay.load_conversation(path)


def test_unknown_names_get_a_suggestion():
    with pytest.raises(InputError, match="did you mean 'river'"):
        roleplay.load_conversation("rivver")
    with pytest.raises(InputError, match="did you mean 'facts'"):
        roleplay.load_questions("fact")
    with pytest.raises(InputError, match="generic='fact'"):
        roleplay.check_files(["river"], "shipped", "fact")
