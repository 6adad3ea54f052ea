"""The code of ``docs/guide/a-mood-with-memory.md`` runs, in its order, and prints what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from doxa.subjects.addresses import form

PAGE = (Path(__file__).parents[3] / "docs" / "guide" / "a-mood-with-memory.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    assert len(BLOCKS) == 6
    for code, printed in BLOCKS:
        exec(compile(code, "a-mood-with-memory.md", "exec"), names)
        assert capsys.readouterr().out == printed


def test_the_page_s_commands_and_addresses_mean_something() -> None:
    commands = re.findall(r"^doxa (?:audit|run) .*$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command in map(shlex.split, commands):
        affect = command[command.index("--affect") + 1]
        subject = command[command.index("--subject") + 1] if "--subject" in command else command[2]
        form(f"affect:{affect}#{subject}")
