"""Training of the models of one replicate, those of one shape side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from doxa.dynamics.deep_markov.model import DeepMarkovModel
from doxa.dynamics.deep_markov.models import DMM, PgDMM
from doxa.dynamics.deep_markov.prior import PhysicsPrior
from doxa.dynamics.deep_markov.results import FitResult
from doxa.dynamics.deep_markov.stack import fit_stack
from doxa.dynamics.deep_markov.training import FitPlan, TrainingStep
from doxa.dynamics.deep_markov.weights import Guide, NetworkShape
from doxa.dynamics.physics_guided.problems import Problem, Series
from doxa.dynamics.physics_guided.variants import TRAINED
from doxa.errors import InputError
from doxa.streams import stream

Progress: TypeAlias = Callable[[float, str], None]


@dataclass(frozen=True)
class Plan:
    """How models are made and trained.

    Attributes:
        steps: optimiser steps.
        batch: sequences of a step.
        rate: highest learning rate.
        anneal: share of the steps over which the weight of the divergence rises.
        kl_start: first value of that weight.
        guide: "paper", or "direct" with linear paths that reach beyond the training range.
        rnn: width of the recurrent guide.
        hidden: width of transition and emission networks.
        cut: share of the sequences that lose their ends in training. A guide reads ahead; only one that has seen
            sequences end anywhere tells a next step well.
    """

    steps: int
    batch: int
    rate: float
    anneal: float
    kl_start: float
    guide: Guide
    rnn: int
    hidden: int
    cut: float = 0.0

    @property
    def fit(self) -> FitPlan:
        """What the trainer is told."""
        return FitPlan(
            steps=self.steps,
            lr=self.rate,
            batch=self.batch,
            kl_anneal=round(self.anneal * self.steps),
            kl_start=self.kl_start,
            stretch=max(1, self.steps // 30),
        )


def make_model(problem: Problem, variant: str, plan: Plan) -> DeepMarkovModel:
    """Return a fresh model of a problem.

    Raises:
        InputError: the problem has no prior of that name.
    """
    how = TRAINED[variant]
    _, _, channels = problem.train.observed.shape
    inputs = problem.train.inputs.shape[2]
    normalise = "all" if problem.pictures else "channel"
    if not how.physics:
        return DMM(
            channels,
            inputs,
            len(problem.coordinates),
            "mlp" if problem.pictures else "linear",
            plan.rnn,
            plan.hidden,
            guide=plan.guide,
            missing="nan",
            normalise=normalise,
        )
    prior = _prior(problem, how.prior)
    return PgDMM(
        prior,
        channels,
        inputs,
        alpha=how.alpha,
        learn_alpha=how.learn_alpha,
        # as released: a bounded share would end inside (0, 1) by its form alone
        alpha_form="free" if problem.name == "silverbox" else "sigmoid",
        emission="mlp" if problem.pictures else "prior",
        rnn_dim=plan.rnn,
        hidden=plan.hidden,
        guide=plan.guide,
        missing="nan",
        normalise=normalise,
    )


def _prior(problem: Problem, name: str) -> PhysicsPrior:
    if not name:
        return problem.prior
    if name not in problem.other_priors:
        raise InputError(f"prior '{name}': {problem.name} has none of that name")
    return problem.other_priors[name]


def train_models(
    problems: Mapping[str, Problem], plan: Plan, seed: int, progress: Progress
) -> dict[str, tuple[DeepMarkovModel, FitResult]]:
    """Return a trained model for each variant; those of one shape train side by side, and share nothing.

    Args:
        problems: what each variant is trained on, all of one size.
        plan: how.
        seed: of weights, noise and order, which all variants have in common.
        progress: told the share done.
    """
    models = {variant: make_model(problem, variant, plan) for variant, problem in problems.items()}
    stacks: dict[NetworkShape, list[str]] = {}
    for variant, model in models.items():
        stacks.setdefault(model.shape, []).append(variant)
    trained: dict[str, tuple[DeepMarkovModel, FitResult]] = {}
    for place, names in enumerate(stacks.values()):
        told = _reporter(names, (place, len(stacks)), plan.steps, progress)
        data = [
            models[name].read(
                problems[name].train.observed,
                inputs_of(problems[name].train),
                lengths=_lengths(problems[name], plan.cut, seed),
            )
            for name in names
        ]
        results = fit_stack(
            [models[name] for name in names], data, seeds=[seed] * len(names), plan=plan.fit, callbacks=[told]
        )
        trained |= {name: (models[name], one) for name, one in zip(names, results, strict=True)}
    return {name: trained[name] for name in models}


def _lengths(problem: Problem, cut: float, seed: int) -> Int[np.ndarray, " N"] | None:
    """Return how many steps of each sequence are trained on."""
    if cut == 0.0:
        return problem.train_lengths
    rows, steps, _ = problem.train.observed.shape
    whole = np.full(rows, steps) if problem.train_lengths is None else problem.train_lengths
    return cut_lengths(whole, cut, seed)


def cut_lengths(whole: Int[np.ndarray, " N"], share: float, seed: int) -> Int[np.ndarray, " N"]:
    """Return lengths of which a share is cut to anything from 2 steps to the whole, the same for all models.

    Args:
        whole: steps of each sequence, at least 2.
        share: of the sequences that are cut, rounded to a whole number of them.
        seed: of which ones and where.
    """
    rng = stream(seed, "physics guided", "cut")
    chosen = rng.permutation(len(whole))[: round(share * len(whole))]
    lengths = whole.copy()
    lengths[chosen] = rng.integers(2, whole[chosen] + 1)
    return lengths


def _reporter(
    names: Sequence[str], place: tuple[int, int], steps: int, progress: Progress
) -> Callable[[TrainingStep], None]:
    """Return what passes on how far the stack at a place among all stacks is."""

    def told(step: TrainingStep) -> None:
        done = (place[0] + step.step / steps) / place[1]
        progress(
            done, f"{' and '.join(names)}: step {step.step}, {float(np.mean(step.elbo)):.3f} nats a step"
        )

    return told


def inputs_of(series: Series) -> Float[np.ndarray, "N T q"] | None:
    """Return the inputs as models take them: None where there are none."""
    return series.inputs if series.inputs.shape[2] else None
