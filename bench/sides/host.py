"""doxa's side: ``run_study`` on a study of a user's own, from planning to the report on disk."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

from kit.side import Work, serve
from sides.host_samples import digest, show_on_terminal

from doxa.lab.progress import default_meter
from doxa.lab.run import run_study

STUDY = str(Path(__file__).with_name("host_study.py"))


def prepare(case: dict[str, Any]) -> Work:
    live = case["display"] != "none"
    if live:
        show_on_terminal()
    root = Path(tempfile.mkdtemp(prefix="doxa-host-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)

    def work() -> dict[str, Any]:
        out = Path(tempfile.mkdtemp(dir=root))
        meter = default_meter() if live else None
        result = run_study(STUDY, overrides={"samples": case["samples"]}, out=out, meter=meter)
        said = result.tables.transcripts["text"].to_list()
        return {
            "answers": digest(zip(said[::2], said[1::2], strict=True)),
            "right": result.findings[0].estimate,
            "bytes": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
        }

    return work


if __name__ == "__main__":
    serve(prepare, packages=("doxa",))
