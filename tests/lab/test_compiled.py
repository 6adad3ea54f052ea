from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from doxa.lab import compiled as home
from doxa.lab.compiled import compiled, kernels_digest, vectorised

HELPER = """
from doxa.lab.compiled import compiled

@compiled
def factor() -> int:
    return {value}
"""
KERNEL = """
from doxa.lab.compiled import compiled
from helper import factor

@compiled
def scaled(x: int) -> int:
    return factor() * x
"""
ASK = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
import doxa.lab.compiled as home
digest = home.kernels_digest
home.kernels_digest = lambda folder: digest(Path("."))
from kernel import scaled
print(scaled(7), sum(scaled.stats.cache_hits.values()))
"""


def test_kernels_are_made_anew_when_one_that_they_call_changes(tmp_path):
    """Numba alone answers 14 again: the file of ``scaled`` is as it was."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    answers = []
    for value in (2, 2, 3):
        (tmp_path / "helper.py").write_text(HELPER.format(value=value))
        run = [sys.executable, "-c", ASK]
        # without bytecode: Python itself takes a file of the same second and length for unchanged
        kept = {"NUMBA_CACHE_DIR": str(tmp_path / "kept"), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {**os.environ, **kept}
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
        answers.append(done.stdout.split())
    assert answers == [["14", "0"], ["14", "1"], ["21", "0"]]


def test_the_digest_is_of_files_with_kernels_alone(tmp_path):
    (tmp_path / "plain.py").write_text("x = 1\n")
    kernels_digest.cache_clear()
    empty = kernels_digest(tmp_path)
    (tmp_path / "kernel.py").write_text(KERNEL)
    kernels_digest.cache_clear()
    assert kernels_digest(tmp_path) != empty
    (tmp_path / "plain.py").write_text("x = 2\n")
    with_kernel = kernels_digest(tmp_path)
    kernels_digest.cache_clear()
    assert kernels_digest(tmp_path) == with_kernel
    kernels_digest.cache_clear()


def test_a_compiler_without_such_a_store_keeps_nothing(monkeypatch):
    real = home.njit

    def without_store(**options):
        return real(**{key: value for key, value in options.items() if key != "cache"})

    monkeypatch.setattr(home, "njit", without_store)

    def twice(x: int) -> int:
        return 2 * x

    assert compiled(twice)(4) == 8


def test_vectorised_kernels_divide_as_numpy_does_and_plain_ones_raise():
    def shares(x: np.ndarray, out: np.ndarray) -> float:
        total = 0.0
        for j in range(len(x)):
            out[j] = 1.0 / x[j]
            total += x[j]
        return total

    def inverse(x: float) -> float:
        return 1.0 / x

    out = np.empty(3)
    assert vectorised(shares)(np.array([0.0, 2.0, 4.0]), out) == 6
    assert out.tolist() == [np.inf, 0.5, 0.25]
    with pytest.raises(ZeroDivisionError):
        compiled(inverse)(0.0)
