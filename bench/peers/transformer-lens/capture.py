"""TransformerLens's side: ``run_with_cache`` of the bridge, which keeps transformers' own modules."""

from __future__ import annotations

from typing import Any

import torch
from kit.overhead import in_turn
from kit.side import Work, serve
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer, GPT2LMHeadModel


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    torch.set_grad_enabled(False)
    model = GPT2LMHeadModel.from_pretrained(case["folder"], attn_implementation="eager").eval()
    plain = GPT2LMHeadModel.from_pretrained(case["folder"], attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(case["folder"])
    bridge = TransformerBridge.boot_transformers(case["folder"], hf_model=model, tokenizer=tokenizer)
    ids = torch.tensor(case["rows"])
    names = [f"blocks.{layer}.hook_out" for layer in range(plain.config.n_layer)]

    def bare() -> None:
        plain(ids, use_cache=False)

    def read() -> Any:
        _, cache = bridge.run_with_cache(ids, names_filter=names)
        return torch.stack([cache[name][:, -1] for name in names], dim=1)

    def work() -> dict[str, Any]:
        return {"values": read().tolist(), **in_turn(bare, read, case["pairs"])}

    return work


if __name__ == "__main__":
    serve(prepare, packages=("transformer-lens", "torch", "transformers"))
