"""Task files for lm-evaluation-harness, written from the user's own copy of the questions.

Each task scores "(A)", "(B)" and "(C)" behind the released prompt. Plainly that is " (A)" after "Answer:", what doxa
calls the verbatim framing; with ``--apply_chat_template`` the prompt is the user's turn and "(A)" begins the reply,
doxa's chat framing. Questions without a definitive answer have files of their own, which report answer shares: the
harness weights a group by all rows of a task, so that rows without an accuracy would distort it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from doxa.canonical import canonical_json
from doxa.errors import InputError
from doxa.interop.questions import as_row, questions
from doxa.lab.files import write_atomic
from doxa.protocols.kable.items import KableItem, drawn_order
from doxa.protocols.kable.questions import LETTERS

VERSION = 1
"""Version of the task files; raised when they would give other numbers."""

GROUP = "kable"
SHARES = "kable_shares"
ACCURACIES = ("acc", "yes_share")
ANSWERS = ("yes_share", "no_share", "undeterminable_share", "unread_share")


class Exported(NamedTuple):
    """What was written: the folder, the harness's names of its groups, and the number of questions."""

    folder: Path
    groups: list[str]
    questions: int


def export_kable(
    folder: Path | str,
    *,
    tasks: str | Sequence[str] | None = None,
    subjects: str | Sequence[str] | None = None,
    types: str | Sequence[str] | None = None,
    key: str = "file",
    limit: int | None = None,
    seed: int = 0,
    report: str = "accuracy",
) -> Exported:
    """Write task files that ``lm-eval run --tasks kable --include_path FOLDER`` runs.

    Rows stand in the order of doxa's draw, so that ``--limit N`` of the harness takes questions of all subjects and
    types, and those that ``doxa run kable`` takes.

    Args:
        folder: written to; files of an earlier export are replaced.
        tasks: names of tasks, all if None.
        subjects: fields of knowledge, all if None.
        types: ``factual``, ``false`` or both (None).
        key: accepted letters of the released ``file`` or of the ``paper``.
        limit: questions of each task, type and subject; None takes all.
        seed: seed of the draw.
        report: ``accuracy`` where there is a key and shares elsewhere, or ``shares`` of all.

    Raises:
        InputError: the questions are not here, a name is unknown, or the accuracy of a task is asked for of which no
            chosen question has a key.
        StoreError: the folder cannot be written.
    """
    chosen = questions(
        tasks=tasks, subjects=subjects, types=types, key=key, limit=limit, seed=seed, report=report
    )
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise InputError(f"{place}: is a file; name a folder")
    ordered = drawn_order(chosen, seed=seed)
    accuracies: list[str] = []
    shares: list[str] = []
    for task in dict.fromkeys(item.task for item in chosen):
        own = [item for item in ordered if item.task == task]
        keyed = [item for item in own if item.accepted and report == "accuracy"]
        others = [item for item in own if not item.accepted or report == "shares"]
        if keyed:
            accuracies.append(_write_task(place, task, GROUP, keyed))
        if others:
            shares.append(_write_task(place, task, SHARES, others))
    functions = resources.files("doxa.interop.lm_eval").joinpath("kable_functions.py").read_bytes()
    write_atomic(place / "kable_functions.py", functions)
    groups = {GROUP: accuracies, SHARES: shares}
    for group, names in groups.items():
        if names:
            _write_group(place, group, names)
    return Exported(place, [group for group, names in groups.items() if names], len(chosen))


def _write_task(folder: Path, task: str, group: str, items: Sequence[KableItem]) -> str:
    """Write the rows and the file of one task; return its name in the harness."""
    name = f"{group}_{task.replace('-', '_')}"
    rows = f"questions/{name}.jsonl"
    lines = "".join(canonical_json(as_row(item)) + "\n" for item in items)
    write_atomic(folder / rows, lines.encode())
    metrics = ACCURACIES if group == GROUP else ANSWERS
    function = "accuracy" if group == GROUP else "shares"
    choices = [f"({letter})" for letter in LETTERS]
    text = [
        f"task: {json.dumps(name)}",
        f"tag: {json.dumps('kable_questions')}",
        "custom_dataset: !function kable_functions.rows",
        f"dataset_kwargs: {{questions: {json.dumps(rows)}}}",
        "test_split: test",
        "output_type: multiple_choice",
        "doc_to_text: prompt",
        f"doc_to_choice: {json.dumps(choices)}",
        "doc_to_target: accepted",
        'target_delimiter: " "',
        "num_fewshot: 0",
        f"process_results: !function kable_functions.{function}",
        "metric_list:",
        *(
            f"  - {{metric: {metric}, aggregation: mean, higher_is_better: {'true' if metric == 'acc' else 'false'}}}"
            for metric in metrics
        ),
        f"metadata: {{version: {VERSION}}}",
    ]
    write_atomic(folder / f"{name}.yaml", ("\n".join(text) + "\n").encode())
    return name


def _write_group(folder: Path, group: str, names: Sequence[str]) -> None:
    metrics = ACCURACIES if group == GROUP else ANSWERS
    text = [
        f"group: {group}",
        "task:",
        *(f"  - {json.dumps(name)}" for name in names),
        "aggregate_metric_list:",
        *(f"  - {{metric: {metric}, aggregation: mean, weight_by_size: true}}" for metric in metrics),
        f"metadata: {{version: {VERSION}}}",
    ]
    write_atomic(folder / f"{group}.yaml", ("\n".join(text) + "\n").encode())
