r"""Contrast-consistent search: a direction found without labels (Burns et al. 2022, equations 2 to 4).

For each question the activations of both answers are taken, the mean of each answer removed, and

.. math:: \mathrm{mean}\,[(p^+ - (1 - p^-))^2 + \min(p^+, p^-)^2], \qquad p = \sigma(\theta \cdot h + b),

is made small from many random starts, all in one batch. Which end of the direction means true is not in the loss:
labels set the sign and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from doxa.errors import InputError
from doxa.lens.probes.linear import Labels, LinearProbes
from doxa.lens.probes.problems import checked_labels, finite_site

Pairs = Float[np.ndarray, "questions 2 *sites width"]
"""Activations of both answers of each question, the affirmative first."""

_STEPS = 1000
_RATE = 1e-2  # of Adam, on activations scaled to unit mean square
_DECAY = 1e-2


@dataclass(frozen=True)
class ContrastProbe:
    """Directions of all restarts at all sites; which end means true is not known yet.

    Attributes:
        weights: θ, in the units of the raw activations.
        bias: b, in logits.
        centres: mean activation of the affirmative and of the negative answer in the pairs that were fitted.
        loss: the loss reached, in [0, 1].
    """

    weights: Float[np.ndarray, "restarts *sites width"]
    bias: Float[np.ndarray, "restarts ..."]
    centres: Float[np.ndarray, "2 *sites width"]
    loss: Float[np.ndarray, "restarts ..."]

    @classmethod
    def fit(
        cls,
        h_yes: Float[np.ndarray, "questions *sites width"],
        h_no: Float[np.ndarray, "others *other_sites other_width"],
        *,
        restarts: int = 100,
        rng: np.random.Generator,
    ) -> ContrastProbe:
        """Return what the restarts found; no labels are needed.

        Args:
            h_yes: activations of the affirmative answers, by question, site and coordinate.
            h_no: those of the negative answers.
            restarts: random starts at each site, >= 1.
            rng: draws the starts.

        Raises:
            InputError: the two do not pair, there is one question only, or an activation is not finite.
        """
        if h_yes.shape != h_no.shape or h_yes.shape[0] < 2 or restarts < 1:
            raise InputError(
                f"h_yes {h_yes.shape}, h_no {h_no.shape}, restarts={restarts}: give both answers of the same "
                "questions, at least two, and at least one restart"
            )
        shape, width = h_yes.shape[1:-1], h_yes.shape[-1]
        both = [rows.reshape(rows.shape[0], -1, width) for rows in (h_yes, h_no)]
        count = both[0].shape[1]
        weights = np.empty((restarts, count, width))
        bias, loss = np.empty((2, restarts, count))
        centres = np.empty((2, count, width))
        for site in range(count):
            pairs = np.stack([finite_site(rows, site, shape) for rows in both]).astype(np.float64)
            centres[:, site] = pairs.mean(1)
            start = rng.standard_normal((restarts, width)) / np.sqrt(width)
            weights[:, site], bias[:, site], loss[:, site] = _search(pairs - centres[:, None, site], start)
        return cls(
            weights.reshape(restarts, *shape, width),
            bias.reshape(restarts, *shape),
            centres.reshape(2, *shape, width),
            loss.reshape(restarts, *shape),
        )

    def score(self, pairs: Pairs) -> Float[np.ndarray, "restarts questions 2 ..."]:
        """Return θ·(h - μ) + b of both answers for every restart, μ the mean of that answer at the fit.

        Raises:
            InputError: another width or other sites, or activations that are not finite.
        """
        yes, no = (
            LinearProbes(self.weights, self.bias - np.einsum("r...w,...w->r...", self.weights, centre))
            for centre in self.centres
        )
        scores = [
            np.stack([yes.at(restart).score(pairs[:, 0]), no.at(restart).score(pairs[:, 1])], axis=1)
            for restart in range(self.bias.shape[0])
        ]
        return np.stack(scores)

    def accuracy(self, pairs: Pairs, labels: Labels) -> Float[np.ndarray, "restarts ..."]:
        """Return the share of questions whose right answer has the higher score.

        Args:
            pairs: activations of both answers.
            labels: whether the affirmative answer is the right one.
        """
        truth = checked_labels(pairs, labels)
        scores = self.score(pairs)
        chosen = scores[:, :, 0] > scores[:, :, 1]
        return (chosen == truth.reshape(-1, *[1] * (self.bias.ndim - 1))).mean(1)

    def oriented(self, pairs: Pairs, labels: Labels, *, keep: float = 0.9) -> OrientedContrast:
        """Return the directions turned so that each is right on more of these questions than it is wrong.

        Args:
            pairs: activations of both answers.
            labels: whether the affirmative answer is the right one.
            keep: least accuracy of a restart that is kept, in [0.5, 1].
        """
        accuracy = self.accuracy(pairs, labels)
        sign = np.where(accuracy < 0.5, -1.0, 1.0)
        return OrientedContrast(
            self.weights * sign[..., None],
            self.bias * sign,
            self.centres,
            self.loss,
            np.maximum(accuracy, 1.0 - accuracy),
            keep,
        )


@dataclass(frozen=True)
class OrientedContrast(ContrastProbe):
    """Directions whose sign labels have set, and which of them are kept.

    Attributes:
        sorted_accuracy: accuracy of each restart on the questions that set the sign, in [0.5, 1].
        keep: least accuracy of a restart that is kept.
    """

    sorted_accuracy: Float[np.ndarray, "restarts ..."]
    keep: float

    @property
    def kept(self) -> Bool[np.ndarray, "restarts ..."]:
        """Which restarts are kept at which site."""
        return self.sorted_accuracy >= self.keep

    def kept_score(self, pairs: Pairs) -> Float[np.ndarray, "questions 2 ..."]:
        """Return the mean score over the restarts that are kept, NaN at sites where none is."""
        kept = self.kept[:, None, None]
        total = np.where(kept, self.score(pairs), 0.0).sum(0)
        number = kept.sum(0)
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)


@dataclass(frozen=True)
class CCSProbe:
    """Contrast-consistent search with the sign set by labels, as one step.

    Attributes:
        restarts: random starts at each layer (the paper: 100).
        keep: least accuracy of a restart that is kept (the paper: 0.9 of generic questions in empty context).
    """

    restarts: int = 100
    keep: float = 0.9

    def fit(
        self,
        acts: Pairs,
        labels: Labels,
        *,
        rng: np.random.Generator,
    ) -> OrientedContrast:
        """Return the directions; ``labels`` (is the affirmative answer right?) set their sign and choose among them."""
        found = ContrastProbe.fit(acts[:, 0], acts[:, 1], restarts=self.restarts, rng=rng)
        return found.oriented(acts, labels, keep=self.keep)


def _search(
    pairs: Float[np.ndarray, "2 questions width"], start: Float[np.ndarray, "restarts width"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, biases and losses of all restarts at one site."""
    with torch.inference_mode(False), torch.enable_grad():  # a caller may have switched gradients off
        return _descend(pairs, start)


