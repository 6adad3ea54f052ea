"""Other hosts and harnesses: their task formats, model interfaces and logs, put on doxa's own protocols and record.

Their words (task, sample, solver, scorer) stay in this room. Nothing of theirs is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doxa.interop.imported import import_log
    from doxa.interop.inspect.reading import from_inspect
    from doxa.interop.inspect.writing import to_inspect
    from doxa.interop.lm_eval.export import export_kable
    from doxa.interop.lm_eval.reading import from_lm_eval

__all__ = ["export_kable", "from_inspect", "from_lm_eval", "import_log", "to_inspect"]

_HOMES = {
    "export_kable": "lm_eval.export",
    "from_inspect": "inspect.reading",
    "from_lm_eval": "lm_eval.reading",
    "import_log": "imported",
    "to_inspect": "inspect.writing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'doxa.interop' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"doxa.interop.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
