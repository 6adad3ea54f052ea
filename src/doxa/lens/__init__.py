"""Looking inside a model: activations, probes, the logit lens, patching and steering.

Layer l is the output of block l, counted from 0; -1 is the embedding. Names load their modules, and with them
torch, when they are first used.
"""

from __future__ import annotations

from doxa.lazy import loader

_HOMES = {
    "Anatomy": "anatomy",
    "Captured": "capture",
    "Place": "places",
    "Site": "anatomy",
    "SteeringVector": "steering",
    "Wanted": "capture",
    "Where": "steering",
    "ablated_head": "patching",
    "activations": "capture",
    "at": "steering",
    "contrast_vector": "steering",
    "everywhere": "steering",
    "from_position": "steering",
    "generated": "steering",
    "head_means": "patching",
    "lens_logits": "logit_lens",
    "linear_cka": "similarity",
    "logit_lens_margin": "logit_lens",
    "model_identity": "steering",
    "next_log_probs": "capture",
    "patched": "patching",
    "patched_log_probs": "patching",
    "steered": "steering",
    "stream_activations": "capture",
}

__getattr__ = loader(__name__, _HOMES)
