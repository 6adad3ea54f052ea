"""Figures as data: a Vega-Lite specification with its numbers inline, in the one look of the house."""

from doxa.lab.figures.charts import bars, curves, heatmap, intervals, scatter
from doxa.lab.figures.figure import FONT, PALETTE, THEME, Figure
from doxa.lab.figures.over_time import histogram_over_time, network_map, shares_over_time
from doxa.lab.figures.rows import Rows

__all__ = [
    "FONT",
    "PALETTE",
    "THEME",
    "Figure",
    "Rows",
    "bars",
    "curves",
    "heatmap",
    "histogram_over_time",
    "intervals",
    "network_map",
    "scatter",
    "shares_over_time",
]
