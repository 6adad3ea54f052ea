"""Populations: meetings, means and what spreads, beside Mesa, NDlib, Seldon and a sparse matrix-vector product.

Models with chance are first compared by many small populations: of each number they are compared by, the two sides'
distributions must be alike. Models without chance must agree agent by agent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Process, Side, compare, main, round_to
from kit.machine import copy_gb_s, gather_m_s
from sides.society_growth import growth_rows

OURS = Side("doxa", "sides/society.py")
MESA = Side("mesa 3.3.1", "peers/mesa/society.py", "mesa")
NDLIB = Side("ndlib 6.0.1", "peers/ndlib/society.py", "ndlib")
SELDON = Side("seldon 1.0.0", "peers/seldon/society.py", "seldon")
SCIPY = Side("scipy's CSR product", "sides/society_scipy.py")

MEETINGS_PER_S = 20e6
"""Least pair updates per CPU-second at 100,000 agents."""

DEGREE = 10
"""Mean number of ties of an agent, but for the lattice's four."""

BYTES = {
    "degroot": (12 + 8 * DEGREE, 8 + 12 * DEGREE),
    "friedkin-johnsen": (16 + 8 * DEGREE, 28 + 12 * DEGREE),
    "bounded-confidence": (16 + 8 * DEGREE, 20 + 12 * DEGREE),
}
"""Bytes that doxa and SciPy read and write for an agent: where its row begins, the row, opinions; SciPy weights too."""

OPINION_TOLERANCE = 2e-5
"""Opinions without chance are held in 32 bits; peers hold 64."""


def alike(ours: Any, theirs: Any) -> bool:
    """Return whether each number's distribution over small populations is alike, by Kolmogorov and Smirnov."""
    from scipy.stats import ks_2samp

    own, other = np.asarray(ours), np.asarray(theirs)
    return all(ks_2samp(own[:, k], other[:, k]).pvalue > 1e-3 for k in range(own.shape[1]))


def equal(ours: Any, theirs: Any) -> bool:
    """Return whether opinions agree agent by agent."""
    return bool(np.abs(np.asarray(ours) - np.asarray(theirs)).max() < OPINION_TOLERANCE)


def case_of(
    options: argparse.Namespace,
    model: str,
    n: int,
    sweeps: int,
    *,
    note: str = "",
    target: float | None = None,
    least: float | None = None,
    small_sweeps: int = 4,
    repeats: int = REPEATS,
    **settings: Any,
) -> Case:
    """Return a case: ``sweeps`` of a model in each repeat; settings go to both sides."""
    repeats = 3 if options.small else repeats
    certain = model in ("degroot", "friedkin-johnsen", "bounded-confidence")
    load = {
        "model": model,
        "n": n,
        "sweeps": sweeps,
        "certain": certain,
        "repeats": repeats,
        "replicates": 40,
        "small_n": 400,
        "small_sweeps": small_sweeps,
        **settings,
    }
    return Case(
        name=f"{model}, {n:,} agents{note and ', ' + note}",
        load=load,
        work=float(settings.get("updates") or n) * sweeps,
        unit="agent updates" if certain or model in ("sis", "sir") else "pair updates",
        agree=equal if certain else alike,
        target=target,
        least=least,
        repeats=repeats,
        limit=_reads_of_meetings(n * (4 if settings.get("lattice") else DEGREE), small=options.small)
        if model in ("voter", "deffuant")
        else None,
    )


def _reads_of_meetings(entries: int, *, small: bool) -> Callable[[float], float]:
    """Return what share of the machine's random reads, from as many entries as the ties have, meetings make.

    Each makes two that no cache foresees: where the row of who acts begins, and whom it names.
    """
    reads_per_s = 1e6 * gather_m_s(4 * entries, 1_000_000 if small else 10_000_000)
    return lambda rate: 2 * rate / reads_per_s


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    yield from _meetings(options)
    yield from _at_once(options)
    yield _what_ndlib_changes(options)
    if not options.small:
        yield from _beside_a_product(options)
    yield from growth_rows(small=options.small)


