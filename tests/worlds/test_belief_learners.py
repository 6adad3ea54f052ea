from __future__ import annotations

import numpy as np
import pytest
import torch

from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds.belief_learners import (
    BeliefCell,
    BeliefCells,
    belief_sampler,
    train_world_model,
)
from doxa.worlds.belief_world import BeliefWorld

SMALL = {"n_entities": 6, "n_values": 3}


def test_loss_is_at_the_answer_only():
    world = BeliefWorld(**SMALL)
    batch = belief_sampler(world)(stream(0, "rows"), 50)
    assert (batch.targets[:, :7] == -1).all()
    items = world.sample(50, stream(0, "rows"))
    assert np.array_equal(batch.targets[:, 7] == 9, items.yes)


def test_cells_are_those_of_a_slow_reader_on_exported_models():
    worlds = [BeliefWorld(**SMALL, seed=1), BeliefWorld(**SMALL, know_false=0.1, seed=2)]
    models = train_world_model(worlds, steps=5, batch=16, width=16, heads=2, precision="float32")
    cells = models.cells
    assert len(cells.cells) == 3 * 2 * 2 * 2 + 2
    assert models.loss.shape == (2, 1)
    for replicate, world in enumerate(worlds):
        model = models.net.export(replicate)
        items = world.every_item()
        with torch.no_grad():
            logits = model(torch.from_numpy(world.encode(items))).logits[:, -1]
        p_yes = logits[:, [8, 9]].softmax(1)[:, 1].numpy()
        for column, cell in enumerate(cells.cells):
            own = [
                index
                for index in range(len(items.yes))
                if ("I", "J", "M", "nobody")[items.person[index]] == cell.person
                and ("believes", "knows", "none")[items.attitude[index]] == cell.attitude
                and ("belief", "truth")[items.question[index]] == cell.question
                and (items.asked[index] == world.truth[items.entity[index]]) == cell.truth
            ]
            assert cells.n[replicate, column] == len(own)
            if not own:
                assert np.isnan(cells.p_yes[replicate, column])
                continue
            np.testing.assert_allclose(cells.p_yes[replicate, column], p_yes[own].mean(), atol=1e-5)
            right = (p_yes[own] > 0.5) == items.yes[own]
            assert cells.accuracy[replicate, column] == pytest.approx(right.mean())
            assert cells.says_yes[replicate, column] == pytest.approx((p_yes[own] > 0.5).mean())


def test_a_models_cells_do_not_depend_on_the_other_worlds():
    worlds = [BeliefWorld(**SMALL, seed=1), BeliefWorld(**SMALL, phi=0.0, seed=2)]
    together = train_world_model(worlds, steps=5, batch=16, width=16, heads=2, precision="float32")
    alone = train_world_model(worlds[1:], steps=5, batch=16, width=16, heads=2, precision="float32")
    np.testing.assert_allclose(together.cells.p_yes[1], alone.cells.p_yes[0], atol=1e-5)


def test_contrasts_by_hand():
    kinds = [
        BeliefCell(person, attitude, question, truth)
        for person, attitude in [
            ("I", "believes"),
            ("I", "knows"),
            ("J", "believes"),
            ("M", "believes"),
            ("nobody", "none"),
        ]
        for question in ("belief", "truth")
        for truth in (False, True)
    ]
    values = {
        kinds[0]: 0.25,  # I believe false p: do I believe it
        kinds[1]: 1.0,  # the same, p true
        kinds[2]: 0.5,  # I believe false p: is it true
        kinds[6]: 0.75,  # I know false p: is it true
        kinds[8]: 1.0,  # J
        kinds[12]: 0.5,  # M
        kinds[18]: 1.0,  # nobody, false p
    }
    table = np.array([[values.get(kind, 0.0) for kind in kinds]])
    cells = BeliefCells(tuple(kinds), np.ones((1, len(kinds)), dtype=np.int64), table, table, table)
    assert cells.person_gap().tolist() == [0.5]
    assert cells.truth_gap().tolist() == [0.75]
    assert cells.frame_effect().tolist() == [0.5]
    assert cells.factivity_index().tolist() == [0.25]
    with pytest.raises(InputError, match="no such cell"):
        cells.column("J", "belief", truth=True, attitude="knows")


def test_worlds_of_different_sizes_are_refused():
    with pytest.raises(InputError, match="worlds"):
        train_world_model([BeliefWorld(), BeliefWorld(n_entities=3)])
    with pytest.raises(InputError, match="worlds"):
        train_world_model([])
    with pytest.raises(InputError, match="seeds"):
        train_world_model([BeliefWorld(**SMALL)], [1, 2], steps=1)


def test_one_world_needs_no_list():
    few = {"steps": 2, "batch": 8, "width": 16, "heads": 2, "precision": "float32"}
    alone, listed = (
        train_world_model(worlds, **few) for worlds in (BeliefWorld(**SMALL), [BeliefWorld(**SMALL)])
    )
    assert alone.worlds == listed.worlds
    np.testing.assert_array_equal(alone.cells.p_yes, listed.cells.p_yes)


@pytest.mark.slow
def test_a_world_with_both_questions_for_all_is_learned_without_a_gap():
    worlds = [
        BeliefWorld(share_first=0.6, q_first=0.3, n_entities=8, n_values=3, seed=seed) for seed in (0, 1)
    ]
    cells = train_world_model(worlds, steps=300, batch=128, width=32, peak_rate=5e-3).cells
    assert cells.accuracy.min() > 0.95
    assert np.abs(cells.person_gap()).max() < 0.05
