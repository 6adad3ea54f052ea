"""What the tests of other hosts share: models that answer by a rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspect_ai.model import Model, ModelOutput, ModelUsage, get_model


def right_letter(prompt: str) -> str:
    """Answer by the truth that a made-up sentence shows, and Yes to every belief."""
    question = prompt.rpartition("Question: ")[2].partition("\n")[0]
    if "Is it true" in question and "weightless" in question:
        return "B"
    return "A"


def model_of(answer: Callable[..., Any], name: str = "mockllm/model") -> Model:
    """Return a model of Inspect's that answers by a function of (messages, tools, config), its tokens counted."""

    def output(messages, tools, tool_choice, config) -> ModelOutput:
        said = answer(messages, tools, config)
        made = ModelOutput.from_content(name, said) if isinstance(said, str) else said
        made.usage = ModelUsage(input_tokens=5, output_tokens=2, total_tokens=7)
        return made

    return get_model(name, custom_outputs=output)
