"""Group-relative policy optimisation of tiny models: seeds and variants train side by side as one stack.

A replicate is a variant begun from one seed's base. Its prompts, noise, order and choices hang on its seed, the names
and the step only, so variants of one seed draw with the same numbers, and no replicate depends on its company.
Token statistics of the whole stack are one fused pass; each replicate's loss sees its own rows.

Rows of the log are taken at the rollout of a step, before its updates, and evaluations after so many steps: both say
what the policy of that step is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from doxa.canonical import Json, digest
from doxa.errors import InputError
from doxa.nets.checkpoint import load_tensors, save_tensors, weights_digest
from doxa.nets.optimiser import StackedAdamW
from doxa.nets.transformer import StackedTransformer
from doxa.training.evaluator import Evaluator
from doxa.training.objectives import open_advantage, open_loss, warn_few_updates
from doxa.training.policy_log import Replicate, StepLog, training_table
from doxa.training.policy_plan import PolicyPlan, PolicyWorld, Variant, Worlds, worlds_of
from doxa.training.policy_updates import Updater
from doxa.training.rollouts import Roller


class PolicyProgress(NamedTuple):
    """How training stands, means over the replicates at work: ``step`` of ``steps``, entropy and KL in nats."""

    step: int
    steps: int
    reward: float
    entropy: float
    kl: float


Progress = Callable[[PolicyProgress], None]


@dataclass(frozen=True)
class PolicyRun:
    """What training leaves behind.

    Attributes:
        net: the policies, in the order of ``replicates``.
        replicates: variant by variant, the seeds of each in their order.
        log: a row per replicate and step, see ``doxa.training.rollouts`` and ``doxa.training.policy_updates``.
        evaluations: a row per replicate and evaluation, see ``Evaluation.measures``.
    """

    net: StackedTransformer
    replicates: tuple[Replicate, ...]
    log: pl.DataFrame
    evaluations: pl.DataFrame


def train_policy(
    net: StackedTransformer,
    worlds: Worlds,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    plan: PolicyPlan,
    *,
    names: Sequence[str | int] = ("policy",),
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 8,
    asynchronous: bool = False,
) -> PolicyRun:
    """Train every variant from every seed's base.

    Args:
        net: the bases, one for each seed; copied, not changed.
        worlds: prompts and rewards, one world for all variants or one for each by name.
        variants: what is compared.
        seeds: of the replicates' streams, one for each base.
        plan: what the variants share.
        names: names in front of the streams' own.
        progress: called after each step.
        checkpoint: file to keep the state in and to resume from; the end is byte-equal to an unbroken run. Variants
            that update in another rhythm than the first have files of their own beside it.
        checkpoint_every: steps between saved states.
        asynchronous: evaluate frozen copies in a second thread while training goes on; it changes no number and pays
            where a core is free.

    Raises:
        InputError: seeds, bases, worlds and variants do not fit together, or an address is unknown.
        DoxaError: a loss is not finite.
        StoreError: the checkpoint is damaged or belongs to another training.
    """
    each = dict(zip((variant.name for variant in variants), worlds_of(worlds, variants), strict=True))
    _check(net, next(iter(each.values())), variants, seeds, plan)
    rhythms = list(dict.fromkeys(variant.updates for variant in variants))
    parts: list[_Stack] = []
    for place, rhythm in enumerate(rhythms):
        path = (
            checkpoint
            if checkpoint is None or place == 0
            else checkpoint.with_name(f"{checkpoint.name}.{place}")
        )
        members = [variant for variant in variants if variant.updates == rhythm]
        stack = _Stack(net, each, members, seeds, plan, names, path)
        stack.train(checkpoint_every, _in_turn(progress, place, len(rhythms)), asynchronous=asynchronous)
        parts.append(stack)
    return _joined(parts, [Replicate(variant.name, seed) for variant in variants for seed in seeds])


class _Stack:
    """The variants of one rhythm at work."""

    def __init__(
        self,
        bases: StackedTransformer,
        worlds: Mapping[str, PolicyWorld],
        variants: Sequence[Variant],
        seeds: Sequence[int],
        plan: PolicyPlan,
        names: Sequence[str | int],
        path: Path | None,
    ) -> None:
        self.replicates = [Replicate(variant.name, seed) for variant in variants for seed in seeds]
        each_base = [place for _ in variants for place in range(len(seeds))]
        self.net, self._base = bases.select(each_base), bases.select(each_base)
        self.log, self.evaluations = StepLog(len(self.replicates)), StepLog(len(self.replicates))
        each = [variant for variant in variants for _ in seeds]
        self._every_seed = [one.seed for one in self.replicates]
        self._worlds = [worlds[variant.name] for variant in each]
        self._plan, self._names, self._path = plan, names, path
        self._rates = [variant.rate for variant in each]
        self._clip = [variant.clip_norm for variant in each]
        self._roll = Roller(
            self._worlds, each, self._every_seed, [open_advantage(one.advantage) for one in each], plan, names
        )
        self._update = Updater(
            each, self._every_seed, [open_loss(one.loss) for one in each], plan.group, names
        )
        told: Json = [
            asdict(bases.shape), asdict(plan), [asdict(variant) for variant in variants], [*seeds], [*names],
            [repr(world) for world in worlds.values()], weights_digest(self.net.weights),
        ]  # fmt: skip
        self._identity = digest(told)
        self._moments = [torch.zeros_like(weight) for weight in self.net.weights.values()]
        self._squares = [torch.zeros_like(weight) for weight in self.net.weights.values()]
        self._updates = [0] * len(self.replicates)
        self._step = 0

    def train(self, every: int, progress: Progress | None, *, asynchronous: bool) -> None:
        """Train to the end, from the checkpoint on where there is one."""
        self._load()
        optimiser = StackedAdamW(
            self.net.weights, self._moments, self._squares, updates=self._updates, betas=self._plan.betas,
            weight_decay=self._plan.weight_decay, clip_norm=self._clip,
        )  # fmt: skip
        steps = self._plan.steps
        with Evaluator(
            self._worlds,
            self._every_seed,
            self._plan,
            self._names,
            self._base,
            self.evaluations,
            asynchronous=asynchronous,
        ) as evaluator:
            while True:
                evaluator.see(self._step, self.net)
                if self._step == steps:
                    break
                rollout = self._roll(self.net, self._step)
                moved = self._update(self.net, optimiser, self._rates, rollout, self._step)
                self.log.add(self._step, {**moved, **rollout.numbers})
                self._step += 1
                self._updates = optimiser.updates
                if progress is not None:
                    now = [self.log.latest(name) for name in ("reward", "entropy", "kl")]
                    progress(PolicyProgress(self._step, steps, *now))
                if self._step % every == 0 and self._step < steps:
                    evaluator.wait()
                    self._save()
            evaluator.wait()
        optimiser.release()
        self._save()

    def _tensors(self) -> dict[str, torch.Tensor]:
        named = {f"weight.{name}": tensor.detach() for name, tensor in self.net.weights.items()}
        for kind, tensors in (("moment", self._moments), ("square", self._squares)):
            named |= {f"{kind}.{name}": one for name, one in zip(self.net.weights, tensors, strict=True)}
        return named

    def _save(self) -> None:
        if self._path is not None:
            logs = self.log.tensors("log") | self.evaluations.tensors("evaluation")
            told: dict[str, Json] = {"step": self._step, "updates": self._updates}
            save_tensors(self._path, self._identity, self._tensors() | logs, told)

    def _load(self) -> None:
        found = None if self._path is None else load_tensors(self._path, self._identity)
        if found is None:
            return
        saved, told = found
        for name, tensor in self._tensors().items():
            tensor.copy_(saved[name])
        self.log.restore("log", saved)
        self.evaluations.restore("evaluation", saved)
        self._step, self._updates = int(told["step"]), [int(one) for one in told["updates"]]


def _check(
    net: StackedTransformer,
    world: PolicyWorld,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    plan: PolicyPlan,
) -> None:
    if net.replicates != len(seeds) or len(set(seeds)) != len(seeds):
        raise InputError(
            f"{net.replicates} bases for seeds {list(seeds)}: give one base for each, no seed twice"
        )
    if net.shape.vocabulary != world.vocabulary:
        raise InputError(
            f"the bases know {net.shape.vocabulary} tokens and the world has {world.vocabulary}; must be equal"
        )
    count = plan.prompts or len(world.prompts)
    if count > len(world.prompts):
        raise InputError(f"prompts={plan.prompts}: the world has {len(world.prompts)}; 0 takes all")
    for variant in variants:
        if variant.mini_batches > count:
            raise InputError(
                f"variant '{variant.name}': mini_batches={variant.mini_batches} of {count} groups; must be <= {count}"
            )
        warn_few_updates(open_loss(variant.loss), variant.mini_batches * variant.epochs)


def _in_turn(progress: Progress | None, place: int, count: int) -> Progress | None:
    """Return a progress that counts the steps of all stacks."""
    if progress is None or count == 1:
        return progress
    return lambda now: progress(now._replace(step=place * now.steps + now.step, steps=count * now.steps))


def _joined(parts: Sequence[_Stack], replicates: Sequence[Replicate]) -> PolicyRun:
    """Return the stacks as one run in the order of the replicates."""
    where = {one: (part, place) for part in parts for place, one in enumerate(part.replicates)}
    found = [where[one] for one in replicates]
    weights = {
        name: torch.stack([part.net.weights[name][place].detach() for part, place in found])
        for name in parts[0].net.weights
    }
    order = pl.DataFrame(
        {"variant": [one.variant for one in replicates], "seed": [one.seed for one in replicates]}
    )

    def sorted_rows(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
        whole = pl.concat(tables, how="diagonal")
        return order.join(whole, on=["variant", "seed"], how="inner", maintain_order="left_right")

    return PolicyRun(
        StackedTransformer(parts[0].net.shape, weights),
        tuple(replicates),
        sorted_rows([training_table(part.log, part.replicates) for part in parts]),
        sorted_rows([part.evaluations.table(part.replicates) for part in parts]),
    )