def _meetings(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Compare what happens in turn; of a million agents, a few sweeps, because a sweep of a peer's takes seconds."""
    threads = options.threads
    sizes = (10_000,) if options.small else (10_000, 100_000)
    for n in sizes:
        yield from compare(_meeting(options, "voter", n), OURS, [MESA], threads=threads)
        yield from compare(_meeting(options, "deffuant", n), OURS, [MESA], threads=threads)
        yield from compare(_on_lattice(options, n), OURS, [SELDON], threads=threads)
        bias = case_of(
            options, "algorithmic-bias", n, 10 if n < 100_000 else 2, target=30.0, confidence=0.3, bias=1.5
        )
        yield from compare(bias, OURS, [NDLIB], threads=threads)
    if not options.small:
        million = 1_000_000
        for model in ("voter", "deffuant"):
            yield from compare(
                _meeting(options, model, million, sweeps=1, repeats=3), OURS, [MESA], threads=threads
            )
        yield from compare(
            _on_lattice(options, million, sweeps=20, repeats=3), OURS, [SELDON], threads=threads
        )
    few = case_of(
        options, "voter", 10_000, 1, note="2,000 draws", updates=2_000, target=500.0, small_sweeps=1
    )
    yield from compare(few, OURS, [NDLIB], threads=threads)


def _meeting(
    options: argparse.Namespace, model: str, n: int, *, sweeps: int | None = None, repeats: int = REPEATS
) -> Case:
    return case_of(
        options,
        model,
        n,
        sweeps or (10 if n >= 100_000 else 30),
        target=40.0,
        least=MEETINGS_PER_S if n >= 100_000 else None,
        repeats=repeats,
        confidence=0.3,
        order="shuffled",
    )


def _on_lattice(options: argparse.Namespace, n: int, *, sweeps: int = 50, repeats: int = REPEATS) -> Case:
    side = round(n**0.5)
    return case_of(
        options,
        "deffuant",
        side * side,
        sweeps,
        note="lattice",
        target=1.0,
        repeats=repeats,
        lattice=True,
        confidence=0.3,
    )


def _at_once(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Compare what all do at once, at 10,000 agents, and SIS and SIR by their averages."""
    n, threads = 10_000, options.threads
    means = case_of(options, "degroot", n, 200, target=100.0)
    yield from compare(means, OURS, [MESA], threads=threads)
    yield from compare(case_of(options, "degroot", n, 20, target=500.0), OURS, [NDLIB], threads=threads)
    yield from compare(case_of(options, "degroot", n, 50, target=1.0), OURS, [SELDON], threads=threads)
    held_back = case_of(options, "friedkin-johnsen", n, 20, target=500.0, openness=0.8)
    yield from compare(held_back, OURS, [NDLIB], threads=threads)
    near = case_of(options, "bounded-confidence", n, 30, target=100.0, confidence=0.2)
    yield from compare(near, OURS, [MESA], threads=threads)
    for model in ("sis", "sir"):
        averages: dict[str, object] = {}
        spreading = case_of(options, model, n, 10, infection=0.03, recovery=0.1, begin=0.1)
        spreading = replace(spreading, agree=partial(_alike_on_average, averages))
        for row in compare(spreading, OURS, [NDLIB], threads=threads):
            yield {**row, **averages}


def _alike_on_average(averages: dict[str, object], ours: Any, theirs: Any) -> bool:
    """As ``alike``; note mean shares of infected in small populations, and the 95 % interval of a difference of 0."""
    own, other = np.asarray(ours), np.asarray(theirs)
    error = np.sqrt(own.var(0, ddof=1) / len(own) + other.var(0, ddof=1) / len(other))
    for name, values in (("doxa", own.mean(0)), ("peer", other.mean(0)), ("within", 1.96 * error)):
        averages[f"infected_{name}"] = [round_to(value) for value in values]
    return alike(ours, theirs)


def _what_ndlib_changes(options: argparse.Namespace) -> dict[str, object]:
    """Say how many agents a step of NDlib's Hegselmann-Krause model moves: why it is not timed."""
    name = "bounded-confidence, ndlib's HKModel"
    if NDLIB.missing:
        return {"case": name, "peer_name": NDLIB.name, "missing": "run the benchmark with --install"}
    case = case_of(options, "bounded-confidence", 2_000, 1, confidence=0.2, count_changes=True)
    with Process(NDLIB, options.threads) as process:
        process.prepare(case)
        found = process.run()["answer"]
    return {
        "case": name,
        "peer_name": NDLIB.name,
        "changed_in_one_step": found["changed"],
        "agents": found["agents"],
        "note": "it keeps only the last of a step's updates, so there is nothing to compare a time with",
    }


def _beside_a_product(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Compare means of ten neighbours with SciPy's product of the same matrix, at least half as fast.

    ``gb_s`` is what doxa and the product read and write; ``limit_share`` is doxa's share of a copy's bandwidth.
    """
    copied = copy_gb_s()
    for n in (100_000, 1_000_000):
        for model, settings in (
            ("degroot", {}),
            ("friedkin-johnsen", {"openness": 0.8}),
            ("bounded-confidence", {"confidence": 1.0}),
        ):
            case = case_of(options, model, n, 10, target=0.5, **settings)
            for row in compare(case, OURS, [SCIPY], threads=options.threads):
                if "ratio" in row:
                    rates = (float(str(row[side])) for side in ("doxa", "peer"))
                    moved = [1e-9 * rate * size for rate, size in zip(rates, BYTES[model], strict=True)]
                    row |= {
                        "gb_s": [round_to(each) for each in moved],
                        "limit_share": round(moved[0] / copied, 3),
                    }
                yield row


if __name__ == "__main__":
    main("society", __doc__, rows, needs=("mesa", "ndlib", "seldon"))
