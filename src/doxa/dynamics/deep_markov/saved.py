"""A fitted model as one safetensors file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch

from doxa.dynamics.deep_markov.model import DeepMarkovModel
from doxa.dynamics.deep_markov.models import DMM, PgDMM
from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.dynamics.deep_markov.sequences import Scales
from doxa.dynamics.deep_markov.weights import NetworkShape
from doxa.errors import InputError
from doxa.nets.checkpoint import load_tensors, save_tensors

FORMAT = "doxa.dynamics.deep_markov 1"
OWN_STEP = "step"


def save_model(model: DeepMarkovModel, path: Path) -> None:
    """Write weights, units and form; of a prior that is a step of one's own, only that it is one.

    Raises:
        InputError: the model was not fitted.
        StoreError: the file cannot be written.
    """
    network, scales = model.fitted()
    tensors = {name: weight.detach() for name, weight in network.weights.items()}
    tensors |= {f"scale.{name}": torch.from_numpy(one) for name, one in scales._asdict().items()}
    prior = model.prior
    told: dict[str, Any] = {
        "kind": type(model).__name__,
        "shape": asdict(model.shape),
        "prior": None if prior is None else OWN_STEP if prior.A is None else prior.to_dict(),
        "missing": model.missing,
        "normalise": model.normalise,
        "precision": model.precision,
    }
    save_tensors(path, FORMAT, tensors, told)


def load_model(path: Path, prior: PhysicsPrior | None) -> DeepMarkovModel:
    """Return a saved model; ``prior`` is asked for where it is a step of one's own, and only there.

    Raises:
        InputError: there is no such file, or a prior is wanted or given in vain.
        StoreError: the file is damaged or holds something else.
    """
    found = load_tensors(path, FORMAT)
    if found is None:
        raise InputError(f"{path}: no such file")
    tensors, told = found
    if (told["prior"] == OWN_STEP) != (prior is not None):
        raise InputError(
            f"{path}: its prior is "
            + ("a step of its own; pass it as prior=" if prior is None else "in the file; leave prior= out")
        )
    if isinstance(told["prior"], dict):
        prior = PhysicsPrior.from_dict(cast("dict[str, Any]", told["prior"]))
    kind = {"PgDMM": PgDMM, "DMM": DMM}[told["kind"]]
    model = object.__new__(kind)
    DeepMarkovModel.__init__(
        model, NetworkShape(**told["shape"]), prior,
        missing=told["missing"], normalise=told["normalise"], precision=told["precision"],
    )  # fmt: skip
    scales = {name: tensors.pop(f"scale.{name}").numpy() for name in Scales._fields}
    model.set_state(tensors, Scales(**scales))
    return model
