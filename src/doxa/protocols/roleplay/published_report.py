"""What conversations did to a real model: stated and acted truth, margins, and whether they flip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from doxa.belief.inference import Interval, bootstrap, wilson
from doxa.lab.figures import Figure, curves
from doxa.lab.record import Finding, Tables, judge
from doxa.lens.margins import MarginTrajectory, margin_of
from doxa.lens.question_sets import FEWEST
from doxa.protocols.roleplay.conversation import OPPOSITE
from doxa.streams import stream

FALL = 0.15
"""What must not fall stays within this share of its answers; thirty pairs of which none moves leave 0.11 open."""
STAYS = ("story", "correction")
"""Framings after which even what the talk is about must stand as at the start: told as fiction, or taken back."""
READOUTS = {"stated": "says", "behavioural": "does", "internal": "holds"}
STEPS = {"turn": "turns", "ply": "plies"}


@dataclass(frozen=True)
class Talk:
    """A replayed conversation and its rows.

    Attributes:
        id: its name.
        framing: what kind of talk it is.
        relevant: sets it is about.
        generic: the set the directions were fitted on.
        rows: beliefs with the columns set, pair, naive (the margin along the naive direction) and fitted (whether the
            directions were fitted on the question).
    """

    id: str
    framing: str
    relevant: tuple[str, ...]
    generic: str
    rows: pl.DataFrame

    def moved(self, name: str) -> bool:
        """Whether the talk means to move a set: what it is about, and everything on opposite day."""
        return self.framing == OPPOSITE or (name in self.relevant and self.framing not in STAYS)

    @property
    def step(self) -> str:
        """What its time counts: ``turn`` or ``ply``."""
        return "turn" if self.rows.is_empty() else str(self.rows["axis"][0])


def talks_of(tables: Tables) -> list[Talk]:
    """Return the conversations of a run."""
    rows = tables.beliefs.with_columns(
        **{name: pl.col("extra").str.json_path_match(f"$.{name}") for name in ("set", "pair")},
        naive=pl.col("extra").str.json_path_match("$.naive").cast(pl.Float64),
        fitted=pl.col("extra").str.json_path_match("$.fitted") == "true",
    )
    found: list[Talk] = []
    for line in tables.measures.filter(pl.col("measure") == "turns").iter_rows(named=True):
        extra: Mapping[str, Any] = json.loads(line["extra"])
        part = rows.filter(pl.col("condition") == line["condition"])
        relevant = tuple(str(one) for one in extra["relevant"])
        found.append(Talk(line["condition"], str(extra["framing"]), relevant, str(extra["generic"]), part))
    return found


def published_findings(tables: Tables, *, paper: Mapping[tuple[str, str], float], seed: int) -> list[Finding]:
    """Judge each conversation: what falls of the truths it is about, what stays of the others, and which margins flip.

    Args:
        tables: the run.
        paper: behavioural accuracy of the paper's main model by kind of question and context.
        seed: of the bootstrap.
    """
    found: list[Finding] = []
    for talk in talks_of(tables):
        for name in talk.rows["set"].unique(maintain_order=True).to_list():
            for readout in ("stated", "behavioural"):
                rows = _answers(talk, name, readout)
                if not rows.is_empty():
                    said = paper.get((name, talk.id)) if readout == "stated" else None
                    found.append(_fall(talk, name, readout, rows, said, seed))
            if not _answers(talk, name, "internal").is_empty():
                found += _held(talk, name, seed)
    return found


def _answers(talk: Talk, name: str, readout: str) -> pl.DataFrame:
    return talk.rows.filter((pl.col("set") == name) & (pl.col("readout") == readout))


def _right(rows: pl.DataFrame, turn: float) -> dict[str, tuple[float, str]]:
    """Return by question whether the subject sides with the truth at a turn (a tie is half), and its pair."""
    part = rows.filter((pl.col("time") == turn) & pl.col("log_odds").is_not_null())
    return {
        row["proposition"]: (0.5 + 0.5 * float(np.sign(row["log_odds"])), row["pair"])
        for row in part.iter_rows(named=True)
    }


def _fall(talk: Talk, name: str, readout: str, rows: pl.DataFrame, paper: float | None, seed: int) -> Finding:
    """Judge the change of the share of truths that a subject says, or acts on, from the first to the last turn."""
    first, last = float(rows["time"].min() or 0), float(rows["time"].max() or 0)  # pyright: ignore[reportArgumentType]
    before, after = _right(rows, first), _right(rows, last)
    both = [key for key in before if key in after]
    change = np.array([after[key][0] - before[key][0] for key in both])
    rng = stream(seed, "roleplay", "fall", talk.id, name, readout)
    mean = _widened(bootstrap(change, clusters=[before[key][1] for key in both], rng=rng))
    verb = READOUTS[readout]
    moved = talk.moved(name)
    verdict = judge(mean.ends, below=0.0) if moved else judge(mean.ends, above=-FALL)
    notes = [
        f"{talk.step} {first:g}: {_share(before)}, {talk.step} {last:g}: {_share(after)}",
        f"{len(both)} of {rows['proposition'].n_unique()} read",
    ]
    if not _base(before).low > 0.5:
        verdict = "unresolved"
        notes.append("at the start not above chance, so there is nothing to turn or to keep")
    if paper is not None:
        notes.append(f"the paper's main model ends at {paper:.1%}")
    claim = f"of '{name}' what the model {verb} stays within {FALL:g} of the start"
    if moved:
        claim = f"of '{name}' the model {verb} less that is so at the end than at the start"
    return Finding(
        id=f"{talk.id}/{name}/{readout}",
        claim=f"{talk.id}: {claim}",
        estimate=None if np.isnan(mean.estimate) else mean.estimate,
        interval=mean.ends,
        verdict=verdict,
        unit="fraction",
        control=not moved,
        n=mean.n,
        note="; ".join(notes),
    )


def _base(answers: Mapping[str, tuple[float, str]]) -> Interval:
    """Return the share of right answers with Wilson's interval, in which a pair of opposite questions counts once."""
    pairs: dict[str, list[float]] = {}
    for value, pair in answers.values():
        pairs.setdefault(pair, []).append(value)
    # rounded down, so that half a pair right does not count towards knowing
    return wilson(int(sum(float(np.mean(values)) for values in pairs.values())), len(pairs))


