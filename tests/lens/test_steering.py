from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lens.capture import Wanted, activations
from doxa.lens.logit_lens import lens_logits
from doxa.lens.patching import ablated_head, patched
from doxa.lens.steering import (
    SteeringVector,
    Where,
    at,
    contrast_vector,
    everywhere,
    from_position,
    generated,
    steered,
)
from doxa.streams import stream
from doxa.subjects.base import Query, Sampling, user
from doxa.subjects.cache import CachedSubject
from doxa.subjects.cache_journal import Journal
from doxa.subjects.transformers import TransformersSubject
from tests.lens import lens_models
from tests.subjects import tiny_models
from tests.subjects.tiny_models import DEVICES


def _vector(*layers: int, size: float = 2.0, site: str = "residual", seed: int = 0) -> SteeringVector:
    rng = stream(seed, "tests", "steering")
    return SteeringVector({layer: size * rng.standard_normal(32) for layer in layers or (0, 1)}, site)  # type: ignore[arg-type]


def _logits(model: Any, ids: torch.Tensor, **named: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(ids.to(model.device), **named).logits.cpu()


def _in_parts(model: Any, ids: torch.Tensor, *ends: int) -> torch.Tensor:
    """Return the logits of all tokens from passes over parts with a key-value cache."""
    cache, said = None, []
    with torch.no_grad():
        for start, end in zip((0, *ends), (*ends, ids.shape[1]), strict=True):
            output = model(ids[:, start:end].to(model.device), past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            said.append(output.logits.cpu())
    return torch.cat(said, dim=1)


def _state(model: Any) -> dict[str, bytes]:
    return {name: held.detach().float().cpu().numpy().tobytes() for name, held in model.state_dict().items()}


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_the_model_is_as_before_also_after_an_exception(family: str):
    model = lens_models.model(family)
    ids = torch.from_numpy(np.stack(lens_models.rows(9, 9)))
    before, plain = _state(model), _logits(model, ids)
    with steered(model, _vector()):
        assert (_logits(model, ids) - plain).abs().max() > 0.1  # and it is applied at all
    with pytest.raises(ZeroDivisionError), steered(model, _vector()), steered(model, _vector(1, site="mlp")):
        raise ZeroDivisionError
    assert torch.equal(_logits(model, ids), plain)
    assert _state(model) == before
    assert lens_models.hooks(model) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("site", ["residual", "attention", "mlp"])
def test_steering_is_addition_at_the_site(site: str, dtype: torch.dtype):
    model = lens_models.model("gemma2", dtype=dtype)
    rows, vector = lens_models.rows(5, 9), _vector(0, site=site)
    wanted = Wanted((0,), site, places=slice(1, 4))  # type: ignore[arg-type]
    plain = activations(model, rows, wanted)
    with steered(model, vector, 1.5):
        moved = activations(model, rows, wanted)
    close = {"atol": 1e-5} if dtype == torch.float32 else {"atol": 0.1}
    np.testing.assert_allclose(
        moved[:, 0, 0] - plain[:, 0, 0], np.tile(1.5 * vector.vectors[0], (2, 1)), **close
    )


def test_the_embedding_and_the_last_layer_by_hand():
    model = lens_models.model("llama")
    row = lens_models.rows(6)
    top = activations(model, row, Wanted((1,)))
    vector = _vector(-1, 1)
    with steered(model, vector.at_layers(1), -0.5):
        logits = _logits(model, torch.from_numpy(row[0])[None])[0, -1]
    np.testing.assert_allclose(logits, lens_logits(model, top - 0.5 * vector.vectors[1])[0, 0, 0], atol=1e-5)
    with steered(model, vector.at_layers(-1)):
        moved = activations(model, row, Wanted((-1,)))
    np.testing.assert_allclose(
        moved - activations(model, row, Wanted((-1,))), vector.vectors[-1][None, None, None], atol=1e-6
    )


@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_a_multiplier_of_zero_is_bit_identical_and_opposites_cancel(family: str):
    model = lens_models.model(family)
    ids = torch.from_numpy(np.stack(lens_models.rows(9, 9)))
    plain, vector = _logits(model, ids), _vector()
    with steered(model, vector, 0.0):
        assert lens_models.hooks(model) == 0
        assert torch.equal(_logits(model, ids), plain)
    with steered(model, vector, 3.0), steered(model, vector, -3.0):
        assert (_logits(model, ids) - plain).abs().max() <= 1e-6
    with steered(model, vector + -vector):
        assert (_logits(model, ids) - plain).abs().max() <= 1e-6


def test_contexts_compose_by_addition_in_any_order():
    model = lens_models.model("llama")
    ids = torch.from_numpy(np.stack(lens_models.rows(9)))
    first, second = _vector(0), _vector(0, 1, seed=1)
    with steered(model, first + second.scaled(0.5)):
        summed = _logits(model, ids)
    for outer, inner in (((first, 1.0), (second, 0.5)), ((second, 0.5), (first, 1.0))):
        with steered(model, *outer), steered(model, *inner):
            assert (_logits(model, ids) - summed).abs().max() < 1e-4
    one = steered(model, first)
    with steered(model, second, 0.5):  # contexts may also end in the order they began
        one.__enter__()
    after = _logits(model, ids)
    one.__exit__(None, None, None)
    with steered(model, first):
        assert torch.equal(_logits(model, ids), after)
    assert lens_models.hooks(model) == 0


RULES: dict[str, Any] = {
    "everywhere": everywhere,
    "from_position": lambda: from_position(4),
    "at": lambda: at(lambda positions: positions % 3 == 1),
    "generated": lambda: generated([6, 6]),
}


@pytest.mark.parametrize("family", lens_models.FAMILIES)
@pytest.mark.parametrize("rule", RULES)
def test_a_cache_changes_nothing(rule: str, family: str):
    model = lens_models.model(family)
    ids = torch.from_numpy(np.stack(lens_models.rows(12, 12)))
    with steered(model, _vector(), where=RULES[rule]()):
        whole = _logits(model, ids)
        assert (_in_parts(model, ids, 3, 4, 9) - whole).abs().max() < 1e-4
        assert (_in_parts(model, ids, *range(6, 12)) - whole).abs().max() < 1e-4


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 11), max_size=4, unique=True), st.integers(0, 12))
def test_any_cut_of_a_row_means_the_same_positions(cuts: list[int], first: int):
    model, ids = _llama(), torch.from_numpy(np.stack(lens_models.rows(12)))
    with steered(model, _vector(0), where=from_position(first)):
        whole = _logits(model, ids)
        assert (_in_parts(model, ids, *sorted(cuts)) - whole).abs().max() < 1e-4
    plain = _logits(model, ids)
    assert torch.equal(whole[:, :first], plain[:, :first])
    assert first == 12 or (whole - plain)[:, first].abs().max() > 1e-3


