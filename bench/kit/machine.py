"""The limits of this machine, measured at the head of every report: what no program here can pass."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def limits(threads: int = 1, *, small: bool = False) -> dict[str, object]:
    """Return cores, flags, load and the measured limits on ``threads`` threads.

    ``sgemm_gflops`` and ``bf16_gflops`` are matrix products at 1,024, ``random_m_s`` PCG64 doubles; the others are told
    below.
    """
    import torch

    torch.set_num_threads(threads)
    size = 2**24 if small else 2**28
    rng = np.random.default_rng(0)
    draws = 1_000_000 if small else 20_000_000
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "sgemm_gflops": round(gemm_gflops(torch.float32), 1),
        "bf16_gflops": round(gemm_gflops(torch.bfloat16), 1),
        "copy_gb_s": round(copy_gb_s(size), 1),
        "gather_m_s": round(gather_m_s(size, 1_000_000 if small else 10_000_000), 1),
        "random_m_s": round(draws / best_s(lambda: rng.random(draws)) / 1e6, 1),
    }


def gemm_gflops(dtype: Any, size: int = 1024) -> float:
    """Return 10^9 floating-point operations per second of a square matrix product."""
    import torch

    left = torch.rand(size, size).to(dtype)
    right = torch.rand(size, size).to(dtype)
    return 2.0 * size**3 / best_s(lambda: left @ right, repeats=12) / 1e9


def copy_gb_s(size: int = 2**28) -> float:
    """Return 10^9 bytes read and written a second by a copy of so many bytes."""
    source = np.ones(size // 4, dtype=np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / best_s(lambda: np.copyto(target, source)) / 1e9


def gather_m_s(size: int = 2**28, reads: int = 10_000_000) -> float:
    """Return 10^6 random 4-byte reads a second from an array of so many bytes, on one thread.

    They are written to memory that is held: new memory for each repeat takes as long again, and kernels that hold
    theirs would pass the limit.
    """
    source, target = np.ones(size // 4, dtype=np.float32), np.empty(reads, dtype=np.float32)
    index = np.random.default_rng(0).integers(0, len(source), reads)
    return reads / best_s(lambda: np.take(source, index, out=target, mode="clip")) / 1e6


def best_s(work: Callable[[], object], repeats: int = 4) -> float:
    """Return the least wall time of several repeats, after one that warms up."""
    work()
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
