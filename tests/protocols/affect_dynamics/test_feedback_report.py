from __future__ import annotations

import pytest

from doxa.lab.record import Recorder, Tables
from doxa.protocols.affect_dynamics.feedback_report import feedback_findings

GAINS = (0.2, 0.6, 1.0, 1.4)


def branches(loop, foretold):
    """Return tables of models that lock in from given gains on; None never does."""
    parts = []
    for seed in range(3):
        recorder = Recorder("model", seed)
        for kind, first in (("loop", loop), ("foretold", foretold)):
            for gain in GAINS:
                apart = 1.5 + 1e-3 * seed if first is not None and gain >= first else 1e-3 * seed
                for start, sign in (("low", -0.5), ("high", 0.5)):
                    recorder.measure("branch", sign * apart, subject="m", gain=gain, start=start, kind=kind)
        parts.append(recorder.tables())
    return Tables.concat(parts)


@pytest.mark.parametrize(
    ("loop", "foretold", "verdict"),
    [
        (0.6, 0.6, "holds"),
        (0.6, 1.0, "holds"),
        (0.2, 1.4, "fails"),
        (None, 0.6, "fails"),
        (0.2, None, "fails"),
        (None, 1.4, "holds"),
        (None, None, "unresolved"),
    ],
)
def test_a_loop_that_never_locks_in_counts(loop, foretold, verdict):
    found = {one.id: one for one in feedback_findings(branches(loop, foretold))}
    assert found["critical-gain"].verdict == verdict
