from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.canonical import canonical_json
from doxa.errors import InputError
from doxa.lab.figures import (
    PALETTE,
    THEME,
    Figure,
    bars,
    curves,
    heatmap,
    histogram_over_time,
    intervals,
    scatter,
    shares_over_time,
)
from tests.lab.sample_pages import moving_figures, sample_figures

ROWS = [
    {"name": "b", "group": "one", "time": 0, "value": 0.25, "low": 0.125, "high": 0.5},
    {"name": "a", "group": "two", "time": 1, "value": 0.75, "low": 0.5, "high": math.inf},
    {"name": "b", "group": "two", "time": 1, "value": math.nan, "low": None, "high": None},
]
BUILDERS: dict[str, Callable[..., Figure]] = {
    "intervals": lambda rows: intervals("i", "T", "C", rows, label="name", group="group", references={"zero": 0.0}),
    "curves": lambda rows: curves("c", "T", "C", rows, low="low", high="high", group="group", events={"x": 1}),
    "curves log": lambda rows: curves("c", "T", "C", rows, log_x=True),
    "heatmap": lambda rows: heatmap("h", "T", "C", rows, row="name", column="group"),
    "heatmap middle": lambda rows: heatmap("h", "T", "C", rows, row="name", column="group", middle=0.5),
    "scatter": lambda rows: scatter("s", "T", "C", rows, x="time", y="value", low="low", high="high", diagonal=True),
    "bars": lambda rows: bars("b", "T", "C", rows, label="name", group="group", low="low", high="high"),
    "bars stacked": lambda rows: bars("b", "T", "C", rows, label="name", group="group", stacked=True),
}  # fmt: skip


def specification(figure: Figure) -> dict:
    return json.loads(canonical_json(figure.spec))


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize(
    "rows", [ROWS, pl.DataFrame(ROWS), ROWS[:1], []], ids=["rows", "frame", "one", "none"]
)
def test_charts_are_valid_vega_lite_and_compile(name, rows):
    import altair
    import vl_convert

    spec = specification(BUILDERS[name](rows))
    altair.Chart.from_dict(spec)  # checks against the schema
    compiled = vl_convert.vegalite_to_vega({**spec, "width": 300})
    assert compiled["marks"]
    assert spec["width"] == "container"
    assert spec["description"] == "T. C"


@pytest.mark.parametrize("name", BUILDERS)
def test_a_frame_and_its_rows_give_the_same_figure(name):
    assert specification(BUILDERS[name](pl.DataFrame(ROWS))) == specification(BUILDERS[name](ROWS))


def test_intervals_hold_rows_in_order_with_missing_numbers_as_null():
    spec = specification(BUILDERS["intervals"](ROWS))
    assert spec["data"]["values"] == [
        {"name": "b", "group": "one", "value": 0.25, "low": 0.125, "high": 0.5},
        {"name": "a", "group": "two", "value": 0.75, "low": 0.5, "high": None},
        {"name": "b", "group": "two", "value": None, "low": None, "high": None},
    ]
    line, name, rule, point = spec["layer"]
    assert line["encoding"] == {"x": {"datum": 0.0}}
    assert name["mark"]["text"] == "zero"
    assert (rule["encoding"]["x"]["field"], rule["encoding"]["x2"]["field"]) == ("low", "high")
    assert point["encoding"]["x"]["field"] == "value"
    assert point["encoding"]["y"]["sort"] is None
    assert point["encoding"]["color"]["scale"]["domain"] == ["one", "two"]
    assert spec["height"] == 2 * (2 * 14 + 12)


def test_rows_grow_where_names_take_several_lines():
    long = "a name that takes three lines of at most twenty-four letters"
    spec = intervals("i", "T", "C", [{"label": long, "value": 1.0, "low": 0.0, "high": 2.0}]).spec
    assert spec["height"] == 3 * 15 + 6


def test_stacked_bars_keep_the_order_of_their_groups():
    rows = [{"label": "x", "value": 0.5, "group": group} for group in ("read", "missing", "apart")]
    values = specification(bars("b", "T", "C", rows, group="group", stacked=True))["data"]["values"]
    assert [(line["group"], line["_order"]) for line in values] == [("read", 0), ("missing", 1), ("apart", 2)]


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=8))
def test_strength_of_a_cell_is_its_distance_from_the_middle(values):
    rows = [{"row": str(i), "column": "c", "value": value} for i, value in enumerate(values)]
    lines = specification(heatmap("h", "T", "C", rows, middle=0.0))["data"]["values"]
    reach = max((abs(v) for v in values if not math.isnan(v)), default=0.0) or 1.0
    for value, line in zip(values, lines, strict=True):
        if math.isnan(value):
            assert line["_strength"] is None
        else:
            assert line["_strength"] == pytest.approx(abs(value) / reach, abs=1e-5)


def test_numpy_numbers_and_wrong_columns():
    rows = [{"x": np.float32(0.1), "y": np.int64(2)}]
    assert specification(scatter("s", "T", "C", rows))["data"]["values"] == [{"x": 0.1, "y": 2.0}]
    with pytest.raises(InputError, match="the rows have x, y"):
        scatter("s", "T", "C", rows, y="z")
    with pytest.raises(InputError, match="is named with"):
        scatter("s", "T", "C", [{"a.b": 1, "y": 1}], x="a.b")


def test_sample_figures_have_distinct_ids_and_the_theme():
    figures = sample_figures()
    assert len({figure.id for figure in figures}) == len(figures)
    assert all(figure.spec["config"] == THEME for figure in figures)


# matrices of complete dichromacy in linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.0
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Return OKLab coordinates (Ottosson 2020)."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.793617785, -0.0040720468],
            [1.9779984951, -2.428592205, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.808675766],
        ]
    )
    return axes @ np.cbrt(np.clip(cones @ rgb, 0, None))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2."""
    light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) + 0.05 for colour in (one, other))
    return light[1] / light[0]


@pytest.mark.parametrize("background", ["#ffffff", "#15181c"])
@pytest.mark.parametrize("colour", PALETTE)
def test_colours_stand_out_on_light_and_dark(colour, background):
    assert contrast(colour, background) >= 3.0


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart(vision):
    seen = [oklab(np.asarray(VISION[vision]) @ linear(colour)) for colour in PALETTE]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= 0.098


def test_moving_figures_compile_and_hold_one_state_a_moment():
    import altair
    import vl_convert

    for figure in moving_figures():
        spec = specification(figure)
        altair.Chart.from_dict(spec)
        compiled = vl_convert.vegalite_to_vega({**spec, "width": 300})
        assert {"name": "moment", "value": 5, "bind": spec["params"][0]["bind"]} in compiled["signals"]
        assert all(len(line["then"]) == 6 for line in spec["data"]["values"])


def test_shares_over_time_fill_the_span_of_their_moments():
    import altair

    shares = np.array([[0.25, 0.75], [0.5, 0.5]])
    spec = specification(shares_over_time("d", "T", "C", shares, np.array([0.0, 0.5, 1.0]), moments=[0, 2]))
    altair.Chart.from_dict(spec)
    assert [(line["from"], line["until"]) for line in spec["data"]["values"]] == [(0, 2)] * 2 + [(2, 4)] * 2
    assert [line["share"] for line in spec["data"]["values"]] == [0.25, 0.75, 0.5, 0.5]


def test_a_moving_figure_needs_a_moment_for_each_row():
    with pytest.raises(InputError, match="moments: 2 for 3 rows of shares"):
        histogram_over_time("h", "T", "C", np.ones((3, 2)), np.arange(3.0), moments=[0, 1])
