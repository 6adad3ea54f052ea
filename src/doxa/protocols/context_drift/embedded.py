"""The protocol on networks trained on the leaning corpus: what they say and do after each kind of reading.

Contexts take a side; every probability is that of the side the context argues for, and of side 1 after a balanced
reading, which argues for none. A label is the likelier answer, y = argmax; it has shifted, s = 1[y_post != y_pre], when
it differs from the one in the empty context. Half of all contexts argue for the label that stands there already and
cannot shift it, so that shift reaches 50 % at most and the shift of contexts that argue against it 100 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from doxa.belief.calibration import log_odds_fit
from doxa.belief.inference import phi_coefficient
from doxa.belief.information import logit
from doxa.lab.record import Readout, Recorder
from doxa.protocols.context_drift.outcomes import TABLE
from doxa.worlds.leaning_learners import LeaningCurve, LeaningModels, length_curve

SUBJECT = "leaning-corpus"

TIE = 1e-9
"""The exact reader's probabilities this near to one half are a tie: no label, so it keeps the start."""

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
        recorder: where it goes; conditions are the arms, and ``mask nothing``, ``mask topic``, ...
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
        _record_shifts(recorder, arm, curve, curves["resampled"] if arm == "one-sided" else None)
    _record_table(recorder, curves["one-sided"], settled)
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


def _record_shifts(
    recorder: Recorder, condition: str, curve: LeaningCurve, again: LeaningCurve | None
) -> None:
    """Record how many contexts shift a label, in which direction, and how often another draw gives another label.

    In percent: ``shift`` of all contexts; ``shift_against`` of those that argue against the start (none do after a
    balanced reading); ``directional``, to the side argued less away from it; ``shift_bayes``, what the exact reader
    would make of the same starts; ``floor``, contexts whose other draw ends in another label.
    """
    start = curve.lengths.index(0)
    for name, values, exact in (
        ("stated", curve.stated[0], curve.bayes_stated),
        ("behavioural", curve.option[0], curve.bayes_option),
    ):
        labels = values > 0.5
        argues = condition != "balanced"
        for place, n in enumerate(curve.lengths):
            before, after = labels[start], labels[place]
            certain = np.where(np.abs(exact[place] - 0.5) < TIE, before, exact[place] > 0.5)
            shares = {"shift": after != before, "shift_bayes": certain != before}
            if argues:
                shares |= {"shift_against": after[~before], "directional": after.astype(float) - before}
            if again is not None:
                other = again.stated[0] if name == "stated" else again.option[0]
                shares["floor"] = after != (other[place] > 0.5)
            for measure, flags in shares.items():
                recorder.measure(
                    f"{measure}/{name}",
                    100.0 * float(flags.mean()) if flags.size else None,
                    subject=SUBJECT,
                    unit="percent",
                    axis="sweep",
                    time=n,
                    condition=condition,
                    n=int(flags.size),
                    **({} if flags.size else {"missing": "no context argues against a start"}),
                )


def _record_table(recorder: Recorder, curve: LeaningCurve, n: int) -> None:
    """Record the 2x2 table of belief shifted by behaviour shifted after n statements, and its phi."""
    start, place = curve.lengths.index(0), curve.lengths.index(n)
    belief, behaviour = (
        (values[0, place] > 0.5) != (values[0, start] > 0.5) for values in (curve.stated, curve.option)
    )
    table = [[int((belief & behaviour).sum()), int((belief & ~behaviour).sum())],
             [int((~belief & behaviour).sum()), int((~belief & ~behaviour).sum())]]  # fmt: skip
    for name, count in zip(TABLE, [*table[0], *table[1]], strict=True):
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
        for measure, value, unit in (
            ("slope", fit.slope.estimate, "ratio"),
            ("intercept", fit.intercept.estimate, "nats"),
        ):
            recorder.measure(f"calibration_{measure}/{name}", value, subject=SUBJECT, unit=unit, axis="sweep")
