from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from inspect_ai import Task
from inspect_ai import eval as run_eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log
from inspect_ai.scorer import choice
from inspect_ai.solver import multiple_choice

import doxa
from doxa.errors import InputError, MissingExtraError
from doxa.interop import from_inspect, import_log, to_inspect
from doxa.interop.inspect.hosted.kable import kable as task
from doxa.lab.record import Recorder, Tables
from doxa.lab.run import load, run_study
from doxa.lab.show import show_run
from doxa.secret import Secret
from tests.interop.hosts import model_of, right_letter


def made(*, cond="one", seed=0, subject="planted:noise") -> Tables:
    recorder = Recorder(cond, seed)
    said = {"subject": subject, "conversation": "sky"}
    call = {"name": "look", "arguments": {"at": "sky"}, "id": "c1"}
    recorder.utterance(**said, turn=0, role="user", text="Is the sky blue?", tokens=5)
    recorder.utterance(**said, turn=1, role="assistant", text="", finish="tool_call", tool_calls=[call])
    recorder.utterance(**said, turn=2, role="tool", text='{"ok":true}', tool_call_id="c1")
    recorder.utterance(**said, turn=3, role="assistant", text="x" * 500, tokens=7, finish="length")
    recorder.utterance(
        subject=subject, conversation="sea", turn=0, role="assistant", text="", finish="fault", error="cut"
    )
    recorder.belief(subject=subject, proposition="sky", readout="stated", credence=1.0)
    recorder.belief(subject=subject, proposition="grass", readout="stated", credence=0.25, time=1)
    recorder.belief(subject=subject, proposition="grass", readout="behavioural", missing="refusal")
    recorder.measure("shift", 12.5, subject=subject, unit="percent", n=3)
    recorder.measure("phi", None, subject=subject, missing="margin is 0")
    return recorder.tables()


