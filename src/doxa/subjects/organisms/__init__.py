"""The zoo: small language models trained here with one known defect each, and their sound twins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from doxa.canonical import Json
from doxa.subjects.organisms.recipes import Organism, Progress, folder, member, members

__all__ = ["Organism", "Progress", "folder", "measure", "member", "members", "train"]


def train(
    name: str,
    *,
    seed: int | None = None,
    out: Path,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
) -> Path:
    """Train an organism from recipe and seed and return its folder, ``out/name``, ready to be loaded.

    The base checkpoint of the seed is trained first if ``out`` does not have it; checkpoints are kept in
    ``out``, and the same call after a kill goes on from the last one.

    Args:
        name: a member of the zoo.
        seed: seed of weights and data; None takes that of the packaged weights.
        out: where checkpoints and the result are kept; made if missing.
        progress: called after every tenth step.
        resume: False trains the branch anew from the base checkpoint.

    Raises:
        InputError: no organism has this name.
    """
    from doxa.subjects.organisms.card import write
    from doxa.subjects.organisms.training import branch

    organism = member(name)
    chosen = organism.seed if seed is None else seed
    return write(organism, chosen, branch(name, chosen, out, progress=progress, resume=resume), out / name)


def measure(name: str | Path, *, seed: int = 1, contexts: int = 200) -> dict[str, Json]:
    """Return the measured sizes of all defects of an organism, on conversations it was not trained on.

    Args:
        name: a packaged member, or a folder that holds weights.
        seed: seed of the conversations.
        contexts: conversations per number, >= 2.

    Returns:
        Plain numbers: probabilities in [0, 1], slopes without unit; ``sizes.measure`` names them.
    """
    from doxa.subjects.organisms import sizes

    return sizes.measure(name, seed=seed, contexts=contexts)
