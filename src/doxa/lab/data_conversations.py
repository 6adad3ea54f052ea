"""The files of ``persuasive-power``, made of the conversations and crowd answers in the authors' repository.

A conversation is a text: both system messages, then turns that begin with a role's name and end with a ruled line
(empty, claim, argument, reply, opinion question, verdict). It lies in ``convs<skeptic>/convs_<style>/``. The three
skeptics read the same arguments under other file names, and the crowd saw them as numbered pictures: both are matched
by text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from doxa.lab.data_archive import Archive, Recipe

STYLES = (
    "baseline", "knowledge", "power", "status", "trust", "support",
    "romance", "similarity", "identity", "fun", "conflict",
)  # fmt: skip
"""The styles in the order of the files."""
SKEPTICS = {"baseline": "convs", "easy": "convs_easy", "hard": "convs_hard"}
"""Folder of the conversations with each skeptic."""
BATCHES = {"1": "Batch_5161802_batch_results.csv", "2": "Batch_5162734_batch_results.csv"}
"""The two final batches of crowd answers."""

_RULE = re.compile(r"\n_{20}\n")
_TURNS = ("Convincer:", "Skeptic:", "Convincer:", "Skeptic:", "Convincer:", "Skeptic:")
_NO_LETTER = re.compile(r"[^A-Za-z0-9]+")


class Conversation(NamedTuple):
    """One conversation: its file, and what was said without white space at the ends."""

    file: str
    argument: str
    reply: str
    verdict: str


def parse_conversation(file: str, text: str) -> Conversation:
    """Return the argument, reply and verdict of a conversation.

    Raises:
        ValueError: it does not have the six turns in their order.
    """
    parts = _RULE.split(text)
    if len(parts) != len(_TURNS) + 1 or parts[-1].strip():
        raise ValueError(f"{file}: has {len(parts) - 1} turns, not {len(_TURNS)}")
    # The first part also holds the system messages, which end before its only, empty turn.
    parts[0] = parts[0][parts[0].rindex(_TURNS[0]) :]
    for part, role in zip(parts, _TURNS, strict=False):
        if not part.startswith(role):
            raise ValueError(f"{file}: a turn does not begin with {role}")
    said = [part.removeprefix(role).strip() for part, role in zip(parts, _TURNS, strict=False)]
    return Conversation(file, said[2], said[3], said[5])


def arguments(archive: Archive) -> bytes:
    """Return the arguments, one JSON object a line."""
    return _lines(
        {"argument_id": name, "dimension": style, "source_file": one.file, "argument": one.argument}
        for style, name, one in _numbered(archive)
    )


def replies(archive: Archive) -> bytes:
    """Return what the baseline skeptic replied to each argument, and its verdict, one JSON object a line."""
    return _lines(
        {"argument_id": name, "reply": one.reply, "verdict": one.verdict}
        for _, name, one in _numbered(archive)
    )


def outcomes(archive: Archive) -> bytes:
    """Return who was convinced by which argument, as CSV of RFC 4180; 1 if the first word of the verdict says yes."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["skeptic", "dimension", "argument_id", "source_file", "convinced"])
    names = _names(archive)
    for skeptic in SKEPTICS:
        for style in STYLES:
            for one in _conversations(archive, skeptic, style):
                yes = "yes" in one.verdict.split(maxsplit=1)[0].lower()
                writer.writerow([skeptic, style, names[_letters(one.argument)], one.file, int(yes)])
    return text.getvalue().encode()


def judgements(archive: Archive) -> bytes:
    """Return the crowd's answers in the order of the batches, as CSV; workers are numbered by the order of names."""
    shown = _rows(archive, "id_mappings.csv")
    names = _names(archive)
    pictures = {row["argumentId"]: names[_letters(row["argumentText"])] for row in shown}
    answers = [(batch, row) for batch, file in BATCHES.items() for row in _rows(archive, f"responses/{file}")]
    workers = sorted({row["WorkerId"] for _, row in answers})
    numbers = {worker: f"w{number:03d}" for number, worker in enumerate(workers)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    sides = ("dim1", "dim2", "argument_id1", "argument_id2", "image1", "image2")
    writer.writerow(["batch", "worker", *sides, "choice", "work_seconds"])
    for batch, row in answers:
        styles = [row[f"Input.dim{side}"] for side in (1, 2)]
        images = [PurePosixPath(row[f"Input.url{side}"]).name for side in (1, 2)]
        seen = [_seen(style, image, pictures) for style, image in zip(styles, images, strict=True)]
        choice = row["Answer.equal.label"].split()[-1]
        writer.writerow(
            [batch, numbers[row["WorkerId"]], *styles, *seen, *images, choice, row["WorkTimeInSeconds"]]
        )
    return text.getvalue().encode()


def scores(archive: Archive) -> bytes:
    """Return the classifier's scores of the ten dimensions, verbatim."""
    return archive.read(archive.names("*/tendims/result.json")[0])


CONVERSATION_FILES: Mapping[str, Recipe] = {
    "arguments": arguments,
    "replies": replies,
    "outcomes": outcomes,
    "judgements": judgements,
    "scores": scores,
}
"""How each file is made, by the name the catalogue calls it."""


def _conversations(archive: Archive, skeptic: str, style: str) -> list[Conversation]:
    pattern = f"*/conversation_generation/{SKEPTICS[skeptic]}/convs_{style}/*.txt"
    return [
        parse_conversation(PurePosixPath(name).name, archive.read(name).decode())
        for name in archive.names(pattern)
    ]


def _numbered(archive: Archive) -> Iterator[tuple[str, str, Conversation]]:
    """Yield the style, the name and the conversation of each argument, as the baseline skeptic read them."""
    for style in STYLES:
        for number, one in enumerate(_conversations(archive, "baseline", style)):
            yield style, f"{style}-{number:03d}", one


def _names(archive: Archive) -> dict[str, str]:
    return {_letters(one.argument): name for _, name, one in _numbered(archive)}


def _letters(text: str) -> str:
    """Return the letters and digits of a text: copies of an argument may differ in white space and in signs."""
    return _NO_LETTER.sub("", text)


def _seen(style: str, image: str, pictures: Mapping[str, str]) -> str:
    """Return the argument on a picture; a sabotaged one of the controls has a name of its own."""
    if style.startswith("control"):
        return f"control-{style.removeprefix('control')}"
    return pictures[image.removeprefix("image").removesuffix(".svg")]


def _rows(archive: Archive, file: str) -> list[dict[str, str]]:
    body = archive.read(archive.names(f"*/mturk/{file}")[0]).decode()
    return list(csv.DictReader(io.StringIO(body, newline="")))


def _lines(rows: Iterator[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
