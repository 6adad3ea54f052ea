"""A reader of tweets: two logistic regressions on words, one for what is said, one for how surely it is said.

It is trained on the spot on tweets of the grammar, and tested on sentences and openers that it never saw.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from doxa.belief.information import expit
from doxa.society.rumour import tweets
from doxa.streams import stream

RIDGE = 1.0
SURE = np.array([0.15, 0.35, 0.6, 0.8, 0.95])
"""How often a writer of each level of certainty says the same when asked again: what the second regression learns."""


@dataclass(frozen=True, eq=False)
class StanceReader:
    """Reads what a tweet says.

    Attributes:
        stance: weight of each word for belief against doubt, and the bias behind them.
        surety: the same for how sure it is.
        accuracy: share of held-out tweets whose side is read rightly.
        surety_correlation: of the strength read with the level of certainty, on held-out tweets.
        permuted_accuracy: of a reader trained on sides dealt out anew.
        n_held_out: tweets tested.
    """

    stance: Float[np.ndarray, " words"] = field(repr=False)
    surety: Float[np.ndarray, " words"] = field(repr=False)
    accuracy: float
    surety_correlation: float
    permuted_accuracy: float
    n_held_out: int

    def read(self, texts: Int[np.ndarray, "*rows words"]) -> Float[np.ndarray, "*rows"]:
        """Return stance times strength of each tweet, in [-1, 1]; an empty text is 0."""
        # the last weight is the bias; before it stands a 0, where -1, no word, is looked up
        side, sure = (
            weights[texts].sum(axis=-1) + bias for weights, bias in map(_padded, (self.stance, self.surety))
        )
        found = np.tanh(side / 2.0) * expit(sure)
        return np.where((texts >= 0).any(axis=-1), found, 0.0)


def _padded(weights: Float[np.ndarray, " words"]) -> tuple[Float[np.ndarray, " more"], float]:
    return np.append(weights[:-1], 0.0), float(weights[-1])


@lru_cache(maxsize=8)
def train_reader(seed: int, n: int = 4000) -> StanceReader:
    """Train the reader of a seed on n tweets and test it on n / 4 others.

    Tweets are of either side and of every certainty, half of them take up another's detail.
    """
    from doxa.lens.probes.logistic_solver import fit_logistic
    from doxa.lens.probes.problems import Problems

    rng = stream(seed, "society", "tweets")
    texts, believes, level = _sample(rng, n, unknown=False)
    sure = rng.random(n) < SURE[level]
    labels = np.stack([believes, sure, rng.permutation(believes)])
    fits = fit_logistic(
        _counts(texts),
        labels,
        np.zeros(n, dtype=np.int64),
        Problems(np.arange(3), np.full(3, -1), np.full(3, RIDGE)),
    )
    stance, surety, dealt = np.concatenate([fits.weights, fits.bias[:, None]], axis=1)
    held, side, certain = _sample(rng, n // 4, unknown=True)
    features = np.concatenate([_counts(held), np.ones((len(held), 1))], axis=1)
    return StanceReader(
        stance,
        surety,
        accuracy=float(np.mean((features @ stance > 0.0) == side)),
        surety_correlation=float(np.corrcoef(features @ surety, certain)[0, 1]),
        permuted_accuracy=float(np.mean((features @ dealt > 0.0) == side)),
        n_held_out=len(held),
    )


def _sample(
    rng: np.random.Generator, n: int, *, unknown: bool
) -> tuple[Int[np.ndarray, "n words"], np.ndarray, Int[np.ndarray, " n"]]:
    believes, level = rng.random(n) < 0.5, rng.integers(0, len(SURE), n)
    own, others = tweets.details(rng.random((n, 4))), tweets.details(rng.random((n, 4)))
    others[rng.random(n) < 0.5] = -1
    texts = tweets.write(
        believes, level, own, others, None, rng.random((n, 2)), known_only=not unknown, unknown_only=unknown
    )
    return texts, believes, level


def _counts(texts: Int[np.ndarray, "rows words"]) -> Float[np.ndarray, "rows vocabulary"]:
    """Return how often each word stands in each text."""
    width = len(tweets.grammar().words) + 1
    rows = np.repeat(np.arange(len(texts)), texts.shape[1])
    counts = np.zeros((len(texts), width))
    np.add.at(counts, (rows, np.where(texts < 0, width - 1, texts).ravel()), 1.0)
    return counts[:, :-1]
