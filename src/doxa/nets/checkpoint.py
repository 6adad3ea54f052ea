"""Where training stands, as one safetensors file; a damaged or foreign checkpoint is refused."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from doxa.canonical import Json, digest
from doxa.errors import StoreError
from doxa.lab.files import write_atomic


@dataclass
class TrainingState:
    """Everything the next step depends on, beside the data streams.

    Attributes:
        identity: digest of shape, plan, seeds, first rows and initial weights; another training has another.
        weights: parameter name to tensor, updated in place by the trainer.
        moments: AdamW's first moments, in the order of ``weights``.
        squares: AdamW's second moments, in the order of ``weights``.
        step: steps done.
        loss: per stretch, the mean loss of each replicate in nats.
        loss_steps: last step of each stretch.
    """

    identity: str
    weights: dict[str, torch.Tensor]
    moments: list[torch.Tensor]
    squares: list[torch.Tensor]
    step: int = 0
    loss: list[np.ndarray] = field(default_factory=list[np.ndarray])
    loss_steps: list[int] = field(default_factory=list[int])

    @classmethod
    def fresh(cls, weights: dict[str, torch.Tensor], told: Json, rows: Sequence[np.ndarray]) -> TrainingState:
        """Return the state before the first step.

        Args:
            weights: the initial weights; the state refers to them, it does not copy.
            told: shape, plan, seeds and names.
            rows: what the first step reads.
        """
        zeros = [torch.zeros_like(tensor, requires_grad=False) for tensor in weights.values()]
        data = hashlib.sha256(b"".join(np.ascontiguousarray(row).tobytes() for row in rows)).hexdigest()
        identity = digest([told, data, weights_digest(weights)])
        return cls(identity, weights, zeros, [zero.clone() for zero in zeros])

    def record(self, loss: Float[np.ndarray, " replicates"]) -> None:
        """Keep the mean loss of the stretch that ends here."""
        self.loss.append(loss)
        self.loss_steps.append(self.step)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all tensors by name."""
        named = {f"weight.{name}": tensor.detach() for name, tensor in self.weights.items()}
        for kind, tensors in (("moment", self.moments), ("square", self.squares)):
            named |= {f"{kind}.{name}": tensor for name, tensor in zip(self.weights, tensors, strict=True)}
        return named


def save_state(path: Path, state: TrainingState) -> None:
    """Write the state; a kill at any moment leaves the last complete one in place.

    Raises:
        StoreError: the file cannot be written.
    """
    told: dict[str, Json] = {
        "step": state.step,
        "loss": [row.tolist() for row in state.loss],
        "loss_steps": state.loss_steps,
    }
    save_tensors(path, state.identity, state.tensors(), told)


def load_state(path: Path, state: TrainingState) -> bool:
    """Set the state to the saved one and return True, or False where there is none.

    Raises:
        StoreError: the checkpoint is damaged or belongs to another training.
    """
    found = load_tensors(path, state.identity)
    if found is None:
        return False
    saved, told = found
    own = state.tensors()
    sizes = {name: tensor.shape for name, tensor in own.items()}
    if sizes != {name: tensor.shape for name, tensor in saved.items()}:
        raise _foreign(path)
    for name, tensor in own.items():
        tensor.copy_(saved[name])
    try:
        state.step = int(told["step"])
        state.loss = [np.asarray(row, dtype=np.float64) for row in told["loss"]]
        state.loss_steps = [int(one) for one in told["loss_steps"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    return True


def save_tensors(
    path: Path, identity: str, tensors: Mapping[str, torch.Tensor], told: Mapping[str, Json]
) -> None:
    """Write tensors and what is told beside them; a kill at any moment leaves the last complete file in place.

    Args:
        path: the file.
        identity: digest of all that the training depends on.
        tensors: by name.
        told: step and records, JSON values.

    Raises:
        StoreError: the file cannot be written.
    """
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    header = json.dumps({**told, "identity": identity, "sha256": weights_digest(whole)})
    write_atomic(path, save(whole, metadata={"training": header}))


def load_tensors(path: Path, identity: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Return what ``save_tensors`` wrote, or None where there is no file; what a killed writer left goes.

    Raises:
        StoreError: the file is damaged or belongs to another training.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {})["training"])
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        written = str(told["identity"])
        if weights_digest(saved) != told["sha256"]:
            raise ValueError("checksum differs")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _damaged(path, error) from error
    if written != identity:
        raise _foreign(path)
    return saved, told


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path}: damaged checkpoint ({error}); delete it to train anew")


def _foreign(path: Path) -> StoreError:
    return StoreError(f"{path}: checkpoint of another training; choose another path or delete it")


def weights_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of tensors, names and numbers."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].detach().contiguous().numpy().tobytes())
    return total.hexdigest()
