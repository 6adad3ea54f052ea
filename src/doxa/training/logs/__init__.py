"""Reading a training log: CSV, JSON lines, a trainer's state, TensorBoard event files; and which column is what."""

from doxa.training.logs.columns import ROLES, Mapping, mapping
from doxa.training.logs.event_files import read_scalars
from doxa.training.logs.reading import TrainingLog, files_of, read_log
from doxa.training.logs.series import Series, series_of

__all__ = [
    "ROLES",
    "Mapping",
    "Series",
    "TrainingLog",
    "files_of",
    "mapping",
    "read_log",
    "read_scalars",
    "series_of",
]
