"""The server that misbehaves on purpose, as a command.

    python -m doxa.testing.fault_command --upstream http://127.0.0.1:8000/v1 --port 8001 --faults 0.3
    python -m doxa.testing.fault_command --subject planted:bayesian --faults 429=0.1,cut-JSON=0.05

It prints its address and stays until it is interrupted. GET /ledger tells what it did, one JSON line per request.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading

from doxa.errors import DoxaError, InputError
from doxa.subjects.addresses import open_subject
from doxa.testing.fault_kinds import FAULTS, Manner
from doxa.testing.fault_server import FaultServer


def read_faults(text: str) -> float | dict[str, float]:
    """Read ``0.3`` or ``429=0.1,cut-JSON=0.05``; spaces in names may be written as ``-``."""
    try:
        if "=" not in text:
            return float(text)
        pairs = (part.rpartition("=") for part in text.split(","))
        known = {name.replace(" ", "-").lower(): name for name in FAULTS}
        return {known.get(name.strip().lower(), name.strip()): float(share) for name, _, share in pairs}
    except ValueError as error:
        raise InputError(f"faults {text!r}: give a share such as 0.3, or name=share,name=share") from error


def main() -> int:
    """Run the server until it is interrupted; its address goes to stdout, what it did to stderr."""
    parser = argparse.ArgumentParser(prog="python -m doxa.testing.fault_command", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(
        f"{name.replace(' ', '-'):20} {fault.meaning}" for name, fault in FAULTS.items()
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--upstream", default="", help="a real server's address up to /v1")
    who.add_argument("--subject", default="", help="a subject that answers, such as planted:bayesian")
    parser.add_argument("--port", type=int, default=0, help="where to listen; a free port by default")
    parser.add_argument("--faults", default="0.3", help="share of spoiled requests, or name=share,...")
    parser.add_argument("--seed", type=int, default=0, help="seed of the faults")
    parser.add_argument("--retry-after", type=float, default=1.0, help="what a 429 asks for, in seconds")
    chosen = parser.parse_args()
    try:
        server = FaultServer(
            open_subject(chosen.subject) if chosen.subject else None,
            upstream=chosen.upstream,
            faults=read_faults(chosen.faults),
            seed=chosen.seed,
            manner=Manner(retry_after_s=chosen.retry_after),
            port=chosen.port,
        )
        with server, contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # before anyone knows the address
            sys.stdout.write(server.url + "\n")
            sys.stdout.flush()
            threading.Event().wait()
    except (DoxaError, OSError) as error:
        parser.error(str(error))
    for name, count in sorted(server.ledger.faults().items()):
        sys.stderr.write(f"{count:8} {name}\n")
    sys.stderr.write(f"{len(server.ledger.entries):8} requests\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
