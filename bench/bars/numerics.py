"""Bar 14, numerics: long series, large logits and small probabilities against mpmath or a second algorithm.

Everything must be finite and within 1e-9 of the truth in double precision (1e-4 in single), relative to its size. doxa
has no hidden Markov model of its own: the forward filter here is made of its logsumexp and log_softmax, and is compared
with the scaled recursion, which shares nothing with it. Nor has it expectation maximisation; the one fit that climbs by
steps which may not lower the likelihood is that of Bradley and Terry.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import torch

from bars.outcome import Outcome
from doxa.belief.bradley_terry import bradley_terry
from doxa.belief.event_times import survival
from doxa.belief.inference import mcnemar_exact
from doxa.belief.information import (
    binary_entropy_nats,
    entropy_nats,
    expit,
    kl_nats,
    log_expit,
    log_softmax,
    logit,
    logsumexp,
)
from doxa.belief.log_odds import credence_of, log_odds_of
from doxa.belief.scoring_rules import earned, log_score_of_log_odds
from doxa.belief.updating import (
    incoherence,
    posterior_log_odds,
    posterior_log_probs,
    predictive_probability,
)
from doxa.dynamics.kalman import GaussianSystem, kalman_filter, rts_smoother
from doxa.dynamics.linear import LinearSystem
from doxa.society.dynamics.base import Turn
from doxa.society.dynamics.degroot import DeGroot, DeGrootConfig
from doxa.society.graph import Graph
from doxa.streams import stream
from doxa.training.divergences import k3
from doxa.training.entropy_bound import entropy_lower_bound
from doxa.training.entropy_estimators import entropy_change_first_order
from doxa.training.tokens import token_entropy, token_log_probs
from doxa.worlds.bandits import NormalPrior
from doxa.worlds.decision_process import FiniteMDP
from doxa.worlds.linear_bandits.regressing import DiscountedLinUCB, LinUCB, Regressing

DOUBLE, SINGLE = 1e-9, 1e-4
FULL_STEPS, SMALL_STEPS = 1_000_000, 2_000
FULL_CATEGORIES, SMALL_CATEGORIES = 100_000, 1_000

LONG = np.longdouble

mp: Any = mpmath.mp.clone()
mp.dps = 60
far: Any = mpmath.mp.clone()
far.dps = 800
"""For what must not round 1 - 1e-300 to one."""

LEAST = mp.mpf(2) ** -1022
"""The least normal double; what is smaller counts as nothing."""

Found = tuple[str, Any, Any]
"""What is compared, doxa's number, and the true one; both may be arrays."""


def run(full: bool, folder: Path) -> Outcome:
    """Compute everything twice and compare."""
    del folder
    steps = FULL_STEPS if full else SMALL_STEPS
    categories = FULL_CATEGORIES if full else SMALL_CATEGORIES
    outcome = Outcome("")
    worst: dict[float, float] = {DOUBLE: 0.0, SINGLE: 0.0}
    parts: list[tuple[float, Callable[[], Iterator[Found]]]] = [
        (DOUBLE, tails),
        (DOUBLE, large_logits),
        (DOUBLE, lambda: many_categories(categories)),
        (DOUBLE, small_masses),
        (DOUBLE, lambda: long_evidence(steps)),
        (DOUBLE, lambda: hidden_markov(steps)),
        (DOUBLE, lambda: kalman(steps)),
        (DOUBLE, lambda: responses(steps)),
        (DOUBLE, lambda: linear_bandits(steps)),
        (DOUBLE, lambda: bandits_and_processes(steps)),
        (SINGLE, lambda: single_precision(categories)),
        (SINGLE, lambda: opinions(steps)),
    ]
    for tolerance, part in parts:
        for what, found, true in part():
            error = relative_error(found, true)
            worst[tolerance] = max(worst[tolerance], error)
            outcome.check(error <= tolerance, f"{what}: relative error {error:.3g}")
    for what, holds in climbs():
        outcome.check(holds, what)
    outcome.size = (
        f"{steps} steps, {categories} categories; largest relative error {worst[DOUBLE]:.1e} in double precision, "
        f"{worst[SINGLE]:.1e} in single"
    )
    return outcome


