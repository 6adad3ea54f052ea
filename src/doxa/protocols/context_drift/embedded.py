"""The protocol on networks trained on the leaning corpus: what they say and do after each kind of reading.

Contexts take a side; every probability is that of the side the context argues for, and of side 1 after a balanced
reading, which argues for none. A topic's start is the likelier answer in the empty context, and it has shifted when the
likelier answer after the context is the other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.calibration import log_odds_fit
from doxa.belief.inference import phi_coefficient
from doxa.belief.information import logit
from doxa.lab.record import Readout, Recorder
from doxa.worlds.leaning_learners import LeaningCurve, LeaningModels, length_curve

SUBJECT = "leaning-corpus"

ARMS: dict[str, dict[str, Any]] = {
    "one-sided": {},
    "resampled": {},
    "uncoupled": {"asked": "uncoupled"},
    "balanced": {"reading": "balanced"},
}
"""What is read before the question. ``one-sided``: statements on other coupled topics, all on one side; ``resampled``:
another draw of them; ``uncoupled``: the same, then a question about an uncoupled topic; ``balanced``: half on each
side."""

MASKS: tuple[str | None, ...] = (None, "topic", "random", "coupled")
"""What is deleted from a one-sided reading on all topics: nothing, statements on the asked topic, as many at random,
statements on coupled topics."""


class Starts(NamedTuple):
    """Whether the likelier answer to a topic in the empty context is side 1, for each context's topic."""

    stated: Bool[np.ndarray, " contexts"]
    option: Bool[np.ndarray, " contexts"]


def record_models(
    recorder: Recorder,
    models: LeaningModels,
    rng: Callable[..., np.random.Generator],
    *,
    lengths: Sequence[int],
    contexts: int,
    settled: int,
) -> None:
    """Read every arm and every mask with one trained network and record what it believes.

    Args:
        recorder: where it goes; conditions are the arms, and ``mask none``, ``mask topic``, ...
        models: one replicate.
        rng: gives the stream of some names.
        lengths: statements read, 0 first.
        contexts: contexts of each length.
        settled: the length at which shifts are cross-tabulated and masks are compared.
    """
    curves = {
        arm: length_curve(models, rng("contexts", arm), lengths=lengths, contexts=contexts, **chosen)
        for arm, chosen in ARMS.items()
    }
    for arm, curve in curves.items():
        _record_curve(recorder, arm, curve)
    _record_shifts(recorder, curves["one-sided"], curves["resampled"], settled)
    _record_calibration(recorder, curves, rng("calibration"))
    for mask in MASKS:
        # every mask deletes from the same contexts
        read: Mapping[str, Any] = {"about": "all", "mention_topic": True, "mask": mask}
        curve = length_curve(models, rng("contexts", "mask"), lengths=(settled,), contexts=contexts, **read)
        _record_curve(recorder, f"mask {mask or 'nothing'}", curve)


def _record_curve(recorder: Recorder, condition: str, curve: LeaningCurve) -> None:
    """Record the mean probability of the side argued for, by topic and length, beside the exact reader's."""
    kinds: tuple[tuple[str, Readout, Float[np.ndarray, "lengths contexts"]], ...] = (
        ("stance on topic", "stated", curve.stated[0]),
        ("stance on topic", "reference", curve.bayes_stated),
        ("option on topic", "behavioural", curve.option[0]),
        ("option on topic", "reference", curve.bayes_option),
    )
    for proposition, readout, argued in kinds:
        # a balanced reading argues for nobody: side 1 then, or a liking for one side would cancel
        values = np.where(curve.sides == 0, 1 - argued, argued) if condition == "balanced" else argued
        for place, n in enumerate(curve.lengths):
            for topic in np.unique(curve.topics):
                own = curve.topics == topic
                recorder.belief(
                    subject=SUBJECT,
                    proposition=f"{proposition} {topic}",
                    readout=readout,
                    axis="sweep",
                    time=n,
                    credence=float(values[place, own].mean()),
                    n=int(own.sum()),
                    condition=condition,
                    within_training=bool(curve.within_training[place]),
                )


