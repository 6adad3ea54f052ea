"""The findings of the study, experiment by experiment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from doxa.lab.record import Finding, Tables
from doxa.training.forward_only.experiments import DT, STEPS
from doxa.training.forward_only.layers_report import clock_findings, structure_findings
from doxa.training.forward_only.net_report import network_findings, published_findings
from doxa.training.forward_only.network import PUBLISHED_LAYERS
from doxa.training.forward_only.time_report import exact_findings, time_findings
from doxa.training.forward_only.watched_report import monitor_findings


def as_published(layers: Sequence[int], init_std: float, eta: float = DT, steps: int = STEPS) -> bool:
    """Return whether a network and its run are the paper's."""
    return tuple(layers) == PUBLISHED_LAYERS and init_std == 0.01 and (eta, steps) == (DT, STEPS)


def embedded_findings(tables: Tables, parts: Collection[str], layers: int, published: bool) -> list[Finding]:
    """Return the findings of the experiments that were run.

    Args:
        tables: what they measured.
        parts: names of the experiments.
        layers: how many the network has.
        published: whether it is the paper's.
    """
    ways: dict[str, Callable[[], list[Finding]]] = {
        "time": lambda: [*time_findings(tables), *exact_findings(tables)],
        "tensor-net": lambda: [*published_findings(tables, published), *network_findings(tables)],
        "clock": lambda: clock_findings(tables),
        "structure": lambda: structure_findings(tables, layers),
        "monitor": lambda: monitor_findings(tables),
    }
    return [finding for name, way in ways.items() if name in parts for finding in way()]
