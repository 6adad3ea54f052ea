"""Probes of all layers and positions with folds, ridges and permuted labels, beside scikit-learn's loop.

The work is that of 32 layers and 8 positions, 5 folds, 4 ridges, the real labels and 5 permutations of them, 2,000
examples of width 512. Both sides do all fits of the same few of the 256 sites, drawn at random; doxa then does all
of them alone. ``limit_share`` is how much of the machine's matrix products (float32, the same threads) goes into
the products of doxa's steps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main, round_to
from kit.machine import gemm_gflops
from sides.probe_work import LAYERS, POSITIONS, truth_of

from doxa.lens.probes.folds import grouped_folds, label_sets
from doxa.streams import stream

OURS = Side("doxa", "sides/probes.py")
BEST = {"dtype": "float64", "centred": True, "solver": "lbfgs", "tol": 1e-7, "max_iter": 10_000}
"""The fastest of its settings whose predictions all agree but for ties, tried on other activations of the kind."""
NEAR = {**BEST, "tol": 1e-10}
"""On white noise it must go nearer: the minimum is flat there, and the held-out log-loss steep."""
PLAIN = {"dtype": "float32", "centred": False, "solver": "lbfgs", "tol": 1e-4, "max_iter": 10_000}
TARGET = 10.0
NATS = 1e-4
"""Most by which the held-out log-loss of any fit may differ."""
TIE = 1e-3
"""Log-odds of the peer below which a prediction is a tie, which two solvers may break either way."""


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    full = not options.small
    few = 4 if full else 1
    permutations = 5 if full else 1
    work = {"examples": 2_000, "width": 512, "ridge": [0.1, 1.0, 10.0, 100.0], "permutations": permutations}
    like, white = {"falls": 1.0, "outlier": True}, {"falls": 0.0, "outlier": False}
    own = "centred float64, tol 1e-7"
    target = TARGET if full else None
    yield _row("like a residual stream", {**work, **like}, few, own, BEST, options, target=target)
    yield _row(
        "like a residual stream", {**work, **like}, few, "its defaults on raw float32", PLAIN, options,
        repeats=3, nats=1.0,
    )  # fmt: skip
    yield _row("white noise", {**work, **white}, few, "centred float64, tol 1e-10", NEAR, options)
    small = {**work, **like, "examples": 200, "width": 64, "ridge": [1.0], "permutations": 0}
    yield _row("one small site, one ridge, no controls", small, 1, own, BEST, options)
    yield _alone({**work, **like}, 8 if options.small else LAYERS * POSITIONS, options.threads)


def _row(
    name: str,
    work: dict[str, Any],
    sites: int,
    setting: str,
    peer: dict[str, Any],
    options: argparse.Namespace,
    *,
    target: float | None = None,
    repeats: int | None = None,
    nats: float = NATS,
) -> dict[str, object]:
    """Compare, and add how far the answers are apart and what share of the machine's products was used."""
    apart: dict[str, object] = {}
    side = Side(f"scikit-learn 1.9.1, {setting}", "peers/scikit-learn/probes.py", "scikit-learn", peer)
    case = Case(
        name=f"{name}: {sites} of {LAYERS * POSITIONS} sites",
        load=_load(work, sites, options.threads),
        work=_fits(work, sites),
        unit="fits",
        agree=_agree(nats, apart),
        target=target,
        repeats=repeats or (3 if options.small else REPEATS),
    )
    (row,) = compare(case, OURS, [side], threads=options.threads)
    if "ratio" in row:
        row["limit_share"] = _share(case, float(str(row["doxa"])), options.threads)
    return {**row, **apart}


def _load(work: dict[str, Any], sites: int, threads: int) -> dict[str, Any]:
    """The sites, and the folds and labels that doxa draws, so that the peer fits the same."""
    case = {**work, "seed": 0, "folds": 5, "threads": threads, "tie": TIE}
    drawn = np.random.default_rng(0).choice(LAYERS * POSITIONS, sites, replace=False)
    truth, groups = truth_of(case), np.arange(case["examples"]) // 2
    rng = stream(0, "bench probes")
    fold = grouped_folds(groups, truth, case["folds"], rng)
    labels = label_sets(groups, truth, fold, case["permutations"], rng)
    return {
        **case,
        "sites": sorted(drawn.tolist()),
        "fold": fold.tolist(),
        "labels": labels.astype(int).tolist(),
    }


def _fits(work: dict[str, Any], sites: int) -> int:
    """Fits that both sides do; doxa's on all examples come on top and are not counted."""
    return sites * 5 * len(work["ridge"]) * (1 + work["permutations"])


def _agree(nats: float, apart: dict[str, object]) -> Callable[[Any, Any], bool]:
    def agree(own: dict[str, Any], other: dict[str, Any]) -> bool:
        if own["fold"] != other["fold"]:
            return False
        loss = np.abs(np.subtract(own["log_loss"], other["log_loss"])).max()
        size = np.bincount(own["fold"])
        wrong = np.abs(np.subtract(own["accuracy"], other["accuracy"]) * size).round()
        apart.update(log_loss_apart=round_to(float(loss)), predictions_apart=int(wrong.sum()))
        return bool(loss <= nats and ((wrong <= other["ties"]).all() or nats > NATS))

    return agree


def _share(case: Case, rate: float, threads: int) -> float:
    """The products of a step are two of examples by width for each problem; before them, two for the basis."""
    with Process(OURS, threads) as process:
        process.prepare(Case(case.name, {**case.load, "count_steps": True}, 0, "", case.agree))
        steps = int(process.run()["answer"]["steps"])
    examples, width, sites = case.load["examples"], case.load["width"], len(case.load["sites"])
    products = 4.0 * examples * (width + 1) * steps + 4.0 * examples * width**2 * sites
    return round(products / case.work * rate / gemm_gflops(_float32()) / 1e9, 3)


def _float32() -> Any:
    import torch

    return torch.float32


def _alone(work: dict[str, Any], sites: int, threads: int) -> dict[str, object]:
    """All sites at once: what it takes, and that memory beyond the activations stays small."""
    with Process(OURS, threads) as process:
        process.prepare(Case("", _load(work, sites, threads), 0, "", lambda own, other: own == other))
        done = process.run()
    activations = work["examples"] * sites * work["width"] * 4 / 2**20
    return {
        "case": f"like a residual stream: {sites} of {LAYERS * POSITIONS} sites",
        "side": OURS.name,
        "fits": _fits(work, sites),
        "cpu_s": round_to(done["cpu_s"]),
        "rss_mb": round(done["rss_mb"]),
        "activations_mb": round(activations),
    }


if __name__ == "__main__":
    main("probes", __doc__, rows, needs=("scikit-learn",))
