"""nnsight's side: one trace that saves the last token of every block's output."""

from __future__ import annotations

from typing import Any

import torch
from kit.overhead import in_turn
from kit.side import Work, serve
from nnsight import NNsight
from transformers import GPT2LMHeadModel


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = GPT2LMHeadModel.from_pretrained(case["folder"], attn_implementation="eager").eval()
    traced = NNsight(model)
    ids = torch.tensor(case["rows"])

    def bare() -> None:
        with torch.inference_mode():
            model(ids, use_cache=False)

    def read() -> Any:
        with torch.inference_mode(), traced.trace(ids, use_cache=False):
            kept = list().save()  # noqa: C408 - as in its documentation
            for block in traced.transformer.h:
                output = block.output
                kept.append((output[0] if isinstance(output, tuple) else output)[:, -1])
        return torch.stack(list(kept), dim=1)

    def work() -> dict[str, Any]:
        return {"values": read().tolist(), **in_turn(bare, read, case["pairs"])}

    return work


if __name__ == "__main__":
    serve(prepare, packages=("nnsight", "torch", "transformers"))
