"""A conversation probed after every turn, beside lm-evaluation-harness on the same model.

25 turns of 40 tokens, 8 propositions after each with yes and no as answers: 200 forks of one conversation. The model
and ``limit_share`` are those of ``score-options``. The full size takes about 8 minutes, nearly all of it the peer's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kit.compare import Side, compare, main
from sides.score_work import case, conversation, model_folder

OURS = Side("doxa", "sides/score_queries.py")
PEER = Side("lm_eval 0.4.13", "peers/lm-eval/score_queries.py", "lm-eval")
TARGET = 15.0
"""Least ratio of scored answers per CPU-second at full size."""


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    turns, propositions, tokens = (5, 2, 20) if options.small else (25, 8, 40)
    with tempfile.TemporaryDirectory(prefix="doxa-bench-") as folder:
        one = case(
            f"{turns} turns of {tokens} tokens, {propositions} propositions after each",
            conversation(turns, tokens, propositions, 16),
            model_folder(folder),
            target=None if options.small else TARGET,
            repeats=3,
            threads=options.threads,
        )
        yield from compare(one, OURS, [PEER], threads=options.threads)


if __name__ == "__main__":
    main("probe-turns", __doc__, rows, needs=("lm-eval",))
