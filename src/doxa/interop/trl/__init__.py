"""TRL: its GRPO with any loss and any advantage of ``doxa.training``.

``EntropyControlledGRPOTrainer`` loads TRL when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.interop.trl.trainer import EntropyControlledGRPOTrainer

__all__ = ["EntropyControlledGRPOTrainer"]

__getattr__ = loader(__name__, {"EntropyControlledGRPOTrainer": "trainer"})
