from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from doxa.errors import InputError
from doxa.protocols.debate.bets import CONDITIONS, SIDES, STAGES, BetTable
from doxa.protocols.debate.measures import (
    escalation,
    incoherence,
    initial_overconfidence,
    mutual_overestimation,
    significant,
    stage_means,
)
from doxa.protocols.debate.verdicts import calibration, movement, verdict_of


def debate(
    name, proposition, opposition, *, condition="cross_model", models=("m", "n"), motion="x", stages=STAGES
):
    """Return rows of one debate from three bets a side."""
    return [
        {
            "debate": name,
            "condition": condition,
            "model": models[place],
            "side": side,
            "stage": stage,
            "bet": bet,
            "proposition_model": models[0],
            "opposition_model": models[1],
            "motion": motion,
            "reasoning": f"{name} {side} {stage}",
        }
        for place, (side, bets) in enumerate(zip(SIDES, (proposition, opposition), strict=True))
        for stage, bet in zip(stages, bets, strict=True)
    ]


def table(*debates):
    return BetTable.from_rows([row for one in debates for row in one])


def some_table(seed=0, n=20):
    rng = np.random.default_rng(seed)
    return [
        debate(
            f"d{k}",
            rng.integers(11, 101, 3).tolist(),
            rng.integers(11, 101, 3).tolist(),
            models=(f"m{k % 3}", f"m{(k + 1) % 3}"),
            motion=f"motion {k % 4}",
        )
        for k in range(n)
    ]


def test_coherent_reporters():
    coherent = table(debate("a", (60, 70, 90), (40, 30, 10)), debate("b", (20, 50, 55), (80, 50, 45)))
    for stage in STAGES:
        assert incoherence(coherent)[stage].excess.estimate == 0.0
        assert incoherence(coherent)[stage].sum_over_100.estimate == 0.0
    assert mutual_overestimation(coherent).share.estimate == 0.0


def test_constant_fifty():
    even = table(*(debate(f"d{k}", (50, 50, 50), (50, 50, 50)) for k in range(6)))
    opening = initial_overconfidence(even)["all"]
    assert (opening.t.estimate, opening.t.p, opening.ranks.p) == (0.0, 1.0, 1.0)
    assert opening.ranks.reason == "every difference is 0"
    for step in escalation(even)["all"].values():
        assert (step.t.estimate, step.t.p, step.ranks.p) == (0.0, 1.0, 1.0)
    verdicts = [verdict_of(f"d{k}", [SIDES[k % 2]]) for k in range(6)]
    assert calibration(even, verdicts).brier == 0.25
    assert incoherence(even)["closing"].excess.estimate == 0.0
    assert significant(even) == (0, 2)


def test_tests_are_scipys():
    bets = table(*some_table())
    opening = bets.rows.filter(stage="opening")["bet"].to_numpy()
    ours = initial_overconfidence(bets)["all"]
    theirs = stats.ttest_1samp(opening, 50, alternative="greater")
    assert (ours.t.statistic, ours.t.p) == pytest.approx(theirs, rel=1e-12)
    ranks = stats.wilcoxon(opening - 50, alternative="greater", method="auto")
    assert ours.ranks.statistic == ranks.statistic
    wide = bets.wide()
    for (first, last), step in escalation(bets)["all"].items():
        theirs = stats.ttest_rel(wide[last], wide[first], alternative="greater")
        assert (step.t.statistic, step.t.p) == pytest.approx(theirs, rel=1e-12)


def test_models_with_a_significant_rise_are_counted():
    rises = [debate(f"r{k}", (50, 60, 70 + k), (50, 60, 71 + k), models=("up", "up")) for k in range(6)]
    flat = [debate(f"f{k}", (50, 60, 50), (50, 40, 50), models=("flat", "flat")) for k in range(6)]
    same = [debate(f"s{k}", (50, 60, 70), (50, 40, 70), models=("alike", "alike")) for k in range(6)]
    assert significant(table(*rises, *flat)) == (1, 2)
    assert significant(table(*rises, *flat, *same)) == (2, 3)


