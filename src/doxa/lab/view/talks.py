"""Conversations of a run: the list of them, one with its messages, and those that share its beginning.

A conversation is what stands under one name in one cell and condition. Its id names a row of it, ``CELL.PLACE``, so
that no name that a model or a study gave has to stand in an address.
"""
# ruff: noqa: S608 - what stands in these queries are names of this code; values of a browser are parameters

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.view.run_data import RunData
from doxa.lab.view.series import Where, equal_to, remembered

LETTERS = 4000
"""Letters of a message that come at once; the rest is folded, with its size."""

PIECE = 200_000
"""Letters of one further piece of a folded message."""

FORKS = 40
"""How many conversations with the same beginning are offered at most."""

_COMPARED = 400_000
"""How many messages are compared at most to find where conversations part, so that memory is bounded."""

_CANDIDATES = 400

_FOUND = 1000


class Talk(NamedTuple):
    """One conversation: where it is, and how its rows lie.

    Attributes:
        id: names a row of it.
        cell: key of its cell.
        condition, seed, name: as recorded.
        messages: how many it has.
        first: place of its first row if its rows lie together in the order of their turns, else None.
    """

    id: str
    cell: str
    condition: str
    seed: int
    name: str
    messages: int
    first: int | None

    @property
    def where(self) -> Where:
        """Its rows."""
        mine = "cell = ? AND condition = ? AND conversation = ?"
        return Where(mine, (self.cell, self.condition, self.name))


def talk_of(run: RunData, name: str) -> Talk:
    """Return a conversation by its id.

    Raises:
        InputError: there is none.
    """
    return remembered(run, ("talk", name), lambda: _talk(run, name))


def _talk(run: RunData, name: str) -> Talk:
    cell, _, place = name.rpartition(".")
    if not (place.isascii() and place.isdecimal() and len(place) <= 15):
        raise InputError(f"talk={name!r}: there is no such conversation; open it from the list")
    rows = run.sql(
        "SELECT condition, seed, conversation FROM transcripts WHERE cell = ? AND place = ?",
        (cell, int(place)),
    )
    if not rows:
        raise InputError(f"talk={name!r}: there is no such conversation; open it from the list")
    row = rows[0]
    found = Talk(name, cell, row["condition"], row["seed"], row["conversation"], 0, None)
    (lies,) = run.sql(
        f"""
        SELECT count(*) AS messages, min(place) AS first, max(place) AS last, bool_and(ordered) AS ordered
        FROM (SELECT place, turn >= lag(turn, 1, turn) OVER (ORDER BY place) AS ordered
              FROM transcripts WHERE {found.where.sql})
        """,
        found.where.values,
    )
    together = lies["ordered"] and lies["last"] - lies["first"] + 1 == lies["messages"]
    return found._replace(messages=lies["messages"], first=lies["first"] if together else None)


