from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError, StoreError
from doxa.lens.completions import uniforms
from doxa.lens.entropic_steering import (
    EntropicSteering,
    cosine,
    entropy_weighted_mean,
    settings,
    shuffled_entropies,
    sweep,
)
from doxa.lens.steering import SteeringVector, model_identity, steered
from doxa.streams import stream
from tests.lens import lens_models


class Log(NamedTuple):
    entropies: np.ndarray
    run_id: np.ndarray


def log(*runs):
    """Return a log from the entropies of each run."""
    return Log(np.concatenate(runs), np.repeat(np.arange(len(runs)), [len(run) for run in runs]))


def synthetic(*, offset=30.0, noise=0.3, seed=0, runs=40, steps=25, width=16):
    """Return z = a·h + offset of the run + noise, with its log and a."""
    rng = stream(seed, "test", "synthetic")
    a = rng.standard_normal(width)
    told = log(*rng.uniform(0.0, 0.69, (runs, steps)))
    offsets = offset * rng.standard_normal((runs, width))
    z = told.entropies[:, None] * a + offsets[told.run_id]
    return told, (z + noise * rng.standard_normal(z.shape)).astype(np.float32)[:, None], a


seeds = st.integers(0, 10_000)


def random_log(seed):
    rng = stream(seed, "test", "random log")
    told = log(*(rng.uniform(0, 0.69, rng.integers(2, 6)) for _ in range(4)))
    return told, rng.standard_normal((len(told.entropies), 3))


def test_two_runs_of_two_steps_by_hand():
    told = log([0.0, 1.0], [1.0, 0.0])
    z = np.array([[1.0, 2.0], [3.0, 8.0], [5.0, 5.0], [1.0, 1.0]])
    expected = ((z[1] - z[0]) / 2 + (z[2] - z[3]) / 2) / 2
    assert entropy_weighted_mean(told.entropies, z, told.run_id) == pytest.approx(expected)
    fitted = EntropicSteering.fit(told, z[:, None].astype(np.float32), (4,))
    assert fitted.vectors[4] == pytest.approx(expected)


@given(seeds)
def test_it_equals_the_formula_term_by_term(seed):
    told, z = random_log(seed)
    total = np.zeros(3)
    for run in range(4):
        own = told.run_id == run
        mean = z[own].mean(0)
        for h, one in zip(told.entropies[own], z[own], strict=True):
            total += h * (one - mean)
    assert entropy_weighted_mean(told.entropies, z, told.run_id) == pytest.approx(
        total / told.entropies.sum()
    )


@given(seeds, st.floats(0.1, 50.0))
def test_scaling_the_entropies_or_shifting_a_run_changes_nothing(seed, factor):
    told, z = random_log(seed)
    u = entropy_weighted_mean(told.entropies, z, told.run_id)
    assert entropy_weighted_mean(factor * told.entropies, z, told.run_id) == pytest.approx(u)
    shifted = z + np.where(told.run_id == 2, factor, 0.0)[:, None]
    assert entropy_weighted_mean(told.entropies, shifted, told.run_id) == pytest.approx(u, abs=1e-9)


@given(seeds)
def test_a_constant_more_entropy_changes_the_length_only(seed):
    told, z = random_log(seed)
    u = entropy_weighted_mean(told.entropies, z, told.run_id)
    more = entropy_weighted_mean(told.entropies + 1.0, z, told.run_id)
    n, total = len(told.entropies), told.entropies.sum()
    assert more == pytest.approx(u * total / (total + n))


@given(seeds, st.floats(0.01, 2.0))
def test_equal_entropies_give_zero_exactly(seed, value):
    told, z = random_log(seed)
    assert np.all(entropy_weighted_mean(np.full(len(z), value), z, told.run_id) == 0.0)


def test_a_planted_direction_is_recovered_and_only_with_centring():
    told, z, a = synthetic()
    assert cosine(EntropicSteering.fit(told, z, (0,)).vectors[0], a) > 0.99
    summed = EntropicSteering.fit(told, z, (0,), centre=False)
    assert abs(cosine(summed.vectors[0], a)) < 0.6
    few, _, _ = synthetic(runs=4)
    assert cosine(EntropicSteering.fit(few, *synthetic(runs=4)[1:2], (0,)).vectors[0], a) < 0.999


def test_shuffled_entropies_lose_it():
    told, z, a = synthetic(offset=0.0)
    angles = []
    for draw in range(20):
        shuffled = Log(shuffled_entropies(told.entropies, stream(draw, "test", "shuffle")), told.run_id)
        assert sorted(shuffled.entropies) == sorted(told.entropies)
        angles.append(cosine(EntropicSteering.fit(shuffled, z, (0,)).vectors[0], a))
    assert abs(np.mean(angles)) < 0.25


def test_prompts_without_an_entropy_are_left_out_before_runs_are_centred():
    told, z = random_log(3)
    holes = told.entropies.copy()
    holes[1] = math.nan
    keep = np.arange(len(z)) != 1
    left = EntropicSteering.fit(Log(told.entropies[keep], told.run_id[keep]), z[keep, None], (0,))
    assert np.array_equal(
        EntropicSteering.fit(Log(holes, told.run_id), z[:, None], (0,)).vectors[0], left.vectors[0]
    )