def _descend(
    pairs: Float[np.ndarray, "2 questions width"], start: Float[np.ndarray, "restarts width"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scale = max(float(np.sqrt(np.mean(pairs**2))), float(np.finfo(np.float32).tiny))
    yes, no = (torch.from_numpy((rows / scale).astype(np.float32)) for rows in pairs)
    weights = torch.from_numpy(start.astype(np.float32)).requires_grad_()
    bias = torch.zeros(len(start), requires_grad=True)
    adam = torch.optim.AdamW([weights, bias], lr=_RATE, weight_decay=_DECAY)

    def loss() -> torch.Tensor:
        p_yes, p_no = (torch.sigmoid(weights @ rows.T + bias[:, None]) for rows in (yes, no))
        return contrast_loss(p_yes, p_no)

    for _ in range(_STEPS):
        adam.zero_grad()
        loss().sum().backward()
        adam.step()
    with torch.no_grad():
        reached = loss().double().numpy()
    return weights.detach().double().numpy() / scale, bias.detach().double().numpy(), reached


def contrast_loss(p_yes: torch.Tensor, p_no: torch.Tensor) -> torch.Tensor:
    """Return mean[(p⁺ - (1 - p⁻))² + min(p⁺, p⁻)²] over the last axis.

    Args:
        p_yes: probability that the affirmative answer is the true one, in [0, 1].
        p_no: probability that the negative answer is.
    """
    return ((p_yes + p_no - 1.0) ** 2 + torch.minimum(p_yes, p_no) ** 2).mean(-1)
