"""Motifs: kinds of reasons, found by grouping sentence vectors, and how often each agent gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.society.clusters.probes import Trace
from doxa.streams import stream_key

Encode: TypeAlias = Callable[[Sequence[str]], Float[np.ndarray, "texts width"]]
"""Turns texts into vectors, such as ``doxa.lab.sentence_vectors.MiniLM().encode``."""


class Motifs(NamedTuple):
    """What the agents' reasons have in common.

    Attributes:
        profiles: share of each motif among an agent's reasons; rows sum to 1, and are even where it gave none.
        unheard: agents that gave no reason.
        of_trace: motif of each trace.
        examples: a reason of each motif, the one nearest to its middle.
    """

    profiles: Float[np.ndarray, "agents motifs"]
    unheard: tuple[int, ...]
    of_trace: Int[np.ndarray, " traces"]
    examples: tuple[str, ...]


def find_motifs(
    traces: Sequence[Trace], n_agents: int, *, n_motifs: int = 15, seed: int, encode: Encode | None = None
) -> Motifs:
    """Return motifs of reasons, by k-means on sentence vectors less their scenario's mean, and agents' profiles.

    Args:
        traces: what agents said.
        n_agents: how many there are, those without a trace among them.
        n_motifs: how many kinds of reasons, at least 2; never more than there are different reasons.
        seed: of the stream that starts the grouping.
        encode: makes vectors of texts; by default :func:`word_vectors`.

    Raises:
        InputError: there are too few traces, or one is of an agent that is not there.
    """
    from sklearn.cluster import KMeans

    reasons = sorted({(trace.scenario, trace.reason) for trace in traces})
    count = min(n_motifs, len(reasons))
    if n_motifs < 2 or count < 2:
        raise InputError(f"n_motifs={n_motifs}, {len(reasons)} different reasons: both must be >= 2")
    for trace in traces:
        if not 0 <= trace.agent < n_agents:
            raise InputError(f"trace of agent {trace.agent}: agents are 0 to {n_agents - 1}")
    vectors = _centred(
        (encode or word_vectors)([text for _, text in reasons]), [scene for scene, _ in reasons]
    )
    state = stream_key(seed, "motifs") % 2**32
    found = cast(Any, KMeans)(count, n_init=8, random_state=state).fit(vectors)
    motif = dict(zip(reasons, found.labels_.tolist(), strict=True))
    of_trace = np.array([motif[trace.scenario, trace.reason] for trace in traces])
    counts = np.zeros((n_agents, count))
    np.add.at(counts, (np.array([trace.agent for trace in traces]), of_trace), 1.0)
    examples = tuple(reasons[int(place)][1] for place in found.transform(vectors).argmin(axis=0))
    profiles, unheard = profiles_of(counts)
    return Motifs(profiles, unheard, of_trace, examples)


def _centred(vectors: np.ndarray, scenes: Sequence[int]) -> np.ndarray:
    """Return vectors less the mean of their scenario: what is told of a scene is no reason."""
    places = np.unique(np.asarray(scenes), return_inverse=True)[1].reshape(-1)
    members = np.eye(int(places.max()) + 1)[places]
    means = (members.T @ vectors) / members.sum(axis=0)[:, None]
    return vectors - means[places]


def profiles_of(
    counts: Float[np.ndarray, "agents motifs"],
) -> tuple[Float[np.ndarray, "agents motifs"], tuple[int, ...]]:
    """Return shares of motifs, even where an agent has none or NaN, and who these agents are."""
    table = np.asarray(counts, dtype=np.float64)
    total = table.sum(axis=1, keepdims=True)
    heard = np.isfinite(total) & (total > 0)
    even = np.full_like(table, 1.0 / table.shape[1])
    shares = np.where(heard, table / np.where(heard, total, 1.0), even)
    return shares, tuple(np.flatnonzero(~heard[:, 0]).tolist())


def word_vectors(texts: Sequence[str]) -> Float[np.ndarray, "texts width"]:
    """Return texts as weights of their words, less common ones more, projected on 64 directions at most."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    table = TfidfVectorizer(stop_words="english").fit_transform(texts)
    width = min(64, table.shape[1] - 1, table.shape[0] - 1)
    if width < 2:
        return np.asarray(table.toarray())
    reduced = TruncatedSVD(width, algorithm="arpack", random_state=0).fit_transform(table)
    return np.asarray(normalize(reduced))
