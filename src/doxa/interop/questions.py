"""The KaBLE questions that a harness is given: chosen as ``doxa run kable`` chooses them, and refused without a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError, did_you_mean
from doxa.lab.data import locate
from doxa.protocols.kable.items import KableItem, choose, load

Report: TypeAlias = Literal["accuracy", "shares"]
REPORTS: tuple[Report, ...] = ("accuracy", "shares")
"""What a task reports: the accuracy by the key, or how often each letter was answered."""


def words(value: str | Sequence[str] | None) -> list[str] | None:
    """Return names given as a list or as one text with commas; None if there are none."""
    listed = value.split(",") if isinstance(value, str) else list(value or ())
    return [name.strip() for name in listed if name.strip()] or None


def questions(
    *,
    tasks: str | Sequence[str] | None = None,
    subjects: str | Sequence[str] | None = None,
    types: str | Sequence[str] | None = None,
    key: str = "file",
    limit: int | None = None,
    seed: int = 0,
    report: str = "accuracy",
) -> list[KableItem]:
    """Return the questions of a selection, from the user's copy of the data.

    Args:
        tasks: names of tasks, all if None.
        subjects: fields of knowledge, all if None.
        types: ``factual``, ``false`` or both (None).
        key: accepted letters of the released ``file`` or of the ``paper``.
        limit: questions of each task, type and subject; None takes all.
        seed: seed of that draw.
        report: what is to be reported of them.

    Raises:
        InputError: the data are not here (the message names the command), a name is unknown, or the accuracy of a
            task is asked for of which no chosen question has a key.
    """
    if report not in REPORTS:
        raise InputError(f"report={report!r}: {did_you_mean(report, REPORTS)}")
    found = load(locate("kable"), words(tasks), words(subjects), words(types), key)
    if report == "accuracy":
        for task in dict.fromkeys(item.task for item in found):
            if not any(item.accepted for item in found if item.task == task):
                raise InputError(
                    f"task '{task}' has no definitive answers on false rows; export answer shares instead "
                    "(report=shares)"
                )
    return choose(found, limit, seed=seed)


def as_row(item: KableItem) -> dict[str, Json]:
    """Return a question as plain JSON."""
    return {
        "id": item.id,
        "task": item.task,
        "type": item.type,
        "subject": item.subject,
        "idx": item.idx,
        "sentence": item.sentence,
        "prompt": item.prompt,
        "accepted": "".join(sorted(item.accepted)),
        "key": item.key,
    }


def from_row(row: dict[str, Any]) -> KableItem:
    """Return the question of a row that :func:`as_row` made.

    Raises:
        InputError: the row is not one.
    """
    try:
        fields: dict[str, Any] = {**row, "accepted": frozenset(row["accepted"])}
        return KableItem(**fields)
    except (KeyError, TypeError) as error:
        raise InputError(f"row {row.get('id', row)!r} is not one of a KaBLE question ({error})") from error
