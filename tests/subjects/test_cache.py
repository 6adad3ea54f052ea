from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doxa.canonical import canonical_json, digest
from doxa.errors import StoreError
from doxa.secret import Secret
from doxa.subjects.base import (
    Capability,
    Conversation,
    Message,
    Query,
    Reply,
    Sampling,
    Subject,
    Tool,
    ToolCall,
    user,
)
from doxa.subjects.cache import CachedSubject, Journal, explain
from doxa.subjects.cache_entries import parsed
from doxa.subjects.cache_journal import Answer
from doxa.subjects.cache_values import (
    as_batch,
    key_of,
    reply_request,
    reply_texts,
    request_key,
    score_request,
    score_texts,
)


class Counting:
    """Answers with a count, so that a served answer can be told from a new one."""

    address = "test:counting"
    capabilities = frozenset(Capability)
    form: Literal["micro", "published"] = "micro"
    context_tokens = None

    def __init__(
        self, identity: str = "one", *, faults: Sequence[str] = (), batch_independent: bool = True
    ) -> None:
        self.identity = identity
        self.faults = set(faults)
        self.batch_independent = batch_independent
        self.asked: list[str] = []

    def reply(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> list[Reply]:
        return [self._answer(conversation) for conversation in conversations]

    def _answer(self, conversation: Conversation) -> Reply:
        text = conversation[-1].content
        self.asked.append(text)
        if text in self.faults:
            return Reply("", "fault", fault="429 for ever")
        call = ToolCall("vote", {"n": len(self.asked)}, "c")
        return Reply(f"{text} {len(self.asked)}", "tool_call", 3, 4, (call,))

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        self.asked += [query.conversation[-1].content for query in queries]
        return [np.array([-1.5, -math.inf, math.nan])[: len(query.options)] for query in queries]


class Trickling(Counting):
    """Yields one reply at a time, the last question first."""

    def reply_batches(
        self, conversations: Sequence[Conversation], *, sampling: Sampling, tools: Sequence[Tool] = ()
    ) -> Iterator[list[tuple[int, Reply]]]:
        for i in reversed(range(len(conversations))):
            if conversations[i][-1].content == "power cut":
                raise KeyboardInterrupt
            yield [(i, self._answer(conversations[i]))]


def talks(*texts: str) -> list[Conversation]:
    return [(user(text),) for text in texts]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "replies" / "cache.sqlite") as opened:
        yield opened


def test_only_misses_are_asked_in_their_order_and_answers_survive_reopening(journal: Journal):
    subject = Counting()
    cached = CachedSubject(subject, journal)
    assert isinstance(cached, Subject)
    first = cached.reply(talks("b", "a"), sampling=Sampling())
    journal.close()
    again = CachedSubject(subject, Journal(journal.path))
    second = again.reply(talks("d", "a", "c", "b", "c"), sampling=Sampling())
    again.journal.close()
    assert subject.asked == ["b", "a", "d", "c"]
    assert [second[3], second[1]] == first
    assert [reply.cached for reply in second] == [False, True, False, True, False]
    assert second[2] == second[4]
    assert (again.hits, again.misses) == (3, 2)


def test_scores_keep_every_bit_and_every_special_value(journal: Journal):
    subject = Counting()
    cached = CachedSubject(subject, journal)
    queries = [Query(talk, ("a", "b", "c")) for talk in talks("x", "y")]
    fresh = cached.score(queries)
    served = cached.score([*queries, Query(talks("z")[0], ("a",))])
    assert subject.asked == ["x", "y", "z"]
    for left, right in zip(fresh, served, strict=False):
        assert left.tobytes() == right.tobytes() == np.array([-1.5, -math.inf, math.nan]).tobytes()


def test_faults_are_logged_and_asked_again(journal: Journal):
    subject = Counting(faults=["b"])
    cached = CachedSubject(subject, journal, run="r")
    replies = cached.reply(talks("a", "b"), sampling=Sampling())
    assert replies[1].finish == "fault"
    assert cached.faults == 1
    cached.reply(talks("a", "b"), sampling=Sampling())
    assert subject.asked == ["a", "b", "b"]
    assert [call.outcome for call in journal.calls("r")] == ["stored", "not stored", "hit", "not stored"]
    assert "not stored: no answer came: 429 for ever" in explain(journal, 2)
    assert explain(journal, 3).startswith("call 3 was a hit: every field equals call 1")


