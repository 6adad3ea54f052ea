"""The real-model path: a subject plays sampled agents in the mini-simulations and is the mind of every cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from doxa.belief.inference import wilson
from doxa.lab.record import Finding, Recorder, Tables
from doxa.lab.units import Units
from doxa.society.clusters.anchor import cluster_means, spread_labels, ward
from doxa.society.clusters.asking import MindPath, asked_traces
from doxa.society.clusters.embedded import FIRST_HELD_OUT, Lab
from doxa.society.clusters.fusion import RunningError, fuse
from doxa.society.clusters.history import ClusterHistory
from doxa.society.clusters.motifs import Motifs, find_motifs
from doxa.society.clusters.one_step import OneStep
from doxa.society.clusters.per_agent import calls
from doxa.society.clusters.pipeline import ClusterModel
from doxa.society.clusters.probes import embedded_traces
from doxa.society.clusters.recording import put, read_measures
from doxa.society.clusters.report import FEWER, by_seed, by_unit
from doxa.society.clusters.symbolic import Prediction
from doxa.society.subject_asking import Asker
from doxa.society.subject_mind import SubjectMind
from doxa.subjects.base import Subject

UNREAD = 0.1
"""Ours: largest share of answers that are left to the mechanistic path."""
STATE_NAMES = {"susceptible": "healthy", "exposed": "infected without knowing", "infected": "ill"}


@dataclass(frozen=True)
class Asking:
    """How much a subject is asked.

    Attributes:
        sampled: agents it plays in the mini-simulations; the labels of the others are spread.
        days: days on which it is the mind of every cluster.
        samples: draws of each answer.
        temperature: of replies.
        retries: how often what cannot be read is asked for again.
        max_tokens: longest reply.
    """

    sampled: int
    days: int
    samples: int
    temperature: float
    retries: int
    max_tokens: int


def record_subject(
    recorder: Recorder, lab: Lab, subject: Subject, asking: Asking, progress: Callable[[float, str], None]
) -> None:
    """Record what a subject's clusters and hazards are worth in the embedded epidemic."""
    labels, motifs = _clusters(recorder, lab, subject, asking)
    progress(0.3, "mini-simulations")
    model = lab.model(labels)
    days = np.arange(FIRST_HELD_OUT, FIRST_HELD_OUT + asking.days)
    mind = SubjectMind(
        subject,
        temperature=asking.temperature,
        retries=asking.retries,
        max_tokens=asking.max_tokens,
        seed=lab.seed,
    )
    held = model.daily.held(int(days[0]))

    def mechanistic(day: int) -> Prediction:
        place = day - int(days[0])
        return Prediction(*(part[place] for part in held.paths["symbolic"]))

    path = MindPath(mind, _about(labels, motifs), STATE_NAMES, mechanistic, asking.samples)
    said = [path.predict(model.history, int(day)) for day in days]
    asked = Prediction(np.stack([one.logit for one in said]), np.stack([one.variance for one in said]))
    _record_scores(recorder, model, held, asked, days)
    put(recorder, "asked", float(path.asked))
    put(recorder, "reused", float(path.reused))
    put(recorder, "left to the mechanism", float(path.left))
    put(recorder, "situations", path.asked / asking.samples + path.reused)
    for day in days:
        asked_today = calls(model, np.array([day]))
        put(recorder, "calls a day", asked_today.clusters, time=float(day), way="clusters")
        put(recorder, "calls a day", asked_today.agents, time=float(day), way="each agent")
    for number, exchange in enumerate(mind.exchanges()):
        recorder.utterance(
            subject=subject.address,
            conversation=f"hazards {number}",
            turn=0,
            role="exchange",
            text=str(exchange),
        )
    progress(1.0, "hazards")


def _clusters(
    recorder: Recorder, lab: Lab, subject: Subject, asking: Asking
) -> tuple[Int[np.ndarray, " agents"], Motifs]:
    """Return clusters of all agents, from what the subject says in the place of some."""
    agents = np.sort(lab.rng("sample").permutation(lab.world.plan.agents)[: asking.sampled])
    asker = Asker(subject, asking.max_tokens, asking.retries, lab.seed)
    actions = tuple(dict.fromkeys(lab.reasoner.actions.values()))
    traces = asked_traces(asker, personas(lab), agents, lab.reasoner.scenarios, actions, asking.temperature)
    for trace in traces:
        recorder.utterance(
            subject=subject.address,
            conversation=f"agent {trace.agent}",
            turn=trace.scenario,
            role="assistant",
            text=trace.reason,
            action=trace.action,
        )
    put(recorder, "traces", float(len(traces)), wanted=len(agents) * len(lab.reasoner.scenarios))
    labels = np.zeros(lab.world.plan.agents, dtype=np.int64)
    if len({trace.reason for trace in traces}) < 2:
        # all said the same, or nothing: there is one cluster
        return labels, Motifs(np.ones((len(labels), 1)), (), np.zeros(len(traces), dtype=np.int64), ("",))
    motifs = find_motifs(traces, len(labels), n_motifs=len(lab.reasoner.wordings), seed=lab.seed)
    heard = np.setdiff1d(agents, motifs.unheard)
    known = np.full(len(labels), -1)
    known[heard] = ward(motifs.profiles[heard], min(lab.anchor.k_fine, len(heard)))
    seen = np.concatenate([lab.places, lab.world.features], axis=1)
    labels = spread_labels(seen, known)
    put(recorder, "rand", lab.agreement_of(heard, labels[heard]), clustering="sampled")
    put(recorder, "rand", lab.agreement(labels), clustering="spread")
    return labels, motifs


