"""Small studies for the laboratory's tests, written to a file as a user would."""

from __future__ import annotations

import textwrap
from pathlib import Path

COIN = '''
"""A coin, thrown."""

from doxa.lab import Cell, Finding, judge, setting, study


@study("{slug}", paper="none", room="worlds", claim="the coin is fair", presets={{"quick": {{"seeds": 2}}}})
class Config:
    """How often."""

    seed: int = setting(0, "first seed")
    seeds: int = setting(3, "replicates", unit="seeds", minimum=1)
    throws: int = setting(100, "throws of each replicate", unit="throws", minimum=1, paper=1000)
    note: str = setting("", "not used by any cell")


def cells(config):
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("fair", seed, uses=("throws",))


def run(cell, ctx):
    {before}
    heads = float((ctx.rng("throws").random(ctx.config.throws) < 0.5).mean())
    recorder = ctx.recorder()
    recorder.measure("heads", heads, subject="coin", unit="share")
    recorder.belief(subject="coin", proposition="heads", readout="reference", credence=heads)
    recorder.utterance(subject="coin", conversation="c", turn=0, role="user", text="<b>throw</b>")
    return recorder.tables()


def findings(tables, config):
    values = tables.measures["value"]
    ends = (float(values.min()), float(values.max()))
    return [Finding("fair", "heads come half the time", float(values.mean()), ends, judge(ends, above=0.3, below=0.7))]


def figures(tables, config):
    return []
'''


def coin(folder: Path, slug: str, before: str = "pass") -> str:
    """Write the study to a file of its own and return its path; ``before`` runs in each cell."""
    path = folder / f"{slug}.py"
    path.write_text(textwrap.dedent(COIN).format(slug=slug, before=before))
    return str(path)
