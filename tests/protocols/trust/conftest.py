"""People whom nobody is like."""

from __future__ import annotations

import pytest

from doxa.worlds.personas import invented_bank, load_personas


@pytest.fixture
def people():
    return load_personas(120, 0, bank=invented_bank(600, 0), least=3)
