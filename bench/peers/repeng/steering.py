"""repeng's side: a control vector from pairs of texts, by its default method."""

from __future__ import annotations

from typing import Any

import torch
from kit.side import Work, serve
from repeng import ControlVector, DatasetEntry
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = LlamaForCausalLM.from_pretrained(case["folder"], dtype=torch.float32).eval()
    words = f"{case['folder']}/tokenizer.json"  # its class, as transformers 5 names it, is unknown to 4
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=words, eos_token="yes", pad_token="yes")
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
