"""Looking inside a model: activations, probes, the logit lens, patching and steering.

Layer l is the output of block l, counted from 0; -1 is the embedding. Names load their modules, and with them
torch, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.lens.anatomy import Anatomy, Site
    from doxa.lens.capture import Captured, Wanted, activations, next_log_probs, stream_activations
    from doxa.lens.logit_lens import lens_logits, logit_lens_margin
    from doxa.lens.patching import ablated_head, head_means, patched, patched_log_probs
    from doxa.lens.places import Place
    from doxa.lens.similarity import linear_cka
    from doxa.lens.steering import (
        SteeringVector,
        Where,
        at,
        contrast_vector,
        everywhere,
        from_position,
        generated,
        model_identity,
        steered,
    )

__all__ = [
    "Anatomy",
    "Captured",
    "Place",
    "Site",
    "SteeringVector",
    "Wanted",
    "Where",
    "ablated_head",
    "activations",
    "at",
    "contrast_vector",
    "everywhere",
    "from_position",
    "generated",
    "head_means",
    "lens_logits",
    "linear_cka",
    "logit_lens_margin",
    "model_identity",
    "next_log_probs",
    "patched",
    "patched_log_probs",
    "steered",
    "stream_activations",
]

__getattr__ = loader(
    __name__,
    {
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
    },
)
