"""doxa's side: all sites, folds, ridges and permuted labels in one call of ``LogisticProbes.fit``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from kit.side import Work, serve
from sides.probe_work import sites_of, truth_of

from doxa.lens.probes import LogisticProbes
from doxa.lens.probes.descent import Descent
from doxa.streams import stream


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    rows, truth = sites_of(case), truth_of(case)
    groups = np.arange(truth.size) // 2

    def work() -> dict[str, Any]:
        fitted = LogisticProbes.fit(
            rows, truth, groups=groups, ridge=case["ridge"], folds=case["folds"],
            permutations=case["permutations"], directions=0, rng=stream(case["seed"], "bench probes"),
        )  # fmt: skip
        tested = fitted.cross_validated
        return {
            "fold": tested.fold.tolist(),
            "log_loss": np.concatenate([tested.log_loss[:, None], tested.permuted_log_loss], 1).tolist(),
            "accuracy": np.concatenate([tested.accuracy[:, None], tested.permuted_accuracy], 1).tolist(),
            "steps": None,
        }

    if case.get("count_steps"):
        return lambda: _counting(work)
    return work


def _counting(work: Work) -> dict[str, Any]:
    """Count how often the products of a problem are formed, in a run that is not timed."""
    counted = [0]
    advance = Descent._advance

    def count(self: Descent, *given: torch.Tensor) -> torch.Tensor:
        counted[0] += len(self._index)
        return advance(self, *given)

    Descent._advance = count
    try:
        return {**work(), "steps": counted[0]}
    finally:
        Descent._advance = advance


if __name__ == "__main__":
    serve(prepare, packages=("torch", "numpy"))
