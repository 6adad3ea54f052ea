from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.protocols import trust
from doxa.protocols.trust.believing import read_statement
from doxa.protocols.trust.consistency import Ordered, _rank_correlations, beliefs_of_rankings, consistency
from doxa.protocols.trust.forecasting import horizon_slope
from doxa.protocols.trust.parsing import (
    parse_amount,
    parse_effect_size,
    parse_level_dollars,
    parse_ranking,
    unanswered,
)
from doxa.protocols.trust.playing import choose_amounts
from doxa.protocols.trust.published import Plan, compared, record_population
from doxa.protocols.trust.recording import read_measures
from doxa.protocols.trust.rule_subject import RuleSubject
from doxa.protocols.trust.text import ending, play_prompt, profile_text
from doxa.subjects.base import Reply, user
from doxa.worlds.personas import TEST_ATTRIBUTES, invented_bank, levels_of, load_personas
from tests.protocols.trust_people import ScriptedPopulation

GAME = trust.TrustGame()
LEVELS = ("High", "Moderate", "Low")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I could give 3 dollars. Finally, I will give 7 dollars.", 7),
        ("**Finally, I will give $4.**", 4),
        ("Action: give 0 dollars", 0),
        ("I have $10 and part with $6", 6),
        ("Finally, I will give 10 dollars, of my 10 dollars.", 10),
        ("Finally, I will give 5.0 dollars", 5),
        ("I will give them 8 dollars", 8),
    ],
)
def test_amounts(text, value):
    assert parse_amount(text, GAME).value == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Finally, I will give 11 dollars.", "above the endowment of 10"),
        ("Finally, I will give -2 dollars.", "negative"),
        ("Finally, I will give 2.5 dollars.", "not whole"),
        ("Finally, I will give 1000 cents.", "in cents"),
        ("Finally, I will give ___ dollars", "no amount"),
        ("I trust them.", "no amount"),
        ("I'm sorry, but I can't answer that.", "refusal"),
    ],
)
def test_amounts_that_are_none_are_never_clipped(text, why):
    found = parse_amount(text, GAME)
    assert found.value is None
    assert why in found.missing


@settings(deadline=None)
@given(st.text(max_size=300))
def test_readers_are_total(text):
    parse_amount(text, GAME)
    parse_ranking(text, "openness", LEVELS)
    parse_effect_size(text)
    parse_level_dollars(text, "openness", LEVELS, GAME)


def test_rankings_in_any_dress():
    for text in (
        "Ranking: High > Moderate > Low\nEffect size: 0.06",
        "**Ranking:** Openness: High > Openness: Moderate > Openness: Low",
        "I think\nhigh > MODERATE > low.",
    ):
        assert parse_ranking(text, "openness", LEVELS).levels == LEVELS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Ranking: High > Low", "misses the level 'Moderate' of openness"),
        ("Ranking: High > Low > High", "repeats the level 'High' of openness"),
        ("Ranking: High > Modrate > Low", "did you mean 'Moderate'"),
        ("Ranking: High = Moderate > Low", "unknown level"),
        ("They trust alike.", "no ranking"),
        ("", "no ranking"),
    ],
)
def test_rankings_that_are_none(text, why):
    found = parse_ranking(text, "openness", LEVELS)
    assert found.levels is None
    assert why in found.missing


def test_effect_sizes():
    assert parse_effect_size("Effect size: .06").value == 0.06
    assert [parse_effect_size(f"Effect size: {word}").value for word in ("small", "Medium", "large")] == [
        0.01,
        0.06,
        0.14,
    ]
    assert parse_effect_size("Effect size (eta squared): large, 0.2").value == 0.2
    assert "outside" in parse_effect_size("Effect size: 3").missing
    assert "neither" in parse_effect_size("Effect size: small to medium").missing
    assert "no effect size" in parse_effect_size("none").missing


