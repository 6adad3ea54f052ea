"""Inspect's logs as doxa's tables.

Every sample's messages become transcripts, every score a measure. Beliefs are read where it is known what an answer
says: from doxa's own tasks, and from multiple-choice questions, one row per choice. A sample that failed is kept: its
last row has ``finish="fault"`` with error and traceback, and what would have been its belief is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from doxa.errors import InputError
from doxa.interop.inspect.answers import choice_beliefs, kable_beliefs
from doxa.interop.inspect.needed import need_inspect
from doxa.interop.inspect.scores import WORTH
from doxa.interop.inspect.words import FINISH, subject_of
from doxa.interop.rows import SCHEMA, from_plain, tables_from_plain
from doxa.lab.record import Recorder, Tables

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage
    from inspect_ai.scorer import Score


def from_inspect(log: EvalLog | Path | str) -> Tables:
    """Return a log's beliefs, measures and transcripts.

    Args:
        log: a log, or the path of a ``.eval`` or ``.json`` file. One that :func:`to_inspect` wrote gives back the very
            tables it was made of.

    Raises:
        InputError: the file is no log, or holds rows of another version.
        MissingExtraError: the extra ``inspect`` is not installed.
    """
    found = read_log(log) if isinstance(log, str | Path) else log
    kept = (found.eval.metadata or {}).get("doxa")
    if isinstance(kept, dict) and "measures" in kept:
        return _kept(found, cast(dict[str, Any], kept))
    parts = [_sample_tables(found, sample) for sample in in_order(found)]
    parts += [_beliefs(found), _results(found)]
    return Tables.concat(parts)


def read_log(path: Path | str) -> EvalLog:
    """Return the log of a file, long texts in their places.

    Raises:
        InputError: there is no such file, or it is no log.
        MissingExtraError: the extra ``inspect`` is not installed.
    """
    need_inspect("reading an Inspect log")
    from inspect_ai.log import read_eval_log

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give a .eval or .json log of Inspect's")
    try:
        return read_eval_log(str(path), resolve_attachments=True)
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise InputError(f"{path}: is no log that Inspect can read ({said})") from error


def in_order(log: EvalLog) -> list[EvalSample]:
    """Return a log's samples in the order of its data set; a file keeps them by name."""
    places = {str(name): place for place, name in enumerate(log.eval.dataset.sample_ids or ())}
    return sorted(
        log.samples or (), key=lambda sample: (sample.epoch, places.get(str(sample.id), len(places)))
    )


def is_task(log: EvalLog, name: str) -> bool:
    """Return whether a log is of one of doxa's tasks."""
    return (log.eval.task_registry_name or log.eval.task) == f"doxa/{name}"


def condition_of(log: EvalLog, sample: EvalSample) -> str:
    """Return the condition of a sample: as in a run of the same study, else the name of the task."""
    if is_task(log, "kable"):
        return str(sample.metadata.get("task", log.eval.task))
    if is_task(log, "context_drift"):
        return str(sample.metadata.get("way", log.eval.task))
    return log.eval.task


def _kept(log: EvalLog, kept: dict[str, Any]) -> Tables:
    """Return the tables that a log was made of, their rows in their order."""
    if kept.get("schema") != SCHEMA:
        raise InputError(
            f"the log holds doxa's rows in version {kept.get('schema')}; this doxa reads version {SCHEMA}: "
            "use the doxa that wrote it"
        )
    beliefs: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for sample in log.samples or ():
        beliefs += cast(list[dict[str, Any]], sample.metadata.get("beliefs", []))
        said += [
            {**cast(dict[str, Any], (message.metadata or {})["doxa"]), "text": message.text}
            for message in sample.messages
        ]
    return Tables(
        from_plain("beliefs", _told_again(beliefs)),
        from_plain("measures", kept["measures"]),
        from_plain("transcripts", _told_again(said)),
    )