def test_runs_of_one_step_are_left_out_with_a_warning():
    told, z = random_log(5)
    one = Log(np.append(told.entropies, 0.4), np.append(told.run_id, 99))
    with pytest.warns(UserWarning, match="1 of 5 runs have one usable step"):
        fitted = EntropicSteering.fit(one, np.append(z, [[9.0, 9.0, 9.0]], 0)[:, None], (0,))
    assert np.array_equal(fitted.vectors[0], EntropicSteering.fit(told, z[:, None], (0,)).vectors[0])


def test_the_unit_of_activation_norms():
    told, z, _ = synthetic()
    both = np.concatenate([z, 3 * z], 1)
    fitted = EntropicSteering.fit(told, both, (0, 1), scale="activation", model="m")
    assert (fitted.unit, fitted.site, fitted.model) == ("mean activation norm", "residual", "m")
    for layer in (0, 1):
        length = np.linalg.norm(both[:, layer], axis=-1).mean()
        assert np.linalg.norm(fitted.vectors[layer]) == pytest.approx(length, rel=1e-5)
    assert EntropicSteering.fit(told, z, (0,)).unit == "entropy-weighted mean"


@pytest.mark.parametrize(
    ("entropies", "runs", "message"),
    [
        ([math.nan] * 4, [0, 0, 1, 1], "no entropies: no completion"),
        ([0.1, 0.2, 0.3, 0.4], [0, 1, 2, 3], "no entropies: every run has one usable step"),
        ([0.3, 0.3, 0.5, 0.5], [0, 0, 1, 1], "so the vector is zero"),
        ([0.0, 0.0, 0.0, 0.0], [0, 0, 1, 1], "so the vector is zero"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*one usable step")
def test_logs_that_tell_nothing_are_refused(entropies, runs, message):
    told = Log(np.array(entropies), np.array(runs))
    with pytest.raises(InputError, match=message):
        EntropicSteering.fit(told, np.ones((4, 1, 3), dtype=np.float32), (0,))


@pytest.mark.parametrize(
    ("shape", "layers", "message"),
    [
        ((3, 1, 3), (0,), "activations of shape .* for 4 prompts"),
        ((4, 2, 3), (0,), "activations hold 2 layers"),
    ],
)
def test_activations_must_fit_the_log(shape, layers, message):
    told = Log(np.array([0.1, 0.2, 0.3, 0.1]), np.array([0, 0, 1, 1]))
    with pytest.raises(InputError, match=message):
        EntropicSteering.fit(told, np.ones(shape, dtype=np.float32), layers)


def test_activations_that_are_not_finite_are_refused():
    told = Log(np.array([0.1, 0.2]), np.array([0, 0]))
    with pytest.raises(InputError, match="NaN or inf"):
        EntropicSteering.fit(told, np.full((2, 1, 3), np.nan, dtype=np.float32), (0,))


def test_a_vector_is_saved_with_what_it_is_and_is_refused_by_another_model(tmp_path):
    told, z = random_log(1)
    model, other = lens_models.model("llama"), lens_models.model("llama", seed=1)
    wide = np.tile(z, (1, 11))[:, None, :32].astype(np.float32)
    fitted = EntropicSteering.fit(told, wide, (1,), model=model_identity(model))
    read = SteeringVector.load(fitted.save(tmp_path / "u.safetensors"))
    assert np.array_equal(read.vectors[1], fitted.vectors[1])
    assert (read.model, read.unit, read.layers) == (fitted.model, fitted.unit, (1,))
    with steered(model, read), pytest.raises(InputError, match="force=True"), steered(other, read):
        pass
    with pytest.raises(StoreError):
        SteeringVector.load(tmp_path / "absent")


def test_a_sweep_has_a_row_to_each_setting():
    model = lens_models.model("llama")
    told, z = random_log(1)
    wide = np.tile(z, (2, 11))[: len(z), :32].astype(np.float32)
    fitted = EntropicSteering.fit(told, np.stack([wide, wide], 1), (0, 1), scale="activation")
    prompts = [[5, 9, 31], [7, 7], [3, 1, 4, 1, 5]]
    numbers = uniforms(0, "test", "sweep", rows=range(3), samples=8, tokens=2)
    table = sweep(
        fitted,
        model,
        prompts,
        (-1.0, 2.0),
        numbers,
        arms_of=lambda tokens: np.where(tokens[..., 1] < 200, tokens[..., 1] % 2, -1),
        rng=stream(0, "test"),
        temperatures=(0.5,),
    )
    assert table.height == 2 + 4
    assert table["layer"].to_list() == [None, None, 0, 0, 1, 1]
    assert table.select(pl.col("entropy").is_between(0, math.log(2))).to_series().all()
    assert table.select(pl.col("low") <= pl.col("entropy")).to_series().all()
    assert table["validity"].is_between(0, 1).all()
    with pytest.raises(InputError, match="multiplier=nan"):
        settings(fitted, (math.nan,))
    with pytest.raises(InputError, match="layers"):
        settings(fitted, (1.0,), layers=(5,))
