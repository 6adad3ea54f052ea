"""KaBLE questions from files of the user's: read, checked, chosen."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from doxa.errors import InputError, did_you_mean
from doxa.protocols.kable.questions import KEYS, SUBJECTS, TASKS, TYPES, Key, SentenceType, accepted_letters
from doxa.streams import stream

_FIELDS: dict[str, type] = {
    "experiment_setup": str,
    "subject": str,
    "idx": int,
    "type": str,
    "raw_sentence": str,
    "query": str,
    "answer": str,
}
_ANSWER = re.compile(r"(?:\([A-C]\)(?:\s*,\s*\([A-C]\))*)?")
_ENDINGS = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class KableItem:
    """One question.

    Attributes:
        id: ``task/type/subject/idx``, stable across versions of this library.
        task: name of its task.
        subject: field of knowledge of its sentence.
        idx: number of the sentence; (subject, idx) pairs a true sentence with its false version.
        type: whether the sentence is ``factual`` or ``false``.
        sentence: the seed sentence, with full stop.
        prompt: the whole text put to a subject.
        accepted: letters that count as right; empty where no answer is definitive.
        key: whose letters these are, ``file`` or ``paper``.
    """

    id: str
    task: str
    subject: str
    idx: int
    type: SentenceType
    sentence: str
    prompt: str
    accepted: frozenset[str]
    key: Key = "file"


def load(
    path: Path | str,
    tasks: Collection[str] | None = None,
    subjects: Collection[str] | None = None,
    types: Collection[str] | None = None,
    key: Key | str = "file",
) -> list[KableItem]:
    """Read questions from a folder of ``<task>.jsonl`` or ``<task>.jsonl.gz`` files, or from one such file.

    Args:
        path: the folder or file.
        tasks: tasks to keep, all if None. A name beyond the thirteen is a task of the user's own, with its file.
        subjects: fields of knowledge to keep, all if None.
        types: ``factual``, ``false`` or both (None).
        key: ``file`` takes the accepted letters from the files, ``paper`` from the paper's table.

    Returns:
        The questions, tasks in the order asked for (else the paper's), rows in the order of their file.

    Raises:
        InputError: nothing there, a broken row (named by file and line), two rows with one id, no row left.
    """
    if key not in KEYS:
        raise InputError(f"key={key!r}: {did_you_mean(key, KEYS)}")
    for name in types or ():
        if name not in TYPES:
            raise InputError(f"type={name!r}: {did_you_mean(name, TYPES)}")
    custom = frozenset(tasks or ()) - frozenset(TASKS)
    found: dict[str, KableItem] = {}
    for file in _files(Path(path), tasks):
        for where, row in _rows(file):
            item = _item(row, where, key, custom)
            if tasks is not None and item.task not in tasks:
                continue
            if item.id in found:
                raise InputError(f"{where}: question {item.id} is there twice; keep one of the two")
            found[item.id] = item
    fields = {*SUBJECTS, *(item.subject for item in found.values())}
    for name in subjects or ():
        if name not in fields:
            raise InputError(f"subject={name!r}: {did_you_mean(name, fields)}")
    kept = [
        item
        for item in found.values()
        if (subjects is None or item.subject in subjects) and (types is None or item.type in types)
    ]
    if not kept:
        raise InputError(f"{path}: no question is left by tasks={tasks}, subjects={subjects}, types={types}")
    return kept


def choose(items: Sequence[KableItem], limit: int | None, *, seed: int = 0) -> list[KableItem]:
    """Return at most ``limit`` questions of each task, type and subject, in their order.

    One order of the sentences is drawn for each subject and serves every task and type, so that the questions
    kept are about the same sentences and stay paired; a smaller limit keeps a part of a larger one's questions.

    Args:
        items: questions to choose from.
        limit: questions per task, type and subject, >= 1; None keeps all (20 of the whole set: 5,200).
        seed: seed of the order.
    """
    if limit is None:
        return list(items)
    if limit < 1:
        raise InputError(
            f"limit={limit}: must be >= 1 question per task, type and subject; leave it out for all"
        )
    rank = _ranks(items, seed)
    cells: dict[tuple[str, str, str], list[KableItem]] = {}
    for item in items:
        cells.setdefault((item.task, item.type, item.subject), []).append(item)
    kept = {
        item.id
        for cell in cells.values()
        for item in sorted(cell, key=lambda item: rank[item.subject, item.idx])[:limit]
    }
    return [item for item in items if item.id in kept]


def drawn_order(items: Sequence[KableItem], *, seed: int = 0) -> list[KableItem]:
    """Return the questions so that every beginning is spread over subjects and types as evenly as can be.

    Of each task the first questions are those that :func:`choose` takes with limit 1, then those of limit 2.
    """
    rank = _ranks(items, seed)
    fields = {subject: place for place, subject in enumerate(dict.fromkeys(item.subject for item in items))}
    return sorted(
        items, key=lambda item: (rank[item.subject, item.idx], fields[item.subject], item.type == "false")
    )


def _ranks(items: Sequence[KableItem], seed: int) -> dict[tuple[str, int], int]:
    """Return the place of each sentence in the order drawn for its subject."""
    rank: dict[tuple[str, int], int] = {}
    for subject in sorted({item.subject for item in items}):
        numbers = sorted({item.idx for item in items if item.subject == subject})
        order = stream(seed, "kable", "sample", subject).permutation(len(numbers))
        rank.update({(subject, numbers[index]): place for place, index in enumerate(order.tolist())})
    return rank


def _files(path: Path, tasks: Collection[str] | None) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(
            f"{path}: there is no such folder or file; 'doxa data get kable' fetches the questions"
        )
    here: dict[str, Path] = {}
    for ending in reversed(_ENDINGS):
        here.update({file.name.removesuffix(ending): file for file in sorted(path.glob(f"*{ending}"))})
    if not here:
        raise InputError(
            f"{path}: holds no .jsonl or .jsonl.gz file; 'doxa data get kable' fetches the questions"
        )
    if tasks is None:
        order = list(TASKS)
        return [
            here[name] for name in sorted(here, key=lambda name: order.index(name) if name in order else 99)
        ]
    for name in tasks:
        if name not in here:
            raise InputError(f"{path}: holds no file for task '{name}'; {did_you_mean(name, here)}")
    return [here[name] for name in tasks]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row with the words that name its place."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); 'doxa data check kable' compares it") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}: is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: must be a JSON object with the keys {', '.join(_FIELDS)}")
        yield where, cast(dict[str, Any], row)


def _item(row: dict[str, Any], where: str, key: Key, custom: frozenset[str]) -> KableItem:
    for name, kind in _FIELDS.items():
        if name not in row:
            raise InputError(f"{where}: has no key '{name}'; a row needs {', '.join(_FIELDS)}")
        if not isinstance(row[name], kind) or isinstance(row[name], bool):
            raise InputError(f"{where}: {name}={row[name]!r} must be of type {kind.__name__}")
    task, type_, sentence = row["experiment_setup"], row["type"], row["raw_sentence"]
    if task not in TASKS and task not in custom:
        raise InputError(
            f"{where}: experiment_setup={task!r} is no task; {did_you_mean(task, TASKS)} "
            "A task of your own is read when it is named in tasks="
        )
    if type_ not in TYPES:
        raise InputError(f"{where}: type={type_!r} must be 'factual' or 'false'")
    if not _ANSWER.fullmatch(row["answer"]):
        raise InputError(
            f"{where}: answer={row['answer']!r} must be letters A to C such as '(B),(C)', or empty"
        )
    if not sentence.endswith(".") or sentence == ".":
        raise InputError(f"{where}: raw_sentence={sentence!r} must end in a full stop")
    accepted = (
        accepted_letters(task, type_, key)
        if key == "paper"
        else frozenset(re.findall("[A-C]", row["answer"]))
    )
    return KableItem(
        id=f"{task}/{type_}/{row['subject']}/{row['idx']}",
        task=task,
        subject=row["subject"],
        idx=row["idx"],
        type=type_,
        sentence=sentence,
        prompt=row["query"],
        accepted=accepted,
        key=key,
    )
