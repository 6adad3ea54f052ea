from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
import yaml
from lm_eval.api.instance import Instance

from doxa.errors import CapabilityError, InputError
from doxa.interop import export_kable, from_lm_eval, import_log
from doxa.interop.lm_eval.hosted.model import DoxaLM
from doxa.interop.lm_eval.kable_functions import accuracy, likeliest, shares
from doxa.interop.questions import as_row
from doxa.protocols import kable
from doxa.subjects.base import Reply
from tests.interop.hosts import right_letter
from tests.protocols.kable_fakes import Scripted


class Loader(yaml.SafeLoader):
    """Reads the harness's ``!function`` as the text behind it."""


Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def files(folder):
    return {path.stem: yaml.load(path.read_text(), Loader) for path in sorted(folder.glob("*.yaml"))}


def rows(folder, config):
    text = (folder / config["dataset_kwargs"]["questions"]).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_every_question_is_written_once_and_those_without_a_key_apart(made_up, tmp_path):
    done = export_kable(tmp_path / "out")
    written = files(done.folder)
    assert done.groups == ["kable", "kable_shares"]
    assert len(written["kable"]["task"]) == 13
    assert len(written["kable_shares"]["task"]) == 5
    tasks = {name: config for name, config in written.items() if "task" in config and "group" not in config}
    found = [row for config in tasks.values() for row in rows(done.folder, config)]
    assert sorted(row["id"] for row in found) == sorted(item.id for item in made_up)
    for name, config in tasks.items():
        keyed = [bool(row["accepted"]) for row in rows(done.folder, config)]
        assert all(keyed) if not name.startswith("kable_shares") else not any(keyed)
    assert done.questions == len(made_up)


def test_metrics_are_texts_that_yaml_does_not_take_for_truth_values(made_up, tmp_path):
    written = files(export_kable(tmp_path / "out").folder)
    for config in written.values():
        for metric in config.get("metric_list", config.get("aggregate_metric_list")):
            assert isinstance(metric["metric"], str)


def test_the_first_rows_are_those_that_doxa_would_draw(made_up, tmp_path):
    folder = export_kable(tmp_path / "out").folder
    [task] = ["direct-fact-verification"]
    config = files(folder)["kable_direct_fact_verification"]
    own = [item for item in made_up if item.task == task]
    for limit in (1, 2):
        first = rows(folder, config)[: 4 * limit]
        assert {row["id"] for row in first} == {item.id for item in kable.choose(own, limit)}


def test_accuracy_without_a_key_is_refused_and_nothing_written(made_up, tmp_path):
    only = {"tasks": "verification-of-assertion", "types": "false"}
    with pytest.raises(
        InputError, match="'verification-of-assertion' has no definitive answers on false rows"
    ):
        export_kable(tmp_path / "out", **only)
    assert not (tmp_path / "out").exists()
    assert export_kable(tmp_path / "out", **only, report="shares").groups == ["kable_shares"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; name a folder"):
        export_kable(tmp_path / "file")


def test_any_accepted_letter_is_right_and_a_tie_is_unread():
    likely_c = [(-3.0, False), (-2.0, False), (-1.0, False)]
    assert accuracy({"accepted": "AC"}, likely_c) == {"acc": 1.0, "yes_share": 0.0}
    assert accuracy({"accepted": "A"}, likely_c) == {"acc": 0.0, "yes_share": 0.0}
    assert accuracy({"accepted": ""}, likely_c) == {"yes_share": 0.0}
    tie = [(-1.0, False), (-1.0, False), (-2.0, False)]
    assert likeliest(tie) is None
    assert accuracy({"accepted": "A"}, tie)["acc"] == 0.0
    assert shares({}, tie)["unread_share"] == 1.0
    assert likeliest([(math.nan, False), (-1.0, False), (-2.0, False)]) is None


def request(context, *rest, doc=0):
    return Instance("loglikelihood", {}, (context, *rest), idx=0, metadata=("t", doc, 1))


class Chatty(Scripted):
    """A chat subject that remembers what it was asked."""

    framing = "chat"

    def __init__(self):
        super().__init__(right_letter)
        self.talks, self.options, self.samplings = [], [], []

    def score(self, queries):
        self.talks += [query.conversation for query in queries]
        self.options += [query.options for query in queries]
        return super().score(queries)

    def reply(self, conversations, *, sampling, tools=()):
        self.samplings += [sampling] * len(conversations)
        return [Reply(f"{talk[-1].content} {sampling.sample}") for talk in conversations]


def test_requests_about_one_context_are_one_question_and_come_back_in_their_order():
    subject = Chatty()
    model = DoxaLM(subject=subject)
    prompt = "Question: Is it true that stone 1 is weightless?\n"
    asked = [request(prompt, f" ({letter})") for letter in "ABC"] + [
        request("Question: other\n", " (A)", doc=1)
    ]
    found = model.loglikelihood([asked[1], asked[3], asked[0], asked[2]])
    assert subject.options == [("(B)", "(A)", "(C)"), ("(A)",)], "behind a chat turn there is no space"
    direct = Scripted(right_letter)._log_probs(prompt, 3)
    assert found[0][0] == direct[0], "the scripted subject scores by place"
    assert [pair[0] for pair in (found[0], found[2], found[3])] == direct.tolist()


def test_a_chat_template_keeps_the_turns():
    subject = Chatty()
    model = DoxaLM(subject=subject)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "q"}]
    model.loglikelihood([request(model.apply_chat_template(turns), "(A)")])
    assert [(m.role, m.content) for m in subject.talks[0]] == [("system", "Be brief."), ("user", "q")]
    with pytest.raises(CapabilityError, match="cannot begin a reply"):
        model.apply_chat_template(turns, add_generation_prompt=False)


