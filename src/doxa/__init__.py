"""doxa: a laboratory for belief dynamics.

Public names load when first used, so that ``import doxa`` stays cheap.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if sys.version_info < (3, 11):  # noqa: UP036 - a source tree on the path asks no installer
    sys.exit(
        f"doxa needs Python 3.11 or later, and this is {sys.version.split()[0]} ({sys.executable}); "
        "make an environment with a later one: python3.11 -m venv .venv"
    )

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.audit.audit import belief_card
    from doxa.errors import CapabilityError, DoxaError, InputError, StoreError, SubjectError
    from doxa.lab.declaration import Cell, setting, study
    from doxa.lab.loaded import compare, load
    from doxa.lab.queries import beliefs_as_of, trajectory
    from doxa.lab.record import Finding, Tables, judge
    from doxa.lab.run import run_study as run
    from doxa.subjects.addresses import open_subject as subject

__version__ = "0.1.0"

__all__ = [
    "CapabilityError",
    "Cell",
    "DoxaError",
    "Finding",
    "InputError",
    "StoreError",
    "SubjectError",
    "Tables",
    "__version__",
    "belief_card",
    "beliefs_as_of",
    "compare",
    "judge",
    "load",
    "run",
    "setting",
    "study",
    "subject",
    "trajectory",
]

__getattr__ = loader(
    __name__,
    {
        "CapabilityError": "errors",
        "Cell": "lab.declaration",
        "DoxaError": "errors",
        "Finding": "lab.record",
        "InputError": "errors",
        "StoreError": "errors",
        "SubjectError": "errors",
        "Tables": "lab.record",
        "belief_card": "audit.audit",
        "beliefs_as_of": "lab.queries",
        "compare": "lab.loaded",
        "judge": "lab.record",
        "load": "lab.loaded",
        "run": "lab.run:run_study",
        "setting": "lab.declaration",
        "study": "lab.declaration",
        "subject": "subjects.addresses:open_subject",
        "trajectory": "lab.queries",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
