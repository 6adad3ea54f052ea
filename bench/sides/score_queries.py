"""doxa's side: all queries in one call of ``score``."""

from __future__ import annotations

from typing import Any

import torch
from kit.side import Work, serve

from doxa.subjects.base import Query, user
from doxa.subjects.transformers import TransformersSubject


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    subject = TransformersSubject.open(case["folder"], dtype=case["dtype"], template="verbatim")
    queries = [Query((user(context),), tuple(options)) for context, options in case["queries"]]
    return lambda: [[float(score) for score in scores] for scores in subject.score(queries)]


if __name__ == "__main__":
    serve(prepare, packages=("torch", "transformers"))
