"""Towns in which the effects must be absent: nobody listens, contacts are dealt anew; and a ring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from doxa.belief.information import expit
from doxa.society.graph import Graph
from doxa.society.rumour import tweets
from doxa.society.rumour.course import INFECTED
from doxa.society.rumour.experiments import Group, policies
from doxa.society.rumour.outcome import Propagation, half_peak
from doxa.society.rumour.stance import StanceReader, train_reader
from doxa.society.rumour.text_mind import LOG_ODDS, PRIOR, TRUSTS, Temper


def record_controls(group: Group, mild: float, rising: float) -> None:
    """Record towns in which nobody listens, contacts are dealt anew, or people meet on a ring."""
    deaf = replace(group.temper, trust=0.0, confirmation=0.0)
    town = replace(group.town, stop_when_extinct=None)
    named = policies(town.days)
    conditions = {name: ("mild", named[name]) for name in ("none", "every 3 days")}
    runs = group.simulate("deaf", conditions, {"mild": mild}, town=town, temper=deaf)
    doubted = runs["none"].health[..., 0] != INFECTED
    shares = (runs["none"].health == INFECTED)[doubted].mean(axis=0)[1:]
    slope = float(np.polyfit(np.arange(shares.size), shares, 1)[0])
    group.numbers().add("deaf-slope", slope, "share per day")
    reader = train_reader(group.recorder.seed)
    for name, run in runs.items():
        beyond = run.infected[:, 1:].mean(axis=0) - _direct(run, deaf, named[name], reader)
        group.numbers(policy=name).add("beyond-direct", float(beyond.mean()) / run.size, "share")
    everyone = _complete(town.agents)
    for name, graph in (("everybody", None), ("dealt anew", everyone), ("ring", _ring(town.agents))):
        run = group.simulate(
            f"graph {name}", {"all": ("rising", ())}, {"rising": rising}, town=replace(town, graph=graph)
        )["all"]
        infected = run.infected.mean(axis=0)
        group.numbers(graph=name).add("area-share", float(infected[1:].mean()) / run.size, "share")
        group.numbers(graph=name).add("half-peak-day", half_peak(infected), "days")
        for day, value in enumerate(infected.tolist()):
            group.numbers(graph=name).add("believers", value / run.size, "share", day)


def _direct(
    run: Propagation, temper: Temper, announced: tuple[int, ...], reader: StanceReader
) -> Float[np.ndarray, " days"]:
    """Return the believers to expect by day where agents hear the official agent alone: each log-odds is then known."""
    inner = run.days[0].inner
    log_odds, prior, trust = (inner[..., place] for place in (LOG_ODDS, PRIOR, TRUSTS))
    denial = float(reader.read(tweets.grammar().denial[None])[0])
    expected: list[float] = []
    for day in range(1, run.course.town.days + 1):
        said = temper.official_trust * trust * denial * (day in announced)
        log_odds = prior + temper.persistence * (log_odds - prior) + said
        expected.append(float(expit(log_odds / temper.temperature).sum(axis=1).mean()))
    return np.array(expected)


def _ring(agents: int) -> Graph:
    """Return the graph in which each is linked with the two next on either side."""
    numbers = np.arange(agents)
    return Graph.from_edges(
        agents, np.tile(numbers, 2), np.concatenate([(numbers + k) % agents for k in (1, 2)])
    )


def _complete(agents: int) -> Graph:
    first, second = np.triu_indices(agents, 1)
    return Graph.from_edges(agents, first, second)
