from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.protocols.persuasion.bank import presence_files
from doxa.protocols.persuasion.presence import (
    PresenceWarning,
    closeness_to_baseline,
    length_score,
    presence_scores,
    presence_test,
)
from doxa.streams import stream
from tests.protocols.persuasion.data import FOLDER


def test_the_length_score_has_its_limits():
    assert length_score(np.array([0.0, 1e12, -1e12])) == pytest.approx([1.0, 0.0, 2.0])
    assert length_score(np.array([-1e-9, 1e-9])) == pytest.approx([1.0, 1.0], abs=1e-8)
    assert length_score(np.array([1.0, -1.0])) == pytest.approx([0.5, 1.5])


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=20))
def test_longer_texts_earn_less(values):
    z = np.sort(np.array(values))
    scores = length_score(z)
    assert np.all(np.diff(scores) <= 0)
    assert np.all((scores > 0) & (scores < 2))


def test_scores_by_hand():
    found = presence_scores(np.array([0.9, 0.8, 0.1]), np.array([100.0, 300.0, 200.0]), 0.5)
    assert found == pytest.approx([1.5, 0.5, 0.0])


def test_a_condition_equal_to_the_baseline_shows_nothing():
    rng = stream(0, "scores")
    scores, lengths = rng.random(40), rng.integers(100, 400, size=40)
    both = {"baseline": {"fun": scores}, "fun": {"fun": scores}}
    row = presence_test(both, {"baseline": lengths, "fun": lengths}).row(0, named=True)
    assert (row["t"], row["p"]) == (0.0, 0.5)
    assert not row["significant"]


def test_the_test_is_the_pooled_one():
    rng = stream(1, "scores")
    plain, asked = rng.random(60), rng.random(50) ** 0.3
    lengths = {"baseline": rng.integers(100, 400, size=60), "fun": rng.integers(100, 400, size=50)}
    row = presence_test({"baseline": {"fun": plain}, "fun": {"fun": asked}}, lengths).row(0, named=True)
    threshold = np.percentile(plain, 85)
    slow = []
    for x, words in ((asked, lengths["fun"]), (plain, lengths["baseline"])):
        hit = words[x >= threshold]
        z = (words - hit.mean()) / hit.std()
        slow.append(
            [
                0.0 if a < threshold else 1 / (1 + b) if b >= 0 else 2 - 1 / (1 - b)
                for a, b in zip(x, z, strict=True)
            ]
        )
    other = scipy.stats.ttest_ind(*slow, alternative="greater")
    assert (row["t"], row["p"]) == pytest.approx((other.statistic, other.pvalue))


def test_too_few_hits_are_nan_with_a_warning():
    with pytest.warns(PresenceWarning, match="1 arguments reach"):
        found = presence_scores(np.array([0.9, 0.1]), np.array([10.0, 20.0]), 0.5)
    assert np.isnan(found).all()
    with pytest.warns(PresenceWarning):
        flat = presence_test(
            {"baseline": {"fun": np.array([0.5, 0.6, 0.7])}, "fun": {"fun": np.array([0.1, 0.1, 0.1])}},
            {"baseline": np.array([10, 20, 30]), "fun": np.array([10, 20, 30])},
        ).row(0, named=True)
    assert math.isnan(flat["p"])
    assert not flat["significant"]


def test_bad_scores_are_named():
    for scores in ([0.5, math.nan], [0.5, 1.2]):
        with pytest.raises(InputError, match=r"outside \[0, 1\]"):
            presence_scores(np.array(scores), np.array([10.0, 20.0]), 0.5)
    with pytest.raises(InputError, match="one of each"):
        presence_scores(np.array([0.5]), np.array([10.0, 20.0]), 0.5)
    with pytest.raises(InputError, match="words > 0"):
        presence_scores(np.array([0.5, 0.6]), np.array([0.0, 20.0]), 0.5)
    with pytest.raises(InputError, match="no such condition"):
        presence_test({"baseline": {}}, {"baseline": np.array([1])}, dimensions=["fun"])
    with pytest.raises(InputError, match="no such condition"):
        presence_test({"fun": {}}, {"fun": np.array([1])})


def test_every_style_but_power_was_there():
    held = presence_files(FOLDER)
    scores = {name: dict(parts) for name, (parts, _) in held.items()}
    found = presence_test(scores, {name: lengths for name, (_, lengths) in held.items()})
    absent = found.filter(~found["significant"])["dimension"].to_list()
    assert absent == ["power"]
    close = closeness_to_baseline(scores)
    assert len(close) == 10
    assert all(0.9 < cosine <= 1.0 for cosine in close.values())
