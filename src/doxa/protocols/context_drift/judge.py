"""A judge that reads which of two statements a response acts on; its verdict is counted, never corrected."""

from __future__ import annotations

from collections.abc import Sequence

from doxa.elicit.answers import Answer
from doxa.protocols.context_drift.elicitors import ReasonedChoice, choice_question
from doxa.protocols.context_drift.items import BeliefItem
from doxa.subjects.base import Sampling, Subject

JUDGE_SAMPLING = Sampling(max_tokens=400)
"""A judge answers greedily."""


def judge_sides(judge: Subject, responses: Sequence[tuple[BeliefItem, str, str]]) -> list[Answer]:
    """Return the side each response acts on, +1 support or -1 oppose.

    Each is asked in both orders of the statements; a judge that changes its mind with the order has no verdict.

    Args:
        judge: who reads.
        responses: for each, the item, the request and the response.
    """
    questions = [
        choice_question(
            item,
            f"Somebody was given this request:\n---\n{request}\n---\nand responded:\n---\n{response}\n---\n"
            "Which of these two statements does the response act on?",
        )
        for item, request, response in responses
    ]
    return ReasonedChoice(way="text").elicit(judge, [()] * len(questions), questions, sampling=JUDGE_SAMPLING)
