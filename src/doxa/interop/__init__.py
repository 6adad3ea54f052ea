"""Other hosts and harnesses: their task formats, model interfaces and logs, put on doxa's own protocols and record.

Their words (task, sample, solver, scorer) stay in this room. Nothing of theirs is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.interop.imported import import_log
    from doxa.interop.inspect.reading import from_inspect
    from doxa.interop.inspect.writing import to_inspect
    from doxa.interop.lm_eval.export import export_kable
    from doxa.interop.lm_eval.reading import from_lm_eval

__all__ = ["export_kable", "from_inspect", "from_lm_eval", "import_log", "to_inspect"]

__getattr__ = loader(
    __name__,
    {
        "export_kable": "lm_eval.export",
        "from_inspect": "inspect.reading",
        "from_lm_eval": "lm_eval.reading",
        "import_log": "imported",
        "to_inspect": "inspect.writing",
    },
)
