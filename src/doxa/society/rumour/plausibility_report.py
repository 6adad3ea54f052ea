"""How well the plausibility head does on items, and on stories, that it has not seen."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from doxa.belief.inference import Interval, cluster_members, percentile_interval
from doxa.belief.shares import auc
from doxa.lab.record import Finding

NOT_HERE = "needs the data set and the encoder: doxa data get fps, and the extra embed"


def story_auc(
    score: Float[np.ndarray, " items"],
    true: Bool[np.ndarray, " items"],
    story: Int[np.ndarray, " items"],
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
) -> Interval:
    """Return the area under the curve, its interval from resampling whole stories."""
    members = cluster_members(len(story), story)
    draws: list[float] = []
    for picks in rng.integers(len(members), size=(resamples, len(members))):
        rows = np.concatenate([members[pick] for pick in picks])
        draws.append(auc(score[rows], true[rows]).estimate)
    return percentile_interval(auc(score, true).estimate, np.array(draws), len(members))


def plausibility_findings(beliefs: pl.DataFrame, rng: np.random.Generator) -> list[Finding]:
    """Return whether held-out heads tell true items from false ones; without the data the findings say what is needed.

    Args:
        beliefs: of all cells.
        rng: resamples stories.
    """
    told = {
        "without_item": ("plausible", "a head that has not seen an item tells true items from false ones"),
        "without_story": ("plausible-story", "so does one that has not seen its story in other words either"),
    }
    found: list[Finding] = []
    rows = beliefs.filter(pl.col("subject") == "plausibility-head")
    extras = [json.loads(extra) for extra in rows["extra"]]
    for way, (name, claim) in told.items():
        chosen = [
            (score, extra)
            for score, extra in zip(rows["log_odds"], extras, strict=True)
            if extra["held_out"] == way
        ]
        if not chosen:
            found.append(Finding.judged(name, claim, None, None, above=0.5, note=NOT_HERE))
            continue
        area = story_auc(
            np.array([score for score, _ in chosen]),
            np.array([extra["true"] for _, extra in chosen]),
            np.array([extra["story"] for _, extra in chosen]),
            rng,
        )
        note = f"{len(chosen)} items, {area.n} stories; intervals resample stories"
        found.append(
            Finding.judged(
                name,
                claim,
                area.estimate,
                area.ends,
                above=0.5,
                unit="area under the curve",
                n=area.n,
                note=note,
            )
        )
    return found
