from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.worlds.control_games import CONTROL_GAMES, DictatorGame, LotteryGame, game_named
from doxa.worlds.money_game import MoneyGame, check_whole
from doxa.worlds.trust_game import FixedReturn, TrustGame


@given(st.integers(1, 100), st.integers(1, 5), st.data())
def test_a_gift_is_a_trust_game_without_return(endowment, multiplier, data):
    sent = data.draw(st.integers(0, endowment))
    shares = DictatorGame(endowment, multiplier).payoffs(sent)
    trust = TrustGame(endowment, multiplier)
    assert shares == trust.payoffs(*trust.play(FixedReturn(0), sent))
    assert sum(shares) == endowment + (multiplier - 1) * sent


@given(st.integers(0, 10))
def test_a_lottery_is_a_trust_game_whose_return_is_chance(sent):
    outcomes, trust = LotteryGame().outcomes(sent), TrustGame()
    assert outcomes.won == trust.payoffs(sent, 3 * sent).trustor
    assert outcomes.lost == trust.payoffs(sent, 0).trustor


def test_games_by_name_are_games_and_tell_their_rules():
    for name in ("trust", *CONTROL_GAMES):
        game = game_named(name, 44)
        assert isinstance(game, MoneyGame)
        assert (game.name, game.endowment) == (name, 44)
        assert "You have 44 dollars" in game.rules
        assert "3" in game.rules
    assert "multiplied" not in DictatorGame(10, 1).rules
    with pytest.raises(InputError, match="did you mean 'dictator'"):
        game_named("dictatr", 10)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: check_whole("endowment", 10.5), r"endowment=10.5: must be a whole number"),
        (lambda: TrustGame(10, 0), "multiplier=0"),
        (lambda: DictatorGame(0), "endowment=0"),
        (lambda: LotteryGame(percent=100), "percent=100: must be between 0 and 100"),
        (lambda: DictatorGame().payoffs(11), "0 to 10, the endowment"),
        (lambda: LotteryGame().outcomes(2.5), "must be whole dollars"),
        (lambda: LotteryGame().outcomes(-1), "0 to 10"),
    ],
)
def test_bad_rules_and_amounts(build, message):
    with pytest.raises(InputError, match=message):
        build()
