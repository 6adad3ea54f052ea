"""Addresses of graphs: one line of text that says which graph is meant.

barabasi-albert?n=1000&m=5      a generator with its options; ``ba``, ``ws``, ``er`` and ``sbm`` are short
watts-strogatz?k=10&p=0.1       without n where the caller knows how many nodes there are
file:PATH                       a file, see ``doxa.society.loading``; directed=true, weighted=true and n= as there
file:PATH?null=configuration    its null model with the same degrees; null=rewired swaps the ends of its edges
myname?option=1                 what a plug-in adds to the registry ``graphs``
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from doxa.errors import InputError, did_you_mean
from doxa.lab.options import asked, option_value, parse_options, typed_options
from doxa.lab.registry import Registry
from doxa.society import generators
from doxa.society.graph import Graph
from doxa.society.loading import read_graph
from doxa.society.null_models import configuration_of, rewired
from doxa.society.seeds import Seed

Builder = Callable[..., Graph]
"""Makes a graph from n, options that are int, float, bool or str, and, if it is random, ``rng``."""

graphs: Registry[Builder] = Registry("graphs")

SHORT_NAMES = {
    "ba": "barabasi-albert",
    "er": "erdos-renyi",
    "sbm": "stochastic-block",
    "ws": "watts-strogatz",
}

for _builder in (
    generators.barabasi_albert,
    generators.complete,
    generators.erdos_renyi,
    generators.geometric,
    generators.k_out,
    generators.lattice,
    generators.power_law,
    generators.regular,
    generators.ring,
    generators.watts_strogatz,
):
    graphs.add(_builder.__name__.replace("_", "-"), _builder)


@graphs.register("stochastic-block")
def equal_blocks(n: int, rng: Seed, blocks: int, inside: float, outside: float) -> Graph:
    """Return blocks of equal size, up to one node.

    Args:
        n: number of nodes.
        rng: generator or seed.
        blocks: how many, in 1..n.
        inside: mean degree within a node's own block.
        outside: mean degree to all other blocks together.

    Raises:
        InputError: a value is out of range.
    """
    if not 1 <= blocks <= n:
        raise InputError(f"blocks={blocks}: must be in 1..{n}")
    sizes = [n // blocks + (b < n % blocks) for b in range(blocks)]
    size = n / blocks
    densities = np.full((blocks, blocks), outside / (n - size) if blocks > 1 else 0.0)
    np.fill_diagonal(densities, inside / (size - 1.0) if size > 1.0 else 0.0)
    return generators.stochastic_block(sizes, densities, rng)


def open_graph(address: str, rng: Seed, *, n: int | None = None) -> Graph:
    """Return the graph at an address.

    Args:
        address: see the module's docstring.
        rng: generator or seed of a random graph; a seed gives the graph that its generator gives of it.
        n: number of nodes, where the address does not say it; a graph that has another number is refused.

    Raises:
        InputError: the address cannot be understood, a value is out of range, or a file holds no graph.

    >>> open_graph("ba?n=1000&m=5", 0).n_edges
    4975
    """
    name, options = parse_options("graph", address, "ba?n=1000&m=5")
    graph = _of_file(name.removeprefix("file:"), options, rng) if name.startswith("file:") else None
    if graph is None:
        builder = _builder_of(name)
        given = {} if n is None or "n" in options else {"n": str(n)}
        chance = {"rng": rng} if "rng" in asked(builder) else {}
        said = typed_options("graph", address, builder, {**given, **options}, without=("rng",))
        graph = builder(**said, **chance)
    if n is not None and graph.n != n:
        raise InputError(
            f"graph '{address}' has {graph.n} nodes, and {n} are asked for; ask for {graph.n}, or take another graph"
        )
    return graph


def _builder_of(name: str) -> Builder:
    full = SHORT_NAMES.get(name, name)
    if full not in graphs:
        near = did_you_mean(name, (*graphs.names(), *SHORT_NAMES, "file:PATH"))
        raise InputError(f"no graph called '{name}'; {near}")
    return graphs.get(full)


def _of_file(path: str, options: dict[str, str], rng: Seed) -> Graph:
    null = {"configuration": configuration_of, "rewired": rewired}
    kinds = {"directed": bool, "n": int, "null": str, "weighted": bool}
    for key in options:
        if key not in kinds:
            raise InputError(f"graph 'file:{path}': has no option '{key}'; {did_you_mean(key, kinds)}")
    given = {
        key: option_value("graph", f"file:{path}", key, text, kinds[key]) for key, text in options.items()
    }
    wanted = given.pop("null", None)
    if wanted is not None and wanted not in null:
        raise InputError(f"graph 'file:{path}': null={wanted}; {did_you_mean(wanted, null)}")
    graph = read_graph(Path(path), **given).graph
    return graph if wanted is None else null[wanted](graph, rng)
