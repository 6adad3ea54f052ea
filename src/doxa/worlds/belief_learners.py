"""Small networks that learn a belief world, and what each has learned to say, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from doxa.errors import InputError
from doxa.nets.plan import NO_LOSS, NetShape, Precision, Sampler, TokenBatch, TrainingPlan
from doxa.worlds.belief_world import (
    ATTITUDES,
    ITEM_TOKENS,
    NO,
    PERSONS,
    QUESTIONS,
    YES,
    Attitude,
    BeliefItems,
    BeliefWorld,
    Person,
    Question,
)

if TYPE_CHECKING:
    from doxa.nets.transformer import StackedTransformer


class BeliefCell(NamedTuple):
    """One kind of question: who is said to hold p how, what is asked about p, and whether p is true."""

    person: Person
    attitude: Attitude
    question: Question
    truth: bool


@dataclass(frozen=True)
class BeliefCells:
    """What each replicate answers in each cell.

    Attributes:
        cells: the kinds of question, in the order of the columns.
        n: items of each cell.
        p_yes: mean P(yes) / (P(yes) + P(no)).
        says_yes: share of items answered yes when the likelier word is taken.
        accuracy: share of items answered right when the likelier word is taken.
    """

    cells: tuple[BeliefCell, ...]
    n: Int[np.ndarray, "replicates cells"]
    p_yes: Float[np.ndarray, "replicates cells"]
    says_yes: Float[np.ndarray, "replicates cells"]
    accuracy: Float[np.ndarray, "replicates cells"]

    def column(
        self, person: Person, question: Question, *, truth: bool, attitude: Attitude | None = None
    ) -> int:
        """Return the column of a cell; the attitude is "believes" ("none" for nobody) unless given.

        Raises:
            InputError: there is no such cell.
        """
        meant = attitude or ("none" if person == "nobody" else "believes")
        cell = BeliefCell(person, meant, question, truth)
        if cell not in self.cells:
            raise InputError(f"{cell}: no such cell; there are {len(self.cells)}, see .cells")
        return self.cells.index(cell)

    def person_gap(self) -> Float[np.ndarray, " replicates"]:
        """Return accuracy confirming false p: mean of the third persons minus the first person."""
        first, james, mary = (
            self.accuracy[:, self.column(who, "belief", truth=False)] for who in ("I", "J", "M")
        )
        return (james + mary) / 2 - first

    def truth_gap(self) -> Float[np.ndarray, " replicates"]:
        """Return first-person accuracy confirming true p minus confirming false p."""
        true, false = (self.accuracy[:, self.column("I", "belief", truth=truth)] for truth in (True, False))
        return true - false

    def frame_effect(self) -> Float[np.ndarray, " replicates"]:
        """Return accuracy verifying false p without context minus in the first-person belief frame."""
        direct = self.accuracy[:, self.column("nobody", "truth", truth=False)]
        return direct - self.accuracy[:, self.column("I", "truth", truth=False)]

    def factivity_index(self) -> Float[np.ndarray, " replicates"]:
        """Return P(yes | "I know that p", p false) - P(yes | "I believe that p", p false), asked if p is true."""
        knows = self.p_yes[:, self.column("I", "truth", truth=False, attitude="knows")]
        return knows - self.p_yes[:, self.column("I", "truth", truth=False)]


@dataclass(frozen=True)
class WorldModels:
    """Trained networks, one per world.

    Attributes:
        worlds: the world each replicate learned.
        seeds: the seed of each replicate's initial weights and data.
        cells: what each answers, over every item of its world.
        loss: mean cross-entropy of each stretch of steps, in nats.
        loss_steps: last step of each stretch.
        net: the networks; ``net.export(i)`` is a ``LlamaForCausalLM``.
    """

    worlds: tuple[BeliefWorld, ...]
    seeds: tuple[int, ...]
    cells: BeliefCells
    loss: Float[np.ndarray, "replicates stretches"]
    loss_steps: tuple[int, ...]
    net: StackedTransformer


def train_world_model(
    worlds: BeliefWorld | Sequence[BeliefWorld],
    seeds: Sequence[int] | None = None,
    *,
    steps: int = 900,
    batch: int = 256,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    peak_rate: float = 2e-3,
    precision: Precision = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> WorldModels:
    """Train one network per world, all as one stack, and ask each every question of its world.

    Args:
        worlds: one world, or several that share n_entities and n_values.
        seeds: seed of each replicate's weights and data; by default its world's seed.
        steps: optimiser steps.
        batch: items per step and replicate.
        width: width of the residual stream.
        layers: blocks.
        heads: attention heads.
        peak_rate: highest learning rate of the one-cycle schedule.
        precision: of the matrix products, see TrainingPlan.
        progress: called with (steps done, steps).

    Raises:
        InputError: no worlds, worlds of different sizes, or seeds of another number.
    """
    from doxa.nets.trainer import train_stack

    worlds = (worlds,) if isinstance(worlds, BeliefWorld) else tuple(worlds)
    if not worlds or any(
        (w.n_entities, w.n_values) != (worlds[0].n_entities, worlds[0].n_values) for w in worlds
    ):
        raise InputError("worlds: give at least one, all with the same n_entities and n_values")
    own = tuple(world.seed for world in worlds) if seeds is None else tuple(seeds)
    shape = NetShape(worlds[0].vocabulary, width=width, layers=layers, heads=heads, positions=ITEM_TOKENS)
    plan = TrainingPlan(steps=steps, batch=batch, peak_rate=peak_rate, precision=precision)
    samplers = [belief_sampler(world) for world in worlds]
    trained = train_stack(shape, samplers, own, plan, stream_names=("belief-world",), progress=progress)
    cells = read_cells(trained.net, worlds)
    return WorldModels(worlds, own, cells, trained.loss, trained.loss_steps, trained.net)


def belief_sampler(world: BeliefWorld) -> Sampler:
    """Return what the trainer draws from: items with loss at the answer only."""

    def sample(rng: np.random.Generator, rows: int) -> TokenBatch:
        items = world.sample(rows, rng)
        targets = np.full((rows, ITEM_TOKENS), NO_LOSS)
        targets[:, -1] = np.where(items.yes, YES, NO)
        return TokenBatch(world.encode(items), targets)

    return sample


def read_cells(net: StackedTransformer, worlds: Sequence[BeliefWorld]) -> BeliefCells:
    """Ask each replicate every question of its world and average by cell."""
    asked = [world.every_item() for world in worlds]
    kinds = [_kinds(world, items) for world, items in zip(worlds, asked, strict=True)]
    cells = tuple(sorted({kind for row in kinds for kind in row}, key=_order))
    tokens = [world.encode(items) for world, items in zip(worlds, asked, strict=True)]
    longest = max(len(rows) for rows in tokens)
    # Worlds with KNOW have more items; the others are filled up with copies of their last, which are not counted.
    filled = np.stack([np.pad(rows, ((0, longest - len(rows)), (0, 0)), "edge") for rows in tokens])
    log_probs = net.log_probs(filled)[:, :, 0, [NO, YES]].astype(np.float64)
    p_yes = 1 / (1 + np.exp(log_probs[:, :, 0] - log_probs[:, :, 1]))
    tables = np.full((4, len(worlds), len(cells)), np.nan)
    for row, (items, kind) in enumerate(zip(asked, kinds, strict=True)):
        code = np.array([cells.index(one) for one in kind])
        says = p_yes[row, : code.size] > 0.5
        for column in np.unique(code):
            own = code == column
            values = (
                own.sum(),
                p_yes[row, : code.size][own].mean(),
                says[own].mean(),
                (says == items.yes)[own].mean(),
            )
            tables[:, row, column] = values
    return BeliefCells(cells, np.nan_to_num(tables[0]).astype(np.int64), *tables[1:])


def _kinds(world: BeliefWorld, items: BeliefItems) -> list[BeliefCell]:
    true = items.asked == world.truth[items.entity]
    return [
        BeliefCell(PERSONS[person], ATTITUDES[attitude], QUESTIONS[question], bool(truth))
        for person, attitude, question, truth in zip(
            items.person, items.attitude, items.question, true, strict=True
        )
    ]


def _order(cell: BeliefCell) -> tuple[int, int, int, bool]:
    return (
        PERSONS.index(cell.person),
        ATTITUDES.index(cell.attitude),
        QUESTIONS.index(cell.question),
        cell.truth,
    )