def test_tables_of_dollars():
    table = "High = mean 6.5, SD 2.5\nOpenness: Moderate: mean $5.5, SD $2.2\nLow = mean 3.5, SD 1.5"
    found = parse_level_dollars(table, "openness", LEVELS, GAME)
    assert found.means == (6.5, 5.5, 3.5)
    assert found.sds == (2.5, 2.2, 1.5)
    for text, why in (
        ("High = mean 12, SD 1", "outside 0 to 10"),
        ("High = mean 2, SD -1", "must be >= 0"),
        ("High = mean 2", "1 numbers"),
        ("High = mean 2, SD 1", "misses the level 'Moderate'"),
        ("High = mean 2, SD 1\nHigh = mean 2, SD 1", "stands twice"),
        ("Hih = mean 2, SD 1", "did you mean 'High'"),
        ("High = mean 200 cents, SD 1", "cents"),
    ):
        assert why in parse_level_dollars(text, "openness", LEVELS, GAME).missing


def test_the_check_value_of_the_paper():
    groups = ("18-29", "30-44", "45-64", "65+")
    numbers = zip(groups, (3.5, 6.5, 4.5, 5.5), (1.5, 2.5, 1.8, 2.2), strict=True)
    text = "\n".join(f"{group} = mean {mean}, SD {sd}" for group, mean, sd in numbers)
    said = read_statement(Reply(text), "age", groups, "CTX+$", GAME)
    assert said.eta2 == pytest.approx(0.2334899, abs=1e-7)


def test_faults_and_empty_replies_say_so():
    assert unanswered(Reply("", finish="fault", fault="timed out")) == "fault: timed out"
    assert unanswered(Reply(" ")) == "the reply is empty"


@pytest.fixture
def people():
    return load_personas(120, 0, bank=invented_bank(600, 0), least=3)


def population(people, *, reverse=False, obeys=False):
    levels = {name: levels_of(people, name) for name in TEST_ATTRIBUTES}
    does = {
        name: tuple(np.linspace(1, -1, len(own)) * (place + 3) / 8)
        for place, (name, own) in enumerate(levels.items())
    }
    says = {name: tuple(-one for one in own) if reverse else own for name, own in does.items()}
    return ScriptedPopulation(levels, does, says, obeys)


def made(people, attribute, step):
    """Return behaviour that follows one attribute alone, without noise."""
    levels = levels_of(people, attribute)
    return people.with_columns(
        sent=pl.col(attribute).replace_strict({one: 9 - step * place for place, one in enumerate(levels)})
    )


@pytest.mark.parametrize(("sign", "rho"), [(1, 1.0), (-1, -1.0)])
def test_consistent_and_reversed_agents(people, sign, rho):
    behaviour = made(people, "political_views", 1)
    levels = levels_of(people, "political_views")
    belief = Ordered("political_views", levels, tuple(-sign * float(one) for one in range(len(levels))), 1.0)
    found = consistency([belief], behaviour, 200, rng=np.random.default_rng(0))
    (row,) = found.table.iter_rows(named=True)
    assert row["spearman"] == pytest.approx(rho)
    assert row["delta_eta2"] == pytest.approx(0.0)
    assert row["perm_p"] == pytest.approx(2 / 5040)
    assert found.median()["spearman"].estimate == pytest.approx(rho)


def test_eta_squared_is_that_of_scipys_analysis_of_variance(people):
    sent = np.random.default_rng(1).integers(0, 11, people.height)
    behaviour = people.with_columns(sent=pl.Series(sent))
    levels = levels_of(people, "age")
    groups = [sent[(people["age"] == level).to_numpy()] for level in levels]
    f = stats.f_oneway(*groups).statistic
    between, within = len(levels) - 1, people.height - len(levels)
    found = consistency([Ordered.of("age", levels, 0.0)], behaviour, 100, rng=np.random.default_rng(0))
    assert found.table["eta2_behaviour"][0] == pytest.approx(f * between / (f * between + within))
    means = [group.mean() for group in groups]
    assert found.table["spearman"][0] == pytest.approx(
        stats.spearmanr(range(len(levels), 0, -1), means).statistic
    )


