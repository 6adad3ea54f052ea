"""What is recorded of networks on the leaning corpus, against a curve whose every label is written down."""

from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.record import Recorder
from doxa.protocols.context_drift.embedded import _record_shifts, _record_table
from doxa.protocols.context_drift.outcomes import measured, table_figure
from doxa.worlds.leaning_corpus import STATEMENT, LeaningCorpus
from doxa.worlds.leaning_learners import LeaningCurve

# P of the side argued, by length (0 and 8) and context: the first two contexts argue against the start, the third
# for it, and the last one's label moves away from the side argued.
STATED = [[0.4, 0.3, 0.6, 0.7], [0.9, 0.8, 0.9, 0.2]]
OPTION = [[0.4, 0.6, 0.6, 0.6], [0.6, 0.7, 0.6, 0.7]]
EXACT = [[0.5, 0.5, 0.5, 0.5], [0.8, 0.8, 0.8, 0.5]]


def curve(stated, option=OPTION):
    return LeaningCurve(
        lengths=(0, 8), topics=np.array([0, 0, 1, 1]), sides=np.array([0, 1, 0, 1]),
        stated=np.array([stated]), option=np.array([option]), bayes_stated=np.array(EXACT),
        bayes_option=np.array(EXACT), within_training=np.array([True, True]),
    )  # fmt: skip


def recorded(condition="one-sided", again=None):
    recorder = Recorder("embedded", 0)
    _record_shifts(recorder, condition, curve(STATED), again)
    _record_table(recorder, curve(STATED), 8)
    return recorder.tables()


def value(tables, name, time=8):
    [number] = measured(tables, name, time).values.values()
    return number


def test_shift_counts_every_context_and_the_direction_tells_them_apart():
    tables = recorded()
    assert value(tables, "shift/stated") == 75.0
    assert value(tables, "shift_against/stated") == 100.0
    assert value(tables, "directional/stated") == 25.0
    assert value(tables, "shift/behavioural") == value(tables, "directional/behavioural") == 25.0
    # the exact reader follows the text from the networks' starts, and keeps the start where it has no label
    assert value(tables, "shift_bayes/stated") == 50.0
    assert {value(tables, f"{name}/stated", 0) for name in ("shift", "directional", "shift_bayes")} == {0.0}


def test_another_draw_is_the_floor_and_identical_ones_have_none():
    assert value(recorded(again=curve(STATED)), "floor/stated") == 0.0
    other = [STATED[0], [0.9, 0.8, 0.1, 0.2]]
    assert value(recorded(again=curve(other)), "floor/stated") == 25.0
    assert not measured(recorded(), "floor/stated").values


def test_a_reading_that_argues_for_nobody_has_no_direction():
    tables = recorded("balanced")
    assert value(tables, "shift/stated") == 75.0
    assert not measured(tables, "directional/stated").values
    assert not measured(tables, "shift_against/stated").values


def test_table_of_belief_by_behaviour():
    tables = recorded()
    cells = {
        name: value(tables, f"table/{name}") for name in ("both", "belief only", "behaviour only", "neither")
    }
    assert list(cells.values()) == [1.0, 2.0, 0.0, 1.0]
    # phi = (1*1 - 2*0) over the root of 3*1*1*3
    assert value(tables, "phi") == pytest.approx(1 / 3)
    assert [row["value"] for row in table_figure(tables, "contexts", "").spec["data"]["values"]] == list(
        cells.values()
    )


def test_the_exact_reader_shifts_answer_and_option_together():
    """The option follows the side with tau > 1/2, so that argmax cannot tell belief from behaviour."""
    corpus = LeaningCorpus()
    contexts = corpus.sample(500, np.random.default_rng(0))[:, :20]
    told = corpus.bayes(contexts, np.arange(500) % 12)
    certain = np.abs(told.stance - 0.5) > 1e-9
    assert certain.sum() > 400
    assert np.array_equal((told.stance > 0.5)[certain], (told.option > 0.5)[certain])
    one_sided = corpus.pairs(STATEMENT, np.arange(1, 5), 1)
    assert float(corpus.bayes(one_sided, 0).option) > 0.5
