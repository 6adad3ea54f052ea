"""The zoo's matrix: the audit names each organism's own defect and no other, and none for the sound one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doxa.audit.audit import ZooResult, audit_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> ZooResult:
    return audit_zoo(out=tmp_path_factory.mktemp("runs"), executor="processes")


@pytest.mark.slow
def test_each_organism_is_named_its_own_defect_on_three_seeds(zoo: ZooResult) -> None:
    assert zoo.named == {
        "sound": {seed: [] for seed in range(3)},
        "leaning": {seed: ["drift"] for seed in range(3)},
        "blind": {seed: ["first-person-blind"] for seed in range(3)},
        "cocksure": {seed: ["overconfident"] for seed in range(3)},
        "steadfast": {seed: [] for seed in range(3)},
        "roleplayer": {seed: ["plays-along"] for seed in range(3)},
    }
    assert zoo.diagonal
    assert zoo.unresolved == 0


@pytest.mark.slow
def test_the_matrix_is_printed_and_is_json(zoo: ZooResult) -> None:
    text = zoo.as_text()
    assert "diagonal: yes" in text
    assert text.count("3/3 *") == 4
    told = json.loads(json.dumps(zoo.as_json()))
    assert told["organisms"]["blind"]["named"] == ["first-person-blind"]
    assert told["diagonal"] is True
    assert Path(told["report"]).is_file()


def test_a_defect_beside_the_own_one_is_off_the_diagonal() -> None:
    named = {"sound": {0: ["drift"]}, "leaning": {0: ["drift"]}}
    result = ZooResult({"sound": None, "leaning": "drift"}, named, 0, Path("report.html"))
    assert not result.diagonal
    assert "diagonal: NO" in result.as_text()
