"""doxa's side: directions from pairs of texts, and generation steered from an absolute position on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from kit.overhead import in_turn
from kit.side import Work, serve

from doxa.lens.capture import Wanted, activations
from doxa.lens.steering import SteeringVector, contrast_vector, from_position, steered
from doxa.subjects.transformers import TransformersSubject


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    subject = TransformersSubject.open(case["folder"], dtype="float32")
    if case["do"] == "generate":
        return _generation(subject.model, case)
    return _difference(subject, case) if case["do"] == "extract" else _component(subject, case)


def _rows(subject: TransformersSubject, pairs: list[list[str]], side: int) -> list[np.ndarray]:
    return [np.array(ids) for ids in subject.tokenizer([pair[side] for pair in pairs])["input_ids"]]


def _difference(subject: TransformersSubject, case: dict[str, Any]) -> Work:
    def work() -> list[list[float]]:
        positive, negative = (_rows(subject, case["pairs"], side) for side in (0, 1))
        vector = contrast_vector(subject.model, positive, negative)
        return [numbers.tolist() for numbers in vector.vectors.values()]

    return work


def _component(subject: TransformersSubject, case: dict[str, Any]) -> Work:
    """The first principal component of the pairs' differences, each layer's, as repeng takes it by default."""

    def work() -> list[list[float]]:
        positive, negative = (_rows(subject, case["pairs"], side) for side in (0, 1))
        read = activations(subject.model, [*positive, *negative], Wanted())[:, 0]
        differences = read[: len(positive)] - read[len(positive) :]
        centred = differences - differences.mean(axis=0)
        layers = range(centred.shape[1])
        return [np.linalg.svd(centred[:, layer], full_matrices=False)[2][0].tolist() for layer in layers]

    return work


def _generation(model: Any, case: dict[str, Any]) -> Work:
    ids = torch.tensor(case["ids"])
    vector = SteeringVector({case["layer"]: np.array(case["vector"], dtype=np.float32)})
    where = from_position(case["first"])
    names = {"max_new_tokens": case["tokens"], "do_sample": False, "eos_token_id": None, "pad_token_id": 0}

    def bare() -> Any:
        return model.generate(ids, **names)

    def under() -> Any:
        with steered(model, vector, where=where):
            return model.generate(ids, **names)

    def gap() -> float:
        with torch.no_grad(), steered(model, vector, where=where):
            whole = model(ids).logits
            start = model(ids[:, : case["cut"]], use_cache=True)
            rest = model(ids[:, case["cut"] :], past_key_values=start.past_key_values).logits
        return float((torch.cat([start.logits, rest], dim=1) - whole).abs().max())

    def logits() -> list[float]:
        with torch.no_grad(), steered(model, vector, where=where):
            return model(ids).logits[0, -1].tolist()

    return lambda: {"logits": logits(), "gap": gap(), **in_turn(bare, under, case["pairs"])}


if __name__ == "__main__":
    serve(prepare, packages=("torch", "transformers"))
