from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import ContextError, InputError
from doxa.lens.completions import ENDED, Draw, Ends, pick, sample_completions, uniforms
from doxa.lens.steering import SteeringVector, generated, steered
from doxa.streams import stream
from tests.lens import lens_models

FAMILIES = ["llama", "qwen2", "gpt2", "gemma2", "mistral", "mixtral", "gpt-oss"]
PROMPTS = [[5, 9, 31, 7], [12], [100, 41, 7, 8, 9, 10, 11, 200], [3, 3], list(range(20, 36))]
SAMPLES, TOKENS = 2, 5


def chances(prompts=PROMPTS, samples=SAMPLES, tokens=TOKENS):
    return uniforms(0, "test", rows=range(len(prompts)), samples=samples, tokens=tokens)


def vector(width=32, layers=(0, 1), size=0.5):
    rng = stream(1, "test", "vector")
    return SteeringVector({layer: size * rng.standard_normal(width).astype(np.float32) for layer in layers})


def slow(model, prompts, draw, numbers, begun=None):
    """Sample each completion alone, from the whole text anew for every token."""
    result = np.full(numbers.shape, ENDED)
    for row, prompt in enumerate(prompts):
        for sample in range(numbers.shape[1]):
            said = [] if begun is None else list(begun[row])
            for step in range(numbers.shape[2]):
                ids = torch.tensor([[*prompt, *said]])
                with torch.no_grad():
                    if draw.steering is None:
                        logits = model(ids).logits
                    else:
                        where = generated([len(prompt)])
                        with steered(model, draw.steering, draw.multiplier, where=where):
                            logits = model(ids).logits
                number = torch.tensor([numbers[row, sample, step]])
                said.append(int(pick(logits[:, -1], number, draw.temperature)))
            result[row, sample] = said if begun is None else said[begun.shape[1] :]
    return result


@pytest.mark.parametrize("family", FAMILIES)
def test_steered_batches_with_a_cache_equal_the_whole_text_anew_for_every_token(family):
    model = lens_models.model(family)
    draws = [Draw(), Draw(vector(), 1.5), Draw(vector(), -1.0, 0.7)]
    found = sample_completions(model, PROMPTS, draws, chances())
    for draw, own in zip(draws, found, strict=True):
        assert np.array_equal(own, slow(model, PROMPTS, draw, chances()))
    assert not np.array_equal(found[0], found[1])


def test_results_do_not_hang_on_batches_order_or_number_of_samples():
    model = lens_models.model("llama")
    whole = sample_completions(model, PROMPTS, [Draw(vector(), 1.0)], chances())
    small = sample_completions(model, PROMPTS, [Draw(vector(), 1.0)], chances(), batch_tokens=1)
    assert np.array_equal(whole, small)
    turned = sample_completions(model, PROMPTS[::-1], [Draw(vector(), 1.0)], chances()[::-1])
    assert np.array_equal(whole, turned[:, ::-1])
    more = sample_completions(model, PROMPTS, [Draw(vector(), 1.0)], chances(samples=5))
    assert np.array_equal(whole, more[:, :, :SAMPLES])


def test_a_multiplier_of_zero_is_no_steering_and_the_model_is_as_before():
    model = lens_models.model("llama")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plain, none, steering, again = sample_completions(
        model, PROMPTS, [Draw(), Draw(vector(), 0.0), Draw(vector(), 2.0), Draw()], chances()
    )
    assert np.array_equal(plain, none)
    assert np.array_equal(plain, again)
    assert not np.array_equal(plain, steering)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_what_was_begun_is_steered_too_and_stands():
    model = lens_models.model("llama")
    draw = Draw(vector(), 1.5)
    (whole,) = sample_completions(model, PROMPTS, [draw], chances(samples=1))
    begun, rest = whole[:, 0, :2], chances(samples=1)[:, :, 2:]
    (found,) = sample_completions(model, PROMPTS, [draw], rest, begun=begun)
    assert np.array_equal(found, whole[:, :, 2:])
    assert np.array_equal(found, slow(model, PROMPTS, draw, rest, begun))


