"""What holds for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # what tests compute gains nothing from more, and tests run side by side

import torch  # reads that when it is loaded

torch.set_num_threads(1)  # where a plugin has loaded it before


@pytest.fixture(scope="session")
def quick_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the studies' quick runs: whichever test asks first computes a cell, the others find it."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "quick-runs"


@pytest.fixture
def trust_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the data sets and let the library find them there."""
    folder = Path(os.environ.get("DOXA_DATA") or str(Path(__file__).parents[2] / "shared" / "data"))
    monkeypatch.setenv("DOXA_DATA", str(folder))
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that makes all quick runs, and end on short files.

    What only looks at a quick run comes after the other slow files: it would wait for the worker that makes it.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    looking = {item.path for item in items if "quick_runs" in getattr(item, "fixturenames", ())}

    def place(item: pytest.Item) -> int:
        if item.path.parent.name == "contracts" and item.path in looking:
            return 0
        return 3 if item.path not in slow else 2 if item.path in looking else 1

    items.sort(key=place)
