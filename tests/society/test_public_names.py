from __future__ import annotations

import doxa.society


def test_public_names_are_honest():
    assert sorted(doxa.society.__all__) == doxa.society.__all__
    for name in doxa.society.__all__:
        assert getattr(doxa.society, name).__module__.startswith("doxa.")