def test_ends():
    model = lens_models.model("llama")
    (whole,) = sample_completions(model, PROMPTS, [Draw()], chances())
    end = int(whole[0, 0, 2])
    (ended,) = sample_completions(model, PROMPTS, [Draw()], chances(), ends=Ends(frozenset({end})))
    for own, full in zip(ended.reshape(-1, TOKENS), whole.reshape(-1, TOKENS), strict=True):
        (places,) = np.nonzero(full == end)
        length = places[0] + 1 if places.size else TOKENS
        assert np.array_equal(own[:length], full[:length])
        assert np.all(own[length:] == ENDED)
    (short,) = sample_completions(
        model, PROMPTS, [Draw()], chances(), ends=Ends(finished=lambda said: len(said) == 2)
    )
    assert np.array_equal(short[..., :2], whole[..., :2])
    assert np.all(short[..., 2:] == ENDED)


def test_what_was_begun_counts_towards_the_end_and_nothing_follows_an_end():
    model = lens_models.model("llama")
    (whole,) = sample_completions(model, PROMPTS, [Draw()], chances(samples=1))
    begun, rest = whole[:, 0, :2].copy(), chances(samples=1)[:, :, 2:]
    told: list[list[int]] = []

    def third(said):
        told.append(list(said))
        return len(said) >= 3

    (found,) = sample_completions(model, PROMPTS, [Draw()], rest, begun=begun, ends=Ends(finished=third))
    assert np.array_equal(found[..., 0], whole[..., 2])
    assert np.all(found[..., 1:] == ENDED)
    assert all(said[:2] in begun.tolist() for said in told)
    over = Ends(frozenset({int(begun[0, 0])}), finished=lambda said: said[:2] == begun[1].tolist())
    begun[2, 1] = ENDED
    (found,) = sample_completions(model, PROMPTS, [Draw()], rest, begun=begun, ends=over)
    assert np.all(found[:3] == ENDED)
    assert np.array_equal(found[4, :, 0], whole[4, :, 2])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_distribution_are_refused(temperature, bad):
    logits = torch.zeros(3, 5)
    logits[2, 1] = bad
    with pytest.raises(InputError, match=r"row 2: .*half precision overflows"):
        pick(logits, torch.full((3,), 0.5), temperature)
    masked = torch.full((1, 5), -torch.inf)
    masked[0, 3] = 0.0
    assert pick(masked, torch.tensor([0.5]), temperature).tolist() == [3]


def test_temperature():
    model = lens_models.model("llama")
    greedy, one, hot = sample_completions(
        model, PROMPTS, [Draw(temperature=0.0), Draw(), Draw(temperature=1e6)], chances(samples=20)
    )
    assert np.all(greedy == greedy[:, :1])
    assert len(np.unique(hot)) > len(np.unique(one)) > len(np.unique(greedy))


def test_pick_inverts_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.2, 0.0, 0.5, 0.3]])).expand(6, 4)
    numbers = torch.tensor([0.0, 0.1999, 0.2001, 0.6999, 0.7001, 0.99999])
    assert pick(logits, numbers, 1.0).tolist() == [0, 0, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"draws": [Draw(temperature=-1.0)]}, InputError, r"temperature=-1.0: must be >= 0"),
        ({"draws": [Draw(vector(), float("nan"))]}, InputError, "multiplier=nan"),
        ({"draws": [Draw(vector(width=8), 1.0)]}, InputError, "width 8, the model's residual stream 32"),
        ({"draws": [Draw(vector(layers=(7,)), 1.0)]}, InputError, "layer=7"),
        ({"chances": chances()[:2]}, InputError, "chances of shape"),
        ({"begun": np.zeros((2, 1), dtype=np.int64)}, InputError, "begun of shape"),
        ({"prompts": [[], *PROMPTS[1:]]}, InputError, r"rows\[0\]"),
        ({"prompts": [[1] * 510, *PROMPTS[1:]]}, ContextError, "the model takes 512"),
    ],
)
def test_bad_input(change, error, message):
    told = {"prompts": PROMPTS, "draws": [Draw()], "chances": chances()} | change
    prompts, draws, numbers = (told.pop(name) for name in ("prompts", "draws", "chances"))
    with pytest.raises(error, match=message):
        sample_completions(lens_models.model("llama"), prompts, draws, numbers, **told)


def test_a_model_without_a_cache_to_share_is_refused():
    with pytest.raises(InputError, match="keeps no key-value cache"):
        sample_completions(lens_models.model("mamba"), PROMPTS, [Draw()], chances())
