from __future__ import annotations

import json
import math
import sys
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import binomtest

from doxa.errors import CapabilityError, InputError
from doxa.lab.record import Recorder
from doxa.protocols import kable
from doxa.protocols.kable.questions import THIRD_PERSON
from doxa.protocols.kable.rows import grade, prompt_version
from doxa.streams import stream
from doxa.subjects.base import Capability, Reply
from tests.protocols.kable_fakes import Scripted, kable_folder, made_items, question_of, row_of, write_files

contrasts_module = sys.modules["doxa.protocols.kable.contrasts"]
EMPTY_ON_FALSE = {
    "verification-of-assertion",
    "verification-of-first-person-knowledge",
    "verification-of-recursive-knowledge",
    "confirmation-of-recursive-knowledge",
    "awareness-of-recursive-knowledge",
}


@pytest.fixture(scope="module")
def real():
    return kable.load(kable_folder())


def accuracy(result, task, type_):
    row = result.table.filter(task=task, type=type_)
    return row["accuracy"].item()


# --- the released questions -------------------------------------------------------------------------------------


def test_render_reproduces_every_released_prompt(real):
    assert len(real) == 13_000
    assert [item.id for item in real if kable.render(item.sentence, item.task) != item.prompt] == []


def test_counts_of_the_released_questions(real):
    assert Counter(item.task for item in real) == dict.fromkeys(kable.TASKS, 1000)
    assert set(Counter((item.task, item.type) for item in real).values()) == {500}
    assert set(Counter((item.task, item.type, item.subject) for item in real).values()) == {50}
    assert {item.subject for item in real} == set(kable.SUBJECTS)
    assert len({item.id for item in real}) == 13_000


def test_keys_of_the_released_questions(real):
    assert {(item.task, item.type) for item in real if not item.accepted} == {
        (t, "false") for t in EMPTY_ON_FALSE
    }
    assert all(item.accepted == kable.accepted_letters(item.task, item.type) for item in real)


def test_each_subject_and_number_pairs_a_true_and_a_false_sentence(real):
    direct = [item for item in real if item.task == "direct-fact-verification"]
    assert set(Counter((item.subject, item.idx) for item in direct).values()) == {2}
    sentences = {(item.subject, item.idx, item.type): item.sentence for item in direct}
    assert all(sentences[item.subject, item.idx, item.type] == item.sentence for item in real)
    assert len(set(sentences.values())) == 1000


def test_the_papers_key_differs_in_one_place_only(real):
    paper = {item.id: item.accepted for item in kable.load(kable_folder(), key="paper")}
    differ = [item for item in real if paper[item.id] != item.accepted]
    assert {(item.task, item.type) for item in differ} == {("awareness-of-recursive-knowledge", "factual")}
    assert {paper[item.id] for item in differ} == {frozenset("AC")}


@pytest.mark.parametrize(
    ("letter", "factual", "false"),
    [
        (
            "A",
            dict.fromkeys(kable.TASKS, 1.0),
            {"direct-fact-verification": 0.0, "verification-of-first-person-belief": 0.0},
        ),
        (
            "C",
            {"second-guessing-first-person-belief": 1.0, "direct-fact-verification": 0.0},
            {
                "second-guessing-first-person-belief": 1.0,
                "direct-fact-verification": 1.0,
                "confirmation-of-first-person-belief": 0.0,
            },
        ),
        ("B", {"second-guessing-first-person-belief": 0.0}, {"direct-fact-verification": 1.0}),
    ],
)
def test_constant_answers_on_the_released_questions(real, letter, factual, false):
    result = kable.evaluate(Scripted(lambda prompt: letter), real)
    for task, share in factual.items():
        assert accuracy(result, task, "factual") == share
    for task, share in false.items():
        assert accuracy(result, task, "false") == share
    if letter == "A":
        always_right = set(kable.TASKS) - EMPTY_ON_FALSE - set(false)
        assert all(accuracy(result, task, "false") == 1.0 for task in always_right)
    assert all(math.isnan(accuracy(result, task, "false")) for task in EMPTY_ON_FALSE)
    assert (
        result.label == f"near-constant answers (100.0% {letter}): accuracy reflects the key, not the model"
    )
    assert result.person_gap.estimate == 0.0
    assert result.person_gap.p == 1.0
    assert set(result.table["yes_share"]) == {1.0 if letter == "A" else 0.0}


