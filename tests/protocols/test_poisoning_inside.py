from __future__ import annotations

import json

import numpy as np
import pytest

from doxa.lab.record import Recorder
from doxa.lens.rescue import margins_of
from doxa.lens.truth_tokens import TokenPairs
from doxa.protocols.poisoning import inside as looking
from doxa.protocols.poisoning.inside import look_inside
from doxa.protocols.poisoning.record import record_inside
from doxa.streams import stream
from tests.lens import lens_models


def flipped(clean, poisoned, count=12):
    """Return items that prefer one token in the first model and the other in the second."""
    rng = stream(0, "tests", "inside")
    rows = [rng.integers(3, 300, 5) for _ in range(4 * count)]
    true, false = rng.integers(3, 150, 4 * count), rng.integers(150, 300, 4 * count)
    pairs = TokenPairs(rows, true, false)
    before, after = margins_of(clean, pairs), margins_of(poisoned, pairs)
    places = np.flatnonzero(
        (np.sign(before) != np.sign(after)) & (np.abs(after) > 0.1) & (np.abs(before) > 0.1)
    )
    swap = before[places] < 0
    part = pairs.chosen(places[:count])
    swap = swap[:count]
    return TokenPairs(part.rows, np.where(swap, part.false, part.true), np.where(swap, part.true, part.false))


@pytest.mark.parametrize("family", ["granite", "mamba"])
def test_without_writes_the_stream_is_patched_and_the_rest_says_why_not(family):
    clean, poisoned = (lens_models.model(family, seed=seed) for seed in (0, 1))
    pairs = flipped(clean, poisoned)
    found = look_inside(clean, poisoned, pairs, pairs.rows)
    assert found.flipped.all()
    assert set(found.rescue) == {"residual", "residual, all tokens", "reverse"}
    assert found.heads is None
    assert set(found.missing) == {"attention", "mlp", "head"}
    recorder = Recorder("replace 1", 0)
    record_inside(recorder, found, "replace 1", "it")
    rows = recorder.tables().measures
    (write,) = rows.filter(measure="rescued/mlp").to_dicts()
    assert write["value"] is None
    assert "add up to what it adds" in json.loads(write["extra"])["missing"]
    correlation = rows.filter(measure="strength_patchability").to_dicts()
    assert [row["value"] for row in correlation] == [None]


def test_without_projections_only_heads_are_missing(monkeypatch):
    clean, poisoned = (lens_models.model("llama", seed=seed) for seed in (0, 1))
    pairs = flipped(clean, poisoned)
    whole = look_inside(clean, poisoned, pairs, pairs.rows)
    assert whole.missing == {}
    assert whole.heads is not None
    monkeypatch.setattr(
        looking, "anatomy", lambda model: type("Known", (), {"missing": "", "projections": ()})
    )
    part = look_inside(clean, poisoned, pairs, pairs.rows)
    assert set(part.missing) == {"head"}
    assert part.heads is None
    assert set(part.rescue) == set(whole.rescue)
