"""Reads attempts in a process of its own, and says what happened while they were read.

``python written_code_reader.py ATTEMPTS.json``: a list of [name, text]. It prints a line of JSON for each attempt and
one at the end. Whatever Python itself does for a program (files, processes, sockets, imports, code) raises an audit
event; while a text is read there must be none.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bars.written_programs import harmless
from doxa.canonical import canonical_json, digest
from doxa.elicit.readers import Found, Refusal, Unparsed, is_refusal
from doxa.elicit.structured import Field, read_json, read_tool_call
from doxa.errors import DoxaError
from doxa.lab.terminal import plain
from doxa.protocols.context_drift.tools import InformationTool, TerminalTool, ToolTask
from doxa.protocols.dialogue.script import filled
from doxa.society.prompts import Prompts
from doxa.subjects import endpoint_wire
from doxa.subjects.base import Reply, ToolCall
from doxa.subjects.cache_values import read_reply, write_reply
from doxa.subjects.endpoint_transport import Response
from doxa.testing.malformed_replies import READERS

MIND = {"tweet": Field("string"), "belief": Field("integer", 0, 1), "reasoning": Field("string")}
TASK = ToolTask(
    [InformationTool("look", "shows", "a text")],
    TerminalTool("decide", "ends", {"a": "for", "b": "against"}),
    {"a": "support", "b": "oppose"},
)
PROMPTS = Prompts.default()

Door = Callable[[str], Any]


def _read(read: Door) -> Door:
    def through(text: str) -> bool:
        return isinstance(read(text), Found | Refusal | Unparsed)

    return through


def _wire(text: str) -> bool:
    """Take a text from a server: as its reply, and as the arguments of a tool call."""
    call = {"id": "1", "function": {"name": text[:64], "arguments": text}}
    body = {"choices": [{"message": {"content": text, "tool_calls": [call]}, "finish_reason": "stop"}]}
    response = Response(200, {"content-type": "application/json"}, json.dumps(body).encode())
    reply = endpoint_wire.read_reply(response)
    read_tool_call(reply, "decide", "option", ["a", "b"])
    return text in reply.text


def _tool(text: str) -> bool:
    """Call a tool by that name, and the deciding one with that option."""
    read_tool_call(
        Reply("", tool_calls=(ToolCall("decide", {"option": text}),)), "decide", "option", ["a", "b"]
    )
    return (
        not TASK.call(text[:64], {"option": text})["ok"] and not TASK.call("decide", {"option": text})["ok"]
    )


def _slot(text: str) -> bool:
    """Put a text into a prompt, as what others said: it stands there as it is."""
    heard = filled("Heard: {said}. Now {topic}", {"said": text, "topic": "x"}, "prompt")
    return text in heard and text in PROMPTS.line(text, True, 0)


def _kept(text: str) -> bool:
    """Keep a reply in the form of the cache and take it out again."""
    said = Reply(text)
    found = read_reply(json.loads(canonical_json(write_reply(said))), cached=False)
    return found == said and len(digest([text])) == 64


def _shown(text: str) -> bool:
    return "\x1b" not in plain(text)


DOORS: dict[str, Door] = {
    **{f"reader of {kind}": _read(read) for kind, read in READERS.items()},
    "reader of opinions": _read(lambda text: read_json(text, MIND)),
    "refusals": lambda text: is_refusal(text) in (True, False),
    "server": _wire,
    "tools": _tool,
    "prompts": _slot,
    "cache": _kept,
    "terminal": _shown,
}


def main(attempts: list[tuple[str, str]]) -> None:
    events: list[str] = []
    watched = False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watched and event not in ("object.__getattr__", "sys._getframe", "cpython.run_stdin"):
            events.append(f"{event}{str(arguments)[:200]}")

    for text in harmless():
        for through in DOORS.values():
            through(text)
    sys.addaudithook(hook)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, text in attempts:
        events.clear()
        problems, slowest = [], ("", 0.0)
        for door, through in DOORS.items():
            began = time.process_time()
            watched = True
            try:
                sound = through(text)
            except DoxaError:
                sound = True
            except BaseException as error:  # noqa: BLE001 - SystemExit would be an escape too
                sound = False
                events.append(f"{type(error).__name__}: {str(error)[:200]}")
            finally:
                watched = False
            seconds = time.process_time() - began
            slowest = max(slowest, (door, seconds), key=lambda one: one[1])
            if events or not sound:
                problems.append(f"{door}: {events[:3] or 'taken for something else'}")
                events.clear()
        print(
            json.dumps({"name": name, "problems": problems, "door": slowest[0], "seconds": slowest[1]}),
            flush=True,
        )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"grown_mb": grown, "children": children, "threads": threading.active_count()}))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
