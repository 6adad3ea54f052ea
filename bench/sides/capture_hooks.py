"""The bare minimum: one forward hook per block that keeps the last token, on the same headless pass as doxa's."""

from __future__ import annotations

from typing import Any

import torch
from kit.overhead import in_turn
from kit.side import Work, serve
from sides import capture_model


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = capture_model.load(case["folder"])
    ids = torch.tensor(case["rows"])

    def bare() -> None:
        with torch.inference_mode():
            model.transformer(input_ids=ids, use_cache=False)

    def read() -> Any:
        kept: list[torch.Tensor] = []

        def hook(module: Any, given: Any, output: Any) -> None:
            del module, given
            kept.append((output[0] if isinstance(output, tuple) else output)[:, -1])

        handles = [block.register_forward_hook(hook) for block in model.transformer.h]
        bare()
        for handle in handles:
            handle.remove()
        return torch.stack(kept, dim=1)

    def work() -> dict[str, Any]:
        return {"values": read().tolist(), **in_turn(bare, read, case["pairs"])}

    return work


if __name__ == "__main__":
    serve(prepare, packages=("torch", "transformers"))
