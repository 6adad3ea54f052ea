"""The notebook of the documentation runs from top to bottom, as somebody new would run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first-five-minutes.ipynb"


def test_the_notebook_is_kept_without_what_it_printed():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 8
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own packages; a warning in a cell is seen below
def test_the_notebook_runs_and_shows_card_tables_and_plots(tmp_path, monkeypatch):
    import nbclient
    import nbformat

    for name in ("IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    here = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=here).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    told = [one.text for one in outputs if one.output_type == "stream" and one.name == "stderr"]
    assert [text for text in told if "TqdmWarning" not in text] == []  # there are no widgets here
    printed = "".join(one.text for one in outputs if one.output_type == "stream")
    assert "belief card · organism:leaning" in printed
    plots = [one for one in outputs if "image/svg+xml" in one.get("data", {})]
    assert len(plots) == 4
    assert len(list((tmp_path / "runs").glob("*/findings.json"))) == 4
