"""What the tests of other hosts share: made-up questions for the data set, and subjects that answer by a rule."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from doxa.interop import questions
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling
from doxa.subjects.schemes import Scheme, subjects
from tests.interop.hosts import right_letter
from tests.protocols.kable_fakes import Scripted, made_items, write_files

THEIRS = (
    "ignore:The 'initial' parameter is deprecated:DeprecationWarning",
    "ignore:Exception ignored in.*MemoryObject:pytest.PytestUnraisableExceptionWarning",
    "ignore:Unclosed <MemoryObject:ResourceWarning",
)
"""Warnings of the hosts about what they themselves use."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in THEIRS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    """Collect what the hosts left open here, where their warnings are expected, and not in some later test."""
    yield
    gc.collect()


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Put made-up questions where the data set is looked for; return them."""
    items = made_items()
    folder = write_files(tmp_path / "kable", items)
    monkeypatch.setattr(questions, "locate", lambda slug: folder)
    return items


@pytest.fixture
def scripted_scheme() -> Iterator[list[Scripted]]:
    """Let ``scripted:`` addresses open subjects that answer by ``right_letter``; yield those that were opened."""
    opened: list[Scripted] = []

    class Letters(Scripted):
        capabilities = frozenset({Capability.REPLY, Capability.SCORE})
        framing = "verbatim"

        def __init__(self, address: str) -> None:
            super().__init__(right_letter)
            self.address = address
            self.samplings: list[Sampling] = []

        def reply(self, conversations, *, sampling, tools=()):
            self.samplings.append(sampling)
            self.calls.append(len(conversations))
            return [self._said(talk, sampling) for talk in conversations]

        def score(self, queries: list[Query]):
            assert all(query.options[0].startswith(" ") for query in queries if len(query.options) == 3)
            return super().score(queries)

        def _said(self, talk: Conversation, sampling: Sampling) -> Reply:
            if "break" in talk[-1].content:
                return Reply("", "fault", fault="the line broke")
            letter = right_letter(talk[-1].content)
            return Reply(f"draw {sampling.sample}. So, the answer is ({letter}).", tokens_in=7, tokens_out=3)

    class ScriptedScheme(Scheme):
        def open(self, address):
            opened.append(Letters(address.text))
            return opened[-1]

    subjects.add("scripted", ScriptedScheme)
    yield opened
    subjects._known.pop("scripted")
