"""Steering vectors: extracting directions from pairs of texts, and generating under a position mask, beside peers.

A random Llama of 56 million parameters, all layers. ``limit_share`` is the share of the machine's matrix products that
one headless pass over the texts needs. In generation ``doxa`` and ``peer`` are the CPU milliseconds that steering adds
to a token, and ``cache_gap`` is how far logits with a key-value cache are from those without, doxa's first.
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
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main, median_interval, round_to
from kit.machine import gemm_gflops
from kit.overhead import FLOOR_S
from sides import score_model

from doxa.streams import stream

OURS = Side("doxa", "sides/steering.py")
VECTORS = Side("steering-vectors 0.12.2", "peers/steering-vectors/steering.py", "steering-vectors")
REPENG = Side("repeng 0.4.0", "peers/repeng/steering.py", "repeng")
TARGET = 1.9
CACHE_GAP = 1e-5
TOKENS, FIRST, CUT = 64, 4, 20


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="doxa-bench-") as folder:
        score_model.save(Path(folder))
        few = 3 if options.small else REPEATS
        for count in (8,) if options.small else (32, 128, 512):
            repeats = few if count <= 128 else 3
            for side, do in ((VECTORS, "extract"), (REPENG, "component")):
                one = _extraction(folder, count, do, options, repeats)
                yield from compare(one, OURS, [side], threads=options.threads)
        yield _generation(folder, options, few)


def pairs_of_texts(count: int, *, turned: bool) -> list[tuple[str, str]]:
    """Pairs that differ in their last word, 24 to 40 tokens long; every second one may be turned round."""
    rng = stream(0, "bench", "steering", count)
    stems = [score_model.text(rng, int(rng.integers(23, 40))) for _ in range(count)]
    pairs = [(f"{stem} yes", f"{stem} no") for stem in stems]
    return [pair[::-1] if turned and place % 2 else pair for place, pair in enumerate(pairs)]


def _extraction(folder: str, count: int, do: str, options: argparse.Namespace, repeats: int) -> Case:
    pairs = pairs_of_texts(count, turned=do == "component")
    lengths = [len(text.split()) for pair in pairs for text in pair]
    flops = sum(score_model.matrix_flops(length, length * (length + 1) / 2) for length in lengths)
    peak = 1e9 * max(gemm_gflops(torch.float32) for _ in range(3))
    what = "difference of means" if do == "extract" else "principal component"
    return Case(
        name=f"extract, {count} pairs, {what}",
        load={
            "do": do, "folder": folder, "pairs": pairs, "threads": options.threads,
            "batch_size": 8 if do == "extract" else 32,
        },
        work=count,
        unit="pairs",
        agree=_same if do == "extract" else _same_lines,
        target=None if options.small else TARGET,
        repeats=repeats,
        limit=lambda rate: rate * flops / count / peak,
    )  # fmt: skip


def _same(own: Any, other: Any) -> bool:
    mine, theirs = np.array(own), np.array(other)
    return bool(np.abs(mine - theirs).max() <= 1e-4 * np.abs(mine).max())


def _same_lines(own: Any, other: Any) -> bool:
    """Whether directions are the same up to their sign.

    The last layer is left out: repeng takes transformers' ``hidden_states``, whose last stands behind the final norm.
    """
    mine, theirs = np.array(own)[:-1], np.array(other)[:-1]
    cosines = (
        np.abs((mine * theirs).sum(axis=-1)) / np.linalg.norm(mine, axis=-1) / np.linalg.norm(theirs, axis=-1)
    )
    return bool(cosines.min() >= 0.99999)


def _generation(folder: str, options: argparse.Namespace, repeats: int) -> dict[str, object]:
    rng = stream(0, "bench", "steering", "generate")
    ids = rng.integers(2, score_model.VOCABULARY, (1, 32)).tolist()
    load = {
        "do": "generate", "folder": folder, "ids": ids, "layer": 4, "tokens": TOKENS, "first": FIRST, "cut": CUT,
        "vector": rng.standard_normal(score_model.WIDTH).tolist(), "pairs": 1 if options.small else 4,
        "threads": options.threads,
    }  # fmt: skip
    name = f"generate {TOKENS} tokens, steered from position {FIRST} on"
    if VECTORS.missing:
        why = f"{VECTORS.name} is not installed here; run the benchmark with --install"
        return {"case": name, "peer_name": VECTORS.name, "missing": why}
    print(f"{name}: doxa beside {VECTORS.name}", file=sys.stderr)
    case = Case(name, load, TOKENS, "tokens", _same)
    with Process(OURS, options.threads) as own, Process(VECTORS, options.threads) as peer:
        own.prepare(case)
        versions = peer.prepare(case)["versions"]
        pairs = [(own.run()["answer"], peer.run()["answer"]) for _ in range(repeats + 1)]
    added = [[max(answer["added_s"], FLOOR_S) for answer in pair] for pair in pairs[1:]]
    ratios = sorted(theirs / mine for mine, theirs in added)
    gaps = [answer["gap"] for answer in pairs[0]]
    agrees = case.agree(pairs[0][0]["logits"], pairs[0][1]["logits"])
    return {
        "case": name,
        "doxa": round_to(1e3 * statistics.median(mine for mine, _ in added) / TOKENS),
        "peer": round_to(1e3 * statistics.median(theirs for _, theirs in added) / TOKENS),
        "peer_name": VECTORS.name,
        "unit": "CPU-ms added per token",
        "ratio": round_to(statistics.median(ratios)),
        "interval": [round_to(end) for end in median_interval(ratios)],
        "bare_ms": round_to(1e3 * statistics.median(pair[0]["bare_s"] for pair in pairs[1:]) / TOKENS),
        "cache_gap": [round_to(gap) for gap in gaps],
        "limit_share": None,
        "agrees": agrees,
        "pass": agrees and gaps[0] <= CACHE_GAP,
        "versions": versions,
    }


if __name__ == "__main__":
    main("steering", __doc__, rows, needs=("steering-vectors", "repeng"))
