"""The society: populations of minds on graphs, from a handful of language agents to millions of numbers.

Names load their modules, and with them the compiler of kernels, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.society.addresses import graphs, open_graph
    from doxa.society.conversions import (
        LabelledGraph,
        from_frame,
        from_networkx,
        from_scipy,
        to_frame,
        to_networkx,
    )
    from doxa.society.dynamics.base import WellMixed
    from doxa.society.generators import (
        barabasi_albert,
        complete,
        erdos_renyi,
        geometric,
        k_out,
        lattice,
        power_law,
        regular,
        ring,
        stochastic_block,
        watts_strogatz,
    )
    from doxa.society.graph import Graph
    from doxa.society.loading import read_graph, write_graph
    from doxa.society.null_models import configuration_model, configuration_of, rewired
    from doxa.society.population import Plan, simulate
    from doxa.society.schedules import Schedule

__all__ = [
    "Graph",
    "LabelledGraph",
    "Plan",
    "Schedule",
    "WellMixed",
    "barabasi_albert",
    "complete",
    "configuration_model",
    "configuration_of",
    "erdos_renyi",
    "from_frame",
    "from_networkx",
    "from_scipy",
    "geometric",
    "graphs",
    "k_out",
    "lattice",
    "open_graph",
    "power_law",
    "read_graph",
    "regular",
    "rewired",
    "ring",
    "simulate",
    "stochastic_block",
    "to_frame",
    "to_networkx",
    "watts_strogatz",
    "write_graph",
]

__getattr__ = loader(
    __name__,
    {
        "Graph": "graph",
        "LabelledGraph": "conversions",
        "Plan": "population",
        "Schedule": "schedules",
        "WellMixed": "dynamics.base",
        "barabasi_albert": "generators",
        "complete": "generators",
        "configuration_model": "null_models",
        "configuration_of": "null_models",
        "erdos_renyi": "generators",
        "from_frame": "conversions",
        "from_networkx": "conversions",
        "from_scipy": "conversions",
        "geometric": "generators",
        "graphs": "addresses",
        "k_out": "generators",
        "lattice": "generators",
        "open_graph": "addresses",
        "power_law": "generators",
        "read_graph": "loading",
        "regular": "generators",
        "rewired": "null_models",
        "ring": "generators",
        "simulate": "population",
        "stochastic_block": "generators",
        "to_frame": "conversions",
        "to_networkx": "conversions",
        "watts_strogatz": "generators",
        "write_graph": "loading",
    },
)
