"""What comparisons rely on: each side's process finds its own modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import compare

SCRIPT = """
import doxa
from kit.side import serve

serve(lambda case: lambda: doxa.__file__)
"""


def test_doxa_s_side_runs_the_package_beside_the_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "doxa" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.touch()
    (script := tmp_path / "side.py").write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(compare, "SOURCE", tmp_path / "src")
    case = compare.Case("any", {}, 1.0, "runs", lambda ours, theirs: ours == theirs)
    with compare.Process(compare.Side("doxa", str(script)), threads=1) as process:
        process.prepare(case)
        assert process.run()["answer"] == str(package)


def test_a_peer_s_side_finds_no_doxa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare.Side("mesa", "side.py", "mesa").path == str(compare.BENCH)
    monkeypatch.setattr(compare, "SOURCE", tmp_path / "none")
    assert compare.Side("doxa", "side.py").path == str(compare.BENCH)
