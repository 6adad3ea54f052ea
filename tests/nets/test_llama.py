from __future__ import annotations

import pytest
import torch
from transformers import LlamaForCausalLM

from doxa.errors import InputError
from doxa.nets import NetShape
from doxa.nets.llama import from_llama, llama_config
from doxa.nets.transformer import StackedTransformer
from doxa.streams import torch_stream


def stack(tied: bool) -> StackedTransformer:
    shape = NetShape(50, width=32, layers=3, heads=4, hidden=40, tied=tied, positions=64)
    net = StackedTransformer.initial(shape, [1, 2], "llama")
    generator = torch_stream(0, "norms")
    for name, tensor in net.weights.items():
        if name.endswith("norm"):
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    return net


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("positions", [1, 3, 8, 40])
def test_an_exported_replicate_gives_the_same_logits(tied: bool, positions: int):
    net = stack(tied)
    rows = torch.randint(50, (2, 6, positions), generator=torch_stream(1, "rows"))
    mine = net.logits(net.hidden(rows))
    for replicate in range(2):
        with torch.no_grad():
            theirs = net.export(replicate)(rows[replicate]).logits
        torch.testing.assert_close(mine[replicate], theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_stack_survives_the_way_there_and_back(tied: bool):
    net = stack(tied)
    back = from_llama([net.export(0), net.export(1)])
    assert back.shape == net.shape
    for name, tensor in net.weights.items():
        assert torch.equal(tensor, back.weights[name]), name


def test_an_exported_model_saves_loads_and_generates(tmp_path: pytest.TempPathFactory):
    model = stack(tied=True).export(1)
    model.save_pretrained(tmp_path)
    again = LlamaForCausalLM.from_pretrained(tmp_path)
    rows = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(model(rows).logits, again(rows).logits)
    assert again.generate(rows, max_new_tokens=4, do_sample=False, pad_token_id=0).shape == (1, 7)


def test_exporting_copies():
    net = stack(tied=True)
    model = net.export(0)
    with torch.no_grad():
        model.model.norm.weight.zero_()
    assert float(net.weights["norm"].abs().sum()) > 0


def test_what_cannot_be_stacked_is_refused():
    config = llama_config(NetShape(11, width=16, heads=4))
    with pytest.raises(InputError, match="models"):
        from_llama([])
    config.num_key_value_heads = 2
    with pytest.raises(InputError, match="num_key_value_heads"):
        from_llama([LlamaForCausalLM(config)])
    biased = llama_config(NetShape(11, width=16))
    biased.attention_bias = True
    with pytest.raises(InputError, match="biases"):
        from_llama([LlamaForCausalLM(biased)])
    two = [LlamaForCausalLM(llama_config(NetShape(size, width=16))) for size in (11, 12)]
    with pytest.raises(InputError, match="shapes"):
        from_llama(two)