def relative_error(found: Any, true: Any) -> float:
    """Return the largest |found - true| / |true|, infinite where a number is not finite or a zero is missed."""
    pairs = zip(
        np.ravel(np.asarray(found, dtype=object)), np.ravel(np.asarray(true, dtype=object)), strict=True
    )
    worst = 0.0
    for own, other in pairs:
        one = mp.mpf(_exactly(own))
        if not mp.isfinite(one):
            return float("inf")
        reference = mp.mpf(_exactly(other))
        if abs(reference) < LEAST:
            worst = max(worst, 0.0 if abs(one) < LEAST else float("inf"))
        else:
            worst = max(worst, float(abs(one - reference) / abs(reference)))
    return worst


def _exactly(number: Any) -> Any:
    """Return a number as mpmath takes it without rounding; long doubles in two parts."""
    if isinstance(number, np.longdouble):
        high = float(number)
        return mp.mpf(high) + mp.mpf(float(number - LONG(high)))
    return number.item() if hasattr(number, "item") else number


def tails() -> Iterator[Found]:
    """Credences down to 1e-300, and log-odds up to 690 and 10,000."""
    for x in (-690.0, -300.0, -36.0, -1.0, -1e-12, 1e-300, 1e-12, 0.3, 36.0, 690.0):
        p = 1 / (1 + far.exp(-far.mpf(x)))
        yield f"expit({x})", expit(x), p
        yield f"log_expit({x})", log_expit(x), far.log(p)
        q = 1 / (1 + far.exp(far.mpf(x)))
        yield f"binary entropy of {x}", binary_entropy_nats(x), -(p * far.log(p) + q * far.log(q))
        yield f"credence of {x}", credence_of(np.array([x])), [p]
    for x in (-1e4, 1e4):
        yield f"log_expit({x})", log_expit(x), -far.log1p(far.exp(-far.mpf(x)))
    for c in (1e-300, 1e-100, 1e-9, 0.3, 0.5 + 1e-12, 0.7, 1 - 1e-12):
        true = far.log(far.mpf(c)) - far.log(1 - far.mpf(c))
        yield f"logit({c})", logit(c), true
        if abs(c - 0.5) > 1e-3:
            yield f"log-odds of {c}", log_odds_of(np.array([c])), [true]
        yield f"log score of {c}", earned(np.array([c]), np.array([1]), "log"), [far.log(far.mpf(c))]
        yield f"log score against {c}", earned(np.array([c]), np.array([0]), "log"), [far.log(1 - far.mpf(c))]
    for x, y in ((690.0, -689.0), (40.0, -40.0 + 1e-9), (-300.0, 1.0), (1e-9, 1e-9)):
        both = 1 / (1 + far.exp(-far.mpf(x))) + 1 / (1 + far.exp(-far.mpf(y))) - 1
        yield f"incoherence({x}, {y})", incoherence(x, y), both
    scored = np.array([1e4, -1e4, 300.0])
    yield (
        "log score of log-odds of 10,000",
        log_score_of_log_odds(scored, np.array([0, 0, 0])),
        (far.mpf(1e4) + far.mpf(300)) / 3,
    )
    yield "McNemar, 0 of 990", mcnemar_exact(0, 990), far.mpf(2) ** -989


def large_logits() -> Iterator[Found]:
    """Logits from -10,000 to 10,000, and rows in which one is far above or all are near."""
    rng = stream(0, "numerics", "logits")
    rows = [
        rng.uniform(-1e4, 1e4, 9),
        np.array([1e4, 1e4 - 1e-9, -1e4]),
        np.full(7, -1e4),
        np.array([0.0, 9999.0]),
    ]
    rows += [rng.normal(0, 1e-9, 6), np.array([-1e4, -1e4 + 700.0]), np.array([0.0, -745.0, -744.5])]
    for row in rows:
        yield from _distribution(f"logits {row[:3]}", row)


