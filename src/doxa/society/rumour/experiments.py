"""The embedded experiments in the record: items of six topics, a sweep of plausibility, denials, memory.

A cell holds many populations of one group; what is recorded of them are means over the group, so that groups are the
independent units. Of one population everything is kept: beliefs by agent and day, and what was said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doxa.canonical import Json
from doxa.lab.parts import Keep
from doxa.lab.record import Recorder
from doxa.society.memory import Memory
from doxa.society.rumour.analysis import trait_effects
from doxa.society.rumour.course import Course
from doxa.society.rumour.items import ITEMS
from doxa.society.rumour.numbers import Numbers, record_beliefs, record_counts, record_curve
from doxa.society.rumour.outcome import Propagation, speed
from doxa.society.rumour.spread import spread
from doxa.society.rumour.stance import train_reader
from doxa.society.rumour.text_mind import Temper, TextMind
from doxa.society.rumour.town import Population, Town

MIND = "embedded-mind"
POPULATIONS_OF_A_GROUP = 1000
"""Seeds that a group may use: population k of group g has seed 1000 g + k."""

SUPERCRITICAL = 0.5
"""Final share of believers from which an item counts as having spread."""


def policies(days: int) -> dict[str, tuple[int, ...]]:
    """Return the policies of official denials by name, as the days on which there is one; none after the last day."""
    named = {
        "none": (),
        "day 1": (1,),
        "day 5": (5,),
        "day 10": (10,),
        "every 5 days": tuple(range(1, days + 1, 5)),
        "every 3 days": tuple(range(1, days + 1, 3)),
        "every 2 days": tuple(range(1, days + 1, 2)),
        "daily": tuple(range(1, days + 1)),
    }
    return {name: on for name, on in named.items() if not on or on[-1] <= days}


@dataclass(frozen=True)
class Group:
    """Populations that are simulated together.

    Attributes:
        recorder: where it goes; its seed is the group's number.
        town: of all.
        runs: populations of each condition.
        temper: of the minds.
        keep: keeps each day.
    """

    recorder: Recorder
    town: Town
    runs: int
    temper: Temper
    keep: Keep

    def simulate(
        self,
        part: str,
        conditions: Mapping[str, tuple[str, tuple[int, ...]]],
        prior: Mapping[str, float],
        *,
        town: Town | None = None,
        temper: Temper | None = None,
    ) -> dict[str, Propagation]:
        """Return a run for each condition, all simulated together.

        Args:
            part: name under which days are kept.
            conditions: by name, the item and the days of denials.
            prior: log-odds of each item.
            town: instead of the group's.
            temper: instead of the group's.
        """
        seeds = [POPULATIONS_OF_A_GROUP * self.recorder.seed + number for number in range(self.runs)]
        populations = [
            Population(seed, item, announced) for item, announced in conditions.values() for seed in seeds
        ]
        mind = TextMind(train_reader(self.recorder.seed), prior, temper or self.temper)
        course = Course(town or self.town, populations, mind)

        def keep(name: Json, compute: Any) -> Any:
            return self.keep({"part": part, **(name if isinstance(name, dict) else {})}, compute)

        days = spread(course, keep=keep)
        return {
            name: Propagation(course, days).of(slice(start * self.runs, (start + 1) * self.runs))
            for start, name in enumerate(conditions)
        }

    def numbers(self, **about: Json) -> Numbers:
        """Return what writes numbers of the group, what they are about beside each."""
        return Numbers(self.recorder, MIND, about)


def record_plausibility(recorder: Recorder, folder: Path) -> None:
    """Record how well held-out heads tell true items from false ones, and what they say of each."""
    from doxa.society.rumour.plausibility import item_log_odds, read_items

    head, ours = item_log_odds(folder, list(ITEMS.values()))
    texts, _ = read_items(folder)
    for way, scores in head.held_out._asdict().items():
        for number, (text, score) in enumerate(zip(texts, scores.tolist(), strict=True)):
            recorder.belief(
                subject="plausibility-head",
                proposition=f"item {number}",
                readout="internal",
                axis="sweep",
                log_odds=score,
                true=bool(head.true[number]),
                story=int(head.story[number]),
                held_out=way,
                text=text,
            )
    for topic, score in zip(ITEMS, ours.tolist(), strict=True):
        recorder.measure("plausibility", score, subject="plausibility-head", unit="nats", topic=topic)


def record_reader(recorder: Recorder) -> None:
    """Record how well the group's reader reads tweets of sentences it never saw."""
    reader = train_reader(recorder.seed)
    for name, value in (
        ("reader-accuracy", reader.accuracy),
        ("reader-dealt", reader.permuted_accuracy),
        ("reader-surety", reader.surety_correlation),
    ):
        recorder.measure(name, value, subject="tweet-reader", axis="sweep", n=reader.n_held_out)


