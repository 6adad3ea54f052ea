"""One cell of the study: the models of one replicate of a world, trained and scored."""

from __future__ import annotations

from dataclasses import dataclass

from doxa.dynamics.physics_guided.problems import (
    Problem,
    Size,
    Watched,
    belief_problem,
    crack_problem,
    linear_problem,
    pendulum_problem,
    silverbox_problem,
)
from doxa.dynamics.physics_guided.training import Plan, Progress, train_models
from doxa.dynamics.physics_guided.variants import (
    BAYESIAN_AGENTS,
    GUIDED,
    SIMPLE_PHYSICS,
    SIMPLE_PLATES,
    TRAINED,
    variants_of,
)
from doxa.lab.record import Recorder
from doxa.worlds.discounting_agents import BAYESIAN, DiscountingAgent

STEPS = {"pendulum": 60, "linear": 60, "crack": 60, "belief": 40}
"""Length of simulated sequences."""
TESTED = 4
"""One sequence is tested for each so many that are learnt from."""


@dataclass(frozen=True)
class Worlds:
    """How large the worlds are.

    Attributes:
        sequences: simulated sequences to learn from.
        watched: what is seen of the pendulum.
        tested: sequences of each span of the real record on which models are scored.
        agent: how agents update that are not Bayesian.
    """

    sequences: int = 200
    watched: Watched = "angle"
    tested: int = 200
    agent: DiscountingAgent = BAYESIAN

    def problem(self, world: str, variant: str, seed: int) -> Problem:
        """Return the world of a replicate.

        Raises:
            InputError: it is the real record, and that is not here.
        """
        if world == "silverbox":
            return silverbox_problem()
        size = Size(self.sequences, max(1, self.sequences // TESTED), STEPS[world])
        if world == "pendulum":
            return pendulum_problem(seed, size, self.watched)
        if world == "linear":
            return linear_problem(seed, size)
        if world == "crack":
            return crack_problem(seed, size, geometry=variant not in (SIMPLE_PLATES, SIMPLE_PHYSICS))
        return belief_problem(seed, size, BAYESIAN if variant == BAYESIAN_AGENTS else self.agent)


def record_world(recorder: Recorder, world: str, worlds: Worlds, plan: Plan, progress: Progress) -> None:
    """Record all models of one replicate of a world, and what needs no training.

    Args:
        recorder: takes the rows; its seed is that of the world and of the trainings.
        world: its name.
        worlds: how large worlds are.
        plan: how models are trained.
        progress: told the share done.
    """
    from doxa.dynamics.physics_guided import baselines
    from doxa.dynamics.physics_guided.scores import record_model

    if world == "silverbox":
        baselines.record_open_loop(recorder)
    names = [name for name in variants_of(world) if name in TRAINED]
    problems = {name: worlds.problem(world, name, recorder.seed) for name in names}
    if world == "linear":
        baselines.record_kalman(recorder, problems[GUIDED])
    trained = train_models(problems, plan, recorder.seed, lambda done, note: progress(0.8 * done, note))
    for place, (name, (model, fit)) in enumerate(trained.items()):
        progress(0.8 + 0.2 * place / len(trained), f"{name}: scores")
        scored = problems[name].some(worlds.tested) if world == "silverbox" else problems[name]
        record_model(recorder, scored, name, model, fit)
