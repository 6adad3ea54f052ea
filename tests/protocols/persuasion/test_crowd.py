from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from doxa.errors import InputError
from doxa.protocols.persuasion.bank import human_judgements
from doxa.protocols.persuasion.crowd import (
    agreement_sensitivity,
    crowd_kappa,
    matchup_counts,
    rank,
    reject_annotators,
    strength_draws,
    wins_table,
)
from doxa.streams import stream
from tests.protocols.persuasion.data import FOLDER

PUBLISHED = {
    "knowledge": 8.6, "baseline": 3.3, "status": 2.4, "trust": 2.3, "support": 1.0, "identity": 0.66,
    "similarity": 0.55, "conflict": 0.16, "fun": 0.10,
}  # fmt: skip


@pytest.fixture(scope="module")
def judgements():
    return human_judgements(FOLDER)


def table(rows):
    """Return judgements from (worker, dim1, dim2, choice), one argument to a style."""
    return pl.DataFrame(
        [
            {
                "batch": 1, "worker": worker, "dim1": one, "dim2": other, "argument_id1": f"{one}-0",
                "argument_id2": f"{other}-0", "choice": choice,
            }
            for worker, one, other, choice in rows
        ]
    )  # fmt: skip


def test_workers_are_left_out_for_each_reason():
    real = [("trust", "fun", 1)] * 12
    rows = [
        *(("good", *row) for row in [*real, ("control1", "fun", 2)]),
        *(("careless", *row) for row in [*real, ("control1", "fun", 1), ("fun", "control2", 1)]),
        *(("short", *row) for row in [*real[:5], ("control1", "fun", 2)]),
        *(("unseen", *row) for row in real),
    ]
    found = reject_annotators(table(rows))
    assert found.rejected == ("careless", "short", "unseen")
    assert set(found.kept["worker"]) == {"good"}
    assert reject_annotators(table(rows), 0.5, 5).rejected == ("unseen",)


def test_both_readings_of_the_filter_give_the_published_counts(judgements):
    written = reject_annotators(judgements)
    published = reject_annotators(judgements, reading="published")
    assert (len(written.rejected), written.kept.height) == (17, 2044)
    assert (len(published.rejected), published.kept.height) == (16, 2061)
    assert set(published.rejected) < set(written.rejected)


def test_the_ranking_is_the_published_one(judgements):
    for reading, digits in (("published", 0.05), ("as-written", 0.1)):
        names, fit = rank(reject_annotators(judgements, reading=reading).kept)
        found = dict(zip(names, fit.strength, strict=True))
        assert sorted(found, key=found.get, reverse=True) == list(PUBLISHED)
        assert all(abs(np.log(found[name] / value)) < digits for name, value in PUBLISHED.items())
        assert fit.converged
        assert fit.connected


def test_wins_by_hand():
    rows = table(
        [
            ("a", "trust", "fun", 1),
            ("b", "trust", "fun", 2),
            ("c", "fun", "trust", 2),
            ("c", "control1", "fun", 2),
        ]
    )
    names, wins = wins_table(rows)
    assert names == ("fun", "trust")
    assert wins.tolist() == [[0, 1], [2, 0]]
    counts = matchup_counts(rows)
    assert counts.select("dim1", "first", "second").rows() == [("trust", 2, 1)], (
        "one pair, shown in both orders"
    )


def test_resamples_are_wider_than_independent_answers(judgements):
    kept = reject_annotators(judgements).kept
    draws = strength_draws(kept, stream(0, "draws"), 200)
    _, fit = rank(kept)
    assert np.isfinite(draws).all()
    assert np.all(draws.std(axis=0) > fit.standard_error)
    assert draws.mean(axis=1) == pytest.approx(np.zeros(200), abs=1e-9)


def test_kappa_hangs_on_the_order_only_where_it_says_so(judgements):
    kept = reject_annotators(judgements).kept
    turned = kept.with_columns(
        dim1=pl.col("dim2"), dim2=pl.col("dim1"), argument_id1=pl.col("argument_id2"),
        argument_id2=pl.col("argument_id1"), choice=3 - pl.col("choice"),
    )  # fmt: skip
    half = pl.concat([turned.filter(pl.col("dim1") < "i"), kept.filter(pl.col("dim2") >= "i")])
    for orientation in ("sorted", "symmetric"):
        assert crowd_kappa(half, orientation).estimate == pytest.approx(
            crowd_kappa(kept, orientation).estimate
        )
    assert crowd_kappa(half, "given").estimate != pytest.approx(crowd_kappa(kept, "given").estimate)


def test_the_ranking_holds_over_thresholds(judgements):
    found = agreement_sensitivity(reject_annotators(judgements).kept)
    assert found.thresholds[0] == 0.5
    assert found.thresholds[-1] == 1.0
    assert list(found.matchups) == sorted(found.matchups, reverse=True)
    assert found.matchups[0] == 175
    assert np.diag(found.correlation).tolist() == [1.0] * 11
    assert found.correlation == pytest.approx(found.correlation.T)
    assert found.correlation.min() > 0.8


def test_styles_that_are_no_longer_compared_have_no_ranking():
    rows = [("a", "trust", "fun", 1)] * 3 + [
        ("b", "fun", "power", 1),
        ("c", "fun", "power", 2),
        ("d", "trust", "power", 1),
    ]
    found = agreement_sensitivity(
        table(rows).filter(~((pl.col("dim1") == "trust") & (pl.col("dim2") == "power"))), (0.5, 1.0)
    )
    assert np.isnan(found.correlation[0, 1])


def test_bad_judgements_are_named():
    good = table([("a", "trust", "fun", 1)])
    with pytest.raises(InputError, match="lack the columns"):
        reject_annotators(good.drop("choice"))
    with pytest.raises(InputError, match="must be 1 or 2"):
        wins_table(good.with_columns(choice=pl.lit(0)))
    with pytest.raises(InputError, match="with itself"):
        wins_table(good.with_columns(argument_id2=pl.col("argument_id1")))
    with pytest.raises(InputError, match="not among"):
        wins_table(good, ("trust", "power"))
    with pytest.raises(InputError, match="threshold"):
        agreement_sensitivity(good, (0.4,))