def record_topics(group: Group, folder: Path, *, skepticism: float, weight: float) -> None:
    """Let one item of each topic spread: curves, their fit, and how traits matter. Both are inputs, see the report."""
    from doxa.society.rumour.plausibility import item_log_odds

    _, ours = item_log_odds(folder, list(ITEMS.values()))
    prior = {
        item: skepticism + weight * score for item, score in zip(ITEMS.values(), ours.tolist(), strict=True)
    }
    runs = group.simulate("topics", {topic: (item, ()) for topic, item in ITEMS.items()}, prior)
    for topic, run in runs.items():
        group.numbers(topic=topic).add("prior", prior[ITEMS[topic]], "nats")
        record_curve(group.numbers(topic=topic), run)
        for trait, effect in trait_effects(run).items():
            group.numbers(topic=topic, trait=trait).add("trait-effect", effect, "share")
    _record_all(group.recorder, next(iter(runs.values())))


def record_sweep(group: Group, priors: Sequence[float]) -> None:
    """Let items of rising plausibility spread."""
    items = {f"{prior:g}": prior for prior in priors}
    runs = group.simulate("sweep", {name: (name, ()) for name in items}, items)
    for name, run in runs.items():
        fast = speed(run)
        group.numbers(prior=items[name]).add("final", float(fast.final.mean()), "share")
        group.numbers(prior=items[name]).add("spread", float((fast.final >= SUPERCRITICAL).mean()), "share")


def record_denials(group: Group, mild: float) -> None:
    """Let a mildly plausible item spread under every policy, the same people and chances under each."""
    named = policies(group.town.days)
    runs = group.simulate("denials", {name: ("mild", days) for name, days in named.items()}, {"mild": mild})
    for name, run in runs.items():
        fast = speed(run)
        group.numbers(policy=name, cost=len(named[name])).add("area", float(fast.area.mean()), "agent-days")
        group.numbers(policy=name, cost=len(named[name])).add("final", float(fast.final.mean()), "share")
        record_counts(group.numbers(policy=name), run)
    record_beliefs(group.recorder, runs["none"].of(slice(0, 1)), MIND)


def record_memory(group: Group, rising: float) -> None:
    """Let a plausible item spread with and without short memory, and count how varied the tweets are.

    Memory changes what people believe as well; where nobody listens it cannot, and the tweets alone differ.
    """
    deaf = replace(group.temper, trust=0.0)
    for name, memory in (("full", Memory()), ("no short memory", Memory(short=False))):
        town = replace(group.town, memory=memory, stop_when_extinct=None)
        for told, temper in ((name, group.temper), (f"{name}, nobody listens", deaf)):
            runs = group.simulate(
                f"memory {told}", {"all": ("rising", ())}, {"rising": rising}, town=town, temper=temper
            )
            for n in (1, 2):
                group.numbers(memory=told).add(
                    f"distinct-{n}", float(runs["all"].distinct(n).mean()), "share"
                )
            group.numbers(memory=told).add("final", float(speed(runs["all"]).final.mean()), "share")


def _record_all(recorder: Recorder, run: Propagation) -> None:
    """Record the beliefs and tweets of the first population of a run."""
    one = run.of(slice(0, 1))
    record_beliefs(recorder, one, MIND)
    for row in one.tweets.iter_rows(named=True):
        recorder.utterance(
            subject=MIND,
            conversation=f"population {row['seed']}",
            turn=row["day"],
            role="assistant",
            text=row["text"],
            name=row["name"],
        )
