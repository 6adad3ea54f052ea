from __future__ import annotations

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.training.dashboard import training_figures
from doxa.training.policy_loop import train_policy
from doxa.training.policy_plan import PolicyPlan, Variant
from tests.training.policy_worlds import WORLD, bases


def test_a_run_is_shown_by_variant_with_the_range_of_its_seeds():
    variants = [Variant("grpo", mini_batches=2), Variant("kl-cov", "kl-cov?fraction=0.1", mini_batches=2)]
    run = train_policy(bases(), WORLD, variants, [1, 2], PolicyPlan(steps=3, group=4, evaluate_every=0))
    figures = {figure.id: figure for figure in training_figures(run.log)}
    assert list(figures) == [
        "training-reward",
        "training-entropy",
        "training-covariance",
        "training-kl",
        "training-fraction-selected",
        "training-response-length",
    ]
    rows = figures["training-entropy"].spec["data"]["values"]
    assert len(rows) == 6
    of_first = run.log.filter(pl.col("variant") == "grpo", pl.col("step") == 0)["entropy"]
    assert rows[0]["value"] == pytest.approx(of_first.mean(), rel=1e-5)
    assert (rows[0]["low"], rows[0]["high"]) == pytest.approx((of_first.min(), of_first.max()), rel=1e-5)
    assert {row["variant"] for row in figures["training-fraction-selected"].spec["data"]["values"]} == {
        "kl-cov"
    }
    assert "2 seeds" in figures["training-kl"].caption


def test_a_plain_log_of_one_run_will_do():
    log = pl.DataFrame({"step": [0, 1], "entropy": [1.0, None], "score": [0.1, 0.2]})
    (figure,) = training_figures(log)
    assert figure.id == "training-entropy"
    assert "seeds" not in figure.caption


@pytest.mark.parametrize("log", [pl.DataFrame({"step": [1]}), pl.DataFrame({"entropy": [1.0]})])
def test_a_log_without_steps_or_columns_is_refused(log: pl.DataFrame):
    with pytest.raises(InputError, match="needs step and one of reward"):
        training_figures(log)
