"""Coins: the smallest study that has everything a study has, for tests of the laboratory itself.

With COINS_LOG set, a cell writes its name into that file, so that a test can count how often each was computed;
with COINS_FATAL set, the last cell makes that file and dies, unless the file is there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from doxa.lab import Cell, Context, Figure, Finding, Tables, judge, setting, study


@study(
    "test-coins",
    paper="none",
    room="belief",
    claim="a fair coin shows heads half of the time",
    presets={"quick": {"seeds": 2}},
)
class Config:
    seed: int = setting(0, "seed of the first replicate")
    seeds: int = setting(4, "independent replicates", unit="seeds", minimum=1)
    coins: int = setting(3, "coins of different bias", unit="coins", minimum=1, maximum=1000)
    flips: int = setting(200, "flips of each coin", unit="flips", minimum=1)
    shift: float = setting(0.0, "what is added to every bias", minimum=-0.4, maximum=0.4)


def cells(config: Config) -> Iterable[Cell]:
    for seed in range(config.seed, config.seed + config.seeds):
        for coin in range(config.coins):
            yield Cell(
                f"coin-{coin}",
                seed,
                uses=("flips", "shift"),
                params={"coin": coin, "last": coin == config.coins - 1},
            )


def run(cell: Cell, ctx: Context) -> Tables:
    config = ctx.config
    coin = int(cell.params["coin"])
    if log := os.environ.get("COINS_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{cell.condition} {cell.seed}\n")
    fatal = os.environ.get("COINS_FATAL")
    if fatal and cell.params["last"] and not Path(fatal).exists():
        Path(fatal).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    recorder = ctx.recorder()
    bias = 0.5 + config.shift
    heads = ctx.rng("flips", coin).random(config.flips) < bias
    for time, share in enumerate(heads.cumsum() / (1.0 + heads.size)):
        recorder.belief(
            subject="coin",
            proposition="the next flip is heads",
            readout="reference",
            axis="step",
            time=time,
            credence=float((share * (1.0 + heads.size) + 1.0) / (time + 3.0)),
        )
    recorder.measure("heads", float(heads.mean()), subject="coin", unit="fraction")
    recorder.utterance(subject="coin", conversation="c", turn=0, role="assistant", text="Wappen oder Zahl? ✓")
    ctx.progress(1.0)
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    heads = tables.measures["value"].to_numpy()
    mean, error = float(heads.mean()), 2.0 * 0.5 / float(heads.size * config.flips) ** 0.5
    interval = (mean - error, mean + error)
    verdict = judge(interval, above=0.4, below=0.6)
    return [
        Finding(
            "fair",
            "the share of heads is near one half",
            mean,
            interval,
            verdict,
            unit="fraction",
            control=True,
            n=heads.size,
        )
    ]


def figures(tables: Tables, config: Config) -> list[Figure]:
    return []