def test_subjects_never_share_answers(journal: Journal):
    one, two = Counting("one"), Counting("two")
    CachedSubject(one, journal).reply(talks("a"), sampling=Sampling())
    CachedSubject(two, journal).reply(talks("a"), sampling=Sampling())
    assert two.asked == ["a"]
    assert "differs in identity: 'two' here, 'one' there" in explain(journal, 2)


def test_a_batch_that_changes_the_last_bits_is_part_of_the_key(journal: Journal):
    subject = Counting(batch_independent=False)
    cached = CachedSubject(subject, journal)
    queries = [Query(talk, ("a",)) for talk in talks("x", "y")]
    cached.score(queries)
    cached.score(queries)
    cached.score(queries[:1])
    assert subject.asked == ["x", "y", "x"]
    assert "differs in batch" in explain(journal, 5)
    with sqlite3.connect(journal.path) as file:
        file.execute("UPDATE answers SET value = '[]' WHERE call = 1")
    file.close()
    cached.score(queries)
    assert subject.asked == ["x", "y", "x", "x", "y"], "a partly damaged batch is asked as a whole"


def test_every_reply_is_kept_before_the_next_one_comes(journal: Journal):
    cached = CachedSubject(Trickling(), journal)
    with pytest.raises(KeyboardInterrupt):
        cached.reply(talks("a", "power cut", "b", "c"), sampling=Sampling())
    outcomes = [(call.request["messages"][0]["content"], call.outcome) for call in journal.calls()]  # type: ignore[index]
    assert outcomes == [("a", "asked"), ("power cut", "asked"), ("b", "stored"), ("c", "stored")]
    assert "its answer never came" in explain(journal, 1)
    after = Counting()
    CachedSubject(after, journal).reply(talks("a", "b", "c"), sampling=Sampling())
    assert after.asked == ["a"]


REQUEST = st.fixed_dictionaries(
    {
        "identity": st.sampled_from(["w1", "w2", "W1"]),
        "text": st.text(max_size=3),
        "role": st.sampled_from(["user", "system", "assistant"]),
        "temperature": st.sampled_from([0, 0.0, -0.0, 0.5, 1, 1.0]),
        "top_p": st.sampled_from([1, 1.0, 0.9]),
        "max_tokens": st.integers(1, 3),
        "seed": st.integers(0, 2),
        "sample": st.integers(0, 2),
        "branch": st.sampled_from(["", "a", "1"]),
        "stop": st.lists(st.sampled_from(["a", "b", "ab"]), max_size=2).map(tuple),
        "tool": st.sampled_from(["", "vote"]),
        "elicitor": st.sampled_from(["", "likert-1", "likert-2"]),
    }
)


def built(x: dict[str, Any]) -> dict[str, Any]:
    drawn = {
        name: x[name] for name in ("temperature", "top_p", "max_tokens", "seed", "sample", "branch", "stop")
    }
    tools = [Tool(x["tool"], "", {"b": 1, "a": 2})] if x["tool"] else []
    talk = (Message(x["role"], x["text"]), user("?"))
    return reply_request(x["identity"], talk, Sampling(**drawn), tools=tools, elicitor=x["elicitor"])


@settings(max_examples=300, deadline=None)
@given(REQUEST, REQUEST)
def test_keys_are_equal_exactly_when_everything_is(left: dict[str, Any], right: dict[str, Any]):
    assert (request_key(built(left)) == request_key(built(right))) == (left == right)
    for name, value in left.items():  # one field from the other request, the rest from this one
        mixed = {**left, name: right[name]}
        assert (request_key(built(left)) == request_key(built(mixed))) == (value == right[name])


