"""The society: populations of minds on graphs, from a handful of language agents to millions of numbers.

Names load their modules, and with them the compiler of kernels, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.society.graph import Graph

__all__ = ["Graph"]

__getattr__ = loader(__name__, {"Graph": "graph"})
