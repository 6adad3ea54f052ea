from __future__ import annotations

import json

import pytest

from doxa.errors import InputError
from doxa.worlds.fact_formats import FORMATS, contrasts
from doxa.worlds.fact_pairs import FactPair, load_fact_pairs, save_fact_pairs

SKY = FactPair("The sky is", " blue", " green", "sky", "colour", question="What colour is the sky?")


def test_built_in_facts_are_sound():
    pairs = load_fact_pairs("facts")
    assert len(pairs) == 192
    assert len({pair.id for pair in pairs}) == 192
    assert {pair.domain for pair in pairs} == {"capital", "continent", "currency", "symbol", "number"}
    for pair in pairs:
        assert not pair.prompt.endswith(" ")
        assert pair.entity in pair.prompt
        assert pair.entity in pair.question
        assert pair.true[0] == pair.false[0] == " "
        assert len(pair.paraphrases) == 2
    by_id = {pair.id: pair for pair in pairs}
    assert by_id["Japan capital"].true == " Tokyo"
    assert by_id["gold number"].true == " 79"
    assert {pair.id for pair in load_fact_pairs("countries")} | {
        pair.id for pair in load_fact_pairs("elements")
    } == set(by_id)


def test_false_objects_hang_on_the_seed_alone():
    first, again, other = (load_fact_pairs("facts", seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert [pair.true for pair in first] == [pair.true for pair in other]
    assert [pair.false for pair in first] != [pair.false for pair in other]


def test_pairs_survive_a_file(tmp_path):
    pairs = load_fact_pairs("elements")
    save_fact_pairs(tmp_path / "facts.json", pairs)
    assert load_fact_pairs(tmp_path / "facts.json") == pairs


def test_formats_are_balanced():
    assert contrasts(SKY, "cloze") == [("The sky is", " blue", " green")]
    yes_no = contrasts(SKY, "yes-no")
    assert [one.holds for one in yes_no] == [" yes", " no"]
    choice = contrasts(SKY, "choice")
    assert [one.holds for one in choice] == [" A", " B"]
    assert "A. blue\nB. green" in choice[0].prompt
    assert "A. green\nB. blue" in choice[1].prompt
    for form in FORMATS:
        for one, swapped in zip(contrasts(SKY, form), contrasts(SKY.swapped(), form), strict=True):
            assert {one.holds, one.denies} == {swapped.holds, swapped.denies}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"false": " blue"}, "the false completion 'blue' is the true one"),
        ({"false": " azure", "also": (" Azure",)}, "right for it too"),
        ({"prompt": " "}, "prompt is empty"),
        ({"true": ""}, "true is empty"),
    ],
)
def test_bad_pairs(fields, message):
    held = {"prompt": "The sky is", "true": " blue", "false": " green", "entity": "sky", "domain": "colour"}
    with pytest.raises(InputError, match=message):
        FactPair(**(held | fields))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("{}", "must be a list of pairs"),
        ("[]", "holds no facts"),
        ('[{"prompt": "x"}]', "lacks"),
        (
            json.dumps(
                [
                    {
                        **{
                            name: getattr(SKY, name)
                            for name in ("prompt", "true", "false", "entity", "domain")
                        },
                        "x": 1,
                    }
                ]
            ),
            "unknown fields",
        ),
        (
            json.dumps(
                [{name: getattr(SKY, name) for name in ("prompt", "true", "false", "entity", "domain")}] * 2
            ),
            "stands twice",
        ),
    ],
)
def test_bad_files(tmp_path, text, message):
    (tmp_path / "facts.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_fact_pairs(tmp_path / "facts.json")
    with pytest.raises(InputError, match="neither one of facts, countries, elements nor a file"):
        load_fact_pairs(tmp_path / "nothing.json")


def test_formats_that_ask_need_a_question():
    mute = FactPair("The sky is", " blue", " green", "sky", "colour")
    with pytest.raises(InputError, match="has no question"):
        contrasts(mute, "question")
