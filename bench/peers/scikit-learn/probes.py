"""scikit-learn's loop: a LogisticRegression for each site, label set, fold and ridge."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from kit.side import Work, serve
from sides.probe_work import sites_of
from sklearn.linear_model import LogisticRegression


def prepare(case: dict[str, Any]) -> Work:
    warnings.simplefilter("ignore")
    rows = sites_of(case)
    sets, fold = np.array(case["labels"], dtype=bool), np.array(case["fold"])
    kind = np.dtype(case["dtype"])

    def work() -> dict[str, Any]:
        shape = (rows.shape[1], len(sets), len(case["ridge"]), case["folds"])
        log_loss, accuracy, ties = np.empty((3, *shape))
        for site in range(shape[0]):
            examples = rows[:, site].astype(kind)
            if case["centred"]:
                examples -= examples.mean(0)
            for held_out in range(case["folds"]):
                there = fold == held_out
                train, test = examples[~there], examples[there]
                for number, labels in enumerate(sets):
                    for place, ridge in enumerate(case["ridge"]):
                        model = LogisticRegression(
                            C=1.0 / ridge, solver=case["solver"], tol=case["tol"], max_iter=case["max_iter"]
                        )
                        scores = model.fit(train, labels[~there]).decision_function(test).astype(np.float64)
                        right = labels[there]
                        where = (site, number, place, held_out)
                        log_loss[where] = np.logaddexp(0.0, np.where(right, -scores, scores)).mean()
                        accuracy[where] = ((scores > 0) == right).mean()
                        ties[where] = (np.abs(scores) < case["tie"]).sum()
        parts = {"log_loss": log_loss, "accuracy": accuracy, "ties": ties}
        return {"fold": fold.tolist(), **{name: part.tolist() for name, part in parts.items()}}

    return work


if __name__ == "__main__":
    serve(prepare, packages=("scikit-learn", "numpy"))
