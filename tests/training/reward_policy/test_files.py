from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.training.reward_policy.files import (
    content_digest,
    read_process,
    read_prompts,
    read_scores,
    read_tie_rates,
)

PROCESS = {
    "P": [[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]],
    "R": [[1.0, 1.0], [0.0, 0.5]],
    "gamma": 0.5,
}


def written(folder, value, *, lines=False):
    path = folder / "file.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in value) if lines else json.dumps(value), "utf-8")
    return str(path)


def test_a_process(tmp_path):
    named = {
        "states": ["a", "b"],
        "actions": ["go", "stay"],
        "start": [1, 0],
        "rewards": {"other": [[0, 1], [0, 0]]},
    }
    held = read_process(written(tmp_path, {**PROCESS, **named}))
    assert held.mdp.optimal_actions().tolist() == [[True, True], [False, True]]
    assert held.states == ("a", "b")
    assert held.start.tolist() == [1.0, 0.0]
    assert held.rewards["other"].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    plain = read_process(written(tmp_path, PROCESS))
    assert plain.actions == ("0", "1")
    assert plain.start.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"P": None}, "P must be numbers|P has shape"),
        ({"P": [[[0.5, 0.4], [0, 1]], [[0, 1], [0, 1]]]}, r"P at \(s=0, a=0\) sums to 0.9"),
        ({"R": [[1.0, 1.0]]}, r"R has shape \(1, 2\)"),
        ({"R": [[1.0, "x"], [0, 0]]}, "R must be numbers"),
        ({"R": [[1.0], [0, 0]]}, "R must be numbers in rows of equal length"),
        ({"gamma": 1.0}, "gamma=1.0"),
        ({"gamma": "0.9"}, "gamma='0.9': must be a number"),
        ({"states": ["a", "a"]}, "states must be 2 different names"),
        ({"start": [1.0]}, r"start has shape \(1,\)"),
        ({"rewards": {"other": [[0.0]]}}, "rewards.other has shape"),
        ({"rewards": [1]}, "rewards must be an object"),
    ],
)
def test_malformed_processes(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        read_process(written(tmp_path, {**PROCESS, **change}))


def test_a_process_needs_its_parts(tmp_path):
    with pytest.raises(InputError, match="has no R and no gamma"):
        read_process(written(tmp_path, {"P": PROCESS["P"]}))
    with pytest.raises(InputError, match="must be a JSON object"):
        read_process(written(tmp_path, [1]))
    (tmp_path / "text").write_text("{", "utf-8")
    with pytest.raises(InputError, match="not JSON"):
        read_process(str(tmp_path / "text"))
    with pytest.raises(InputError, match="no such file"):
        read_process(str(tmp_path / "none"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_process(str(tmp_path / "bytes"))


def test_scores_of_equal_answers_are_averaged(tmp_path):
    lines = [
        {"prompt": "p", "answer": "x", "scores": {"a": 1.0, "b": 2}},
        {"prompt": "p", "answer": " x", "scores": {"a": 2.0, "b": 2}},
        {"prompt": "p", "answer": "y", "scores": {"a": 0.0, "b": 3}},
        {"prompt": "q", "answer": "z", "a": 5, "b": True},
    ]
    found = read_scores(written(tmp_path, lines, lines=True))
    assert found.prompts == ("p", "q")
    assert found.answers[0].counts.tolist() == [2, 1]
    assert found.scores["a"][0].tolist() == [1.5, 0.0]
    assert found.scores["b"][1].tolist() == [1.0]
    assert found.spread["a"] == pytest.approx(np.std([1.5, 0.0, 5.0]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        ([{"prompt": "p", "answer": "x", "a": "high"}], "line 1, a: the score is 'high'"),
        ([{"prompt": "p", "answer": "x", "scores": {"a": None}}], "the score is None"),
        ([{"prompt": "p", "answer": "x", "scores": 3}], "must be an object of numbers"),
        ([{"prompt": "p", "answer": "x"}], "at least one"),
        ([{"prompt": "p", "a": 1.0}], "answer=None: must be a text"),
        (
            [{"prompt": "p", "answer": "x", "a": 1}, {"prompt": "p", "answer": "x", "b": 1}],
            r"line 2: has the scores",
        ),
    ],
)
def test_malformed_scores(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        read_scores(written(tmp_path, lines, lines=True))


def test_prompts(tmp_path):
    path = written(tmp_path, [{"prompt": "2+2?", "answer": "4"}], lines=True)
    assert read_prompts(path)[0].answer == "4"
    before = content_digest(path)
    written(tmp_path, [{"prompt": "2+2?", "answer": "5"}], lines=True)
    assert content_digest(path) != before
    with pytest.raises(InputError, match="is empty"):
        read_prompts(written(tmp_path, [], lines=True))


def test_tie_rates_of_single_rewards(tmp_path):
    lines = [
        {"step": step, "group": group, "reward": reward}
        for step, spread in ((1, 1.0), (2, 1e-3))
        for group, reward in (("a", 0.0), ("a", spread), ("b", 1.0), ("b", 1.0))
    ]
    found = read_tie_rates(written(tmp_path, lines, lines=True), 0.05)
    assert found.step.tolist() == [1.0, 2.0]
    assert found.rate.tolist() == [0.0, 0.5]
    assert found.source == "8 rewards"


def test_tie_rates_of_a_log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,tie_rate\n1,0.5\n2,\n3,0.25\n", "utf-8")
    found = read_tie_rates(str(path), 0.05)
    assert found.step.tolist() == [1.0, 3.0]
    assert found.rate.tolist() == [0.5, 0.25]
    path.write_text("step,tie_rate\n1,2\n2,3\n3,4\n", "utf-8")
    with pytest.raises(InputError, match=r"must be shares in \[0, 1\]"):
        read_tie_rates(str(path), 0.05)
    path.write_text("step,reward\n1,2\n", "utf-8")
    with pytest.raises(InputError, match="tie_rate"):
        read_tie_rates(str(path), 0.05)
    lines = [{"step": 1, "group": "a", "reward": "high"}]
    with pytest.raises(InputError, match="line 1, reward: the score is 'high'"):
        read_tie_rates(written(tmp_path, lines, lines=True), 0.05)