TEXT = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(['"messages":[]', '\\"', "\x7f"])
CALLS = st.lists(st.tuples(TEXT, st.dictionaries(TEXT, st.floats(0, 1), max_size=2), TEXT), max_size=1)
MESSAGES = st.tuples(st.sampled_from(["user", "tool"]), TEXT, CALLS, TEXT)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(MESSAGES, max_size=3), min_size=1, max_size=3), st.lists(TEXT, min_size=3, max_size=3)
)
def test_requests_written_together_are_those_written_alone(said: list[Any], texts: list[str]):
    # plain values are drawn and made into messages here: type checkers draw at random inside
    conversations = [
        tuple(
            Message(role, text, tuple(ToolCall(*call) for call in calls), to)
            for role, text, calls, to in talk
        )
        for talk in said
    ]
    identity, elicitor, opening = texts
    sampling, tools = (
        Sampling(branch=opening, stop=tuple(texts)),
        [Tool(identity, opening, {"type": elicitor})],
    )
    replies = reply_texts(identity, conversations, sampling, tools=tools, elicitor=elicitor)
    requests = [
        reply_request(identity, talk, sampling, tools=tools, elicitor=elicitor) for talk in conversations
    ]
    assert replies == [canonical_json(request) for request in requests]
    queries = [Query(talk, tuple(texts), opening) for talk in conversations]
    scores = [score_request(identity, query, elicitor=elicitor) for query in queries]
    assert score_texts(identity, queries, elicitor=elicitor) == [canonical_json(one) for one in scores]
    batch = [request_key({**request, "batch": digest(requests)}) for request in requests]
    assert [key_of(text) for text in as_batch(replies)] == batch


@settings(max_examples=200, deadline=None)
@given(st.floats(), st.integers(), st.text(st.characters(codec=None)))
def test_values_are_read_to_the_last_bit(number: float, count: int, text: str):
    value = [repr(number) if not math.isfinite(number) else number, count, text, {text: [None, True]}]
    written = json.dumps(value, allow_nan=False)
    assert parsed(written) == json.loads(written)
    assert repr(parsed(written)) == repr(json.loads(written))


def test_a_key_by_hand_and_in_another_process():
    query = Query((user("is it true?"),), ("yes", "no"), "So")
    request = score_request("w1", query)
    assert request == {
        "schema": 1,
        "kind": "score",
        "identity": "w1",
        "messages": [{"role": "user", "content": "is it true?"}],
        "elicitor": "",
        "opening": "So",
        "options": ["yes", "no"],
    }
    shuffled = dict(reversed(list(request.items())))
    assert request_key(shuffled) == request_key(request) == digest(request)
    others = [
        query._replace(opening=""),
        query._replace(options=("no", "yes")),
        query._replace(options=("yes",)),
    ]
    keys = {request_key(score_request("w1", other)) for other in others} | {request_key(request)}
    keys.add(request_key(reply_request("w1", query.conversation, Sampling())))
    assert len(keys) == 5
    script = (
        "from doxa.subjects.base import *; from doxa.subjects.cache_values import *;"
        "print(request_key(score_request('w1', Query((user('is it true?'),), ('yes', 'no'), 'So'))))"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        printed = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=True
        )
        assert printed.stdout.decode().strip() == request_key(request)


class Bomb:
    def __reduce__(self) -> Any:
        return os._exit, (3,)


def poisons() -> list[tuple[str, str, tuple[Any, ...]]]:
    bomb = pickle.dumps(Bomb())
    good = '{"finish":"stop","text":"evil","tokens_in":0,"tokens_out":0,"tool_calls":[]}'
    return [
        ("torn", "UPDATE answers SET value = substr(value, 1, length(value) / 2)", ()),
        ("empty", "UPDATE answers SET value = ''", ()),
        ("edited", "UPDATE answers SET value = ?", (good,)),
        ("wrong checksum", "UPDATE answers SET checksum = ?", ("0" * 64,)),
        ("older schema", "UPDATE answers SET schema = 0", ()),
        ("foreign schema", "UPDATE answers SET schema = 'one'", ()),
        ("pickle", "UPDATE answers SET value = ?", (bomb,)),
        ("pickle twice", "UPDATE answers SET value = ?, checksum = ?", (bomb, bomb)),
        ("deep", "UPDATE answers SET value = ?", ("[" * 100_000,)),
        ("code", "UPDATE answers SET value = ?", ("__import__('os')._exit(3)",)),
    ]


