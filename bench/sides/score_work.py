"""The queries that scoring is timed on, how much arithmetic they need, and when two sides agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from kit.compare import Case
from kit.machine import gemm_gflops
from sides import score_model

from doxa.streams import stream

Queries: TypeAlias = list[tuple[str, list[str]]]
"""A text and what may follow it."""

TOLERANCE_NATS = {"float32": 2e-5, "bfloat16": 2e-2}

PEER_BATCH = 8
"""Requests in one batch of the peer, as in its documentation; 1 and 4 are no faster on a processor."""


def model_folder(folder: str) -> Path:
    """Build the model in a folder and return it."""
    score_model.save(Path(folder))
    return Path(folder)


def contexts(count: int, tokens: int, options: int, option_tokens: int) -> Queries:
    """Unrelated texts, each with options of several tokens."""
    rng = stream(0, "bench", "contexts")
    text = score_model.text
    return [
        (text(rng, tokens), [" " + text(rng, option_tokens) for _ in range(options)]) for _ in range(count)
    ]


def batteries(count: int, tokens: int, propositions: int, proposition_tokens: int) -> Queries:
    """Unrelated texts, each followed by one of many propositions, answered yes or no."""
    rng = stream(0, "bench", "batteries")
    text = score_model.text
    stems = [text(rng, tokens) for _ in range(count)]
    return [
        (f"{stem} {text(rng, proposition_tokens)}", [" yes", " no"])
        for stem in stems
        for _ in range(propositions)
    ]


def conversation(turns: int, tokens: int, propositions: int, proposition_tokens: int) -> Queries:
    """One text that grows turn by turn, with propositions after each turn, answered yes or no."""
    rng = stream(0, "bench", "conversation")
    text = score_model.text
    said = [text(rng, tokens) for _ in range(turns)]
    return [
        (" ".join([*said[: turn + 1], text(rng, proposition_tokens)]), [" yes", " no"])
        for turn in range(turns)
        for _ in range(propositions)
    ]


def case(
    name: str,
    queries: Queries,
    folder: Path,
    *,
    target: float | None,
    repeats: int,
    threads: int,
    dtype: str = "float32",
    share: float | None = None,
) -> Case:
    """Return the case; ``share`` is the least part of the matrix products' peak that doxa must reach."""
    answers = sum(len(options) for _, options in queries)
    per_answer = needed_flops(queries) / answers
    peak = 1e9 * max(gemm_gflops(getattr(torch, dtype)) for _ in range(3))
    return Case(
        name=name,
        load={
            "folder": str(folder), "queries": queries, "dtype": dtype, "threads": threads, "batch_size": PEER_BATCH,
        },
        work=answers,
        unit="answers",
        agree=lambda own, other: agrees(own, other, TOLERANCE_NATS[dtype]),
        target=target,
        repeats=repeats,
        limit=lambda rate: rate * per_answer / peak,
        least=None if share is None else share * peak / per_answer,
    )  # fmt: skip


def needed_flops(queries: Queries) -> float:
    """Return the arithmetic of every different prefix that predicts something, once, without the head."""
    known: dict[tuple[int, str], int] = {}
    tokens = pairs = 0
    for prompt, options in queries:
        for option in options:
            state = 0
            for place, word in enumerate((prompt + option).split()[:-1]):
                key = (state, word)
                if key not in known:
                    known[key] = len(known) + 1
                    tokens += 1
                    pairs += place + 1
                state = known[key]
    return score_model.matrix_flops(tokens, pairs)


def agrees(own: Any, other: Any, tolerance: float) -> bool:
    """Return whether all log-probabilities are equal to a tolerance, and no winner differs outside it."""
    for left, right in zip(own, other, strict=True):
        mine, theirs = np.array(left), np.array(right)
        if np.max(np.abs(mine - theirs)) > tolerance or theirs.max() - theirs[mine.argmax()] > tolerance:
            return False
    return True
