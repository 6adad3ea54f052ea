"""Scripted subjects and made-up questions for the KaBLE tests; no sentence of the data set stands here."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from doxa.protocols import kable
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling

LETTERS = "ABC"


def kable_folder() -> Path:
    """Return the folder of the real questions: $DOXA_DATA/kable, or shared/data/kable beside the checkout."""
    given = os.environ.get("DOXA_DATA")
    folder = (Path(given) if given else Path(__file__).parents[3] / "shared" / "data") / "kable"
    assert folder.is_dir(), f"{folder} is not there: set DOXA_DATA to the folder that holds kable/"
    return folder


class Scripted:
    """Answers every prompt by a rule: text in, letter (or log-probabilities) out."""

    form = "published"
    address = "scripted:"
    identity = "scripted"
    context_tokens = None
    capabilities = frozenset({Capability.REPLY, Capability.SCORE})

    def __init__(self, letter: Callable[[str], str], sharpness: float = 3.0) -> None:
        self.letter = letter
        self.sharpness = sharpness
        self.calls: list[int] = []

    def score(self, queries: Sequence[Query]) -> list[np.ndarray]:
        self.calls.append(len(queries))
        return [self._log_probs(query.conversation[-1].content, len(query.options)) for query in queries]

    def reply(self, conversations: Sequence[Conversation], *, sampling: Sampling, tools=()) -> list[Reply]:
        assert sampling.temperature == 0.0
        self.calls.append(len(conversations))
        return [Reply(f"So, the answer is ({self.letter(talk[-1].content)}).") for talk in conversations]

    def _log_probs(self, prompt: str, n_options: int) -> np.ndarray:
        scores = np.zeros(n_options)
        scores[LETTERS.index(self.letter(prompt))] = self.sharpness
        return scores - np.log(np.exp(scores).sum()) - 1.0


def question_of(prompt: str) -> str:
    """Return the question line of a prompt."""
    return re.search(r"Question: (.*)\n", prompt).group(1)


def sentence(subject: str, idx: int, type_: str) -> str:
    """Return a made-up sentence; its truth can be read off."""
    return f"stone {idx} of {subject} is {'heavy' if type_ == 'factual' else 'weightless'}."


def made_items(
    tasks=None, subjects=("Math", "Law"), n=3, key="file", names=("James", "Mary")
) -> list[kable.KableItem]:
    """Return made-up questions of every task, subject and type, with the library's own keys."""
    return [
        kable.KableItem(
            id=f"{task}/{type_}/{subject}/{idx}",
            task=task,
            subject=subject,
            idx=idx,
            type=type_,
            sentence=sentence(subject, idx, type_),
            prompt=kable.render(sentence(subject, idx, type_), task, names),
            accepted=kable.accepted_letters(task, type_, key),
            key=key,
        )
        for task in (tasks or kable.TASKS)
        for type_ in kable.TYPES
        for subject in subjects
        for idx in range(n)
    ]


def row_of(item: kable.KableItem) -> dict[str, object]:
    """Return the released form of a question."""
    return {
        "experiment_setup": item.task,
        "subject": item.subject,
        "idx": item.idx,
        "type": item.type,
        "raw_sentence": item.sentence,
        "query": item.prompt,
        "answer": ",".join(f"({letter})" for letter in sorted(item.accepted)),
    }


def write_files(folder: Path, items: Sequence[kable.KableItem], *, compressed: bool = False) -> Path:
    """Write questions as files of a data set, one per task."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in {item.task for item in items}:
        lines = "".join(json.dumps(row_of(item)) + "\n" for item in items if item.task == task).encode()
        name = f"{task}.jsonl" + (".gz" if compressed else "")
        (folder / name).write_bytes(gzip.compress(lines, mtime=0) if compressed else lines)
    return folder