def test_answers_by_the_key_are_not_called_constant(real):
    accepted = {item.prompt: min(item.accepted or {"A"}) for item in real}
    result = kable.evaluate(Scripted(accepted.__getitem__), real)
    assert result.label == ""
    assert result.modal == "A"
    assert result.modal_share == pytest.approx(12 / 13)


# --- render and keys --------------------------------------------------------------------------------------------


def test_render_by_hand():
    prompt = kable.render("the moon is round.", "verification-of-assertion")
    assert question_of(prompt) == "The moon is round. Is it true that the moon is round?"
    assert prompt.endswith("?\nOptions:\n(A) Yes\n(B) No\n(C) Undeterminable\nAnswer:")
    swapped = kable.render(
        "the moon is round.", "correct-attribution-of-belief-mary-james", names=("Ana", "Bo")
    )
    assert question_of(swapped).startswith("Bo believes that the moon is round. Ana does not believe that")


@given(st.text(min_size=1, max_size=40))
def test_render_keeps_any_sentence_whole(text):
    prompt = kable.render(text + ".", "direct-fact-verification")
    assert f"Question: Is it true that {text}?\nOptions:" in prompt


@pytest.mark.parametrize("sentence", ["the moon is round", "", ".", "is the moon round?"])
def test_render_refuses_a_sentence_without_full_stop(sentence):
    with pytest.raises(InputError, match="full stop"):
        kable.render(sentence, "direct-fact-verification")


def test_unknown_task_suggests_one():
    with pytest.raises(InputError, match="did you mean 'direct-fact-verification'"):
        kable.render("x.", "direct-fact-verificatoin")
    with pytest.raises(InputError, match="covers the thirteen tasks only"):
        kable.accepted_letters("my-task", "factual", "paper")


# --- loading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_load_reads_both_forms_and_filters(tmp_path, compressed):
    items = made_items()
    folder = write_files(tmp_path / "kable", items, compressed=compressed)
    assert kable.load(folder) == items
    part = kable.load(
        folder, tasks=["second-guessing-first-person-belief"], subjects=["Law"], types=["false"]
    )
    assert [item.id for item in part] == [
        f"second-guessing-first-person-belief/false/Law/{n}" for n in range(3)
    ]
    name = "direct-fact-verification.jsonl" + (".gz" if compressed else "")
    assert kable.load(folder / name) == [item for item in items if item.task == "direct-fact-verification"]