def _llama(made: list[Any] = []) -> Any:  # noqa: B006 - one model for all examples
    if not made:
        made.append(lens_models.model("llama"))
    return made[0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("rule", RULES)
def test_padding_is_not_counted(rule: str, side: str, device: str):
    model = lens_models.model("qwen3").to(device)
    rows = lens_models.rows(9, 6)
    where = generated([6, 4]) if rule == "generated" else RULES[rule]()
    ids, mask = torch.zeros(2, 9, dtype=torch.long), torch.zeros(2, 9, dtype=torch.long)
    for line, row in enumerate(rows):
        span = slice(0, len(row)) if side == "right" else slice(9 - len(row), 9)
        ids[line, span], mask[line, span] = torch.from_numpy(row), 1
    position = (mask.cumsum(1) - 1).clamp(min=0)
    with steered(model, _vector(), where=where):
        padded = _logits(model, ids, attention_mask=mask.to(device), position_ids=position.to(device))
    for line, row in enumerate(rows):
        alone = generated([[6, 4][line]]) if rule == "generated" else where
        with steered(model, _vector(), where=alone):
            expected = _logits(model, torch.from_numpy(row)[None])[0]
        assert (padded[line][mask[line] == 1] - expected).abs().max() < 1e-4


@pytest.mark.parametrize("rule", RULES)
def test_the_lens_sees_the_same_positions_with_and_without_a_prefix(rule: str):
    model = lens_models.model("gemma3")
    prefix, *rows = lens_models.rows(4, 9, 5, 7)
    where = generated([8, 8, 9]) if rule == "generated" else RULES[rule]()
    with steered(model, _vector(), where=where):
        read = activations(model, rows, prefix=prefix, batch_tokens=9)
        whole = activations(model, [np.concatenate([prefix, row]) for row in rows])
    np.testing.assert_allclose(read, whole, atol=1e-4)


def _decoded(model: Any, prompt: np.ndarray, vector: SteeringVector, tokens: int) -> list[int]:
    """Greedy decoding without a cache; the vector is added by hand from the last prompt token on."""
    said = list(prompt)
    for _ in range(tokens):
        block = model.model.layers[0]
        handle = block.register_forward_hook(
            lambda module, given, output: _added(output, len(prompt), vector)
        )
        said.append(int(_logits(model, torch.tensor([said]))[0, -1].argmax()))
        handle.remove()
    return [int(token) for token in said[len(prompt) :]]


def _added(hidden: torch.Tensor, prompt: int, vector: SteeringVector) -> torch.Tensor:
    changed = hidden.clone()
    changed[:, prompt - 1 :] += torch.from_numpy(vector.vectors[0])
    return changed


def test_generated_steers_the_first_generated_token_too():
    model = lens_models.model("llama")
    prompt = lens_models.rows(7)[0]
    found = 0
    for seed in range(12):
        vector = _vector(0, seed=seed)
        with steered(model, vector, where=generated([7])):
            said = model.generate(
                torch.from_numpy(prompt)[None],
                max_new_tokens=6,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=2,
            )
        by_hand = _decoded(model, prompt, vector, 6)
        assert said[0, 7:].tolist() == by_hand
        found += by_hand[0] != int(_logits(model, torch.from_numpy(prompt)[None])[0, -1].argmax())
    assert found > 0  # else the first token would not have told


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "qwen3"])
def test_replies_of_a_batch_are_steered_from_the_end_of_each_prompt(family: str, device: str):
    model = lens_models.model(family).to(device)
    subject = TransformersSubject(model, tiny_models.tokenizer())
    talks = [(user("is the flag of peru red? " * n),) for n in (1, 4, 2, 1)]
    plain = subject.reply(talks, sampling=Sampling(max_tokens=8))
    for sampling in (Sampling(max_tokens=8), Sampling(temperature=0.8, max_tokens=8, seed=1)):
        with steered(subject.model, _vector(), where=generated()):
            together = subject.reply(talks, sampling=sampling)
            assert together == [subject.reply([talk], sampling=sampling)[0] for talk in talks]
            assert together == subject.reply(talks[::-1], sampling=sampling)[::-1]
        assert [reply.text for reply in together] != [reply.text for reply in plain]
    assert subject.reply(talks, sampling=Sampling(max_tokens=8)) == plain


