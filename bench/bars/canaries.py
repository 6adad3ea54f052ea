"""Bar 17, secrets: a key placed in a dozen places is in no byte of a run, a cache, a report or what is printed."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from bars.outcome import Outcome
from doxa.testing.processes import Ended, doxa_command, run_command

STUDY = str(Path(__file__).resolve().parents[2] / "tests" / "studies_for_tests" / "canary.py")

KEYS = ("sk-canary/+0123456789=", "sk_Kanarie.ABCDEFGH-ijkl", "sk-\"quoted\\back'0123456789")
"""Keys with letters that quoting, JSON and URLs write in their own ways."""


class _Spilling(BaseHTTPRequestHandler):
    """Answers by the model's name, and gives the key it was sent away wherever it can."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        model = str(body.get("model"))
        status = {"error500": 500, "error401": 401, "error400": 400}.get(model, 200)
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": "note", "arguments": json.dumps({"k": key})},
        }
        message: dict[str, Any] = {"role": "assistant", "content": f"your key {key} is {quote(key)}"}
        if model == "calls":
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        value: dict[str, Any] = {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {},
        }
        if status != 200:
            value = {"error": {"message": f"Incorrect API key provided: {key}", "param": quote(key, safe="")}}
        data = b"not JSON " + key.encode() if model == "torn" else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Your-Key", key)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        del format, args


def run(full: bool, folder: Path) -> Outcome:
    """Run the spilling study in every way and search everything it wrote and printed."""
    keys = KEYS if full else KEYS[:1]
    ways = _ways(full)
    outcome = Outcome(f"{len(keys)} keys, {len(ways)} runs")
    with _server() as host:
        for number, key in enumerate(keys):
            for way, arguments in ways.items():
                out = folder / f"{way.replace(' ', '-')}-{number}"
                told = [
                    part.replace("KEY", key).replace("QUOTED", quote(key, safe="")).replace("HOST", host)
                    for part in arguments
                ]
                ended = run_command(
                    doxa_command("run", STUDY, "--out", str(out), *told), environment={"DOXA_API_KEY": key}
                )
                found = [place for place, text in _places(ended, out) if _holds(text, key)]
                outcome.check(not found, f"{way}: the key is in {found[:4]}")
                outcome.check(
                    way in _REFUSED or list(out.glob("*/manifest.json")), f"{way}: {ended.stderr[-300:]}"
                )
    return outcome


_REFUSED = ("user in the address", "query in the address")


def _ways(full: bool) -> dict[str, list[str]]:
    """Return the arguments of each run; KEY, QUOTED and HOST stand for themselves."""
    note = ["--set", "note=KEY"]
    ways = {
        "reply": [*note, "--subject", "http://HOST/v1#echo"],
        "config alone": note,
        "exception": [*note, "--set", "fails=true"],
        "refused key": [*note, "--subject", "http://HOST/v1#error401"],
        "user in the address": ["--subject", "http://me:QUOTED@HOST/v1#echo"],
    }
    if full:
        ways |= {
            "tool call": [*note, "--subject", "http://HOST/v1#calls"],
            "broken reply": [*note, "--subject", "http://HOST/v1#torn"],
            "server error": [*note, "--subject", "http://HOST/v1#error500"],
            "bad request": [*note, "--subject", "http://HOST/v1#error400"],
            "query in the address": ["--subject", "http://HOST/v1?key=QUOTED#echo"],
            "exception in a worker": [*note, "--set", "fails=true", "--executor", "processes"],
            "reply to a worker": [*note, "--subject", "http://HOST/v1#echo", "--executor", "processes"],
        }
    return ways


def _places(ended: Ended, out: Path) -> Generator[tuple[str, str]]:
    """Yield everything a run left, as text: what it printed, the names and the content of its files."""
    yield "stdout", ended.stdout
    yield "stderr", ended.stderr
    for path in out.rglob("*"):
        yield f"name of {path.name}", str(path.relative_to(out))
        if path.suffix == ".parquet":
            yield (
                str(path.relative_to(out)),
                "".join(str(value) for row in pl.read_parquet(path).iter_rows() for value in row),
            )
        elif path.is_file():
            yield str(path.relative_to(out)), path.read_bytes().decode("utf-8", "replace")


def _holds(text: str, key: str) -> bool:
    """Return whether a text holds the key as it is or as it is commonly written."""
    spellings = {
        key,
        quote(key),
        quote(key, safe=""),
        json.dumps(key)[1:-1],
        json.dumps(json.dumps(key)[1:-1])[1:-1],
        base64.b64encode(key.encode()).decode(),
        key.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#x27;"),
    }
    return any(spelling in text for spelling in spellings)


@contextlib.contextmanager
def _server() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Spilling)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
