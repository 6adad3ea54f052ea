"""The findings of dialogues, of the small model's and of a subject's: the paper's claims, and their controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from doxa.lab.measured import number, rows_of
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units, least
from doxa.protocols.affect import DialogueScript, scripts
from doxa.protocols.affect_dynamics.dialogue import (
    ANOTHER,
    FIRST,
    NEUTRAL,
    NOISE,
    STATELESS,
    STEERED,
    UNRECONCILED,
    UNTOLD,
    momentum_name,
)

VALENCE = "valence"
CORRELATES = 0.6
"""The spec's bound on the correlation of state and expressed valence."""
UNRELATED = 0.3
"""Ours: the correlation below which a control shows nothing."""
EARLY = 3
"""Turns of the reconciliation in which a mood with momentum is still negative."""
FLIPS = 1.0
"""The spec's: turns within which a stateless reply has turned."""
SAME_LAG, SAME_GAP, EFFECT_GAP = 0.5, 0.15, 0.5
"""Ours: turns and valence that count as no difference, and valence that counts as an effect."""
RECOVERS = 0.1
"""Ours: how far the recovered share of a planted mood may be off, per unit."""
DISTINCT, LEAKS = 0.5, 0.05
"""Ours: least share of distinct replies to one prompt, and most replies that recite the state."""
PUBLISHED_RECOVERY = (0.0, 1.0, 1.0, 0.0)
"""Share of runs that recovered: stateless, first order, momentum 0.8 (all in words only) and 0.95 (none of five)."""


@dataclass(frozen=True)
class Held:
    """The tables of dialogues, and what was held.

    Attributes:
        tables: of all cells.
        main: the script on which claims are judged.
        mus: momenta of the second order.
        shown: what an interval rests on, such as ``models``.
    """

    tables: Tables
    main: DialogueScript
    mus: tuple[float, ...]
    shown: str
    _read: dict[str, pl.DataFrame] = field(
        default_factory=dict[str, pl.DataFrame], init=False, repr=False, compare=False
    )

    @property
    def script(self) -> str:
        """The main script's name."""
        return self.main.name

    @property
    def momenta(self) -> tuple[str, ...]:
        """Names of the second-order conditions."""
        return tuple(momentum_name(mu) for mu in self.mus)

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the conditions in which the state is told, by growing memory."""
        return (FIRST, *self.momenta)

    def rows(self, measure: str, **where: Any) -> pl.DataFrame:
        """Return the rows of a measure that have a value, where these have given values; a measure is read once."""
        if measure not in self._read:
            self._read[measure] = rows_of(self.tables, measure).drop_nulls("value")
        found = self._read[measure]
        if any(name not in found.columns for name in where):
            return found.clear()
        return found.filter(*(pl.col(name) == value for name, value in where.items()))

    def by_seed(self, measure: str, **where: Any) -> Units:
        """Return one number for each seed, the mean of its rows; a seed without a value is left out."""
        return _by_seed(self.rows(measure, **where))

    def correlation(self, kind: str, script: str = "") -> Units:
        """Return the correlation of state and expressed valence."""
        return self.by_seed("correlation", kind=kind, script=script or self.script, dimension=VALENCE)

    def metric(self, name: str, kind: str, of: str = "expressed", script: str = "") -> Units:
        """Return a measure of valence; dialogues in which it did not come are left out."""
        return self.by_seed(name, kind=kind, script=script or self.script, of=of, dimension=VALENCE)

    def state(self, name: str, kind: str, script: str = "") -> float | None:
        """Return a measure of the state's valence; where users alone move it, it is the same in every dialogue."""
        values = self.metric(name, kind, "state", script)
        return values.mean if values.values else None

    def crossing(self, kind: str) -> Units:
        """Return the turn at which replies came back; one that never did is taken to come after the last turn."""
        rows = self.rows("crossing", kind=kind, script=self.script, of="expressed", dimension=VALENCE)
        shares = self.metric("recovered", kind).values
        came = _by_seed(rows).values
        late = float(len(self.main) + 1)
        return Units(
            {seed: share * came.get(seed, 0.0) + (1.0 - share) * late for seed, share in shares.items()}
        )

    def mean_over(self, kind: str, turns: Sequence[int]) -> Units:
        """Return the mean expressed valence over some turns."""
        rows = self.rows("series", kind=kind, script=self.script, of="expressed", dimension=VALENCE)
        return _by_seed(rows.filter(pl.col("time").is_in([float(turn) for turn in turns])))