def test_both_above_seventy_five_is_strict_or_not():
    bets = table(
        debate("a", (50, 50, 75), (50, 50, 75)),
        debate("b", (50, 50, 76), (50, 50, 90)),
        debate("c", (50, 50, 90), (50, 50, 50)),
        debate("d", (50, 50, 20), (50, 50, 51)),
    )
    strict, loose = mutual_overestimation(bets), mutual_overestimation(bets, strict=False)
    assert (strict.share.estimate, loose.share.estimate) == (0.25, 0.5)
    assert strict.pairs == {
        "low-low": 0,
        "low-medium": 1,
        "low-high": 1,
        "medium-medium": 1,
        "medium-high": 0,
        "high-high": 1,
    }


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(11, 100)] * 6), min_size=2, max_size=8),
    st.randoms(use_true_random=False),
)
def test_nothing_hangs_on_order_sides_or_how_motions_are_split(bets, random):
    rows = [
        row
        for k, one in enumerate(bets)
        for row in debate(f"d{k}", one[:3], one[3:], motion=f"motion {k % 2}")
    ]
    whole = BetTable.from_rows(rows)
    mixed = rows.copy()
    random.shuffle(mixed)
    swap = {SIDES[0]: SIDES[1], SIDES[1]: SIDES[0]}
    swapped = [
        {
            **row,
            "side": swap[row["side"]],
            "proposition_model": row["opposition_model"],
            "opposition_model": row["proposition_model"],
        }
        for row in rows
    ]
    pooled = BetTable(pl.concat([part.rows for part in whole.groups("motion").values()]))
    for other in (BetTable.from_rows(mixed), BetTable.from_rows(swapped), pooled):
        for stage in STAGES:
            assert incoherence(other)[stage].excess.estimate == pytest.approx(
                incoherence(whole)[stage].excess.estimate
            )
            assert stage_means(other)[stage] == pytest.approx(stage_means(whole)[stage], nan_ok=True)
        assert mutual_overestimation(other) == mutual_overestimation(whole)
        ours, theirs = escalation(whole)["all"], escalation(other)["all"]
        for step in ours:
            assert theirs[step].t[:4] == pytest.approx(ours[step].t[:4], nan_ok=True)
            assert theirs[step].ranks.p == pytest.approx(ours[step].ranks.p)
    assert sum(mutual_overestimation(whole).pairs.values()) == len(bets)


def test_wide_has_one_row_per_debate_and_side():
    wide = table(debate("a", (60, 70, 90), (40, 30, 10))).wide()
    assert wide.select("debate", "side", *STAGES).rows() == [
        ("a", "proposition", 60.0, 70.0, 90.0),
        ("a", "opposition", 40.0, 30.0, 10.0),
    ]


def test_a_bet_that_was_not_read_is_missing_and_counted():
    rows = debate("a", (60, 70, None), (40, 30, 10)) + debate("b", (60, 70, 80), (60, 70, 80))
    bets = BetTable.from_rows(rows)
    assert bets.missing == 1
    assert mutual_overestimation(bets).missing == 1
    assert mutual_overestimation(bets).share.n == 1
    assert escalation(bets)["all"]["opening", "closing"].missing == 1
    assert escalation(bets)["all"]["opening", "rebuttal"].missing == 0


def test_calibration_by_hand():
    bets = table(debate("a", (50, 50, 90), (50, 50, 80)), debate("b", (50, 50, 60), (50, 50, 70)))
    verdicts = [verdict_of("a", ["proposition"] * 4 + ["opposition"] * 2), verdict_of("b", ["opposition"])]
    found = calibration(bets, verdicts)
    assert found.n == 4
    assert found.brier == pytest.approx((0.1**2 + 0.8**2 + 0.6**2 + 0.3**2) / 4)
    assert found.gap.estimate == pytest.approx(10.0)
    tied = [verdict_of("a", ["proposition"] * 3 + ["opposition"] * 3), verdicts[1]]
    assert calibration(bets, tied).ties == 1
    assert calibration(bets, tied).n == 2
    assert calibration(bets, verdicts[:1]).unjudged == 1


def test_movement_and_its_direction():
    bets = table(debate("a", (50, 60, 70), (50, 40, 50)), debate("b", (50, 50, 60), (60, 50, 40)))
    verdicts = [verdict_of("a", ["proposition"]), verdict_of("b", ["proposition"])]
    found = movement(bets, verdicts)
    assert found.per_speech.estimate == pytest.approx((10 + 0 + 5 - 10) / 4)
    assert found.towards.estimate == pytest.approx((10 - 0 + 5 + 10) / 4)
    assert found.volatility.estimate == pytest.approx((20 + 20 + 10 + 20) / 4)
    assert movement(bets).towards.reason == "no rows"


PUBLISHED_HEAD = (
    "debate_id,experiment_type,betting_model,proposition_model,opposition_model,side,speech_type,bet_amount,topic,"
    "bet_reasoning"
)


def csv(path, lines):
    file = path / "bets.csv"
    file.write_text("\n".join([PUBLISHED_HEAD, *lines]), "utf-8")
    return file


def published(
    name="x", label="Cross-model", bets=((60, 70, 80), (50, 60, 70)), models=("m", "n"), motion="y"
):
    return [
        f'{name},{label},{models[place]},{models[0]},{models[1]},{side},{stage},{bet},"{motion}","because {bet}, so"'
        for place, side in enumerate(SIDES)
        for stage, bet in zip(STAGES, bets[place], strict=True)
    ]