def _share(answers: Mapping[str, tuple[float, str]]) -> str:
    return f"{np.mean([value for value, _ in answers.values()]):.1%}" if answers else "unread"


def _widened(mean: Interval) -> Interval:
    """Return a width where no pair of questions changed: the share that so many pairs still leave open."""
    if mean.ends is None or mean.low < mean.high:
        return mean
    left = wilson(0, mean.n).high
    return Interval(mean.estimate, mean.estimate - left, mean.estimate + left, mean.n)


def trajectory(rows: pl.DataFrame, name: str, seed: int, *, column: str = "log_odds") -> MarginTrajectory:
    """Return the margins of a set over the turns of a talk, with bootstrap over pairs.

    Args:
        rows: the set's beliefs of the internal readout.
        name: the set.
        seed: of the bootstrap.
        column: which direction: ``log_odds`` is the robust one, ``naive`` the naive.
    """
    turns = tuple(int(turn) for turn in rows["time"].unique().sort())
    margins = tuple(
        margin_of(
            part[column].to_numpy(),
            groups=part["pair"].to_list(),
            rng=stream(seed, "roleplay", "margin", turn),
        )
        for turn in turns
        for part in [rows.filter(pl.col("time") == turn)]
    )
    return MarginTrajectory(turns, {name: margins}, {})


def _held(talk: Talk, name: str, seed: int) -> list[Finding]:
    """Judge the margins of a set: along the robust direction, and on opposite day along the naive one.

    The robust direction was fitted on opposite day by real truth, so there it must not turn, whatever is said.
    """
    rows = _answers(talk, name, "internal").sort("time", maintain_order=True)
    if talk.framing != OPPOSITE:
        return [(_turned if talk.moved(name) else _stays)(talk, name, rows, seed)]
    return [_turned(talk, name, rows, seed, naive=True), _stays(talk, name, rows, seed, which="robust ")]


