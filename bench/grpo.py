"""Group-relative policy optimisation of a tiny model, with entropy and covariance of every token, beside TRL.

A random Llama of 2 layers of 128 and 16,000 words draws 32 completions of 32 tokens, 8 to each of 4 prompts, and takes
one update; again and again. Before any time is taken both sides compute the same loss, entropy and gradient norm of a
fixed batch. ``limit_share`` is the share of the machine's matrix products that drawing and training need.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Side, compare, main
from kit.machine import gemm_gflops
from sides import policy_model

OURS = Side("doxa", "sides/grpo.py")
TRL = Side("TRL 1.16.0", "peers/trl/grpo.py", "trl")
TARGET = 2.0
GAP = 1e-5
STEPS = 8


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    steps = 2 if options.small else STEPS
    with tempfile.TemporaryDirectory(prefix="doxa-bench-") as folder:
        policy_model.save(Path(folder))
        peak = 1e9 * max(gemm_gflops(torch.float32) for _ in range(3))
        case = Case(
            name="32 completions of 32 tokens, groups of 8, one update",
            load={
                "folder": folder, "prompts": policy_model.prompts(), "group": policy_model.GROUP,
                "tokens": policy_model.TOKENS, "steps": steps, "rate": 1e-4, "threads": options.threads,
                "fixed": policy_model.fixed_batch(),
            },
            work=steps * policy_model.PROMPTS * policy_model.GROUP * policy_model.TOKENS,
            unit="completion tokens",
            agree=_same,
            target=None if options.small else TARGET,
            repeats=3 if options.small else REPEATS,
            limit=lambda rate: rate * policy_model.matrix_flops() / peak,
        )  # fmt: skip
        yield from compare(case, OURS, [TRL], threads=options.threads)


def _same(own: Any, other: Any) -> bool:
    """Whether loss and entropy agree to 1e-5; gradient norms, sums of two million squares, to 1e-4 of their size."""
    print(f"fixed batch: doxa {own}, TRL {other}", file=sys.stderr)
    near = all(abs(own[name] - other[name]) <= GAP for name in ("loss", "entropy"))
    return near and abs(own["gradient_norm"] / other["gradient_norm"] - 1) <= 10 * GAP


if __name__ == "__main__":
    main("grpo", __doc__, rows, needs=("trl",))
