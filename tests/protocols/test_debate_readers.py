from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from doxa.belief.information import logit
from doxa.errors import InputError
from doxa.protocols.debate.reader_world import SWITCHES, ReaderDebate, Tastes, candidates, learn_tastes
from doxa.protocols.persuasion.bank import SKEPTICS, ArgumentBank
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.streams import stream

STYLES = tuple(DIMENSIONS)[:4]


def small_bank(n=240, width=12, seed=0):
    """Return arguments whose verdicts follow a direction of their embedding."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [{"argument_id": f"a{k}", "dimension": STYLES[k % 4], "argument": f"Text {k}."} for k in range(n)]
    chance = 1 / (1 + np.exp(-5 * vectors[:, 0]))
    outcomes = [
        {"argument_id": f"a{k}", "skeptic": skeptic, "convinced": str(int(rng.random() < chance[k]))}
        for k in range(n)
        for skeptic in SKEPTICS
    ]
    return ArgumentBank.of(rows, vectors, outcomes)


@pytest.fixture(scope="module")
def bank():
    return small_bank()


def made_tastes(noise=1.0, readers=6, n=240, seed=1):
    """Return tastes of known noise: what readers share is the jury's."""
    rng = np.random.default_rng(seed)
    quality = rng.standard_normal(n)
    return Tastes(quality + noise * rng.standard_normal((readers, n)), quality, noise, 1.0)


def means(bank, tastes, **settings):
    found = ReaderDebate(**settings).simulate(bank, tastes, 4000, stream(0, "test", str(settings)))
    return found.credence.mean(axis=(0, 1))


def test_a_stronger_ridge_makes_less_private_tastes(bank):
    weak, strong = (learn_tastes(bank, 4, penalty, stream(0, "tastes")) for penalty in (0.01, 3.0))
    assert weak.noise > strong.noise > 0
    assert strong.agreement > 0.7
    assert strong.readers.shape == (4, 240)
    assert strong.readers.mean(axis=1) == pytest.approx(np.zeros(4), abs=1e-12)
    spread = np.cov(strong.readers, bias=True)
    assert spread[np.triu_indices(4, 1)].mean() == pytest.approx(1.0), "the unit is what readers share"


def test_readers_and_jury_never_learn_from_one_argument(bank, monkeypatch):
    from doxa.protocols.debate import reader_world

    seen = []
    real = reader_world.EmbeddedSkeptic.fit

    def spy(embeddings, *rest):
        seen.append({tuple(row) for row in embeddings.round(9)})
        return real(embeddings, *rest)

    monkeypatch.setattr(reader_world.EmbeddedSkeptic, "fit", staticmethod(spy))
    learn_tastes(bank, 3, 1.0, stream(0, "tastes"))
    *readers, jury = seen
    assert len(readers) == 3
    assert all(not reader & jury for reader in readers)
    assert len(jury) == 120


def test_two_readers_of_known_noise_are_as_overconfident_as_numbers(bank):
    found = means(bank, made_tastes())
    assert found == pytest.approx([0.61, 0.69, 0.75], abs=0.05)
    assert np.all(np.diff(found) > 0.03)


@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_fresh_eyes_are_even(bank, noise):
    assert means(bank, made_tastes(noise), rescore="fresh") == pytest.approx([0.5] * 3, abs=0.02)


def test_without_noise_there_is_no_excess(bank):
    assert means(bank, made_tastes(0.0)) == pytest.approx([0.5] * 3, abs=0.02)


def test_a_reader_that_meets_its_copy_starts_high_and_does_not_rise(bank):
    found = means(bank, made_tastes(), condition="self_debate")
    assert found[0] > 0.55
    assert found == pytest.approx([found[0]] * 3, abs=0.02)


def test_switches_are_what_they_say(bank):
    tastes = made_tastes()
    rng = [stream(0, "test", "same") for _ in SWITCHES]
    worlds = {name: ReaderDebate(name) for name in SWITCHES}
    held = {
        name: logit(world.simulate(bank, tastes, 500, one).credence)
        for (name, world), one in zip(worlds.items(), rng, strict=True)
    }
    own = held["self_debate"]
    assert held["informed_self"] == pytest.approx(0.5 * own)
    public = held["public_bets"]
    assert public[..., 0] == pytest.approx(own[..., 0])
    assert public[..., 1] == pytest.approx(0.5 * own[..., 1] - 0.5 * public[:, ::-1, 0])
    assert means(bank, tastes, condition="self_redteam") == pytest.approx([0.5] * 3, abs=0.02)
    assert np.any(held["cross_model"][:, 1] != own[:, 1]), "another reader sits on the other side"
    free = replace(worlds["informed_self"], weight=0.0).simulate(bank, tastes, 500, stream(0, "test", "same"))
    assert logit(free.credence) == pytest.approx(own)


def test_candidates_are_of_random_style(bank):
    drawn = candidates(bank, (4000,), stream(0, "test"))
    styles = np.array([STYLES.index(bank.dimensions[k]) for k in drawn])
    assert np.bincount(styles) / 4000 == pytest.approx([0.25] * 4, abs=0.03)


def test_bad_input(bank):
    with pytest.raises(InputError, match="did you mean 'self_debate'"):
        ReaderDebate("self_debat")
    with pytest.raises(InputError, match="rescore='new'"):
        ReaderDebate(rescore="new")
    with pytest.raises(InputError, match="weight=2"):
        ReaderDebate(weight=2.0)
    with pytest.raises(InputError, match="n_readers=1"):
        learn_tastes(bank, 1, 1.0, stream(0, "tastes"))