def _by_seed(rows: pl.DataFrame) -> Units:
    means = rows.group_by("seed", maintain_order=True).agg(pl.col("value").mean())
    return Units(dict(zip(means["seed"].to_list(), means["value"].to_list(), strict=True)))


def dialogue_findings(held: Held, *, controls: bool = True) -> list[Finding]:
    """Return the findings that the small model and a subject have in common.

    Args:
        held: what was recorded.
        controls: whether the controls were held.
    """
    return [
        *_follows(held),
        *_lags(held),
        *_recovers(held),
        *_grows(held),
        *(_controls(held) if controls else []),
        *_same_as_signal(held),
        _leaks(held),
    ]


def _id(kind: str) -> str:
    return kind.replace(" ", "-").replace(".", "")


def _follows(held: Held) -> list[Finding]:
    return [
        held.correlation(kind).finding(
            f"follows-{_id(kind)}",
            f"{kind}: the valence of replies follows that of the state (correlation over turns)",
            unit="r",
            above=CORRELATES,
            possible=(-1.0, 1.0),
        )
        for kind in held.told
    ]


def _lags(held: Held) -> list[Finding]:
    found: list[Finding] = []
    early = range(held.main.reconciliation, held.main.reconciliation + EARLY)
    bare = held.mean_over(STATELESS, early)
    for kind in held.momenta:
        shown = held.mean_over(kind, early)
        found += [
            held.metric("lag", kind)
            .minus(held.metric("lag", FIRST))
            .finding(
                f"lags-{_id(kind)}",
                f"{kind}: replies come later behind what is heard than with the first order",
                unit="turns",
                above=0.0,
            ),
            shown.finding(
                f"stays-negative-{_id(kind)}",
                f"{kind}: replies are negative in the first {EARLY} turns of the reconciliation",
                unit="valence",
                below=0.0,
            ),
            shown.minus(bare).finding(
                f"more-negative-{_id(kind)}",
                f"{kind}: they are more negative there than stateless ones",
                unit="valence",
                below=0.0,
            ),
        ]
    return [
        *found,
        held.mean_over(FIRST, early).finding(
            "first-order-turns",
            "first order: replies are not negative there",
            unit="valence",
            above=0.0,
            control=True,
        ),
        *_stateless(held),
    ]


def _stateless(held: Held) -> list[Finding]:
    heard = held.state("crossing", STATELESS)
    gains = [
        held.metric("coherence_autocorrelation", kind).minus(
            held.metric("coherence_autocorrelation", STATELESS)
        )
        for kind in held.told
    ]
    return [
        (Units({}) if heard is None else held.crossing(STATELESS).less(heard)).finding(
            "stateless-flips",
            "stateless: replies are back within a turn of what is heard, or never left (turns later)",
            unit="turns",
            below=FLIPS,
        ),
        least(gains).finding(
            "coherent",
            "replies are more coherent from turn to turn with a state than without (least gain in autocorrelation)",
            unit="r",
            above=0.0,
        ),
    ]


def _recovers(held: Held) -> list[Finding]:
    """Judge recovery of the state by crossing and by settling, and tell that of the replies."""
    found: list[Finding] = []
    kinds = (STATELESS, FIRST, held.momenta[0], held.momenta[-1])
    for name, said in (("recovered", "crosses"), ("settled", "settles")):
        for kind, paper in zip(kinds, PUBLISHED_RECOVERY, strict=True):
            comes = paper > 0.5
            expressed = held.metric(name, kind)
            found.append(
                _of_state(
                    held.metric(name, kind, "state"),
                    f"{said}-{_id(kind)}",
                    f"{kind}: the state {said if comes else f'never {said}'} within the dialogue (share of runs)",
                    above=0.5 if comes else None,
                    below=None if comes else 0.5,
                    unit="share",
                    paper=paper,
                    note=f"of the replies {expressed.mean:.2f}" if expressed.values else "",
                )
            )
    return found