@pytest.mark.parametrize(("name", "statement", "values"), poisons(), ids=[name for name, _, _ in poisons()])
def test_a_poisoned_entry_is_asked_again_and_named(
    journal: Journal, name: str, statement: str, values: tuple[Any, ...]
):
    subject = Counting()
    cached = CachedSubject(subject, journal)
    cached.reply(talks("a"), sampling=Sampling())
    journal.close()
    file = sqlite3.connect(journal.path)
    file.execute(statement, values)
    file.commit()
    file.close()
    (reply,) = cached.reply(talks("a"), sampling=Sampling())
    assert reply.text == "a 2"
    assert not reply.cached
    assert "the stored answer" in explain(journal, 2)
    (healed,) = cached.reply(talks("a"), sampling=Sampling())
    assert healed.cached
    assert healed.text == "a 2"


def test_an_answer_moved_under_another_key_is_not_served(journal: Journal):
    subject = Counting()
    cached = CachedSubject(subject, journal)
    cached.reply(talks("a", "b"), sampling=Sampling())
    file = sqlite3.connect(journal.path)
    (value, checksum) = file.execute("SELECT value, checksum FROM answers WHERE call = 1").fetchone()
    file.execute("UPDATE answers SET value = ?, checksum = ? WHERE call = 2", (value, checksum))
    file.commit()
    file.close()
    assert [reply.text for reply in cached.reply(talks("a", "b"), sampling=Sampling())] == ["a 1", "b 3"]


SHAPES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "finish", "tokens_in", "tokens_out", "tool_calls", "log_probs", "name", "arguments"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SHAPES)
def test_values_of_any_shape_are_read_or_refused(value: Any):
    from doxa.subjects.cache_values import read_reply, read_scores

    reply, scores = read_reply(value), read_scores(value)
    assert reply is None or isinstance(reply.text, str)
    assert scores is None or all(isinstance(x, float) for x in scores)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 1}, "sampling.seed: 1 here, 0 there"),
        ({"temperature": 0.5}, "sampling.temperature: 0.5 here, 0.0 there"),
        ({"sample": 2}, "sampling.sample: 2 here, 0 there"),
        ({"branch": "b"}, "sampling.branch: 'b' here, '' there"),
        ({"stop": ("x",)}, "sampling.stop.length: 1 here, 0 there, and in 1 more"),
    ],
)
def test_a_miss_names_the_first_differing_field(journal: Journal, change: dict[str, Any], field: str):
    cached = CachedSubject(Counting(), journal)
    cached.reply(talks("é far away", "near"), sampling=Sampling())
    cached.reply(talks("near"), sampling=dataclasses.replace(Sampling(), **change))
    assert f"the nearest stored request (call 2) differs in {field}" in explain(journal, 3)


def test_a_miss_names_a_message_and_an_elicitor(journal: Journal):
    cached = CachedSubject(Counting(), journal)
    assert cached.reply(talks("a b c"), sampling=Sampling())
    assert "nothing was stored before it" in explain(journal, 1)
    cached.reply(talks("a b d"), sampling=Sampling())
    assert "differs in messages[0].content: 'a b d' here, 'a b c' there" in explain(journal, 2)
    CachedSubject(Counting(), journal, elicitor="likert-2").reply(talks("a b c"), sampling=Sampling())
    assert "(call 1) differs in elicitor: 'likert-2' here, '' there" in explain(journal, 3)
    with pytest.raises(StoreError, match="no call 99"):
        explain(journal, 99)


def test_secrets_and_odd_texts_reach_the_file_harmlessly(journal: Journal):
    canary = Secret("sk-cache-canary-1")
    cached = CachedSubject(Counting(faults=[f"x {canary.reveal()}"]), journal, run=canary.reveal())
    odd = "\ud800 \x00 ' \" 漢字"
    texts = [f"my key is {canary.reveal()}", f"x {canary.reveal()}", odd]
    first = cached.reply(talks(*texts), sampling=Sampling())
    second = cached.reply(talks(*texts), sampling=Sampling())
    assert second[2].text == first[2].text == f"{odd} 3"
    assert second[0] == first[0]
    explain(journal, 1)
    journal.close()
    for file in journal.path.parent.iterdir():
        assert b"cache-canary" not in file.read_bytes()


