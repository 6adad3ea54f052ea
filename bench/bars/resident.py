"""The resident memory of a process, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def resident_mb(process: int | str = "self") -> float:
    """Return what a process holds in memory now, in 10^6 bytes."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6