def _of_state(values: Units, name: str, claim: str, **rest: Any) -> Finding:
    """Return a finding about the state: a number where it is the same in all dialogues, as users alone move it."""
    known = set(values.values.values())
    if len(known) > 1:
        return values.finding(name, claim, **rest)
    return number(name, claim, known.pop() if known else None, n=len(values.values), **rest)


def _grows(held: Held) -> list[Finding]:
    """Judge inertia and hysteresis over first order and momenta."""
    found: list[Finding] = []
    for name, metric, said, unit in (
        ("inertia", "lag", "the lag behind what is heard", "turns"),
        ("hysteresis", "loop", "the loop over what is heard", ""),
    ):
        states = [held.metric(metric, kind, "state") for kind in held.told]
        rises = least([later.minus(sooner) for sooner, later in pairwise(states)])
        means = ", ".join(f"{one.mean:.3g}" for one in states if one.values)
        claim = f"{said} grows with momentum: state (smallest rise)"
        found.append(_of_state(rises, f"{name}-grows", claim, above=0.0, unit=unit, note=means))
        shown = [held.metric(metric, kind) for kind in held.told]
        found.append(
            shown[-1]
            .minus(shown[0])
            .finding(
                f"{name}-shown",
                f"{said} grows with momentum: replies (last momentum minus first order)",
                unit=unit,
                above=0.0,
                note="means " + ", ".join(f"{one.mean:.3g}" for one in shown),
            )
        )
    return found


def _controls(held: Held) -> list[Finding]:
    said = {
        ANOTHER: "told a shuffled state of another dialogue",
        NEUTRAL: "told a neutral state throughout",
        NOISE: "its mood moved by noise",
    }
    found = [
        held.correlation(kind).finding(
            f"not-{_id(kind).replace(chr(39), '')}",
            f"{what}, replies do not follow the state that it would have had (correlation)",
            unit="r",
            below=UNRELATED,
            possible=(-1.0, 1.0),
            control=True,
        )
        for kind, what in said.items()
    ]
    untold = held.metric("lag", UNTOLD).minus(held.metric("lag", STATELESS))
    found.append(
        untold.within(
            "not-told",
            "the state not told, replies lag no more than stateless ones",
            SAME_LAG,
            unit="turns",
        )
    )
    return found


def _same_as_signal(held: Held) -> list[Finding]:
    """Judge the caveat that α = 1 is the signal itself, so that only telling it differs from the stateless agent."""
    sides = [
        held.rows("series", kind=FIRST, script=held.script, of=of).select(
            "seed", "dimension", "time", "value"
        )
        for of in ("signal", "state")
        if held.rows("series").height
    ]
    if not sides:
        return []
    both = sides[0].join(sides[1], on=["seed", "dimension", "time"], suffix="_other")
    apart = (both["value"] - both["value_other"]).abs().max()
    return [
        number(
            "alpha-one",
            "the first order at α = 1 is what a stateless agent hears (largest difference); only telling it differs",
            float(apart) if both.height else None,  # type: ignore[arg-type]
            below=1e-12,
            control=True,
            n=both.height,
        )
    ]


def _leaks(held: Held) -> Finding:
    shares = [held.by_seed("leaks", script=held.script, kind=kind) for kind in held.told]
    seeds = [seed for seed in shares[0].values if all(seed in one.values for one in shares)]
    worst = Units({seed: max(one.values[seed] for one in shares) for seed in seeds})
    return worst.finding(
        "leaks",
        "replies do not recite the state (largest share of a condition)",
        unit="share",
        below=LEAKS,
        possible=(0.0, 1.0),
        control=True,
    )


