from __future__ import annotations

import json

import pytest

from doxa.errors import InputError
from doxa.lab.executors import run_tasks
from doxa.lab.run import run_study
from doxa.lab.store import RunFolder
from tests.lab.studies import coin

DIE_ONCE = (
    "import os, pathlib; mark = pathlib.Path({mark!r}) / f'died-{{cell.seed}}'; "
    "os.kill(os.getpid(), 9) if cell.seed == 1 and not mark.exists() and not mark.touch() else None"
)
"""The worker that computes seed 1 kills itself the first time, as an outside SIGKILL would."""


def digest_of(result) -> str:
    keys = json.loads((result.folder / "manifest.json").read_bytes())["cells"]
    return RunFolder(result.folder).digest(keys)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_a_killed_worker_costs_nothing_but_its_cell(tmp_path, executor):
    mark = tmp_path / "marks"
    mark.mkdir()
    study = coin(tmp_path, f"coin-killed-{executor}", DIE_ONCE.format(mark=str(mark)))
    try:
        result = run_study(
            study, out=tmp_path / "killed", executor=executor, workers=2, overrides={"seeds": 6}
        )
    finally:
        if executor == "ray":
            import ray

            ray.shutdown()
    assert (mark / "died-1").exists()
    undisturbed = run_study(study, out=tmp_path / "undisturbed", overrides={"seeds": 6})
    assert digest_of(result) == digest_of(undisturbed)
    assert result.findings == undisturbed.findings


def test_a_worker_that_always_dies_fails_its_cell_and_says_so(tmp_path):
    from doxa.lab.run import CellsFailedError

    study = coin(tmp_path, "coin-dying", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(CellsFailedError, match="its worker process died 3 times"):
        run_study(study, out=tmp_path, executor="processes", workers=1, overrides={"seeds": 1})


def test_wrong_executors_are_refused(tmp_path):
    with pytest.raises(InputError, match="executor='rey': did you mean 'ray'"):
        list(run_tasks([], "rey"))
    with pytest.raises(InputError, match="workers=0"):
        list(run_tasks([], "inline", workers=0))


def test_threads_of_a_cell_do_not_depend_on_the_executor(tmp_path):
    study = coin(
        tmp_path, "coin-threads", "import torch; assert torch.get_num_threads() == 1, torch.get_num_threads()"
    )
    for executor in ("inline", "processes"):
        run_study(study, out=tmp_path / executor, executor=executor, workers=2)
