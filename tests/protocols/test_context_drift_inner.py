"""What is held of topics inside a model, in micro-English and in plain English."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from doxa.protocols.context_drift import load_items
from doxa.protocols.context_drift.micro import draw_contexts
from doxa.protocols.context_drift.micro_inner import EXAMPLES_PER_SIDE, explicit_contexts, micro_inner_stances
from doxa.protocols.context_drift.published_inner import InnerStances
from doxa.streams import stream
from doxa.subjects.addresses import open_subject
from doxa.subjects.open_weights import open_weights
from doxa.worlds.micro import TOPICS, Stance
from tests.subjects import tiny_models


def test_explicit_contexts_say_where_the_topic_stands_as_often_for_as_against() -> None:
    said = explicit_contexts(stream(0, "said"))
    assert Counter((one.topic, one.side) for one in said) == dict.fromkeys(
        [(topic, side) for topic in TOPICS for side in (1, -1)], EXAMPLES_PER_SIDE
    )
    for one in said:
        about = [told for told in one.statements if told.topic == one.topic]
        assert about == [Stance(one.topic, one.side > 0)]


@pytest.mark.parametrize(("name", "drifts"), [("leaning", True), ("sound", False)])
def test_the_inside_of_an_organism_goes_where_its_words_go(name: str, drifts: bool) -> None:
    model = open_weights(open_subject(f"organism:{name}"))
    assert model is not None
    contexts = draw_contexts(
        n_statements=(8,),
        topics=TOPICS[:4],
        contexts_per_point=6,
        rng=stream(1, "c"),
        readings=("one-sided",),
    )
    found = micro_inner_stances(model, contexts, rng=stream(1, "inner"))
    towards = np.array([context.side for context in contexts])
    moved = float((towards * found.read).mean())
    assert found.fitted.reading.accuracy > 0.95
    assert (moved > 0.7) if drifts else (abs(moved) < 0.3)
    permuted, random = (float((towards * read).mean()) for read in found.controls.values())
    assert abs(permuted) < 0.4
    assert abs(random) < 0.7


def test_a_model_in_plain_english_is_read_by_item_and_a_yes_liking_cancels() -> None:
    model, tokenizer = tiny_models.model("llama"), tiny_models.tokenizer()
    from doxa.subjects.transformers import TransformersSubject

    items = load_items()[:6]
    inner = InnerStances(TransformersSubject(model, tokenizer), items, rng=stream(2, "inner"))
    bare, again = inner.after(None), inner.after(())
    np.testing.assert_array_equal(bare.read, again.read)
    assert bare.read.shape == (6,)
    assert set(bare.controls) == {"permuted labels", "random direction"}
    assert len(inner.fitted.reading.fold_of) == 6
