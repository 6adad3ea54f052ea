"""Log-probabilities of answers on shared texts, beside lm-evaluation-harness on the same model.

A random Llama of 56 million parameters is built on the spot, and both sides load the same folder. ``limit_share`` is
how much of the machine's matrix products (measured on the same threads) goes into work that is needed: every different
prefix once, without the output head. The full size takes about 20 minutes, nearly all of it the peer's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import REPEATS, Case, Side, compare, main
from sides.score_work import Queries, batteries, case, contexts, model_folder

OURS = Side("doxa", "sides/score_queries.py")
PEER = Side("lm_eval 0.4.13", "peers/lm-eval/score_queries.py", "lm-eval")
SHARE = 0.6
"""Least share of the matrix products' peak, in fp32."""


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="doxa-bench-") as folder:
        for one in cases(model_folder(folder), small=options.small, threads=options.threads):
            yield from compare(one, OURS, [PEER], threads=options.threads)


def cases(folder: Path, *, small: bool, threads: int) -> Iterator[Case]:
    few = 3 if small else REPEATS
    size = 64 if small else 512

    def made(name: str, queries: Queries, target: float | None, repeats: int, dtype: str = "float32") -> Case:
        share = None if small or dtype != "float32" else SHARE
        return case(
            name, queries, folder, target=None if small else target, repeats=repeats, dtype=dtype,
            threads=threads, share=share,
        )  # fmt: skip

    yield made(f"12 contexts of {size} tokens, 4 options of 5 tokens", contexts(12, size, 4, 5), 6.0, few)
    for length, repeats in ((size, few), (4 * size, 3)):
        queries = batteries(1, length, 40, 16)
        yield made(f"1 context of {length:,} tokens, 40 propositions, yes and no", queries, 25.0, repeats)
    queries = batteries(1, size, 40, 16)
    yield made(
        f"1 context of {size} tokens, 40 propositions, yes and no, bf16", queries, None, few, "bfloat16"
    )


if __name__ == "__main__":
    main("score-options", __doc__, rows, needs=("lm-eval",))
