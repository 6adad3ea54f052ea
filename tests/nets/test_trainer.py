from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError, StoreError
from doxa.nets import NetShape, TokenBatch, TrainingPlan
from doxa.nets.trainer import TrainedStack, train_stack, uses_bfloat16
from doxa.nets.transformer import StackedTransformer
from doxa.streams import stream

SHAPE = NetShape(11, width=16, layers=2, heads=2, positions=16)
PLAN = TrainingPlan(steps=6, batch=8, peak_rate=1e-2)


def copying(rng: np.random.Generator, rows: int) -> TokenBatch:
    """Rows whose last token must be the first again."""
    tokens = rng.integers(11, size=(rows, 4))
    targets = np.full((rows, 4), -1)
    targets[:, 3] = tokens[:, 0]
    return TokenBatch(tokens, targets)


def ragged(rng: np.random.Generator, rows: int) -> TokenBatch:
    """Rows that carry loss at random positions, at least at the last."""
    tokens = rng.integers(11, size=(rows, 5))
    targets = np.where(rng.random((rows, 5)) < 0.4, rng.integers(11, size=(rows, 5)), -1)
    targets[:, 4] = 3
    return TokenBatch(tokens, targets)


def weights_of(trained: TrainedStack, replicate: int) -> np.ndarray:
    return np.concatenate([tensor[replicate].flatten().numpy() for tensor in trained.net.weights.values()])


@settings(max_examples=8, deadline=None)
@given(company=st.lists(st.integers(0, 50), max_size=3), place=st.integers(0, 3))
def test_a_replicate_does_not_depend_on_its_company(company: list[int], place: int):
    seeds = [*company[:place], 99, *company[place:]]
    at = seeds.index(99)
    plan = TrainingPlan(steps=4, batch=8, peak_rate=1e-2, clip_norm=0.5)
    together = train_stack(SHAPE, [ragged] * len(seeds), seeds, plan)
    alone = train_stack(SHAPE, [ragged], [99], plan)
    np.testing.assert_allclose(weights_of(together, at), weights_of(alone, 0), atol=2e-6)
    np.testing.assert_allclose(together.loss[at], alone.loss[0], atol=1e-6)


def test_training_is_that_of_llama_and_torch_adamw():
    """Five steps beside transformers' own model, loss and torch's AdamW and clipping, one network at a time."""
    plan = TrainingPlan(steps=5, batch=8, peak_rate=1e-2, clip_norm=0.3, weight_decay=0.1)
    trained = train_stack(SHAPE, [ragged, ragged], [3, 4], plan, stream_names=("peer",))
    for replicate, seed in enumerate((3, 4)):
        model = StackedTransformer.initial(SHAPE, [seed], "peer").export(0)
        flat = [p for n, p in model.named_parameters() if "norm" in n or "embed" in n]
        decayed = [p for n, p in model.named_parameters() if not ("norm" in n or "embed" in n)]
        adam = torch.optim.AdamW(
            [{"params": decayed}, {"params": flat, "weight_decay": 0.0}], weight_decay=0.1
        )
        rows = ragged(stream(seed, "peer", "data", 0), 4096)
        for step in range(plan.steps):
            part = slice(step * 8, step * 8 + 8)
            logits = model(torch.from_numpy(rows.tokens[part])).logits
            target = torch.from_numpy(rows.targets[part])
            adam.zero_grad()
            F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.3)
            for group in adam.param_groups:
                group["lr"] = plan.rate(step)
            adam.step()
        ours = dict(trained.net.export(replicate).named_parameters())
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(ours[name], parameter, atol=5e-5, rtol=1e-4)


def test_positions_without_loss_teach_nothing():
    def noisy(rng: np.random.Generator, rows: int) -> TokenBatch:
        batch = copying(rng, rows)
        batch.targets[:, :3] = -1
        return batch

    first, second = (train_stack(SHAPE, [one], [0], PLAN) for one in (copying, noisy))
    assert np.array_equal(weights_of(first, 0), weights_of(second, 0))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (train_stack(SHAPE, [copying], [seed], PLAN) for seed in (0, 0, 1))
    assert weights_of(first, 0).tobytes() == weights_of(again, 0).tobytes()
    assert not np.allclose(weights_of(first, 0), weights_of(other, 0), atol=0.01)


