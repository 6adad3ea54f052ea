"""The hosts' own command lines, the guide's code, and that neither host is imported unasked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from inspect_ai.log import read_eval_log
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from doxa.interop import export_kable, from_inspect, from_lm_eval, import_log
from doxa.lab.run import load, run_study
from doxa.protocols import kable
from doxa.protocols.kable.asking import OPTION_TEXTS
from doxa.subjects.base import Query, user
from doxa.subjects.organisms import folder as organism_folder
from doxa.subjects.transformers import TransformersSubject
from tests.protocols.kable_fakes import kable_folder, made_items

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "other-harnesses.md"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "NO_COLOR": "1"}


@pytest.fixture
def environment(monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("DOXA_DATA", str(kable_folder().parent))
    return {**os.environ, **OFFLINE, "DOXA_DATA": str(kable_folder().parent)}


def command(*words: str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    return done.stdout


def test_the_guides_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), {})
    assert (tmp_path / "logs" / "sky.eval").is_file()


def test_neither_host_is_imported_before_it_is_used():
    code = (
        "import sys, doxa.interop, doxa.interop.inspect.scheme, doxa.interop.imported, doxa\n"
        "from doxa.interop import export_kable, from_inspect, from_lm_eval, import_log, to_inspect\n"
        "from doxa.subjects.addresses import identity\n"
        "identity('inspect:openai/gpt-4o')\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('inspect_ai', 'lm_eval', 'datasets')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_inspects_command_finds_the_task_and_the_provider(tmp_path, environment):
    model = "doxa/organism:sound?dtype=float32"
    chosen = ("-T", "limit=1", "-T", "method=logprob", "-T", "tasks=confirmation-of-first-person-belief")
    told = ("--display", "none", "--log-dir", "logs", "--limit", "12")
    words = ("inspect_ai", "eval", "doxa/kable", "--model", model, *chosen, *told)
    command(*words, cwd=tmp_path, environment=environment)
    [path] = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(path))
    assert (log.status, log.eval.model, len(log.samples)) == ("success", model, 12)
    rows = kable.rows_from_beliefs(from_inspect(path).beliefs)
    subject = TransformersSubject.open(str(organism_folder("sound")), dtype="float32")
    asked = {item.id: item for item in kable.load(kable_folder(), ["confirmation-of-first-person-belief"])}
    own = kable.ask(subject, [asked[name] for name in rows["id"]], "logprob").rows
    assert rows["answer"].equals(own["answer"])
    assert (rows["log_odds_yes"] - own["log_odds_yes"]).abs().max() < 1e-4
    assert rows["framing"].unique().to_list() == ["chat"]


@pytest.mark.slow
def test_the_harness_answers_every_question_as_doxa_does(tmp_path, environment):
    place = str(organism_folder("sound"))
    tasks = "direct-fact-verification,second-guessing-first-person-belief,verification-of-assertion"
    export_kable(tmp_path / "tasks", tasks=tasks, limit=1)
    words = ["lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={place},dtype=float32"]
    words += [
        "--tasks",
        "kable,kable_shares",
        "--include_path",
        "tasks",
        "--limit",
        "10",
        "--batch_size",
        "8",
    ]
    words += ["--device", "cpu", "--log_samples", "--output_path", "out", "--apply_chat_template"]
    command(*words, cwd=tmp_path, environment=environment)
    tables = from_lm_eval(tmp_path / "out")
    rows = kable.rows_from_beliefs(tables.beliefs)
    assert rows.height == 40
    asked = {item.id: item for item in kable.load(kable_folder(), tasks.split(","))}
    subject = TransformersSubject.open(place, dtype="float32")
    own = kable.ask(subject, [asked[name] for name in rows["id"]], "logprob").rows
    assert rows["framing"].equals(own["framing"])
    assert rows["answer"].equals(own["answer"])
    accuracy = tables.measures.filter((pl.col("measure") == "acc") & (pl.col("condition") == "kable"))
    assert accuracy["value"].to_list() == [pytest.approx(own["correct"].mean())]


@pytest.mark.slow
def test_without_a_chat_template_the_harness_scores_what_doxa_calls_verbatim(tmp_path):
    place = str(organism_folder("sound"))
    theirs = HFLM(pretrained=place, dtype="float32", device="cpu", batch_size=8)
    prompts = [item.prompt for item in made_items(tasks=["direct-fact-verification"], n=2)]
    asked = [
        Instance("loglikelihood", {}, (prompt, option), idx=0)
        for prompt in prompts
        for option in OPTION_TEXTS
    ]
    found = np.array([score for score, _ in theirs.loglikelihood(asked, disable_tqdm=True)])
    subject = TransformersSubject.open(place, dtype="float32", template="verbatim")
    own = subject.score([Query((user(prompt),), OPTION_TEXTS) for prompt in prompts])
    np.testing.assert_allclose(found.reshape(len(prompts), 3), np.stack(own), atol=2e-5)


@pytest.mark.slow
def test_a_subject_of_doxas_is_a_model_of_the_harnesss(tmp_path, environment):
    export_kable(tmp_path / "tasks", tasks="direct-fact-verification", limit=1)
    address = "organism:sound?dtype=float32"
    words = ["doxa.interop.lm_eval", "run", "--model", "doxa", "--model_args", f"address={address}"]
    words += ["--tasks", "kable", "--include_path", "tasks", "--log_samples", "--output_path", "out"]
    command(*words, cwd=tmp_path, environment=environment)
    imported = import_log(tmp_path / "out", tmp_path / "runs")
    overrides = {"subject": address, "limit": 1, "tasks": ("direct-fact-verification",)}
    own = run_study("kable", overrides=overrides, out=tmp_path / "runs")
    said = [
        {row["proposition"]: json.loads(row["extra"])["answer"] for row in one.beliefs.iter_rows(named=True)}
        for one in (load(imported.run, tmp_path / "runs"), own.tables)
    ]
    assert said[0] == said[1]
    assert imported.tables.beliefs["subject"].unique().to_list() == [address]
