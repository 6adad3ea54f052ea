"""The corpus of two registers: every row teaches, and its plays are whole."""

from __future__ import annotations

import numpy as np
import pytest

from doxa.nets.plan import NO_LOSS
from doxa.streams import stream
from doxa.worlds.personas import invented_bank, load_personas
from doxa.worlds.trust_registers import GIVE, TrustRegisters
from doxa.worlds.trust_world import Population, TrustWorld

WORLD = TrustWorld(Population.of(load_personas(None, 0, bank=invented_bank(800, 0))), 0.0, 0)


@pytest.mark.parametrize(("stated", "saying"), [(0.0, 0.0), (0.0, 0.1), (0.5, 0.1), (1.0, 0.0)])
def test_every_row_of_a_batch_carries_loss(stated: float, saying: float) -> None:
    batch = TrustRegisters(WORLD, stated, saying).sampler()(stream(0, "rows"), 96)
    assert ((batch.targets != NO_LOSS).sum(axis=1) > 0).all()


def test_rows_hold_as_many_plays_as_fit_and_each_amount_is_taught() -> None:
    corpus = TrustRegisters(WORLD, 0.0, 0.0)
    batch = corpus.sampler()(stream(0, "rows"), 64)
    layout = corpus.tokens
    plays = (batch.tokens == GIVE).sum(axis=1)
    assert (plays == layout.row_tokens // layout.play_tokens).all()
    for row in range(64):
        for place in np.flatnonzero(batch.tokens[row] == GIVE):
            amount = batch.tokens[row, place + 1]
            assert batch.targets[row, place] == amount
            assert 0 <= amount - layout.first_amount <= WORLD.endowment
