"""From messages to tokens: chat template or plain text, options after it, and tool calls read back.

Three renderings, chosen by ``template``:

- ``auto``: the tokenizer's chat template, opened for the assistant's turn; ``roles`` if there is none.
- ``roles``: ``"System: …"``, ``"User: …"``, ``"Assistant: …"``, a blank line between turns, then ``"Assistant:"``.
- ``verbatim``: the messages' texts alone, a blank line between them, for base models that continue a text.

What a reply begins with (``opening``) is appended to the rendered text; in the two plain renderings a space is
put before it unless it begins with white space. The prompt is tokenised as one text, the option by itself, and
its tokens are appended: a merge across the boundary never happens. Where a tokenizer puts a space of its own
before a text (SentencePiece), an option is tokenised as it stands after a line break.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Int
from jinja2 import TemplateError

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.subjects.base import Conversation, Message, Tool, ToolCall

TEMPLATE_DATE = "26 Jul 2024"
"""The day a template is told when it asks for today's date, so that answers do not change overnight."""

_FIXED_DAY = "{% macro strftime_now(format) %}" + TEMPLATE_DATE + "{% endmacro %}\n"

_TOOL_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


@dataclass
class Renderer:
    """Turns conversations into token ids with one tokenizer, which is only read."""

    tokenizer: Any
    template: str = "auto"

    def __post_init__(self) -> None:
        has_template = bool(self.tokenizer.chat_template)
        self.mode = (
            "chat" if self.template == "auto" and has_template else self.template.replace("auto", "roles")
        )
        self.takes_tools = self.mode == "chat" and "tools" in str(self.tokenizer.chat_template)
        self._folds_system = self.mode == "chat" and not self._takes_system()
        mark, letter = self._ids("\n"), self._ids("\na")
        self._mark = mark if letter[: len(mark)] == mark and letter[len(mark) :] != self._ids("a") else []
        self._options: dict[str, Int[np.ndarray, " tokens"]] = {}

    def text(self, conversation: Conversation, *, opening: str = "", tools: Sequence[Tool] = ()) -> str:
        """Return the text the model is given.

        Raises:
            InputError: the conversation is empty, or the template refuses it.
        """
        if not conversation:
            raise InputError("the conversation is empty; a subject needs at least one message")
        if self.mode == "chat":
            try:
                return self._chat([_message(m) for m in self._folded(conversation)], tools) + opening
            except TemplateError as error:
                raise InputError(f"the chat template refuses this conversation: {error}") from error
        if self.mode == "roles":
            turns = [f"{message.role.capitalize()}: {message.content}" for message in conversation]
            text = "\n\n".join([*turns, "Assistant:"])
        else:
            text = "\n\n".join(message.content for message in conversation)
        return text + (" " if opening and not opening[0].isspace() else "") + opening

    def prompts(self, texts: Sequence[str]) -> list[Int[np.ndarray, " _"]]:
        """Return the token ids of rendered texts; a template writes its own special tokens, plain text gets them."""
        if not texts:
            return []
        ids = self.tokenizer(list(texts), add_special_tokens=self.mode != "chat", return_attention_mask=False)
        return [np.array(line, dtype=np.int32) for line in ids["input_ids"]]

    def option(self, text: str) -> Int[np.ndarray, " tokens"]:
        """Return the token ids of an option by itself."""
        if text not in self._options:
            ids = self._ids(text)
            if self._mark:
                after = self._ids("\n" + text)
                ids = after[len(self._mark) :] if after[: len(self._mark)] == self._mark else ids
            if not ids:
                raise InputError(f"option {text!r} has no tokens; give a text that can be said")
            self._options[text] = np.array(ids, dtype=np.int32)
        return self._options[text]

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """Return the text of generated tokens, nothing tidied."""
        return self.tokenizer.decode(
            list(ids), skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, return_attention_mask=False)["input_ids"])

    def _chat(self, messages: list[dict[str, Json]], tools: Sequence[Tool] = ()) -> str:
        template: str = self.tokenizer.get_chat_template(tools=tools or None)
        return self.tokenizer.apply_chat_template(
            messages,
            chat_template=_FIXED_DAY + template if "strftime_now" in template else template,
            tools=[_tool(tool) for tool in tools] or None,
            tokenize=False,
            add_generation_prompt=True,
            date_string=TEMPLATE_DATE,
        )

    def _takes_system(self) -> bool:
        user: dict[str, Json] = {"role": "user", "content": "a"}
        try:
            self._chat([{"role": "system", "content": "a"}, user])
        except TemplateError:
            return False
        return True

    def _folded(self, conversation: Conversation) -> Conversation:
        """Put a system message before the first user message where the template has no place for one."""
        if not self._folds_system or conversation[0].role != "system" or len(conversation) < 2:
            return conversation
        head, first, *rest = conversation
        return (
            Message(first.role, f"{head.content}\n\n{first.content}", first.tool_calls, first.tool_call_id),
            *rest,
        )


def read_tool_calls(text: str) -> tuple[ToolCall, ...]:
    """Return the calls written as ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``; others are left as text.

    >>> read_tool_calls('<tool_call>{"name": "vote", "arguments": {"for": "tax"}}</tool_call>')[0].name
    'vote'
    """
    calls: list[ToolCall] = []
    for body in _TOOL_CALL.findall(text):
        try:
            parsed: object = json.loads(body)
        except (ValueError, RecursionError):
            continue
        if not isinstance(parsed, dict):
            continue
        found = cast(dict[str, Any], parsed)
        name, arguments = found.get("name"), found.get("arguments", {})
        if isinstance(name, str) and isinstance(arguments, dict):
            calls.append(ToolCall(name, cast(dict[str, Json], arguments), id=f"call_{len(calls)}"))
    return tuple(calls)


def _message(message: Message) -> dict[str, Json]:
    out: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        out["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.name, "arguments": dict(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        out["tool_call_id"] = message.tool_call_id
    return out


def _tool(tool: Tool) -> dict[str, Json]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
    }
