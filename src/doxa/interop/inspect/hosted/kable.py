"""KaBLE as an Inspect task: ``inspect eval doxa/kable --model openai/gpt-4o -T limit=2``."""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import (
    CORRECT,
    INCORRECT,
    Score,
    Scorer,
    Target,
    accuracy,
    grouped,
    mean,
    scorer,
    stderr,
)
from inspect_ai.solver import Generate, Solver, TaskState, solver

from doxa.errors import InputError, did_you_mean
from doxa.interop.inspect.words import to_reply
from doxa.interop.questions import as_row, questions
from doxa.protocols.kable.asking import LetterRead, option_texts, read_reply
from doxa.protocols.kable.items import KableItem
from doxa.protocols.kable.questions import ANSWERS, NO_ANSWER

METHODS = ("generate", "logprob")
SENTENCE = "sentence_id"
"""Metadata key of the seed sentence, over which standard errors are clustered."""


@task
def kable(
    limit: int | None = None,
    key: str = "file",
    tasks: str | list[str] | None = None,
    subjects: str | list[str] | None = None,
    types: str | list[str] | None = None,
    seed: int = 0,
    method: str = "generate",
    max_tokens: int = 512,
    report: str = "accuracy",
) -> Task:
    """Ask KaBLE's questions zero-shot, one call each, at temperature 0 (arXiv:2410.21195).

    Args:
        limit: questions of each task, type and subject, the same that ``doxa run kable`` draws; all if not given.
        key: accepted letters of the released ``file``, or of the ``paper``'s table.
        tasks: names of tasks, all if not given.
        subjects: fields of knowledge, all if not given.
        types: ``factual``, ``false``, or both if not given.
        seed: seed of the draw.
        method: ``generate`` reads the letter of a reply; ``logprob`` scores the letters, with ``doxa/`` models only.
        max_tokens: longest reply.
        report: ``accuracy`` with answer shares beside it, or ``shares`` alone, for questions without a key.

    Raises:
        InputError: the questions are not here, a name is unknown, or accuracy is asked for where there is no key.
    """
    if method not in METHODS:
        raise InputError(f"method={method!r}: {did_you_mean(method, METHODS)}")
    chosen = questions(
        tasks=tasks, subjects=subjects, types=types, key=key, limit=limit, seed=seed, report=report
    )
    return Task(
        dataset=MemoryDataset([_sample(item) for item in chosen], name="kable"),
        solver=ask_question(method),
        scorer=[key_letter(), answer_share()] if report == "accuracy" else [answer_share()],
        config=GenerateConfig(temperature=0.0, max_tokens=max_tokens),
        version=1,
        metadata={"paper": "arXiv:2410.21195", "key": key, "method": method},
        tags=["doxa"],
    )


@solver
def ask_question(method: str = "generate") -> Solver:
    """Put the released prompt to the model, unchanged, or score the three letters after it."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if method == "generate":
            return await generate(state)
        framing = _framing()
        options = list(option_texts(framing))
        return await generate(state, logprobs=True, extra_body={"options": options})

    return solve


@scorer(
    metrics=[
        accuracy(),
        stderr(cluster=SENTENCE),
        grouped(accuracy(), "task", all=False),
        grouped(stderr(cluster=SENTENCE), "task", all=False, name_template="{group_name} stderr"),
    ]
)
def key_letter() -> Scorer:
    """Right if the reply's letter is one of the key's; not scored where no answer is definitive."""

    async def score(state: TaskState, target: Target) -> Score:
        del (
            target
        )  # the accepted letters stand in the metadata, where an empty key is told from a missing one
        letter, missing = letter_of(state)
        said: dict[str, Any] = {"answer": letter, "explanation": state.output.completion}
        metadata = {"missing": missing} if missing else None
        if not state.metadata["accepted"]:
            return Score.unscored(reason=NO_ANSWER, metadata=metadata, **said)
        right = letter is not None and letter in state.metadata["accepted"]
        return Score(
            value=CORRECT if right else INCORRECT, reason=_reason(missing), metadata=metadata, **said
        )

    return score


@scorer(
    metrics={
        "yes": [mean(), grouped(mean(), "task", all=False)],
        "no": [mean()],
        "undeterminable": [mean()],
        "unread": [mean()],
    }
)
def answer_share() -> Scorer:
    """How often each answer was given, over all questions with or without a key: the yes-bias beside the accuracy."""

    async def score(state: TaskState, target: Target) -> Score:
        del (
            target
        )  # the accepted letters stand in the metadata, where an empty key is told from a missing one
        letter, missing = letter_of(state)
        shares = {name.lower(): float(letter == one) for one, name in ANSWERS.items()}
        return Score(
            value={**shares, "unread": float(letter is None)}, answer=letter, reason=_reason(missing)
        )

    return score


def letter_of(state: TaskState) -> LetterRead:
    """Return the letter of a sample's output as doxa reads it, or None and the reason."""
    return read_reply(to_reply(state.output))


def _sample(item: KableItem) -> Sample:
    row = as_row(item)
    prompt = str(row.pop("prompt"))
    metadata = {**row, SENTENCE: f"{item.subject}/{item.idx}"}
    return Sample(id=item.id, input=prompt, target=sorted(item.accepted), metadata=metadata)


def _framing() -> str:
    from doxa.interop.inspect.hosted.provider import DoxaAPI
    from doxa.protocols.kable.asking import framing_of

    model = get_model()
    if not isinstance(model.api, DoxaAPI):
        raise InputError(
            f"method=logprob scores whole options, which {model} cannot; take a doxa/ model or method=generate"
        )
    return framing_of(model.api.subject)


def _reason(missing: str | None) -> str | None:
    """Return Inspect's word for a letter that could not be read."""
    if missing is None:
        return None
    return "refusal" if missing.startswith("refusal") else "invalid_response_format"
