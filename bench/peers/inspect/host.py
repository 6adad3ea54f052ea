"""Inspect's side: ``eval`` of as many samples with a model that answers at once and says what it used."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import inspect_ai
from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import exact
from inspect_ai.solver import generate
from kit.side import Work, serve
from sides.host_samples import digest, expected, question, show_on_terminal


def instant(messages: list[ChatMessage], *_more: Any) -> ModelOutput:
    output = ModelOutput.from_content("mockllm/model", expected(messages[-1].text))
    output.usage = ModelUsage(input_tokens=20, output_tokens=1, total_tokens=21)
    return output


def prepare(case: dict[str, Any]) -> Work:
    if case["display"] != "none":
        os.environ["TERM"] = "xterm-256color"
        show_on_terminal()
    root = Path(tempfile.mkdtemp(prefix="inspect-host-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    questions = [question(number) for number in range(case["samples"])]
    samples = [Sample(input=text, target=expected(text)) for text in questions]

    def work() -> dict[str, Any]:
        out = tempfile.mkdtemp(dir=root)
        model = get_model("mockllm/model", custom_outputs=instant, memoize=False)
        task = Task(
            MemoryDataset(samples), solver=generate(), scorer=exact(), config=GenerateConfig(max_tokens=8)
        )
        (log,) = inspect_ai.eval(task, model=model, display=case["display"], log_realtime=False, log_dir=out)
        assert log.status == "success", log.error and log.error.message
        assert log.samples is not None
        assert log.results is not None
        return {
            "answers": digest((str(one.input), one.output.completion) for one in log.samples),
            "right": log.results.scores[0].metrics["mean"].value,
            "bytes": sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file()),
        }

    return work


if __name__ == "__main__":
    serve(prepare, packages=("inspect_ai",))