def model_findings(held: Held) -> list[Finding]:
    """Return what only the small model is asked: prompts, other scripts, no reconciliation, the steered channel.

    Args:
        held: what was recorded.
    """
    others = [DialogueScript.load(name).name for name in scripts() if name != held.script]
    gap = {told: held.by_seed("told gap", told=told) for told in (True, False)}
    across = least([held.correlation(kind, script) for script in others for kind in held.told])
    found = [
        held.by_seed("distinct replies").finding(
            "sampled",
            "one prompt has many replies (share of distinct ones over seeds)",
            unit="share",
            above=DISTINCT,
            possible=(0.0, 1.0),
        ),
        gap[True].finding(
            "note-works",
            "told a state of valence 0.8, replies are more positive than told -0.8",
            unit="valence",
            above=EFFECT_GAP,
        ),
        gap[False].within("note-removed", "the note removed, they are not", SAME_GAP, unit="valence"),
        across.finding(
            "other-scripts",
            "replies follow the state on the other scripts too (least correlation)",
            unit="r",
            above=CORRELATES,
            possible=(-1.0, 1.0),
        ),
        *_reconciliation(held),
        *_planted(held),
    ]
    steered = held.correlation(STEERED)
    if steered.values:
        found.append(
            steered.finding(
                "steered",
                "a vector scaled by the state, nothing told, moves the wording as well (correlation)",
                unit="r",
                above=CORRELATES,
                possible=(-1.0, 1.0),
            )
        )
        first = held.correlation(held.momenta[0])
        found.append(
            first.minus(steered).finding(
                "telling-beats-steering",
                "the wording follows more closely when the state is told than when it steers",
                unit="r",
                above=0.0,
            )
        )
    return found


def _reconciliation(held: Held) -> list[Finding]:
    """Judge the caveat that recovery hangs on the script's reconciliation."""
    script = f"{held.script} {UNRECONCILED}"
    found: list[Finding] = []
    for kind in held.momenta:
        with_it, without = held.state("crossing", kind), held.state("crossing", kind, script)
        never = held.state("recovered", kind, script) == 0.0
        late = None if with_it is None or without is None else without - with_it
        found.append(
            number(
                f"reconciliation-{_id(kind)}",
                f"{kind}: without a reconciliation the state comes back later",
                late,
                above=0.0,
                unit="turns",
                note=f"turn {with_it} with, {'never' if never else f'turn {without}'} without it",
            )
        )
    return found


def _planted(held: Held) -> list[Finding]:
    """Judge whether the measures give back what was planted: rates as shares of the slope of one that always heeds."""
    rows = held.rows("planted slope")
    if not rows.height:
        return []
    slopes, biases = dict[int, float](), dict[int, float]()
    by_rate: dict[float, dict[int, float]] = {}
    for (seed,), some in rows.group_by("seed", maintain_order=True):
        ordered = some.sort("heeds")
        rates, found = ordered["heeds"].to_numpy(), ordered["value"].to_numpy()
        share, own = found / found[-1], int(seed)  # type: ignore[arg-type]
        slopes[own], biases[own] = (float(one) for one in np.polyfit(rates, share, 1))
        for rate, one in zip(rates[:-1], share[:-1], strict=True):
            by_rate.setdefault(float(rate), {})[own] = float(one)
    ends = [(rate, Units(shares).interval().ends) for rate, shares in by_rate.items()]
    covered = [end[0] <= rate <= end[1] for rate, end in ends if end is not None]
    return [
        Units(slopes).finding(
            "instrument",
            "planted moods that heed the state at known rates are told apart by them (slope of recovered on planted)",
            unit="share",
            above=1.0 - RECOVERS,
            below=1.0 + RECOVERS,
            note=f"intervals over {held.shown} hold {sum(covered)} of {len(covered)} planted rates",
        ),
        Units(biases).within(
            "instrument-bias",
            "and none is taken for another (recovered where nothing is planted, from the line)",
            RECOVERS,
            unit="share",
            control=False,
        ),
        held.by_seed("planted correlation", heeds=0.0).within(
            "instrument-zero",
            "one that does not heed it does not follow it (correlation)",
            RECOVERS,
            unit="r",
        ),
    ]
