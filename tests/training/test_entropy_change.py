from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from doxa.errors import InputError
from doxa.streams import torch_stream
from doxa.training.batches import ObjectiveWarning, warn_far_ratio
from doxa.training.entropy_change import (
    covariance_law,
    covariance_metrics,
    entropy_change,
    entropy_change_first_order,
    measure_entropy_change,
    official_omega,
    quadrants,
    steer_weights,
    token_covariance,
)
from doxa.training.objectives import open_loss, warn_few_updates
from doxa.training.tokens import token_entropy
from tests.training.losses import official
from tests.training.losses.batch import batch

ESTIMATORS = ("official", "squared", "own_logit", "exact")


def normal(*size: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(*size, generator=torch_stream(seed, "normal"), dtype=torch.float64)


def step_on(logits: torch.Tensor, actions: torch.Tensor, adv: torch.Tensor, eta: float) -> torch.Tensor:
    """Return the true entropy change of one ascent step on the ratio of the sampled token, through autograd."""
    free = logits.clone().requires_grad_()
    log_p = free.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    (adv * (log_p - log_p.detach()).exp()).sum().backward()
    assert free.grad is not None
    return token_entropy(logits + eta * free.grad) - token_entropy(logits)


def test_the_covariance_theorem_errs_by_the_square_of_the_step():
    logits, direction = normal(200, 9, scale=2.0), normal(200, 9, seed=1)
    errors = [
        (token_entropy(logits + eta * direction) - token_entropy(logits))
        - eta * entropy_change_first_order(logits, direction)
        for eta in (1e-2, 5e-3)
    ]
    ratio = errors[0].norm() / errors[1].norm()
    assert float(ratio) == pytest.approx(4.0, abs=0.1)
    free = logits.clone().requires_grad_()
    slope = (torch.autograd.grad(token_entropy(free).sum(), free)[0] * direction).sum(-1)
    torch.testing.assert_close(entropy_change_first_order(logits, direction), slope)


def test_an_excluded_token_takes_no_part():
    logits, direction = normal(5, 4), normal(5, 4, seed=1)
    wider = torch.cat([logits, torch.full((5, 1), -math.inf, dtype=torch.float64)], -1)
    steps = torch.cat([direction, torch.full((5, 1), math.nan, dtype=torch.float64)], -1)
    torch.testing.assert_close(
        entropy_change_first_order(wider, steps), entropy_change_first_order(logits, direction)
    )


@pytest.mark.parametrize("kind", ["pg", "npg"])
def test_the_law_of_tabular_policies_is_what_their_expected_update_does(kind: str):
    logits, adv = normal(50, 6, scale=1.5), normal(50, 6, seed=1)
    free = logits.clone().requires_grad_()
    (free.softmax(-1) * adv).sum().backward()
    direction = adv if kind == "npg" else free.grad
    assert direction is not None
    eta = 1e-5
    measured = (token_entropy(logits + eta * direction) - token_entropy(logits)) / eta
    law = covariance_law(logits.log_softmax(-1), adv, kind)
    torch.testing.assert_close(law, measured, rtol=0, atol=1e-4)
    assert pearsonr(law, measured)[0] > 0.99
    p = logits.softmax(-1)
    centred = adv - (p * adv).sum(-1, keepdim=True)
    inner = centred if kind == "npg" else p * centred
    log_p = p.log()
    slow = -((p * log_p * inner).sum(-1) - (p * log_p).sum(-1) * (p * inner).sum(-1))
    torch.testing.assert_close(law, slow)


def test_batch_covariance():
    one = batch()
    cov = token_covariance(one.adv, one.logp, one.mask)
    valid = one.mask > 0
    adv = one.adv[:, None].expand_as(one.logp)
    torch.testing.assert_close(cov * one.mask, official.covariance(adv, one.logp, one.mask) * one.mask)
    numbers = np.stack([x[valid].detach().numpy() for x in (adv, one.logp)])
    assert float(cov.detach().sum()) == pytest.approx(numbers.shape[1] * np.cov(numbers, ddof=0)[0, 1])
    assert (cov[~valid] == 0).all()
    assert torch.equal(token_covariance(torch.full((6,), 0.25), one.logp, one.mask), torch.zeros_like(cov))


def test_covariance_metrics_by_hand():
    logp = torch.log(torch.tensor([[0.5, 0.25, 0.5, 0.25]]))
    found = covariance_metrics(torch.tensor([[1.0, 1.0, -1.0, 1.0]]), logp, torch.ones(1, 4), (0.25, 0.5))
    half = math.log(2.0) / 2
    cells = sorted([0.5 * half, -0.5 * half, -1.5 * half, -0.5 * half], reverse=True)
    assert list(found) == ["covariance", "covariance_top_0.25", "covariance_top_0.5"]
    expected = [sum(cells) / 4, cells[0], sum(cells[:2]) / 2]
    assert [float(one) for one in found.values()] == pytest.approx(expected)


@pytest.mark.parametrize("vocabulary", [2, 8, 64])
def test_the_exact_change_errs_by_the_square_of_the_step(vocabulary: int):
    logits, adv = normal(300, vocabulary, scale=3.0), normal(300, seed=1)
    actions = torch.distributions.Categorical(logits=logits).probs.cumsum(-1)
    draw = torch.rand(300, 1, generator=torch_stream(0, "draw"), dtype=torch.float64)
    actions = (actions < draw).sum(-1).clamp(max=vocabulary - 1)
    errors = [
        step_on(logits, actions, adv, eta) - entropy_change(logits, actions, adv, eta=eta)
        for eta in (1e-2, 5e-3)
    ]
    assert float(errors[0].norm() / errors[1].norm()) == pytest.approx(4.0, abs=0.2)


def test_the_expected_exact_change_is_the_covariance_law():
    logits, adv = normal(20, 5), normal(20, 5, seed=1)
    p = logits.softmax(-1)
    centred = adv - (p * adv).sum(-1, keepdim=True)
    each = torch.stack(
        [entropy_change(logits, torch.full((20,), a), centred[:, a], eta=0.3) for a in range(5)], -1
    )
    torch.testing.assert_close((p * each).sum(-1), 0.3 * covariance_law(logits.log_softmax(-1), adv, "pg"))


@settings(max_examples=50, deadline=None)
@given(p=st.floats(0.001, 0.999), adv=st.floats(-3, 3), eta=st.floats(0.01, 2))
def test_two_tokens_have_a_closed_form(p: float, adv: float, eta: float):
    h = -p * math.log(p) - (1 - p) * math.log(1 - p)
    own = p * (math.log(p) + h)
    rest = p * p * (math.log(p) + h) + (1 - p) ** 2 * (math.log(1 - p) + h)
    logits = torch.tensor([[math.log(p), math.log(1 - p)]], dtype=torch.float64)
    got = entropy_change(logits, torch.tensor([0]), torch.tensor([adv], dtype=torch.float64), eta=eta)
    assert float(got) == pytest.approx(-eta * adv * (own - rest), abs=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_nothing_changes_at_the_extremes(estimator: str):
    uniform, onehot = torch.zeros(1, 5), torch.tensor([[0.0, 200.0, 0.0, 0.0, 0.0]])
    for logits in (uniform, onehot):
        got = entropy_change(logits, torch.tensor([1]), torch.tensor([1.0]), estimator=estimator)
        assert float(got) == pytest.approx(0.0, abs=2e-7)
    assert float(token_entropy(uniform)) == pytest.approx(math.log(5))


@pytest.mark.parametrize("estimator", ["official", "squared", "own_logit"])
def test_omega_is_the_slow_definition(estimator: str):
    one = batch(drift=0.8)
    logp, entropy = one.logp.detach(), one.statistics.entropy.detach()
    adv = one.adv[:, None].expand_as(logp)
    got = official_omega(logp, one.old_logp, adv, entropy, estimator)
    for i, t in np.ndindex(*logp.shape):
        slow = official.steer_omega(
            float(logp[i, t]), float(one.old_logp[i, t]), float(adv[i, t]), float(entropy[i, t]), estimator
        )
        assert float(got[i, t]) == pytest.approx(slow, rel=1e-9)
    ratio = (logp - one.old_logp).exp()
    change = entropy_change(one.logits.detach(), one.tokens, adv, ratio, estimator=estimator, eta=2.0)
    torch.testing.assert_close(change, -2.0 * got)


def test_what_is_not_finite_becomes_0_and_a_clipped_token_changes_nothing():
    assert official_omega(*torch.tensor([[-math.inf], [-math.inf], [math.inf], [1.0]])).tolist() == [0.0]
    assert official_omega(*torch.tensor([[0.0], [-math.inf], [1.0], [0.0]])).isfinite().all()
    logits, adv = normal(4, 3), normal(4, seed=1)
    gone = torch.tensor([True, False, True, False])
    for estimator in ESTIMATORS:
        got = entropy_change(logits, torch.zeros(4, dtype=torch.long), adv, 1.1, gone, estimator)
        assert torch.equal(got == 0, gone)


def test_estimators_against_the_true_change():
    """Part A of the embedded experiment: 2,000 draws on-policy, one step of 1e-3."""
    for vocabulary, scale in ((8, 2.0), (64, 3.0)):
        logits, adv = normal(2000, vocabulary, scale=scale), normal(2000, seed=1)
        draw = torch.rand(2000, 1, generator=torch_stream(1, "draw"), dtype=torch.float64)
        actions = (logits.softmax(-1).cumsum(-1) < draw).sum(-1).clamp(max=vocabulary - 1)
        true = step_on(logits, actions, adv, 1e-3)
        found = {one: entropy_change(logits, actions, adv, estimator=one, eta=1e-3) for one in ESTIMATORS}
        correlation = {one: pearsonr(found[one], true)[0] for one in ESTIMATORS}
        sign = {one: float(((found[one] > 0) == (true > 0)).double().mean()) for one in ESTIMATORS}
        assert correlation["exact"] > 0.9999
        assert sign["exact"] > 0.999
        assert 0.5 < correlation["squared"] < correlation["official"] < 0.8
        assert correlation["official"] < correlation["own_logit"] < 0.9
        assert 0.75 < sign["official"] < 0.97


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), low=st.floats(0.1, 1.0), kind=st.sampled_from(["exp", "linear"]))
def test_weights_fall_with_the_change(seed: int, low: float, kind: str):
    omega, mask = normal(3, 6, seed=seed), (normal(3, 6, seed=seed + 1000) > -1).double()
    mask[0, 0] = 1.0
    weights = steer_weights(omega, mask, low, 1.2, kind)
    valid = mask > 0
    size, found = omega[valid].abs(), weights[valid]
    assert float(found[size.argmax()]) == low
    assert (found >= low).all()
    assert (found <= (1.0 if kind == "exp" else 1.2)).all()
    assert (found[size.argsort()].diff() <= 1e-12).all()
    assert (weights[~valid] == 0).all()
    wider = [
        torch.cat([x, torch.full((3, 2), fill, dtype=torch.float64)], 1)
        for x, fill in ((omega, 99.0), (mask, 0.0))
    ]
    torch.testing.assert_close(steer_weights(*wider, low, 1.2, kind)[:, :6], weights, rtol=1e-14, atol=0)
    torch.testing.assert_close(steer_weights(7.0 * omega, mask, low, 1.2, kind), weights)


