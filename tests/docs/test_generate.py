from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from doxa.errors import InputError
from doxa.lab.record import Finding
from doxa.lab.store import RunFolder

ROOT = Path(__file__).parents[2]


def _module():
    spec = importlib.util.spec_from_file_location("doxa_docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


docs = _module()


@pytest.fixture
def place(tmp_path):
    """A copy of the files that are filled and checked."""
    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "docs" / "studies", tmp_path / "docs" / "studies")
    shutil.copy(ROOT / "README.md", tmp_path)
    found = docs.Place(tmp_path)
    found.costs.parent.mkdir(parents=True)
    found.costs.write_text('{"kable": {"quick": {"first": 3.0}}}')
    return found


def run_of(out, slug, preset, findings):
    """Write a finished run that has findings and no cells."""
    folder = RunFolder(out / f"{slug}-{preset}")
    manifest = {
        "study": slug,
        "preset": preset,
        "cells": [],
        "command": "doxa run",
        "finished": "2026-01-01",
        "judging_processor_seconds": 61.0,
        "condition_processor_seconds": {"second": 2.5},
    }
    folder.write_json("manifest.json", manifest)
    folder.write_json("findings.json", {"findings": [finding.as_json() for finding in findings]})
    return out


def finding(name, verdict="holds", **more):
    return Finding(
        name, "a | claim_of *stars*", 0.5, (0.25, 0.75), verdict, "share", bound="above 0.1", **more
    )


def test_the_repository_is_not_stale():
    assert docs.check(docs.Place()) == []


@pytest.mark.slow
@pytest.mark.parametrize("slug", list(docs.shown_studies()))
def test_a_page_lists_what_a_quick_run_finds(slug, quick_runs):
    from doxa.lab.run import run_study

    result = run_study(slug, preset="quick", out=quick_runs)
    page = docs.Place().page(slug).read_text()
    body = next(
        inside for kind, name, inside in docs.BLOCK.findall(page) if (kind, name) == ("findings", slug)
    )
    assert sorted(docs.quick_ids(body)) == sorted(one.id for one in result.findings)


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


STALE = {
    "docs/studies/kable.md: is missing": lambda place: place.page("kable").unlink(),
    "docs/studies/kabel.md: there is no study of that name": lambda place: place.page("kabel").touch(),
    "kable.md: 0 blocks '<!-- doxa:findings kable -->'": lambda place: change(
        place.page("kable"), "<!-- doxa:findings kable -->", "<!-- doxa:findings fps -->"
    ),
    "kable.md: `facts` stands twice": lambda place: change(
        place.page("kable"), "| `cue` | 0.6", "| `facts` | 0.6"
    ),
    "opinion.md: its block lists no finding": lambda place: place.page("opinion").write_text(
        "<!-- doxa:findings opinion -->\n<!-- /doxa -->\n"
    ),
    "README.md: 0 blocks": lambda place: change(place.readme, "<!-- doxa:studies -->", ""),
    "README.md: the table of studies lacks kable": lambda place: change(
        place.readme, "[kable](docs/studies/kable.md)", "[kable](docs/kable.md)"
    ),
    "README.md: the table of studies has [kable](docs/kable.md)": lambda place: change(
        place.readme, "[kable](docs/studies/kable.md)", "[kable](docs/kable.md)"
    ),
    "README.md: the claim of kable is no longer": lambda place: change(
        place.readme, "models verify facts and", "models say facts and"
    ),
    "README.md: the verdicts of opinion are not those of its page": lambda place: change(
        place.page("opinion"), "| holds | below 0", "| fails | below 0"
    ),
    "kable.md: there is no study 'kabel'": lambda place: change(
        place.page("kable"), "doxa run kable ", "doxa run kabel "
    ),
    "kable.md: there is no preset 'fast'": lambda place: change(
        place.page("kable"), "doxa run kable --preset quick", "doxa run kable --preset fast"
    ),
    "kable.md: kable has no setting 'limits'": lambda place: change(
        place.page("kable"), "--set limit=1", "--set limits=1"
    ),
    "kable.md: kable has no setting 'seedz'": lambda place: change(
        place.page("kable"), "`--set seeds=24", "`--set seedz=24"
    ),
}


@pytest.mark.parametrize("problem", STALE)
def test_each_kind_of_staleness_is_named(place, problem):
    STALE[problem](place)
    assert any(problem in line for line in docs.check(place))


def test_a_quick_run_that_finds_something_else_is_named(place, tmp_path):
    runs = run_of(tmp_path / "quick", "opinion", "quick", [finding("nearer"), finding("further")])
    assert docs.check(place, runs) == [
        "docs/studies/opinion.md: lacks `further`, which a quick run finds",
        "docs/studies/opinion.md: has `no-ties`, which a quick run does not find",
    ]


def test_blocks_are_filled_and_the_prose_around_them_stays(place, tmp_path):
    before = place.page("kable").read_text()
    runs = run_of(
        tmp_path / "runs",
        "kable",
        "embedded",
        [finding("one", paper=0.3), finding("two", "fails", control=True)],
    )
    quick = run_of(tmp_path / "quick", "kable", "quick", [finding("one"), finding("brief one")])
    left = docs.generate(place, runs, quick)
    assert f"opinion: no finished embedded run in {runs}" in left
    assert len(left) == len(docs.shown_studies()) - 1
    after = place.page("kable").read_text()
    cut = re.compile("<!-- doxa.*?/doxa -->", re.DOTALL)
    assert cut.sub("", after) == cut.sub("", before)
    block = cut.search(after)[0]
    assert "`doxa run kable` (0 cells; 1 min 1 s of processor time) found:" in block
    row = r"| `one`: a \| claim\_of \*stars\* | 0.5 [0.2, 0.8] share | holds | above 0.1 | 0.3 | effect |"
    assert row in block
    assert "<!-- quick: -two, +brief one -->" in block
    assert docs.quick_ids(block) == ["one", "brief one"]
    assert "| ✓ 1 | ✗ 1 | 1 min 1 s |" in place.readme.read_text()
    assert json.loads(place.costs.read_text()) == {
        "kable": {"quick": {"second": 2.5}, "embedded": {"second": 2.5}}
    }
    assert docs.check(place, quick) == []
    again = [place.page("kable").read_text(), place.readme.read_text()]
    docs.generate(place, runs)
    assert [place.page("kable").read_text(), place.readme.read_text()] == again


def test_a_page_without_a_block_is_an_error_and_nothing_is_written(place, tmp_path):
    runs = run_of(tmp_path / "runs", "kable", "embedded", [finding("one")])
    change(place.page("kable"), "<!-- /doxa -->", "")
    before = place.readme.read_text()
    with pytest.raises(InputError, match="0 blocks"):
        docs.generate(place, runs)
    assert place.readme.read_text() == before
