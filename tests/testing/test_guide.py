"""The code of ``docs/guide/testing-your-own.md`` is a file of tests; here it runs."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doxa.testing import FAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "testing-your-own.md").read_text("utf-8")
CODE = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.S))
NAMES = re.findall(r"^def (test_\w+)", CODE, re.M)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page defines."""
    defined: dict[str, Any] = {}
    exec(compile(CODE, "testing-your-own.md", "exec"), defined)
    return defined


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_page_runs(
    name: str, page: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "tests" / "studies_for_tests" / "coins.py", tmp_path / "my_study.py")
    monkeypatch.chdir(tmp_path)
    test: Callable[..., None] = page[name]
    test(*([tmp_path] if inspect.signature(test).parameters else []))


def test_the_page_lists_every_fault_as_it_is() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", PAGE, re.M))
    assert set(rows) == set(FAULTS)
    for name, fault in FAULTS.items():
        assert rows[name].startswith(fault.meaning)
        assert rows[name].endswith(f"`{fault.seen_as}`") == bool(fault.seen_as)
