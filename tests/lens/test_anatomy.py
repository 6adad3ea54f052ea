from __future__ import annotations

import pytest
import torch
from torch import nn

from doxa.errors import InputError
from doxa.lens.anatomy import anatomy
from tests.lens import lens_models


def _paths(model) -> dict[nn.Module, str]:
    return {module: name for name, module in model.named_modules()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", lens_models.FAMILIES)
def test_blocks_writes_norm_and_head_are_found_in_every_family(family: str, dtype: torch.dtype):
    model = lens_models.model(family, dtype=dtype)
    known = anatomy(model)
    assert (known.layers, known.width, known.missing) == (2, 32, "")
    assert len(known.attention) == len(known.mlp) == len(known.projections) == 2
    assert known.head is model.get_output_embeddings()
    assert lens_models.hooks(model) == 0
    assert anatomy(model) is known


def test_the_writes_of_blocks_with_norms_behind_them_are_the_norms():
    for family in ("gemma2", "gemma3", "olmo2"):
        model = lens_models.model(family)
        names, known = _paths(model), anatomy(model)
        assert names[known.attention[1]] == "model.layers.1.post_attention_layernorm"
        assert names[known.mlp[1]] == "model.layers.1.post_feedforward_layernorm"
        assert names[known.projections[1]] == "model.layers.1.self_attn.o_proj"
    llama = lens_models.model("llama")
    assert _paths(llama)[anatomy(llama).mlp[0]] == "model.layers.0.mlp"


def test_a_model_whose_writes_do_not_add_up_keeps_its_stream_and_says_why():
    for family in lens_models.WITHOUT_WRITES:
        known = anatomy(lens_models.model(family))
        assert not known.attention
        known.require([-1, 0, 1])
        with pytest.raises(
            InputError, match=r"no two modules of block 0 of \w+ add up .*use site='residual'"
        ):
            known.require([0], "mlp")


def test_layers_and_sites_that_are_not_there_are_refused():
    known = anatomy(lens_models.model("llama"))
    with pytest.raises(InputError, match=r"layer=2: must be in -1\.\.1 for site='residual'"):
        known.require([2])
    with pytest.raises(InputError, match=r"layer=-1: must be in 0\.\.1 for site='mlp'"):
        known.require([-1], "mlp")
    with pytest.raises(InputError, match="site='residul': did you mean 'residual'"):
        known.require([0], "residul")


def test_what_was_looked_for_is_named_where_it_is_not_found():
    model = lens_models.model("llama")
    with pytest.raises(InputError, match="LlamaModel: no head was found"):
        anatomy(model.model)
    model.model.layers = nn.Sequential(*model.model.layers)
    with pytest.raises(InputError, match="no list of 2 blocks was found in LlamaModel"):
        anatomy(model)
    other = lens_models.model("gpt2")
    other.transformer.ln_f.register_forward_hook(lambda module, arguments, output: output + 1)
    plain = other.transformer.forward
    other.transformer.forward = lambda *a, **k: (plain(*a, **k)[0] * 2,)
    with pytest.raises(InputError, match=r"no final norm was found; .* none of wte, wpe, drop, h, ln_f"):
        anatomy(other)
    assert lens_models.hooks(other) == 1


def test_blocks_that_are_not_joined_are_refused():
    model = lens_models.model("llama")
    plain = model.model.layers[0].forward
    # the decoder's view of block 0 is cut: block 1 gets something else than block 0 handed on
    model.model.layers[1].register_forward_pre_hook(
        lambda module, arguments: (arguments[0] * 0.5, *arguments[1:])
    )
    with pytest.raises(InputError, match="a block's output is not the next block's input"):
        anatomy(model)
    assert plain == model.model.layers[0].forward


def test_looking_for_it_leaves_modes_and_gradients_alone():
    model = lens_models.model("llama").train()
    anatomy(model)
    assert all(module.training for module in model.modules())
    assert all(weights.grad is None and weights.requires_grad for weights in model.parameters())
