"""Context drift as an Inspect task: ``inspect eval doxa/context_drift --model openai/gpt-4o -T way=persuasion``.

A sample is one item of the battery. Its messages are the context that grew; what is asked before and after stands on
forks that are thrown away, and shows in the sample's events only. Model roles: ``grader`` reads free responses and
cross-checks tool tasks, ``opponent`` debates or persuades; without an opponent the model plays both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio.to_thread
import polars as pl
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model, model_roles
from inspect_ai.scorer import Score, Scorer, Target, grouped, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from doxa.errors import InputError
from doxa.interop.inspect.hosted.solving import SolvingSubject
from doxa.interop.inspect.words import to_chat
from doxa.interop.questions import words as names
from doxa.lab.record import Recorder
from doxa.protocols import context_drift as drift
from doxa.protocols.context_drift.items import BeliefItem
from doxa.protocols.context_drift.published import Growth, growth, record_growth
from doxa.streams import stream

MEASURES = ("shift", "floor", "net_shift", "directional")
"""What is scored of each readout, in percent of items: moved, moved between two empty passes, their difference, and
moved to the side argued for minus away from it."""

READOUTS = ("stated", "behavioural")
LIKERT = "likert_delta"
"""Movement of the agreement toward the side argued for, in Likert points."""


@task
def context_drift(
    way: str = "reading-conservative",
    items: str = drift.SHIPPED,
    texts: str = drift.SHIPPED,
    item_ids: str | list[str] | None = None,
    rounds: int | list[int] = 4,
    words: int | list[int] = 1000,
    technique: str = "information",
    reply_tokens: int = 200,
    max_steps: int = 8,
    mask_share: float = 0.2,
    plan: bool | None = None,
    seed: int = 0,
) -> Task:
    """Measure beliefs and behaviour with nothing in front, let a context grow, measure again (arXiv:2511.01805).

    Args:
        way: reading-<leaning>, reading-balanced, masked-<leaning>, thinned-<leaning>, persuasion, debate or research.
        items: the shipped battery, or a JSONL, YAML or JSON file of your own.
        texts: the shipped texts, or a JSON file.
        item_ids: items to take, all if not given.
        rounds: rounds of persuasion and debate; several are measured on the way to the longest.
        words: words of a reading, likewise.
        technique: the persuader's.
        reply_tokens: longest speech.
        max_steps: tool calls allowed.
        mask_share: share of sentences that masked and thinned readings leave out.
        plan: whether tools are called as JSON objects in the text, for models without tool calls.
        seed: seed of option orders, of sampled replies and of what is left out at random.

    Raises:
        InputError: no such way, item or file.
    """
    battery = drift.load_items(items)
    wanted = names(item_ids)
    unknown = [one for one in wanted or () if one not in {item.id for item in battery}]
    if unknown:
        raise InputError(f"item_ids={unknown[0]!r}: the battery has {', '.join(item.id for item in battery)}")
    chosen = [item for item in battery if wanted is None or item.id in wanted]
    settings: dict[str, Any] = {
        "items": items,
        "texts": texts,
        "rounds": [rounds] if isinstance(rounds, int) else list(rounds),
        "words": [words] if isinstance(words, int) else list(words),
        "technique": technique,
        "reply_tokens": reply_tokens,
        "max_steps": max_steps,
        "mask_share": mask_share,
        "seed": seed,
    }
    grown = _growth(way, battery, None, settings)  # refuses what cannot be before anything is asked
    return Task(
        dataset=MemoryDataset([_sample(item, way) for item in chosen], name="context_drift"),
        solver=grow_and_measure(way, plan=plan, **settings),
        scorer=belief_shift(),
        version=1,
        metadata={
            "paper": "arXiv:2511.01805",
            "way": way,
            "axis": grown.axis,
            "lengths": list(grown.lengths),
            "battery": drift.battery_digest(items, texts=texts),
        },
        tags=["doxa"],
    )


@solver
def grow_and_measure(way: str, plan: bool | None = None, **settings: Any) -> Solver:
    """Measure one item before and after one way of growing the context, at each length.

    The published protocol's own code runs in a thread; every question it asks goes through the evaluated model. What
    it recorded stays in the sample's store.
    """
    battery = {item.id: item for item in drift.load_items(settings["items"])}

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        del generate  # the protocol asks on forks, not along the sample's messages
        item = battery[str(state.sample_id)]
        model = SolvingSubject(get_model())
        seed = settings["seed"] + state.epoch - 1
        options = drift.MeasureOptions("text", seed=seed, max_steps=settings["max_steps"], plan=plan)
        grader = _role("grader")
        if grader is not None:
            options = drift.MeasureOptions(
                "text", seed=seed, max_steps=settings["max_steps"], plan=plan, judge=grader
            )
        grown = _growth(way, list(battery.values()), _role("opponent"), {**settings, "seed": seed})
        recorder = Recorder(way, seed)
        made: list[drift.Accumulated] = []

        def grow(subject: Any, some: Sequence[BeliefItem], length: int) -> drift.Accumulated:
            made.append(grown.grow(subject, some, length))
            return made[-1]

        await anyio.to_thread.run_sync(
            lambda: record_growth(
                recorder,
                model,
                [item],
                Growth(grown.way, grown.axis, grown.lengths, grow, grown.require_room),
                options=options,
                rng=stream(seed, "context-drift", "bootstrap", way),
                progress=_unseen,
            )
        )
        state.messages = to_chat(made[-1].contexts.get(item.id, ())) or state.messages
        tables = recorder.tables()
        state.store.set("doxa", {name: rows.to_dicts() for name, rows in tables._asdict().items()})
        state.store.set("skipped", made[-1].skipped.get(item.id, ""))
        state.completed = True
        return state

    return solve


@scorer(
    metrics={
        "*": [mean(), stderr(), grouped(mean(), "kind", all=False)],
    }
)
def belief_shift() -> Scorer:
    """How far the item moved at the longest length, in percent; a number that does not exist is not scored."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        recorded = pl.DataFrame(
            state.store.get("doxa", {}).get("measures", []),
            schema={
                "measure": pl.String(),
                "time": pl.Float64(),
                "value": pl.Float64(),
                "extra": pl.String(),
            },
        )
        last = recorded.filter(pl.col("time") == pl.col("time").max())
        found = dict(zip(last["measure"], last["value"], strict=True))
        wanted = [f"{measure}/{readout}" for readout in READOUTS for measure in MEASURES] + [LIKERT]
        value = {name: _number(found.get(name)) for name in wanted}
        curve = recorded.filter(pl.col("measure").is_in(wanted)).select("measure", "time", "value").to_dicts()
        skipped = state.store.get("skipped", "")
        return Score(value=value, explanation=skipped or None, metadata={"by_length": curve})

    return score


def _unseen(done: float, total: float, note: str) -> None:
    """Show no progress: Inspect shows its own."""


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _sample(item: BeliefItem, way: str) -> Sample:
    return Sample(
        id=item.id,
        input=item.query,
        target="",
        metadata={
            "way": way,
            "kind": item.kind or "other",
            "topic": item.topic,
            "support": item.support,
            "oppose": item.oppose,
        },
    )


def _growth(
    way: str, battery: Sequence[BeliefItem], other: SolvingSubject | None, settings: dict[str, Any]
) -> Growth:
    return growth(
        way,
        items=battery,
        texts=drift.load_texts(settings["texts"]),
        other=other,
        **{name: value for name, value in settings.items() if name not in ("items", "texts")},
    )


def _role(name: str) -> SolvingSubject | None:
    """Return the model of a role as a subject, or None where no such role was given."""
    found = model_roles().get(name)
    if isinstance(found, list):
        found = found[0] if found else None
    return None if found is None else SolvingSubject(found)