def many_categories(count: int) -> Iterator[Found]:
    """As many categories as a vocabulary has."""
    rng = stream(0, "numerics", "categories")
    for spread in (0.0, 1.0, 30.0):
        yield from _distribution(f"{count} logits, spread {spread}", spread * rng.standard_normal(count))
    log_p = log_softmax(rng.standard_normal(count))
    top = np.sort(log_p)[::-1][:100]
    p = [mp.exp(mp.mpf(x)) for x in top.tolist()]
    left, least = 1 - mp.fsum(p), min(p)
    whole = mp.floor(left / least)
    rest = left - whole * least
    surprise = [-x * mp.log(x) for x in (*p, rest)]
    yield "entropy bound", entropy_lower_bound(top).lower, mp.fsum(surprise) - whole * least * mp.log(least)


def _distribution(what: str, logits: np.ndarray) -> Iterator[Found]:
    """What belongs to logits: normaliser, some log-probabilities, entropy, divergence from another."""
    exactly = far if logits.size < 50 else mp
    exact = [exactly.mpf(x) for x in logits.tolist()]
    top = max(exact)
    total = top + exactly.log(exactly.fsum(exactly.exp(x - top) for x in exact))
    log_p = [x - total for x in exact]
    some = np.unique(np.concatenate([np.argsort(logits)[:4], np.argsort(logits)[-4:]]))
    own = log_softmax(logits)
    yield f"{what}: logsumexp", logsumexp(logits), total
    yield f"{what}: log_softmax", own[some], [log_p[place] for place in some]
    entropy = -exactly.fsum(exactly.exp(x) * x for x in log_p)
    # below the least normal double there is no entropy to be held
    if entropy > exactly.mpf(10) ** -290:
        yield f"{what}: entropy", entropy_nats(own), entropy
    tilted = log_softmax(logits * 0.999 + 1e-3 * np.arange(logits.size) / logits.size)
    d = [exactly.mpf(a) - exactly.mpf(b) for a, b in zip(own.tolist(), tilted.tolist(), strict=True)]
    kl = exactly.fsum(exactly.exp(exactly.mpf(a)) * x for a, x in zip(own.tolist(), d, strict=True))
    # Σ p d of rounded log-probabilities is no divergence; that of the mass they lack is added
    kl += exactly.fsum(exactly.exp(exactly.mpf(b)) for b in tilted.tolist()) - exactly.fsum(
        exactly.exp(exactly.mpf(a)) for a in own.tolist()
    )
    if kl > exactly.mpf(10) ** -12:
        yield f"{what}: divergence", kl_nats(own, tilted), kl


def small_masses() -> Iterator[Found]:
    """Hypotheses and testimonies of probability 1e-300."""
    for r in (1e-300, 1e-12, 0.5 + 1e-12, 1 - 1e-12):
        evidence = far.log(far.mpf(r)) - far.log(1 - far.mpf(r))
        yield f"testimony of {r}", posterior_log_odds(1.0, np.array([True]), np.array([r])), 1 + evidence
        chance = 1 / (1 + far.exp(far.mpf(-300))) * far.mpf(r) + (1 - far.mpf(r)) / (
            1 + far.exp(far.mpf(300))
        )
        yield f"prediction with {r}", predictive_probability(300.0, r), chance
    prior = np.log(np.array([1e-300, 0.25, 0.75]))
    likelihood = np.array([[np.log(0.9), np.log(1e-300), np.log(1e-299)], [-5e3, -5e3 - 1.0, -5e3 - 2.0]])
    exact = [
        far.mpf(x) + far.fsum(map(far.mpf, column))
        for x, column in zip(prior, likelihood.T.tolist(), strict=True)
    ]
    top = max(exact)
    total = top + far.log(far.fsum(far.exp(x - top) for x in exact))
    yield "posterior from 1e-300", posterior_log_probs(prior, likelihood), [x - total for x in exact]


