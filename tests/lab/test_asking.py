from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

from doxa.errors import BudgetError, InputError
from doxa.lab.asking import expect_missing, expectation_text
from doxa.lab.run import plan, run_study
from doxa.lab.show import show_run
from doxa.lab.store import RunFolder
from doxa.subjects.addresses import rehearse
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Tool, user
from doxa.subjects.budget import Budget, BudgetedSubject, Ledger
from doxa.subjects.endpoint_exchange import Tally
from doxa.subjects.schemes import Address, Form, Scheme, subjects

INTERVIEW = str(Path(__file__).resolve().parents[1] / "studies_for_tests" / "interview.py")


class Teller:
    """A hosted subject that answers one by one and knows what it was asked; every third answer takes a retry."""

    form: Literal["micro", "published"] = "published"
    framing = "chat"
    context_tokens = None
    batch_independent = True
    capabilities = frozenset({Capability.REPLY, Capability.SCORE})
    asked: ClassVar[list[str]] = []

    def __init__(self, address: str) -> None:
        self.address = address
        self.identity = "teller"
        self.tally = Tally()

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        return [reply for batch in self.reply_batches(conversations, sampling=sampling) for _, reply in batch]

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        for index, talk in enumerate(conversations):
            self.asked.append(talk[-1].content)
            again = len(self.asked) % 3 == 0
            self.tally.requests += 1 + again
            self.tally.retries += again
            self.tally.faults["429"] += again
            self.tally.tokens_in += 7
            self.tally.tokens_out += 3
            yield [(index, Reply(f"said to {talk[-1].content}", tokens_in=7, tokens_out=3))]

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        self.asked.extend(query.conversation[-1].content for query in queries)
        self.tally.tokens_in += 7 * len(queries)
        return [np.array([-float(len(query.conversation[-1].content)), -1.0]) for query in queries]


