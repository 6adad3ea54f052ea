from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.belief.log_odds import credence_of, log_odds_of
from doxa.errors import StoreError
from doxa.lab.record import SCHEMAS, Tables
from doxa.lab.store import RunFolder
from doxa.streams import stream

NUMBERS = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 0.1, 0.5, 1.0])
PAIRS = st.one_of(
    st.tuples(NUMBERS, st.floats(0, 1)),
    st.floats(-40, 40).map(lambda x: (x, float(credence_of(np.array([x]))[0]))),
    st.floats(0, 1).map(lambda c: (float(log_odds_of(np.array([c]))[0]), c)),
    st.just((None, None)),
)


def tables_of(log_odds: list[float | None], credence: list[float | None]) -> Tables:
    count = len(log_odds)
    beliefs = pl.DataFrame(
        {
            "condition": ["c"] * count,
            "seed": [0] * count,
            "subject": [f"agent {place % 20}" for place in range(count)],
            "proposition": [f"proposition {place % 7}" for place in range(count)],
            "axis": ["step"] * count,
            "time": [float(place // 140) for place in range(count)],
            "readout": ["stated"] * count,
            "log_odds": log_odds,
            "credence": credence,
            "n": [1] * count,
            "extra": ["{}"] * count,
        },
        schema=SCHEMAS["beliefs"],
    )
    return Tables.empty()._replace(beliefs=beliefs)


@settings(max_examples=100, deadline=None)
@given(st.lists(PAIRS, max_size=20))
def test_beliefs_come_back_to_the_last_bit(pairs):
    tables = tables_of([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    with TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        assert run.write("k", {}, tables)
        for back in (run.read("k").beliefs, run.read_table("k", "beliefs")):
            for name in SCHEMAS["beliefs"]:
                left, right = (frame[name] for frame in (tables.beliefs, back))
                if left.dtype == pl.Float64():
                    left, right = (column.reinterpret(signed=True) for column in (left, right))
                assert left.to_list() == right.to_list(), name


@pytest.mark.parametrize(("given", "bytes_per_row"), [("log_odds", 8.0), ("credence", 8.0), ("percent", 3.0)])
def test_a_belief_takes_less_than_eight_bytes_however_many_digits_it_has(tmp_path, given, bytes_per_row):
    count = 100_000
    drawn = stream(0, "tests", "store").random(count)
    if given == "log_odds":
        log_odds = log_odds_of(drawn)
        credence = credence_of(log_odds)
    else:
        credence = np.round(drawn, 2) if given == "percent" else drawn
        log_odds = log_odds_of(credence)
    run = RunFolder(tmp_path)
    run.write("k", {}, tables_of(log_odds.tolist(), credence.tolist()))
    assert (run.cells / "k" / "beliefs.parquet").stat().st_size / count <= bytes_per_row


def test_one_table_is_read_without_the_others_and_checked(tmp_path):
    run = RunFolder(tmp_path)
    run.write("k", {}, tables_of([0.0], [0.5]))
    (run.cells / "k" / "measures.parquet").unlink()
    assert run.read_table("k", "beliefs")["credence"].to_list() == [0.5]
    with pytest.raises(StoreError, match=r"measures\.parquet: cannot be read"):
        run.read("k")
