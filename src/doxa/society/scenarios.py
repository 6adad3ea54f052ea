"""Scenarios: what ``doxa simulate`` runs. Each is a study of this room, whose settings say who, where and how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doxa.errors import InputError, did_you_mean
from doxa.lab.declaration import find_study, studies

SCENARIOS = {"opinion": "opinion", "epidemic": "epidemic", "fps": "fps", "herd": "steering-herd"}
"""Slug of the study of each scenario."""


def study_of(scenario: str) -> str:
    """Return what ``doxa run`` calls a scenario: a slug, or the path of a user's file.

    Raises:
        InputError: there is no such scenario.
    """
    if scenario in SCENARIOS:
        return SCENARIOS[scenario]
    if scenario.endswith(".py"):
        if not Path(scenario).is_file():
            raise InputError(f"{scenario}: is no file; the guide 'my own scenario' shows how to write one")
        return scenario
    if scenario in studies and studies.get(scenario).room == "society":
        return scenario
    raise InputError(
        f"no scenario called '{scenario}'; {did_you_mean(scenario, SCENARIOS)}, or a Python file"
    )


def overrides_of(slug: str, **options: Any) -> dict[str, Any]:
    """Return the settings that options of the command line stand for.

    Raises:
        InputError: the scenario has no such setting.
    """
    given = {name: value for name, value in options.items() if value is not None}
    known = find_study(slug).settings if given else {}
    for name in given:
        if name not in known:
            raise InputError(f"--{name}: {slug} has no setting '{name}'; its settings are {', '.join(known)}")
    return given