@pytest.mark.slow
def test_a_small_network_learns_to_copy():
    plan = TrainingPlan(steps=150, batch=64, peak_rate=1e-2)
    seen: list[tuple[int, int]] = []
    trained = train_stack(SHAPE, [copying] * 3, [0, 1, 2], plan, progress=lambda *at: seen.append(at))
    assert trained.loss.shape == (3, 3)
    assert trained.loss_steps == (50, 100, 150)
    assert seen == [(50, 150), (100, 150), (150, 150)]
    rows = copying(stream(9, "test"), 200)
    answers = trained.net.log_probs(rows.tokens)[:, :, 0].argmax(-1)
    assert (answers == rows.targets[:, 3]).mean(1).min() > 0.95


def test_broken_off_training_ends_in_the_same_bytes(tmp_path: Path):
    plan = TrainingPlan(steps=9, batch=8, peak_rate=1e-2)
    whole = train_stack(SHAPE, [ragged, ragged], [1, 2], plan, stretch=2)
    path = tmp_path / "state.safetensors"

    def stop(done: int, _steps: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_stack(
            SHAPE,
            [ragged, ragged],
            [1, 2],
            plan,
            stretch=2,
            checkpoint=path,
            checkpoint_every=4,
            progress=stop,
        )
    resumed = train_stack(
        SHAPE, [ragged, ragged], [1, 2], plan, stretch=2, checkpoint=path, checkpoint_every=4
    )
    assert weights_of(resumed, 0).tobytes() == weights_of(whole, 0).tobytes()
    assert weights_of(resumed, 1).tobytes() == weights_of(whole, 1).tobytes()
    assert resumed.loss.tobytes() == whole.loss.tobytes()
    finished = train_stack(SHAPE, [ragged, ragged], [1, 2], plan, stretch=2, checkpoint=path)
    assert weights_of(finished, 0).tobytes() == weights_of(whole, 0).tobytes()


def test_a_foreign_or_torn_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "state.safetensors"
    train_stack(SHAPE, [copying], [1], PLAN, checkpoint=path)
    with pytest.raises(StoreError, match="another training"):
        train_stack(SHAPE, [copying], [2], PLAN, checkpoint=path)
    with pytest.raises(StoreError, match="another training"):
        train_stack(SHAPE, [ragged], [1], PLAN, checkpoint=path)
    whole = path.read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
        b"{}" + whole,
    ):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match="damaged"):
            train_stack(SHAPE, [copying], [1], PLAN, checkpoint=path)


def test_training_goes_on_from_given_networks_without_changing_them():
    start = StackedTransformer.initial(SHAPE, [0])
    before = start.weights["embedding"].clone()
    trained = train_stack(SHAPE, [copying], [0], PLAN, initial=start)
    assert torch.equal(before, start.weights["embedding"])
    assert not torch.equal(before, trained.net.weights["embedding"])
    assert not trained.net.weights["embedding"].requires_grad


def test_bfloat16_trains_near_float32():
    rough = TrainingPlan(steps=6, batch=8, peak_rate=1e-2, precision="bfloat16")
    first, second = (train_stack(SHAPE, [copying], [0], plan) for plan in (PLAN, rough))
    assert 0 < np.abs(weights_of(first, 0) - weights_of(second, 0)).max() < 0.05
    assert uses_bfloat16("bfloat16")
    assert not uses_bfloat16("float32")
    assert uses_bfloat16("auto") in (True, False)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="samplers"):
        train_stack(SHAPE, [copying], [0, 1], PLAN)
    with pytest.raises(InputError, match="initial"):
        train_stack(SHAPE, [copying], [0], PLAN, initial=StackedTransformer.initial(SHAPE, [0, 1]))

    def silent(rng: np.random.Generator, rows: int) -> TokenBatch:
        return TokenBatch(rng.integers(11, size=(rows, 4)), np.full((rows, 4), -1))

    def short(rng: np.random.Generator, rows: int) -> TokenBatch:
        return copying(rng, rows - 1)

    with pytest.raises(InputError, match="no position carries loss"):
        train_stack(SHAPE, [silent], [0], PLAN)
    with pytest.raises(InputError, match="one length"):
        train_stack(SHAPE, [copying, ragged], [0, 1], PLAN)
    with pytest.raises(InputError, match="sampler 0"):
        train_stack(SHAPE, [short], [0], PLAN)
