"""Results of lm-evaluation-harness as doxa's tables.

Metrics become measures. Where samples were logged (``--log_samples``), the options of a multiple choice become beliefs:
KaBLE's questions as ``doxa run kable`` records them, of other tasks one row per option with its share in the
probability of all options. Generated texts become transcripts.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from doxa.belief.information import logsumexp
from doxa.canonical import Json
from doxa.errors import InputError
from doxa.interop.questions import from_row
from doxa.lab.record import Recorder, Tables
from doxa.protocols.kable.rows import record_rows, rows_from_log_probs

_RESULTS = re.compile(r"results_(.+)\.json")
_KABLE = frozenset({"id", "task", "type", "subject", "idx", "sentence", "prompt", "accepted", "key"})


class Results(NamedTuple):
    """One run of the harness: its results, and the samples by task where they were logged."""

    path: Path
    body: dict[str, Any]
    samples: dict[str, list[dict[str, Any]]]

    @property
    def subject(self) -> str:
        """The address of its model: a folder or hub name, a subject of doxa's, or the harness's own names."""
        model = str(self.body.get("model_source") or self.body.get("config", {}).get("model", "model"))
        given = self.body.get("config", {}).get("model_args") or {}
        arguments = cast(dict[str, Any], given if isinstance(given, dict) else {})
        if model == "doxa" and arguments.get("address"):
            return str(arguments["address"])
        name = arguments.get("pretrained") or self.body.get("model_name") or ""
        return f"hf:{name}" if model in ("hf", "hf-auto", "huggingface") else f"lm-eval:{model}/{name}"

    @property
    def framing(self) -> str:
        """How a question was put, see ``KableResult.framing``."""
        template = str(self.body.get("chat_template") or "")
        if template.startswith("doxa turns "):
            return template.rpartition(" ")[2]
        if self.body.get("model_source") == "doxa":
            return "own"
        return "chat" if template else "verbatim"


def from_lm_eval(path: Path | str) -> Tables:
    """Return the tables of one run of the harness.

    Args:
        path: a ``results_….json`` file, or a folder that holds one run; samples are looked for beside it.

    Raises:
        InputError: there is none, there are several, or a file is not what the harness writes.
    """
    return tables_of(read_results(path))


def tables_of(results: Results) -> Tables:
    """Return beliefs, measures and transcripts of a run that was read."""
    parts = [_measures(results)]
    for task, samples in results.samples.items():
        if samples and set(samples[0]["doc"]) >= _KABLE:
            parts += _kable(results, samples)
        else:
            parts.append(_others(results, task, samples))
    return Tables.concat(parts)


def read_results(path: Path | str) -> Results:
    """Return a run of the harness with its samples; raises as :func:`from_lm_eval`."""
    place = Path(path)
    if place.is_dir():
        found = sorted(place.rglob("results_*.json"))
        if len(found) != 1:
            named = ", ".join(str(one.relative_to(place)) for one in found[:4]) or "none"
            raise InputError(
                f"{place}: must hold one results_*.json, holds {len(found)} ({named}); name the file"
            )
        place = found[0]
    body = _json(place)
    if "results" not in body or "configs" not in body:
        raise InputError(f"{place}: holds no results of lm-evaluation-harness (no 'results' and 'configs')")
    match = _RESULTS.fullmatch(place.name)
    samples: dict[str, list[dict[str, Any]]] = {}
    for task in body["configs"]:
        file = place.with_name(f"samples_{task}_{match[1]}.jsonl") if match else None
        if file is not None and file.is_file():
            samples[task] = _rows(file)
    return Results(place, body, samples)


def _measures(results: Results) -> Tables:
    """Return every metric of every task and group, ``acc`` of filter ``none`` under its plain name."""
    parts: list[Tables] = []
    for task, metrics in {**results.body["results"], **results.body.get("groups", {})}.items():
        recorder = Recorder(task, 0)
        for key, value in metrics.items():
            name, comma, chosen = key.partition(",")
            if not comma:
                continue
            number = value if isinstance(value, int | float) and math.isfinite(value) else None
            extra: dict[str, Any] = {} if number is not None else {"missing": str(value)}
            if "sample_len" in metrics:
                extra["n"] = metrics["sample_len"]
            measure = name if chosen == "none" else f"{name}/{chosen}"
            recorder.measure(measure, number, subject=results.subject, **extra)
        parts.append(recorder.tables())
    return Tables.concat(parts)


def _kable(results: Results, samples: Sequence[dict[str, Any]]) -> list[Tables]:
    by_task: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        by_task.setdefault(str(sample["doc"]["task"]), []).append(sample)
    parts: list[Tables] = []
    for task, own in by_task.items():
        items = [from_row(sample["doc"]) for sample in own]
        log_probs = np.array([_log_probs(sample) for sample in own])
        recorder = Recorder(task, 0)
        record_rows(recorder, rows_from_log_probs(items, log_probs, results.framing), results.subject)
        parts.append(recorder.tables())
    return parts


def _others(results: Results, task: str, samples: Sequence[dict[str, Any]]) -> Tables:
    recorder = Recorder(task, 0)
    kind = results.body["configs"][task].get("output_type")
    for sample in samples:
        name = f"{task}/{sample['doc_id']}"
        asked = list(cast(dict[str, dict[str, Any]], sample["arguments"]).values())
        if kind == "multiple_choice":
            _record_options(recorder, results.subject, name, asked, _log_probs(sample), sample.get("target"))
        elif kind == "generate_until":
            said: dict[str, Any] = {"subject": results.subject, "conversation": name}
            recorder.utterance(**said, turn=0, role="user", text=str(asked[0]["arg_0"]))
            for text in cast(list[Any], sample["resps"])[0]:
                recorder.utterance(**said, turn=1, role="assistant", text=str(text))
    return recorder.tables()


def _record_options(
    recorder: Recorder,
    subject: str,
    name: str,
    asked: Sequence[dict[str, Any]],
    log_probs: Sequence[float],
    target: Json,
) -> None:
    scores = np.array(log_probs)
    readable = len(scores) > 1 and not np.isnan(scores).any()
    total = float(logsumexp(scores[None, :], axis=1)[0]) if readable else math.nan
    unread: dict[str, Any] = {} if readable else {"missing": "no log-probabilities"}
    for place, score in enumerate(log_probs):
        others = np.delete(scores, place)
        odds = score - float(logsumexp(others[None, :], axis=1)[0]) if readable else None
        recorder.belief(
            subject=subject,
            proposition=f"{name}/{place}",
            readout="stated",
            log_odds=odds,
            credence=None if odds is None else math.exp(score - total),
            option=str(asked[place].get("arg_1", "")),
            target=target,
            **unread,
        )


def _log_probs(sample: dict[str, Any]) -> list[float]:
    """Return the log-probability of each option in nats; the harness writes numbers as texts."""
    try:
        return [float(answer[0]) for answer in sample["filtered_resps"]]
    except (TypeError, ValueError, IndexError, KeyError):
        return [math.nan] * len(sample["arguments"])


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not JSON that can be read ({error})") from error
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not JSON lines that can be read ({error})") from error
