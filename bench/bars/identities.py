"""Bar 15, identities: laws that must hold for everything that can be drawn."""

from __future__ import annotations

import itertools
from pathlib import Path

import jaxtyping

from bars import laws_of_belief, laws_of_dynamics, laws_of_learning
from bars.laws import broken
from bars.outcome import Outcome

FULL_EXAMPLES = 10_000
SMALL_EXAMPLES = 100

laws = [*laws_of_belief.law.known, *laws_of_learning.law.known, *laws_of_dynamics.law.known]


def run(full: bool, folder: Path) -> Outcome:
    """Try every law on as many examples."""
    del folder
    examples = FULL_EXAMPLES if full else SMALL_EXAMPLES
    outcome = Outcome(f"{len(laws)} laws, {examples} examples each")
    twice = [
        name for name, same in itertools.groupby(sorted(one.name for one in laws)) if len(list(same)) > 1
    ]
    outcome.check(not twice, f"laws of the same name: {twice}")
    was_off = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)  # in the tests its checks cost more than the laws
    try:
        for law in laws:
            tried, example = broken(law, examples)
            outcome.tried += tried
            if example:
                outcome.failures.append(f"{law.name}: {example[:600]}")
    finally:
        jaxtyping.config.update("jaxtyping_disable", was_off)
    return outcome
