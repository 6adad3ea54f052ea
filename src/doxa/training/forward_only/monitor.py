"""The same observables on any torch network while something else trains it: forward hooks and one fixed probe batch.

z is what a chosen module puts out, a pre-activation; D = σ(z) is then a way of reading it, whatever nonlinearity the
network itself has there. Only the probe's knowledge tensors are kept between two measurements.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from doxa.errors import InputError, did_you_mean
from doxa.subjects.transformers_loading import undisturbed
from doxa.training.forward_only.history import SKAHistory, StepRecord
from doxa.training.forward_only.observables import LayerStep, State, layer_now, layer_step


class SKAMonitor:
    """Reads entropy, alignment, flow and tensor net of chosen layers between two looks at a model.

    Args:
        model: any torch module, such as a model of transformers; hooks are on it only while it is looked at.
        layers: names of modules as in ``model.named_modules()``; shell patterns take all that match, so that
            ``*.mlp.up_proj`` is that layer of every block. Usually linear layers, whose output is a pre-activation.
        probe_inputs: what the model is called with: a tensor, a sequence of arguments, or a mapping of named ones. With
            an ``attention_mask`` among these, masked positions are left out.
        dt: time between two looks, such as the learning rate times the updates between them.

    Raises:
        InputError: a name matches no module, or dt <= 0.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> monitor = SKAMonitor(model, ["0", "2"], torch.ones(4, 2))
    >>> monitor.measure().steps is None  # the first look has nothing to compare with
    True
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str],
        probe_inputs: torch.Tensor | Sequence[Any] | Mapping[str, Any],
        *,
        dt: float = 1.0,
    ) -> None:
        if not (math.isfinite(dt) and dt > 0.0):
            raise InputError(f"dt={dt}: must be > 0")
        self.dt = dt
        self.records: list[StepRecord] = []
        self._model, self._probe = model, probe_inputs
        self._modules = _matching(model, layers)
        self._before: dict[str, torch.Tensor] = {}

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read, in the order of the model."""
        return tuple(self._modules)

    def measure(self) -> StepRecord:
        """Look at the model now: one pass of the probe, compared with the look before.

        The pass runs in evaluation mode without gradients; modes, gradients and random generators stay as they were.

        Raises:
            InputError: a layer was not reached by the pass, put out no tensor or what is not finite, or the rows of
                the probe are not those of the look before.
        """
        states = self._pass()
        now = tuple(layer_now(states[name], _weight(module)) for name, module in self._modules.items())
        steps = None if not self._before else tuple(self._step(name, state) for name, state in states.items())
        last = states[self.layers[-1]].decision
        k = len(self.records)
        record = StepRecord(k, k * self.dt, steps, now, tuple(float(one) for one in last.mean(dim=0)))
        self._before = {name: state.knowledge for name, state in states.items()}
        self.records.append(record)
        return record

    def history(self) -> SKAHistory:
        """Return the curves of all looks.

        Raises:
            InputError: there were fewer than two.
        """
        return SKAHistory.of(self.records, self.dt)

    def _step(self, name: str, now: State) -> LayerStep:
        before = self._before[name]
        if now.knowledge.shape != before.shape:
            raise InputError(
                f"layer '{name}': its output was {tuple(before.shape)} at the look before and is "
                f"{tuple(now.knowledge.shape)} now; keep the probe as it is"
            )
        pull = now.knowledge * now.decision * (1.0 - now.decision)
        return layer_step(now, State(before, torch.sigmoid(before)), pull, self.dt)

    def _pass(self) -> dict[str, State]:
        seen: dict[str, State] = {}
        mask = _mask(self._probe)

        def reading(name: str) -> Any:
            def hook(_module: nn.Module, _arguments: Any, output: Any) -> None:
                seen[name] = _state(name, output, mask)

            return hook

        handles = [module.register_forward_hook(reading(name)) for name, module in self._modules.items()]
        try:
            with undisturbed(self._model):
                if isinstance(self._probe, Mapping):
                    self._model(**self._probe)
                elif isinstance(self._probe, torch.Tensor):
                    self._model(self._probe)
                else:
                    self._model(*self._probe)
        finally:
            for handle in handles:
                handle.remove()
        for name in self._modules:
            if name not in seen:
                raise InputError(f"layer '{name}': the probe's pass does not reach it; leave it out")
        return {name: seen[name] for name in self._modules}


def _matching(model: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    known = {name: module for name, module in model.named_modules() if name}
    if isinstance(layers, str) or not layers:
        raise InputError(f"layers={layers!r}: give a list of names, such as ['*.mlp.up_proj']")
    for pattern in layers:
        if not fnmatch.filter(known, pattern):
            raise InputError(f"layers: no module is called '{pattern}'; {did_you_mean(pattern, known)}")
    return {
        name: module
        for name, module in known.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in layers)
    }


def _mask(probe: Any) -> torch.Tensor | None:
    found = cast("Mapping[str, Any]", probe).get("attention_mask") if isinstance(probe, Mapping) else None
    return None if found is None else torch.as_tensor(found).bool()


def _state(name: str, output: Any, mask: torch.Tensor | None) -> State:
    """Return a layer's output as rows by units, in float32, without masked positions."""
    z = output[0] if isinstance(output, tuple | list) else output
    if not isinstance(z, torch.Tensor) or z.ndim < 2:
        raise InputError(f"layer '{name}': puts out no tensor of rows by units; choose a linear layer")
    if mask is not None and z.shape[: mask.ndim] == mask.shape:
        z = z[mask.to(z.device)]
    z = z.detach().reshape(-1, z.shape[-1]).to(torch.float32, copy=True)
    if not bool(torch.isfinite(z).all()):
        raise InputError(f"layer '{name}': puts out NaN or infinity; the training has left the numbers")
    return State(z, torch.sigmoid(z))


def _weight(module: nn.Module) -> torch.Tensor:
    weight = getattr(module, "weight", None)
    return weight.detach() if isinstance(weight, torch.Tensor) else torch.zeros(1)
