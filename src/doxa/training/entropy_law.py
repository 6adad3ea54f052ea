"""The law that performance is bought with policy entropy: R = -a·exp(H) + b, fitted and forecast.

H is the policy's mean token entropy in nats and R its score. The law is linear in exp(H), so ordinary least squares of
R on [-exp(H), 1] is the exact fit; at H = 0 nothing is left to spend, and R can be at most b - a, the ceiling.

Source: Cui et al., The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models (arXiv:2505.22617).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from doxa.belief.inference import Interval, check_level, percentile_interval
from doxa.errors import InputError
from doxa.streams import stream

Numbers = Shaped[np.ndarray, " points"] | Sequence[float | int]
"""A row of numbers."""

FEWEST = 3
MOST_NATS = 50.0
"""More is no entropy of tokens: a vocabulary would need 10²¹ words."""


class Forecast(NamedTuple):
    """What the first part of a run says of its end.

    Attributes:
        law: fitted to that part.
        points: in it.
        predicted: score at the entropy of the last point, with the interval in which that point should lie.
        observed: score of the last point.
        error: observed - predicted.
        ceiling: score at entropy 0, with its interval.
    """

    law: EntropyLaw
    points: int
    predicted: Interval
    observed: float
    error: float
    ceiling: Interval


@dataclass(frozen=True, eq=False)
class EntropyLaw:
    """A fitted law R = -a·exp(H) + b.

    Attributes:
        a: score that one unit of exp(H) buys; above 0 where score rises as entropy falls.
        b: score at exp(H) = 0, which no policy reaches.
        r2: share of the variance of R that the law explains; NaN where R does not vary.
        rmse: root mean square of what it leaves, in units of R.
        entropy: the H it was fitted to, in nats, in the order of steps.
        score: the R it was fitted to.

    >>> import numpy as np
    >>> H = np.array([1.5, 1.0, 0.5, 0.1])
    >>> law = EntropyLaw.fit(H, 0.9 - 0.1 * np.exp(H))
    >>> round(law.a, 6), round(law.b, 6), round(law.ceiling, 6)
    (0.1, 0.9, 0.8)
    """

    a: float
    b: float
    r2: float
    rmse: float
    entropy: Float[np.ndarray, " points"]
    score: Float[np.ndarray, " points"]

    @classmethod
    def fit(cls, H: Numbers, R: Numbers) -> EntropyLaw:  # noqa: N803 (the law's own letters)
        """Fit the law by ordinary least squares.

        Args:
            H: policy entropy of each point in nats, in [0, 50].
            R: score of each point, as many.

        Raises:
            InputError: fewer than three points, unequal lengths, numbers that are not finite, entropies that are
                negative, above 50 or all the same.
        """
        entropy, score = _row("H", H), _row("R", R)
        if entropy.size != score.size:
            raise InputError(f"{entropy.size} entropies H for {score.size} scores R; pair them step by step")
        if entropy.size < FEWEST:
            raise InputError(
                f"{entropy.size} points: a law of two numbers needs {FEWEST} or more to be tested"
            )
        if entropy.min() < 0.0 or entropy.max() > MOST_NATS:
            worst = entropy.min() if entropy.min() < 0.0 else entropy.max()
            raise InputError(
                f"H={worst:g}: must be in [0, {MOST_NATS:g}] nats; an 'entropy loss' is minus the entropy in some "
                "libraries, and a sum over tokens is no mean"
            )
        x = -np.exp(entropy)
        if np.ptp(x) <= 1e-12 * np.abs(x).max():
            raise InputError(
                f"H is {entropy[0]:g} at every point: where entropy does not vary there is no law to fit"
            )
        a, b = _least_squares(x, score[None])
        left = score - (a[0] * x + b[0])
        total = float(np.sum((score - score.mean()) ** 2))
        r2 = 1.0 - float(left @ left) / total if np.ptp(score) > 0.0 and total > 0.0 else math.nan
        return cls(float(a[0]), float(b[0]), r2, float(np.sqrt(np.mean(left**2))), entropy, score)

    @property
    def ceiling(self) -> float:
        """The score at entropy 0: b - a."""
        return self.b - self.a

    @property
    def points(self) -> int:
        """How many points it was fitted to."""
        return self.entropy.size

    def predict(self, H: Numbers) -> Float[np.ndarray, " points"]:  # noqa: N803
        """Return the law's score at each entropy in nats."""
        return self.b - self.a * np.exp(_row("H", H))

    def ceiling_interval(self, *, seed: int = 0, n_resamples: int = 2000, level: float = 0.95) -> Interval:
        """Return the ceiling with its interval by the block bootstrap that ``forecast`` describes."""
        check_level(level)
        a, b, _ = self._resampled(seed, n_resamples)
        return percentile_interval(self.ceiling, b - a, self.points, level)

    def r2_interval(self, *, seed: int = 0, n_resamples: int = 2000, level: float = 0.95) -> Interval:
        """Return the share of variance explained with its interval by the same bootstrap; NaN where R does not vary."""
        check_level(level)
        a, b, drawn = self._resampled(seed, n_resamples)
        left = drawn - (b[:, None] - a[:, None] * np.exp(self.entropy))
        total = np.square(drawn - drawn.mean(1, keepdims=True)).sum(1)
        shares = 1.0 - np.divide(
            np.square(left).sum(1), total, out=np.full(len(a), math.nan), where=total > 0.0
        )
        return percentile_interval(self.r2, shares, self.points, level)

    def forecast(
        self, fraction: float = 1.0 / 3.0, *, seed: int = 0, n_resamples: int = 2000, level: float = 0.95
    ) -> Forecast:
        """Fit the first part of the points and predict the score of the last one from its entropy.

        Intervals come from a block bootstrap: residuals of the first part, scaled by √(n / (n - 2)) for the two
        numbers fitted, are drawn in runs of ⌈n^(1/3)⌉ neighbours, because neighbouring steps err alike, put on the
        fitted scores, and the law is fitted again. To the score of a single point one more residual is added. The
        interval takes the law for true: it does not cover a run that leaves it.

        Args:
            fraction: of the points, in (0, 1], from the first on; at least three points must be in it.
            seed: of the stream the resamples are drawn from.
            n_resamples: number of resamples, >= 100.
            level: coverage in (0, 1).

        Raises:
            InputError: fraction or level out of range, or too few points.
        """
        if not 0.0 < fraction <= 1.0:
            hint = f"; for {fraction:g} % give {fraction / 100.0:g}" if 1.0 < fraction <= 100.0 else ""
            raise InputError(f"fraction={fraction:g}: must be in (0, 1]{hint}")
        check_level(level)
        first = round(fraction * self.points)
        if first < FEWEST:
            raise InputError(
                f"fraction={fraction:g} of {self.points} points are {first}: a law needs {FEWEST} or more; "
                "give a larger fraction or log more often"
            )
        law = EntropyLaw.fit(self.entropy[:first], self.score[:first])
        end, observed = float(self.entropy[-1]), float(self.score[-1])
        predicted = float(law.predict([end])[0])
        a, b, _ = law._resampled(seed, n_resamples)
        noise = law._residuals()[stream(seed, "entropy-law", "noise").integers(first, size=n_resamples)]
        return Forecast(
            law,
            first,
            percentile_interval(predicted, b - a * np.exp(end) + noise, first, level),
            observed,
            observed - predicted,
            percentile_interval(law.ceiling, b - a, first, level),
        )

    def _residuals(self) -> Float[np.ndarray, " points"]:
        """Return what the law leaves, as large as what is drawn around the true one."""
        return (self.score - self.predict(self.entropy)) * math.sqrt(self.points / (self.points - 2))

    def _resampled(
        self, seed: int, n_resamples: int
    ) -> tuple[
        Float[np.ndarray, " resamples"],
        Float[np.ndarray, " resamples"],
        Float[np.ndarray, "resamples points"],
    ]:
        """Return a and b fitted to resamples of blocks of residuals, and these resamples."""
        if n_resamples < 100:
            raise InputError(f"n_resamples={n_resamples}: must be >= 100 for an interval")
        n, block = self.points, math.ceil(self.points ** (1.0 / 3.0))
        rng = stream(seed, "entropy-law", "blocks")
        starts = rng.integers(n, size=(n_resamples, math.ceil(n / block)))
        picks = (starts[:, :, None] + np.arange(block)).reshape(n_resamples, -1)[:, :n] % n
        drawn = self.predict(self.entropy) + self._residuals()[picks]
        return *_least_squares(-np.exp(self.entropy), drawn), drawn


def _least_squares(
    x: Float[np.ndarray, " points"], y: Float[np.ndarray, "sets points"]
) -> tuple[Float[np.ndarray, " sets"], Float[np.ndarray, " sets"]]:
    """Return slope and intercept of each set; sums are about the means, far origins lose digits."""
    dx = x - x.mean()
    slope = (y - y.mean(axis=1, keepdims=True)) @ dx / (dx @ dx)
    return slope, y.mean(axis=1) - slope * x.mean()


def _row(name: str, values: Numbers) -> Float[np.ndarray, " points"]:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1:
        raise InputError(f"{name} has shape {row.shape}; give one row of numbers, in the order of steps")
    if not np.isfinite(row).all():
        place = int(np.flatnonzero(~np.isfinite(row))[0])
        raise InputError(
            f"{name}[{place}]={row[place]}: must be finite; leave out the steps that have no value"
        )
    return row
