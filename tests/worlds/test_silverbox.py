from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat
from scipy.signal import lfilter, ss2tf

from doxa.errors import InputError
from doxa.lab.data import CATALOGUE
from doxa.worlds import silverbox
from doxa.worlds.silverbox import cut, load_silverbox


@pytest.fixture(scope="module")
def record():
    return load_silverbox()


def test_the_record_is_as_published(record):
    assert record.voltage.shape == record.displacement.shape == (131_072,)
    assert record.train.observed.shape == (600, 100, 1)
    assert record.test.states.shape == (400, 100, 2)
    assert record.displacement[silverbox.TRAIN].std() == pytest.approx(0.0548, abs=5e-5)
    assert record.displacement[silverbox.TEST].std() == pytest.approx(0.0529, abs=5e-5)
    assert CATALOGUE["pgdmm"].licence == "MIT"


def test_sequences_stand_in_the_order_of_the_record(record):
    np.testing.assert_array_equal(record.test.observed.ravel(), record.displacement[:40_000])
    np.testing.assert_array_equal(record.train.inputs.ravel(), record.voltage[40_000:100_000])
    moved = np.diff(record.displacement[:40_000]) * 1e7 / 2**14
    np.testing.assert_allclose(record.test.states[..., 1].ravel()[1:], moved)
    assert record.test.states[0, 0, 1] == 0.0


@pytest.mark.parametrize(("span", "published"), [(silverbox.TRAIN, 0.0187), (silverbox.TEST, 0.0201)])
def test_the_released_model_alone_is_off_by_what_was_measured(record, span, published):
    a, b = np.array(silverbox.RELEASED_A), np.array(silverbox.RELEASED_B)
    # the input of a step moves the state that is seen at its end
    above, below = ss2tf(a, b, np.array([[1.0, 0.0]]) @ a, b[:1])
    said = lfilter(above[0], below, record.voltage[span])
    assert np.sqrt(np.mean((said - record.displacement[span]) ** 2)) == pytest.approx(published, abs=3e-4)


def test_resonance_and_damping_are_those_of_the_released_matrix():
    from scipy.linalg import logm

    root = np.linalg.eigvals(logm(np.array(silverbox.RELEASED_A)) / silverbox.DT)[0]
    assert abs(root.imag) / (2 * np.pi) == pytest.approx(silverbox.RESONANCE_HZ, abs=0.05)
    assert -root.real / abs(root) == pytest.approx(silverbox.DAMPING_RATIO, abs=1e-4)


def test_other_files_are_refused(tmp_path):
    short = tmp_path / "short.mat"
    savemat(short, {"V1": np.zeros((1, 10)), "V2": np.zeros((1, 10))})
    with pytest.raises(InputError, match="not 131072"):
        load_silverbox(short)
    without = tmp_path / "without.mat"
    savemat(without, {"V1": np.zeros((1, 10))})
    with pytest.raises(InputError, match="V2"):
        load_silverbox(without)
    (tmp_path / "text.mat").write_text("no matrix")
    with pytest.raises(InputError, match=r"text\.mat"):
        load_silverbox(tmp_path / "text.mat")


def test_without_the_data_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("DOXA_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="doxa data get pgdmm"):
        load_silverbox()


def test_a_span_shorter_than_a_sequence_is_refused():
    with pytest.raises(InputError, match="fewer than one sequence"):
        cut(np.zeros(99), np.zeros(99))
