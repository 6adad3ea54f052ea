from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from doxa.errors import CapabilityError, InputError
from doxa.lab.measured import rows_of
from doxa.lab.parts import keep_none
from doxa.lab.record import Recorder, Tables
from doxa.subjects.base import Capability, Reply, Sampling
from doxa.training.reward_policy.audit import distinct
from doxa.training.reward_policy.audit_pictures import audit_figures
from doxa.training.reward_policy.audit_report import audit_findings
from doxa.training.reward_policy.audit_study import base_of, record_audit, record_tie_rates
from doxa.training.reward_policy.files import ProcessFile, Scored, TieLog
from doxa.training.reward_policy.process_study import ends, record_process
from doxa.training.reward_policy.sampled import AuditPlan, digits_of, sample_and_score, sum_rule, text_rule
from doxa.worlds.decision_examples import self_loop_bandit, two_routes
from doxa.worlds.decision_process import TieWarning


def scores(ties, prompts=40):
    """Return scores of four answers to each prompt: a clear best one, or ties throughout."""
    rng = np.random.default_rng(0)
    clear = tuple(np.array([3.0, 1.0, 0.0, -1.0]) for _ in range(prompts))
    level = tuple(np.array([1.0, 1.0, 0.0, 0.0]) for _ in range(prompts))
    base = level if ties else clear
    other = tuple(row + 0.2 * rng.standard_normal(4) for row in base)
    answers = tuple(distinct(list("abcd")) for _ in range(prompts))
    return Scored(tuple(f"p{k}" for k in range(prompts)), answers, {"base": base, "other": other})


def judged(ties):
    recorder = Recorder("scores", 0)
    record_audit(recorder, scores(ties), base="", noise=(0.01,), alpha=0.1, tol=1e-9, seed=0)
    tables = recorder.tables()
    return tables, {one.id: one for one in audit_findings(tables, "scores")}


def test_ties_are_decided_by_anything():
    _, found = judged(ties=True)
    assert {one.verdict for one in found.values()} == {"holds"}
    assert set(found) == {
        "tie-rate", "top-noise-0-01", "top-other", "weights-other", "constant", "margin", "soft-bound",
    }  # fmt: skip
    assert {name for name, one in found.items() if one.control} == {"constant", "margin", "soft-bound"}


def test_a_clear_reward_is_not():
    tables, found = judged(ties=False)
    for name in ("tie-rate", "top-noise-0-01"):
        assert found[name].estimate == 0.0
    assert found["tie-rate"].verdict == "fails"
    for name in ("constant", "margin", "soft-bound"):
        assert found[name].verdict == "holds"
    assert found["margin"].n == 80
    for figure in audit_figures(tables):
        json.dumps(figure.spec, allow_nan=False)


def test_the_base_is_known():
    assert base_of(scores(True), "") == "base"
    with pytest.raises(InputError, match="did you mean 'other'"):
        base_of(scores(True), "othr")


def process(R):
    grid = two_routes(3)
    states = (*(str(cell) for cell in grid.cells), "end")
    start = np.eye(len(states))[grid.start]
    mdp = replace(grid.mdp, R=grid.mdp.R if R is None else R)
    return ProcessFile(
        mdp, states, ("up", "right", "down", "left"), start, {"toll": grid.mdp.R + 0.01 * grid.toll}
    )


def judged_process(R=None):
    recorder = Recorder("mdp", 0)
    record_process(recorder, process(R), 0.1, 1e-9, 0)
    tables = recorder.tables()
    return tables, {one.id: one for one in audit_findings(tables, "mdp")}


def test_a_process_with_ties():
    tables, found = judged_process()
    assert found["ties"].verdict == "holds"
    assert found["ties"].estimate == 1.0
    assert "(0, 0): right, down" in found["ties"].note
    assert found["radius"].verdict == "fails"
    assert found["flip"].estimate == pytest.approx(0.5)
    assert found["reward-toll"].verdict == "holds"
    for name in ("inside-radius", "shaping", "constant", "soft-bound"):
        assert found[name].control
        assert found[name].verdict == "holds"
    for figure in audit_figures(tables):
        json.dumps(figure.spec, allow_nan=False)


def test_a_process_without_ties():
    grid = two_routes(3)
    rng = np.random.default_rng(0)
    _, found = judged_process(grid.mdp.R + 0.01 * rng.standard_normal(grid.mdp.R.shape))
    assert found["ties"].verdict == "fails"
    assert found["radius"].verdict == "holds"
    assert found["flip"].verdict == "unresolved"


def test_ends_are_no_decisions_and_bandits_are():
    grid = two_routes(3)
    assert np.flatnonzero(ends(grid.mdp)).tolist() == [len(grid.cells)]
    assert not ends(self_loop_bandit(np.array([1.0, 1.0]))).any()
    assert ends(self_loop_bandit(np.array([0.0, 0.0]))).all()


