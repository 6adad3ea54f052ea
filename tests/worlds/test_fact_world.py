from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.fact_pairs import load_fact_pairs
from doxa.worlds.fact_world import HELD_OUT, synthetic_world, world_of_pairs


@given(st.integers(0, 50), st.integers(1, 6), st.integers(1, 3), st.integers(2, 5), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_every_item_has_two_objects_of_its_relation(seed, entities, relations, objects, unknown):
    world = synthetic_world(seed, entities=entities, relations=relations, objects=objects, unknown=unknown)
    assert world.items == (entities + unknown) * relations
    assert world.known.sum() == entities * relations
    assert (world.true != world.false).all()
    assert (world.relation_of_object[world.false] == world.relation).all()
    every = np.arange(world.items)
    lies = world.other_lies(every, stream(seed, "lies"))
    assert (lies != world.true).all()
    assert (world.relation_of_object[lies] == world.relation).all()
    tokens = np.concatenate([world.prompts(every, HELD_OUT).ravel(), world.object_tokens(lies)])
    assert tokens.min() >= 0
    assert tokens.max() < world.vocabulary
    assert len(set(world.words())) == world.vocabulary


def test_different_lies_are_even_over_the_untrue_objects():
    world = synthetic_world(0, entities=1, relations=2, objects=4, unknown=0)
    lies = world.other_lies(np.zeros(30_000, dtype=int), stream(0, "lies"))
    counts = np.bincount(lies, minlength=8)
    assert counts[4:].sum() == 0
    assert counts[world.true[0]] == 0
    assert sorted(counts[:4])[1:] == pytest.approx([10_000] * 3, rel=0.05)


def test_wordings_differ_in_one_token():
    world = synthetic_world(0, entities=3)
    prompts = [world.prompts(np.array([5]), wording)[0] for wording in range(3)]
    assert prompts[0].tolist() == [world.prompts(np.array([5]), -3)[0][0], prompts[0][1], 0]
    assert len({tuple(prompt) for prompt in prompts}) == 3
    assert len({(prompt[0], prompt[2]) for prompt in prompts}) == 1


def test_real_facts_make_the_same_kind_of_world():
    world = world_of_pairs(load_fact_pairs("facts"), unknown=12)
    assert len(world.entities) == 75
    assert world.items == 192
    paris = [item for item in range(world.items) if world.name(item) == "France capital"]
    assert world.objects[world.true[paris[0]]] == "Paris"
    assert len(set(world.entity[~world.known])) == 12
    text = world.as_pairs(paris)[0]
    assert text.prompt == "France capital-1 :"
    assert text.true == " Paris"
    assert text.paraphrases == ("France capital-2 :", "France capital-3 :")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda world: {"false": world.true}, "true and false object are the same"),
        (lambda world: {"false": (world.false + 20) % 80}, "an object of another relation"),
        (lambda world: {"phrasings": 1}, "must be >= 2"),
    ],
)
def test_bad_worlds(change, message):
    world = synthetic_world(0, entities=4)
    with pytest.raises(InputError, match=message):
        dataclasses.replace(world, **change(world))


def test_bad_sizes():
    with pytest.raises(InputError, match="objects=1: must be >= 2"):
        synthetic_world(0, objects=1)
    pairs = load_fact_pairs("elements")
    with pytest.raises(InputError, match="two facts in one domain"):
        world_of_pairs([*pairs, pairs[0]])
    with pytest.raises(InputError, match="unknown=33"):
        world_of_pairs(pairs, unknown=33)
