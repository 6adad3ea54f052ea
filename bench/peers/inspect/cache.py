"""Inspect's side: ``cache_store`` and ``cache_fetch`` of entries whose key is computed, as ``generate`` does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inspect_ai.model import CachePolicy, ChatMessageUser, GenerateConfig, ModelOutput, ModelUsage
from inspect_ai.model._cache import CacheEntry, cache_fetch, cache_store
from sides.cache_work import Opener, answer, main, question

CONFIG = GenerateConfig(temperature=0.0, max_tokens=256)
POLICY = CachePolicy(expiry=None)


class Pickles:
    def __init__(self, folder: Path, messages: list[ChatMessageUser], outputs: list[ModelOutput]) -> None:
        os.environ["INSPECT_CACHE_DIR"] = str(folder)
        self.messages, self.outputs = messages, outputs

    def entry(self, number: int) -> CacheEntry:
        return CacheEntry(
            base_url=None,
            config=CONFIG,
            input=[self.messages[number]],
            model="mockllm/model",
            policy=POLICY,
            tool_choice=None,
            tools=[],
        )

    def put(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            cache_store(self.entry(number), self.outputs[number])

    def get(self, numbers: Sequence[int]) -> list[str | None]:
        found = (cache_fetch(self.entry(number)) for number in numbers)
        return [None if output is None else output.completion for output in found]

    def close(self) -> None: ...


def opener(count: int, case: dict[str, Any]) -> Opener:
    del case
    messages = [ChatMessageUser(content=question(number)) for number in range(count)]
    outputs = [ModelOutput.from_content("mockllm/model", answer(number)) for number in range(count)]
    for output in outputs:
        output.usage = ModelUsage(input_tokens=24, output_tokens=200, total_tokens=224)
    return lambda folder: Pickles(folder, messages, outputs)


if __name__ == "__main__":
    main(opener, packages=("inspect_ai",))
