"""Bar 11, batch independence: scores and replies do not depend on batch, order, padding, tree or cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import torch

from bars.outcome import Outcome
from doxa.streams import stream
from doxa.subjects.base import Query, Sampling, user
from doxa.subjects.scoring import Asked, Limits
from doxa.subjects.scoring_forward import Scorer
from doxa.subjects.transformers import TransformersSubject
from doxa.subjects.transformers_reply import Writer
from tests.subjects import tiny_models

BATCHES = (1, 2, 7, 16, 64)
TOLERANCE_NATS = {torch.float32: 2e-5, torch.bfloat16: 2e-2}


class _Uncached(Writer):
    """Decodes by computing the whole conversation anew for every token."""

    def _step(self, inputs: torch.Tensor, mask: torch.Tensor, cache: Any) -> tuple[np.ndarray, Any]:
        logits, _ = super()._step(inputs, mask, cache)
        return logits, None


def run(full: bool, folder: Path) -> Outcome:
    """Score the same questions in every way and compare with each in full by itself."""
    del folder
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these models are too small for more
    jaxtyping.config.update("jaxtyping_disable", True)  # in the tests its checks cost more than the models
    try:
        return _run(full)
    finally:
        torch.set_num_threads(threads)
        jaxtyping.config.update("jaxtyping_disable", False)


def _run(full: bool) -> Outcome:
    families = sorted(tiny_models.CONFIGS) if full else ["gemma3", "gpt2", "llama"]
    count = 96 if full else 8
    outcome = Outcome(f"{len(families)} families, {count} questions of 3 options, fp32 and bf16")
    for family in families:
        asked = _questions(family, count)
        for dtype, tolerance in TOLERANCE_NATS.items():
            for device in tiny_models.DEVICES:
                model = _model(family, dtype).to(device)
                name = f"{family}, {str(dtype).removeprefix('torch.')}, {device}"
                reference = [_in_full(model, prompt, options) for prompt, options in asked]
                for way, found in _ways(model, asked):
                    _compare(outcome, f"{name}, {way}", found, reference, tolerance)
                _exact(outcome, name, model, asked)
        _replies(outcome, family, 16 if full else 6)
    return outcome


def _questions(family: str, count: int) -> list[Asked]:
    """Texts that share beginnings of every length, some none, with options that share beginnings too."""
    rng = stream(0, "bars", "batching", family)
    stem = rng.integers(3, 300, 120)
    asked: list[Asked] = []
    while len(asked) < count:
        text = np.concatenate([stem[: rng.integers(0, 120)], rng.integers(3, 300, rng.integers(1, 60))])
        for _ in range(rng.integers(1, 5)):
            prompt = np.concatenate([text, rng.integers(3, 300, rng.integers(0, 20))])
            head = rng.integers(3, 300, rng.integers(0, 3))
            asked.append(
                (prompt, [np.concatenate([head, rng.integers(3, 300, rng.integers(1, 5))]) for _ in range(3)])
            )
    return asked[:count]


def _model(family: str, dtype: torch.dtype) -> Any:
    model = tiny_models.model(family)
    if dtype != torch.float32:  # steep logits have no 2e-2 nats in bf16, whoever computes them
        for weights in model.parameters():
            weights.data.mul_(0.1 if weights.ndim > 1 else 1.0)
    return model.to(dtype)


def _ways(model: Any, asked: list[Asked]) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield the scores of every way to ask, in the order of the questions."""
    trees = {
        "tree": Limits(),
        "tree of short rows": Limits(batch_tokens=96, row_tokens=24, pack_tokens=12, trunk_budget=40),
        "tree of few answers": Limits(batch_tokens=300, pack_tokens=40, batch_answers=7),
    }
    order = stream(0, "bars", "batching", "order").permutation(len(asked))
    for name, limits in trees.items():
        scorer = Scorer(model, limits)
        if scorer.sharing.how != "tree":
            raise RuntimeError(f"{type(model).__name__} does not share: {scorer.sharing.reason}")
        for batch in BATCHES:
            parts = [scorer.score(asked[i : i + batch]) for i in range(0, len(asked), batch)]
            yield f"{name}, batches of {batch}", [found for part in parts for found in part]
        mixed = scorer.score([asked[i] for i in order])
        yield f"{name}, another order", [mixed[i] for i in np.argsort(order)]
    for side in ("left", "right"):
        for batch in BATCHES:
            yield f"flat, padded {side}, batches of {batch}", _flat(model, asked, batch, side)


