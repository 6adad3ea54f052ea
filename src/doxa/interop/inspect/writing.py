"""A run of doxa's as an Inspect log: its viewer opens it, its tools read it, and nothing is lost on the way back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import doxa
from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.interop.inspect.needed import need_inspect
from doxa.interop.inspect.scores import results_of, scores_of
from doxa.interop.inspect.words import STOP, model_of, to_chat
from doxa.interop.rows import SCHEMA, to_plain
from doxa.lab.record import Tables
from doxa.lab.run import load
from doxa.lab.store import find_run
from doxa.secret import scrub, scrub_json
from doxa.subjects.base import Finish, Message, ToolCall

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage

ENDINGS = (".eval", ".json")
_ROLES = ("system", "user", "assistant", "tool")


def to_inspect(
    run_or_tables: Tables | str | os.PathLike[str], path: str | os.PathLike[str], *, out: Path | str = "runs"
) -> Path:
    """Write a run as an Inspect log.

    A sample is a conversation, or a proposition without one; its beliefs are its scores, seeds are epochs. The rows
    themselves go along in the metadata, so that :func:`from_inspect` gives the same tables again.

    Args:
        run_or_tables: a finished run by folder, name or start of its name; or tables.
        path: file to write, ``.eval`` or ``.json``.
        out: folder that holds the runs.

    Raises:
        InputError: no such run, another ending, or nothing to write.
        MissingExtraError: the extra ``inspect`` is not installed.
        StoreError: the run is damaged or not finished.
    """
    need_inspect("writing an Inspect log")
    from inspect_ai.log import write_eval_log

    if Path(path).suffix not in ENDINGS:
        raise InputError(f"{path}: an Inspect log ends in {' or '.join(ENDINGS)}")
    manifest: dict[str, Any] = {}
    if isinstance(run_or_tables, Tables):
        tables = run_or_tables.check()
    else:
        folder = find_run(run_or_tables, Path(out))
        manifest = {"run": folder.path.name, **folder.read_json("manifest.json")}
        tables = Tables(*(frame.drop("run", "study") for frame in load(folder.path)))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_eval_log(_log(tables, manifest), str(path), _ending(path))
    return Path(path)


def _ending(path: str | os.PathLike[str]) -> Any:
    return Path(path).suffix.removeprefix(".")


@dataclass
class _Group:
    """The rows of one sample: its beliefs, what was said, and the measures of it alone."""

    condition: str
    seed: int
    subject: str
    name: str
    beliefs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    said: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    scored: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def _log(tables: Tables, manifest: dict[str, Any]) -> EvalLog:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec, EvalStats

    groups = _groups(tables)
    subjects = list(dict.fromkeys(group.subject for group in groups))
    if not groups and tables.measures.is_empty():
        raise InputError("the tables hold no rows; there is nothing to write")
    seeds = sorted({group.seed for group in groups}) or [0]
    ids = _ids(groups)
    samples = [
        _sample(group, name, 1 + seeds.index(group.seed)) for group, name in zip(groups, ids, strict=True)
    ]
    study = str(manifest.get("study", "doxa"))
    run = str(manifest.get("run", study))
    made = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    started = str(manifest.get("started", made)).replace("Z", "+00:00")
    finished = str(manifest.get("finished", started)).replace("Z", "+00:00")
    model = model_of(subjects[0]) if len(subjects) == 1 else "none/none"
    name = digest([run, [frame.height for frame in tables]], length=22)
    return EvalLog(
        status="success",
        eval=EvalSpec(
            eval_id=name,
            run_id=name,
            created=started,
            task=study,
            task_id=name,
            task_args=cast(dict[str, Any], scrub_json(manifest.get("config", {}))),
            dataset=EvalDataset(name=study, samples=len(set(ids)), sample_ids=list(dict.fromkeys(ids))),
            model=model,
            config=EvalConfig(epochs=len(seeds)),
            packages={"doxa": doxa.__version__},
            metadata={
                "doxa": {
                    "schema": SCHEMA,
                    "run": run,
                    "command": scrub(str(manifest.get("command", ""))),
                    "subjects": subjects,
                    "measures": to_plain(tables.measures),
                }
            },
        ),
        results=results_of(samples),
        stats=EvalStats(started_at=started, completed_at=finished, model_usage=_usage(samples, model)),
        samples=samples,
    )


def _groups(tables: Tables) -> list[_Group]:
    """Return the samples in the order of their first row.

    A belief joins the conversation about its proposition, and a measure of one sample (``extra.sample``) that sample.
    """
    groups: dict[tuple[str, int, str, str], _Group] = {}

    def of(row: dict[str, Any], name: str) -> _Group:
        key = (row["condition"], row["seed"], row["subject"], name)
        return groups.setdefault(key, _Group(*key))

    for place, row in enumerate(to_plain(tables.transcripts)):
        of(row, str(row["conversation"])).said.append({"row": place, **row})
    for place, row in enumerate(to_plain(tables.beliefs)):
        of(row, str(row["proposition"])).beliefs.append({"row": place, **row})
    for row in to_plain(tables.measures):
        sample = json.loads(str(row["extra"])).get("sample")
        if isinstance(sample, str) and (row["condition"], row["seed"], row["subject"], sample) in groups:
            of(row, sample).scored.append(row)
    return list(groups.values())


def _ids(groups: Sequence[_Group]) -> list[str]:
    """Return the name of each sample, with condition and subject in front where the name alone is not one sample's."""
    of: dict[tuple[str, int], set[tuple[str, str]]] = {}
    for group in groups:
        of.setdefault((group.name, group.seed), set()).add((group.condition, group.subject))
    clear = all(len(owners) == 1 for owners in of.values())
    return [group.name if clear else f"{group.condition}/{group.subject}/{group.name}" for group in groups]


