from __future__ import annotations

import pytest

from doxa.errors import InputError
from doxa.training.entropy_mechanism.methods import Ratios, claimed, methods, named
from doxa.training.objectives import open_advantage, open_loss


def test_every_method_has_a_loss_and_an_advantage():
    found = methods(Ratios())
    for method in found:
        open_loss(method.variant.loss)
        open_advantage(method.variant.advantage)
    names = [method.name for method in found]
    assert len(set(names)) == len(names)
    assert named(found, "slower GRPO") == [f"GRPO, rate \u00d7 {factor:g}" for factor in (0.5, 0.25, 0.1)]


def test_claims_are_about_the_specs_shares_where_they_are_run():
    found = methods(Ratios())
    assert (claimed(found, "KL-Cov"), claimed(found, "Clip-Cov")) == ("KL-Cov 2 %", "Clip-Cov 5 %")
    other = methods(Ratios(kl_fractions=(0.005, 0.3), clip_ratios=(0.01,)))
    assert (claimed(other, "KL-Cov"), claimed(other, "Clip-Cov")) == ("KL-Cov 30 %", "Clip-Cov 1 %")


def test_random_choices_differ_from_theirs_in_the_choice_alone():
    by_name = {method.name: method.variant for method in methods(Ratios())}
    for name in ("KL-Cov 2 %", "Clip-Cov 5 %"):
        own, chance = by_name[name], by_name[f"{name}, random tokens"]
        assert chance.loss == f"{own.loss}&select=random"
        assert (chance.advantage, chance.rate, chance.mini_batches) == (
            own.advantage,
            own.rate,
            own.mini_batches,
        )


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"slower": (1.5,)}, "slower="),
        ({"slower": ()}, "at least one value"),
        ({"band": (5.0, 1.0)}, "band="),
        ({"band": (1.0,)}, "band="),
        ({"mini_batches": 1}, "KL-Cov has no effect"),
    ],
)
def test_bad_ratios(ratios, message):
    with pytest.raises(InputError, match=message):
        Ratios(**ratios)
