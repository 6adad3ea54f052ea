"""Every registered measure keeps its contract."""

from __future__ import annotations

import pytest

from doxa.belief.measures import measures
from doxa.testing import check_measure


@pytest.mark.parametrize("name", measures.names())
def test_registered(name: str) -> None:
    check_measure(measures.get(name))
