"""Question sets and conversations: those that come with doxa, and files that users bring.

Shipped sets are pairs: ``{"name", "pairs": [{"id", "yes", "no", "true", "false"}]}``, where ``yes`` is a question
whose factual answer is Yes, ``no`` the same question rewritten so that it is No, ``true`` and ``false`` statements of
the two. Shipped conversations, and the user's: ``{"id", "title", "framing", "step", "relevant", "turns": [{"user",
"assistant"}]}``, or a list of such turns, or of messages ``{"role", "content"}``; ``step`` is what is asked after, turn
(if not given) or ply. The user's questions: a CSV with the columns question, answer (Yes or No), split (train, test,
target or empty) and set.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast, get_args

from doxa.canonical import digest
from doxa.errors import InputError, did_you_mean
from doxa.protocols.roleplay.conversation import OPPOSITE, Conversation, Step, opposite_day
from doxa.protocols.roleplay.questions import Split, YesNoQuestion, YesNoQuestions, check_apart
from doxa.subjects.base import Message, Role

IDENTITY = "identity"
GENERIC: tuple[str, ...] = ("facts", IDENTITY)
"""Sets whose truth no shipped conversation is about, but opposite day; probes are fitted on the first."""
SETS: tuple[str, ...] = (*GENERIC, "ethics", "consciousness", "river", "glacier", "archive")
CONVERSATIONS: tuple[str, ...] = (
    OPPOSITE,
    "consciousness",
    "river",
    "glacier-story",
    "archive-story",
    "correction",
    "argument",
)
CORRECTED = "consciousness"
"""What the correction is put behind."""
COLUMNS = ("question", "answer", "split", "set")


def load_questions(source: str | Path = "shipped") -> dict[str, YesNoQuestions]:
    """Return question sets by name: the shipped ones, one of them, or a CSV of the user's.

    Raises:
        InputError: there is no such set or file, a column is missing, or an answer is neither Yes nor No.
    """
    if str(source) == "shipped":
        return {name: _shipped_set(name) for name in SETS}
    if str(source) in SETS:
        return {str(source): _shipped_set(str(source))}
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{source}: no such file, and no shipped set; {did_you_mean(str(source), SETS)}")
    return _read_csv(path.read_text("utf-8-sig"), str(source))


def load_conversation(source: str | Path) -> Conversation:
    """Return a shipped conversation by name, or a JSON file of the user's.

    Raises:
        InputError: there is no such conversation or file, it is malformed, or two messages in a row have one role.
    """
    if str(source) in CONVERSATIONS:
        return shipped_conversation(str(source))
    path = Path(source)
    if not path.is_file():
        known = did_you_mean(str(source), CONVERSATIONS)
        raise InputError(f"{source}: no such file, and no shipped conversation; {known}")
    try:
        value = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{source}: not JSON ({error})") from None
    return _read_conversation(value, path.stem, str(source))


def shipped_conversation(name: str) -> Conversation:
    """Return a conversation that comes with doxa.

    Raises:
        InputError: there is none of that name.
    """
    if name == OPPOSITE:
        return opposite_day()
    if name not in CONVERSATIONS:
        raise InputError(f"conversation={name!r}: {did_you_mean(name, CONVERSATIONS)}")
    if name == "correction":
        taken_back = _read_conversation(json.loads(_text("conversations", name)), name, name)
        whole = shipped_conversation(CORRECTED).then(*taken_back.turns, name=name)
        return replace(whole, turns=(), title=taken_back.title, framing=taken_back.framing)
    return _read_conversation(json.loads(_text("conversations", name)), name, name)


def check_files(conversations: Sequence[str], questions: str, generic: str) -> None:
    """Raise InputError if a conversation or question set is not there, or a talk is about an unknown set."""
    sets = load_questions(questions)
    if generic not in sets:
        raise InputError(f"generic={generic!r}: {did_you_mean(generic, sets)}")
    for source in conversations:
        talk = load_conversation(source)
        for name in talk.relevant:
            if name not in sets:
                raise InputError(f"{source}: relevant={name!r}: {did_you_mean(name, sets)}")
            if name != generic:
                check_apart(sets[generic], sets[name])


def sets_asked(
    conversation: Conversation, sets: Mapping[str, YesNoQuestions], generic: str
) -> dict[str, YesNoQuestions]:
    """Return the sets that are asked over a conversation: the generic one, identity, and those it is about.

    A conversation that names neither what it is about nor its framing is asked all of them.
    """
    asked = [generic, *([IDENTITY] if IDENTITY in sets else []), *conversation.relevant]
    if not conversation.relevant and conversation.framing == "" and set(sets) - {generic, IDENTITY}:
        asked = list(sets)
    return {name: sets[name] for name in dict.fromkeys(asked)}


def used_digest(conversation: Conversation, questions: str, generic: str) -> str:
    """Return 16 hexadecimal digits of what replaying one conversation uses: scripts and questions, as they are read.

    The scripts are its own and the opposite day that directions are fitted in. What else is shipped, or stands in the
    user's file, does not matter.

    Args:
        conversation: the script.
        questions: as ``load_questions`` takes it.
        generic: name of the set that directions are fitted on.

    Raises:
        InputError: as for ``load_questions``.
    """
    sets = sets_asked(conversation, load_questions(questions), generic)
    used: list[Any] = [
        [asdict(script) for script in (conversation, opposite_day())],
        {name: [asdict(item) for item in items] for name, items in sets.items()},
    ]
    return digest(used, length=16)


@cache
def _text(kind: str, name: str) -> str:
    folder = resources.files("doxa.protocols.roleplay") / "data" / kind
    return (folder / f"{name}.json").read_text("utf-8")


@cache
def _shipped_set(name: str) -> YesNoQuestions:
    pairs = json.loads(_text("questions", name))["pairs"]
    items = [
        YesNoQuestion(
            text=pair[answer],
            truth=answer == "yes",
            id=f"{pair['id']}/{answer}",
            set=name,
            pair=pair["id"],
            true=pair["true"],
            false=pair["false"],
        )
        for pair in pairs
        for answer in ("yes", "no")
    ]
    return YesNoQuestions(items, name=name)


def _read_csv(text: str, source: str) -> dict[str, YesNoQuestions]:
    table = csv.DictReader(io.StringIO(text))
    missing = [name for name in COLUMNS[:2] if name not in (table.fieldnames or ())]
    if missing:
        raise InputError(f"{source}: column '{missing[0]}' is missing; needed are {', '.join(COLUMNS)}")
    sets: dict[str, list[YesNoQuestion]] = {}
    for number, row in enumerate(table, 2):
        answer = (row["answer"] or "").strip().lower()
        split = (row.get("split") or "").strip().lower()
        name = (row.get("set") or "").strip() or Path(source).stem
        if answer not in ("yes", "no"):
            raise InputError(f"{source} line {number}: answer={row['answer']!r}: must be Yes or No")
        if split not in get_args(Split):
            raise InputError(f"{source} line {number}: split={split!r}: must be train, test, target or empty")
        item = YesNoQuestion(
            text=(row["question"] or "").strip(),
            truth=answer == "yes",
            id=f"{name}/{number}",
            set=name,
            split=cast(Split, split),
        )
        sets.setdefault(name, []).append(item)
    if not sets:
        raise InputError(f"{source}: no questions; give a line with {', '.join(COLUMNS)} for each")
    return {name: YesNoQuestions(items, name=name) for name, items in sets.items()}


def _read_conversation(value: Any, name: str, source: str) -> Conversation:
    head = cast(Mapping[str, Any], value if isinstance(value, Mapping) else {"turns": value})
    rows = head.get("turns", head.get("plies", head.get("messages")))
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in cast(list[Any], rows)):
        raise InputError(f"{source}: 'turns' must be a list of objects with 'user' and 'assistant'")
    lines = cast(list[Mapping[str, Any]], rows)
    step = head.get("step", "turn")
    if step not in get_args(Step):
        raise InputError(f"{source}: step={step!r}: must be turn or ply, what to ask after")
    rest: dict[str, Any] = {
        "id": str(head.get("id", name)),
        "title": str(head.get("title", "")),
        "framing": str(head.get("framing", "")),
        "relevant": tuple(str(one) for one in cast(list[Any], head.get("relevant") or [])),
        "system": str(head.get("system", "")),
        "step": step,
    }
    if lines and "role" in lines[0]:
        for number, line in enumerate(lines, 1):
            if line.get("role") not in get_args(Role):
                raise InputError(
                    f"{source}: message {number} has role {line.get('role')!r}; user or assistant"
                )
        if lines[0]["role"] == "system":
            rest["system"], lines = str(lines[0].get("content", "")), lines[1:]
        plies = [Message(cast(Role, line["role"]), str(line.get("content", ""))) for line in lines]
        return Conversation(plies=plies, **rest)
    for number, line in enumerate(lines, 1):
        if "user" not in line or ("assistant" not in line and number < len(lines)):
            raise InputError(f"{source}: turn {number} needs 'user' and 'assistant'")
    turns = [(str(line["user"]), str(line.get("assistant", ""))) for line in lines]
    return Conversation(turns=turns, **rest)
