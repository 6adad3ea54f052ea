"""A subject's play beside people, beside other games, and beside itself asked in other ways: findings."""

from __future__ import annotations

import json
from typing import NamedTuple

import polars as pl

from doxa.belief.inference import Interval
from doxa.lab.record import Finding
from doxa.protocols.trust.comparing import paired_shift
from doxa.protocols.trust.findings import finding_of, interval_of

NEAR = 0.1
"""How far a share of the endowment may lie from another that it is held against."""
MOVED = 0.2
"""How far the median ρ may move when a question is put in another way."""


class People(NamedTuple):
    """What people send: the mean share of the endowment, and where it was found."""

    share: float
    source: str


PEOPLE = {
    "trust": People(
        0.50,
        "people: half in 162 replications (Johnson and Mislin 2011); in the first 5.16 of 10 dollars, and 2 of 32 sent "
        "nothing (Berg, Dickhaut and McCabe 1995)",
    ),
    "dictator": People(0.36, "people: 3.6 of 10 dollars that are tripled, 6.0 in the trust game (Cox 2004)"),
}
"""Of the games whose amounts are known of people."""


def beside_findings(frame: pl.DataFrame, transcripts: pl.DataFrame) -> list[Finding]:
    """Return the findings; those of games, styles and temperatures only where they were asked for."""
    main = frame.filter(condition="population")
    found = [_people(main, "trust")]
    found.append(
        _within(
            "nobody",
            f"personas send what is sent without one (difference of mean shares within {NEAR})",
            interval_of(main, "shift", ordering="nobody"),
            NEAR,
            unit="fraction",
        )
    )
    for name in dict.fromkeys(main["ordering"].drop_nulls()):
        if name.startswith(("style ", "temperature ")):
            found += _sensitivity(main, name)
    for condition in sorted({*frame["condition"].to_list()}):
        if condition.startswith("game "):
            found += _game(frame.filter(condition=condition), condition, transcripts)
    return found


def _people(frame: pl.DataFrame, game: str) -> Finding:
    share, source = PEOPLE[game]
    nothing = interval_of(frame, "sent nothing", ordering="none")
    told = "" if nothing.n == 0 else f"{nothing.estimate:.0%} send nothing; "
    return _within(
        f"people-{game}",
        f"in the {game} game personas send the share that people do, {share:.2f} ± {NEAR}",
        interval_of(frame, "share sent", ordering="none"),
        NEAR,
        centre=share,
        unit="fraction",
        note=told + source,
    )


def _within(
    name: str, claim: str, found: Interval, reach: float, *, centre: float = 0.0, **more: str
) -> Finding:
    return finding_of(name, claim, found, above=centre - reach, below=centre + reach, **more)


def _sensitivity(frame: pl.DataFrame, way: str) -> list[Finding]:
    slug = way.replace(" ", "-")
    return [
        _within(
            f"shift-{slug}",
            f"asked by {way}, personas send on average what they sent before (share within {NEAR})",
            interval_of(frame, "shift", ordering=way),
            NEAR,
            unit="fraction",
        ),
        _within(
            f"moved-{slug}",
            f"asked by {way}, stated and acted orders agree as before (median ρ within {MOVED})",
            interval_of(frame, "moved", ordering=way),
            MOVED,
        ),
    ]


def _game(frame: pl.DataFrame, condition: str, transcripts: pl.DataFrame) -> list[Finding]:
    game = condition.removeprefix("game ")
    found = [
        finding_of(
            f"game-{game}",
            f"in the {game} game what is stated of groups in context and play agree in order (median ρ)",
            interval_of(frame, "median spearman", strategy="CTX+TR"),
            above=0.0,
        ),
        finding_of(
            f"trust-over-{game}",
            f"the same persona sends more in the trust game than in the {game} game (mean difference of shares)",
            _over(transcripts, condition),
            above=0.0,
            unit="fraction",
            note=PEOPLE[game].source if game in PEOPLE else "",
        ),
    ]
    return found + ([_people(frame, game)] if game in PEOPLE else [])


def _over(transcripts: pl.DataFrame, condition: str) -> Interval:
    """Return by how much a larger share of the endowment the same personas sent in the trust game."""
    sent = {name: _plain_plays(transcripts, name) for name in ("population", condition)}
    both = sent["population"].join(sent[condition], on="conversation", suffix="_other")
    return paired_shift(both["share"], both["share_other"], 1)


def _plain_plays(transcripts: pl.DataFrame, condition: str) -> pl.DataFrame:
    rows = transcripts.filter(pl.col("conversation").str.starts_with("none "), condition=condition)
    extras = [json.loads(text) for text in rows["extra"]]
    shares = [None if one["sent"] is None else one["sent"] / one["endowment"] for one in extras]
    return rows.select("conversation").with_columns(pl.Series("share", shares, dtype=pl.Float64()))
