"""Conversations: a list that can be searched, and one with its turns, beside those that share its beginning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from doxa.canonical import Json
from doxa.lab.view.message_marks import marked
from doxa.lab.view.panels import Panel, Query
from doxa.lab.view.picks import checked, pick, values_of, whole_number
from doxa.lab.view.run_data import RunData
from doxa.lab.view.series import counted
from doxa.lab.view.talks import head, messages, piece, places_of, talk_of, talks

FILTERS = ("condition", "seed", "subject", "finish")
LIMIT = 200
"""Conversations or messages of one answer at most."""

FURTHEST = 2**32 - 2
"""Letter at which a further piece of a text can begin, as far as DuckDB counts."""

EXPORTED_TALKS, EXPORTED_TURNS = 50, 500
"""What a static export keeps: conversations, and messages of each."""

_NAMES = (*FILTERS, "search", "offset", "limit", "talk", "place", "from", "find", "beside", "turn", "picks")


def _data(run: RunData, query: Query) -> Json:
    checked(query, _NAMES)
    if query.get("talk"):
        return _one(run, query)
    if "picks" in query:
        return {"picks": [_offered(run, name, query.get(name, "")) for name in FILTERS]}
    offset, limit = whole_number(query, "offset", 0), whole_number(query, "limit", 50, LIMIT)
    return talks(run, {name: query.get(name, "") for name in FILTERS}, query.get("search", ""), offset, limit)


def _one(run: RunData, query: Query) -> Json:
    talk = talk_of(run, query["talk"])
    if "place" in query:
        return piece(run, talk, whole_number(query, "place", 0), whole_number(query, "from", 0, FURTHEST))
    if query.get("find"):
        return places_of(run, talk, query["find"])
    told = head(run, talk)
    if "offset" not in query:
        return told
    offset, limit = whole_number(query, "offset", 0), whole_number(query, "limit", 50, LIMIT)
    roles = cast(list[str], told["roles"])
    return {"offset": offset, "messages": [marked(row, roles) for row in messages(run, talk, offset, limit)]}


def _offered(run: RunData, name: str, value: str) -> Json:
    found = values_of(counted(run, "transcripts", [name]), name)
    return pick(name, name.capitalize(), sorted(found, key=_by_number), value, every="all")


def _by_number(text: str) -> tuple[int, str]:
    return (int(text), "") if text.removeprefix("-").isdecimal() and len(text) < 19 else (0, text)


def _applies(run: RunData) -> bool:
    return run.has("transcripts")


def _exported(run: RunData) -> Iterable[dict[str, str]]:
    yield {"picks": "1"}
    yield {"offset": "0", "limit": str(EXPORTED_TALKS)}
    listed = cast(list[dict[str, Json]], talks(run, {}, "", 0, EXPORTED_TALKS)["talks"])
    for one in listed:
        name, many = str(one["id"]), cast(int, one["messages"])
        yield {"talk": name}
        yield from (
            {"talk": name, "offset": str(start), "limit": "50"}
            for start in range(0, min(many, EXPORTED_TURNS), 50)
        )


def _left_out(run: RunData) -> str:
    found = talks(run, {}, "", 0, EXPORTED_TALKS)
    total = cast(int, found["total"])
    longest = max(
        (cast(int, one["messages"]) for one in cast(list[dict[str, Json]], found["talks"])), default=0
    )
    left = [f"the first {EXPORTED_TALKS} of {total:,} conversations"] if total > EXPORTED_TALKS else []
    left += [f"the first {EXPORTED_TURNS} messages of each"] if longest > EXPORTED_TURNS else []
    return f"It holds {' and '.join(left)}." if left else ""


PANEL = Panel("transcripts", "Transcripts", _data, _applies, _exported, _left_out, place=40)
