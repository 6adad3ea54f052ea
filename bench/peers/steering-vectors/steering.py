"""steering-vectors' side: training on pairs of texts, and generation under its position mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from kit.overhead import in_turn
from kit.side import Work, serve
from steering_vectors import SteeringVector, train_steering_vector
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    model = LlamaForCausalLM.from_pretrained(case["folder"], dtype=torch.float32).eval()
    words = f"{case['folder']}/tokenizer.json"  # its class, as transformers 5 names it, is unknown to 4
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=words, eos_token="yes", pad_token="yes")
    return _extraction(model, tokenizer, case) if case["do"] == "extract" else _generation(model, case)


def _extraction(model: Any, tokenizer: Any, case: dict[str, Any]) -> Work:
    pairs = [tuple(pair) for pair in case["pairs"]]

    def work() -> list[list[float]]:
        vector = train_steering_vector(
            model, tokenizer, pairs, batch_size=case["batch_size"], move_to_cpu=True
        )
        return [vector.layer_activations[layer].tolist() for layer in range(model.config.num_hidden_layers)]

    return work


def _generation(model: Any, case: dict[str, Any]) -> Work:
    ids = torch.tensor(case["ids"])
    vector = SteeringVector({case["layer"]: torch.from_numpy(np.array(case["vector"], dtype=np.float32))})
    names = {"max_new_tokens": case["tokens"], "do_sample": False, "eos_token_id": None, "pad_token_id": 0}

    def bare() -> Any:
        return model.generate(ids, **names)

    def steered() -> Any:
        with vector.apply(model, min_token_index=case["first"]):
            return model.generate(ids, **names)

    def gap() -> float:
        with torch.no_grad(), vector.apply(model, min_token_index=case["first"]):
            whole = model(ids).logits
            start = model(ids[:, : case["cut"]], use_cache=True)
            rest = model(ids[:, case["cut"] :], past_key_values=start.past_key_values).logits
        return float((torch.cat([start.logits, rest], dim=1) - whole).abs().max())

    def logits() -> list[float]:
        with torch.no_grad(), vector.apply(model, min_token_index=case["first"]):
            return model(ids).logits[0, -1].tolist()

    return lambda: {"logits": logits(), "gap": gap(), **in_turn(bare, steered, case["pairs"])}


if __name__ == "__main__":
    serve(prepare, packages=("steering-vectors", "torch", "transformers"))