def test_weights_at_the_edges():
    mask, same = torch.ones(1, 3), torch.full((1, 3), 0.5)
    assert steer_weights(same, mask, 0.8, 1.2, "linear").tolist() == [pytest.approx([1.0] * 3)]
    assert torch.equal(steer_weights(same, mask, 0.8), torch.full((1, 3), 0.8))
    assert steer_weights(torch.zeros(1, 3), mask, 0.8).tolist() == [[1.0] * 3]
    small = steer_weights(torch.tensor([[0.01, 0.0, 0.0]]), mask, 0.8)
    assert small.tolist()[0] == pytest.approx([math.sqrt(0.8), 1.0, 1.0])
    assert steer_weights(same, 0 * mask).tolist() == [[0.0] * 3]
    with pytest.raises(InputError, match="kind='square'"):
        steer_weights.__wrapped__(same, mask, kind="square")


def test_four_quadrants():
    one = batch(rows=20)
    logp, entropy = one.logp.detach(), one.statistics.entropy.detach()
    found = quadrants(logp, one.adv, entropy, one.mask)
    assert int(found.counts.sum()) == int(one.mask.sum())
    assert (torch.sign(found.changes) == torch.tensor([[-1, 1], [1, -1]])).all()
    change = entropy_change(one.logits.detach(), one.tokens, one.adv[:, None].expand_as(logp))
    total = quadrants(logp, one.adv, entropy, one.mask, change).changes.sum()
    assert float(total) == pytest.approx(float((change * one.mask).sum()))
    assert int(quadrants(logp, torch.zeros(20), entropy, one.mask).counts.sum()) == 0


