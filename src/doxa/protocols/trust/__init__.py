"""The trust game: what is said of people, what is done when they are played, and how far the two agree."""

from doxa.belief.rankings import perturb_ranking
from doxa.protocols.trust.believing import Belief, elicit_beliefs, elicit_population_belief
from doxa.protocols.trust.consistency import Consistency, Ordered, consistency
from doxa.protocols.trust.forecasting import forecast_and_play, forecast_and_play_all, mae_by_horizon
from doxa.protocols.trust.playing import play_nobody, play_population
from doxa.protocols.trust.text import STRATEGIES, conditioning_text
from doxa.worlds.control_games import DictatorGame, LotteryGame
from doxa.worlds.money_game import MoneyGame
from doxa.worlds.personas import load_personas
from doxa.worlds.trust_game import FixedReturn, TitForTat, Trustee, TrustGame

__all__ = [
    "STRATEGIES",
    "Belief",
    "Consistency",
    "DictatorGame",
    "FixedReturn",
    "LotteryGame",
    "MoneyGame",
    "Ordered",
    "TitForTat",
    "TrustGame",
    "Trustee",
    "conditioning_text",
    "consistency",
    "elicit_beliefs",
    "elicit_population_belief",
    "forecast_and_play",
    "forecast_and_play_all",
    "load_personas",
    "mae_by_horizon",
    "perturb_ranking",
    "play_nobody",
    "play_population",
]