def test_a_cache_of_replies_tells_a_steered_model_from_the_plain_one(tmp_path: Path):
    subject = TransformersSubject(lens_models.model("llama"), tiny_models.tokenizer())
    journal = Journal(tmp_path / "cache.sqlite")
    cached = CachedSubject(subject, journal)
    talks, sampling = [(user("is the flag of peru red?"),)], Sampling(max_tokens=8)
    plain = cached.reply(talks, sampling=sampling)
    names = {subject.identity}
    for where in (everywhere(), from_position(3), generated(), at(lambda positions: positions > 3)):
        with steered(subject.model, _vector(), where=where):
            names.add(subject.identity)
            assert cached.reply(talks, sampling=sampling) == subject.reply(talks, sampling=sampling) != plain
    with patched(subject.model, 0, np.zeros((1, 32), np.float32)), ablated_head(subject.model, 0, 1):
        names.add(subject.identity)
    with steered(subject.model, _vector(), where=from_position(3)):
        assert subject.identity in names
    assert len(names) == 6
    assert cached.reply(talks, sampling=sampling) == plain
    journal.close()


def test_generated_serves_several_samples_of_each_prompt():
    model = lens_models.model("llama")
    ids = torch.from_numpy(np.stack(lens_models.rows(7, 7)))
    with steered(model, _vector(0), where=generated([7, 5])):
        several = _logits(model, ids.repeat_interleave(3, 0))
        assert (several[::3] - _logits(model, ids)).abs().max() < 1e-4


def test_scores_are_steered_by_position():
    model = lens_models.model("llama")
    subject = TransformersSubject(model, tiny_models.tokenizer())
    queries = [Query((user("is the flag of peru red? " * n),), ("yes", "no", "yes it is")) for n in (1, 3)]
    for where in (everywhere(), from_position(9)):
        with steered(model, _vector(0), where=where):
            scores = subject.score(queries)
            alone = TransformersSubject(model, tiny_models.tokenizer(), exact=True).score(queries)
        for ours, theirs in zip(scores, alone, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        assert not np.allclose(scores[0], subject.score(queries)[0], atol=1e-2)


def test_gradients_flow_through_a_steered_model():
    model = lens_models.model("llama")
    ids = torch.from_numpy(np.stack(lens_models.rows(6)))
    with steered(model, _vector(0), where=from_position(2)):
        model(ids, labels=ids).loss.backward()
    assert all(weights.grad is not None for weights in model.parameters())


def test_bad_input_is_refused():
    model = lens_models.model("llama")
    wide = SteeringVector({0: np.ones(31)})
    other = contrast_vector(lens_models.model("llama", seed=1), [[5]], [[6]])
    for vector, multiplier, said in [
        (wide, 1.0, "the vector has width 31, the model's residual stream 32"),
        (_vector(2), 1.0, r"layer=2: must be in -1\.\.1"),
        (_vector(-1, site="mlp"), 1.0, r"layer=-1: must be in 0\.\.1 for site='mlp'"),
        (_vector(0), float("nan"), "multiplier=nan: must be a finite number"),
        (_vector(0), float("inf"), "multiplier=inf"),
        (other, 1.0, "the vector was made on model .* or give force=True"),
    ]:
        with pytest.raises(InputError, match=said), steered(model, vector, multiplier):
            pass
    with steered(model, other, force=True):
        pass
    with pytest.raises(InputError, match=r"from_position\(-1\)"):
        from_position(-1)
    with pytest.raises(InputError, match="lengths >= 1"):
        generated([3, 0])
    assert lens_models.hooks(model) == 0


def _refusal(where: Where, rows: int, model: Any) -> str:
    with steered(model, _vector(0), where=where), pytest.raises(InputError) as error:
        _logits(model, torch.ones(rows, 4, dtype=torch.long))
    return str(error.value)


def test_passes_whose_prompts_nobody_knows_are_refused():
    model = lens_models.model("llama")
    assert "nobody said where the prompts of this pass end" in _refusal(generated(), 2, model)
    assert "2 prompt lengths for a pass of 3 rows" in _refusal(generated([3, 4]), 3, model)
    assert lens_models.hooks(model) == 0
