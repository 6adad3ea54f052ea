"""Saying and doing: contexts that take no side, and the share of acts against words."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.protocols.say_do import MENTIONED, draw_contexts, share_against
from doxa.worlds.micro import TOPICS


def test_every_topic_is_asked_as_often_supported_as_opposed() -> None:
    contexts = draw_contexts(4 * len(TOPICS), np.random.default_rng(0))
    asked = Counter((context.topic, context.support) for context in contexts)
    assert asked == {(topic, support): 2 for topic in TOPICS for support in (True, False)}
    for context in contexts:
        topics = [stance.topic for stance in context.stances]
        assert len(set(topics)) == len(topics) == MENTIONED
    with pytest.raises(InputError, match="n=0"):
        draw_contexts(0, np.random.default_rng(0))


@given(st.floats(0, 1), st.integers(0, 1000))
def test_the_share_is_recovered_from_any_credences(against: float, seed: int) -> None:
    stated = np.random.default_rng(seed).uniform(0, 1, 20)
    acted = stated * (1 - against) + (1 - stated) * against
    found = share_against(stated, acted, rng=np.random.default_rng(0))
    assert found.estimate == pytest.approx(against)
    assert found.low <= found.estimate + 1e-9
    assert found.high >= found.estimate - 1e-9


def test_what_does_not_vary_has_no_share() -> None:
    assert np.isnan(share_against(np.full(4, 0.5), np.arange(4) / 4, rng=np.random.default_rng(0)).estimate)
