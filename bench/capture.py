"""The last token's residual stream after every block: what reading it adds to a forward pass, beside peers.

Each side times its reading and the bare pass of the same kind in turn, in one process; ``doxa`` and ``peer`` are the
CPU milliseconds that reading adds, ``ratio`` how many times more the peer adds. Beside raw hooks the whole passes are
compared, ``ratio`` being raw hooks' time over doxa's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, main, median_interval, round_to
from kit.overhead import FLOOR_S
from sides import capture_model

OURS = Side("doxa", "sides/capture.py")
HOOKS = Side("raw hooks", "sides/capture_hooks.py")
PEERS = [
    Side("TransformerLens 4.3.0", "peers/transformer-lens/capture.py", "transformer-lens"),
    Side("nnsight 0.8.1", "peers/nnsight/capture.py", "nnsight"),
]
TARGETS = {"raw hooks": 1 / 1.05, "TransformerLens 4.3.0": 10.0}


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="doxa-bench-") as folder:
        capture_model.save(folder)
        for count in (1, 16):
            for tokens in (16, 64 if options.small else 256):
                yield from _compare(folder, count, tokens, options)


def _compare(
    folder: str, count: int, tokens: int, options: argparse.Namespace
) -> Iterator[dict[str, object]]:
    pairs = 6 if options.small else max(4, 160 // count // (tokens // 64 or 1))
    name = f"{count} row{'s' * (count > 1)} of {tokens} tokens, 12 layers"
    load = {
        "folder": folder,
        "rows": capture_model.rows(count, tokens),
        "threads": options.threads,
        "pairs": pairs,
    }
    case = Case(name, load, count, "rows", _agree)
    for side in (HOOKS, *PEERS):
        print(f"{name}: doxa beside {side.name}", file=sys.stderr)
        if side.missing:
            why = f"{side.name} is not installed here; run the benchmark with --install"
            yield {"case": name, "peer_name": side.name, "missing": why}
            continue
        try:
            yield _row(
                case, side, 3 if options.small else REPEATS, small=options.small, threads=options.threads
            )
        except RuntimeError as error:
            yield {"case": name, "peer_name": side.name, "failed": str(error)[-2000:]}


def _row(case: Case, side: Side, repeats: int, *, small: bool, threads: int) -> dict[str, object]:
    with Process(OURS, threads) as own, Process(side, threads) as peer:
        own.prepare(case)
        versions = peer.prepare(case)["versions"]
        pairs = [(own.run()["answer"], peer.run()["answer"]) for _ in range(repeats + 1)]
    agrees = case.agree(pairs[0][0]["values"], pairs[0][1]["values"])
    ratios = sorted(_ratio(mine, theirs, whole=side is HOOKS) for mine, theirs in pairs[1:])
    low, high = median_interval(ratios)
    noisy = small or (
        case.work > 1 and side is not HOOKS
    )  # a hundredth of a long pass is more than anyone adds
    target = None if noisy else TARGETS.get(side.name)
    return {
        "case": case.name,
        "doxa": _added_ms(pairs[1:], 0),
        "peer": _added_ms(pairs[1:], 1),
        "peer_name": side.name,
        "unit": "CPU-ms added",
        "ratio": round_to(statistics.median(ratios)),
        "interval": [round_to(low), round_to(high)],
        "of": "whole passes" if side is HOOKS else "what is added",
        "bare_ms": [
            round_to(1e3 * statistics.median(pair[one]["bare_s"] for pair in pairs[1:])) for one in (0, 1)
        ],
        "limit_share": None,
        "agrees": agrees,
        "target": target,
        "pass": agrees and statistics.median(ratios) >= (target or 0.0),
        "versions": versions,
    }


def _added_ms(pairs: Any, side: int) -> float:
    return round_to(1e3 * statistics.median(pair[side]["added_s"] for pair in pairs))


def _ratio(mine: dict[str, float], theirs: dict[str, float], *, whole: bool) -> float:
    if whole:  # the bare pass is the same code on both sides, so one measurement of it serves both
        bare = (mine["bare_s"] + theirs["bare_s"]) / 2
        return (bare + theirs["added_s"]) / (bare + mine["added_s"])
    return max(theirs["added_s"], FLOOR_S) / max(mine["added_s"], FLOOR_S)


def _agree(own: Any, other: Any) -> bool:
    mine, theirs = np.array(own), np.array(other)
    return bool(np.abs(mine - theirs).max() <= 1e-4 * np.abs(mine).max())


if __name__ == "__main__":
    main("capture", __doc__, rows, needs=("transformer-lens", "nnsight"))
