from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.record import Recorder
from doxa.worlds.belief_learners import BeliefCell, BeliefCells
from doxa.worlds.belief_outcomes import CELLS, outcomes_of, read_trainings, record_training

KINDS = tuple(
    BeliefCell(who, attitude, question, truth)
    for who, attitude, questions in (
        ("I", "believes", ("belief", "truth")),
        ("I", "knows", ("belief", "truth")),
        ("J", "believes", ("belief", "truth")),
        ("M", "believes", ("belief", "truth")),
        ("nobody", "none", ("truth",)),
    )
    for question in questions
    for truth in (True, False)
)


def cells_with(changes=(), know=True):
    """Return two replicates that are right everywhere, but for what is changed in the second."""
    kinds = tuple(kind for kind in KINDS if know or kind.attitude != "knows")
    accuracy = np.ones((2, len(kinds)))
    p_yes = np.array([[float(kind.question == "belief" or kind.truth) for kind in kinds]] * 2)
    for kind, value in changes:
        accuracy[1, kinds.index(kind)] = value
        p_yes[1, kinds.index(kind)] = 1 - value
    return BeliefCells(kinds, np.full(accuracy.shape, 64), p_yes, p_yes, accuracy)


def test_outcomes_by_hand():
    found = outcomes_of(
        cells_with(
            [
                (BeliefCell("I", "believes", "belief", False), 0.25),
                (BeliefCell("M", "believes", "belief", False), 0.5),
                (BeliefCell("I", "believes", "truth", False), 0.75),
                (BeliefCell("I", "knows", "truth", False), 0.0),
            ]
        )
    )
    assert found["third_false"].tolist() == [1.0, 0.75]
    assert found["person_gap"].tolist() == [0.0, 0.5]
    assert found["truth_gap"].tolist() == [0.0, 0.75]
    assert found["frame_effect"].tolist() == [0.0, 0.25]
    assert found["third_frame_effect"].tolist() == [0.0, 0.0]
    assert found["facts"].tolist() == [1.0, 0.75]
    assert found["factivity"].tolist() == pytest.approx([0.0, 1.0 - 0.25])


def test_recorded_trainings_come_back():
    cells = cells_with([(BeliefCell("I", "believes", "belief", False), 0.25)], know=False)
    rows = []
    for row, seed in enumerate((5, 6)):
        recorder = Recorder("share 0.96", seed)
        record_training(recorder, cells, row, 0.01)
        rows.append(recorder.tables().check().measures)
    seen = read_trainings(rows[0].vstack(rows[1]))
    assert seen["seed"].to_list() == [5, 6]
    assert seen["person_gap"].to_list() == [0.0, 0.75]
    assert seen["factivity"].to_list() == [None, None], "a world without KNOW has none"
    assert set(CELLS) < set(seen.columns)
    assert "p_yes/I/believes/belief/false" in rows[0]["measure"]
    assert rows[0].filter(measure="loss")["value"].item() == 0.01
