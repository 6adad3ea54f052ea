"""Questions whose answer is a number, and replies graded by it: rewards that can be verified.

A file is JSON lines, ``{"prompt": "What is 2 + 2?", "answer": "4"}``, or Parquet with the columns that trainers of
this kind share, ``prompt`` (chat messages) and ``reward_model`` (with ``ground_truth``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import polars as pl

from doxa.errors import InputError

_NUMBER = re.compile(r"(?<![\w.])-?\$?\d[\d,]{0,40}(?:\.\d{1,40})?(?:/\d{1,40})?")
_LAST_CHARACTERS = 4096
"""An answer stands at the end of a reply; what is before is not searched."""


@dataclass(frozen=True)
class Question:
    """A question with a number for an answer."""

    prompt: str
    answer: Fraction


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a file.

    Raises:
        InputError: the file is missing or malformed, or an answer is no number; the line is named.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give JSON lines with prompt and answer, or Parquet")
    rows = _parquet(path) if path.suffix == ".parquet" else _lines(path)
    if not rows:
        raise InputError(f"{path}: holds no questions")
    found: list[Question] = []
    for number, (prompt, answer) in enumerate(rows, 1):
        value = final_number(answer)
        if not prompt or value is None:
            raise InputError(
                f"{path}, question {number}: needs a prompt and a number for an answer, not {answer!r}"
            )
        found.append(Question(prompt, value))
    return found


def final_number(text: str) -> Fraction | None:
    """Return the number a reply ends on: the first after its last ``Answer:``, else its last one; None without any.

    >>> final_number("3 eggs a day, 7 days. Answer: $1,021")
    Fraction(1021, 1)
    """
    end = text[-_LAST_CHARACTERS:]
    _, marked, said = end.rpartition("Answer:")
    numbers: list[str] = _NUMBER.findall(said if marked else end)
    if not numbers:
        return None
    try:
        return Fraction((numbers[0] if marked else numbers[-1]).replace(",", "").replace("$", ""))
    except (ValueError, ZeroDivisionError):
        return None


def graded(reply: str, question: Question) -> float:
    """Return 1 where a reply ends on the question's answer, else 0."""
    return float(final_number(reply) == question.answer)


def _lines(path: Path) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            one = cast(dict[str, Any], json.loads(line))
            rows.append((str(one["prompt"]), str(one["answer"])))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'{path}, line {number}: must be {{"prompt": ..., "answer": ...}} ({error})'
            ) from None
    return rows


def _parquet(path: Path) -> list[tuple[str, str]]:
    try:
        frame = pl.read_parquet(path, columns=["prompt", "reward_model"])
        return [
            (
                "\n\n".join(message["content"] for message in one["prompt"]),
                str(one["reward_model"]["ground_truth"]),
            )
            for one in frame.iter_rows(named=True)
        ]
    except (OSError, pl.exceptions.PolarsError, KeyError, TypeError) as error:
        raise InputError(f"{path}: must have the columns prompt and reward_model ({error})") from None
