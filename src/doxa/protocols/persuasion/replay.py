"""The replay: both published tables, the presence test and the ranking by people, from the released files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from doxa.belief.inference import Interval, percentile_interval, wilson
from doxa.belief.rank_correlation import spearman
from doxa.belief.shares import homogeneity, share_difference
from doxa.lab.record import Recorder
from doxa.protocols.persuasion.bank import ArgumentBank, Readings, human_judgements, presence_files
from doxa.protocols.persuasion.crowd import (
    Reading,
    agreement_sensitivity,
    crowd_kappa,
    rank,
    reject_annotators,
    strength_draws,
)
from doxa.protocols.persuasion.dimensions import DIMENSIONS
from doxa.protocols.persuasion.estimates import read_estimates, record_interval
from doxa.protocols.persuasion.presence import closeness_to_baseline, presence_test
from doxa.protocols.persuasion.verdicts import convinced_table

AGENT, PEOPLE = "llama-2-70b-chat", "crowd"
READINGS: tuple[Reading, ...] = ("published", "as-written")


def record_replay(
    recorder: Recorder,
    folder: Path,
    rng: np.random.Generator,
    *,
    resamples: int,
    permutations: int,
) -> None:
    """Recompute everything that the released files hold.

    Args:
        recorder: where it goes.
        folder: of the released files.
        rng: source of resamples and permutations.
        resamples: of workers and match-ups.
        permutations: of the styles' names.
    """
    bank = ArgumentBank.load(folder)
    _record_fractions(recorder, bank)
    record_interval(recorder, "warmth", warmth(bank.readings), subject=AGENT)
    record_permuted(recorder, bank.readings, rng, permutations, subject=AGENT)
    _record_presence(recorder, folder)
    _record_people(recorder, folder, rng, resamples)


def record_permuted(
    recorder: Recorder, readings: Readings, rng: np.random.Generator, permutations: int, *, subject: str
) -> None:
    """Record how often a χ² test rejects equal shares when the styles' names are dealt out anew.

    Baseline skeptic only: each argument is then one independent reading, and 5 % of the tests should reject.
    """
    own = readings.difficulty == 1
    style, yes = readings.dimension[own], readings.convinced[own]
    present = np.unique(style)
    n = np.array([np.sum(style == k) for k in present])
    if present.size < 2 or not 0 < yes.sum() < yes.size:
        recorder.measure(
            "permuted-rejects", None, subject=subject, missing="one style, or all verdicts are the same"
        )
        return
    place = np.searchsorted(present, style)
    rejected = 0
    for _ in range(permutations):
        hits = np.bincount(rng.permutation(place), yes, minlength=present.size)
        rejected += homogeneity(hits, n).p < 0.05
    found = homogeneity(np.bincount(place, yes, minlength=present.size), n)
    record_interval(
        recorder,
        "permuted-rejects",
        wilson(int(rejected), permutations),
        subject=subject,
        spread=found.estimate,
        p=found.p,
    )


def warmth(readings: Readings, difficulty: int = 1) -> Interval:
    """Return the fraction convinced by trust or support, the lower one, minus that by knowledge."""
    own = readings.difficulty == difficulty
    styles = tuple(DIMENSIONS)
    counts = {
        name: (int(np.sum(readings.convinced[rows])), int(np.sum(rows)))
        for name in ("trust", "support", "knowledge")
        for rows in (own & (readings.dimension == styles.index(name)),)
    }
    return smallest([share_difference(*counts[name], *counts["knowledge"]) for name in ("trust", "support")])


def smallest(differences: Sequence[Interval]) -> Interval:
    """Return the smallest of some differences; it is at least any of their lower ends, at most any upper one."""
    if any(one.n == 0 for one in differences):
        return Interval(math.nan, math.nan, math.nan, 0)
    return Interval(
        *(min(ends) for ends in zip(*(one[:3] for one in differences), strict=True)),
        n=min(one.n for one in differences),
    )


def _record_fractions(recorder: Recorder, bank: ArgumentBank) -> None:
    wald = convinced_table(bank.outcomes, "wald")
    for row, normal in zip(
        convinced_table(bank.outcomes).iter_rows(named=True), wald.iter_rows(named=True), strict=True
    ):
        record_interval(
            recorder,
            "convinced",
            Interval(row["p"], row["lo"], row["hi"], row["n"]),
            subject=AGENT,
            dimension=row["dimension"],
            difficulty=row["difficulty"],
            wald=[normal["lo"], normal["hi"]],
            normal_approx_ok=row["normal_approx_ok"],
        )


def _record_presence(recorder: Recorder, folder: Path) -> None:
    held = presence_files(folder)
    scores = {name: dict(parts) for name, (parts, _) in held.items()}
    for row in presence_test(scores, {name: lengths for name, (_, lengths) in held.items()}).iter_rows(
        named=True
    ):
        recorder.measure(
            "present",
            float(row["significant"]),
            subject=AGENT,
            dimension=row["dimension"],
            t=row["t"],
            p=row["p"],
            mean=row["mean"],
            baseline_mean=row["baseline_mean"],
        )
    for name, cosine in closeness_to_baseline(scores).items():
        recorder.measure("closeness", cosine, subject=AGENT, dimension=name)


def _record_people(recorder: Recorder, folder: Path, rng: np.random.Generator, resamples: int) -> None:
    judgements = human_judgements(folder)
    for reading in READINGS:
        filtered = reject_annotators(judgements, reading=reading)
        names, fit = rank(filtered.kept)
        draws = strength_draws(filtered.kept, rng, resamples)
        workers = filtered.workers.filter(~filtered.workers["rejected"]).height
        for place, name in enumerate(names):
            record_interval(
                recorder,
                "strength",
                percentile_interval(float(fit.log_strength[place]), draws[:, place], workers),
                subject=PEOPLE,
                dimension=name,
                reading=reading,
                standard_error=float(fit.standard_error[place]),
            )
        known = names.index("knowledge")
        others = [place for place in range(len(names)) if place != known]
        lead = float(fit.log_strength[known] - fit.log_strength[others].max())
        record_interval(
            recorder,
            "knowledge-lead",
            percentile_interval(lead, draws[:, known] - draws[:, others].max(axis=1), workers),
            subject=PEOPLE,
            reading=reading,
        )
        recorder.measure("rejected", float(len(filtered.rejected)), subject=PEOPLE, reading=reading)
        recorder.measure("kept", float(filtered.kept.height), subject=PEOPLE, reading=reading)
        for orientation in ("given", "sorted", "symmetric"):
            kappa = crowd_kappa(filtered.kept, orientation, rng)
            ends = kappa.interval or (math.nan, math.nan)
            record_interval(
                recorder,
                "kappa",
                Interval(kappa.estimate, *ends, kappa.n),
                subject=PEOPLE,
                reading=reading,
                orientation=orientation,
            )
    _record_sensitivity(recorder, folder)
    _record_alike(recorder, rng, resamples)


def _record_sensitivity(recorder: Recorder, folder: Path) -> None:
    found = agreement_sensitivity(reject_annotators(human_judgements(folder)).kept)
    for i, one in enumerate(found.thresholds):
        recorder.measure("matchups", float(found.matchups[i]), subject=PEOPLE, threshold=one)
        for j, other in enumerate(found.thresholds):
            value = float(found.correlation[i, j])
            missing: dict[str, Any] = (
                {"missing": "a style is no longer compared"} if math.isnan(value) else {}
            )
            recorder.measure("ranking-correlation", value, subject=PEOPLE, row=one, column=other, **missing)


def _record_alike(recorder: Recorder, rng: np.random.Generator, resamples: int) -> None:
    """Record how alike agents and people rank the styles that both judged; the styles are resampled."""
    measures = recorder.tables().measures
    people = {
        str(one.extra["dimension"]): one.value
        for one in read_estimates(measures, "strength")
        if one.extra["reading"] == "as-written"
    }
    agents = {
        str(one.extra["dimension"]): one.value
        for one in read_estimates(measures, "convinced")
        if one.extra["difficulty"] == "baseline"
    }
    both = [name for name in people if agents.get(name) is not None]
    sides = [[cast(float, side[name]) for name in both] for side in (people, agents)]
    found = spearman(*sides, rng=rng, n_resamples=resamples)
    ends = found.interval or (math.nan, math.nan)
    record_interval(
        recorder, "alike", Interval(found.estimate, *ends, found.n), subject=PEOPLE, permutation_p=found.p
    )
