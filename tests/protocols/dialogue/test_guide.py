"""The code of ``docs/guide/my-own-protocol.md`` is a study; here it runs by its command."""

from __future__ import annotations

import json
import re
from pathlib import Path

from doxa.testing import doxa_command, run_command

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "my-own-protocol.md"


def test_the_guides_protocol_runs_and_its_control_stays(tmp_path: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(code) == 1
    (tmp_path / "my_protocol.py").write_text(code[0], encoding="utf-8")
    ended = run_command(
        doxa_command("run", str(tmp_path / "my_protocol.py"), "--out", str(tmp_path / "runs"), "--json"),
        timeout_s=300.0,
    )
    assert ended.status == 0, ended.stderr
    found = {one["id"]: one for one in json.loads(ended.stdout)["findings"]}
    assert {name: one["verdict"] for name, one in found.items()} == {
        "moved-hears": "holds",
        "moved-alone": "holds",
    }
    assert found["moved-alone"]["control"]
    assert found["moved-alone"]["estimate"] == 0.0
