"""Options of a server's address: how many connections, and whether exchanges are recorded or replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from doxa.errors import InputError
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.endpoint_record import RecordingTransport, ReplayTransport
from doxa.subjects.endpoint_transport import AiohttpTransport, Transport

MOST_CONNECTIONS = 4096


def patience_of(shown: str, options: Mapping[str, str]) -> Patience:
    """Return how a server is borne with; in a replay nothing is waited for.

    Args:
        shown: the address as messages may show it.
        options: ``connections`` and ``replay``, empty where they are not given.

    Raises:
        InputError: the number of connections is none.
    """
    patience = Patience(longest_wait_s=0.0) if options["replay"] else Patience()
    given = options["connections"]
    if not given:
        return patience
    count = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
    if not 1 <= count <= MOST_CONNECTIONS:
        raise InputError(
            f"subject {shown!r}: connections={given} must be a whole number from 1 to {MOST_CONNECTIONS}"
        )
    return replace(patience, concurrency=count)


def transport_of(shown: str, options: Mapping[str, str]) -> Transport:
    """Return how requests travel: over HTTP, kept in a file meanwhile, or not at all.

    Args:
        shown: the address as messages may show it.
        options: ``record`` and ``replay``, empty where they are not given.

    Raises:
        InputError: both are given.
        StoreError: the file cannot be read or written.
    """
    if options["record"] and options["replay"]:
        raise InputError(f"subject {shown!r}: give record= or replay=, not both")
    if options["replay"]:
        return ReplayTransport(Path(options["replay"]))
    transport = AiohttpTransport()
    return RecordingTransport(transport, Path(options["record"])) if options["record"] else transport
