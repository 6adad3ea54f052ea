"""Looking inside a model: activations, probes, the logit lens, patching and steering.

Layer l is the output of block l, counted from 0; -1 is the embedding. Names load their modules, and with them
torch, when they are first used.
"""

from __future__ import annotations

from doxa.lazy import loader

_HOMES = {
    "Anatomy": "anatomy",
    "Site": "anatomy",
    "Captured": "capture",
    "Place": "places",
    "Wanted": "capture",
    "activations": "capture",
    "stream_activations": "capture",
}

__getattr__ = loader(__name__, _HOMES)
