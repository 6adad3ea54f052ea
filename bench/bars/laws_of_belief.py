"""Laws of credences, evidence, scores and agreement."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from bars.laws import SEEDS, Laws, near, real, rng_of, row, rows
from doxa.belief.agreement import cohen_kappa
from doxa.belief.bradley_terry import bradley_terry
from doxa.belief.calibration import brier_score
from doxa.belief.coherence import movement_test, volatility
from doxa.belief.distances import hellinger, jensen_shannon_nats, total_variation
from doxa.belief.event_times import expected_event_time, survival
from doxa.belief.inference import wilson
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
from doxa.belief.rank_correlation import kendall, spearman
from doxa.belief.recovery import loop_area
from doxa.belief.scoring_rules import earned, log_score, log_score_of_log_odds
from doxa.belief.shares import auc
from doxa.belief.sigmoid_entropy import entropy_between
from doxa.belief.updating import (
    evidence_log_odds,
    incoherence,
    posterior_log_odds,
    posterior_log_probs,
    predictive_probability,
    sharpened_log_odds,
    trusted_reliability,
)

law = Laws()
LOGITS = row(-50.0, 50.0, 1, 4)
INSIDE = real(0.001, 0.999)
YES = st.binary(min_size=4, max_size=4).map(lambda one: [bool(byte % 2) for byte in one])
SAID = row(-0.998, 0.998, 1, 4).map(lambda one: [(bool(x >= 0), 0.001 + float(abs(x))) for x in one])


@law("probabilities of logits are >= 0 and sum to one", x=row(-1e4, 1e4))
def _simplex(x: Any) -> bool:
    p = np.exp(log_softmax(x))
    return bool((p >= 0).all()) and near(p.sum(), 1.0, absolute=1e-12)


@law("a constant added to all logits changes nothing", x=LOGITS, c=real(-1e3, 1e3))
def _shift(x: Any, c: Any) -> bool:
    return near(log_softmax(x + c), log_softmax(x), absolute=1e-10)


@law("the order of options changes nothing", x=LOGITS, seed=SEEDS)
def _order(x: Any, seed: Any) -> bool:
    order = rng_of(seed).permutation(x.size)
    return near(log_softmax(x)[order], log_softmax(x[order])) and near(
        entropy_nats(log_softmax(x)), entropy_nats(log_softmax(x[order])), absolute=1e-12
    )


@law("max <= logsumexp <= max + ln n", x=row(-1e4, 1e4))
def _between(x: Any) -> bool:
    found = float(logsumexp(x))
    return x.max() <= found <= x.max() + np.log(x.size) + 1e-12 * (1 + abs(x.max()))


@law("logsumexp of two parts is that of the whole", x=LOGITS, y=LOGITS)
def _parts(x: Any, y: Any) -> bool:
    parts = np.array([float(logsumexp(x)), float(logsumexp(y))])
    return near(logsumexp(parts), logsumexp(np.concatenate([x, y])))


@law("expit and logit are each other's inverse", x=real(-30.0, 30.0))
def _inverse(x: Any) -> bool:
    return near(logit(expit(x)), x, relative=1e-9 * np.exp(max(x, 0.0)) + 1e-12, absolute=1e-12)


@law("P(A) + P(not A) = 1", x=real(-700.0, 700.0))
def _coherent(x: Any) -> bool:
    return near(expit(x) + expit(-x), 1.0, absolute=1e-15) and incoherence(x, -x) == 0.0


@law("incoherence is P(A) + P(not A) - 1", x=real(-30.0, 30.0), y=real(-30.0, 30.0))
def _incoherence(x: Any, y: Any) -> bool:
    return near(incoherence(x, y), expit(x) + expit(y) - 1.0, absolute=1e-12)


@law("ln P is the logarithm of P", x=real(-700.0, 700.0))
def _log_expit(x: Any) -> bool:
    return near(log_expit(x), np.log(expit(x)), absolute=1e-14)


@law("tables' credences and log-odds are those of the mathematics", x=row(-30.0, 30.0))
def _tables(x: Any) -> bool:
    return near(credence_of(x), expit(x), relative=1e-14) and near(
        log_odds_of(credence_of(x)), logit(expit(x)), absolute=1e-12
    )


@law("0 <= entropy <= ln n", x=row(-1e4, 1e4))
def _entropy(x: Any) -> bool:
    return 0.0 <= float(entropy_nats(log_softmax(x))) <= np.log(x.size) + 1e-12


@law("the entropy of a yes or no is that of two options", x=real(-600.0, 600.0))
def _binary(x: Any) -> bool:
    two = np.array([log_expit(x), log_expit(-x)])
    return near(
        binary_entropy_nats(x), entropy_nats(two), relative=1e-10, absolute=0.0 if abs(x) < 30 else 1e-13
    )


@law("Gibbs: KL >= 0, and 0 of a belief from itself", x=rows(-20.0, 20.0, 2, 4))
def _gibbs(x: Any) -> bool:
    p, q = log_softmax(x)
    return kl_nats(p, q) >= 0.0 and kl_nats(p, p) == 0.0


@law("chain rule: KL of independent pairs is the sum", x=rows(-10.0, 10.0, 4, 3))
def _chain(x: Any) -> bool:
    a, b, c, d = log_softmax(x)
    pairs = [(p[:, None] + q[None, :]).ravel() for p, q in ((a, c), (b, d))]
    return near(kl_nats(*pairs), kl_nats(a, b) + kl_nats(c, d), absolute=1e-10)


@law("Pinsker: total variation² <= KL / 2", x=rows(-10.0, 10.0, 2, 4))
def _pinsker(x: Any) -> bool:
    p, q = log_softmax(x)
    return float(total_variation(np.exp(p), np.exp(q))) ** 2 <= float(kl_nats(p, q)) / 2 + 1e-12


@law("total variation is a metric", x=rows(-10.0, 10.0, 3, 4))
def _metric(x: Any) -> bool:
    p, q, r = np.exp(log_softmax(x))
    forth, back = float(total_variation(p, q)), float(total_variation(q, p))
    by_way = float(total_variation(p, r)) + float(total_variation(r, q))
    return forth == back and 0.0 <= forth <= by_way + 1e-12 and forth <= 1.0 + 1e-12


@law("Hellinger² <= total variation <= √2 · Hellinger", x=rows(-10.0, 10.0, 2, 4))
def _hellinger(x: Any) -> bool:
    p, q = np.exp(log_softmax(x))
    h, tv = float(hellinger(p, q)), float(total_variation(p, q))
    return h**2 <= tv + 1e-12 and tv <= np.sqrt(2) * h + 1e-12


@law("Jensen-Shannon is symmetric and <= ln 2", x=rows(-30.0, 30.0, 2, 4))
def _jensen_shannon(x: Any) -> bool:
    p, q = np.exp(log_softmax(x))
    found = float(jensen_shannon_nats(p, q))
    return near(found, jensen_shannon_nats(q, p), absolute=1e-14) and 0.0 <= found <= np.log(2) + 1e-12


@law("the order of testimonies changes nothing", prior=real(-5.0, 5.0), said=SAID, seed=SEEDS)
def _testimonies(prior: Any, said: Any, seed: Any) -> bool:
    order = rng_of(seed).permutation(len(said))
    yes, r = np.array([one for one, _ in said]), np.array([one for _, one in said])
    return near(
        posterior_log_odds(prior, yes, r), posterior_log_odds(prior, yes[order], r[order]), absolute=1e-12
    )


@law("updating one by one is updating at once", prior=real(-5.0, 5.0), said=SAID)
def _one_by_one(prior: Any, said: Any) -> bool:
    now = prior
    for yes, r in said:
        now = posterior_log_odds(now, np.array([yes]), np.array([r]))
    yes, r = np.array([one for one, _ in said]), np.array([one for _, one in said])
    return near(now, posterior_log_odds(prior, yes, r), absolute=1e-12)


@law("the belief in the negation is the negation of the belief", prior=real(-5.0, 5.0), said=SAID)
def _negation(prior: Any, said: Any) -> bool:
    yes, r = np.array([one for one, _ in said]), np.array([one for _, one in said])
    return near(posterior_log_odds(prior, yes, r), -posterior_log_odds(-prior, ~yes, r), absolute=1e-12)


@law("the posterior is a martingale: its expectation is the prior", prior=real(-12.0, 12.0), r=INSIDE)
def _martingale(prior: Any, r: Any) -> bool:
    yes = predictive_probability(prior, r)
    after = [expit(posterior_log_odds(prior, np.array([said]), np.array([r]))) for said in (True, False)]
    return near(yes * after[0] + (1.0 - yes) * after[1], expit(prior), absolute=1e-13)


@law(
    "the posterior over several hypotheses is a martingale",
    prior=row(-5.0, 5.0, 3, 3),
    table=rows(-5.0, 5.0, 3, 4),
)
def _martingale_of_many(prior: Any, table: Any) -> bool:
    prior, likelihood = log_softmax(prior), log_softmax(table)
    seen = np.exp(logsumexp(prior[:, None] + likelihood, axis=0))
    after = [np.exp(posterior_log_probs(prior, likelihood[:, [place]].T)) for place in range(4)]
    return near(
        sum(chance * one for chance, one in zip(seen, after, strict=True)), np.exp(prior), absolute=1e-12
    )


@law("evidence lowers the entropy on average", prior=row(-5.0, 5.0, 3, 3), table=rows(-5.0, 5.0, 3, 4))
def _informative(prior: Any, table: Any) -> bool:
    prior, likelihood = log_softmax(prior), log_softmax(table)
    seen = np.exp(logsumexp(prior[:, None] + likelihood, axis=0))
    after = [float(entropy_nats(posterior_log_probs(prior, likelihood[:, [place]].T))) for place in range(4)]
    return float(seen @ np.array(after)) <= float(entropy_nats(prior)) + 1e-12


@law("two hypotheses are log-odds", prior=real(-5.0, 5.0), said=SAID)
def _two_hypotheses(prior: Any, said: Any) -> bool:
    yes, r = np.array([one for one, _ in said]), np.array([one for _, one in said])
    table = np.array([[np.log(q if one else 1 - q), np.log(1 - q if one else q)] for one, q in said])
    log_p = posterior_log_probs(np.array([log_expit(prior), log_expit(-prior)]), table)
    return near(log_p[0] - log_p[1], posterior_log_odds(prior, yes, r), absolute=1e-10)


@law("who is not trusted tells nothing", trust=real(0.0, 1.0), r=real(0.0, 1.0))
def _trust(trust: Any, r: Any) -> bool:
    nothing = float(evidence_log_odds(np.array([True]), np.array([trusted_reliability(0.0, r)]))[0])
    between = sorted((0.5, r))
    return nothing == 0.0 and between[0] - 1e-15 <= trusted_reliability(trust, r) <= between[1] + 1e-15


@law(
    "sharpening keeps the side and the order", x=real(-20.0, 20.0), y=real(-20.0, 20.0), power=real(0.1, 5.0)
)
def _sharpened(x: Any, y: Any, power: Any) -> bool:
    a, b = sharpened_log_odds(x, power), sharpened_log_odds(y, power)
    return (a > 0) == (x > 0) and (a <= b or x > y)


@law(
    "proper scores: nobody earns more than by the truth",
    p=INSIDE,
    c=INSIDE,
    rule=st.sampled_from(["brier", "log", "spherical"]),
)
def _proper(p: Any, c: Any, rule: Any) -> bool:
    def expected(said: float) -> float:
        paid = earned(np.array([said, said]), np.array([1, 0]), rule)
        return p * paid[0] + (1.0 - p) * paid[1]

    return expected(c) <= expected(p) + 1e-12


@law(
    "scores of log-odds are scores of credences",
    x=row(-20.0, 20.0, 4, 4),
    yes=YES,
)
def _scores(x: Any, yes: Any) -> bool:
    return near(
        log_score_of_log_odds(x, np.array(yes)), log_score(np.asarray(expit(x)), np.array(yes)), relative=1e-6
    )


@law(
    "Brier's score of a belief and of its negation is one",
    c=row(0.0, 1.0, 4, 4),
    yes=YES,
)
def _brier(c: Any, yes: Any) -> bool:
    truth = np.array(yes)
    return near(
        brier_score(c, truth.astype(float)), brier_score(1.0 - c, (~truth).astype(float)), absolute=1e-15
    )


@law("AUC of the opposite score is one minus it, and growing maps change nothing", x=row(-5.0, 5.0, 6, 6))
def _auc(x: Any) -> bool:
    truth = np.array([True, False, True, False, False, True])
    found = auc(x, truth).estimate
    return near(found + auc(-x, truth).estimate, 1.0) and near(found, auc(x * 8.0, truth).estimate)


@law("rank correlations are symmetric, turn with a sign, and are 1 with oneself", seed=SEEDS)
def _ranks(seed: Any) -> bool:
    a, b = rng_of(seed).permutation(4).astype(float), rng_of(seed + 1).permutation(4).astype(float)
    return all(
        near(one(a, b).estimate, one(b, a).estimate)
        and near(one(a, b).estimate, -one(a, -b).estimate)
        and near(one(a, a).estimate, 1.0)
        for one in (_rho, _tau)
    )


def _rho(a: Any, b: Any) -> Any:
    return spearman(a, b)


def _tau(a: Any, b: Any) -> Any:
    return kendall(a, b)


@law("Wilson's interval of the failures is the mirror image", n=st.integers(1, 10_000), share=real(0.0, 1.0))
def _wilson(n: Any, share: Any) -> bool:
    hits = round(share * n)
    one, other = wilson(hits, n), wilson(n - hits, n)
    return near([one.low, one.high], [1.0 - other.high, 1.0 - other.low], absolute=1e-12)


@law("names of items do not matter to Bradley-Terry, nor how often all is counted", seed=SEEDS)
def _bradley_terry(seed: Any) -> bool:
    rng = rng_of(seed)
    wins = rng.integers(1, 9, (4, 4)) * (1 - np.eye(4, dtype=int))
    order = rng.permutation(4)
    fit = bradley_terry(wins).strength
    again = bradley_terry(wins[np.ix_(order, order)]).strength
    return near(fit[order], again, relative=1e-7) and near(
        fit, bradley_terry(3 * wins).strength, relative=1e-7
    )


@law("Cohen's kappa is the same from both sides, and 1 with oneself", seed=SEEDS)
def _kappa(seed: Any) -> bool:
    one, other = rng_of(seed).integers(0, 3, 12).tolist(), rng_of(seed + 1).integers(0, 3, 12).tolist()
    one[:3] = other[:3] = [0, 1, 2]
    return near(cohen_kappa(one, other).estimate, cohen_kappa(other, one).estimate, absolute=1e-12) and near(
        cohen_kappa(one, one).estimate, 1.0
    )


@law("movement less resolved uncertainty is Σ (2c - 1)(c - c')", paths=rows(0.0, 1.0, 3, 4))
def _movement(paths: Any) -> bool:
    found = movement_test(paths)
    direct = ((2 * paths[:, :-1] - 1) * (paths[:, :-1] - paths[:, 1:])).sum(axis=1).mean()
    return near(found.realised - found.predicted, direct, absolute=1e-12)


@law("a path is at least as long as the way between its ends", paths=rows(0.0, 1.0, 2, 5))
def _volatility(paths: Any) -> bool:
    return bool((volatility(paths) >= np.abs(paths[:, -1] - paths[:, 0]) - 1e-12).all())


@law("survival falls, and the expected time is its sum", hazard=row(0.0, 1.0))
def _survival(hazard: Any) -> bool:
    staying = survival(hazard)
    steps = np.arange(1, staying.size)
    mean = float(-np.diff(staying) @ steps + staying[-1] * steps[-1])
    return bool((np.diff(staying) <= 0).all()) and near(expected_event_time(staying), mean, absolute=1e-12)


@law("the entropy on a way is the sum over its parts", x=rows(-20.0, 20.0, 3, 3))
def _way(x: Any) -> bool:
    a, b, c = x
    return near(entropy_between(a, c), entropy_between(a, b) + entropy_between(b, c), absolute=1e-10)


@law("a loop run backwards has the opposite area", x=rows(-5.0, 5.0, 2, 6))
def _loop(x: Any) -> bool:
    return near(loop_area(x[0], x[1]), -loop_area(x[0][::-1], x[1][::-1]), absolute=1e-9)


@law(
    "probabilities of all worlds add up over every order of testimonies",
    r=row(0.01, 0.99, 3, 3),
    prior=real(-5.0, 5.0),
)
def _worlds(r: Any, prior: Any) -> bool:
    total = 0.0
    for said in itertools.product((True, False), repeat=3):
        p, now = 1.0, prior
        for yes, reliability in zip(said, r, strict=True):
            chance = predictive_probability(now, float(reliability))
            p *= chance if yes else 1.0 - chance
            now = posterior_log_odds(now, np.array([yes]), np.array([reliability]))
        total += p
    return near(total, 1.0, absolute=1e-12)
