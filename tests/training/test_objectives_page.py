"""The code of ``docs/design/objectives.md`` is one script; here it runs, and what it defines is trained by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from doxa.training.advantages import advantages
from doxa.training.divergences import divergences
from doxa.training.losses.base import losses

PAGE = (Path(__file__).parents[2] / "docs" / "design" / "objectives.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page() -> Iterator[dict[str, Any]]:
    """Run the page and give what it defines."""
    yield defined_by_the_page()
    losses._known.pop("shy", None)


def defined_by_the_page() -> dict[str, Any]:
    """Return what the page's code defines; its loss is registered."""
    defined: dict[str, Any] = {}
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    exec(compile(code, "objectives.md", "exec"), defined)
    return defined


def test_the_page_runs(page: dict[str, Any]):
    assert page["hidden"].grad.isfinite().all()
    weights = page["output"].weights
    assert weights.min() == 0.5
    assert weights.max() <= 1.0


def test_the_pages_loss_goes_into_verl(page: dict[str, Any]):
    kept: dict[str, Any] = {}
    core = SimpleNamespace(
        register_policy_loss=lambda name: lambda function: kept.setdefault(name, function),
        register_adv_est=lambda name: lambda function: kept.setdefault(name, function),
        agg_loss=lambda loss_mat, loss_mask, loss_agg_mode: (loss_mat * loss_mask).sum() / loss_mask.sum(),
    )
    page["put_into_verl"](core)
    assert set(kept) == {"my_kl_cov", "my_shy", "my_grpo"}
    logp = -torch.ones(2, 3)
    loss, _ = kept["my_shy"](logp, logp, torch.ones(2), torch.ones(2, 3), entropy=torch.ones(2, 3))
    assert float(loss) == -1.0


def test_the_page_names_every_objective():
    for registry in (losses, advantages, divergences):
        for name in registry.names():
            assert f"`{name}`" in PAGE or name == "shy"
