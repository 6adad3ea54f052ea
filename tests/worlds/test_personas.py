from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.worlds.personas import TEST_ATTRIBUTES, age_band, invented_bank, levels_of, load_personas, read_bank
from doxa.worlds.trust_world import Population, TrustWorld


def test_the_bank_is_read_whole_and_keeps_its_spelling(trust_data):
    bank = read_bank()
    assert bank.height == 3505
    everyone = load_personas(None, 0)
    assert set(levels_of(everyone, "age")) == {"18-29", "30-44", "45-64", "65+"}
    assert "Lived with parents" in levels_of(everyone, "family_structure_at_16")
    assert len(levels_of(everyone, "us_citizenship_status")) == 2
    assert "Institution" not in levels_of(everyone, "family_structure_at_16"), "six people of 3,505"


def test_a_draw_hangs_on_its_seed_and_keeps_people_whole(trust_data):
    one, again, other = load_personas(60, 1), load_personas(60, 1), load_personas(60, 2)
    assert one.equals(again)
    assert not one.equals(other)
    assert one["agent_id"].n_unique() == 60
    whole = {row["agent_id"]: row for row in read_bank().iter_rows(named=True)}
    for row in one.iter_rows(named=True):
        assert row["work_status"] == whole[row["agent_id"]]["work_status"]
        assert row["age"] == age_band(whole[row["agent_id"]]["age"])


def test_big_five_are_even_and_independent_of_the_size_of_the_draw(trust_data):
    everyone = load_personas(None, 4)
    shares = everyone["openness"].value_counts(normalize=True)["proportion"]
    assert shares.max() - shares.min() < 0.05
    few = load_personas(10, 4)
    both = few.join(everyone.select("agent_id", openness_all="openness"), on="agent_id")
    assert (both["openness"] == both["openness_all"]).all()
    assert "openness" not in load_personas(10, 4, big_five=False).columns


def test_rare_levels_are_there_when_asked_for(trust_data):
    bank = read_bank()
    drawn = load_personas(60, 0, bank=bank, least=2)
    assert drawn.height == 60
    for attribute in TEST_ATTRIBUTES:
        counts = dict(drawn[attribute].value_counts().iter_rows())
        assert all(
            counts.get(level, 0) >= 2 for level in levels_of(load_personas(None, 0, bank=bank), attribute)
        )


def test_levels_can_be_renamed_and_bad_maps_are_named():
    bank = invented_bank(50, 0)
    mapped = load_personas(50, 0, bank=bank, level_map={"work_status": {"Retired": "Other"}})
    assert "Retired" not in mapped["work_status"].to_list()
    with pytest.raises(InputError, match="did you mean 'Retired'"):
        load_personas(5, 0, bank=bank, level_map={"work_status": {"Retird": "Other"}})
    with pytest.raises(InputError, match="no attribute 'work'"):
        load_personas(5, 0, bank=bank, level_map={"work": {}})
    with pytest.raises(InputError, match="n=51"):
        load_personas(51, 0, bank=bank)


def test_plans_are_as_alike_as_asked_and_facts_are_those_of_the_population():
    people = Population.of(load_personas(None, 0, bank=invented_bank(2000, 0)))
    same, apart = TrustWorld(people, 1.0, 3), TrustWorld(people, 0.0, 3)
    assert all((one == other).all() for one, other in zip(same.doing, same.saying, strict=True))
    assert all((one == other).all() for one, other in zip(same.doing, apart.doing, strict=True))
    facts = same.group_facts(same.doing)
    sent = same.expected(same.doing).clip(0, 10)
    for place, (name, levels) in enumerate(people.levels.items()):
        for level in range(len(levels)):
            own = sent[people.codes[:, place] == level]
            assert facts[name].means[level] == pytest.approx(own.mean(), abs=0.15)
    with pytest.raises(InputError, match=r"c=1\.5"):
        TrustWorld(people, 1.5, 0)
