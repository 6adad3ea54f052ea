"""Bar 8, answer reading: malformed and fuzzed replies are read right or not at all, without errors, in linear time."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bars.outcome import Outcome
from doxa.elicit.readers import Found, Refusal, Unparsed, is_refusal, read_letter, read_number
from doxa.testing.fuzzed_replies import adversarial, fuzzed
from doxa.testing.malformed_replies import READERS, cases
from doxa.testing.second_reader import SECOND, third_sees_none

FULL_FUZZED = 1_000_000
SEED = 0
AT_ONCE = 5000
"""Fuzzed replies that one process reads at once."""

RIGHT_SHARE = 0.99
SLOWEST_MS = 5.0
"""Of processor time for one reading, at the 99.9th percentile of all."""

LENGTHS = (32_768, 131_072)
MOST_GROWTH = 8.0
"""How much longer a reply of four times the length may take: linear is 4, quadratic 16."""

MORE_READERS: Mapping[str, Callable[[str], Any]] = {
    "share": lambda text: read_number(text, 0, 1),
    "whole number": lambda text: read_number(text, 1, 7, integer=True),
    "cut letter": lambda text: read_letter(text, ("A", "B", "C", "D", "E"), cut=True),
    "refusal": is_refusal,
}
"""Other settings of the same readers, for which the grammar says nothing: they may not fail, nor take long."""


ALL = {**READERS, **MORE_READERS}


class Part(NamedTuple):
    """What came of some readings.

    Attributes:
        tried: how many things were tried.
        problems: what went wrong, one line each.
        figures: milliseconds of each reading of fuzzed replies, or growth of each of adversarial ones.
    """

    tried: int
    problems: list[str]
    figures: np.ndarray


def run(full: bool, folder: Path) -> Outcome:
    """Read the grammar and fuzzed replies in as many processes as there are processors, then adversarial ones in one.

    All is read in processes of their own, so that what a test adds to the readers of its own counts for nothing.
    """
    del folder
    fuzz = FULL_FUZZED if full else 600
    spans = [(start, min(start + AT_ONCE, fuzz)) for start in range(0, fuzz, AT_ONCE)]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        grammar_part = pool.submit(read_grammar, 1 if full else 12)
        fuzzed_parts = list(pool.map(read_fuzzed, spans))
        grammar = grammar_part.result()
        growth = pool.submit(measure_growth, 1 if full else 12).result()
    times_ms = np.concatenate([part.figures for part in fuzzed_parts])
    slow = float(np.quantile(times_ms, 0.999))
    outcome = Outcome(
        f"{grammar.tried} malformed and {fuzz} fuzzed replies, {len(ALL)} readers; 99.9 % within {slow:.2f} ms, "
        f"longest {times_ms.max():.2f} ms; 4 times as long takes at most {growth.figures.max():.1f} times the time"
    )
    for part in (grammar, *fuzzed_parts, growth):
        outcome.tried += part.tried
        outcome.failures += part.problems
    outcome.check(slow <= SLOWEST_MS, f"99.9 % of readings within {slow:.2f} ms, not {SLOWEST_MS}")
    outcome.check(grammar.tried >= 3000, f"the grammar gave {grammar.tried} replies")
    return outcome


def read_grammar(every: int) -> Part:
    """Read every so many replies of the grammar: nothing where nothing is, and the right value elsewhere."""
    problems: list[str] = []
    some = list(cases())[::every]
    readable = [case for case in some if case.value is not None]
    right = 0
    for case in some:
        reading = READERS[case.kind](case.text)
        found = reading.value if isinstance(reading, Found) else None
        second = SECOND[case.kind](case.text)
        right += case.value is not None and found == case.value
        if case.value is not None and second not in (None, case.value):
            problems.append(f"{case.kind}: the second reader read {second!r} in {case.text!r}")
        if (case.value is None or second is None) and found not in (None, case.value):
            problems.append(f"{case.kind}: read {found!r} in {case.text!r}")
    if right < RIGHT_SHARE * len(readable):
        problems.append(f"{right} of {len(readable)} readable replies read right")
    return Part(len(some), problems, np.array([]))


def read_fuzzed(span: tuple[int, int]) -> Part:
    """Read fuzzed replies by every reader. Where a shy and a blunt reader see nothing, a value is an invention."""
    problems: list[str] = []
    times_ms: list[float] = []
    for read in ALL.values():
        read("\uff08A\uff09")  # patterns and tables are made once in a process, which is no time of a reading
    for index in range(*span):
        text = fuzzed(SEED, index)
        for kind, read in ALL.items():
            begin = time.thread_time()
            try:
                reading = read(text)
            except Exception as error:  # noqa: BLE001 - that it never raises is what is tested
                problems.append(f"{kind}, fuzzed {index}: {type(error).__name__}: {str(error)[:100]}")
                continue
            times_ms.append(1e3 * (time.thread_time() - begin))
            if isinstance(reading, Found | Refusal | Unparsed):
                start, end = reading.span or (0, 0)
                if not 0 <= start <= end <= len(text):
                    problems.append(f"{kind}, fuzzed {index}: span {reading.span} of {len(text)} characters")
            nothing = kind in SECOND and third_sees_none(kind, text) and SECOND[kind](text) is None
            if nothing and isinstance(reading, Found):
                problems.append(f"{kind}, fuzzed {index}: invented {reading.value!r}")
    return Part(span[1] - span[0], problems, np.array(times_ms, dtype=np.float32))


def measure_growth(every: int) -> Part:
    """Compare how long each reader takes for adversarial replies of two lengths."""
    short, long = (adversarial(length) for length in LENGTHS)
    problems: list[str] = []
    growths: list[float] = []
    for what in list(short)[::every]:
        for kind, read in ALL.items():
            # half a millisecond is added to both, so that what takes no time at all is not divided by nothing
            growth = (_best_ms(read, long[what]) + 0.5) / (_best_ms(read, short[what]) + 0.5)
            growths.append(growth)
            if growth > MOST_GROWTH:
                problems.append(f"{kind}: {growth:.1f} times the time for 4 times {what[:60]}")
    return Part(len(growths), problems, np.array(growths))


def _best_ms(read: Callable[[str], Any], text: str, times: int = 3) -> float:
    """Return the least processor time of some readings, in milliseconds."""
    best = float("inf")
    for _ in range(times):
        begin = time.thread_time()
        read(text)
        best = min(best, 1e3 * (time.thread_time() - begin))
    return best
