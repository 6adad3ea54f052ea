"""Who is answered, and what a browser may do with the answer.

The server speaks only to the address it was bound to, so that a foreign name that points here (DNS rebinding) gets
nothing; only to pages of its own, so that no other site can read or frame it; and beyond this machine only to those who
hold the token. A request that could write needs the token in a header, which no other site can send.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

TOKEN_HEADER = "x-doxa-token"  # noqa: S105 - a name
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Door:
    """Where the server stands and who may come in.

    Attributes:
        host: address it is bound to.
        port: of the address.
        token: needed for every request that writes, and for every request at all beyond this machine.
        guarded: whether it is needed for every request on this machine, too, which others may use.
    """

    host: str
    port: int
    token: str
    guarded: bool = False

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def asks(self) -> bool:
        """Whether every request needs the token."""
        return self.guarded or not self.local

    @property
    def cookie(self) -> str:
        """Name of the cookie that keeps the token: by port, because all ports of a host share their cookies."""
        return f"doxa-token-{self.port}"

    @property
    def address(self) -> str:
        """What to open in a browser, without the token."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/"


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: int
    why: str


def is_loopback(host: str) -> bool:
    """Return whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """Return a token of 256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


class Guard:
    """Answers what ``Door`` lets in and refuses the rest; every answer carries ``HEADERS``."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
            await send(message)

        refused = refusal(scope, self._door)
        answer: ASGIApp = self._app
        if refused is not None:
            answer = PlainTextResponse(f"doxa view: {refused.why}\n", refused.status)
        elif (entering := _entering(scope, self._door)) is not None:
            answer = entering
        await answer(scope, receive, guarded)


def refusal(scope: Scope, door: Door) -> Refusal | None:
    """Return why a request is not answered; None if it is."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _is_ours(hosts[0], door):
        return Refusal(421, f"this server answers only at {door.address}")
    origins = headers.getlist("origin")
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
        return Refusal(403, "requests of other sites are not answered")
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return Refusal(403, f"requests of other sites are not answered; type {door.address} yourself")
    given = headers.get(TOKEN_HEADER, "")
    if scope["method"] not in ("GET", "HEAD"):
        return None if _is_token(given, door) else Refusal(403, f"a request that writes needs {TOKEN_HEADER}")
    if not door.asks or any(_is_token(one, door) for one in (given, _cookie(headers, door), _asked(scope))):
        return None
    return Refusal(
        401, "the token is missing or wrong; open the address that was printed when the server started"
    )


def _is_ours(host: str, door: Door) -> bool:
    name, port = _split(host)
    if port != door.port:
        return False
    if door.local:
        return name in _LOOPBACK_NAMES or name == door.host
    if door.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return name == door.host.lower()
    # bound to every address: a bare address cannot be rebound, and this machine's own names are not foreign
    return _is_address(name) or name in ("localhost", socket.gethostname().lower(), socket.getfqdn().lower())


def _split(host: str) -> tuple[str, int | None]:
    """Return name and port of a Host header; without a port it is HTTP's own."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "80"
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else None
    return name.removeprefix("[").removesuffix("]").lower(), number


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_token(given: str, door: Door) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), door.token.encode())


def _cookie(headers: Headers, door: Door) -> str:
    try:
        held = SimpleCookie(headers.get("cookie", "")).get(door.cookie)
    except CookieError:
        return ""
    return "" if held is None else held.value


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def _asked(scope: Scope) -> str:
    return next((value for name, value in _query(scope) if name == "token"), "")


def _entering(scope: Scope, door: Door) -> Response | None:
    """Return the answer to an address with the token: a cookie, and the same address without it."""
    query = _query(scope)
    if scope["method"] != "GET" or not any(name == "token" for name, _ in query):
        return None
    path = "/" + quote(scope["path"].lstrip("/"))
    left = urlencode([pair for pair in query if pair[0] != "token"])
    response = RedirectResponse(f"{path}?{left}" if left else path, 303)
    if _is_token(_asked(scope), door):
        response.set_cookie(door.cookie, door.token, httponly=True, samesite="strict", path="/")
    return response
