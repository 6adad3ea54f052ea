"""What asking subjects will cost and has cost: counted before a run, kept in its manifest, never in its tables."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from doxa.canonical import Json
from doxa.lab.context import Context
from doxa.lab.store import RunFolder

if TYPE_CHECKING:
    from doxa.lab.run import Plan
    from doxa.subjects.base import Conversation, Subject
    from doxa.subjects.counting import Spending
    from doxa.subjects.rehearsal import Expected, Known


@dataclass(frozen=True)
class Expectation:
    """What a run would do now: cells in all and to compute, and what is asked of each subject."""

    run: str
    study: str
    cells: int
    missing: int
    subjects: dict[str, Expected]

    def as_json(self) -> dict[str, Json]:
        """Return what ``--dry-run --json`` prints."""
        return asdict(self)


Heed: TypeAlias = "Callable[[str, Conversation, Sequence[str]], object]"
"""Called with the address, the conversation and, where they are scored, the options of a question."""


def expect_missing(todo: Plan, out: Path, *, heed: Heed | None = None) -> Expectation:
    """Return what a run would do now; nothing is asked, loaded or written. ``heed`` is called with each question."""
    folder = RunFolder(out / todo.name)
    missing = [key for key in todo.cells if not folder.has(key)]
    asked = expect(todo, missing, out, hosted_only=False, heed=heed)
    return Expectation(todo.name, todo.study.slug, len(todo.cells), len(missing), asked)


def expect(
    todo: Plan, keys: Sequence[str], out: Path, *, hosted_only: bool, heed: Heed | None = None
) -> dict[str, Expected]:
    """Return what some cells will ask of each subject, by address; the cells run against stand-ins.

    Questions that hang on earlier answers are counted as they come after empty ones. A cell that fails on those counts
    as far as it got.

    Args:
        todo: the run.
        keys: the cells.
        out: folder of the runs; the reply cache there says what is known already.
        hosted_only: leave out subjects on this machine, which cost only time.
        heed: called with each question that is counted.
    """
    asked = [key for key in keys if todo.cells[key].subjects]
    if not asked:
        return {}
    from doxa.subjects.addresses import hosted, metered, rehearse
    from doxa.subjects.rehearsal import rehearsal_of

    addresses = {address for key in asked for address in todo.cells[key].subjects}
    wanted = {address for address in addresses if (hosted(address) if hosted_only else metered(address))}
    stand_ins: dict[str, Subject] = {}
    with _known_replies(out / "replies.sqlite") as known:
        for key in asked:
            cell = todo.cells[key]
            if wanted.isdisjoint(cell.subjects):
                continue
            for address in cell.subjects:
                if address not in stand_ins:
                    stand_ins[address] = rehearse(address, known)
                    rehearsal = rehearsal_of(stand_ins[address])
                    if heed is not None and address in wanted and rehearsal is not None:
                        rehearsal.heed = partial(heed, address)
            context = Context(todo.study.slug, todo.config, cell, opener=stand_ins.__getitem__)
            with contextlib.suppress(Exception):  # the cell itself will say what is wrong
                todo.study.code.run(cell, context)
    counted = {address: rehearsal_of(subject) for address, subject in stand_ins.items() if address in wanted}
    return {address: rehearsal.expected for address, rehearsal in counted.items() if rehearsal is not None}


def prompt_line(address: str, conversation: Conversation, options: Sequence[str]) -> str:
    """Return a question as a line of JSON: subject, messages and, where they are scored, options."""
    from doxa.subjects.addresses import parse_address

    said: dict[str, Json] = {
        "subject": parse_address(address).text,
        "messages": [message.as_json() for message in conversation],
    }
    if options:
        said["options"] = list(options)
    return json.dumps(said, ensure_ascii=False) + "\n"


def expectation_text(address: str, expected: Expected) -> str:
    """Return in a line what will be asked of a subject."""
    from doxa.subjects.addresses import parse_address

    dollars = "" if expected.dollars is None else f", at most ${expected.dollars:,.2f}"
    return (
        f"{parse_address(address).text}: {expected.calls:,} questions, {expected.cached:,} of them answered in the "
        f"cache; about {expected.prompt_tokens:,} prompt tokens, at most {expected.reply_tokens:,} reply tokens"
        f"{dollars}"
    )


def spending_text(spent: Spending) -> str:
    """Return in a line what asking took."""
    parts = [
        f"{spent.hits + spent.asked:,} questions, {spent.hits:,} from the cache",
        f"{spent.requests:,} requests ({spent.retries:,} again)",
        f"{spent.tokens_in + spent.tokens_out:,} tokens",
    ]
    if spent.unanswered:
        parts.append(f"{spent.unanswered:,} unanswered")
    faults = ", ".join(f"{kind} × {count:,}" for kind, count in spent.faults.items())
    told = " · ".join([*parts, f"faults: {faults or 'none'}"])
    return "; ".join([told, *(_server_text(*one) for one in spent.servers.items())])


def _server_text(address: str, spent: Spending) -> str:
    """Return what asking took of one server of several."""
    faults = sum(spent.faults.values())
    return f"{address}: {spent.requests:,} requests, {spent.tokens_in + spent.tokens_out:,} tokens, {faults:,} faults"


def add_spending(folder: RunFolder, spending: Mapping[str, Spending]) -> None:
    """Add what a cell took to the run's manifest, also that of a cell that failed."""
    if not spending:
        return
    with folder.manifest() as manifest:
        total = spent_on(manifest)
        for address, spent in spending.items():
            total[address] = total[address].plus(spent) if address in total else spent
        manifest["asking"] = {address: spent.as_json() for address, spent in total.items()}


def spent_on(manifest: Mapping[str, Any]) -> dict[str, Spending]:
    """Return what asking took, by address, from a run's manifest."""
    asking: Mapping[str, Any] = manifest.get("asking", {})
    if not asking:
        return {}
    from doxa.subjects.counting import Spending

    return {address: Spending.of_json(counts) for address, counts in asking.items()}


@contextlib.contextmanager
def ledger_file(run: Path) -> Generator[Path]:
    """Yield the path of a ledger for one invocation, which is gone afterwards."""
    path = run / "locks" / f"budget-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
    try:
        yield path
    finally:
        for file in (path, path.with_suffix(".lock")):
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def _known_replies(path: Path) -> Generator[Known]:
    """Yield a function that returns which keys have an answer in the reply cache; none if there is no cache."""
    from doxa.subjects.cache import Journal

    def known(keys: Sequence[str]) -> set[str]:
        if journal is None:
            return set()
        found = zip(keys, journal.look_up(keys), strict=True)
        return {key for key, entry in found if entry.value is not None}

    journal = Journal(path) if path.is_file() else None
    try:
        yield known
    finally:
        if journal is not None:
            journal.close()
