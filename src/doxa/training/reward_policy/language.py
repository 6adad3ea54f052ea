"""Level 3: a small language model that may answer long or short, and a bonus of ε for a short answer.

All replicates of a seed start from one network that learned from demonstrations, and train as one stack: every bonus,
with advantages divided by their group's deviation and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from doxa.lab.record import Recorder

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer
    from doxa.worlds.sum_composition import SumComposition

BONUSES = (-0.01, 0.0, 0.01)
ADVANTAGES = {"normalised": "grpo", "plain": "grpo?scale=none"}
SUBJECT = "sum composition"
TIE = 0.05
"""Deviation of a group's rewards below which dividing by it amplifies."""


@dataclass(frozen=True)
class Sizes:
    """How large the networks' training is.

    Attributes:
        pretraining: optimiser steps on demonstrations.
        steps: steps of policy training.
        group: responses to each prompt.
        rate: learning rate of policy training.
        judged: responses to each prompt by which a policy is judged.
    """

    pretraining: int
    steps: int
    group: int
    rate: float
    judged: int


def record_language(
    recorder: Recorder,
    seed: int,
    sizes: Sizes,
    progress: Callable[[float, str], None],
    folder: Path | None = None,
) -> None:
    """Train one seed's replicates side by side, and record the share of short answers among the right ones.

    Args:
        recorder: takes the rows.
        seed: of the networks and of all training.
        sizes: how long.
        progress: told what is done.
        folder: where training is kept while it is going on; None keeps nothing.
    """
    from doxa.training.policy_loop import train_policy
    from doxa.training.policy_plan import PolicyPlan, PolicyWorld, Variant
    from doxa.worlds.sum_composition import SumComposition
    from doxa.worlds.sum_learners import train_base

    plain = SumComposition()
    base = train_base(
        plain,
        [seed],
        steps=sizes.pretraining,
        progress=lambda done, total: progress(0.3 * done / total, "demonstrations"),
        checkpoint=None if folder is None else folder / "base.safetensors",
    )
    kinds = [(name, bonus) for name, bonus in product(ADVANTAGES, BONUSES)]
    variants = [Variant(_name(*kind), advantage=ADVANTAGES[kind[0]], rate=sizes.rate) for kind in kinds]
    worlds: dict[str, PolicyWorld] = {_name(*kind): SumComposition(short_bonus=kind[1]) for kind in kinds}
    plan = PolicyPlan(steps=sizes.steps, group=sizes.group, evaluate_every=0, tie_tolerance=TIE)
    run = train_policy(
        base.net,
        worlds,
        variants,
        [seed],
        plan,
        names=("reward policy",),
        progress=lambda now: progress(0.3 + 0.7 * now.step / now.steps, "policies"),
        checkpoint=None if folder is None else folder / "policies.safetensors",
    )
    record_answers(recorder, base.net, plain, ["base"], seed, sizes.judged)
    record_answers(recorder, run.net, plain, [one.variant for one in run.replicates], seed, sizes.judged)
    for row in run.log.select("variant", "step", "tie_rate", "reward", "entropy").iter_rows(named=True):
        told = _about(row["variant"])
        for name in ("tie_rate", "reward", "entropy"):
            recorder.measure(
                name, row[name], subject=SUBJECT, axis="step", time=row["step"], missing="not logged", **told
            )


def record_answers(
    recorder: Recorder,
    net: StackedTransformer,
    world: SumComposition,
    names: list[str],
    seed: int,
    samples: int,
) -> None:
    """Record how often each policy is right, and how short its right answers are; all draw with the same numbers."""
    from doxa.nets.generation import generate, sampling_noise

    count = len(world.prompts)
    noise = sampling_noise([seed] * net.replicates, count * samples, world.most, "reward policy", "judged")
    drawn = generate(
        net,
        world.prompts,
        noise=noise,
        repeats=samples,
        end=world.end,
        most=world.most,
        lengths=world.prompt_lengths,
    )
    prompt = np.repeat(np.arange(count), samples)
    for place, name in enumerate(names):
        tokens = drawn.tokens[place].numpy()
        right = np.asarray(world.correct(prompt, tokens))
        short = (tokens != world.end).sum(-1) <= world.short_digits
        told = _about(name)
        recorder.measure("right", float(right.mean()), subject=SUBJECT, **told)
        recorder.measure(
            "short",
            float(short[right].mean()) if right.any() else None,
            subject=SUBJECT,
            answers=int(right.sum()),
            missing="no right answer",
            **told,
        )


def _name(advantage: str, bonus: float) -> str:
    return f"{advantage} {bonus:g}"


def _about(name: str) -> dict[str, Any]:
    """Return what a policy's rows say of it."""
    if name == "base":
        return {"advantage": "base", "bonus": 0.0}
    advantage, bonus = name.split()
    return {"advantage": advantage, "bonus": float(bonus)}
