from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from doxa.subjects.scoring import Limits
from doxa.subjects.scoring_forward import Scorer
from tests.subjects import tiny_models

CUTS = [
    Limits(),
    Limits(batch_tokens=64, row_tokens=16, pack_tokens=8, trunk_budget=10),
    Limits(batch_tokens=200, pack_tokens=20, batch_answers=5),
]


def bushy(seed: int) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Prompts that share stems of every length, with options that share beginnings."""
    rng = np.random.default_rng(seed)
    stem = rng.integers(3, 300, 60)
    prompts: list[np.ndarray] = []
    options: list[list[np.ndarray]] = []
    for _ in range(8):
        trunk = np.concatenate([stem[: rng.integers(1, 60)], rng.integers(3, 300, rng.integers(0, 40))])
        for _ in range(rng.integers(1, 4)):
            prompts.append(np.concatenate([trunk, rng.integers(3, 300, rng.integers(0, 30))]))
            head = rng.integers(3, 300, 3)
            options.append(
                [
                    np.concatenate([head[: rng.integers(0, 3)], rng.integers(3, 6, rng.integers(1, 5))])
                    for _ in range(3)
                ]
            )
    return prompts, options


def one_by_one(model: Any, prompts: list[np.ndarray], options: list[list[np.ndarray]]) -> np.ndarray:
    out = []
    for prompt, choices in zip(prompts, options, strict=True):
        for choice in choices:
            ids = torch.tensor(np.concatenate([prompt, choice]), device=model.device)
            with torch.inference_mode():
                logits = model(ids[None]).logits[0]
            log_probs = logits.double().log_softmax(-1)
            out.append(sum(float(log_probs[len(prompt) - 1 + k, token]) for k, token in enumerate(choice)))
    return np.array(out)


def usual_size(model: Any) -> Any:
    """Shrink the weights to what trained models have; errors of half precision grow with the logits."""
    for weights in model.parameters():
        weights.data.mul_(0.1 if weights.ndim > 1 else 1.0)
    return model


@pytest.mark.parametrize("device", tiny_models.DEVICES)
@pytest.mark.parametrize("family", sorted(tiny_models.CONFIGS))
def test_scores_equal_one_by_one_scoring_on_every_family(family: str, device: str):
    model = tiny_models.model(family).to(device)
    prompts, options = bushy(0)
    expected = one_by_one(model, prompts, options)
    for cut in CUTS:
        scorer = Scorer(model, cut)
        found = np.concatenate(scorer.score(zip(prompts, options, strict=True)))
        assert scorer.sharing.how == "tree", scorer.sharing
        assert np.max(np.abs(found - expected)) < 2e-5


@pytest.mark.parametrize("picks", ["columns", "all"])
def test_models_that_keep_whole_columns_or_all_logits_are_scored_alike(
    picks: str, monkeypatch: pytest.MonkeyPatch
):
    model = tiny_models.model("llama")
    prompts, options = bushy(5)
    scorer = Scorer(model, CUTS[2])
    scorer._picks = False
    if picks == "all":
        scorer._takes.discard("logits_to_keep")
    found = np.concatenate(scorer.score(zip(prompts, options, strict=True)))
    assert scorer.sharing.how == "tree", scorer.sharing
    assert np.max(np.abs(found - one_by_one(model, prompts, options))) < 2e-5


def test_plain_attention_is_scored_alike():
    model = tiny_models.model("gemma2")
    model.set_attn_implementation("eager")
    prompts, options = bushy(6)
    scorer = Scorer(model, CUTS[1])
    found = np.concatenate(scorer.score(zip(prompts, options, strict=True)))
    assert scorer.sharing.how == "tree", scorer.sharing
    assert np.max(np.abs(found - one_by_one(model, prompts, options))) < 2e-5


def test_order_and_company_do_not_matter():
    model = tiny_models.model("llama")
    prompts, options = bushy(1)
    scorer = Scorer(model, Limits(batch_tokens=128))
    together = scorer.score(zip(prompts, options, strict=True))
    backwards = scorer.score(zip(prompts[::-1], options[::-1], strict=True))[::-1]
    alone = [scorer.score([(p, o)])[0] for p, o in zip(prompts, options, strict=True)]
    for left, right, single in zip(together, backwards, alone, strict=True):
        assert np.max(np.abs(left - right)) < 2e-5
        assert np.max(np.abs(left - single)) < 2e-5


@pytest.mark.parametrize("device", tiny_models.DEVICES)
@pytest.mark.parametrize("family", sorted(tiny_models.CONFIGS))
def test_half_precision_stays_near_and_keeps_the_winner(family: str, device: str):
    model = usual_size(tiny_models.model(family)).bfloat16().to(device)
    prompts, options = bushy(2)
    shared = Scorer(model, CUTS[1])
    assert shared.sharing.how == "tree"
    alone = Scorer(model, Limits(), exact=True).score(zip(prompts, options, strict=True))
    for left, right in zip(shared.score(zip(prompts, options, strict=True)), alone, strict=True):
        assert np.max(np.abs(left - right)) < 2e-2
        assert right.max() - right[left.argmax()] < 2e-2


def test_exact_scores_have_the_same_bits_in_any_company():
    model = tiny_models.model("gpt2")
    prompts, options = bushy(3)
    scorer = Scorer(model, Limits(), exact=True)
    together = scorer.score(zip(prompts, options, strict=True))
    for k in (0, 5, len(prompts) - 1):
        (alone,) = scorer.score([(prompts[k], options[k][::-1])])
        assert together[k].tobytes() == alone[::-1].tobytes()


def test_a_model_that_cannot_share_is_found_out_and_scored_in_full(monkeypatch: pytest.MonkeyPatch):
    model = tiny_models.model("llama")
    plain = model.forward

    def without_mask(input_ids: Any = None, position_ids: Any = None, **rest: Any) -> Any:
        rest.pop("attention_mask", None)
        return plain(input_ids=input_ids, **rest)

    monkeypatch.setattr(model, "forward", without_mask)
    prompts, options = bushy(4)
    scorer = Scorer(model, Limits(batch_tokens=256))
    found = np.concatenate(scorer.score(zip(prompts, options, strict=True)))
    assert scorer.sharing.how == "full"
    assert "self-check" in scorer.sharing.reason
    assert np.max(np.abs(found - one_by_one(model, prompts, options))) < 2e-5


def test_flash_attention_and_unknown_layers_are_not_shared():
    model = tiny_models.model("llama")
    model.config._attn_implementation = "flash_attention_2"
    assert "takes no mask" in Scorer(model, Limits()).sharing.reason
    model = tiny_models.model("qwen2")
    model.config.layer_types = ["full_attention", "chunked_attention"]
    assert "chunked_attention" in Scorer(model, Limits()).sharing.reason


def test_the_head_runs_on_answer_rows_only():
    model = tiny_models.model("llama")
    seen: list[int] = []
    hook = model.lm_head.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0][..., 0].numel()))
    stem = np.arange(3, 203)
    prompts = [np.append(stem, k) for k in range(3, 23)]
    scorer = Scorer(model, Limits())
    assert scorer.sharing.how == "tree"
    seen.clear()
    scorer.score((prompt, [np.array([5, 6]), np.array([5, 7])]) for prompt in prompts)
    hook.remove()
    # per prompt the two tokens before an answer, and nothing for the text before them
    assert sum(seen) == 20 * 2


class Largest(TorchDispatchMode):
    """Watches every operation: the largest tensor that is made, and the most bytes alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.alive = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._saw(tensor)
        return out

    def _saw(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        self.largest = max(self.largest, size)
        if key in self._known:
            return
        self._known.add(key)
        self.alive += size
        self.most = max(self.most, self.alive)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.alive -= size


def job(contexts: int, questions: int) -> list[Any]:
    """Contexts of 120 tokens with as many questions, each with five options of two tokens."""
    rng = np.random.default_rng(7)
    options = [rng.integers(3, 300, 2) for _ in range(5)]
    stem = rng.integers(3, 300, 40)
    return [
        (np.concatenate([context, rng.integers(3, 300, 20)]), options)
        for context in (np.concatenate([stem, rng.integers(3, 300, 80)]) for _ in range(contexts))
        for _ in range(questions)
    ]


def test_memory_does_not_grow_with_the_job():
    scorer = Scorer(tiny_models.model("llama"), Limits(batch_tokens=512, batch_answers=64, trunk_budget=600))
    assert scorer.sharing.how == "tree"
    seen: list[tuple[int, int]] = []
    for asked in (job(10, 10), job(100, 10), job(10, 100)):
        with Largest() as watch:
            scorer.score(asked)
        seen.append((watch.largest, watch.most))
    for largest, most in seen[1:]:
        assert largest <= 1.25 * seen[0][0], seen
        assert most <= 1.25 * seen[0][1], seen


def test_nothing_to_score_is_nothing():
    assert Scorer(tiny_models.model("llama"), Limits()).score([]) == []
