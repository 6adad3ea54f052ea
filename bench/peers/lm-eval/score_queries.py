"""lm-evaluation-harness's side: the same queries as requests for ``HFLM.loglikelihood``."""

from __future__ import annotations

from typing import Any

import torch
from kit.side import Work, serve
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = HFLM(
        pretrained=case["folder"],
        device="cpu",
        batch_size=case["batch_size"],
        dtype=case["dtype"],
        softmax_dtype="float32",
        max_length=4096,
    )
    pairs = [(context, option) for context, options in case["queries"] for option in options]
    sizes = [len(options) for _, options in case["queries"]]

    def work() -> list[list[float]]:
        requests = [Instance("loglikelihood", {}, pair, place) for place, pair in enumerate(pairs)]
        flat = iter([log_prob for log_prob, _ in model.loglikelihood(requests, disable_tqdm=True)])
        return [[next(flat) for _ in range(size)] for size in sizes]

    return work


if __name__ == "__main__":
    serve(prepare, packages=("lm_eval", "torch", "transformers"))
