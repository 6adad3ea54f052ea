"""doxa's side: the last token's residual stream after every block, and what reading it adds to the pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from kit.overhead import in_turn
from kit.side import Work, serve
from sides import capture_model

from doxa.lens.capture import activations


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = capture_model.load(case["folder"])
    rows = [np.array(row) for row in case["rows"]]
    ids = torch.tensor(case["rows"])

    def bare() -> None:
        with torch.inference_mode():
            model.transformer(input_ids=ids, use_cache=False)

    def read() -> Any:
        return activations(model, rows, batch_tokens=ids.numel())

    def work() -> dict[str, Any]:
        return {"values": read()[:, 0].tolist(), **in_turn(bare, read, case["pairs"])}

    return work


if __name__ == "__main__":
    serve(prepare, packages=("torch", "transformers"))