def same(one: Tables, other: Tables) -> bool:
    return all(a.equals(b, null_equal=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("ending", [".eval", ".json"])
@pytest.mark.parametrize(
    "tables",
    [
        made(),
        Tables.concat([made(), made(seed=1), made(cond="two")]),
        Tables.concat([made(), made(subject="inspect:openai/gpt-4o")]),
    ],
)
def test_tables_come_back_from_a_log_as_they_went(tmp_path, tables, ending):
    assert same(from_inspect(to_inspect(tables, tmp_path / f"log{ending}")), tables)


def test_a_log_keeps_messages_scores_model_and_ids(tmp_path):
    log = read_eval_log(str(to_inspect(made(), tmp_path / "log.eval")), resolve_attachments=True)
    assert log.status == "success"
    assert log.eval.model == "doxa/planted:noise"
    by_id = {sample.id: sample for sample in log.samples}
    assert set(by_id) == {"sky", "sea", "grass"}
    sky = by_id["sky"]
    assert [message.role for message in sky.messages] == ["user", "assistant", "tool", "assistant"]
    assert sky.messages[1].tool_calls[0].arguments == {"at": "sky"}
    assert sky.messages[2].function == "look"
    assert sky.output.stop_reason == "max_tokens"
    assert sky.output.completion == "x" * 500
    assert sky.scores["stated"].value == 1.0
    assert by_id["grass"].scores["stated turn 1"].value == 0.25
    assert math.isnan(by_id["grass"].scores["behavioural turn 0"].value)
    assert by_id["sea"].error.message == "cut"
    assert log.results.completed_samples == 2
    assert next(score.name for score in log.results.scores) == "stated"


def test_inspects_own_commands_read_the_log(tmp_path):
    path = to_inspect(made(), tmp_path / "log.eval")
    command = [sys.executable, "-m", "inspect_ai", "log", "dump", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["eval"]["model"] == "doxa/planted:noise"
    [found] = list_eval_logs(str(tmp_path))
    assert found.task == "doxa"


def say(messages, tools, config) -> str:
    if "Law" in messages[-1].text and "believes" not in messages[-1].text:
        raise RuntimeError("the line broke")
    return f"So, the answer is ({right_letter(messages[-1].text)})."


@pytest.fixture
def kable_log(made_up, tmp_path):
    [log] = run_eval(
        task(tasks="direct-fact-verification,confirmation-of-third-person-belief-james"),
        model=model_of(say),
        log_dir=str(tmp_path / "logs"),
        display="none",
        fail_on_error=False,
    )
    return log


def test_a_log_of_inspects_becomes_a_run_like_one_of_doxas(kable_log, tmp_path):
    imported = import_log(kable_log.location, tmp_path / "runs")
    assert imported.study == "kable"
    shown = show_run("imported-kable", tmp_path / "runs").as_json()
    assert (shown["finished"], shown["cells"]) == (1, 1)
    assert {finding["id"] for finding in shown["findings"]} >= {"person-gap", "facts"}
    assert Path(shown["report"]).is_file()
    tables = load("imported-kable", tmp_path / "runs")
    assert tables.beliefs["subject"].unique().to_list() == ["inspect:mockllm/model"]
    assert tables.beliefs.height == 24
    assert tables.beliefs["run"][0] == imported.run
    again = import_log(kable_log.location, tmp_path / "runs")
    assert again.run == imported.run
    assert same(again.tables, imported.tables)


def test_failed_samples_are_kept_with_their_error(kable_log):
    tables = from_inspect(kable_log)
    lost = tables.beliefs.filter(pl.col("credence").is_null())
    assert lost.height == 6
    assert json.loads(lost["extra"][0])["missing"] == "fault: RuntimeError('the line broke')"
    faults = tables.transcripts.filter(finish="fault")
    assert faults.height == 6
    assert "RuntimeError: the line broke" in json.loads(faults["extra"][0])["traceback"]


def test_a_foreign_log_there_and_back_keeps_its_scores(kable_log, tmp_path):
    back = read_eval_log(str(to_inspect(from_inspect(kable_log), tmp_path / "back.eval")))
    assert back.eval.model == kable_log.eval.model
    old, new = ({sample.id: sample for sample in log.samples} for log in (kable_log, back))
    assert set(old) == set(new)
    for name, sample in old.items():
        assert [m.text for m in new[name].messages[: len(sample.messages)]] == [
            m.text for m in sample.messages
        ]
        assert (new[name].error is None) == (sample.error is None)
        for score, value in (sample.scores or {}).items():
            assert new[name].scores[score].value == value.value
            assert new[name].scores[score].answer == value.answer
    assert same(from_inspect(back), from_inspect(kable_log))


def test_a_multiple_choice_log_of_any_task_gives_a_belief_per_choice(tmp_path):
    samples = [
        Sample(id="capital", input="Capital of France?", choices=["Rome", "Paris"], target="B"),
        Sample(id="river", input="River of Rome?", choices=["Tiber", "Seine"], target="A"),
    ]
    questions = Task(dataset=MemoryDataset(samples), solver=multiple_choice(), scorer=choice(), name="places")
    [log] = run_eval(
        questions,
        model=model_of(lambda messages, *_: "ANSWER: B" if "Capital" in messages[-1].text else "mumble"),
        log_dir=str(tmp_path),
        display="none",
    )
    tables = from_inspect(log)
    beliefs = dict(zip(tables.beliefs["proposition"], tables.beliefs["credence"], strict=True))
    assert beliefs == {"capital/A": 0.0, "capital/B": 1.0, "river/A": None, "river/B": None}
    scores = tables.measures.filter(measure="choice")
    assert scores["value"].to_list() == [1.0, 0.0]
    assert import_log(log.location, tmp_path / "runs").study == "places"


def test_a_run_of_a_study_is_written_by_its_name(tmp_path):
    study = Path(__file__).parents[1] / "studies_for_tests" / "coins.py"
    result = run_study(str(study), out=tmp_path / "runs")
    path = to_inspect(result.run, tmp_path / "coins.json", out=tmp_path / "runs")
    assert same(from_inspect(path), result.tables)
    log = read_eval_log(str(path))
    assert log.eval.task == result.study
    assert log.eval.metadata["doxa"]["run"] == result.run
    assert log.eval.packages == {"doxa": doxa.__version__}


def test_no_secret_is_written(tmp_path):
    Secret("sk-interop-0123456789")
    recorder = Recorder("one", 0)
    recorder.utterance(
        subject="s", conversation="c", turn=0, role="user", text="my key is sk-interop-0123456789"
    )
    recorder.belief(subject="s", proposition="c", readout="stated", missing="fault: sk-interop-0123456789")
    path = to_inspect(recorder.tables(), tmp_path / "log.json")
    assert "sk-interop" not in path.read_text()
    log = read_eval_log(str(path))
    log.samples[0].messages[0].content = "sk-interop-0123456789"
    log.eval.metadata = None
    write_eval_log(log, str(path))
    run = import_log(path, tmp_path / "runs")
    assert "sk-interop" not in "".join(run.tables.transcripts["text"])
    assert all(b"sk-interop" not in file.read_bytes() for file in run.folder.rglob("*") if file.is_file())


def test_what_is_no_log_is_refused(tmp_path, monkeypatch):
    (tmp_path / "broken.eval").write_bytes(b"no zip")
    (tmp_path / "other.json").write_text("{}")
    for name, message in [
        ("broken.eval", "is no log that Inspect can read"),
        ("other.json", "no results of lm-evaluation-harness"),
        ("nowhere.eval", "no such file"),
    ]:
        with pytest.raises(InputError, match=message):
            import_log(tmp_path / name, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(InputError, match=r"ends in \.eval or \.json"):
        to_inspect(made(), tmp_path / "log.txt")
    with pytest.raises(InputError, match="nothing to write"):
        to_inspect(Tables.empty(), tmp_path / "log.eval")
    log = read_eval_log(str(to_inspect(made(), tmp_path / "later.json")))
    log.eval.metadata["doxa"]["schema"] = 99
    with pytest.raises(InputError, match="version 99; this doxa reads version 1"):
        from_inspect(log)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="extra 'inspect'"):
        to_inspect(made(), tmp_path / "log.eval")
