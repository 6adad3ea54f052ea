r"""Logistic regressions that share their examples, all at once.

Each problem minimises, over w and b,

.. math:: \sum_{i \in train} \log(1 + e^{z_i}) - y_i z_i + \tfrac{\lambda}{2} \lVert w \rVert^2,
          \qquad z_i = w \cdot x_i + b,

which is scikit-learn's objective with C = 1 / λ. Folds, ridges and permuted labels are problems over the same X, so
that one step of all of them is two matrix products. The examples are centred and turned into the
basis of their own second moments; there the Hessian is close to d·S² + λ, with d the mean of p(1 - p), and an L-BFGS
that starts from it needs about ten steps. Steps are made in float32; at the end the gradient is taken on the raw
examples in float64, and what is not converged goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from doxa.lens.probes.descent import Basis, Descent, Part, inverse_curvature
from doxa.lens.probes.problems import Fits, Problems

GAP = 1e-12
"""How far, in nats per example, a fit may be above its least objective."""
_CHUNK_CELLS = 4_000_000  # problems times examples held at once: 16 MB for each of a dozen arrays


def fit_logistic(
    examples: Float[np.ndarray, "examples width"],
    labels: Bool[np.ndarray, "sets examples"],
    fold: Int[np.ndarray, " examples"],
    problems: Problems,
) -> Fits:
    """Return the minimum of every problem, unless numbers do not allow it: ``gap`` says how near it is.

    Args:
        examples: finite activations of one site.
        labels: one row of labels for each set.
        fold: the fold of each example; what any problem trains on must hold both labels.
        problems: what to fit.
    """
    raw = torch.from_numpy(np.ascontiguousarray(examples, dtype=np.float32)).double()
    centre = raw.mean(0)
    raw -= centre
    basis = _basis(raw.float())
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    for part in _parts(labels, fold, problems):
        points = Descent(basis, part, _start(basis, part)).run()
        gap = _gap(raw, basis, part, points)
        left = gap > GAP
        if bool(left.any()):
            fine = _in_double(raw, basis)
            some = Part(*(tensor[left].double() for tensor in part))
            points, gap = points.double(), gap.clone()
            points[left] = Descent(fine, some, points[left]).run()
            gap[left] = _gap(raw, fine, some, points[left])
        found.append((points.double(), gap))
    points = torch.cat([one for one, _ in found])
    weights = points[:, :-1] @ basis.directions.double().T
    bias = points[:, -1] - weights @ centre
    return Fits(weights.numpy(), bias.numpy(), torch.cat([gap for _, gap in found]).numpy())


def _basis(centred: torch.Tensor) -> Basis:
    """With more columns than rows the weights lie in the span of the rows, so that fewer coordinates do."""
    span = None
    if centred.shape[0] < centred.shape[1]:
        span, upper = torch.linalg.qr(centred.T)
        centred = upper.T
    turn = torch.linalg.eigh(centred.T @ centred).eigenvectors
    turned = _with_ones(centred @ turn)
    return Basis(turned, turn if span is None else span @ turn, (turned * turned).sum(0))


def _in_double(raw: torch.Tensor, basis: Basis) -> Basis:
    directions = basis.directions.double()
    turned = _with_ones(raw @ directions)
    return Basis(turned, directions, (turned * turned).sum(0))


def _with_ones(examples: torch.Tensor) -> torch.Tensor:
    return torch.cat([examples, examples.new_ones(examples.shape[0], 1)], 1)


def _parts(
    labels: Bool[np.ndarray, "sets examples"], fold: Int[np.ndarray, " examples"], problems: Problems
) -> Iterator[Part]:
    count = max(1, _CHUNK_CELLS // fold.size)
    for start in range(0, problems.ridge.size, count):
        label_set, held_out, ridge = (column[start : start + count] for column in problems)
        yield Part(
            torch.from_numpy((fold != held_out[:, None]).astype(np.float32)),
            torch.from_numpy(labels[label_set].astype(np.float32)),
            torch.from_numpy(ridge.astype(np.float32)),
        )


def _start(basis: Basis, part: Part) -> torch.Tensor:
    """Weights 0, the bias at the log-odds of the labels."""
    start = torch.zeros(part.ridge.numel(), basis.energy.numel())
    share = (part.used * part.labels).sum(1) / part.used.sum(1)
    start[:, -1] = torch.logit(share)
    return start


def _gap(raw: torch.Tensor, basis: Basis, part: Part, points: torch.Tensor) -> torch.Tensor:
    """Return half of g·H⁻¹·g per example in float64, the gradient g from the raw examples."""
    used, labels, ridge = (tensor.double() for tensor in part)
    directions = basis.directions.double()
    weights = points[:, :-1].double() @ directions.T
    chance = torch.sigmoid(weights @ raw.T + points[:, -1:].double())
    surplus = used * (chance - labels)
    pull = (surplus @ raw + ridge[:, None] * weights) @ directions
    gradient = torch.cat([pull, surplus.sum(1, keepdim=True)], 1)
    count = used.sum(1)
    spread = (used * chance * (1.0 - chance)).sum(1) / raw.shape[0]
    return 0.5 * (gradient.square() * inverse_curvature(basis.energy.double(), spread, ridge)).sum(1) / count
