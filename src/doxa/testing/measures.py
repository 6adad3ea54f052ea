"""The contract every measure keeps: records in, rows of the record out, nothing else touched."""

from __future__ import annotations

import polars as pl

from doxa.belief.measures import Measure
from doxa.lab.record import SCHEMAS, Recorder, Tables
from doxa.streams import stream
from doxa.testing.expectation import expect


def example_tables(seed: int = 0) -> Tables:
    """Return a small record: two subjects, three turns, stated and behavioural beliefs, one of them missing."""
    rng = stream(seed, "testing", "measures")
    recorder = Recorder("example", seed)
    for subject in ("a", "b"):
        for turn in range(3):
            for readout in ("stated", "behavioural"):
                for proposition in ("p", "q"):
                    recorder.belief(
                        subject=subject,
                        proposition=proposition,
                        readout=readout,
                        time=turn,
                        log_odds=float(rng.normal()),
                    )
    recorder.belief(subject="a", proposition="r", readout="stated", time=0, missing="refused")
    recorder.utterance(subject="a", conversation="c", turn=0, role="user", text="hello")
    return recorder.tables()


def check_measure(measure: Measure, tables: Tables | None = None, *, tolerance: float = 1e-9) -> None:
    """Check that a measure keeps its contract.

    Args:
        measure: takes the record's tables and returns rows of the table ``measures``.
        tables: the record to measure; a small example by default.
        tolerance: how far a value may move when the record's rows come in another order.

    Raises:
        AssertionError: it does not; the message says what it did and what the contract asks.
    """
    who = getattr(measure, "__name__", type(measure).__name__)
    record = example_tables() if tables is None else tables
    kept = Tables(*(frame.clone() for frame in record))
    rows = measure(record)
    expect(
        all(a.equals(b, null_equal=True) for a, b in zip(kept, record, strict=True)),
        f"{who} changes its record",
    )
    expect(
        dict(rows.schema) == SCHEMAS["measures"],
        f"{who} returns {dict(rows.schema)}; not rows of 'measures'",
    )
    expect(
        rows["measure"].null_count() == 0 and (rows["measure"] != "").all(),
        f"{who} leaves a row without a name",
    )
    expect(
        not rows["value"].is_nan().any(), f"{who} returns NaN; a missing value is null with missing='reason'"
    )
    unsaid = rows.filter(pl.col("value").is_null() & ~pl.col("extra").str.contains('"missing"'))
    expect(unsaid.is_empty(), f"{who} leaves {unsaid.height} values out without saying why in extra")
    expect(measure(record).equals(rows, null_equal=True), f"{who} gives another result the second time")
    _check_order(who, measure, record, rows, tolerance)
    empty = measure(Tables.empty())
    expect(dict(empty.schema) == SCHEMAS["measures"], f"{who} of an empty record is no table of rows")


def _check_order(who: str, measure: Measure, record: Tables, rows: pl.DataFrame, tolerance: float) -> None:
    turned = measure(Tables(*(frame.reverse() for frame in record)))
    keys = [name for name in SCHEMAS["measures"] if name != "value"]
    pairs = rows.sort(keys), turned.sort(keys)
    expect(
        pairs[0].select(keys).equals(pairs[1].select(keys)),
        f"{who}: its rows hang on the order of the record",
    )
    apart = (pairs[0]["value"] - pairs[1]["value"]).abs().max()
    expect(
        apart is None or float(str(apart)) <= tolerance,
        f"{who}: values hang on the order of the record ({apart})",
    )
