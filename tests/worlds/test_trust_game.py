from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.worlds.trust_game import ARCHETYPES, FixedReturn, Round, TitForTat, Trustee, TrustGame


class Generous:
    """A trustee of the user's."""

    told = "The other player returns everything."

    def returns(self, sent, history, game):
        return game.multiplier * sent


@given(st.integers(1, 100), st.integers(1, 5), st.data())
def test_payoffs_sum_and_returns_are_bounded(endowment, multiplier, data):
    game = TrustGame(endowment, multiplier)
    sent = data.draw(st.integers(0, endowment))
    for trustee in (*ARCHETYPES.values(), TitForTat(), Generous()):
        one = game.play(trustee, sent)
        assert 0 <= one.returned <= multiplier * sent
        assert sum(game.payoffs(*one)) == endowment + (multiplier - 1) * sent


def test_best_replies_are_the_specs():
    game = TrustGame()
    assert [game.best_replies(FixedReturn(limit)) for limit in (0, 1, 3, 5)] == [(0,), (0, 1), (1,), (2,)]
    nets = [
        game.payoffs(*game.play(FixedReturn(limit), sent)).trustor - 10
        for limit, sent in ((1, 1), (3, 1), (5, 2))
    ]
    assert nets == [0, 2, 3]
    assert isinstance(Generous(), Trustee)


def test_tit_for_tat_punishes_a_fall():
    game, trustee = TrustGame(), TitForTat()
    assert trustee.returns(4, [], game) == 6
    assert trustee.returns(3, [Round(4, 6)], game) == 0
    assert trustee.returns(5, [Round(4, 6)], game) == 7


@pytest.mark.parametrize(("sent", "message"), [(11, "the endowment"), (-1, "0 to 10"), (2.5, "whole")])
def test_amounts_that_cannot_be_sent(sent, message):
    with pytest.raises(InputError, match=message):
        TrustGame().payoffs(sent, 0)


def test_a_trustee_that_returns_too_much_is_refused():
    class Cheat(Generous):
        def returns(self, sent, history, game):
            return 3 * sent + 1

    with pytest.raises(InputError, match="returned=7"):
        TrustGame().play(Cheat(), 2)
    with pytest.raises(InputError, match="limit=-1"):
        FixedReturn(-1)
    with pytest.raises(InputError, match="endowment=0"):
        TrustGame(0)