@pytest.fixture
def teller(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Tellers(Scheme):
        hosted = True

        def open(self, address: Address) -> Teller:
            return Teller(address.text)

        def form(self, address: Address) -> Form:
            return "published"

    monkeypatch.setattr(Teller, "asked", [])
    subjects.add("teller", Tellers)
    yield "teller:one"
    del subjects._known["teller"]


def run(subject: str, out: Path, budget: Budget | None = None, **overrides: object):
    return run_study(INTERVIEW, overrides={"subject": subject, **overrides}, out=out, budget=budget)


def digest_of(folder: RunFolder) -> str:
    return folder.digest(folder.read_json("manifest.json")["cells"])


def test_what_asking_took_is_in_the_manifest_the_report_and_show_but_in_no_table(teller, tmp_path):
    result = run(teller, tmp_path)
    (spent,) = result.spending.values()
    assert (spent.asked, spent.hits, spent.requests, spent.retries) == (20, 0, 26, 6)
    assert (spent.tokens_in, spent.tokens_out, spent.faults) == (140, 60, {"429": 6})
    assert result.as_json()["asking"] == {teller: spent.as_json()}
    assert "429 \N{MULTIPLICATION SIGN} 6" in show_run(result.run, tmp_path).as_text()
    assert "fault: 429" in result.report.read_text("utf-8")
    again = run(teller, tmp_path / "elsewhere")
    assert digest_of(RunFolder(result.folder)) == digest_of(RunFolder(again.folder))


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("budget", [Budget(calls=7), Budget(calls=13), Budget(tokens=64)])
def test_a_spent_budget_stops_keeps_what_was_answered_and_goes_on(teller, tmp_path, scored, budget):
    stops: list[str] = []
    for _ in range(9):
        before = len(Teller.asked)
        try:
            result = run(teller, tmp_path, budget, scored=scored)
        except BudgetError as stop:
            stops.append(str(stop))
            if budget.calls is not None:
                assert len(Teller.asked) - before == budget.calls
        else:
            break
    else:
        pytest.fail("the budgets of nine invocations were not enough for twenty questions")
    assert all("the budget is spent" in stop and "to go on: " in stop for stop in stops)
    assert sorted(Teller.asked) == sorted(set(Teller.asked)), "a question was asked twice"
    assert len(Teller.asked) == 20
    whole = run(teller, tmp_path / "whole", scored=scored)
    assert digest_of(RunFolder(result.folder)) == digest_of(RunFolder(whole.folder))
    assert not list((result.folder / "locks").glob("budget-*"))


def test_a_budget_is_shared_by_all_processes_of_an_invocation(tmp_path):
    ledger, sister = (Ledger(tmp_path / "ledger.json", Budget(calls=10, tokens=100)) for _ in range(2))
    assert (ledger.reserve(6), sister.reserve(6), ledger.reserve(1)) == (6, 4, 0)
    other = Ledger(tmp_path / "other.json", Budget(tokens=100))
    assert other.reserve(5) == 5
    assert other.spend(60)
    assert not Ledger(tmp_path / "other.json", Budget(tokens=100)).spend(40)
    assert other.reserve(1) == 0
    assert other.spent() == (5, 100)


def test_a_subject_that_answers_as_a_whole_is_not_asked_a_part(tmp_path):
    class Whole(Teller):
        reply_batches = None
        batch_independent = False

        def reply(self, conversations, *, sampling, tools=()):
            return [Reply("ok", tokens_in=5)] * len(conversations)

    subject = BudgetedSubject(Whole("w"), Ledger(tmp_path / "ledger.json", Budget(calls=5)))
    talks = [(user("who?"),)] * 6
    with pytest.raises(BudgetError, match="the budget is spent: 0 calls"):
        subject.reply(talks, sampling=Sampling())
    assert BudgetedSubject(Whole("w"), Ledger(tmp_path / "l", Budget(calls=6))).reply(
        talks, sampling=Sampling()
    )


def test_expected_calls_are_counted_without_asking_and_those_in_the_cache_are_told(teller, tmp_path):
    todo = plan(INTERVIEW, overrides={"subject": teller})
    expected = expect_missing(todo, tmp_path)
    assert (expected.cells, expected.missing) == (2, 2)
    (asked,) = expected.subjects.values()
    assert (asked.calls, asked.cached, asked.reply_tokens) == (20, 0, 100)
    assert asked.prompt_tokens == sum(
        -(-len(f"{name} question {number}?") // 4) for name in ("first", "second") for number in range(10)
    )
    assert Teller.asked == []
    assert list(tmp_path.iterdir()) == []
    run(teller, tmp_path)
    (asked,) = expect_missing(
        plan(INTERVIEW, overrides={"subject": teller, "questions": 12}), tmp_path
    ).subjects.values()
    assert (asked.calls, asked.cached, asked.reply_tokens) == (24, 20, 20)
    assert expect_missing(todo, tmp_path).subjects == {}


def test_a_run_says_first_what_it_will_ask(teller, tmp_path, capsys):
    from doxa.lab.progress import LineMeter

    run_study(INTERVIEW, overrides={"subject": teller}, out=tmp_path, meter=LineMeter())
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{teller}: 20 questions, 0 of them answered in the cache; about ")
    assert first.endswith("at most 100 reply tokens")


@pytest.mark.parametrize(("calls", "tokens"), [(0, None), (None, -3)])
def test_a_budget_below_one_is_refused(calls, tokens):
    with pytest.raises(InputError, match="must be >= 1"):
        Budget.of(calls, tokens)


def test_the_manifest_keeps_what_a_failed_cell_took(teller, tmp_path, monkeypatch):
    monkeypatch.setattr("doxa.lab.record.Recorder.utterance", lambda *_a, **_k: 1 / 0)
    with pytest.raises(Exception, match="cells failed"):
        run(teller, tmp_path)
    (folder,) = tmp_path.glob("test-interview-*")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["asking"][teller]["asked"] == 20


def test_an_address_with_a_price_says_what_a_run_costs(tmp_path):
    address = "http://127.0.0.1:9/v1?price=3,15#m"
    todo = plan("debate-confidence", overrides={"subject": address, "conditions": "self_debate"})
    asked = expect_missing(todo, tmp_path).subjects[address]
    assert asked.dollars == pytest.approx((3 * asked.prompt_tokens + 15 * asked.reply_tokens) / 1e6)
    said = expectation_text(address, asked)
    assert said.endswith(f"at most ${asked.dollars:.2f}")
    assert "price" not in said


@pytest.mark.parametrize("price", ["3", "3,4,5", "a,b", "-1,2", "nan,1"])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(InputError, match="dollars per million tokens"):
        rehearse(f"http://127.0.0.1:9/v1?price={price}#m", lambda keys: set())