def test_measured_change_of_a_tabular_policy_is_the_estimated_one():
    class Table(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = torch.nn.Parameter(normal(4, 3, 6))
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.dropout(self.logits[rows])

    model, rows = Table(), torch.arange(4)
    actions, adv, eta = (
        torch.randint(6, (4, 3), generator=torch_stream(0, "actions")),
        normal(4, 3, seed=1),
        1e-4,
    )
    expected = entropy_change(model.logits.detach(), actions, adv, eta=eta)

    def step() -> None:
        log_p = model.logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
        slope = torch.autograd.grad((adv * log_p).sum(), model.logits)[0]
        with torch.no_grad():
            model.logits += eta * slope

    found = measure_entropy_change(model, {"rows": rows}, step)
    assert model.training
    torch.testing.assert_close(found.change, expected, rtol=1e-3, atol=1e-8)
    assert torch.equal(found.before + found.change, found.after)
    with pytest.raises(InputError, match="same positions"):
        measure_entropy_change(lambda rows: model.logits[rows[: len(kept)]], rows, kept.pop, temperature=2.0)


kept = [0, 1, 2]


def test_warnings_say_what_is_amiss():
    one = batch(drift=0.0)
    warn_far_ratio(one.logp, one.old_logp, one.mask)
    with pytest.warns(ObjectiveWarning, match="same temperature"):
        warn_far_ratio(one.logp, one.old_logp - 0.5, one.mask)
    with pytest.warns(ObjectiveWarning, match="no effect with 1 update"):
        warn_few_updates(open_loss("kl-cov?fraction=0.02"), 1)
    warn_few_updates(open_loss("kl-cov?fraction=0.02"), 2)
    warn_few_updates(open_loss("clip-cov"), 1)


def test_bad_input_is_named():
    one = batch()
    logp, entropy = one.logp.detach(), one.statistics.entropy.detach()
    with pytest.raises(InputError, match="at least 0 nats"):
        quadrants(logp, one.adv, -entropy, one.mask)
    with pytest.raises(InputError, match="at most 0"):
        quadrants(-logp, one.adv, entropy, one.mask)
    with pytest.raises(InputError, match="no response tokens"):
        quadrants(logp, one.adv, entropy, 0 * one.mask)
    with pytest.raises(InputError, match="no response tokens"):
        token_covariance(one.adv, logp, 0 * one.mask)
    with pytest.raises(InputError, match=r"20 % of the tokens is top=0\.2"):
        covariance_metrics(one.adv, logp, one.mask, (20.0,))
