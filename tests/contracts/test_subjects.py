"""Every planted subject and every scheme's subjects keep the subject contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxa.subjects.addresses import open_subject
from doxa.subjects.planted import planted_names
from doxa.subjects.schemes import subjects
from doxa.testing import check_subject
from tests.subjects import tiny_models

ELSEWHERE = {
    "organism": "opened as hf is; its weights are tested with the zoo, in tests/subjects/test_organisms.py",
    "http": "needs a server: tests/subjects/test_endpoint.py",
    "https": "opened as http is",
    "pool": "several servers of one model: tests/subjects/test_endpoints.py",
    "affect": "put around other subjects: tests/protocols/affect/test_scheme.py",
    "inspect": "needs a provider of Inspect: tests/interop/test_inspect_subject.py",
}


@pytest.mark.parametrize("name", planted_names())
def test_planted(name: str) -> None:
    check_subject(open_subject(f"planted:{name}"))


def test_weights(tmp_path: Path) -> None:
    check_subject(open_subject(f"hf:{tiny_models.save(tmp_path)}"))


def test_no_scheme_of_doxa_is_left_out() -> None:
    own = {name for name, scheme in subjects.items() if scheme.__module__.startswith("doxa.")}
    assert own == {"planted", "hf", *ELSEWHERE}