def test_other_files_are_not_touched(tmp_path: Path):
    other = tmp_path / "other.sqlite"
    file = sqlite3.connect(other)
    file.execute("CREATE TABLE answers (key TEXT, value TEXT)")
    file.commit()
    file.close()
    with pytest.raises(StoreError, match="not a journal of doxa"):
        Journal(other)
    text = tmp_path / "notes.txt"
    text.write_text("no database " * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Journal(text)
    assert text.read_text() == "no database " * 100


@pytest.mark.parametrize("layout", [1, 99])
def test_a_journal_of_another_layout_is_refused_by_name_and_not_touched(tmp_path: Path, layout: int):
    path = tmp_path / "old.sqlite"
    with Journal(path):
        pass
    file = sqlite3.connect(path)
    file.execute("CREATE INDEX calls_run ON calls (run)")  # as files of layout 1 have it
    file.execute(f"PRAGMA user_version = {layout}")
    file.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"layout {layout}, this version reads 2; move the file away"):
        Journal(path)
    assert path.read_bytes() == before


def write_many(path: str, first: int) -> None:
    with Journal(path) as journal:
        cached = CachedSubject(Counting(), journal, run=str(first))
        for k in range(40):
            cached.reply(talks(f"shared {k}", f"own {first} {k}"), sampling=Sampling())


def test_two_processes_write_one_journal(journal: Journal):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(str(journal.path), k)) for k in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    calls = journal.calls()
    assert len(calls) == 2 * 80
    shared = [call for call in calls if str(call.request["messages"][0]["content"]).startswith("shared")]  # type: ignore[index]
    assert len({call.key for call in shared}) == 40
    fresh = Counting()
    CachedSubject(fresh, journal).reply(talks(*(f"shared {k}" for k in range(40))), sampling=Sampling())
    assert fresh.asked == []


def test_the_second_writer_of_a_key_is_given_the_answer_of_the_first(journal: Journal):
    text = canonical_json({"question": "é"})
    key = key_of(text)
    (first,), (second,) = (journal.begin(run, [(key, text, "asked", "")]) for run in ("a", "b"))
    assert journal.settle([Answer(key, {"said": "one"}, first)]) == [{"said": "one"}]
    assert journal.settle([Answer(key, {"said": "two"}, second)]) == [{"said": "one"}]
    assert journal.first_answer(key) == first
    assert journal.call(second).request == {"question": "é"}


def test_more_questions_than_one_statement_takes(journal: Journal):
    cached = CachedSubject(Counting(), journal, run="r")
    texts = [f"question {number}" for number in range(1003)]
    first = cached.reply(talks(*texts), sampling=Sampling())
    again = cached.reply(talks(*reversed(texts)), sampling=Sampling())
    assert [reply.text for reply in first] == [f"{text} {i}" for i, text in enumerate(texts, 1)]
    assert again == first[::-1]
    calls = journal.calls("r")
    assert [call.id for call in calls] == list(range(1, 2 * 1003 + 1))
    assert [call.request["messages"][0]["content"] for call in calls] == texts + texts[::-1]  # type: ignore[index]
    assert [call.outcome for call in calls] == ["stored"] * 1003 + ["hit"] * 1003


def test_what_was_returned_survives_sigkill(journal: Journal):
    script = (
        "import sys; sys.path.insert(0, sys.argv[2]); from test_cache import *\n"
        "cached = CachedSubject(Counting(), Journal(sys.argv[1]))\n"
        "for k in range(10**9):\n"
        "    cached.reply(talks(str(k)), sampling=Sampling()); print(k, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(journal.path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        done = [writer.stdout.readline() for _ in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
        done += writer.stdout.readlines()
    last = max(int(line) for line in done if line.strip())
    fresh = Counting()
    CachedSubject(fresh, journal).reply(talks(*map(str, range(last + 1))), sampling=Sampling())
    assert last >= 24
    assert fresh.asked == []


def test_a_child_that_came_through_a_fork_uses_its_own_connection(journal: Journal):
    CachedSubject(Counting(), journal).reply(talks("a"), sampling=Sampling())
    parent = journal._connection()
    journal._owner -= 1  # as it looks in a child
    assert journal._connection() is not parent
    parent.close()