def talks(run: RunData, picks: Mapping[str, str], search: str, offset: int, limit: int) -> dict[str, Json]:
    """Return some conversations with their number of messages, and how many there are.

    Args:
        run: the run.
        picks: ``condition``, ``seed``, ``subject``, ``finish``; a conversation is meant if it has such a message.
        search: letters that a message or the conversation's name holds, in upper or lower case; "" for all.
        offset: of the first conversation.
        limit: how many at most.
    """
    where = equal_to("transcripts", {name: picks.get(name, "") for name in ("condition", "seed")})
    having, values = ["true"], list[Any]()
    for column in ("subject", "finish"):
        if picks.get(column):
            having.append(f"bool_or({column} = ?)")
            values.append(picks[column])
    hit, hits = "false", list[Any]()
    if search:
        hit, hits = (
            "(contains(lower(text), lower(?)) OR contains(lower(conversation), lower(?)))",
            [search] * 2,
        )
        having.append("found > 0")
    rows = run.sql(
        f"""
        SELECT cell, condition, seed, conversation, min(place) AS first, count(*) AS messages,
            sum(length(text))::BIGINT AS letters, sum(tokens)::BIGINT AS tokens,
            min(subject) AS subject, max(subject) AS other_subject, min(finish) AS finish, max(finish) AS other_finish,
            count(*) FILTER ({hit}) AS found, arg_min(left(text, 200), place) AS opening, count(*) OVER () AS total
        FROM transcripts WHERE {where.sql} GROUP BY cell, condition, seed, conversation HAVING {" AND ".join(having)}
        ORDER BY condition, seed, cell, first LIMIT ? OFFSET ?
        """,
        (*hits, *where.values, *values, limit, offset),
    )
    shown: list[Json] = [
        {
            "id": f"{row['cell']}.{row['first']}",
            **{
                name: row[name]
                for name in ("condition", "seed", "messages", "letters", "tokens", "found", "opening")
            },
            "name": row["conversation"],
            "subjects": list(dict.fromkeys((row["subject"], row["other_subject"]))),
            "finishes": list(dict.fromkeys((row["finish"], row["other_finish"]))),
        }
        for row in rows
    ]
    total = rows[0]["total"] if rows else (0 if not offset else None)
    return {"talks": shown, "offset": offset, "total": total}


def head(run: RunData, talk: Talk) -> dict[str, Json]:
    """Return what a conversation is, and those that begin as it does."""
    query = (
        f"SELECT list_sort(list(DISTINCT role))[:40] AS roles, sum(tokens)::BIGINT AS tokens, "
        f"sum(length(text))::BIGINT AS letters, arg_min(extra, place) AS extra FROM transcripts WHERE {talk.where.sql}"
    )
    (row,) = remembered(run, (query, repr(talk.where.values)), lambda: run.sql(query, talk.where.values))
    return {
        "id": talk.id, "cell": talk.cell, "condition": talk.condition, "seed": talk.seed, "name": talk.name,
        "messages": talk.messages, "letters": row["letters"], "tokens": row["tokens"], "roles": row["roles"],
        "branch": _branch(row["extra"]),
        "forks": remembered(run, ("forks", talk.cell, talk.condition, talk.name), lambda: _forks(run, talk)),
    }  # fmt: skip


def _forks(run: RunData, talk: Talk) -> list[Json]:
    """Return the conversations of the same cell that share the first messages, those that share most first."""
    named = {"cell": talk.cell, "condition": talk.condition, "name": talk.name}
    alike = run.sql(
        f"""
        WITH firsts AS (
            SELECT condition, conversation, min(place) AS place, count(*) AS messages
            FROM transcripts WHERE cell = $cell GROUP BY ALL
        ),
        opened AS (
            SELECT condition, conversation, place, messages, md5(role || chr(31) || text) AS opening, extra
            FROM transcripts JOIN firsts USING (condition, conversation, place) WHERE cell = $cell
        )
        SELECT condition, conversation, place, messages, extra FROM opened
        WHERE opening = (SELECT opening FROM opened WHERE condition = $condition AND conversation = $name)
            AND NOT (condition = $condition AND conversation = $name)
        ORDER BY place LIMIT {_CANDIDATES}
        """,
        named,
    )
    held: dict[tuple[str, str], dict[str, Any]] = {}
    left = _COMPARED - talk.messages
    for row in alike:
        left -= row["messages"]
        if left < 0:
            break
        held[row["condition"], row["conversation"]] = row
    if not held:
        return []
    shared = run.sql(
        """
        WITH placed AS (
            SELECT condition, conversation, md5(role || chr(31) || text) AS said,
                row_number() OVER (PARTITION BY condition, conversation ORDER BY turn, place) - 1 AS ordinal
            FROM transcripts WHERE cell = $cell AND ((condition = $condition AND conversation = $name)
                OR list_contains($conditions, condition) AND list_contains($names, conversation))
        ),
        mine AS (SELECT ordinal, said FROM placed WHERE condition = $condition AND conversation = $name),
        other AS (SELECT * FROM placed WHERE NOT (condition = $condition AND conversation = $name))
        SELECT condition, conversation,
            coalesce(min(ordinal) FILTER (mine.said IS NULL OR mine.said <> other.said), count(*)) AS shared
        FROM other LEFT JOIN mine USING (ordinal) GROUP BY ALL
        """,
        {**named, "conditions": [pair[0] for pair in held], "names": [pair[1] for pair in held]},
    )
    known = [row for row in shared if (row["condition"], row["conversation"]) in held]
    places = {pair: row["place"] for pair, row in held.items()}
    known.sort(key=lambda row: (-row["shared"], places[row["condition"], row["conversation"]]))
    return [_fork(talk, row, held[row["condition"], row["conversation"]]) for row in known[:FORKS]]


