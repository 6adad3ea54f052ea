from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from doxa.errors import CapabilityError, InputError
from doxa.society.minds import ClusterMind, Mind, OpinionMind, RuleMind
from doxa.society.requests import (
    NOBODY,
    Heard,
    Opinion,
    ParseError,
    Probability,
    Rated,
    check_opinions,
    none_missing,
    strings,
)


def asked(beliefs=((1, 0), (0, 0), (0, 0)), own=(0, 0, 1), draws=(0.9, 0.1, 0.5)):
    """Return a request of three agents."""
    n = len(own)
    return Opinion(
        population=np.zeros(n, dtype=int),
        agent=np.arange(n),
        time=2,
        topic=strings(n, "x"),
        persona=strings(n),
        previous=strings(n),
        heard=Heard(np.full((n, 2), "", dtype=object), np.array(beliefs), np.ones((n, 2), dtype=int)),
        today=strings(n),
        memory=strings(n),
        inner=np.zeros((n, 0)),
        draws=np.array(draws)[:, None],
        credence=np.array(own, dtype=float),
    )


def likely(request):
    """Say how likely: the agent's number in tenths."""
    return Rated(
        **none_missing(request.size), value=request.agent / 10.0, confidence=np.full(request.size, np.nan)
    )


def situation(agents, populations):
    return Probability(np.array(populations), np.array(agents), 0, strings(len(agents), "rain"))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("any", [1, 0, 1]), ("never", [0, 0, 0]), ("always", [1, 1, 1]), ("copy", [0, 0, 0])],
)
def test_rules(rule, expected):
    mind = RuleMind(rule)
    assert isinstance(mind, OpinionMind)
    assert mind.answer(asked()).belief.tolist() == expected


def test_copying_takes_the_place_that_was_drawn_and_leaves_empty_ones_out():
    request = asked(draws=(0.1, 0.1, 0.1))
    assert RuleMind("copy").answer(request).belief.tolist() == [1, 0, 0]
    speakers = np.array([[1, NOBODY]] * 3)
    request = replace(asked(), heard=replace(request.heard, speaker=speakers))
    assert RuleMind("copy").answer(request).belief.tolist() == [1, 0, 0], "the second place is empty"


def test_rules_need_what_was_heard_and_know_their_kind():
    with pytest.raises(InputError, match="short"):
        RuleMind("any").answer(replace(asked(), at_hand=False))
    with pytest.raises(InputError, match="did you mean 'always'"):
        RuleMind("allways")
    with pytest.raises(CapabilityError, match="Probability"):
        RuleMind("any").answer(situation([0], [0]))
    assert RuleMind(others={Probability: likely}).answer(situation([3], [0])).value.tolist() == [0.3]


@pytest.mark.parametrize("belief", [2, -1])
def test_a_belief_that_is_none_names_agent_and_day(belief):
    mind = RuleMind(lambda request: np.array([0, belief, 1]))
    told = mind.answer(asked())
    with pytest.raises(ParseError, match=f"agent 1 of population 0 on day 2: belief={belief}"):
        check_opinions(asked(), told)


def test_what_is_missing_has_no_belief():
    told = RuleMind("never").answer(asked())
    told.missing[1] = "fault"
    with pytest.raises(ParseError, match="must be -1"):
        check_opinions(asked(), told)
    told.belief[1] = -1
    check_opinions(asked(), told)
    told.credence[2] = 1.5
    with pytest.raises(ParseError, match=r"credence=1\.5"):
        check_opinions(asked(), told)
    with pytest.raises(ParseError, match="3 agents were asked and 2"):
        check_opinions(asked(), told.take(np.array([0, 1])))


def test_one_agent_answers_for_its_cluster_within_its_population():
    inner = RuleMind(others={Probability: likely})
    mind = ClusterMind(inner, np.array([0, 1, 0, 1]))
    assert isinstance(mind, Mind)
    told = mind.answer(situation([2, 1, 0, 3, 3], [0, 0, 0, 0, 1]))
    assert told.value.tolist() == [0.2, 0.1, 0.2, 0.1, 0.3]
    assert (mind.asked, mind.answered) == (3, 5)


def test_another_agent_may_stand_for_its_cluster():
    mind = ClusterMind(
        RuleMind(others={Probability: likely}), np.array([0, 1, 0, 1]), standing=np.array([0, 3])
    )
    assert mind.answer(situation([2, 1, 0, 3], [0] * 4)).value.tolist() == [0.0, 0.3, 0.0, 0.3]
    assert mind.answer(situation([2, 1], [0] * 2)).value.tolist() == [0.2, 0.1], (
        "not asked now: the first stands"
    )
    with pytest.raises(InputError, match="agent 7"):
        mind.answer(situation([7], [0]))


def test_tables_are_taken_apart_by_rows():
    taken = asked().take(np.array([2, 0, 0]))
    assert taken.agent.tolist() == [2, 0, 0]
    assert taken.heard.belief.tolist() == [[0, 0], [1, 0], [1, 0]]
