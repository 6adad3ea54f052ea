"""LinUCB on a problem without memory, beside MABWiser at equal choices; and a million rounds that stay finite.

Both sides get the same actions, the same noise and a constant width, and must choose the same action in every round.
``limit_share`` is the share of the machine's products that scores and widths of all actions need.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, SOURCE, Case, Process, Side, compare, main, round_to
from kit.machine import gemm_gflops

OURS = Side("doxa", "sides/bandits.py")
MABWISER = Side("MABWiser 2.7.4", "peers/mabwiser/bandits.py", "mabwiser")
TARGET = 100.0
LONG = 1_000_000
SEED = 0


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    import torch

    peak = 1e9 * max(gemm_gflops(torch.float64) for _ in range(3))
    sizes = ((100, 3, 4000, "100 actions in 3 dimensions"), (100, 100, 300, "100 arms of their own"))
    for arms, d, rounds, name in sizes:
        flops = 2 * arms * d + 7 * arms + 6 * d * d
        case = Case(
            name=f"LinUCB, {name}",
            load=_load(arms, d, rounds // 5 if options.small else rounds) | {"alpha": 0.5},
            work=rounds // 5 if options.small else rounds,
            unit="rounds",
            agree=_same,
            target=None if options.small else TARGET,
            repeats=3 if options.small else REPEATS,
            limit=lambda rate, flops=flops: rate * flops / peak,
        )
        yield from compare(case, OURS, [MABWISER], threads=options.threads)
    for discount in (0.99, 0.999999):
        yield _to_the_end(discount, LONG // 10 if options.small else LONG, options.threads)


def _load(arms: int, d: int, rounds: int) -> dict[str, Any]:
    sys.path.insert(0, str(SOURCE))
    from doxa.streams import stream_key

    # the stream of ``DynamicalLinearBandit.noise``; MABWiser's process cannot import doxa
    key = str(stream_key(SEED, "linear-bandit", "noise", 0))
    return {"arms": arms, "d": d, "rounds": rounds, "sigma": 0.1, "seed": SEED, "key": key}


def _same(own: Any, other: Any) -> bool:
    """Whether every choice is the same."""
    differ = [t for t, (mine, theirs) in enumerate(zip(own, other, strict=True)) if mine != theirs]
    print(f"{len(own)} rounds, {len(set(own))} actions used, {len(differ)} choices differ", file=sys.stderr)
    return not differ


def _to_the_end(discount: float, rounds: int, threads: int) -> dict[str, object]:
    """Run LinUCB that forgets, and say where discounts kept as powers -t, as the released code keeps them, overflow."""
    with Process(OURS, threads) as process:
        process.prepare(Case("", _load(6, 3, rounds) | {"discount": discount}, rounds, "", _same))
        found = process.run()
    with np.errstate(over="ignore"):
        powers = np.float64(discount) ** -np.arange(1, rounds + 1, dtype=np.float64)
    over = np.flatnonzero(~np.isfinite(powers))
    return {
        "case": f"D-LinUCB to {rounds:,} rounds, discount {discount:g}",
        "doxa": round_to(rounds / found["cpu_s"]),
        "unit": "rounds/CPU-s",
        "finite": found["answer"],
        "peer_name": "discount^-t as a 64-bit float",
        "peer_overflows_in_round": int(over[0]) + 1 if over.size else None,
        "pass": bool(found["answer"]),
    }


if __name__ == "__main__":
    main("bandits", __doc__, rows, needs=("mabwiser",))
