from __future__ import annotations

import pytest

from doxa.lab.terminal import step_progress


def test_a_long_task_tells_its_end_where_nobody_sees_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with step_progress("training blind") as show:
        show(10, 1500, "base loss 2.0")
        show(1500, 1500, "base loss 0.3")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "training blind: 1,500 of 1,500  base loss 0.3\n"
