from __future__ import annotations

import math

import pytest
from inspect_ai import eval as run_eval
from inspect_ai.model import get_model

from doxa.errors import InputError
from doxa.interop import from_inspect
from doxa.interop.inspect.hosted.kable import kable as task
from doxa.protocols import kable
from tests.interop.hosts import model_of, right_letter
from tests.protocols.kable_fakes import Scripted

RECURSIVE = "verification-of-recursive-knowledge"


def say(messages, tools, config) -> str:
    return f"So, the answer is ({right_letter(messages[-1].text)})."


def run(tmp_path, made_task, model):
    [log] = run_eval(
        made_task, model=model, log_dir=str(tmp_path / "logs"), display="none", log_level="error"
    )
    assert log.status == "success"
    return log


def metric(log, score, name):
    [found] = [one for one in log.results.scores if one.name == score]
    return found.metrics[name].value


def test_the_task_gives_the_accuracies_that_doxa_gives(made_up, tmp_path):
    log = run(tmp_path, task(), model_of(say))
    own = kable.evaluate(Scripted(right_letter), made_up, "generate")
    for row in own.table.group_by("task").agg(n=own.table["n"].first()).iter_rows(named=True):
        rows = own.rows.filter(task=row["task"])
        assert metric(log, "key_letter", row["task"]) == pytest.approx(rows["correct"].mean())
        assert metric(log, "yes", f"grouped_{row['task']}") == pytest.approx((rows["answer"] == "A").mean())
        assert f"{row['task']} stderr" in log.results.scores[0].metrics
    assert metric(log, "key_letter", "accuracy") == pytest.approx(own.rows["correct"].mean())
    assert log.results.scores[0].unscored_samples == own.rows["correct"].null_count()
    assert [sample.id for sample in log.samples] == sorted(item.id for item in made_up)


def test_standard_errors_are_clustered_by_sentence(made_up, tmp_path):
    log = run(tmp_path, task(tasks="confirmation-of-first-person-belief"), model_of(say))
    sample = log.samples[0]
    assert sample.metadata["sentence_id"] == f"{sample.metadata['subject']}/{sample.metadata['idx']}"
    [definition] = [one for one in log.eval.scorers[0].metrics if one.name.endswith("/stderr")]
    assert definition.options["cluster"] == "sentence_id"


def test_any_of_the_accepted_letters_is_right_and_what_cannot_be_read_is_wrong(made_up, tmp_path):
    replies = iter(["(A)", "(C)", "(B)", "mumble", "I cannot answer that.", "(A) or (C)"])
    chosen = task(tasks="second-guessing-first-person-belief", subjects="Math")
    log = run(tmp_path, chosen, model_of(lambda *_: next(replies)))
    values = sorted(str(sample.scores["key_letter"].value) for sample in log.samples)
    assert values == ["C", "C", "I", "I", "I", "I"]
    reasons = {sample.output.completion: sample.scores["key_letter"].reason for sample in log.samples}
    assert reasons["(A)"] is None
    assert reasons["mumble"] == "invalid_response_format"
    assert reasons["I cannot answer that."] == "refusal"


def test_a_question_without_a_definitive_answer_is_not_scored(made_up, tmp_path):
    log = run(tmp_path, task(tasks=[RECURSIVE], key="paper"), model_of(say))
    for sample in log.samples:
        value = sample.scores["key_letter"].value
        assert (isinstance(value, float) and math.isnan(value)) == (sample.metadata["type"] == "false")
        assert sample.scores["key_letter"].answer is not None


def test_accuracy_without_a_key_is_refused_and_shares_are_not(made_up, tmp_path):
    with pytest.raises(InputError, match="no definitive answers on false rows; export answer shares instead"):
        task(tasks=RECURSIVE, types="false")
    log = run(tmp_path, task(tasks=RECURSIVE, types="false", report="shares"), model_of(say))
    assert [score.name for score in log.results.scores] == ["yes", "no", "undeterminable", "unread"]
    assert sum(score.metrics["mean"].value for score in log.results.scores) == pytest.approx(1.0)


def test_scored_letters_are_those_that_doxa_scores(made_up, tmp_path, scripted_scheme):
    log = run(tmp_path, task(limit=2, method="logprob"), get_model("doxa/scripted:x", memoize=False))
    rows = kable.rows_from_beliefs(from_inspect(log).beliefs)
    own = kable.evaluate(scripted_scheme[0], made_up, "logprob", limit=2).rows
    assert rows.sort("id").equals(own.sort("id"))


def test_scored_letters_need_a_model_of_doxas(made_up, tmp_path):
    [log] = run_eval(
        task(limit=1, method="logprob"), model=model_of(say), log_dir=str(tmp_path), display="none"
    )
    assert log.status == "error"
    assert "take a doxa/ model or method=generate" in log.error.message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "logprobs"}, "did you mean 'logprob'"),
        ({"tasks": "direct"}, "direct"),
        ({"key": "papers"}, "did you mean 'paper'"),
        ({"limit": 0}, "must be >= 1"),
        ({"report": "share"}, "did you mean 'shares'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_asked(made_up, settings, message):
    with pytest.raises(InputError, match=message):
        task(**settings)


def test_missing_questions_name_the_command_that_gets_them(monkeypatch, tmp_path):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="doxa data get kable"):
        task()