def personas(lab: Lab) -> list[str]:
    """Return who each agent is: two things it has said before, by the embedded reasoner."""
    said: dict[int, list[str]] = {}
    for trace in embedded_traces(lab.reasoner, lab.world.types, lab.seed + 1):
        said.setdefault(trace.agent, []).append(trace.reason)
    return [
        f"You are a person who has said: '{said[agent][0]}' and '{said[agent][3]}'" for agent in sorted(said)
    ]


def _about(labels: np.ndarray, motifs: Motifs) -> list[str]:
    means = cluster_means(motifs.profiles, labels)
    top = np.argsort(-means, axis=1, kind="stable")[:, :2]
    return ["They say: " + " ".join(f"'{motifs.examples[place]}'" for place in row) for row in top.tolist()]


def _record_scores(
    recorder: Recorder, model: ClusterModel, held: OneStep, asked: Prediction, days: Int[np.ndarray, " days"]
) -> None:
    """Record the score of the mind alone, fused with the networks, and in the place of other clusters."""
    count = len(days)
    parts = {name: Prediction(*(part[:count] for part in path)) for name, path in held.paths.items()}
    parts["mind"] = asked
    parts["mind and neural"] = fused_over(model.history, asked, parts["neural"], days, held.errors[:count, 1])
    parts["mind, dealt to other clusters"] = Prediction(*(np.roll(part, 1, axis=1) for part in asked))
    for name, path in parts.items():
        score = model.scored(path, days)
        for place, day in enumerate(days):
            put(
                recorder,
                "nll",
                score.on(np.arange(count) == place).nll,
                time=float(day),
                unit="nats",
                path=name,
            )


def fused_over(
    history: ClusterHistory, asked: Prediction, neural: Prediction, days: np.ndarray, errors: np.ndarray
) -> Prediction:
    """Return the mind's hazards fused with the networks', each weighed by its record as in :mod:`fusion`."""
    running = RunningError(len(history.compartments.transitions))
    out: list[Prediction] = []
    for place, day in enumerate(days):
        first = Prediction(asked.logit[place], asked.variance[place] + running.value)
        second = Prediction(neural.logit[place], neural.variance[place] + errors[place])
        out.append(fuse([first, second]).prediction)
        running.saw(asked.logit[place], history.events[day], history.trials[day])
    return Prediction(np.stack([one.logit for one in out]), np.stack([one.variance for one in out]))


def subject_findings(tables: Tables) -> list[Finding]:
    """Return what a subject's hazards are worth; the independent units are days."""
    frame = read_measures(tables.measures)

    def of(path: str) -> Units:
        return by_unit(frame, "time", "nll", path=path)

    left, situations = (by_seed(frame, name).mean for name in ("left to the mechanism", "situations"))
    unread = wilson(round(left), round(situations)) if situations > 0 else None
    ratio = by_unit(frame, "time", "calls a day", way="each agent").over(
        by_unit(frame, "time", "calls a day", way="clusters")
    )
    return [
        of("symbolic")
        .minus(of("mind"))
        .finding("mind", "the mind's hazards score below the mechanistic ones", unit="nats", above=0.0),
        of("fused")
        .minus(of("mind and neural"))
        .finding(
            "mind-fused", "in the mechanism's place they improve the fused path", unit="nats", above=0.0
        ),
        Finding.judged(
            "read",
            "almost all of its answers can be read",
            None if unread is None else unread.estimate,
            None if unread is None else unread.ends,
            below=UNREAD,
            unit="fraction",
            n=0 if unread is None else unread.n,
            note="the others were left to the mechanistic path" if unread else "nothing was asked",
        ),
        ratio.finding(
            "calls", "so many times fewer questions a day than about each agent", unit="times", above=FEWER
        ),
        of("mind, dealt to other clusters")
        .minus(of("mind"))
        .finding(
            "dealt", "dealt to other clusters its answers score worse", unit="nats", above=0.0, control=True
        ),
    ]