def test_resamples_are_those_of_a_slow_bootstrap(people):
    sent = np.random.default_rng(2).integers(0, 11, people.height)
    behaviour = people.with_columns(sent=pl.Series(sent))
    levels = levels_of(people, "openness")
    found = consistency([Ordered.of("openness", levels, 0.1)], behaviour, 100, rng=np.random.default_rng(7))
    picks = np.random.default_rng(7).integers(people.height, size=(100, people.height))
    codes = np.array([levels.index(one) for one in people["openness"]])
    for draw in range(0, 100, 17):
        own, groups = sent[picks[draw]].astype(float), codes[picks[draw]]
        parts = [own[groups == place] for place in range(3)]
        between = sum(part.size * (part.mean() - own.mean()) ** 2 for part in parts)
        whole = ((own - own.mean()) ** 2).sum()
        assert found.delta_draws[0, draw] == pytest.approx(abs(0.1 - between / whole))
        rho = stats.spearmanr([3, 2, 1], [part.mean() for part in parts]).statistic
        assert found.rho_draws[0, draw] == pytest.approx(rho)


@pytest.mark.parametrize("levels", [3, 4, 7])
def test_independent_orders_have_variance_one_over_levels_less_one(levels):
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(float(levels)), (4000, 1)), axis=1)
    rhos = _rank_correlations(np.arange(float(levels)), orders)
    assert np.mean(rhos) == pytest.approx(0, abs=0.05)
    assert np.var(rhos) == pytest.approx(1 / (levels - 1), rel=0.1)
    assert rhos[0] == pytest.approx(stats.spearmanr(range(levels), orders[0]).statistic)


def test_undefined_rows_say_why_and_leave_the_median(people):
    behaviour = people.with_columns(sent=pl.lit(5))
    beliefs = beliefs_of_rankings({"openness": LEVELS})
    found = consistency(beliefs, behaviour, 100, rng=np.random.default_rng(0))
    assert found.table["spearman"][0] is None
    assert "all values are equal" in found.table["reason"][0]
    assert np.isnan(found.median()["spearman"].estimate)


def test_bad_comparisons_are_named(people):
    behaviour = made(people, "openness", 2)
    rng = np.random.default_rng(0)
    for belief, message in (
        (Ordered.of("opennes", LEVELS), "did you mean 'openness'"),
        (Ordered.of("openness", ("High",)), "openness has one level"),
        (
            Ordered.of("openness", ("High", "Low")),
            "has the level 'Moderate', on which no belief was elicited",
        ),
        (Ordered.of("openness", (*LEVELS, "None")), "the level 'None' has 0 personas"),
    ):
        with pytest.raises(InputError, match=message):
            consistency([belief], behaviour, 100, rng=rng)
    with pytest.raises(InputError, match="no column 'sennt'"):
        consistency([], behaviour, 100, rng=rng, value="sennt")
    one = behaviour.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("Low")).otherwise(pl.lit("High")).alias("openness")
    )
    with pytest.raises(InputError, match="'Low' has 1 personas"):
        consistency([Ordered.of("openness", ("High", "Low"))], one, 100, rng=rng)


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


class Stubborn(ScriptedPopulation):
    """Gives an amount that can be read at the third try only."""

    def reply(self, conversations, *, sampling, tools=()):
        text = (
            "Finally, I will give 3 dollars." if sampling.sample == 2 else "Finally, I will give 30 dollars."
        )
        return [Reply(text) for _ in conversations]


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


