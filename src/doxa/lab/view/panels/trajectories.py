"""Belief trajectories: what each readout says of a belief over time, all readouts on one axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from doxa.canonical import Json
from doxa.lab.record import AXES, READOUTS
from doxa.lab.view.lines_picture import lines_picture, shown
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.picks import checked, one_of, pick, values_of
from doxa.lab.view.run_data import RunData
from doxa.lab.view.series import CHOICES, Question, Series, Where, averaged, counted, equal_to

FACETS = ("condition", "proposition", "subject")
SCALES = {"credence": "credence", "log_odds": "log-odds (nats)"}
PICTURES = 12
"""How many pictures are drawn at most; further values of what sets them apart can be picked."""

_NAMES = (*FACETS, "axis", "readout", "apart", "scale")


def _data(run: RunData, query: Query) -> Json:
    checked(query, _NAMES)
    axes = counted(run, "beliefs", ["axis", "readout"])
    usual = _usual_axis(axes)
    axis = one_of(query, "axis", AXES, usual)
    readout = query.get("readout", "")
    if readout:
        one_of(query, "readout", READOUTS, "")
    apart = one_of(query, "apart", (*FACETS, "nothing"), "condition")
    scale = one_of(query, "scale", SCALES, "credence")
    picks = {name: query.get(name, "") for name in FACETS}
    where = equal_to("beliefs", {**picks, "axis": axis, "readout": readout})
    facets, where, left = _facets(run, apart, where)
    column = "''" if apart == "nothing" else apart
    question = Question("beliefs", scale, {"facet": column, "readout": "readout"}, where)
    series = averaged(run, question)
    readouts = [name for name in READOUTS if any(row["readout"] == name for row in axes)]
    return {
        "picks": [
            *(_offered(run, name, picks[name]) for name in FACETS),
            pick("readout", "Readout", readouts, readout, every="all"),
            pick("axis", "Axis", values_of(axes, "axis") or [axis], axis),
            pick("apart", "Pictures by", [*FACETS, "nothing"], apart),
            pick("scale", "Scale", list(SCALES.items()), scale),
        ],
        "pictures": cast(Json, _pictures(series, facets, readouts, axis, scale, apart)),
        "about": cast(Json, about(series, _averaged_over(run, apart, picks), left, apart)),
    }


def _usual_axis(rows: list[dict[str, Any]]) -> str:
    """Return the axis with most beliefs that were read from a subject."""
    held: dict[str, int] = {}
    for row in rows:
        held[row["axis"]] = held.get(row["axis"], 0) + (0 if row["readout"] == "reference" else row["rows"])
    return max(held, key=lambda name: held[name], default="turn")


def _offered(run: RunData, name: str, value: str) -> Json:
    return pick(name, name.capitalize(), values_of(counted(run, "beliefs", [name]), name), value, every="all")


def _facets(run: RunData, apart: str, where: Where) -> tuple[list[str], Where, int]:
    """Return the values that get a picture, the rows these are about, and how many further values there are."""
    if apart == "nothing":
        return [""], where, 0
    found = values_of(counted(run, "beliefs", [apart], where), apart)
    if len(found) <= PICTURES:
        return found, where, 0
    kept = found[:PICTURES]
    return kept, where.also(f"list_contains(?::VARCHAR[], {apart})", kept), len(found) - PICTURES


def _averaged_over(run: RunData, apart: str, picks: dict[str, str]) -> list[str]:
    free = [name for name in FACETS if name != apart and not picks[name]]
    return [f"{name}s" for name in free if len(counted(run, "beliefs", [name])) > 1]


def _pictures(
    series: Series, facets: list[str], readouts: list[str], axis: str, scale: str, apart: str
) -> list[dict[str, Json]]:
    times = [row["time"] for row in series.means]
    across = (min(times), max(times)) if times else None
    return [
        lines_picture(
            f"trajectories-{number + 1}",
            shown(facet) if apart != "nothing" else "All beliefs",
            [row for row in series.means if row["facet"] == facet],
            [row for row in series.singles if row["facet"] == facet],
            group="readout",
            known=readouts,
            x_title=axis,
            y_title=SCALES[scale],
            domain=(0.0, 1.0) if scale == "credence" else ends_of(series),
            across=across,
        )
        for number, facet in enumerate(facets)
        if series.means
    ]


def ends_of(series: Series) -> tuple[float, float] | None:
    """Return ends of the upright axis that all pictures share, with a little room."""
    held = [row[name] for row in series.means for name in ("mean", "low", "high") if row[name] is not None]
    held += [row["mean"] for row in series.singles if row["mean"] is not None]
    if not held:
        return None
    room = 0.04 * (max(held) - min(held)) or 0.5
    return min(held) - room, max(held) + room


def about(series: Series, over: list[str], left: int, apart: str) -> list[str]:
    """Return sentences that say how the picture was made and what is not in it."""
    if not series.means:
        return ["Nothing matches these picks."]
    seeds = series.seeds
    said = [
        f"Means over {seeds:,} seeds with 95 % intervals (Student's t)"
        f"{'; faint lines are single seeds.' if series.singles else '.'}"
        if seeds > 1
        else "One seed: a mean has no interval."
    ]
    if over:
        said.append(f"Within a seed every row counts alike, over all {' and '.join(over)}.")
    missing, endless, rows = (
        sum(row[name] for row in series.means) for name in ("missing", "endless", "rows")
    )
    if missing:
        said.append(f"{missing:,} of {rows:,} rows are missing; a point says how many of its own.")
    if endless:
        said.append(f"{endless:,} rows are infinite and not in the means.")
    if series.moments is not None:
        said.append(f"Time is divided into {series.moments:,} stretches, each drawn at its mean time.")
    if left:
        more = f"more than {CHOICES - PICTURES:,}" if left > CHOICES - PICTURES else f"{left:,}"
        said.append(f"{more} further values of {apart} are not drawn; pick one to see it.")
    return said


def _applies(run: RunData) -> bool:
    return run.has("beliefs")


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    yield {}
    yield {"scale": "log_odds"}
    for name in FACETS:
        found = values_of(counted(run, "beliefs", [name]), name)
        yield from ({name: value} for value in found[:20] if len(found) > 1 and value)


def _left_out(_run: RunData) -> str:
    return "Picks are kept one at a time."


PANEL = Panel("trajectories", "Trajectories", _data, _applies, _exported, _left_out, place=30)