def long_evidence(steps: int) -> Iterator[Found]:
    """As many testimonies, for two and for five hypotheses, and as many chances to survive."""
    rng = stream(0, "numerics", "evidence")
    says, r = rng.random(steps) < 0.5, rng.uniform(0.01, 0.99, steps)
    true = mp.fsum(
        (1 if yes else -1) * (mp.log(mp.mpf(one)) - mp.log(1 - mp.mpf(one)))
        for yes, one in zip(says[:20_000].tolist(), r[:20_000].tolist(), strict=True)
    )
    yield "testimonies, mpmath", posterior_log_odds(0.0, says[:20_000], r[:20_000]), true
    terms = np.where(says, 1, -1).astype(LONG) * (np.log(r.astype(LONG)) - np.log1p(-r.astype(LONG)))
    yield f"{steps} testimonies", posterior_log_odds(0.0, says, r), terms.sum()
    table = np.log(rng.dirichlet(np.ones(5), steps))
    sums = table.astype(LONG).sum(axis=0)
    exact = [far.mpf(_exactly(x)) for x in sums]  # the largest one's answer is some 1e-200
    total = max(exact) + far.log(far.fsum(far.exp(x - max(exact)) for x in exact))
    yield (
        f"{steps} observations of 5 hypotheses",
        posterior_log_probs(np.full(5, -np.log(5)), table),
        [x - total for x in exact],
    )
    hazard = rng.uniform(0.0, 3e-6, steps)
    yield "survival", survival(hazard)[-1], np.exp(np.log1p(-hazard.astype(LONG)).sum())


def hidden_markov(steps: int) -> Iterator[Found]:
    """A chain of four states, filtered with log-probabilities and by the scaled recursion in long doubles."""
    rng = stream(0, "numerics", "hidden")
    moves = rng.dirichlet(np.ones(4), 4) * 0.1 + 0.9 * np.eye(4)
    seen = np.log(rng.dirichlet(np.full(6, 0.2), 4) + 1e-300)
    symbols = rng.integers(0, 6, steps)
    log_moves, log_seen = np.log(moves), seen[:, symbols].T
    now, total = np.full(4, -np.log(4)), []
    for likelihood in log_seen:
        now = logsumexp(now[:, None] + log_moves, axis=0) + likelihood
        total.append(float(logsumexp(now)))
        now = log_softmax(now)
    scaled, evidence = np.full(4, 0.25, dtype=LONG), LONG(0)
    long_moves, long_seen = moves.astype(LONG), np.exp(log_seen.astype(LONG))
    for likelihood in long_seen:
        scaled = (scaled @ long_moves) * likelihood
        mass = scaled.sum()
        evidence += np.log(mass)
        scaled = scaled / mass
    yield f"hidden Markov chain, {steps} steps: filtered", np.exp(now), scaled
    yield f"hidden Markov chain, {steps} steps: log-likelihood", np.sum(total), evidence


def kalman(steps: int) -> Iterator[Found]:
    """A state that wanders, with gaps, by doxa's filter and smoother and by scalar recursions in long doubles."""
    rng = stream(0, "numerics", "kalman")
    for a, q, r in ((0.97, 0.3, 2.0), (1.0, 1e-8, 1e6), (0.5, 0.0, 1e-6)):
        one = np.eye(1)
        system = GaussianSystem(a * one, 0 * one, one, 0 * one, q * one, r * one, np.zeros(1), 4.0 * one)
        y = rng.normal(0, 1 + np.sqrt(r), steps)
        y[rng.random(steps) < 0.1] = np.nan
        found = kalman_filter(system, y.reshape(1, -1, 1))
        own = _scalar_filter(a, q, r, y)
        what = f"Kalman a={a}, q={q}, r={r}, {steps} steps"
        scale = LONG(np.nanstd(y))
        yield f"{what}: variance", found.covariances[0, ::997, 0, 0], own[1][::997]
        yield f"{what}: log-likelihood", found.log_likelihood[0], own[4]
        # a mean may lie near 0 by chance; its error is measured by the size of what is seen
        yield f"{what}: mean", found.means[0, ::997, 0] + scale * 10, own[0][::997] + scale * 10
        smooth = rts_smoother(system, y.reshape(1, -1, 1))
        means, spread = _scalar_smoother(a, own)
        yield f"{what}: smoothed mean", smooth.means[0, ::997, 0] + scale * 10, means[::997] + scale * 10
        if q > 0:
            yield f"{what}: smoothed variance", smooth.covariances[0, ::997, 0, 0], spread[::997]


