"""repeng's side: a control vector from pairs of texts, by its default method."""

from __future__ import annotations

from typing import Any

import torch
from kit.side import Work, serve
from repeng import ControlVector, DatasetEntry
from transformers import AutoTokenizer, LlamaForCausalLM


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = LlamaForCausalLM.from_pretrained(case["folder"], dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(case["folder"])
    tokenizer.pad_token = tokenizer.eos_token
    entries = [DatasetEntry(positive=one, negative=other) for one, other in case["pairs"]]
    layers = list(range(model.config.num_hidden_layers))

    def work() -> list[list[float]]:
        vector = ControlVector.train(
            model, tokenizer, entries, batch_size=case["batch_size"], hidden_layers=layers
        )
        return [vector.directions[layer].tolist() for layer in layers]

    return work


if __name__ == "__main__":
    serve(prepare, packages=("repeng", "torch", "transformers"))
