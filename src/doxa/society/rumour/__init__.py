"""A rumour in a small population: who comes to believe a news item, through what they hear and remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.society.rumour.analysis import intervention_frontier, susceptibility, trait_effects
    from doxa.society.rumour.outcome import Propagation, propagation_features, speed
    from doxa.society.rumour.simulation import FakeNewsPropagation, embedded_mind, mind_of
    from doxa.society.rumour.text_mind import Temper, TextMind
    from doxa.society.rumour.town import Announcement

__all__ = [
    "Announcement",
    "FakeNewsPropagation",
    "Propagation",
    "Temper",
    "TextMind",
    "embedded_mind",
    "intervention_frontier",
    "mind_of",
    "propagation_features",
    "speed",
    "susceptibility",
    "trait_effects",
]

__getattr__ = loader(
    __name__,
    {
        "Announcement": "town",
        "FakeNewsPropagation": "simulation",
        "Propagation": "outcome",
        "Temper": "text_mind",
        "TextMind": "text_mind",
        "embedded_mind": "simulation",
        "intervention_frontier": "analysis",
        "mind_of": "simulation",
        "propagation_features": "outcome",
        "speed": "outcome",
        "susceptibility": "analysis",
        "trait_effects": "analysis",
    },
)
