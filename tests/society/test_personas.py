from __future__ import annotations

from dataclasses import replace

import pytest

from doxa.errors import InputError
from doxa.society.personas import EDUCATION, MEN, TRAITS, WOMEN, check_personas, draw_personas
from doxa.streams import stream


def drawn(n, seed=0):
    return draw_personas(stream(seed, "test", "personas"), n)


def test_pools_have_the_published_sizes():
    assert [len(pool.high) + len(pool.low) for pool in TRAITS.values()] == [24, 20, 14, 4, 8]
    words = [word for pool in TRAITS.values() for pole in pool for word in pole]
    assert len(set(words)) == len(words) == 70
    assert len({*WOMEN, *MEN}) == len(WOMEN) + len(MEN)
    assert len(EDUCATION) == 9


@pytest.mark.parametrize("n", [1, 30, 31, 500])
def test_names_are_unique_and_half_are_womens(n):
    people = drawn(n)
    check_personas(people, n)
    women = [one for one in people if one.name.split()[0] in WOMEN]
    assert len(women) == (n + 1) // 2
    assert all(18 <= one.age <= 64 and one.education in EDUCATION for one in people)


def test_the_same_seed_draws_the_same_people():
    assert drawn(30) == drawn(30) != drawn(30, seed=1)


def test_levels_follow_the_adjectives():
    people = drawn(400)
    for number, (trait, pool) in enumerate(TRAITS.items()):
        assert {one.levels[trait] for one in people if one.traits[number] in pool.high} == {"high"}
        assert 0.4 < sum(one.levels[trait] == "high" for one in people) / 400 < 0.6


def test_wrong_lists_are_refused():
    people = drawn(3)
    with pytest.raises(InputError, match="3 personas for 4 agents"):
        check_personas(people, 4)
    with pytest.raises(InputError, match=people[0].name):
        check_personas([*people[:2], replace(people[2], name=people[0].name)], 3)
    with pytest.raises(InputError, match="n=0"):
        drawn(0)