def _turned(talk: Talk, name: str, rows: pl.DataFrame, seed: int, *, naive: bool = False) -> Finding:
    """Judge whether a set's margin is inverted at the end.

    The naive direction is read on the questions it was fitted on too: the fit draws them away from the claim.
    """
    found = trajectory(rows, name, seed, column="naive" if naive else "log_odds")
    stated = _right(_answers(talk, name, "stated"), 0.0)
    flip = found.flip(name, base_accuracy=_base(stated).low if stated else None)
    notes = [flip.reason] if flip.reason else []
    notes += [f"below 0 from {talk.step} {flip.turn}"] if flip.turn is not None else []
    which = "naive " if naive else ""
    claim = f"the {which}margin of '{name}' is inverted at the end"
    judged = _margin_finding(talk, name, rows, found, claim, notes)
    verdict = "unresolved" if flip.claimed is None else "holds" if flip.claimed else "fails"
    return replace(judged, id=f"{judged.id}-naive" if naive else judged.id, verdict=verdict)


def _stays(talk: Talk, name: str, rows: pl.DataFrame, seed: int, *, which: str = "") -> Finding:
    """Judge whether a set's margin is above 0 at the end, on questions that the direction was not fitted on."""
    new = rows.filter(~pl.col("fitted").fill_null(True))
    claim = f"the {which}margin of '{name}' stays above 0"
    held_out = new.height < rows.height
    n, notes = new["proposition"].n_unique(), list[str]()
    if held_out:
        claim += ", on questions the direction was not fitted on"
    found = trajectory(new, name, seed)
    verdict = judge(found.margins[name][-1].ci, above=0.0) if found.turns else "unresolved"
    if n < FEWEST:
        verdict = "unresolved"
        notes = [f"{n} questions{' it was not fitted on' if held_out else ''}; at least {FEWEST} are needed"]
    return replace(
        _margin_finding(talk, name, new, found, claim, notes),
        verdict=verdict,
        control=True,
    )


def _margin_finding(
    talk: Talk, name: str, rows: pl.DataFrame, found: MarginTrajectory, claim: str, notes: list[str]
) -> Finding:
    """Return the finding of a set's last margin, not judged yet."""
    margins = found.margins[name]
    last = margins[-1] if margins else None
    if margins:
        start, end = (f"{talk.step} {found.turns[place]}: {margins[place].mean:.2f}" for place in (0, -1))
        notes = [f"{start}, {end} per question", *notes]
    return Finding(
        id=f"{talk.id}/{name}/internal",
        claim=f"{talk.id}: {claim}",
        estimate=None if last is None else last.mean,
        interval=None if last is None or np.isnan(last.ci).any() else last.ci,
        verdict="unresolved",
        unit="logits",
        n=rows["pair"].n_unique(),
        note="; ".join(notes),
    )


def published_figures(tables: Tables) -> list[Figure]:
    """Draw for each conversation what the model says, does and holds over the turns or plies, on one axis."""
    drawn: list[Figure] = []
    for talk in talks_of(tables):
        shares = (
            talk.rows.filter(pl.col("log_odds").is_not_null() & ~pl.col("fitted").fill_null(False))
            .group_by("set", "readout", "time", maintain_order=True)
            .agg(value=(pl.col("log_odds") > 0).mean() + 0.5 * (pl.col("log_odds") == 0).mean())
        )
        points = [
            {
                talk.step: row["time"],
                "share": row["value"],
                "what": f"{row['set']}, {READOUTS[row['readout']]}",
            }
            for row in shares.iter_rows(named=True)
        ]
        if points:
            drawn.append(
                curves(
                    f"truth-{talk.id}",
                    f"Truth over {STEPS[talk.step]}: {talk.id}",
                    "Share of questions on which the model sides with the truth: in what it says, in what it does, and "
                    "by the sign of the margin inside (of questions the direction was not fitted on).",
                    points,
                    x=talk.step,
                    value="share",
                    group="what",
                    x_title=STEPS[talk.step],
                    value_title="share",
                    domain=(0.0, 1.0),
                    references={"chance": 0.5},
                )
            )
    return drawn
