from __future__ import annotations

import itertools

import pytest

from doxa.errors import InputError
from doxa.society.herding import (
    SocialLearning,
    cascade_from,
    cascade_probabilities,
    mean_agents_to_cascade,
    myopic_thresholds,
    no_control_value,
)
from doxa.society.herding.closed_forms import obfuscation_value, perfect_value, stop_value


def walked(p, n, tie):
    """Return what happened after n agents in the state G, by going through every sequence of signals and tosses."""
    found = {"right": 0.0, "none": 0.0, "wrong": 0.0}
    for signals in itertools.product((True, False), repeat=n):
        paths = [(1.0, 0, None)]  # chance, lead of G over B among revealed signals, herd
        for good in signals:
            chance = p if good else 1.0 - p
            new = []
            for weight, lead, herd in paths:
                if herd is not None:
                    new.append((weight * chance, lead, herd))
                    continue
                step = 1 if good else -1
                torn = tie == "coin" and lead == -step  # the signal undoes the one before it
                for share, act in ((0.5, step), (0.5, -step)) if torn else ((1.0, step),):
                    after = lead + act
                    new.append((weight * chance * share, after, _herd(after)))
            paths = new
        for weight, _, herd in paths:
            found["none" if herd is None else "right" if herd > 0 else "wrong"] += weight
    return found


def _herd(lead):
    return None if abs(lead) < 2 else (1 if lead > 0 else -1)


@pytest.mark.parametrize("tie", ["own_signal", "coin"])
@pytest.mark.parametrize("n", [2, 4, 6])
def test_cascades_are_those_of_all_sequences(tie, n):
    known = cascade_probabilities(0.7, n, tie)
    found = walked(0.7, n, tie)
    assert known.right == pytest.approx(found["right"])
    assert known.none == pytest.approx(found["none"])
    assert known.wrong == pytest.approx(found["wrong"])


def test_limits():
    p = 0.7
    assert cascade_probabilities(p).right == pytest.approx(p**2 / (p**2 + 0.3**2))
    assert cascade_probabilities(p, tie="coin").right == pytest.approx(p * (p + 1) / (2 * (1 - p + p**2)))
    assert cascade_probabilities(p, 200).right == pytest.approx(cascade_probabilities(p).right)
    assert mean_agents_to_cascade(p) == pytest.approx(2 / (0.49 + 0.09))


@pytest.mark.parametrize("prior", [0.5, 0.55, 0.69, 0.7, 0.31, 0.9, 0.05])
@pytest.mark.parametrize("good", [True, False])
def test_any_prior_is_a_gamblers_ruin(prior, good):
    model = SocialLearning(prior=prior)
    chances = {prior: 1.0}
    ended = {"G": 0.0, "B": 0.0}
    for _ in range(300):
        new = {}
        for b, chance in chances.items():
            if not model.is_informative(b, 0.7):
                ended["G" if b > 0.5 else "B"] += chance
                continue
            up = 0.7 if good else 0.3
            for action, share in (("G", up), ("B", 1.0 - up)):
                after = round(model.update(b, 0.7, action), 12)
                new[after] = new.get(after, 0.0) + chance * share
        chances = new
    found = cascade_from(prior, 0.7, good=good)
    assert found.right == pytest.approx(ended["G" if good else "B"], abs=1e-9)
    assert found.wrong == pytest.approx(ended["B" if good else "G"], abs=1e-9)


@pytest.mark.parametrize(("p", "delta"), [(0.7, 0.9), (0.6, 0.5), (0.95, 0.99)])
def test_without_control_losses_add_up(p, delta):
    model, chances, lost = SocialLearning(baseline=p), {0.5: 1.0}, 0.0
    for n in range(2500):
        new = {}
        for b, chance in chances.items():
            if not model.is_informative(b, p):
                lost += chance * delta**n * min(b, 1 - b) / (1 - delta)
                continue
            lost += chance * delta**n * (1 - p)
            good = b * p + (1 - b) * (1 - p)
            for action, share in (("G", good), ("B", 1 - good)):
                after = round(model.update(b, p, action), 12)
                new[after] = new.get(after, 0.0) + chance * share
        chances = new
        if not chances:
            break
    assert no_control_value(p, delta) == pytest.approx(-lost, abs=1e-9)


def test_values_by_hand():
    model = SocialLearning()
    assert stop_value(model, 0.01) == pytest.approx(-0.1)
    assert perfect_value(model, 0.2) == pytest.approx(-0.15)
    assert perfect_value(model, 0.2, biased=True) == pytest.approx(-0.15 - 8.0)
    assert obfuscation_value(model, 0.6) == pytest.approx(-0.5)
    assert myopic_thresholds(0.7, 0.5).invest == pytest.approx(0.15)
    assert myopic_thresholds(0.7, 1.5).invest == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: obfuscation_value(SocialLearning(), 0.5), "herding only at"),
        (lambda: no_control_value(0.7, 1.0), "delta=1.0"),
        (lambda: myopic_thresholds(0.7, -1.0), "k=-1.0"),
        (lambda: cascade_probabilities(0.5), "nobody learns"),
        (lambda: cascade_probabilities(0.7, 3), "even number"),
        (lambda: cascade_from(1.0, 0.7), "prior must be in"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