def _told_again(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows in the order of their numbers, without these."""
    return [
        {key: value for key, value in row.items() if key != "row"}
        for row in sorted(rows, key=lambda row: row["row"])
    ]


def _sample_tables(log: EvalLog, sample: EvalSample) -> Tables:
    """Return what one sample said and how it was scored; a drift sample brings the protocol's own record."""
    recorder = Recorder(condition_of(log, sample), sample.epoch - 1)
    subject = subject_of(log.eval.model)
    own = sample.store.get("doxa") if is_task(log, "context_drift") else None
    if own is None or sample.error is not None:
        _record_messages(recorder, subject, sample)
    for name, score in (sample.scores or {}).items():
        for measure, value in _values(name, score):
            _record_score(recorder, subject, str(sample.id), measure, value, score)
    tables = recorder.tables()
    return tables if own is None else Tables.concat([tables_from_plain(own), tables])


def _record_messages(recorder: Recorder, subject: str, sample: EvalSample) -> None:
    said: dict[str, Any] = {"subject": subject, "conversation": str(sample.id)}
    usage = None if sample.output.empty else sample.output.usage
    last = max((turn for turn, one in enumerate(sample.messages) if one.role == "assistant"), default=-1)
    for turn, message in enumerate(sample.messages):
        ends = turn == last and not sample.output.empty
        recorder.utterance(
            **said,
            turn=turn,
            role=message.role,
            text=message.text,
            tokens=usage.output_tokens if ends and usage is not None else 0,
            finish=FINISH[sample.output.stop_reason] if ends else "",
            **_extra(message),
        )
    if sample.error is not None:
        recorder.utterance(
            **said,
            turn=len(sample.messages),
            role="assistant",
            text="",
            finish="fault",
            error=sample.error.message,
            traceback=sample.error.traceback,
        )


def _extra(message: ChatMessage) -> dict[str, Any]:
    if message.role == "assistant" and message.tool_calls:
        return {
            "tool_calls": [
                {"name": call.function, "arguments": call.arguments, "id": call.id}
                for call in message.tool_calls
            ]
        }
    if message.role == "tool":
        return {"tool_call_id": message.tool_call_id or ""}
    return {}


def _values(name: str, score: Score) -> list[tuple[str, Any]]:
    if isinstance(score.value, dict):
        return [(f"{name}/{key}", value) for key, value in score.value.items()]
    if isinstance(score.value, Sequence) and not isinstance(score.value, str):
        return [(f"{name}/{place}", value) for place, value in enumerate(score.value)]
    return [(name, score.value)]


def _record_score(
    recorder: Recorder, subject: str, sample: str, measure: str, value: Any, score: Score
) -> None:
    number = WORTH.get(value) if isinstance(value, str) else value
    extra: dict[str, Any] = {"sample": sample}
    if score.answer is not None:
        extra["answer"] = score.answer
    if number is None or math.isnan(number):
        extra["missing"] = score.reason or ("not scored" if not isinstance(value, str) else "not a number")
        number = None
    if isinstance(value, str):
        extra["score"] = value
    recorder.measure(measure, None if number is None else float(number), subject=subject, **extra)


def _results(log: EvalLog) -> Tables:
    """Return the log's own metrics, named metric/score."""
    recorder = Recorder(log.eval.task, 0)
    for score in log.results.scores if log.results is not None else ():
        for key, metric in score.metrics.items():
            name = f"{metric.group}/{key}" if metric.group and metric.group != key else key
            counted: dict[str, Any] = {"scored": score.scored_samples, "unscored": score.unscored_samples}
            if math.isnan(metric.value):
                counted["missing"] = "not defined"
            recorder.measure(
                f"{name}/{score.name}", metric.value, subject=subject_of(log.eval.model), **counted
            )
    return recorder.tables()


def _beliefs(log: EvalLog) -> Tables:
    """Return what the answers say, as far as that is known."""
    if is_task(log, "kable"):
        conditions = [(sample, condition_of(log, sample)) for sample in in_order(log)]
        return kable_beliefs(conditions, subject_of(log.eval.model), str(log.eval.task_args.get("method")))
    if is_task(log, "context_drift"):
        return Tables.empty()  # in the samples' own record
    return choice_beliefs(log, subject_of(log.eval.model))