@pytest.mark.parametrize("trustee", [trust.FixedReturn(1), trust.FixedReturn(3), trust.FixedReturn(5)])
def test_a_rule_without_noise_foresees_itself(trustee):
    games = trust.forecast_and_play(
        RuleSubject(base={"Age": 9.0}), {"agent_id": "a", "age": "65+"}, trustee, 6
    )
    assert games["abs_error"].to_list() == [0.0] * 6
    assert games["forecast"].to_list() == games["sent"].to_list()
    assert games["sent"].n_unique() > 1, "it adapts"
    assert trust.mae_by_horizon(games)["mae"].to_list() == [0.0] * 6
    with pytest.raises(InputError, match="rounds=0"):
        trust.forecast_and_play(RuleSubject(), {}, trustee, 0)


def test_a_move_that_cannot_be_read_ends_its_game():
    games = trust.forecast_and_play(Stubborn({}, {}, {}), {"agent_id": "a"}, trust.TitForTat(), 3)
    assert games["sent"].null_count() == 3
    assert "above the endowment" in games["missing"][0]
    assert games["missing"][2].endswith("the game ended before")


def test_the_slope_of_errors_is_the_least_squares_line():
    rows = pl.DataFrame(
        {
            "agent_id": [str(agent) for agent in range(8) for _ in range(4)],
            "horizon": [1, 2, 3, 4] * 8,
            "trustee": "M1",
        }
    )
    errors = np.random.default_rng(0).random(32) + 0.5 * rows["horizon"].to_numpy()
    slope = horizon_slope(rows.with_columns(abs_error=pl.Series(errors)), rng=np.random.default_rng(0))
    assert slope.estimate == pytest.approx(stats.linregress(rows["horizon"].to_numpy(), errors).slope)
    assert slope.low < 0.5 < slope.high


PLAN = Plan(
    personas=120,
    least=3,
    repeats=2,
    strategies=("CTX+TR", "CTX+$"),
    targets=(-0.8,),
    method="reply",
    style="bdi",
    retries=0,
    temperature=0.05,
    nobody=3,
    bootstrap=200,
    individuals=2,
    rounds=2,
    individual_style="bdi",
    max_tokens=64,
)


@pytest.mark.parametrize(("reverse", "sign"), [(False, 1), (True, -1)])
def test_a_population_that_does_or_undoes_what_it_says(people, reverse, sign):
    recorder, subject = Recorder("population", 0), population(people, reverse=reverse, obeys=True)
    record_population(recorder, subject, people, people, PLAN, 0, lambda share, note: None)
    frame = read_measures(recorder.tables().measures)
    medians = dict(frame.filter(measure="median spearman").select("strategy", "value").iter_rows())
    assert sign * medians["CTX+TR"] > 0.7
    assert sign * medians["CTX+$"] > 0.7
    assert medians["self, supplied"] > 0.9, "it obeys what it is told"
    assert medians["imposed -0.8, supplied"] > 0.9
    gains = dict(frame.filter(measure="gain").select("ordering", "value").iter_rows())
    assert gains["imposed -0.8"] > 0.3 if sign > 0 else gains["self"] > 1
    dealt = frame.filter(strategy="dealt", measure="median spearman")["value"]
    assert abs(dealt.mean()) < 0.15
    assert dict(frame.filter(measure="valid").select("ordering", "value").iter_rows())["nobody"] == 1.0


def test_levels_and_attributes_that_cannot_be_compared_are_left_out_and_named(people):
    behaviour = made(people, "openness", 2).with_columns(
        pl.when(pl.col("us_citizenship_status") == "A U.S. citizen")
        .then(pl.col("sent"))
        .otherwise(None)
        .alias("sent")
    )
    beliefs = [
        Ordered.of("openness", LEVELS),
        Ordered.of("us_citizenship_status", levels_of(people, "us_citizenship_status")),
    ]
    found, left = compared(beliefs, behaviour, 100, 0)
    assert found.table["attribute"].to_list() == ["openness"]
    assert "fewer than two levels" in left["us_citizenship_status"]
