"""Scenarios: what ``doxa simulate`` runs. Each is a study of this room, whose settings say who, where and how long."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from doxa.errors import InputError, did_you_mean
from doxa.lab.declaration import find_study, studies

OPTIONS = ("agents", "days", "graph", "subject")
"""What the command line asks of every scenario; one takes those that are its settings, or that it reads."""


class Scenario(NamedTuple):
    """A study, and the options of the command line that are not settings of the same name.

    Attributes:
        study: its slug.
        reads: by option, the settings that its value stands for.
        shards: whether its population can be run in parts.
    """

    study: str
    reads: Mapping[str, Callable[[Any], dict[str, Any]]] = {}
    shards: bool = False


def people_of_a_rumour(agents: int) -> dict[str, int]:
    """Return who doubts and who believes at the start: the published share of believers, and at least one.

    Raises:
        InputError: there are fewer than two.

    >>> people_of_a_rumour(300)
    {'n_infected': 20, 'n_susceptible': 280}
    """
    from doxa.society.rumour.town import Town

    if agents < 2:
        raise InputError(f"--agents {agents}: must be >= 2, one who doubts and one who believes")
    usual = Town()
    believers = max(1, round(agents * usual.n_infected / usual.agents))
    return {"n_infected": believers, "n_susceptible": agents - believers}


SCENARIOS = {
    "opinion": Scenario("opinion", shards=True),
    "epidemic": Scenario("epidemic", shards=True),
    "fps": Scenario("fps", {"agents": people_of_a_rumour}),
    "herd": Scenario("steering-herd"),
}


def study_of(scenario: str) -> str:
    """Return what ``doxa run`` calls a scenario: a slug, or the path of a user's file.

    Raises:
        InputError: there is no such scenario.
    """
    if scenario in SCENARIOS:
        return SCENARIOS[scenario].study
    if scenario.endswith(".py"):
        if not Path(scenario).is_file():
            raise InputError(f"{scenario}: is no file; the guide 'my own scenario' shows how to write one")
        return scenario
    if scenario in studies and studies.get(scenario).room == "society":
        return scenario
    raise InputError(
        f"no scenario called '{scenario}', and no Python file; {did_you_mean(scenario, SCENARIOS)}"
    )


def overrides_of(scenario: str, **options: Any) -> dict[str, Any]:
    """Return the settings that options of the command line stand for; None was not given.

    Raises:
        InputError: the scenario does not have such an option.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return {}
    settings = find_study(study_of(scenario)).settings
    reads = SCENARIOS[scenario].reads if scenario in SCENARIOS else {}
    taken = [name for name in OPTIONS if name in settings or name in reads]
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in taken:
            raise InputError(
                f"--{name}: {scenario} takes {', '.join(f'--{one}' for one in taken) or 'no such option'}; "
                f"with --set it takes {', '.join(settings)}"
            )
        found |= reads[name](value) if name in reads else {name: value}
    return found


@contextmanager
def in_shards(scenario: str, shards: int | None, executor: str) -> Generator[str]:
    """Run populations in parts within this context, if that is asked for; yield the executor of the cells.

    Args:
        scenario: what ``doxa simulate`` runs.
        shards: how many parts, or None for whole populations.
        executor: as was asked for; the parts are on its cluster, and one cell after another is run.

    Raises:
        InputError: parts without Ray, or of a scenario that has none; or the cluster cannot be used.
        MissingExtraError: Ray is not installed.
    """
    if shards is None:
        yield executor
        return
    kind, _, address = executor.partition(":")
    if kind != "ray":
        raise InputError(f"--shards {shards}: parts are held by Ray; add --executor ray, or leave it out")
    if scenario in SCENARIOS and not SCENARIOS[scenario].shards:
        able = " and ".join(name for name, known in SCENARIOS.items() if known.shards)
        raise InputError(f"--shards {shards}: {scenario} does not go in parts; {able} do")
    from doxa.society.shards import sharded

    with sharded(shards, address):
        yield "inline"
