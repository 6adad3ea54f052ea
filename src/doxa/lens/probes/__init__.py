"""Linear probes for all layers and positions at once, with their controls. Names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.lens.probes.contrast import CCSProbe, ContrastProbe
    from doxa.lens.probes.cross_validation import CrossValidated
    from doxa.lens.probes.difference_of_means import DifferenceOfMeans
    from doxa.lens.probes.factuality import FactualityProbe, select_layer
    from doxa.lens.probes.linear import LinearProbes
    from doxa.lens.probes.logistic import LogisticProbes

__all__ = [
    "CCSProbe",
    "ContrastProbe",
    "CrossValidated",
    "DifferenceOfMeans",
    "FactualityProbe",
    "LinearProbes",
    "LogisticProbes",
    "select_layer",
]

__getattr__ = loader(
    __name__,
    {
        "CCSProbe": "contrast",
        "ContrastProbe": "contrast",
        "CrossValidated": "cross_validation",
        "DifferenceOfMeans": "difference_of_means",
        "FactualityProbe": "factuality",
        "LinearProbes": "linear",
        "LogisticProbes": "logistic",
        "select_layer": "factuality",
    },
)
