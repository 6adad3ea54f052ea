from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.dynamics.deep_markov import DMM, DivergedError, FitPlan, Oscillator, PgDMM, PhysicsPrior, fit_stack
from doxa.dynamics.deep_markov.model import DeepMarkovModel
from doxa.dynamics.deep_markov.training import draw_noise
from doxa.errors import InputError, StoreError
from doxa.streams import stream, torch_stream

PRIOR = Oscillator(f0=0.5, zeta=0.1, dt=0.1, gain=1.0)
LENGTHS = [12, 7, 12, 9, 12, 5]
CHANCE = stream(0, "deep-markov-tests")
U = CHANCE.normal(size=(6, 12, 1))
X = 0.1 * CHANCE.normal(size=(6, 12, 1)) + np.cumsum(U, axis=1) * 0.1


def small(**options) -> PgDMM:
    return PgDMM(PRIOR, rnn_dim=6, hidden=5, **options)


def plain(**options) -> DMM:
    return DMM(1, 1, 2, rnn_dim=6, hidden=5, **options)


def every_kind() -> list[DeepMarkovModel]:
    return [
        small(),
        small(guide="direct", guide_input=True),
        small(alpha="free", emission="linear"),
        small(emission="mlp", alpha=0.2, learn_alpha=False),
        small(alpha=1, learn_alpha=False),
        small(alpha=0, learn_alpha=False),
        plain(guide="direct"),
        plain(emission="mlp"),
    ]


@pytest.fixture(scope="module")
def model() -> PgDMM:
    fitted = small(missing="nan")
    fitted.fit(X, U, lengths=LENGTHS, steps=20)
    return fitted


@pytest.mark.parametrize("kind", range(8))
def test_every_form_trains_and_answers(kind, tmp_path):
    """Training raises the bound; saving and loading keeps every answer; padding is NaN and nothing else is."""
    model = every_kind()[kind]
    fitted = model.fit(X, U, lengths=LENGTHS, steps=60, lr=1e-2)
    assert fitted.history.elbo[-1] > fitted.history.elbo[0]
    assert fitted.alpha == model.alpha
    model.save(tmp_path / "model.safetensors")
    again = type(model).load(tmp_path / "model.safetensors")
    inside = np.arange(12) < np.array(LENGTHS)[:, None]
    for one in (model, again):
        post, ahead = one.infer(X, U, lengths=LENGTHS), one.one_step(X, U, lengths=LENGTHS)
        future = one.forecast(X, U[:, :4], 4, u=U, lengths=LENGTHS)
        for numbers in (post.mean, post.std, post.obs_mean, post.obs_std, *ahead):
            assert np.array_equal(np.isfinite(numbers).all(-1), inside)
        for numbers in (*future, *one.generate(2, 4, U[:2, :4])):
            assert np.isfinite(numbers).all()
            assert numbers.shape[1] == 4
        assert np.isnan(post.phy_mean).all() == (not one.shape.physics)
        assert np.isnan(post.nn_mean).all() == (not one.shape.learned)
    assert np.array_equal(model.infer(X, U).mean, again.infer(X, U).mean)


def test_the_bound_ignores_padding_and_what_stands_in_it(model):
    wide = [np.pad(one, ((0, 0), (0, 5), (0, 0)), constant_values=99.0) for one in (X, U)]
    short, long = (model.elbo(x, u, lengths=LENGTHS).sequences for x, u in ((X, U), wide))
    assert np.array_equal(short, long)


def test_a_sequence_alone_is_worth_what_it_is_among_longer_ones(model):
    """Padding inside the batch: the mean path of a short sequence is the same with and without the others."""
    among = model.elbo(X, U, 0, lengths=LENGTHS).sequences[1]
    alone = model.elbo(X[1:2, :7], U[1:2, :7], 0).sequences[0]
    assert np.isclose(among, alone, rtol=1e-5)


