"""The faults of a server: what each does to a good response, and what a client can see of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np


class Answer(NamedTuple):
    """A response as a sound server would give it."""

    status: int
    content_type: str
    body: bytes


class Manner(NamedTuple):
    """How the faults behave.

    Attributes:
        retry_after_s: what a 429 asks for, in seconds.
        pause_s: time between the pieces of a slow drip.
        long_bytes: least size of a long response.
    """

    retry_after_s: float = 0.0
    pause_s: float = 0.01
    long_bytes: int = 5_000_000


class Delivery(NamedTuple):
    """What goes over the line: pieces with pauses between them, and what follows the last.

    Attributes:
        pieces: bytes as they are sent.
        end: ``keep`` leaves the connection open, ``reset`` breaks it, ``hang`` says nothing more and waits until the
            client has gone, ``trickle`` sends a space at a time until then.
        pause_s: wait between pieces.
    """

    pieces: tuple[bytes, ...]
    end: Literal["keep", "reset", "hang", "trickle"] = "keep"
    pause_s: float = 0.0


Deliver: TypeAlias = Callable[[Answer, np.random.Generator, Manner], Delivery | None]


class Fault(NamedTuple):
    """One kind of fault.

    Attributes:
        meaning: what the server does, in words.
        seen_as: the name under which ``EndpointSubject.tally.faults`` counts it; empty where no client can see it.
        deliver: makes the delivery; None where the answer is not of the kind that the fault can spoil.
        of: whether it strikes only where text was asked for, or only where log-probabilities were.
        twice: whether the request is answered twice upstream.
        alters: whether the client takes another answer for the subject's: no client can tell.
    """

    meaning: str
    seen_as: str
    deliver: Deliver
    of: Literal["all", "replies", "scores"] = "all"
    twice: bool = False
    alters: bool = False


def http(answer: Answer, *headers: str) -> bytes:
    """Return a response as bytes of HTTP/1.1, its length given."""
    return _head(answer, f"Content-Length: {len(answer.body)}", *headers) + answer.body


def sound(answer: Answer) -> Delivery:
    """Return the delivery without a fault."""
    return Delivery((http(answer),))


def _head(answer: Answer, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} -", f"Content-Type: {answer.content_type}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _status(status: int, body: str = "", content_type: str = "application/json") -> Deliver:
    def deliver(_answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
        return sound(Answer(status, content_type, body.encode()))

    return deliver


def _with_retry_after(_answer: Answer, _rng: np.random.Generator, manner: Manner) -> Delivery:
    body = Answer(429, "application/json", b'{"error": {"message": "slow down"}}')
    return Delivery((http(body, f"Retry-After: {manner.retry_after_s:g}"),))


def _reset_before(_answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    return Delivery((), "reset")


def _reset_inside(answer: Answer, rng: np.random.Generator, _manner: Manner) -> Delivery:
    whole = http(answer)
    return Delivery((whole[: len(whole) - _some(rng, len(answer.body))],), "reset")


def _hang(_answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    return Delivery((), "hang")


def _trickle(answer: Answer, _rng: np.random.Generator, manner: Manner) -> Delivery:
    return Delivery((_head(answer, f"Content-Length: {2**40}"),), "trickle", manner.pause_s)


def _drip(answer: Answer, _rng: np.random.Generator, manner: Manner) -> Delivery:
    whole = http(answer)
    step = len(whole) // 5 + 1
    return Delivery(tuple(whole[at : at + step] for at in range(0, len(whole), step)), pause_s=manner.pause_s)


def _cut_json(answer: Answer, rng: np.random.Generator, _manner: Manner) -> Delivery:
    kept = len(answer.body.rstrip()) - _some(rng, len(answer.body.rstrip()))
    return sound(answer._replace(body=answer.body[:kept]))


def _cut_stream(answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    """Send chunks and stop in the middle of a character of the reply, or else of the body."""
    wide = next((at for at, byte in enumerate(answer.body) if byte >= 0xC0), len(answer.body) // 2)
    kept = answer.body[: wide + 1]
    head = _head(answer, "Transfer-Encoding: chunked")
    return Delivery((head + f"{len(answer.body):x}\r\n".encode() + kept,), "reset")


def _double_json(answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    return sound(answer._replace(body=answer.body + answer.body))


def _double_reply(answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    return Delivery((http(answer) * 2,))


def _html(answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    page = b"<!doctype html><html><body>Please sign in. " + answer.body + b"</body></html>"
    return sound(Answer(200, "text/html; charset=utf-8", page))


def _content_type(answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    return sound(answer._replace(content_type="text/plain"))


def _as_it_is(answer: Answer, _rng: np.random.Generator, _manner: Manner) -> Delivery:
    return sound(answer)


Body: TypeAlias = dict[str, Any]


def _rewritten(change: Callable[[Body, Body, np.random.Generator, Manner], bool]) -> Deliver:
    """Return a fault that changes a completion and its first choice in place, if ``change`` says that it could."""

    def deliver(answer: Answer, rng: np.random.Generator, manner: Manner) -> Delivery | None:
        body = completion(answer)
        if body is None or not change(body, body["choices"][0], rng, manner):
            return None
        return sound(answer._replace(body=json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")))

    return deliver


def completion(answer: Answer) -> Body | None:
    """Return the completion in an answer, or None if it holds none with a choice."""
    try:
        found: object = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        return None
    body = cast(Body, found) if isinstance(found, dict) else {}
    choices: object = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    return body


def _no_choices(body: Body, _choice: Body, _rng: np.random.Generator, _manner: Manner) -> bool:
    body["choices"] = []
    return True


def _wrong_finish(_body: Body, choice: Body, _rng: np.random.Generator, _manner: Manner) -> bool:
    sound_one = choice.get("finish_reason") == "stop"
    choice["finish_reason"] = "tool_calls"
    return sound_one


def _broken_off(_body: Body, choice: Body, _rng: np.random.Generator, _manner: Manner) -> bool:
    message = choice.get("message")
    text: object = cast(Body, message).get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        return False
    cast(Body, message)["content"] = text[: len(text) // 2]
    choice["finish_reason"] = "error"
    return True


def _large_body(body: Body, _choice: Body, _rng: np.random.Generator, manner: Manner) -> bool:
    body["padding"] = "x" * manner.long_bytes
    return True


def _long_text(_body: Body, choice: Body, _rng: np.random.Generator, manner: Manner) -> bool:
    choice["message"] = {"role": "assistant", "content": "and so on " * (manner.long_bytes // 10)}
    choice["finish_reason"] = "length"
    return True


def _first_tokens(choice: Body) -> list[Body]:
    """Return the likeliest first tokens of a choice; a list to be changed in place, empty if there are none."""
    try:
        return cast(list[Body], choice["logprobs"]["content"][0]["top_logprobs"])
    except (KeyError, IndexError, TypeError):
        return []


def _no_log_probs(_body: Body, choice: Body, _rng: np.random.Generator, _manner: Manner) -> bool:
    found = _first_tokens(choice)
    choice["logprobs"] = None
    return bool(found)


def _nan_log_probs(_body: Body, choice: Body, rng: np.random.Generator, _manner: Manner) -> bool:
    found = _first_tokens(choice)
    if found:
        found[int(rng.integers(len(found)))]["logprob"] = float("nan")
    return bool(found)


def _unsorted_log_probs(_body: Body, choice: Body, rng: np.random.Generator, _manner: Manner) -> bool:
    found = _first_tokens(choice)
    found[:] = [found[place] for place in rng.permutation(len(found))]
    return bool(found)


def _some(rng: np.random.Generator, most: int) -> int:
    """Return how many bytes at the end are lost: at least one."""
    return int(rng.integers(1, max(2, most)))


FAULTS: Mapping[str, Fault] = {
    "429": Fault("too many requests, without a word on when", "429", _status(429)),
    "429 retry-after": Fault("too many requests, with Retry-After", "429", _with_retry_after),
    "500": Fault("an error of the server", "500", _status(500, '{"error": {"message": "broken"}}')),
    "502": Fault("a page of a proxy without a server", "502", _status(502, "<html>Bad Gateway</html>", "text/html")),
    "reset before": Fault("the connection breaks before the first byte", "reset", _reset_before),
    "reset inside": Fault("the connection breaks inside the body", "reset", _reset_inside),
    "cut stream": Fault("chunks that end inside a character", "reset", _cut_stream),
    "time-out": Fault("no answer at all", "timeout", _hang),
    "trickle": Fault("a byte now and then, for ever", "timeout", _trickle),
    "slow drip": Fault("the answer in pieces, with pauses", "", _drip),
    "cut JSON": Fault("a body that ends early, its length as it is", "cut JSON", _cut_json),
    "double JSON": Fault("the body twice in one response", "cut JSON", _double_json),
    "double reply": Fault("the response twice on one connection", "", _double_reply),
    "double delivery": Fault("the request arrives twice upstream", "", _as_it_is, twice=True),
    "html": Fault("a page where JSON should be", "content type", _html),
    "content type": Fault("JSON that is called text", "content type", _content_type),
    "no choices": Fault("an empty list of choices", "no choices", _rewritten(_no_choices)),
    "wrong finish": Fault("finish reason tool_calls without a call", "", _rewritten(_wrong_finish), of="replies"),
    "broken off": Fault("half a text, finish reason error", "finish reason", _rewritten(_broken_off), of="replies"),
    "large body": Fault("5 MB around the answer", "", _rewritten(_large_body)),
    "long text": Fault("5 MB of babble in the answer's place", "", _rewritten(_long_text), of="replies", alters=True),
    "no log-probs": Fault("no log-probabilities", "log-probabilities", _rewritten(_no_log_probs), of="scores"),
    "nan log-probs": Fault("NaN among them", "log-probabilities", _rewritten(_nan_log_probs), of="scores"),
    "unsorted log-probs": Fault("the likeliest not first", "", _rewritten(_unsorted_log_probs), of="scores"),
}  # fmt: skip
"""Every kind of fault by name."""
