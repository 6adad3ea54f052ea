"""A process that trains small policies with checkpoints in a folder; bar 1 starts and kills it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from doxa.training.policy_loop import train_policy
from doxa.training.policy_plan import PolicyPlan, Variant
from doxa.worlds.sum_composition import SumComposition
from doxa.worlds.sum_learners import train_base


def main(out: Path) -> None:
    """Train bases, then two rhythms of variants; evaluations run in a thread of their own."""
    torch.set_num_threads(1)
    world, seeds, place = SumComposition(low=5, high=10, most=4), [1, 2], out / "policy" / "cells"
    base = train_base(
        world, seeds, demonstrations=500, steps=100, batch=32, width=16, heads=2, checkpoint=place / "base"
    )
    variants = [
        Variant("grpo"),
        Variant("clip-cov", "clip-cov?ratio=0.1&lb=0.1"),
        Variant("slow", mini_batches=1),
    ]
    train_policy(
        base.net, world, variants, seeds, PolicyPlan(steps=30, evaluate_every=6), checkpoint=place / "policy",
        checkpoint_every=3, asynchronous=True,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