def _fork(talk: Talk, row: Mapping[str, Any], opened: Mapping[str, Any]) -> dict[str, Json]:
    return {
        "id": f"{talk.cell}.{opened['place']}", "condition": row["condition"], "name": row["conversation"],
        "branch": _branch(opened["extra"]), "shared": row["shared"], "messages": opened["messages"],
    }  # fmt: skip


def _branch(extra: str) -> str:
    """Return the name of a fork as the dialogue protocol records it, "" for a trunk or another protocol."""
    told = fields_of(extra).get("talk")
    return str(cast(dict[str, Any], told).get("branch", "")) if isinstance(told, dict) else ""


def messages(run: RunData, talk: Talk, offset: int, limit: int) -> list[dict[str, Any]]:
    """Return some messages in the order of their turns, each with the first letters of its text and its size."""
    where, values, order = talk.where.sql, talk.where.values, "LIMIT ? OFFSET ?"
    ends: tuple[int, ...] = (limit, offset)
    if talk.first is not None:
        where, order = f"{where} AND place >= ? AND place < ?", ""
        ends = (talk.first + offset, talk.first + offset + limit)
    return run.sql(
        f"""
        SELECT place, turn, role, subject, left(text, {LETTERS}) AS text, length(text) AS letters, tokens, finish,
            CASE WHEN length(extra) <= {PIECE} THEN extra ELSE left(extra, {LETTERS}) END AS extra
        FROM transcripts WHERE {where} ORDER BY turn, place {order}
        """,
        (*values, *ends),
    )


def piece(run: RunData, talk: Talk, place: int, start: int) -> dict[str, Json]:
    """Return a further piece of one message's text, from a letter on.

    Raises:
        InputError: the conversation has no such message.
    """
    rows = run.sql(
        f"SELECT substring(text, ?, {PIECE}) AS text, length(text) AS letters FROM transcripts "
        f"WHERE {talk.where.sql} AND place = ?",
        (start + 1, *talk.where.values, place),
    )
    if not rows:
        raise InputError(f"place={place}: the conversation has no such message")
    return {"text": rows[0]["text"], "from": start, "letters": rows[0]["letters"]}


def places_of(run: RunData, talk: Talk, search: str) -> dict[str, Json]:
    """Return which messages of a conversation hold some letters, counted from 0, at most the first 1,000."""
    rows = run.sql(
        f"""
        SELECT ordinal FROM (
            SELECT row_number() OVER (ORDER BY turn, place) - 1 AS ordinal, contains(lower(text), lower(?)) AS hit
            FROM transcripts WHERE {talk.where.sql})
        WHERE hit ORDER BY ordinal LIMIT {_FOUND + 1}
        """,
        (search, *talk.where.values),
    )
    return {"at": [row["ordinal"] for row in rows[:_FOUND]], "more": len(rows) > _FOUND}


def fields_of(extra: str) -> dict[str, Any]:
    """Return the extra fields of a row; none where they cannot be read."""
    try:
        found = json.loads(extra)
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}