@torch.inference_mode()
def _in_full(model: Any, prompt: np.ndarray, options: Any) -> np.ndarray:
    """Return each option's log-probability, computed alone by the model as it is, without a cache."""
    out: list[float] = []
    for option in options:
        ids = torch.tensor(np.concatenate([prompt, option]), device=model.device)
        table = model(ids[None], use_cache=False).logits[0].double().log_softmax(-1).cpu().numpy()
        places = len(prompt) - 1 + np.arange(len(option))
        out.append(float(table[places, option].sum()))
    return np.array(out)


@torch.inference_mode()
def _flat(model: Any, asked: list[Asked], batch: int, side: str) -> list[np.ndarray]:
    """Score with padding and a plain mask, as a user of transformers would, to see what the tree is measured by."""
    jobs = [(prompt, option) for prompt, options in asked for option in options]
    scores: list[float] = []
    for start in range(0, len(jobs), batch):
        part = jobs[start : start + batch]
        longest = max(len(prompt) + len(option) for prompt, option in part)
        ids = torch.zeros(len(part), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        first = [0 if side == "right" else longest - len(p) - len(o) for p, o in part]
        for line, (prompt, option) in enumerate(part):
            place = slice(first[line], first[line] + len(prompt) + len(option))
            ids[line, place] = torch.from_numpy(np.concatenate([prompt, option]))
            mask[line, place] = 1
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
        tables = model(**inputs, use_cache=False).logits.double().log_softmax(-1).cpu().numpy()
        for line, (prompt, option) in enumerate(part):
            places = first[line] + len(prompt) - 1 + np.arange(len(option))
            scores.append(float(tables[line, places, option].sum()))
    found = iter(scores)
    return [np.array([next(found) for _ in options]) for _, options in asked]


def _compare(
    outcome: Outcome, name: str, found: list[np.ndarray], reference: list[np.ndarray], tolerance: float
) -> None:
    for place, (own, other) in enumerate(zip(found, reference, strict=True)):
        far = float(np.max(np.abs(own - other)))
        outcome.check(far <= tolerance, f"{name}: question {place} is off by {far:.2g} nats")
        short = float(other.max() - other[own.argmax()])
        outcome.check(
            short <= tolerance, f"{name}: question {place} has another winner, {short:.2g} nats away"
        )


def _exact(outcome: Outcome, name: str, model: Any, asked: list[Asked]) -> None:
    """Exact scores have the same bits in every batch and order."""
    exact = Scorer(model, Limits(), exact=True)
    alone = [exact.score([one])[0].tobytes() for one in asked]
    for batch in BATCHES[1:]:
        parts = [exact.score(asked[i : i + batch][::-1])[::-1] for i in range(0, len(asked), batch)]
        bits = [found.tobytes() for part in parts for found in part]
        outcome.check(bits == alone, f"{name}: exact scores change in batches of {batch}")


def _replies(outcome: Outcome, family: str, count: int) -> None:
    """Replies, decoded with a cache, do not depend on company; exact scores of a subject keep their bits too."""
    rng = stream(0, "bars", "batching", "replies", family)
    words = tiny_models.TEXT[0].split()
    talks = [(user(" ".join(rng.choice(words, rng.integers(2, 30)))),) for _ in range(count)]
    subject = TransformersSubject(tiny_models.model(family), tiny_models.tokenizer())
    sampling = Sampling(temperature=1.0, max_tokens=12, seed=1)
    alone = [subject.reply([talk], sampling=sampling)[0].text for talk in talks]
    for batch in BATCHES[1:]:
        parts = [subject.reply(talks[i : i + batch], sampling=sampling) for i in range(0, count, batch)]
        said = [reply.text for part in parts for reply in part]
        outcome.check(said == alone, f"{family}: replies change in batches of {batch}")
    subject._writer = _Uncached(subject.model, subject._renderer, 4096)
    said = [reply.text for reply in subject.reply(talks, sampling=sampling)]
    outcome.check(said == alone, f"{family}: replies change without a cache")
    exact = TransformersSubject(tiny_models.model(family), tiny_models.tokenizer(), exact=True)
    queries = [Query(talk, ("yes", "no")) for talk in talks]
    together = [found.tobytes() for found in exact.score(queries)]
    single = [exact.score([query])[0].tobytes() for query in queries]
    outcome.check(together == single, f"{family}: exact scores of a subject change in company")
