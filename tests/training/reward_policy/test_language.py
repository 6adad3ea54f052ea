from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.measured import rows_of
from doxa.lab.record import Recorder
from doxa.training.reward_policy.language import ADVANTAGES, BONUSES, Sizes, record_language


@pytest.fixture(scope="module")
def tables():
    recorder = Recorder("language", 100)
    seen = []
    record_language(recorder, 100, Sizes(40, 2, 4, 1e-3, 8), lambda share, note: seen.append((share, note)))
    assert seen[-1] == (1.0, "policies")
    assert {note for _, note in seen} == {"demonstrations", "policies"}
    return recorder.tables()


def test_every_policy_is_judged_beside_its_base(tables):
    for measure in ("right", "short"):
        rows = rows_of(tables, measure)
        found = set(rows.select("advantage", "bonus").rows())
        assert found == {("base", 0.0), *((name, bonus) for name in ADVANTAGES for bonus in BONUSES)}
    known = rows_of(tables, "right")["value"].to_numpy()
    assert np.all((known >= 0.0) & (known <= 1.0))


def test_the_log_of_training_is_kept(tables):
    rows = rows_of(tables, "tie_rate")
    assert rows.height == 2 * len(ADVANTAGES) * len(BONUSES)
    # without a bonus rewards are 0 or 1, and never differ by next to nothing
    assert rows.filter(rows["bonus"] == 0.0)["value"].max() == 0.0
    first = rows.filter((rows["bonus"] != 0.0) & (rows["time"] == 0.0))["value"]
    assert first.n_unique() == 1  # all begin as the same policy with the same luck
    assert first[0] > 0.0
