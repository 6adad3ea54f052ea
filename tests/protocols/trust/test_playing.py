from __future__ import annotations

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.protocols import trust
from doxa.protocols.trust.playing import choose_amounts
from doxa.protocols.trust.text import ending, play_prompt, profile_text
from doxa.subjects.base import user
from tests.protocols.trust.people import Stubborn, population

GAME = trust.TrustGame()
LEVELS = ("High", "Moderate", "Low")


def test_beliefs_are_elicited_with_shuffled_levels_and_repeats(people):
    subject = population(people)
    belief = trust.elicit_population_belief(
        subject, "political_views", subject.levels["political_views"], "CTX+TR", 4
    )
    assert belief.read == 4
    assert belief.agreement == 1.0
    assert belief.eta2 == 0.06
    assert belief.ranking == subject.levels["political_views"]
    assert len(set(subject.asked)) == 4, "the levels are listed in other orders"
    assert all("The trust game" in prompt for prompt in subject.asked)
    plain = population(people)
    trust.elicit_population_belief(plain, "openness", LEVELS, "NOCTX+TR", 2, shuffle_levels=False)
    assert len(set(plain.asked)) == 1
    assert "The trust game" not in plain.asked[0]
    dollars = trust.elicit_population_belief(subject, "openness", LEVELS, "CTX+$", 2)
    assert dollars.level_means == pytest.approx([5 + one for one in subject.says["openness"]])
    with pytest.raises(InputError, match="repeats=0"):
        trust.elicit_population_belief(subject, "openness", LEVELS, "CTX+TR", 0)
    with pytest.raises(InputError, match="two or more"):
        trust.elicit_population_belief(subject, "openness", ("High",), "CTX+TR")


def test_play_tells_the_profile_and_orderings(people):
    subject = population(people, obeys=True)
    free = trust.play_population(subject, people)
    told = trust.play_population(subject, people, {"openness": ("Low", "Moderate", "High")})
    assert free["sent"].null_count() == 0
    rows = people.with_columns(free=free["sent"], told=told["sent"])
    means = {
        key: dict(rows.group_by("openness").agg(pl.col(key).mean()).iter_rows()) for key in ("free", "told")
    }
    assert means["free"]["High"] > means["free"]["Low"]
    assert means["told"]["High"] < means["told"]["Low"]
    assert profile_text({"age": "18-29", "openness": None}, ("age", "openness")).endswith("- Age: 18-29")
    prompt = play_prompt("x", GAME, style="thought-action")[0].content
    assert "Action: give N dollars" in prompt
    with pytest.raises(InputError, match="style='bid'"):
        ending(GAME, "bid")


def test_retries_are_counted_and_never_the_default():
    subject = Stubborn({}, {}, {})
    prompts = [(user("one"),), (user("two"),)]
    once = choose_amounts(subject, prompts, GAME)
    assert [one.sent for one in once] == [None, None]
    assert "above the endowment" in once[0].missing
    assert [(one.sent, one.retries) for one in choose_amounts(subject, prompts, GAME, retries=2)] == [
        (3, 2),
        (3, 2),
    ]
    with pytest.raises(InputError, match="retries=-1"):
        choose_amounts(subject, prompts, GAME, retries=-1)
    with pytest.raises(InputError, match="did you mean 'reply'"):
        choose_amounts(subject, prompts, GAME, method="repl")
