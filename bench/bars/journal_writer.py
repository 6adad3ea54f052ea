"""A process that writes answers into a journal and notes each after it was kept; bars 1 and 3 start and kill it."""

from __future__ import annotations

import os
import sys

from doxa.canonical import canonical_json
from doxa.subjects.cache import Answer, Journal
from doxa.subjects.cache_values import key_of


def main(path: str, log: str, writer: str, batches: int) -> None:
    """Write batches of answers whose keys all writers share, and note what the journal then holds."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with Journal(path) as journal:
        for batch in range(batches):
            requests = [canonical_json({"batch": batch, "place": place}) for place in range(8)]
            keys = [key_of(request) for request in requests]
            calls = journal.begin(
                f"writer {writer}",
                [(key, request, "asked", "") for key, request in zip(keys, requests, strict=True)],
            )
            journal.settle(
                [Answer(key, f"{writer} {batch}.", call) for key, call in zip(keys, calls, strict=True)]
            )
            lines = [f"{key} {found.value}\n" for key, found in zip(keys, journal.look_up(keys), strict=True)]
            os.write(handle, "".join(lines).encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