def _record_shifts(recorder: Recorder, curve: LeaningCurve, again: LeaningCurve, settled: int) -> None:
    """Record, of contexts that argue against a topic's start, how many moved it, and how many differ by the draw."""
    starts = _starts(curve)
    sides = curve.sides == 1
    for name, values, other, exact, start in (
        ("stated", curve.stated[0], again.stated[0], curve.bayes_stated, starts.stated),
        ("behavioural", curve.option[0], again.option[0], curve.bayes_option, starts.option),
    ):
        against = sides != start
        for place, n in enumerate(curve.lengths):
            moved, redrawn = values[place] > 0.5, other[place] > 0.5
            for measure, flags in (
                ("shift", moved[against]),
                ("floor", (moved != redrawn)[against]),
                ("shift_bayes", exact[place][against] > 0.5),
            ):
                recorder.measure(
                    f"{measure}/{name}",
                    100.0 * float(flags.mean()) if flags.size else None,
                    subject=SUBJECT,
                    unit="percent",
                    axis="sweep",
                    time=n,
                    n=int(flags.size),
                    **({} if flags.size else {"missing": "no context argues against a start"}),
                )
    place = curve.lengths.index(settled)
    belief = (curve.stated[0, place] > 0.5) == (sides != starts.stated)
    behaviour = (curve.option[0, place] > 0.5) == (sides != starts.option)
    _record_table(recorder, belief, behaviour, settled)


def _record_table(
    recorder: Recorder,
    belief: Bool[np.ndarray, " contexts"],
    behaviour: Bool[np.ndarray, " contexts"],
    n: int,
) -> None:
    """Record the 2x2 table of belief shifted by behaviour shifted, and its phi."""
    table = [[int((belief & behaviour).sum()), int((belief & ~behaviour).sum())],
             [int((~belief & behaviour).sum()), int((~belief & ~behaviour).sum())]]  # fmt: skip
    cells = {
        "both": table[0][0],
        "belief only": table[0][1],
        "behaviour only": table[1][0],
        "neither": table[1][1],
    }
    for name, count in cells.items():
        recorder.measure(
            f"table/{name}", float(count), subject=SUBJECT, unit="contexts", axis="sweep", time=n
        )
    phi = phi_coefficient(table)
    reason = {"missing": phi.reason} if phi.reason else {}
    recorder.measure("phi", phi.value, subject=SUBJECT, axis="sweep", time=n, **reason)


def _record_calibration(
    recorder: Recorder, curves: Mapping[str, LeaningCurve], rng: np.random.Generator
) -> None:
    """Record slope and intercept of the log-odds against Bayes over one-sided and balanced contexts together."""
    read = [curves[arm] for arm in ("one-sided", "balanced")]
    for name, values, exact in (
        ("stated", [curve.stated[0] for curve in read], [curve.bayes_stated for curve in read]),
        ("behavioural", [curve.option[0] for curve in read], [curve.bayes_option for curve in read]),
    ):
        x, y = (logit(np.concatenate([part.ravel() for part in parts])) for parts in (exact, values))
        fit = log_odds_fit(y, x, rng=rng, n_resamples=100)
        for measure, value in (("slope", fit.slope.estimate), ("intercept", fit.intercept.estimate)):
            recorder.measure(
                f"calibration_{measure}/{name}", value, subject=SUBJECT, unit="nats", axis="sweep"
            )


def _starts(curve: LeaningCurve) -> Starts:
    """Return each topic's likelier answer in the empty context, spread over its contexts."""
    place = curve.lengths.index(0)
    sides = curve.sides == 1
    return Starts(*((part[place] > 0.5) == sides for part in (curve.stated[0], curve.option[0])))
