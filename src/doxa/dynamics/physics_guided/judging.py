"""Bounds of the findings, and the numbers of one world as findings read them."""

from __future__ import annotations

from typing import Any

from doxa.dynamics.physics_guided.variants import GUIDED
from doxa.lab.measured import units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units

TRACKS = 0.9
"""R² of a latent that is the velocity (the spec's)."""
NEAR_NOTHING = 0.3
"""R² of a latent that means nothing, at most (ours)."""
NEAR_EXACT = 1.15
"""Error of a learnt posterior as a multiple of the exact one's, at most (ours)."""
NO_GAIN = 0.1
"""How far a ratio of errors may be from 1 where there is nothing to gain (ours)."""
SOME = 0.1
"""R² of a latent that tells something of what was hidden, at least (ours)."""
GAP = 0.05
"""What the bound may lack of the exact log-likelihood, in nats a step (the spec's)."""
STRICTLY_INSIDE = 0.02
"""Distance of α from 0 and 1 that counts as strictly inside (ours)."""
OPEN_LOOP_RMSE = {"train": 0.0187, "test": 0.0201}
"""Of the released linear model over the released record, in V (the spec's measurement)."""
OPEN_LOOP_NEAR = 3e-4
RESPONSE_NEAR = 0.1
NO_SHARE = 0.05
BANDS = (0.9, 0.995)
"""Coverage that counts as that of 95 % bands (ours)."""
POSSIBLE_R2 = (-float("inf"), 1.0)


class World:
    """The numbers of one world, by model."""

    def __init__(self, tables: Tables, name: str) -> None:
        self.tables = tables
        self.name = name

    def of(self, measure: str, model: str, **where: Any) -> Units:
        """Return one number for each replicate."""
        return units(self.tables, measure, condition=self.name, subject=model, **where)

    def r2(self, model: str, coordinate: str, split: str = "test", aligned: str = "as it is") -> Units:
        """Return R² of a latent coordinate."""
        return self.of("r2", model, split=split, coordinate=coordinate, aligned=aligned)

    def ratio(self, measure: str, one: str, other: str, **where: Any) -> Units:
        """Return how many times as large a measure of one model is as that of another."""
        return self.of(measure, one, split="test", **where).over(
            self.of(measure, other, split="test", **where)
        )

    def smaller(
        self, name: str, claim: str, measure: str, other: str, note: str = "", **where: Any
    ) -> Finding:
        """Return the finding that the guided model's error is smaller than another model's."""
        return self.ratio(measure, GUIDED, other, **where).finding(
            f"{self.name}-{name}", f"{claim} (ratio of errors)", unit="ratio", below=1.0, note=note
        )

    def bands(self, coordinate: str, split: str) -> Finding:
        """Return the finding that bands hold the hidden truth as often as they say."""
        return self.of("coverage", GUIDED, split=split, coordinate=coordinate, aligned="as it is").finding(
            f"{self.name}-bands-{split}",
            f"95 % bands of the hidden {coordinate} hold it as often ({split})",
            unit="fraction",
            above=BANDS[0],
            below=BANDS[1],
            possible=(0.0, 1.0),
        )
