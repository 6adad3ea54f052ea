"""doxa: a laboratory for belief dynamics.

Public names load when first used, so that ``import doxa`` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doxa.audit.audit import belief_card
    from doxa.errors import CapabilityError, DoxaError, InputError, StoreError, SubjectError
    from doxa.lab.declaration import Cell, setting, study
    from doxa.lab.queries import beliefs_as_of, trajectory
    from doxa.lab.record import Finding, Tables, judge
    from doxa.lab.run import compare, load
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

_HOMES = {
    "CapabilityError": "doxa.errors:CapabilityError",
    "Cell": "doxa.lab.declaration:Cell",
    "DoxaError": "doxa.errors:DoxaError",
    "Finding": "doxa.lab.record:Finding",
    "InputError": "doxa.errors:InputError",
    "StoreError": "doxa.errors:StoreError",
    "SubjectError": "doxa.errors:SubjectError",
    "Tables": "doxa.lab.record:Tables",
    "belief_card": "doxa.audit.audit:belief_card",
    "beliefs_as_of": "doxa.lab.queries:beliefs_as_of",
    "compare": "doxa.lab.run:compare",
    "judge": "doxa.lab.record:judge",
    "load": "doxa.lab.run:load",
    "run": "doxa.lab.run:run_study",
    "setting": "doxa.lab.declaration:setting",
    "study": "doxa.lab.declaration:study",
    "subject": "doxa.subjects.addresses:open_subject",
    "trajectory": "doxa.lab.queries:trajectory",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'doxa' has no attribute '{name}'")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