def broken(**changes):
    row = {**row_of(made_items()[0]), **changes}
    return {name: value for name, value in row.items() if value is not None}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (broken(answer=None), r"line 2: has no key 'answer'"),
        (broken(idx="3"), r"idx='3' must be of type int"),
        (broken(idx=True), r"idx=True must be of type int"),
        (broken(type="true"), r"type='true' must be 'factual' or 'false'"),
        (broken(answer="(D)"), r"answer='\(D\)' must be letters A to C"),
        (broken(answer="A"), r"answer='A' must be letters A to C"),
        (broken(raw_sentence="no full stop"), r"must end in a full stop"),
        (broken(experiment_setup="direct-fact"), r"experiment_setup='direct-fact' is no task; did you mean"),
        (["no object"], r"must be a JSON object"),
    ],
)
def test_broken_rows_are_named_by_line(tmp_path, row, message):
    file = tmp_path / "direct-fact-verification.jsonl"
    file.write_text(json.dumps(row_of(made_items()[1])) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(InputError, match=message):
        kable.load(file)


def test_other_bad_files(tmp_path):
    file = tmp_path / "direct-fact-verification.jsonl"
    file.write_text("{cut")
    with pytest.raises(InputError, match="line 1: is not JSON"):
        kable.load(file)
    file.write_text((json.dumps(row_of(made_items()[0])) + "\n") * 2)
    with pytest.raises(InputError, match="is there twice"):
        kable.load(file)
    (tmp_path / "torn.jsonl.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(InputError, match="cannot be read"):
        kable.load(tmp_path / "torn.jsonl.gz")
    with pytest.raises(InputError, match="doxa data get kable"):
        kable.load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \.jsonl"):
        kable.load(tmp_path / "empty")


def test_empty_selection_and_unknown_filters(tmp_path):
    folder = write_files(tmp_path, made_items(subjects=("Law",)))
    with pytest.raises(InputError, match="no question is left"):
        kable.load(folder, subjects=["Math"])
    with pytest.raises(InputError, match="type='fals': did you mean 'false'"):
        kable.load(folder, types=["fals"])
    with pytest.raises(InputError, match="subject='Lwa': did you mean 'Law'"):
        kable.load(folder, subjects=["Lwa"])
    with pytest.raises(InputError, match=r"holds no file for task 'direct-fact'"):
        kable.load(folder, tasks=["direct-fact"])
    with pytest.raises(InputError, match="key='papre'"):
        kable.load(folder, key="papre")


def test_a_task_of_the_users_own_has_the_files_key_only(tmp_path):
    (tmp_path / "my-task.jsonl").write_text(
        json.dumps(broken(experiment_setup="my-task", answer="(B)")) + "\n"
    )
    assert kable.load(tmp_path, tasks=["my-task"])[0].accepted == {"B"}
    with pytest.raises(InputError, match="is no task"):
        kable.load(tmp_path)
    with pytest.raises(InputError, match="covers the thirteen tasks only"):
        kable.load(tmp_path, tasks=["my-task"], key="paper")


# --- choosing ---------------------------------------------------------------------------------------------------


def test_limit_is_stratified_and_keeps_pairs(real):
    chosen = kable.choose(real, 20)
    assert len(chosen) == 5200
    assert set(Counter((item.task, item.type, item.subject) for item in chosen).values()) == {20}
    numbers = {(item.subject, item.idx) for item in chosen}
    assert len(numbers) == 200, "the same sentences in every task and type"
    fewer = {item.id for item in kable.choose(real, 5)}
    assert fewer < {item.id for item in chosen}
    assert fewer != {item.id for item in kable.choose(real, 5, seed=1)}
    assert kable.choose(real, None) == real
    assert kable.choose(real, 50) == real


@pytest.mark.parametrize("limit", [0, -3])
def test_limit_must_be_positive(limit):
    with pytest.raises(InputError, match="must be >= 1"):
        kable.choose(made_items(), limit)


# --- evaluating -------------------------------------------------------------------------------------------------


def varied(prompt):
    """Answer in a way that depends on the question, but not on who is named."""
    question = question_of(prompt)
    told = question.replace("James", "X").replace("Mary", "X")
    return "ABC"[sum(map(ord, told)) % 3]


def test_logprob_and_text_agree_where_the_subject_does():
    items = made_items(n=5)
    scored = kable.evaluate(Scripted(varied), items)
    said = kable.evaluate(Scripted(varied), items, method="generate")
    same = ["task", "type", "n", "accuracy", "low", "high", "yes_share", "unparsed"]
    assert scored.table.select(same).equals(said.table.select(same))
    assert scored.person_gap == said.person_gap
    assert (scored.method, said.method) == ("logprob", "generate")
    assert said.table["margin"].null_count() == said.table.height


def test_batches_and_progress():
    items, subject, seen = made_items(n=1), Scripted(varied), []
    kable.evaluate(subject, items, batch=20, progress=lambda done, total: seen.append((done, total)))
    assert subject.calls == [20, 20, 12]
    assert seen == [(20, 52), (40, 52), (52, 52)]
    whole = kable.evaluate(Scripted(varied), items, batch=1000)
    assert whole.table.equals(kable.evaluate(Scripted(varied), items, batch=7).table)


@pytest.mark.parametrize(
    ("framing", "options"), [("chat", "(A)"), ("roles", " (A)"), ("verbatim", " (A)"), (None, " (A)")]
)
def test_the_framing_is_told_and_a_chat_reply_begins_without_a_space(framing, options):
    class Framed(Scripted):
        def score(self, queries):
            assert {query.options[0] for query in queries} == {options}
            return super().score(queries)

    subject = Framed(varied)
    if framing:
        subject.framing = framing
    assert kable.evaluate(subject, made_items(n=1)).framing == (framing or "own")


def test_swapping_the_names_leaves_a_name_blind_model_unchanged():
    plain = kable.evaluate(Scripted(varied), made_items(n=6))
    swapped = kable.evaluate(Scripted(varied), made_items(n=6, names=("Mary", "James")))
    assert plain.table.equals(swapped.table)
    assert plain.contrasts == swapped.contrasts


def test_shuffling_changes_nothing():
    items = made_items(n=6)
    order = np.random.default_rng(0).permutation(len(items))
    plain = kable.evaluate(Scripted(varied), items)
    shuffled = kable.evaluate(Scripted(varied), [items[index] for index in order])
    assert_frame_equal(plain.table, shuffled.table, abs_tol=1e-12)
    assert plain.contrasts == shuffled.contrasts


def test_unparsed_counts_as_wrong_and_is_reported():
    class Mute(Scripted):
        def reply(self, conversations, *, sampling, tools=()):
            replies = super().reply(conversations, sampling=sampling)
            return [Reply("hm") if index % 2 else reply for index, reply in enumerate(replies)]

    result = kable.evaluate(Mute(lambda prompt: "A"), made_items(n=5), method="generate")
    row = result.table.filter(task="confirmation-of-first-person-belief", type="factual")
    assert row["unparsed"].item() == 5
    assert row["accuracy"].item() == 0.5
    assert row["yes_share"].item() == 0.5
    assert result.unparsed == 130
    assert result.modal_share == 1.0
    assert set(result.rows.filter(pl.col("answer").is_null())["missing"]) != {None}


def test_faults_are_missing_with_their_reason():
    class Faulty(Scripted):
        def reply(self, conversations, *, sampling, tools=()):
            return [Reply("", finish="fault", fault="timeout") for _ in conversations]

    result = kable.evaluate(Faulty(varied), made_items(n=1), method="generate")
    assert set(result.rows["missing"]) == {"fault: timeout"}
    assert result.modal == ""
    assert result.label == "100.0% of the answers could not be read: accuracy reflects that, not the model"


def test_ties_and_unusable_numbers_are_missing():
    class Flat(Scripted):
        def _log_probs(self, prompt, n_options):
            return np.full(3, -1.0) if "Law" in prompt else np.array([np.nan, 0.0, 0.0])

    result = kable.evaluate(Flat(varied), made_items(n=1))
    assert dict(result.rows["missing"].value_counts().iter_rows()) == {"tie": 26, "no log-probabilities": 26}
    assert result.unparsed == 52
    recorder = Recorder("direct", 0)
    kable.record_rows(recorder, result.rows, "scripted:")
    beliefs = recorder.tables().beliefs
    assert beliefs["log_odds"].null_count() == 52, "a missing belief has no number"
    assert kable.rows_from_beliefs(beliefs).equals(result.rows)


def test_what_a_subject_cannot_do_is_said():
    class Silent(Scripted):
        capabilities = frozenset({Capability.REPLY})

    with pytest.raises(CapabilityError, match="cannot score"):
        kable.evaluate(Silent(varied), made_items(), method="logprob")
    assert kable.evaluate(Silent(varied), made_items(n=1)).method == "generate"
    assert kable.evaluate(Scripted(varied), made_items(n=1)).method == "logprob"
    with pytest.raises(InputError, match="method='chat'"):
        kable.evaluate(Scripted(varied), made_items(), method="chat")
    with pytest.raises(InputError, match="nothing to evaluate"):
        kable.evaluate(Scripted(varied), [])


def test_two_prompt_versions_are_not_mixed():
    items = made_items(n=1)
    other = kable.KableItem(
        **{
            **{name: getattr(items[0], name) for name in items[0].__slots__},
            "prompt": items[0].prompt.replace("carefully ", ""),
        }
    )
    assert prompt_version(items[0].prompt) != prompt_version(other.prompt)
    with pytest.raises(InputError, match="the prompts are of 2 versions"):
        kable.evaluate(Scripted(varied), [*items[1:], other])


def test_rows_of_two_keys_are_not_mixed():
    rows = [kable.ask(Scripted(varied), made_items(n=1, key=key)).rows for key in kable.KEYS]
    with pytest.raises(InputError, match="mix answer keys"):
        kable.summarise(pl.concat(rows), stream(0, "test"))


def test_recorded_rows_come_back_as_they_were():
    rows = kable.ask(Scripted(varied), made_items()).rows
    recorder = Recorder("direct", 0)
    kable.record_rows(recorder, rows, "scripted:")
    beliefs = recorder.tables().check().beliefs
    assert kable.rows_from_beliefs(beliefs).equals(rows)
    assert beliefs["proposition"].to_list() == rows["id"].to_list()
    said = kable.ask(Scripted(varied), made_items(), "generate").rows
    recorder = Recorder("direct", 0)
    kable.record_rows(recorder, said, "scripted:")
    beliefs = recorder.tables().check().beliefs
    assert kable.rows_from_beliefs(beliefs).equals(said)
    assert set(beliefs["credence"]) == {0.0, 1.0}


# --- the numbers ------------------------------------------------------------------------------------------------


def test_grade_by_hand():
    log_probs = np.log([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.1]])
    accepted = np.array([[True, False, False], [False, True, True], [False, False, False]])
    graded = grade(log_probs, accepted)
    assert graded.answer.tolist() == [0, 1, -1]
    assert graded.margin[:2] == pytest.approx([math.log(5 / 3), math.log(6)])
    assert graded.accepted_mass[:2] == pytest.approx([0.5, 0.9])
    assert graded.brier[:2] == pytest.approx([0.25, 0.01])
    assert graded.log_odds_yes == pytest.approx([0.0, math.log(1 / 9), math.log(2 / 3)])
    assert np.isnan([graded.margin[2], graded.accepted_mass[2], graded.brier[2]]).all()


@settings(max_examples=50)
@given(st.lists(st.floats(-400, 0), min_size=3, max_size=3), st.floats(-500, 500))
def test_grade_does_not_see_a_common_factor(scores, shift):
    accepted = np.array([[True, False, True]])
    one = grade(np.array([scores]), accepted)
    other = grade(np.array([scores]) + shift, accepted)
    assert one.accepted_mass == pytest.approx(other.accepted_mass, abs=1e-9)
    assert one.log_odds_yes == pytest.approx(other.log_odds_yes, abs=1e-9)
    assert (one.margin[0] > 0) == (one.accepted_mass[0] > 0.5) or abs(one.margin[0]) < math.log(2) + 1e-9


def rows_with(correct):
    """Return rows whose correctness is given by a rule of (task, type, subject, idx)."""
    items = made_items(n=10)
    letters = [
        min(item.accepted or {"A"}) if correct(item) else min(set("ABC") - item.accepted - {"A"} or {"B"})
        for item in items
    ]
    subject = Scripted({item.prompt: letter for item, letter in zip(items, letters, strict=True)}.__getitem__)
    return kable.ask(subject, items).rows


def test_person_gap_by_hand():
    first = "confirmation-of-first-person-belief"
    rows = rows_with(lambda item: not (item.task == first and item.type == "false" and item.idx < 4))
    found = kable.contrasts(rows, stream(0, "test"))
    assert found["person_gap_false"].estimate == pytest.approx(0.4)
    assert found["person_gap"].estimate == pytest.approx(0.2)
    assert found["person_gap_factual"].estimate == 0.0
    gap = found["person_gap_false"]
    assert (gap.up, gap.down, gap.sentences) == (16, 0, 20), "eight sentences, beside James and beside Mary"
    assert gap.p == pytest.approx(2 * binomtest(0, 8, 0.5).pvalue)
    assert gap.low < 0.4 < gap.high
    assert gap.low > 0.0
    assert found[f"truth_gap/{first}"].estimate == pytest.approx(0.4)


def test_one_third_person_alone_is_one_comparison():
    first, (_, mary) = "confirmation-of-first-person-belief", THIRD_PERSON
    rows = rows_with(lambda item: not (item.task == first and item.type == "false" and item.idx < 4))
    gap = kable.contrasts(rows.filter(pl.col("task") != mary), stream(0, "test"))["person_gap_false"]
    assert gap.p == pytest.approx(binomtest(0, 8, 0.5).pvalue)


def test_the_names_of_third_persons_are_a_contrast_of_their_own():
    rows = rows_with(lambda item: not (item.task == THIRD_PERSON[1] and item.idx < 2))
    gap = kable.contrasts(rows, stream(0, "test"))["name_gap"]
    assert gap.estimate == pytest.approx(0.2)
    assert (gap.up, gap.down, gap.p) == (4, 0, pytest.approx(binomtest(0, 4, 0.5).pvalue))


def test_frame_effect_and_factivity_by_hand():
    framed, known = "verification-of-first-person-belief", "verification-of-first-person-knowledge"
    rows = rows_with(lambda item: not (item.task == framed and item.type == "false" and item.idx < 3))
    # A wrong answer to the framed question is C or B's complement; make it Yes, and know gives Yes to half.
    yes = (pl.col("task") == framed) & (pl.col("type") == "false") & (pl.col("idx") < 3)
    knows = (pl.col("task") == known) & (pl.col("type") == "false")
    letters = (
        pl.when(yes)
        .then(pl.lit("A"))
        .when(knows)
        .then(pl.when(pl.col("idx") < 8).then(pl.lit("A")).otherwise(pl.lit("B")))
    )
    rows = rows.with_columns(
        answer=letters.otherwise(pl.col("answer")),
        correct=pl.when(yes).then(False).otherwise(pl.col("correct")),
    )
    found = kable.contrasts(rows, stream(0, "test"))
    assert found["frame_effect"].estimate == pytest.approx(0.3)
    assert found["factivity"].estimate == pytest.approx(0.8 - 0.3)
    assert (found["factivity"].up, found["factivity"].down) == (10, 0)


def test_a_contrast_without_its_tasks_says_so():
    rows = kable.ask(Scripted(varied), made_items(tasks=["direct-fact-verification"])).rows
    found = kable.contrasts(rows, stream(0, "test"))
    for name in ("person_gap", "frame_effect", "factivity"):
        assert math.isnan(found[name].estimate)
        assert found[name].interval is None
        assert "one side was not asked" in found[name].note
    assert found["truth_gap"].pairs == 6


def test_answers_without_a_partner_are_counted():
    rows = kable.ask(Scripted(varied), made_items(n=4)).rows
    cut = rows.filter(~((pl.col("task") == "direct-fact-verification") & (pl.col("idx") == 0)))
    assert kable.contrasts(cut, stream(0, "test"))["frame_effect"].note.startswith(
        "2 answers without a partner"
    )


def test_copies_add_no_certainty():
    rows = kable.ask(Scripted(varied), made_items(n=12)).rows
    once = kable.summarise(rows, stream(0, "test"))
    twice = kable.summarise(pl.concat([rows, rows]), stream(0, "test"))
    assert once.contrasts == twice.contrasts
    columns = ["accuracy", "low", "high"]
    assert once.table.select(columns).equals(twice.table.select(columns))


def test_identical_answers_have_no_gap_and_the_interval_still_has_a_width():
    gap = kable.contrasts(rows_with(lambda item: True), stream(0, "test"))["person_gap_false"]
    assert (gap.estimate, gap.p, gap.up, gap.down) == (0.0, 1.0, 0, 0)
    assert gap.high == pytest.approx(1 - 0.05 ** (1 / 20))
    assert gap.low == -gap.high


def test_person_gap_is_found_in_noise_no_more_often_than_said(monkeypatch):
    monkeypatch.setattr(contrasts_module, "N_RESAMPLES", 100)
    tasks = ["confirmation-of-first-person-belief", *THIRD_PERSON]
    rows = kable.ask(Scripted(varied), made_items(tasks=tasks, n=15)).rows
    rng = stream(0, "noise")
    rejected = 0
    for _ in range(50):
        drawn = rows.with_columns(
            answer=pl.Series(["ABC"[letter] for letter in rng.integers(3, size=rows.height)])
        )
        drawn = drawn.with_columns(correct=pl.col("answer") == pl.col("accepted"))
        rejected += kable.contrasts(drawn, rng)["person_gap"].p < 0.1
    assert rejected / 50 <= 0.16


def test_table_by_subject_and_baselines():
    result = kable.evaluate(Scripted(varied), made_items(n=5))
    assert result.by_subject().height == 52
    row = result.table.filter(task="direct-fact-verification", type="false")
    assert (row["chance"].item(), row["always_yes"].item()) == (pytest.approx(2 / 3), 0.0)
    empty = result.table.filter(task="verification-of-assertion", type="false")
    assert empty["note"].item() == "no definitive answer"
    assert empty["chance"].item() is None
    shares = empty.select("yes_share", "no_share", "undeterminable_share").row(0)
    assert sum(shares) == pytest.approx(1.0)


def test_yes_bias_is_over_all_rows_of_a_task():
    said = Scripted(lambda prompt: "A" if "heavy" in prompt else "B")
    table = kable.evaluate(said, made_items(n=5)).table
    assert set(table["yes_bias"]) == {0.5}
    assert set(table.filter(type="factual")["yes_share"]) == {1.0}
    assert set(table.filter(type="false")["yes_share"]) == {0.0}


def test_figures_show_accuracy_by_subject_and_answers_where_none_is_definitive():
    result = kable.evaluate(Scripted(lambda prompt: "C"), made_items(n=2))
    drawn = {figure.id: figure for figure in kable.figures_of(result)}
    assert list(drawn) == [
        *("tasks", "subjects-factual", "subjects-false", "answers", "undecided", "contrasts"),
    ]
    assert result.label in drawn["tasks"].caption
    undecided = drawn["undecided"].spec["data"]["values"]
    assert len(undecided) == len(EMPTY_ON_FALSE) * 4
    assert {row["answer"] for row in undecided if row["value"] == 1.0} == {"Undeterminable"}
    everywhere = kable.evaluate(Scripted(varied), made_items(tasks=THIRD_PERSON, n=2))
    assert "undecided" not in {figure.id for figure in kable.figures_of(everywhere)}


# --- findings ---------------------------------------------------------------------------------------------------


def findings_by_id(letter, n=50):
    result = kable.evaluate(Scripted(letter), made_items(n=n))
    return {finding.id: finding for finding in kable.findings_of(result, stream(0, "test"))}


def test_accuracy_is_held_against_a_uniform_guess_over_the_same_questions():
    found = findings_by_id(varied, n=3)
    chance = {"factual": "0.36", "facts": "0.50", "third-person": "0.33", "first-person": "0.33"}
    assert all(f"chance {share}" in found[name].note for name, share in chance.items())


def test_a_blind_spot_for_ones_own_false_beliefs_is_found_beside_its_control():
    def blind(prompt):
        question = question_of(prompt)
        false = "weightless" in question
        if false and "Is it true" in question:
            return "B"
        return "C" if false and "Do I believe" in question else "A"

    found = findings_by_id(blind)
    assert found["person-gap"].verdict == found["truth-gap"].verdict == "holds"
    assert found["frame-effect"].verdict == found["factivity"].verdict == "unresolved"
    assert found["name-gap"].verdict == "holds"
    assert [name for name, finding in found.items() if finding.control] == ["name-gap"]
    papers = {name: finding.paper for name, finding in found.items() if finding.paper is not None}
    assert papers == {
        "factual": 0.86,
        "facts": 0.91,
        "third-person": 0.807,
        "first-person": 0.544,
        "person-gap": 0.324,
        "truth-gap": 0.343,
    }


def test_the_control_fails_where_a_name_matters():
    found = findings_by_id(lambda prompt: "B" if "Does Mary believe" in question_of(prompt) else "A")
    assert found["name-gap"].verdict == "fails"
    assert "McNemar p" in found["name-gap"].note
