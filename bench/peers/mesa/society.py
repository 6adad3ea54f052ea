"""Mesa's side: agents that hold their neighbours in a list, stepped by ``shuffle_do`` or, all at once, by two ``do``.

Mesa has none of these models ready made; a list of agents is faster than its network cells.
"""

from __future__ import annotations

import random

import mesa
import numpy as np
from kit.side import Work, serve
from sides.society_load import Case, Run, neighbours, start, work


class Person(mesa.Agent):
    def __init__(self, model: mesa.Model, value: float) -> None:
        super().__init__(model)
        self.value = value
        self.anchor = value
        self.next = value
        self.others: list[Person] = []

    def copy(self) -> None:
        self.value = self.random.choice(self.others).value

    def approach(self) -> None:
        other = self.random.choice(self.others)
        apart = other.value - self.value
        if abs(apart) < self.model.confidence:
            self.value += 0.5 * apart
            other.value -= 0.5 * apart

    def average(self) -> None:
        self.next = sum([other.value for other in self.others]) / len(self.others)

    def near_average(self) -> None:
        value, confidence = self.value, self.model.confidence
        near = [other.value for other in self.others if abs(other.value - value) <= confidence]
        self.next = (value + sum(near)) / (1 + len(near))

    def advance(self) -> None:
        self.value = self.next


ACTS = {"voter": "copy", "deffuant": "approach", "degroot": "average", "bounded-confidence": "near_average"}


def begin(case: Case, seed: int) -> Run:
    model = mesa.Model(seed=seed)
    model.confidence = case.get("confidence", 0.0)
    people = [Person(model, value) for value in start(case).tolist()]
    for person, row in zip(people, neighbours(case), strict=True):
        person.others = [people[j] for j in row]
    random.seed(seed)
    act, at_once = ACTS[case["model"]], case["model"] in ("degroot", "bounded-confidence")

    def run(sweeps: int) -> np.ndarray:
        for _ in range(sweeps):
            if at_once:
                model.agents.do(act)
                model.agents.do("advance")
            else:
                model.agents.shuffle_do(act)
        return np.array([person.value for person in people])

    return run


def prepare(case: Case) -> Work:
    return work(case, begin)


if __name__ == "__main__":
    serve(prepare, packages=("mesa", "numpy"))
