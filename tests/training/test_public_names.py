from __future__ import annotations

import doxa.training


def test_public_names_are_honest():
    assert sorted(doxa.training.__all__) == doxa.training.__all__
    for name in doxa.training.__all__:
        assert getattr(doxa.training, name).__module__.startswith("doxa.")