def test_whether_a_lone_continuation_is_greedy_is_found_out():
    model = DoxaLM(subject=Chatty())
    alone = [request("the sky", "the sky 0", doc=1), request("the sea", "blue", doc=2)]
    assert [greedy for _, greedy in model.loglikelihood(alone)] == [True, False]


def test_replies_are_drawn_by_the_tasks_settings():
    subject = Chatty()
    model = DoxaLM(subject=subject)
    settings = {"until": ["\n"], "max_gen_toks": 9, "do_sample": True, "temperature": 0.5}
    said = model.generate_until(
        [request("a", settings), request("b", {"until": "."}), request("a", settings)]
    )
    assert said == ["a 0", "b 0", "a 1"]
    warm, cold = subject.samplings[0], next(one for one in subject.samplings if one.temperature == 0.0)
    assert (warm.temperature, warm.max_tokens, warm.stop) == (0.5, 9, ("\n",))
    assert (cold.max_tokens, cold.stop) == (256, (".",))
    with pytest.raises(InputError, match="top_k=5: no doxa subject"):
        model.generate_until([request("a", {"top_k": 5})])
    with pytest.raises(CapabilityError, match="perplexity"):
        model.loglikelihood_rolling([])
    with pytest.raises(InputError, match="address=organism:sound"):
        DoxaLM()


def sample(doc, log_probs, doc_id=0, **more):
    return {
        "doc_id": doc_id,
        "doc": doc,
        "target": "A",
        "arguments": {f"gen_args_{n}": {"arg_0": "q", "arg_1": f" ({x})"} for n, x in enumerate("ABC")},
        "resps": [[[str(value), "False"]] for value in log_probs],
        "filtered_resps": [[str(value), "False"] for value in log_probs],
        **more,
    }


def results(folder, tasks, samples, **more):
    folder.mkdir(parents=True, exist_ok=True)
    body = {
        "results": {
            task: {"alias": task, "acc,none": 0.5, "acc_stderr,none": "N/A", "sample_len": 2}
            for task in tasks
        },
        "configs": {task: {"task": task, "output_type": kind} for task, kind in tasks.items()},
        "config": {"model": "hf", "model_args": {"pretrained": "/models/mine"}},
        "model_source": "hf",
        "lm_eval_version": "0.4.13",
        **more,
    }
    path = folder / "results_2026-01-01.json"
    path.write_text(json.dumps(body))
    for task, lines in samples.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"samples_{task}_2026-01-01.jsonl").write_text(text)
    return path


def test_results_on_kable_are_the_beliefs_that_doxa_records(made_up, tmp_path):
    items = [item for item in made_up if item.task == "direct-fact-verification"]
    subject = Scripted(right_letter)
    scores = [subject._log_probs(item.prompt, 3) for item in items]
    lines = [sample(as_row(item), row, n) for n, (item, row) in enumerate(zip(items, scores, strict=True))]
    name = "kable_direct_fact_verification"
    results(tmp_path / "out", {name: "multiple_choice"}, {name: lines})
    run = import_log(tmp_path / "out", tmp_path / "runs")
    assert run.study == "kable"
    assert run.tables.beliefs["subject"].unique().to_list() == ["hf:/models/mine"]
    subject.framing = "verbatim"
    own = kable.evaluate(subject, items, "logprob").rows
    assert kable.rows_from_beliefs(run.tables.beliefs).equals(own)
    assert run.tables.measures.filter(measure="acc")["value"].to_list() == [0.5]
    assert "missing" in run.tables.measures.filter(measure="acc_stderr")["extra"][0]


def test_options_and_texts_of_other_tasks_are_read(tmp_path):
    tasks = {"quiz": "multiple_choice", "essay": "generate_until"}
    quiz = [sample({"q": 1}, [-1.0, -2.0, -3.0]), sample({"q": 2}, ["nan", -1.0, -1.0], 1)]
    essay = [
        {
            "doc_id": 0,
            "doc": {},
            "arguments": {"gen_args_0": {"arg_0": "Write.", "arg_1": "{}"}},
            "resps": [["Once."]],
        }
    ]
    path = results(tmp_path, tasks, {"quiz": quiz, "essay": essay}, chat_template="{{ messages }}")
    tables = from_lm_eval(path)
    read = tables.beliefs.filter(pl.col("proposition").str.starts_with("quiz/0"))
    weights = np.exp([-1.0, -2.0, -3.0])
    np.testing.assert_allclose(read["credence"].to_numpy(), weights / weights.sum())
    odds = np.log(weights / (weights.sum() - weights))
    np.testing.assert_allclose(read["log_odds"].to_numpy(), odds)
    assert tables.beliefs["credence"].null_count() == 3
    assert tables.transcripts["text"].to_list() == ["Write.", "Once."]


def test_a_folder_of_several_runs_is_asked_to_be_named(tmp_path):
    results(tmp_path / "a", {"quiz": "multiple_choice"}, {})
    results(tmp_path / "b", {"quiz": "multiple_choice"}, {})
    with pytest.raises(InputError, match=r"holds 2 \(a/results"):
        from_lm_eval(tmp_path)
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="no results of lm-evaluation-harness"):
        from_lm_eval(tmp_path / "x.json")
