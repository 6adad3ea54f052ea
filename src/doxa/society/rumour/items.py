"""News items to spread, one of each topic, written for this; none is about anything that happened."""

from __future__ import annotations

from collections.abc import Mapping

ITEMS: Mapping[str, str] = {
    "politics": "parliament voted in secret last night to move the national election to next year",
    "science": "researchers have found that a common phone charger gives off a gas that makes people forget names",
    "terrorism": "police have found a bomb under the central station and are keeping it quiet",
    "urban legend": "a family living in the old mill has not slept for eleven years, neighbours say",
    "natural disaster": "the dam above the valley is cracking and the authorities have told nobody",
    "finance": "three large banks will close all cash machines on friday and will not open them again",
}
"""By topic."""
