from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.dynamics.physics_guided.own_series import check_own
from doxa.dynamics.physics_guided.series_file import read_prior, read_series
from doxa.errors import InputError

ROWS = ["sequence,x,u,truth"] + [f"a,{t},0.{t},{t}" for t in range(6)] + [f"b,{t},0.5,{t}" for t in range(4)]


def write(folder, lines, name="series.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_of_two_sequences(tmp_path):
    own = read_series(write(tmp_path, ROWS))
    assert own.names == ("a", "b")
    assert own.channels == ("x",)
    assert own.lengths.tolist() == [6, 4]
    assert own.observed.shape == own.inputs.shape == own.truth.shape == (2, 6, 1)
    np.testing.assert_array_equal(own.observed[0, :, 0], np.arange(6))
    np.testing.assert_array_equal(own.inputs[1, :, 0], [0.5, 0.5, 0.5, 0.5, 0.0, 0.0])


def test_rows_of_a_sequence_need_not_stand_together(tmp_path):
    mixed = [ROWS[0], *(line for pair in zip(ROWS[1:5], ROWS[7:], strict=True) for line in pair), *ROWS[5:7]]
    one, other = read_series(write(tmp_path, ROWS)), read_series(write(tmp_path, mixed, "mixed.csv"))
    for name in ("observed", "inputs", "truth", "lengths"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_one_sequence_with_a_gap_and_two_channels(tmp_path):
    own = read_series(write(tmp_path, ["x1,x2", "1,2", "3,", "5,6", "7,8"]))
    assert own.observed.shape == (1, 4, 2)
    assert own.inputs is None
    assert own.truth is None
    assert np.isnan(own.observed[0, 1, 1])
    assert own.observed[0, 1, 0] == 3.0


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["y", "1", "2", "3", "4"], "give x"),
        (["x"], "0 rows"),
        (["x", "1", "two", "3", "4"], "line 3: x='two' is no number"),
        (["x", "1", "inf", "3", "4"], "line 3: x=inf is not finite"),
        (["x,u", "1,1", "2,", "3,3", "4,4"], "line 3: u is empty"),
        (["sequence,x", "a,1", "a,2", "a,3", "a,4", "b,1"], "sequence 'b' has 1 steps"),
    ],
)
def test_bad_tables(tmp_path, lines, told):
    with pytest.raises(InputError, match=told):
        read_series(write(tmp_path, lines))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_series(tmp_path / "none.csv")


def test_priors_by_name_and_from_files(tmp_path):
    bayes = read_prior("bayes", None)
    np.testing.assert_array_equal(bayes.A, [[1.0]])
    np.testing.assert_array_equal(bayes.B, [[1.0]])
    path = tmp_path / "oscillator.json"
    path.write_text(json.dumps({"kind": "oscillator", "f0": 68.3, "zeta": 0.067, "gain": 1.0}))
    swings = read_prior(str(path), 2**14 / 1e7)
    assert np.abs(np.linalg.eigvals(swings.A)).max() == pytest.approx(
        np.exp(-0.067 * 2 * np.pi * 68.3 * 2**14 / 1e7)
    )
    path.write_text(json.dumps({"kind": "oscillator", "f0": 68.3, "zeta": 0.067, "dt": 0.01}))
    other = read_prior(str(path), 2**14 / 1e7)
    assert not np.allclose(other.A, swings.A)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no json", "neither 'bayes' nor a JSON file"),
        ("[1, 2]", "must hold one JSON object"),
        ('{"kind": "oscilator"}', "did you mean 'oscillator'"),
        ('{"kind": "oscillator", "f0": 1.0, "zeta": 0.1, "dt": 0}', "dt=0"),
        ('{"kind": "linear", "A_d": [[1, 2]]}', "must be square"),
        ('{"kind": "linear", "A_d": [[1]], "C": [[1, 0]]}', "must have 1 columns"),
    ],
)
def test_bad_priors(tmp_path, text, told):
    path = tmp_path / "prior.json"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_prior(str(path), None)


def test_table_prior_and_horizon_must_fit(tmp_path):
    own, prior = read_series(write(tmp_path, ROWS)), read_prior("bayes", None)
    with pytest.raises(InputError, match="horizon=1: leaves 3 steps"):
        check_own(own, prior, 1)
    long = [f"{line},1" for line in ROWS[:1]] + [f"a,{t},1,{t},1" for t in range(9)]
    long[0] = "sequence,x,u,truth1,truth2"
    with pytest.raises(InputError, match="1 coordinates"):
        check_own(read_series(write(tmp_path, long, "long.csv")), prior, 2)
    with pytest.raises(InputError, match="takes 1 input"):
        check_own(read_series(write(tmp_path, ["x", *"123456"], "bare.csv")), prior, 2)
    with pytest.raises(InputError, match="shows 1 channel"):
        check_own(
            read_series(write(tmp_path, ["x1,x2,u", *(f"{t},{t},1" for t in range(6))], "two.csv")), prior, 2
        )
