from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.belief_world import (
    BELIEF,
    BELIEVES,
    EMPTY,
    FIRST,
    JAMES,
    KNOWS,
    MARY,
    NO_VALUE,
    NOBODY,
    TRUTH,
    BeliefItems,
    BeliefWorld,
)

ITEMS = 40_000
probabilities = st.floats(0, 1).map(lambda p: round(p, 2))


def near(count: int, n: int, share: float) -> bool:
    """Five standard deviations of a binomial count."""
    return abs(count - n * share) <= 5 * np.sqrt(n * share * (1 - share)) + 1e-9


def read_slowly(row: list[int], truth: list[int]) -> tuple[str, str, bool]:
    """Read eight tokens back without the world's own code: person, question and right answer."""
    entities = len(truth)
    people = {0: "I", 1: "J", 2: "M", 3: "nobody"}
    person, attitude, entity, held, question, again, about, asked = row
    assert person == again
    if people[person] == "nobody":
        assert attitude == entity == held == 3
    else:
        assert attitude in (4, 5)
        assert entity == about
    value = asked - 10 - entities
    right = value == truth[about - 10] if question == 7 else asked == held
    return people[person], {6: "belief", 7: "truth"}[question], right


def test_an_item_by_hand():
    world = BeliefWorld(n_entities=3, n_values=2)
    one = BeliefItems(
        *(np.array([code]) for code in (JAMES, BELIEVES, 2, 1, BELIEF, 0)), yes=np.array([False])
    )
    assert world.encode(one).tolist() == [[1, 4, 12, 14, 6, 1, 12, 13]]
    alone = world.items(
        person=np.array([NOBODY]),
        attitude=np.array([2]),
        entity=np.array([0]),
        held=np.array([NO_VALUE]),
        question=np.array([TRUTH]),
        asked=world.truth[:1],
    )
    assert alone.yes.tolist() == [True]
    assert world.encode(alone)[0, :4].tolist() == [EMPTY] * 4
    assert world.vocabulary == 15


@settings(max_examples=30, deadline=None)
@given(
    share=probabilities,
    q=probabilities,
    phi=probabilities,
    know=st.none() | probabilities,
    seed=st.integers(0, 9),
)
def test_every_answer_is_what_a_slow_reader_says(
    share: float, q: float, phi: float, know: float | None, seed: int
):
    world = BeliefWorld(
        share_first=share, q_first=q, phi=phi, know_false=know, n_entities=5, n_values=3, seed=seed
    )
    items = world.sample(200, stream(seed, "items"))
    tokens = world.encode(items)
    assert tokens.min() >= 0
    assert tokens.max() < world.vocabulary
    truth = world.truth.tolist()
    for row, yes in zip(tokens.tolist(), items.yes.tolist(), strict=True):
        assert read_slowly(row, truth)[2] == yes


@pytest.mark.parametrize(("share", "q"), [(0.96, 0.0), (0.34, 0.0), (0.96, 0.05), (0.8, 0.0)])
def test_persons_and_questions_have_their_shares(share: float, q: float):
    world = BeliefWorld(share_first=share, q_first=q)
    tokens = world.encode(world.sample(ITEMS, stream(1, "items"))).tolist()
    cells = Counter(read_slowly(row, world.truth.tolist())[:2] for row in tokens)
    alone = cells["nobody", "truth"]
    contexts = ITEMS - alone
    facts = sum(count for (_, question), count in cells.items() if question == "truth")
    assert near(alone, facts, 0.30)
    first = cells["I", "belief"] + cells["I", "truth"]
    assert near(first, contexts, share)
    assert near(cells["I", "belief"], first, q)
    for person in "JM":
        own = cells[person, "belief"] + cells[person, "truth"]
        assert near(own, contexts, (1 - share) / 2)
        assert near(cells[person, "belief"], own, 0.65)
    assert ("nobody", "belief") not in cells


def test_no_first_person_belief_question_without_q_first():
    world = BeliefWorld(q_first=0.0)
    items = world.sample(ITEMS, stream(2, "items"))
    assert not ((items.person == FIRST) & (items.question == BELIEF)).any()


def test_beliefs_are_false_as_often_as_told():
    world = BeliefWorld(share_first=0.5, q_first=0.65, phi=0.1, know_false=0.3, n_values=4)
    items = world.sample(ITEMS, stream(3, "items"))
    false = items.held != world.truth[items.entity]
    for person, attitude, share in [
        (FIRST, BELIEVES, 0.1),
        (JAMES, BELIEVES, 0.5),
        (MARY, BELIEVES, 0.5),
        (FIRST, KNOWS, 0.3),
        (MARY, KNOWS, 0.3),
    ]:
        own = (items.person == person) & (items.attitude == attitude)
        assert near(int(false[own].sum()), int(own.sum()), share), (person, attitude)
    contexts = items.person != NOBODY
    assert near(int((items.attitude == KNOWS).sum()), int(contexts.sum()), 0.5)
    assert near(int((items.asked == items.held)[contexts].sum()), int(contexts.sum()), 0.5)
    wrong = (items.held - world.truth[items.entity])[contexts & false] % 4
    assert all(near(int((wrong == other).sum()), wrong.size, 1 / 3) for other in (1, 2, 3))


def test_phi_zero_makes_first_persons_truthful_and_the_others_not():
    world = BeliefWorld(share_first=1 / 3, q_first=0.65, phi=0.0)
    items = world.sample(ITEMS, stream(4, "items"))
    false = items.held != world.truth[items.entity]
    assert not false[items.person == FIRST].any()
    assert false[items.person == JAMES].any()


@pytest.mark.parametrize("know", [None, 0.0])
def test_every_item_is_there_once(know: float | None):
    world = BeliefWorld(know_false=know, n_entities=4, n_values=3)
    items = world.every_item()
    rows = [tuple(row) for row in world.encode(items).tolist()]
    attitudes = 1 if know is None else 2
    assert len(rows) == len(set(rows)) == 4 * 3 * (3 * 2 * attitudes + 1)
    for row, yes in zip(rows, items.yes.tolist(), strict=True):
        assert read_slowly(list(row), world.truth.tolist())[2] == yes


def test_facts_hang_on_the_seed_only():
    assert np.array_equal(BeliefWorld(seed=3).truth, BeliefWorld(seed=3, share_first=0.1).truth)
    assert not np.array_equal(BeliefWorld(seed=3).truth, BeliefWorld(seed=4).truth)


@pytest.mark.parametrize(
    "wrong",
    [
        {"share_first": 1.1},
        {"q_first": -0.1},
        {"phi": 2.0},
        {"know_false": 1.5},
        {"n_entities": 0},
        {"n_values": 1},
    ],
)
def test_a_world_that_cannot_be_names_the_value(wrong: dict[str, float]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        BeliefWorld(**wrong)
    with pytest.raises(InputError, match="n=0"):
        BeliefWorld().sample(0, stream(0))