def _scalar_filter(a: float, q: float, r: float, y: np.ndarray) -> tuple[Any, Any, Any, Any, Any]:
    means, spreads, before, widths = (np.empty(len(y), dtype=LONG) for _ in range(4))
    m, p, total, two_pi = LONG(0), LONG(4), LONG(0), LONG(2) * LONG(mpmath.pi)
    slope, drift, noise = LONG(a), LONG(q), LONG(r)
    for t, value in enumerate(y.tolist()):
        before[t], widths[t] = m, p
        if value == value:
            spread = p + noise
            error = LONG(value) - m
            total -= (np.log(two_pi * spread) + error * error / spread) / 2
            m, p = m + p / spread * error, p * noise / spread
        means[t], spreads[t] = m, p
        m, p = slope * m, slope * slope * p + drift
    return means, spreads, before, widths, total


def _scalar_smoother(a: float, filtered: tuple[Any, Any, Any, Any, Any]) -> tuple[Any, Any]:
    means, spreads, before, widths, _ = filtered
    smooth, spread = means.copy(), spreads.copy()
    for t in range(len(means) - 2, -1, -1):
        gain = spreads[t] * LONG(a) / widths[t + 1] if widths[t + 1] > 0 else LONG(0)
        smooth[t] = means[t] + gain * (smooth[t + 1] - before[t + 1])
        spread[t] = spreads[t] + gain * gain * (spread[t + 1] - widths[t + 1])
    return smooth, spread


def responses(steps: int) -> Iterator[Found]:
    """Slow modes that are held by an input for as many steps, against their closed form."""
    rates = np.array([0.9, 0.9999, 1 - 1e-6])
    system = LinearSystem(np.diag(rates), np.ones((3, 1)), np.eye(3), np.zeros((3, 1)))
    last = system.simulate(np.ones((1, steps, 1))).last[0]
    yield (
        f"held for {steps} steps",
        last,
        [(1 - mp.mpf(a) ** steps) / (1 - mp.mpf(a)) for a in rates.tolist()],
    )
    gain = LinearSystem(np.array([[1 - 1e-6]]), np.eye(1), np.eye(1), np.zeros((1, 1))).static_gain()
    yield "static gain", gain, [[1 / (1 - mp.mpf(1 - 1e-6))]]


def linear_bandits(steps: int) -> Iterator[Found]:
    """Agents that regress as many rewards, against the regression from sums in long doubles."""
    rng = stream(0, "numerics", "bandits")
    actions = rng.normal(size=(6, 3))
    actions /= np.linalg.norm(actions, axis=1, keepdims=True)
    for agent in (
        LinUCB(actions, 0.3, steps),
        DiscountedLinUCB(actions, 0.3, steps, discount=0.99),
        DiscountedLinUCB(actions, 0.3, steps, discount=0.9999),
    ):
        yield from _regression(agent, actions, rng.normal(0.4, 0.3, steps), steps)


def _regression(agent: Regressing, actions: np.ndarray, noise: np.ndarray, steps: int) -> Iterator[Found]:
    state, arms = agent.init(), len(actions)
    discount = LONG(getattr(agent, "discount", 1.0))
    played, paid = np.zeros(arms, dtype=LONG), np.zeros(arms, dtype=LONG)
    for reward in noise.tolist():
        arm = agent.choose_in(state, 0.0)
        agent.learn_in(state, reward)
        if discount != 1:
            played, paid = played * discount, paid * discount
        played[arm] += 1
        paid[arm] += LONG(reward)
    gram, moment = mp.matrix(3, 3), mp.matrix(3, 1)
    for i in range(3):
        gram[i, i] += mp.mpf(agent.lam)
        for k in range(arms):
            u = [mp.mpf(x) for x in actions[k].tolist()]
            moment[i] += u[i] * _exactly(paid[k])
            for j in range(3):
                gram[i, j] += u[i] * u[j] * _exactly(played[k])
    inverse = gram**-1
    estimate = inverse * moment
    what = f"{agent.name} {float(discount):g}, {steps} rounds"
    yield f"{what}: estimate", agent.estimate(state), list(estimate)
    own = [mp.matrix(row.tolist()) for row in actions]
    if discount == 1:
        yield f"{what}: widths", state.widths, [(u.T * inverse * u)[0] for u in own]
    yield f"{what}: matrix", state.gram, [[gram[i, j] for j in range(3)] for i in range(3)]


