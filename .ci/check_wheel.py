"""Checks what is in the wheel: the package, its weights and texts, nothing else, and not too much."""

from __future__ import annotations

import sys
import zipfile
from pathlib import PurePosixPath

ENDINGS = {".py", ".json", ".safetensors", ".md", ".css", ".js", ".jinja", ".typed", ".yaml"}
MOST_WEIGHTS_BYTES = 20 * 10**6


def main() -> None:
    """Exit with 1 and the reasons if the wheel holds anything it should not, or lacks what it needs."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        files = {info.filename: info.file_size for info in wheel.infolist()}
    ours = {name for name in files if name.startswith("doxa/")}
    wrong = [f"unexpected file: {name}" for name in sorted(ours) if PurePosixPath(name).suffix not in ENDINGS]
    wrong += [f"outside the package: {name}" for name in files if not name.startswith(("doxa/", "doxa-"))]
    wrong += [
        f"third-party data: {name}"
        for name in sorted(ours)
        if "kable" in name and name.endswith((".gz", ".jsonl"))
    ]
    weights = sum(size for name, size in files.items() if name.endswith(".safetensors"))
    if weights >= MOST_WEIGHTS_BYTES:
        wrong.append(f"weights: {weights:,} bytes; must be below {MOST_WEIGHTS_BYTES:,}")
    for name in ("doxa/py.typed", "doxa/cli.py"):
        if name not in ours:
            wrong.append(f"missing: {name}")
    if not any(name.endswith("/licenses/LICENSE") for name in files):
        wrong.append("missing: the licence")
    print(f"{len(files)} files, {sum(files.values()):,} bytes, weights {weights:,} bytes")
    if wrong:
        sys.exit("\n".join(wrong))


main()