def _sample(group: _Group, name: str, epoch: int) -> EvalSample:
    from inspect_ai.log import EvalError, EvalSample
    from inspect_ai.model import ChatCompletionChoice, ChatMessageAssistant, ModelOutput, ModelUsage

    rows = sorted(group.said, key=lambda row: row["turn"])
    messages = _messages(rows)
    extras = [json.loads(row["extra"]) for row in group.beliefs]
    replies = [
        (row, message)
        for row, message in zip(rows, messages, strict=True)
        if isinstance(message, ChatMessageAssistant)
    ]
    output = ModelOutput()
    if replies:
        row, message = replies[-1]
        asked = sum(one["tokens"] for one in rows if one["role"] != "assistant")
        used = ModelUsage(input_tokens=asked, output_tokens=row["tokens"], total_tokens=asked + row["tokens"])
        stop = STOP.get(cast(Finish, row["finish"]), "unknown")
        output = ModelOutput(
            model=model_of(group.subject),
            choices=[ChatCompletionChoice(message=message, stop_reason=stop)],
            usage=used,
        )
    faults = [row for row in rows if row["finish"] == "fault"]
    told = [str(extra["missing"]) for extra in extras if str(extra.get("missing", "")).startswith("fault")]
    error = None
    if faults or told:
        extra = json.loads(faults[-1]["extra"]) if faults else {}
        why = str(extra.get("error") or (told[-1] if told else "no answer came"))
        trace = str(extra.get("traceback", ""))
        error = EvalError(message=why, traceback=trace, traceback_ansi=trace)
    opening = next((message.text for message in messages if message.role == "user"), group.name)
    return EvalSample(
        id=name,
        epoch=epoch,
        input=opening,
        target=sorted(str(extras[0].get("accepted", ""))) if extras else "",
        messages=messages,
        output=output,
        scores=scores_of(group.beliefs, group.scored),
        metadata={
            "condition": group.condition,
            "seed": group.seed,
            "subject": group.subject,
            "beliefs": group.beliefs,
        },
        model_usage={} if output.usage is None else {output.model: output.usage},
        error=error,
        uuid=digest([group.condition, group.seed, group.subject, group.name], length=22),
    )


def _messages(rows: Sequence[dict[str, Any]]) -> list[ChatMessage]:
    """Return a conversation; each message carries its row, so that it can be told again as it was recorded."""
    plain: list[Message] = []
    for row in rows:
        extra = json.loads(row["extra"])
        calls = tuple(
            ToolCall(str(call["name"]), cast(dict[str, Json], call["arguments"]), str(call.get("id", "")))
            for call in extra.get("tool_calls", [])
        )
        role = row["role"] if row["role"] in _ROLES else "user"
        plain.append(Message(role, row["text"], calls, str(extra.get("tool_call_id", ""))))
    out = to_chat(tuple(plain))
    for place, (row, message) in enumerate(zip(rows, out, strict=True)):
        message.id = digest(
            [row["subject"], row["conversation"], row["condition"], row["seed"], place], length=22
        )
        message.metadata = {"doxa": {key: value for key, value in row.items() if key != "text"}}
    return out


def _usage(samples: Sequence[EvalSample], model: str) -> dict[str, Any]:
    used = [sample.output.usage for sample in samples if sample.output.usage is not None]
    if not used:
        return {}
    total = used[0]
    for more in used[1:]:
        total = total + more
    return {model: total}