def bandits_and_processes(steps: int) -> Iterator[Found]:
    """A Normal belief after as many pulls, and processes with a discount next to one."""
    prior = NormalPrior(0.5, 3.0, 0.1)
    found = prior.posterior(np.array([[steps, 0]]), np.array([[0.3 * steps, 0.0]]))
    precision = 1 / mp.mpf(3.0) ** 2 + steps / mp.mpf(0.1) ** 2
    mean = (mp.mpf(0.5) / 9 + mp.mpf(0.3 * steps) / mp.mpf(0.1) ** 2) / precision
    yield "Normal belief", [found.means[0, 0], found.sds[0, 0]], [mean, 1 / mp.sqrt(precision)]
    gamma = 1 - 1e-6
    one = FiniteMDP(np.ones((1, 2, 1)), np.array([[1.0, 0.5]]), gamma)
    best = 1 / (1 - mp.mpf(gamma))
    yield "discount 1 - 1e-6", one.q_star(), [[best, mp.mpf(0.5) + mp.mpf(gamma) * best]]
    soft = mp.mpf(1e-3) * mp.log(mp.exp(1 / mp.mpf(1e-3)) + mp.exp(mp.mpf(0.5) / mp.mpf(1e-3)))
    two = FiniteMDP(np.ones((1, 2, 1)), np.array([[1.0, 0.5]]), 0.5)
    yield "entropy at temperature 1e-3", two.soft_q(1e-3).max(), 1 + mp.mpf(0.5) * soft / (1 - mp.mpf(0.5))


def single_precision(count: int) -> Iterator[Found]:
    """What training computes in single precision."""
    rng = stream(0, "numerics", "single")
    for spread in (1.0, 10.0, 1e4):
        z = torch.from_numpy(spread * rng.standard_normal(count)).float()
        exact = z.double()
        log_p = torch.log_softmax(exact, -1)
        entropy = float(-(log_p.exp() * log_p).nan_to_num().sum())
        token = torch.argsort(z)[-2]
        yield f"{count} logits, spread {spread}, single: ln p", token_log_probs(z, token), float(log_p[token])
        if entropy > 1e-6:
            yield f"{count} logits, spread {spread}, single: entropy", token_entropy(z), entropy
    z, step = (torch.from_numpy(rng.normal(0, 3, 50)).float() for _ in range(2))
    slope = entropy_change_first_order(z.double(), step.double())
    yield "change of entropy, single", entropy_change_first_order(z, step), float(slope)
    gap = torch.tensor([1e-3, 0.1, -5.0, 9.0])
    yield "k3, single", k3(gap, torch.zeros(4)), (torch.expm1(-gap.double()) + gap.double()).tolist()


def opinions(steps: int) -> Iterator[Found]:
    """Opinions in single precision keep their mean on a ring, for a hundredth as many days."""
    n = 200
    ends, rule = np.arange(n), DeGroot()
    rng = stream(0, "numerics", "opinions")
    start = rng.random(n).astype(np.float32)
    state = rule.init(rng, DeGrootConfig(Graph.from_edges(n, ends, (ends + 1) % n), start))
    for _ in range(steps // 100):
        state, _ = rule.step(rng, state, Turn())
    yield "mean opinion", state.values.astype(float).mean(), start.astype(float).mean()


def climbs() -> Iterator[tuple[str, bool]]:
    """The likelihood of Bradley and Terry's strengths never falls from step to step."""
    rng = stream(0, "numerics", "climb")
    for case in range(5):
        wins = rng.integers(1, 50, (8, 8)) * (1 - np.eye(8, dtype=int)) + (rng.random((8, 8)) < 0.1)
        np.fill_diagonal(wins, 0)
        heights = [_log_likelihood(wins, steps) for steps in (*range(1, 15), 50, 1000)]
        falls = [low - high for low, high in itertools.pairwise(heights)]
        yield f"Bradley-Terry {case}: it falls by {max(falls):.3g}", max(falls) <= DOUBLE * abs(heights[-1])


def _log_likelihood(wins: np.ndarray, steps: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strength = bradley_terry(wins, max_iterations=steps).strength
    chance = strength[:, None] / (strength[:, None] + strength[None, :])
    return float((wins * np.log(chance)).sum())
