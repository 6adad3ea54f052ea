"""SqliteDict's side, used as lm-evaluation-harness's ``CachingLM`` uses it: a hashed key, a pickled value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sides.cache_work import Opener, answer, main, question
from sqlitedict import SqliteDict


class Dictionary:
    def __init__(self, path: Path, questions: list[str], answers: list[str], autocommit: bool) -> None:
        self.file = SqliteDict(str(path), autocommit=autocommit)
        self.questions, self.answers = questions, answers

    def key(self, number: int) -> str:
        arguments = ["generate_until", self.questions[number], {"until": [], "temperature": 0.0}]
        return hashlib.sha256(json.dumps(arguments).encode("utf-8")).hexdigest()

    def put(self, numbers: Sequence[int]) -> None:
        for place, number in enumerate(numbers, 1):
            self.file[self.key(number)] = self.answers[number]
            if not self.file.autocommit and place % 1000 == 0:
                self.file.commit()
        self.file.commit()

    def get(self, numbers: Sequence[int]) -> list[str | None]:
        return [self.file.get(self.key(number)) for number in numbers]

    def close(self) -> None:
        self.file.close()


def opener(count: int, case: dict[str, Any]) -> Opener:
    questions, answers = [[f(number) for number in range(count)] for f in (question, answer)]
    autocommit = bool(case.get("autocommit", True))
    return lambda folder: Dictionary(folder / "cache.db", questions, answers, autocommit)


if __name__ == "__main__":
    main(opener, packages=("sqlitedict",))
