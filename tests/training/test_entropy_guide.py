"""The code and the commands of ``docs/guide/why-did-my-entropy-collapse.md`` run, in its order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from doxa.testing import doxa_command, run_command

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "why-did-my-entropy-collapse.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(python)?\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
IDS = re.findall(r"^\| `([a-z-]+)`(?:, `([a-z-]+)`)? \|", PAGE, re.MULTILINE)


@pytest.mark.slow
def test_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    found: list[dict[str, Any]] = []
    for kind, code in BLOCKS:
        if kind == "python":
            exec(compile(code, "why-did-my-entropy-collapse.md", "exec"), names)
        else:
            command = code.strip().removeprefix("doxa ").split()
            ended = run_command(doxa_command(*command, "--out", "runs", "--json"), timeout_s=120.0)
            assert ended.status == 0, ended.stderr
            found.append(json.loads(ended.stdout))
    of_log, of_dump = ({one["id"]: one for one in run["findings"]} for run in found)
    assert set(of_log) == {name for row in IDS for name in row if name}
    assert "entropy: entropy (guessed" in of_log["law"]["note"]
    assert "score: eval/accuracy (guessed: held out)" in of_log["law"]["note"]
    assert of_log["law-chance"]["verdict"] == "holds"
    assert of_log["no-collapse"]["estimate"] > 0.2
    assert of_dump["covariance-dealt"]["verdict"] == "holds"
    assert "<end>" in of_dump["top-tokens"]["note"]
    assert capsys.readouterr().out  # a monitor in the loop warned of something
