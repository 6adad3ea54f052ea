"""An installed package adds components of every kind; one that is broken warns and the rest goes on.

The package is that of ``docs/guide/my-own-components.md``, taken from the page and installed for the test.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import doxa
from doxa.belief.measures import measures
from doxa.dynamics import dynamics
from doxa.elicit.elicitors import elicitors
from doxa.errors import InputError
from doxa.lab.registry import PluginWarning, Registry
from doxa.subjects.addresses import form, identity, parse_address
from doxa.subjects.schemes import subjects

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "my-own-components.md"
REGISTRIES: tuple[Registry[Any], ...] = (subjects, elicitors, dynamics, measures)
ADDED = {"subjects": "parrot", "elicitors": "in-all-honesty", "dynamics": "leaky", "measures": "extremity"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages that is forgotten after the test, with what its packages register."""
    for registry in REGISTRIES:
        registry.load_all()  # what is installed registers once, and not into what is forgotten
        monkeypatch.setattr(registry, "_known", dict(registry._known))
        monkeypatch.setattr(registry, "_tried", set())
        monkeypatch.setattr(registry, "_complete", False)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("my_components", "broken_components"):
        sys.modules.pop(name, None)


def install(site: Path, module: str, code: str, entries: dict[str, str]) -> None:
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"[doxa.{kind}]\n{name} = {module}\n" for kind, name in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.S)


@pytest.fixture
def installed(site: Path) -> Path:
    (toml,) = blocks("toml")
    entries = dict(re.findall(r'"doxa\.(\w+)"\]\n([\w-]+) =', toml))
    assert entries == ADDED
    install(site, "my_components", blocks("python")[0], entries)
    return site


def test_the_guides_components_are_found_and_pass_the_suites(installed: Path) -> None:
    tests: dict[str, Any] = {}
    exec(blocks("python")[1], tests)
    ran = [run() for name, run in tests.items() if name.startswith("test_")]
    assert len(ran) == len(ADDED)


def test_a_scheme_of_a_plug_in_is_an_address_like_any_other(installed: Path) -> None:
    assert parse_address("parrot:polly?words=2").options == {"words": "2"}
    assert doxa.subject("parrot:polly?words=2").address == "parrot:polly?words=2"
    assert identity("parrot:polly?words=2") == "parrot, 2 words"
    assert form("parrot:polly") == "published"
    with pytest.raises(InputError, match="no option 'wrods'; did you mean 'words'"):
        doxa.subject("parrot:polly?wrods=2")
    with pytest.raises(InputError, match=r"begins with none of .*parrot:.*; did you mean 'parrot'"):
        doxa.subject("parot:polly")


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_a_broken_plug_in_warns_once_and_the_rest_goes_on(installed: Path, registry: Registry[Any]) -> None:
    install(
        installed,
        "broken_components",
        "raise RuntimeError('no such library')\n",
        dict.fromkeys(ADDED, "broken"),
    )
    before = set(registry._known)
    with pytest.warns(PluginWarning, match=f"{registry.kind}: .*broken_components.*no such library"):
        names = registry.names()
    with pytest.raises(InputError, match=f"no {registry.kind} called 'broken'"):
        registry.get("broken")
    assert {*before, ADDED[registry.kind]} <= set(names)


def test_a_plug_in_cannot_take_a_built_in_name(site: Path) -> None:
    code = "from doxa.belief.measures import measures\n\n@measures.register('drift')\ndef mine(tables): ...\n"
    install(site, "my_components", code, {"measures": "drift"})
    own = measures.get("drift")
    with pytest.warns(PluginWarning, match="'drift' is registered twice"):
        measures.names()
    assert measures.get("drift") is own


def test_a_known_name_loads_no_plug_in(site: Path) -> None:
    install(site, "broken_components", "raise RuntimeError\n", dict.fromkeys(ADDED, "broken"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        doxa.subject("planted:bayesian")
        elicitors.get("likert")
        measures.get("drift")
        dynamics.get("planted-bayesian")
