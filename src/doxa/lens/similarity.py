"""Similarity of two representations of the same examples."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError


def linear_cka(
    first: Float[np.ndarray, "examples width"], second: Float[np.ndarray, "_ other_width"]
) -> float:
    """Return linear centred kernel alignment, ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) with centred columns, in [0, 1].

    1 for representations that are equal up to rotation and one scale. Independent noise gives about width/examples,
    so take many more examples than dimensions. (Kornblith et al., 2019, arXiv:1905.00414.)

    Raises:
        InputError: numbers of examples differ, there are fewer than two, a number is not finite, or one
            representation is constant.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> round(linear_cka(x, 3.0 * x[:, ::-1]), 6)
    1.0
    """
    if len(first) != len(second) or len(first) < 2:
        raise InputError(
            f"{len(first)} and {len(second)} examples; give the same examples to both, at least two"
        )
    x, y = _centred(first), _centred(second)
    if len(x) < max(
        x.shape[1], y.shape[1]
    ):  # the same three norms from the examples' kernels, which are smaller
        kernels = x @ x.T, y @ y.T
        cross, own = float(np.vdot(*kernels)), [np.linalg.norm(kernel) for kernel in kernels]
    else:
        cross, own = float(np.linalg.norm(y.T @ x) ** 2), [np.linalg.norm(one.T @ one) for one in (x, y)]
    if 0.0 in own:
        raise InputError("a representation is the same for every example; there is nothing to compare")
    return cross / float(own[0] * own[1])


def _centred(values: Float[np.ndarray, "examples width"]) -> Float[np.ndarray, "examples width"]:
    centred = np.asarray(values, dtype=np.float64)
    if not np.isfinite(centred).all():
        raise InputError("a representation holds a number that is not finite")
    return centred - centred.mean(axis=0)
