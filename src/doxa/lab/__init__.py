"""The laboratory: how an experiment is declared, run, recorded and shown."""

from doxa.lab.context import Context
from doxa.lab.figures import Figure
from doxa.lab.record import Finding, Recorder, Tables, judge
from doxa.lab.study import Cell, setting, study

__all__ = ["Cell", "Context", "Figure", "Finding", "Recorder", "Tables", "judge", "setting", "study"]