def test_one_action_leaves_nothing_to_decide():
    held = ProcessFile(self_loop_bandit(np.array([1.0]), 0.5), ("s",), ("a",), np.ones(1), {})
    recorder = Recorder("mdp", 0)
    record_process(recorder, held, 0.1, 1e-9, 0)
    found = {one.id: one for one in audit_findings(recorder.tables(), "mdp")}
    assert found["ties"].verdict == "fails"
    assert found["radius"].note.endswith("no state has a choice")


def test_too_large_a_tolerance_is_warned_of_once():
    held = ProcessFile(self_loop_bandit(np.array([1.0, 0.9])), ("s",), ("a", "b"), np.ones(1), {})
    recorder = Recorder("mdp", 0)
    with pytest.warns(TieWarning) as told:
        record_process(recorder, held, 0.1, 0.5, 0)
    assert len(told) == 1


@pytest.mark.parametrize(("rate", "verdict"), [(0.4, "holds"), (0.1, "fails")])
def test_amplified_groups_are_warned_of(rate, verdict):
    recorder = Recorder("log", 0)
    record_tie_rates(recorder, TieLog(np.arange(9.0), np.full(9, rate), "column tie_rate"))
    (found,) = audit_findings(recorder.tables(), "log")
    assert found.verdict == verdict
    assert [figure.id for figure in audit_figures(recorder.tables())] == ["tie-rate"]


@dataclass(frozen=True)
class Adder:
    """Answers sum tasks in as many ways as it is asked; every fourth answer is wrong, and every fifth does not come."""

    address: str = "scripted:adder"
    identity: str = "adder"
    capabilities: frozenset = frozenset({Capability.REPLY})
    form: str = "published"
    context_tokens: int | None = None

    def reply(self, conversations, *, sampling, tools=()):
        sample = int(sampling.branch.removeprefix("replicate ") or 0)
        return [self.said(conversation[-1].content, sample) for conversation in conversations]

    def score(self, queries):
        raise CapabilityError("it only replies")

    def said(self, asked, sample):
        if sample % 5 == 4:
            return Reply("", "fault", fault="busy")
        left = int(asked.split("add up to ")[1].split(",")[0]) + (sample % 4 == 3)
        digits = []
        while left:
            digits.append(min(left, 9 - sample % 3))
            left -= digits[-1]
        return Reply(" ".join(map(str, digits)))


def sampled(tasks=6, samples=8):
    recorder = Recorder("subject", 0)
    plan = AuditPlan("shipped", tasks, samples, 0.01, 5, Sampling(1.0, 64, seed=0))
    found = sample_and_score(recorder, Adder(), plan, 0, keep_none, lambda share, note: None)
    return recorder, found


def test_a_subject_is_sampled_and_scored():
    recorder, found = sampled()
    assert len(found.prompts) == 6
    assert set(found.scores) == {
        "correct", "correct, short better", "correct, short worse", "correct, length wished",
    }  # fmt: skip
    for prompt, answers, right in zip(found.prompts, found.answers, found.scores["correct"], strict=True):
        target = int(prompt.split("add up to ")[1].split(",")[0])
        assert [float(sum(digits_of(one)) == target) for one in answers.answers] == right.tolist()
    record_audit(recorder, found, base="", noise=(0.1,), alpha=0.1, tol=1e-9, seed=0)
    tables = recorder.tables()
    told = {one.id: one for one in audit_findings(tables, "subject")}
    assert told["answered"].n == 48
    assert told["answered"].estimate == pytest.approx(42 / 48)
    assert told["constant"].verdict == "holds"
    assert rows_of(tables, "right")["value"][0] > 0.5
    assert tables.transcripts.height == 48


def test_nothing_answered_is_unresolved():
    recorder = Recorder("subject", 0)
    recorder.measure("answered", 0.0, subject="s", asked=4)
    told = {one.id: one for one in audit_findings(recorder.tables(), "subject")}
    assert told["answered"].verdict == "fails"
    assert told["tie-rate"].verdict == "unresolved"
    assert audit_findings(Tables.empty(), "log")[0].verdict == "unresolved"


def test_rules():
    assert digits_of("9, 8") == [9, 8]
    assert digits_of("The digits are 9 and 8") == []
    assert sum_rule(17).correct("9 8")
    assert not sum_rule(17).correct("17")
    rule = text_rule("Paris")
    assert rule.correct("Let me think.\nParis.")
    assert not rule.correct("Not Paris\nLyon")
    assert rule.length("one two  three") == 3


def test_prompts_of_a_user(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "Capital of France?", "answer": "Paris"}\n', "utf-8")
    plan = AuditPlan(str(path), 5, 2, 0.01, 5, Sampling())
    ((prompt, rule),) = plan.drawn(0)
    assert prompt == "Capital of France?"
    assert plan.rewards(rule)["correct, short worse"]("", "Paris") == 0.99
