from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.society.rumour.plausibility import RIDGE, fit_head, item_log_odds, read_items, stories
from doxa.society.rumour.plausibility_report import story_auc
from doxa.streams import stream


def made(n=40, width=6, copies=3):
    """Return unit vectors, some of which are copies of another, and labels that their first entry tells."""
    rng = stream(0, "test", "plausibility")
    vectors = rng.normal(size=(n, width))
    vectors[1 : copies + 1] = vectors[0] + 0.01 * rng.normal(size=(copies, width))
    true = vectors[:, 0] + 0.3 * rng.normal(size=n) > 0
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), true


def test_heads_are_scikit_learns_without_the_item_and_without_its_story():
    from sklearn.linear_model import LogisticRegression

    vectors, true = made()
    head = fit_head(vectors, true)
    assert len(set(head.story[:4].tolist())) == 1, "copies tell one story"
    for scores, group in (
        (head.held_out.without_item, np.arange(40)),
        (head.held_out.without_story, head.story),
    ):
        for row in (0, 1, 7, 23):
            kept = group != group[row]
            model = LogisticRegression(C=1 / RIDGE, max_iter=1000, tol=1e-10).fit(vectors[kept], true[kept])
            assert scores[row] == pytest.approx(model.decision_function(vectors[row : row + 1])[0], abs=1e-4)
    model = LogisticRegression(C=1 / RIDGE, max_iter=1000, tol=1e-10).fit(vectors, true)
    assert head.log_odds(3.0 * vectors[:5]) == pytest.approx(model.decision_function(vectors[:5]), abs=1e-4)


def test_stories_chain():
    angles = np.array([0.0, 0.5, 1.0, 3.0])
    story = stories(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert story[0] == story[1] == story[2] != story[3], "the ends of a chain are alike through its middle"


def test_the_data_set_is_read_and_scored(trust_data):
    texts, true = read_items(trust_data / "fps")
    assert len(texts) == 198
    assert true.sum() == 100
    rng = stream(0, "test", "encode")
    table = {}

    def encode(sentences):
        return np.stack([table.setdefault(one, rng.normal(size=24)) for one in sentences])

    head, ours = item_log_odds(trust_data / "fps", ["the moon fell"], encode)
    assert ours.shape == (1,)
    assert head.true.tolist() == true.tolist()
    area = story_auc(head.held_out.without_story, true, head.story, stream(0, "test", "auc"), resamples=100)
    assert area.low < 0.5 < area.high or abs(area.estimate - 0.5) < 0.15, "random vectors tell nothing"


def test_no_file_is_told(tmp_path):
    with pytest.raises(InputError, match="doxa data get fps"):
        read_items(tmp_path)