def test_the_bound_of_a_sequence_does_not_hang_on_its_place(model):
    """Noise moved along with its sequence gives every sequence the same bound."""
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    network, batch = model.fitted().network, model._ready(X, U, None, LENGTHS).batch
    noise = draw_noise(model.shape, [torch_stream(0, "order")], 12, 6, torch.float32)
    with torch.no_grad():
        found = [one.sum(1)[0] for one in network.terms(batch, noise)]
        moved = [one.sum(1)[0] for one in network.terms(batch.rows(order[None]), noise[:, :, :, order])]
    for one, other in zip(found, moved, strict=True):
        torch.testing.assert_close(one[order], other, rtol=1e-5, atol=1e-5)


def test_missing_values_are_as_good_as_masked_ones(model):
    holes, mask = X.copy(), np.ones(X.shape[:2], dtype=bool)
    holes[0, 3], mask[0, 3] = np.nan, False
    one, other = model.elbo(holes, U, 0).sequences, model.elbo(X, U, 0, mask=mask).sequences
    assert np.array_equal(one, other)
    assert one[0] != model.elbo(X, U, 0).sequences[0]
    assert np.isfinite(model.infer(holes, U).mean).all()


def test_physics_alone_forecasts_powers_of_its_matrix():
    """A share of 1 and no learned stream: the mean forecast is the matrix applied to the state believed last."""
    model = small(alpha=1, learn_alpha=False, precision="float64")
    model.fit(X, U, steps=3)
    state = model.infer(X, U, n_samples=0).mean[:, -1]
    future = model.forecast(X, U[:, :5], 5, n_samples=0, u=U).mean
    for step in range(5):
        state = state @ PRIOR.A.T + U[:, step] @ PRIOR.B.T
        assert np.allclose(future[:, step], state, rtol=1e-10, atol=1e-12)


def test_without_physics_the_prior_does_not_matter():
    """A share of 0: two priors give one model."""
    other = Oscillator(f0=0.3, zeta=0.4, dt=0.1, gain=2.0, latent_scale=[1.0, 1.0])
    found = []
    for prior in (PRIOR.with_known(latent_scale=[1.0, 1.0]), other):
        model = PgDMM(prior, rnn_dim=6, hidden=5, alpha=0, learn_alpha=False)
        model.fit(X, U, steps=5)
        found.append(model.forecast(X, U[:, :5], 5, u=U).mean)
    assert np.array_equal(*found)


def test_a_forecast_of_one_step_reads_the_past_alone(model):
    """Changing what comes from step 6 on changes no expectation up to step 6, and some afterwards."""
    other = X.copy()
    other[:, 6:] += 1.0
    one, two = (model.one_step(x, U, n_samples=0).obs_mean for x in (X, other))
    assert np.allclose(one[:, :7], two[:, :7], rtol=1e-5, atol=1e-6)
    assert not np.allclose(one[:, 7:], two[:, 7:], atol=1e-3)


def test_answers_come_in_the_units_of_the_data():
    """Observations a thousand times as large, and the prior with them, give answers as much larger."""
    large = PhysicsPrior.linear(PRIOR.A, 1000 * PRIOR.B, [[1, 0]])
    one, two = small(), PgDMM(large, rnn_dim=6, hidden=5)
    elbos = [a.fit(x, U, steps=10).elbo for a, x in ((one, X), (two, 1000 * X))]
    assert np.isclose(elbos[0] - elbos[1], np.log(1000), atol=1e-3)
    found = [a.infer(x, U) for a, x in ((one, X), (two, 1000 * X))]
    assert np.allclose(1000 * found[0].mean, found[1].mean, rtol=1e-3, atol=1e-2)


def test_models_trained_together_are_as_if_trained_alone():
    data, seeds = small().read(X, U, None, LENGTHS), [3, 4]
    plan = FitPlan(steps=6, lr=1e-2, batch=4)
    together = [small(), small()]
    fit_stack(together, [data, data], seeds=seeds, plan=plan)
    for seed, one in zip(seeds, together, strict=True):
        alone = small()
        alone.fit(X, U, lengths=LENGTHS, steps=6, lr=1e-2, batch=4, seed=seed)
        assert np.allclose(one.infer(X, U).mean, alone.infer(X, U).mean, atol=1e-4)
    assert not np.allclose(together[0].infer(X, U).mean, together[1].infer(X, U).mean, atol=1e-3)


