"""Which column of a log holds the step, the entropy and the score: guessed from the names that trainers use, or set."""

from __future__ import annotations

import re
from collections.abc import Mapping as Counts
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from doxa.errors import InputError, did_you_mean

Role: TypeAlias = Literal["step", "entropy", "score"]

ROLES: dict[Role, tuple[tuple[str, str], ...]] = {
    "step": (
        (r"_?step|global_?step|steps?|iteration|iter", "the logger"),
        (r"(train(ing)?|trainer|actor)/(global_)?step", "OpenRLHF, Lightning, verl"),
    ),
    "entropy": (
        (r"actor/entropy", "verl"),
        (r"(train/)?entropy", "TRL GRPO"),
        (r"(train/)?(policy|objective)/(mean_)?entropy(_avg)?", "TRL PPO and RLOO"),
        (r"(.+/)?((mean|token|policy|mean_token)_entropy|entropy[_/](mean|avg))", "usual names"),
        (r"actor/entropy_loss", "older verl: the mean entropy"),
        (r"(train/)?entropy_loss", "OpenRLHF: the mean entropy"),
        (r"(?!eval).+/entropy", "usual names"),
    ),
    "score": (
        (r"val-core/.+/(acc|score|reward)/mean@\d+", "verl, held out"),
        (r"val/(test_score|acc|score|reward).*", "older verl, held out"),
        (r"eval[/_](.*[/_])?(accuracy|acc|pass@?1|score)(/mean)?", "held out"),
        (r"eval[/_](.*[/_])?(reward|rewards|reward_mean|mean_reward)(/mean)?", "held out"),
        (r"(.+/)?(accuracy|acc|pass@?1)(/mean|_mean)?", "usual names"),
        (r"critic/(score|rewards)/mean", "verl, training prompts"),
        (r"(.+/)?(score|mean_score|score_mean|objective/rlhf_reward|objective/scores)", "training prompts"),
        (
            r"(train/)?(reward|mean_reward|reward_mean|reward/mean|rewards/mean)",
            "TRL, OpenRLHF, training prompts",
        ),
        (r"(train/)?rewards/.+/mean", "TRL, one reward function on training prompts"),
    ),
}
"""Names of each role as patterns of whole names, the best first, and whose they are."""

FEWEST = 3
"""Points that a law needs."""


class Mapping(NamedTuple):
    """What was taken for what.

    Attributes:
        step: the column of steps; empty where rows are counted.
        entropy: the column of entropies.
        score: the column of scores; empty where the log has none.
        notes: how each was found, in words, one line each.
    """

    step: str
    entropy: str
    score: str
    notes: tuple[str, ...]


def mapping(columns: Counts[str, int], *, step: str = "", entropy: str = "", score: str = "") -> Mapping:
    """Return which columns hold step, entropy and score.

    Args:
        columns: by name of a column, how many numbers it holds; one with fewer than three is not guessed while there
            is another.
        step: name of the column of steps, empty to guess it.
        entropy: the same of entropies.
        score: the same of scores.

    Raises:
        InputError: a named column is not there, several runs have the same column, or none looks like an entropy.
    """
    notes: list[str] = []
    columns_of = _column(columns, "step", step, notes), _column(columns, "entropy", entropy, notes)
    if not columns_of[1]:
        raise InputError(
            f"no column looks like a policy entropy; name it with entropy_column=...; columns: {listed(list(columns))}"
        )
    return Mapping(*columns_of, _column(columns, "score", score, notes), tuple(notes))


def bare(column: str) -> str:
    """Return a column's name without the run before it, which exports of charts put there.

    >>> bare("my run - actor/entropy"), bare("val-core/math/acc/mean@8")
    ('actor/entropy', 'val-core/math/acc/mean@8')
    """
    return column.rpartition(" - ")[2]


def listed(columns: Sequence[str], most: int = 20) -> str:
    """Return names of columns in a row, no more than a line can hold."""
    rest = f" and {len(columns) - most} more" if len(columns) > most else ""
    return (", ".join(columns[:most]) or "none") + rest


def _column(columns: Counts[str, int], role: Role, given: str, notes: list[str]) -> str:
    if given:
        fits = [name for name in columns if name == given] or [
            name for name in columns if bare(name) == given
        ]
        if not fits:
            raise InputError(
                f"{role}_column={given!r}: the log has no such column; {did_you_mean(given, columns)}"
            )
        _refuse_several(fits, role)
        notes.append(f"{role}: {fits[0]} (as set)")
        return fits[0]
    usable = [name for name in columns if not re.search(r"__(MIN|MAX)$", name)]
    full = [name for name in usable if columns[name] >= FEWEST]
    for among, (pattern, whose) in ((names, known) for names in (full, usable) for known in ROLES[role]):
        fits = [name for name in among if re.fullmatch(pattern, bare(name), re.IGNORECASE)]
        if not fits:
            continue
        _refuse_several([name for name in fits if bare(name) == bare(fits[0])], role)
        others = f"; {listed(fits[1:], 4)} would fit too, choose with {role}_column=" if len(fits) > 1 else ""
        notes.append(f"{role}: {fits[0]} (guessed: {whose}{others})")
        return fits[0]
    missing = {
        "step": "rows are counted",
        "score": "none found, the law needs one; name it with score_column=",
    }
    if role in missing:
        notes.append(f"{role}: {missing[role]}")
    return ""


def _refuse_several(fits: Sequence[str], role: Role) -> None:
    if len(fits) > 1:
        raise InputError(
            f"{len(fits)} columns are a {role}, of different runs: {listed(fits, 6)}; choose one with {role}_column=..."
        )
