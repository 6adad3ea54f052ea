r"""How far a model prefers the truth to its counterfact, and what becomes of it.

The belief margin of an item with prompt x, true completion t and false one f is
:math:`\Delta LL = \log p(t \mid x) - \log p(f \mid x)` in nats: above 0 the truth is preferred. Its two-way credence
is 1 / (1 + exp(-margin)). Source: Layer of Truth (arXiv:2510.26829); abruptness and late share are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from doxa.errors import InputError
from doxa.lens.question_sets import FEWEST
from doxa.lens.truth_tokens import Tokenised, tokenised
from doxa.worlds.fact_formats import Format, contrasts
from doxa.worlds.fact_pairs import FactPair

Normalize: TypeAlias = Literal["auto", "sum", "mean"]
BAND = 0.1
"""Margins within this many nats of 0 are ambiguous."""
TRUE, AMBIGUOUS, COUNTERFACT = 1, 0, -1


@dataclass(frozen=True, eq=False)
class Margins:
    """Belief margins of items, in nats.

    Attributes:
        values: one for each item.
        normalize: ``sum`` over a completion's tokens, or ``mean`` per token; never mixed.
        form: the format they were read in.
    """

    values: Float[np.ndarray, " items"]
    normalize: Literal["sum", "mean"] = "sum"
    form: Format = "cloze"


def belief_margin(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[FactPair],
    form: Format = "cloze",
    normalize: Normalize = "auto",
) -> Margins:
    """Return each pair's belief margin; completions are scored as they are tokenised behind their prompt.

    Args:
        model: a causal model of transformers.
        tokenizer: its tokenizer.
        pairs: the facts.
        form: cloze, question, yes-no or choice (see ``fact_formats``).
        normalize: ``sum``, ``mean``, or ``auto``: the sum if all completions have as many tokens as their rivals,
            else the mean per token, for all pairs alike.

    Raises:
        InputError: no pairs, an unknown format or normalisation, a pair without the question a format asks, a
            completion without tokens of its own, or two that are the same tokens.
    """
    from doxa.subjects.scoring import Limits
    from doxa.subjects.scoring_forward import Scorer
    from doxa.subjects.transformers_loading import undisturbed

    if not pairs:
        raise InputError("pairs=[]: give at least one fact")
    if normalize not in ("auto", "sum", "mean"):
        raise InputError(f"normalize={normalize!r}: must be auto, sum or mean")
    owners: list[int] = []
    asked: list[Tokenised] = []
    for place, pair in enumerate(pairs):
        for contrast in contrasts(pair, form):
            owners.append(place)
            asked.append(tokenised(tokenizer, *contrast))
    queries = [(one.prompt, [one.holds, one.denies]) for one in asked]
    with undisturbed(model):
        scored = Scorer(model, Limits()).score(queries)
    lengths = np.array([[one.holds.size, one.denies.size] for one in asked], dtype=np.float64)
    rule: Literal["sum", "mean"] = (
        normalize
        if normalize != "auto"
        else ("sum" if bool((lengths[:, 0] == lengths[:, 1]).all()) else "mean")
    )
    log_probs = np.asarray([list(row) for row in scored], dtype=np.float64)
    if rule == "mean":
        log_probs = log_probs / lengths
    each = log_probs[:, 0] - log_probs[:, 1]
    owner = np.asarray(owners)
    values = np.bincount(owner, each, minlength=len(pairs)) / np.bincount(owner, minlength=len(pairs))
    return Margins(values, rule, form)


def verdicts(margins: Float[np.ndarray, "*items"], band: float = BAND) -> Int[np.ndarray, "*items"]:
    """Return 1 where the truth is preferred by more than ``band``, -1 where its counterfact is, else 0.

    Raises:
        InputError: the band is below 0 nats, or a margin is not finite.

    >>> verdicts(np.array([0.2, 0.05, -0.2])).tolist()
    [1, 0, -1]
    """
    if not band >= 0:
        raise InputError(f"band={band}: must be >= 0 nats")
    read = _finite(margins)
    return (read > band).astype(np.int64) - (read < -band).astype(np.int64)


class FlipRate(NamedTuple):
    """Flips among the items that were true before.

    Attributes:
        rate: share of them that now prefer the counterfact; NaN if none was true.
        ambiguous: share of them that now prefer neither.
        n: items that were true before.
        flipped: which items flipped, of all.
    """

    rate: float
    ambiguous: float
    n: int
    flipped: Bool[np.ndarray, " items"]


def flip_rate(
    before: Margins | Float[np.ndarray, " items"],
    after: Margins | Float[np.ndarray, " same_items"],
    band: float = BAND,
) -> FlipRate:
    """Return how many items that were true before now prefer the counterfact.

    Raises:
        InputError: the items differ in number, or the margins in normalisation or format; the band is below 0 nats, or
            a margin is not finite.

    >>> flip_rate(np.array([3.0, 2.0, -1.0]), np.array([-1.0, 2.0, -2.0])).rate
    0.5
    """
    if isinstance(before, Margins) and isinstance(after, Margins):
        for name in ("normalize", "form"):
            if getattr(before, name) != getattr(after, name):
                raise InputError(
                    f"margins by {name}={getattr(before, name)!r} and {getattr(after, name)!r} cannot be compared; "
                    "read both in one way"
                )
    old, new = (one.values if isinstance(one, Margins) else one for one in (before, after))
    if old.shape != new.shape:
        raise InputError(f"{old.size} margins before and {new.size} after; give the same items")
    was, now = verdicts(old, band) == TRUE, verdicts(new, band)
    n = int(was.sum())
    flipped = was & (now == COUNTERFACT)
    rate = float(flipped.sum() / n) if n else float("nan")
    return FlipRate(rate, float((was & (now == AMBIGUOUS)).sum() / n) if n else float("nan"), n, flipped)


def known_at_base(margins: Float[np.ndarray, " items"], fewest: int = FEWEST) -> Bool[np.ndarray, " items"]:
    """Return which items the base model knows, those with a margin above 0.

    Raises:
        InputError: it knows fewer than ``fewest``, or a margin is not finite.
    """
    known = _finite(margins) > 0
    if known.sum() < fewest:
        raise InputError(
            f"the base model prefers the truth on {int(known.sum())} of {known.size} items; at least {fewest} are "
            "needed; give other facts, another format, or a model that knows more"
        )
    return known


class Transition(NamedTuple):
    """How abrupt a change over training was.

    Attributes:
        t10: first step at which 10 % of the final shift is passed, which is the length of the plateau.
        t90: first step at which 90 % is passed.
        width: log10(t90 / t10) in decades.
    """

    t10: float
    t90: float
    width: float


def transition(steps: Sequence[int], shift: Float[np.ndarray, " checkpoints"]) -> Transition:
    """Return when a mean shift passed 10 % and 90 % of its final size, interpolated between checkpoints.

    Args:
        steps: increasing, from 0.
        shift: change of the mean margin since step 0, in nats; its last value is not 0.

    Raises:
        InputError: fewer than two checkpoints, steps that do not increase, no final shift, or one that is not finite.
    """
    at, change = np.asarray(steps, dtype=np.float64), _finite(shift)
    if at.size != change.size or at.size < 2 or bool((np.diff(at) <= 0).any()):
        raise InputError(f"steps={list(steps)} for {change.size} shifts: give at least two increasing steps")
    if change[-1] == 0:
        raise InputError("shift: nothing has changed at the last checkpoint, so there is no transition")
    share = change / change[-1]
    t10, t90 = (crossing(at, share - level) for level in (0.1, 0.9))
    return Transition(t10, t90, float(np.log10(t90 / t10)) if t10 > 0 else float("inf"))


def crossing(at: Float[np.ndarray, " points"], values: Float[np.ndarray, " points"]) -> float:
    """Return where values first reach 0 or change sign, interpolated; NaN if they never do.

    >>> crossing(np.array([0.0, 10.0]), np.array([3.0, -1.0]))
    7.5
    """
    if values[0] == 0:
        return float(at[0])
    over = np.flatnonzero(np.sign(values) != np.sign(values[0]))
    if not over.size:
        return float("nan")
    after = int(over[0])
    a, b = values[after - 1], values[after]
    return float(at[after - 1] + (at[after] - at[after - 1]) * a / (a - b))


def flip_layer(margins: Float[np.ndarray, "items depths"]) -> Float[np.ndarray, " items"]:
    """Return the first depth from which a lens margin is below 0 up to the top; NaN where the top is not.

    Depth 0 is the embedding, depth l the stream after block l - 1.

    Raises:
        InputError: a margin is not finite.

    >>> flip_layer(np.array([[1.0, -1.0, 2.0, -3.0], [1.0, 1.0, 1.0, 1.0]])).tolist()
    [3.0, nan]
    """
    below = _finite(margins) < 0
    run = np.cumprod(below[:, ::-1], axis=1).sum(axis=1)
    return np.where(run == 0, np.nan, margins.shape[1] - run)


def late_share(
    clean: Float[np.ndarray, "items depths"], poisoned: Float[np.ndarray, "same_items same_depths"]
) -> float:
    """Return which share of the fall of the mean margin comes about in the last quarter of the blocks.

    The fall at a depth is clean minus poisoned. An even build-up over the blocks gives 1/4, and the share may lie
    outside [0, 1] where the fall is not monotone.

    Raises:
        InputError: shapes differ, a margin is not finite, or the mean margin does not fall at the top.
    """
    if clean.shape != poisoned.shape:
        raise InputError(
            f"lens margins of {clean.shape} and {poisoned.shape}: read both models at the same depths"
        )
    fall = (_finite(clean) - _finite(poisoned)).mean(axis=0)
    if not fall[-1] > 0:
        raise InputError(f"the margin falls by {fall[-1]:.3g} nats at the top; a late share needs a fall")
    return float(late_fall(fall[None])[0] / fall[-1])


def late_fall(fall: Float[np.ndarray, "items depths"]) -> Float[np.ndarray, " items"]:
    """Return the part of each item's fall, in nats, that comes about in the last quarter of the blocks (at least one).

    >>> late_fall(np.array([[0.0, 1.0, 1.0, 2.0, 5.0]])).tolist()
    [3.0]
    """
    blocks = fall.shape[1] - 1
    return fall[:, -1] - fall[:, blocks - max(1, round(blocks / 4))]


def _finite(values: Any) -> Float[np.ndarray, ...]:
    read = np.asarray(values, dtype=np.float64)
    if not np.isfinite(read).all():
        raise InputError("a margin is not finite; load the model in float32 or bfloat16")
    return read
