"""What a shell offers behind a command: read from names and files, so that a press of Tab imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

Offer: TypeAlias = tuple[str, str]
"""A word and what it means, which shells show beside it; "" where that says nothing."""

PRESETS = (("quick", "seconds to minutes"), ("embedded", "the default"), ("paper", "the paper's size"))
EXECUTORS = (
    ("inline", "one cell after another"),
    ("processes", "on the cores here"),
    ("ray", "on a cluster"),
)
SCENARIOS = {"epidemic": "epidemic", "fps": "fps", "herd": "steering-herd", "opinion": "opinion"}
"""What may be simulated, and the study that does it."""
MOST_RUNS = 200


def presets(incomplete: str) -> list[Offer]:
    """Offer the presets."""
    return _matching(PRESETS, incomplete)


def executors(incomplete: str) -> list[Offer]:
    """Offer the executors."""
    return _matching(EXECUTORS, incomplete)


def study_slugs(incomplete: str) -> list[Offer]:
    """Offer the studies and, as they may be named too, Python files."""
    from doxa.lab.listing import listed_studies

    known = [(study.slug, study.claim) for study in listed_studies()]
    return _matching(known, incomplete) or _files(incomplete)


def scenarios(incomplete: str) -> list[Offer]:
    """Offer the scenarios and Python files."""
    return _matching(((name, "") for name in SCENARIOS), incomplete) or _files(incomplete)


def settings(ctx: Any, incomplete: str) -> list[Offer]:
    """Offer ``name=`` of each setting of the studies that are named before."""
    from doxa.lab.listing import listed_settings

    named = [
        SCENARIOS.get(word) or word for word in ctx.args
    ]  # words stay there while an option waits for its value
    found = {name: doc for slug in named for name, doc in listed_settings(slug).items()}
    return _matching(((f"{name}=", doc) for name, doc in found.items()), incomplete)


def runs(ctx: Any, incomplete: str) -> list[Offer]:
    """Offer the runs that are in the folder of runs, newest first."""
    folder = Path(ctx.params.get("out") or ctx.params.get("runs") or "runs")
    found = list(folder.glob(f"{_literal(incomplete)}*/manifest.json"))
    found.sort(key=lambda path: -path.stat().st_mtime)
    return [(path.parent.name, "") for path in found[:MOST_RUNS]]


def subjects(incomplete: str) -> list[Offer]:
    """Offer the organisms and how other addresses begin."""
    known = [(f"organism:{name}", meaning) for name, meaning in _organisms()]
    begins = [
        ("hf:", "a model's folder or hub name"),
        ("http://", "a server: http://localhost:8000/v1#model"),
        ("planted:", "a script with known dynamics"),
    ]
    return _matching([*known, *begins], incomplete)


def organisms(incomplete: str) -> list[Offer]:
    """Offer the organisms."""
    return _matching(_organisms(), incomplete)


def data_sets(incomplete: str) -> list[Offer]:
    """Offer the data sets."""
    import json
    from importlib.resources import files

    known = json.loads(files("doxa.lab").joinpath("data_sets.json").read_text("utf-8"))
    return _matching(((slug, data["title"]) for slug, data in sorted(known.items())), incomplete)


def benchmarks(incomplete: str) -> list[Offer]:
    """Offer the benchmarks of the checkout, where doxa runs from one."""
    from doxa.errors import InputError
    from doxa.lab.bench import benchmarks as listed

    try:
        return _matching(listed(), incomplete)
    except InputError:
        return []


def _organisms() -> list[Offer]:
    from importlib.resources import files

    weights = files("doxa.subjects.organisms").joinpath("weights")
    return [
        (folder.name, "") for folder in sorted(weights.iterdir(), key=lambda one: one.name) if folder.is_dir()
    ]


def _matching(known: Iterable[Offer], incomplete: str) -> list[Offer]:
    return [(word, meaning) for word, meaning in known if word.startswith(incomplete)]


def _files(incomplete: str) -> list[Offer]:
    """Offer Python files and folders that begin with what was typed."""
    if not incomplete:
        return []
    head, slash, tail = incomplete.rpartition("/")
    places = sorted(Path(head + slash or ".").glob(f"{_literal(tail)}*"))
    folders = [(f"{head}{slash}{path.name}/", "") for path in places if path.is_dir()]
    return [(f"{head}{slash}{path.name}", "") for path in places if path.suffix == ".py"] + folders


def _literal(text: str) -> str:
    """Return a pattern that matches just this text."""
    import glob

    return glob.escape(text)
