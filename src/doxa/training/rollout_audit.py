"""What a dump of sampled tokens says of where a policy's entropy goes: the tokens of largest covariance, by name.

With entropies in the dump also the four quadrants of advantage and probability, and Ω, the estimate of what each token
does to the entropy (``doxa.training.entropy_change``). The whole distribution is not in a dump, so nothing here is the
exact change.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float

from doxa.belief.inference import Interval, bootstrap
from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.batch_covariance import Batch, Covariance, covariance_of, covariances
from doxa.training.rollout_dump import Dump


class TopToken(NamedTuple):
    """One of the tokens of largest covariance.

    Attributes:
        response: its row, counted from 0.
        position: its place in the response, counted from 0.
        text: as decoded; empty where the dump has no tokens.
        before: text of up to six tokens before it.
        log_prob: ln π.
        advantage: A.
        covariance: C.
        omega: estimate of minus the entropy change per unit step; NaN without entropies.
    """

    response: int
    position: int
    text: str
    before: str
    log_prob: float
    advantage: float
    covariance: float
    omega: float


class KindOfToken(NamedTuple):
    """All tokens of one text.

    Attributes:
        text: as decoded.
        sampled: how often.
        share: of the sum of all covariances above 0 that its tokens make.
        mean: of its covariance.
    """

    text: str
    sampled: int
    share: float
    mean: float


class Quadrant(NamedTuple):
    """Tokens of one sign of advantage, likely or unlikely.

    Attributes:
        advantage: ``+`` or ``-``.
        likely: whether ln π is above -H, the mean log-probability at its position.
        tokens: how many.
        change: sum of their estimated entropy changes per unit step, in nats.
    """

    advantage: str
    likely: bool
    tokens: int
    change: float


class RolloutAudit(NamedTuple):
    """What a dump says.

    Attributes:
        covariance: how it is spread over the tokens.
        mean: its mean with an interval from resampling responses.
        dealt: the same, with advantages dealt out to other responses: what there is without any signal.
        top: tokens of largest covariance, the largest first.
        kinds: texts that make most of it, the first the most; empty without tokens.
        quadrants: empty without entropies.
        drift: mean distance of ln π and ln π_old, None without the latter.
    """

    covariance: Covariance
    mean: Interval
    dealt: Interval
    top: list[TopToken]
    kinds: list[KindOfToken]
    quadrants: list[Quadrant]
    drift: float | None


def audit_rollout(dump: Dump, *, most: int = 20, seed: int = 0, estimator: str = "own_logit") -> RolloutAudit:
    """Say where the covariance of a rollout lies.

    Args:
        dump: the tokens.
        most: how many tokens and kinds are listed.
        seed: of the stream of resamples and of dealing.
        estimator: of Ω: ``own_logit``, ``official`` or ``squared``.

    Raises:
        InputError: nothing is to be listed, or the estimator is unknown.
    """
    if most < 1:
        raise InputError(f"most={most}: must be >= 1")
    batch = dump.batch
    table = covariances(batch)
    omega = _omega(dump, estimator)
    rows, columns = np.nonzero(batch.valid)
    values = table[batch.valid]
    order = np.argsort(-values, kind="stable")[:most]
    return RolloutAudit(
        covariance_of(batch),
        bootstrap(values, np.mean, rows, rng=stream(seed, "rollout-audit", "mean")),
        _dealt(batch, seed),
        [_top(dump, table, omega, int(rows[i]), int(columns[i])) for i in order],
        _kinds(dump, table, most),
        [] if omega is None else _quadrants(dump, omega),
        None if dump.old_logp is None else float(np.abs(batch.log_prob - dump.old_logp)[batch.valid].mean()),
    )


def _omega(dump: Dump, estimator: str) -> Float[np.ndarray, "batch time"] | None:
    if dump.entropy is None:
        return None
    import torch

    from doxa.training.entropy_change import official_omega

    old = dump.batch.log_prob if dump.old_logp is None else dump.old_logp
    logp, old_logp, adv, entropy = (
        torch.from_numpy(values) for values in (dump.batch.log_prob, old, dump.batch.advantage, dump.entropy)
    )
    omega = official_omega(logp, old_logp, adv, entropy, cast(Any, estimator)).numpy()
    return np.where(dump.batch.valid, omega, 0.0)


def _dealt(batch: Batch, seed: int, deals: int = 200) -> Interval:
    """Return the mean covariance with each response's advantages given to another one, over many deals."""
    rng = stream(seed, "rollout-audit", "dealt")
    counts = batch.valid.sum(1)
    own = np.divide(batch.advantage.sum(1), counts, out=np.zeros(len(counts)), where=counts > 0)
    held = np.flatnonzero(counts > 0)
    means: list[float] = []
    for _ in range(deals):
        given = np.zeros_like(own)
        given[held] = own[rng.permutation(held)]
        spread = np.where(batch.valid, given[:, None], 0.0)
        means.append(float(covariances(Batch(batch.log_prob, spread, batch.valid))[batch.valid].mean()))
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(np.mean(means)), float(low), float(high), held.size)


def _top(
    dump: Dump,
    table: Float[np.ndarray, "batch time"],
    omega: Float[np.ndarray, "batch time"] | None,
    row: int,
    column: int,
) -> TopToken:
    texts = dump.texts[row] if dump.texts else []
    return TopToken(
        row,
        column,
        texts[column] if column < len(texts) else "",
        "".join(texts[max(0, column - 6) : column]),
        float(dump.batch.log_prob[row, column]),
        float(dump.batch.advantage[row, column]),
        float(table[row, column]),
        float("nan") if omega is None else float(omega[row, column]),
    )


def _kinds(dump: Dump, table: Float[np.ndarray, "batch time"], most: int) -> list[KindOfToken]:
    found: dict[str, list[float]] = {}
    for row, texts in enumerate(dump.texts):
        for column, text in enumerate(texts[: table.shape[1]]):
            if dump.batch.valid[row, column]:
                found.setdefault(text, []).append(float(table[row, column]))
    above = {text: sum(max(value, 0.0) for value in values) for text, values in found.items()}
    total = sum(above.values()) or 1.0
    ranked = sorted(found, key=lambda text: (-above[text], text))[:most]
    return [
        KindOfToken(text, len(found[text]), above[text] / total, float(np.mean(found[text])))
        for text in ranked
    ]


def _quadrants(dump: Dump, omega: Float[np.ndarray, "batch time"]) -> list[Quadrant]:
    import torch

    from doxa.training.entropy_change import quadrants

    given = (dump.batch.log_prob, dump.batch.advantage, dump.entropy, dump.batch.valid)
    found = quadrants(*(torch.from_numpy(values) for values in given), change=torch.from_numpy(-omega))
    return [
        Quadrant(sign, likely, int(found.counts[row, column]), float(found.changes[row, column]))
        for row, sign in enumerate("+-")
        for column, likely in enumerate((True, False))
    ]
