"""The code of ``docs/guide/my-own-scenario.md`` is a scenario; here it runs by its command."""

from __future__ import annotations

import json
import re
from pathlib import Path

from doxa.testing import doxa_command, run_command

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "my-own-scenario.md"


def test_the_guides_scenario_runs_and_draws_its_figures(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "rumour.py").write_text(code, encoding="utf-8")
    few = ("--agents", "300", "--days", "12", "--seeds", "2", "--plot")
    ended = run_command(
        doxa_command(
            "simulate", str(tmp_path / "rumour.py"), *few, "--out", str(tmp_path / "runs"), "--json"
        ),
        timeout_s=300.0,
    )
    assert ended.status == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [one["id"] for one in found["findings"]] == ["averted"]
    drawn = sorted(path.name for path in Path(found["report"]).parent.glob("figures/*.svg"))
    assert drawn == ["map.svg", "shares-2.svg", "shares.svg"]