def test_training_goes_on_where_it_stopped():
    model = small()
    first = model.fit(X, U, steps=40, lr=1e-2)
    scales = model.fitted().scales
    second = model.fit(2 * X, U, steps=1, lr=1e-6)
    assert model.fitted().scales is scales
    assert abs(second.history.divergence[0] - first.history.divergence[-1]) < first.history.divergence[0]


def test_frozen_parts_stay_and_the_others_move():
    model = small()
    model.fit(X, U, steps=5)
    before = {name: one.clone() for name, one in model.fitted().network.weights.items()}
    model.fit(X, U, steps=5, frozen=["learned", "physics", "alpha"])
    for name, one in model.fitted().network.weights.items():
        still = name.split(".")[0] in ("learned", "physics", "alpha")
        assert torch.equal(one, before[name]) == still, name
    with pytest.raises(InputError, match="did you mean 'emission'"):
        model.fit(X, U, steps=1, frozen=["emision"])


def test_callbacks_are_told_where_training_stands():
    told = []
    result = small().fit(X, U, steps=60, kl_anneal=100, callbacks=[told.append])
    assert [one.step for one in told] == [50, 60]
    assert np.allclose(result.history.weight, [0.2 + 0.8 * 0.49, 0.2 + 0.8 * 0.59])


def test_a_bound_that_is_no_number_stops_training_with_its_term():
    steep = PgDMM(
        PhysicsPrior.callable(lambda z, u: torch.exp(200 * (z + 1)), 1, C=[[1.0]]), rnn_dim=4, hidden=4
    )
    with pytest.raises(DivergedError, match=r"step 1: .*KL\(q ‖ p\) of model 0"):
        steep.fit(X, steps=3)


def test_a_step_of_ones_own_is_passed_again_when_loading(tmp_path):
    prior = PhysicsPrior.callable(lambda z, u: z + u, 1, C=[[1.0]], input_dim=1)
    model = PgDMM(prior, rnn_dim=4, hidden=4)
    model.fit(X, U, steps=2)
    path = tmp_path / "model.safetensors"
    model.save(path)
    with pytest.raises(InputError, match="pass it as prior="):
        PgDMM.load(path)
    assert np.array_equal(PgDMM.load(path, prior).infer(X, U).mean, model.infer(X, U).mean)
    with pytest.raises(InputError, match="holds a PgDMM"):
        DMM.load(path, prior)
    with pytest.raises(InputError, match="no such file"):
        PgDMM.load(tmp_path / "none")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match="damaged"):
        PgDMM.load(path, prior)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: PgDMM(PRIOR, latent_dim=3), "latent_dim=3: the prior has 2"),
        (lambda: PgDMM(PRIOR, obs_dim=2), "emission='prior' with obs_dim=2"),
        (lambda: PgDMM(PRIOR, input_dim=3), "the prior takes 1"),
        (lambda: PgDMM(PRIOR, alpha=1.0), "must be in"),
        (lambda: PgDMM(PhysicsPrior.linear([[0.5]])), "obs_dim"),
        (lambda: PgDMM(PRIOR, rnn_dim=0), "rnn_dim=0"),
        (lambda: small().infer(X, U), "call fit first"),
        (lambda: small().fit(np.ones((2, 3, 1)), U[:2, :3]), "constant"),
        (lambda: small().fit(X, U, steps=-1), "steps=-1"),
        (lambda: small().fit(X, U, lr=0.0), "lr=0.0"),
        (lambda: FitPlan(steps=1, lr=1.0, kl_start=2.0), "kl_start=2.0"),
        (lambda: fit_stack([small(), plain()], [], seeds=[], plan=FitPlan(1, 1.0)), "one shape"),
        (lambda: fit_stack([small()], [], seeds=[0], plan=FitPlan(1, 1.0)), "one for each"),
    ],
)
def test_bad_settings_are_refused_by_name(make, told):
    with pytest.raises(InputError, match=told):
        make()


def test_a_forecast_needs_its_inputs(model):
    with pytest.raises(InputError, match="u has 2 steps: must have 5"):
        model.forecast(X, U[:, :2], 5, u=U)
    with pytest.raises(InputError, match="steps=0"):
        model.forecast(X, U, 0, u=U)
    with pytest.raises(InputError, match="not finite"):
        model.generate(1, 1, [[[np.nan]]])