def test_the_published_schema_is_read(tmp_path):
    lines = [line for k, name in enumerate(CONDITIONS[:5]) for line in published(f"d{k}", name)]
    bets = BetTable.from_csv(csv(tmp_path, lines))
    assert bets.rows.height == 30
    assert sorted(bets.groups("condition")) == sorted(CONDITIONS[:5])
    assert bets.warnings == ()
    assert bets.rows["reasoning"][0] == "because 60, so"


def test_older_labels_and_labels_of_ones_own(tmp_path):
    labels = ("Cross-model", "Debate against same model", "Public Bets")
    lines = [line for k, label in enumerate(labels) for line in published(f"d{k}", label)]
    assert sorted(BetTable.from_csv(csv(tmp_path, lines)).groups("condition")) == [
        *("cross_model", "public_bets", "self_debate"),
    ]
    own = csv(tmp_path, published(label="mine"))
    assert BetTable.from_csv(own, conditions={"mine": "self_debate"}).rows["condition"][0] == "self_debate"


def test_two_rebuttals(tmp_path):
    lines = [
        f"m_1,multi_round,m,m,m,{side},{stage},{bet},y,because"
        for side in SIDES
        for stage, bet in zip(("opening", "rebuttal", "rebuttal", "closing"), (60, 61, 62, 63), strict=True)
    ]
    wide = BetTable.from_csv(csv(tmp_path, lines)).wide()
    assert wide.select("opening", "rebuttal", "rebuttal 2", "closing").row(0) == (60, 61, 62, 63)
    assert movement(BetTable.from_csv(csv(tmp_path, lines))).per_speech.estimate == pytest.approx(1.0)


def test_an_id_for_several_debates_is_told_apart_by_order_with_a_warning(tmp_path):
    lines = published(bets=((60, 70, 80), (50, 60, 70))) + published(bets=((61, 71, 81), (51, 61, 71)))
    bets = BetTable.from_csv(csv(tmp_path, lines))
    assert len(bets.debates) == 2
    assert "paired in the order" in bets.warnings[0]
    assert bets.pairs("closing").rows() == [("x#1", 80, 70), ("x#2", 81, 71)]
    elsewhere = published() + published(motion="another")
    bets = BetTable.from_csv(csv(tmp_path, elsewhere))
    assert len(bets.debates) == 2
    assert "told apart by these" in bets.warnings[0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            published(bets=((60, 70, 101), (50, 60, 70))),
            "proposition, closing: bet '101' must be a number from 0",
        ),
        (published(bets=((60, 70, -1), (50, 60, 70))), "bet '-1'"),
        (published(bets=((60, 70, "high"), (50, 60, 70))), "bet 'high'"),
        (published(bets=((60, 70, 0.8), (50, 60, 70))), "looks like a share of 1"),
        (published(bets=((1, 0, 1), (1, 0, 1)), models=("m", "m")), "as on a scale to 1"),
        (published(bets=((6, 7, 8), (5, 6, 10)), models=("m", "m")), "as on a scale to 10; .* rescale"),
        (published()[:-1], "debate 'x' .*: the opposition has no bet after its closing"),
        (published()[:3], "the opposition has no bet after its opening"),
        (
            [*published(), published()[0].replace("because 60", "again")],
            "2 rows for the proposition's opening",
        ),
        (published() * 2, "the same row stands there twice"),
        (published(label="cros_model"), "did you mean 'cross_model'"),
        (published(label="unheard of"), "known: cross_model"),
        ([line.replace("opposition", "middle") for line in published()], "side 'middle'"),
        ([line.replace("rebuttal", "interlude") for line in published()], "stage 'interlude'"),
        (
            [line.replace("x,Cross-model,m,", "x,Cross-model,other,") for line in published()],
            "whose model is",
        ),
        ([], "no bets"),
    ],
)
def test_bad_tables(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        BetTable.from_csv(csv(tmp_path, lines))


def test_a_file_without_a_column(tmp_path):
    (tmp_path / "a.csv").write_text("debate_id,side\n1,proposition\n", "utf-8")
    with pytest.raises(InputError, match="has no column experiment_type, betting_model"):
        BetTable.from_csv(tmp_path / "a.csv")
    with pytest.raises(InputError, match="cannot be read"):
        BetTable.from_csv(tmp_path / "none.csv")


def test_bad_verdicts():
    bets = table(debate("a", (60, 70, 80), (40, 30, 20)))
    with pytest.raises(InputError, match="no such debate"):
        calibration(bets, [verdict_of("b", ["proposition"])])
    with pytest.raises(InputError, match="two verdicts"):
        calibration(bets, [verdict_of("a", ["proposition"])] * 2)
    with pytest.raises(InputError, match="vote 'draw'"):
        verdict_of("a", ["draw"])
    with pytest.raises(InputError, match="no debate has both"):
        calibration(bets, [verdict_of("a", [None, None])])
    with pytest.raises(InputError, match="did you mean 'model'"):
        initial_overconfidence(bets, by="mode")
    with pytest.raises(InputError, match="threshold=175"):
        mutual_overestimation(bets, 175)
