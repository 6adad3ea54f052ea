from __future__ import annotations

import numpy as np
import pytest

from doxa.dynamics import dynamics
from doxa.errors import InputError
from doxa.society import dynamics as society
from doxa.society.chunks import in_chunks
from doxa.society.dynamics import base
from doxa.streams import stream
from doxa.testing import check_dynamics
from tests.society.dynamics import slow

OURS = [kind for kind in dynamics.loaded() if kind.__module__.startswith(society.__name__)]
GRAPH = slow.random_graph(300, 1200)


def named(kind) -> str:
    return next(name for name, known in dynamics.items() if known is kind)


def configs():
    g = GRAPH
    rules = society.MarkovCompartments().example().config.rules
    return {
        "degroot": society.DeGrootConfig(g),
        "friedkin-johnsen": society.FriedkinJohnsenConfig(g),
        "bounded-confidence": society.BoundedConfidenceConfig(g),
        "deffuant": society.DeffuantConfig(g),
        "algorithmic-bias": society.AlgorithmicBiasConfig(g),
        "voter": society.VoterConfig(g),
        "sis": society.SisConfig(graph=g, infection=0.2, recovery=0.3, begin={"infected": 0.2}),
        "sir": society.SirConfig(graph=g, infection=0.2, recovery=0.3, begin={"infected": 0.2}),
        "seird": society.SeirdConfig(
            graph=g,
            infection=0.4,
            incubation=0.5,
            recovery=0.2,
            death=0.1,
            waning=0.1,
            begin={"exposed": 0.3},
        ),
        "independent-cascade": society.IndependentCascadeConfig(g, share=0.1),
        "linear-threshold": society.LinearThresholdConfig(g, share=0.1),
        "markov-compartments": society.MarkovCompartmentsConfig(graph=g, rules=rules, begin={"telling": 0.2}),
    }


def test_all_twelve_are_registered():
    assert {named(kind) for kind in OURS} == set(configs())


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_it_keeps_the_contract(kind):
    check_dynamics(kind())


AT_ONCE = society.Turn(in_turn=False)
SHARED_OUT = [(kind, society.Turn()) for kind in OURS] + [(society.Voter, AT_ONCE)]


@pytest.mark.parametrize(("kind", "turn"), SHARED_OUT, ids=lambda value: getattr(value, "__name__", ""))
def test_bits_do_not_hang_on_threads_or_chunks(kind, turn, monkeypatch):
    config, ends = configs()[named(kind)], []
    for threads, least in ((1, 50_000), (2, 100), (3, 7)):
        monkeypatch.setenv("NUMBA_NUM_THREADS", str(threads))
        monkeypatch.setattr(
            base, "in_chunks", lambda kernel, n, least=least: in_chunks(kernel, n, least=least)
        )
        model = kind()
        state = model.init(stream(0, "init"), config)
        moves = []
        for step in range(4):
            state, info = model.step(stream(0, "step", step), state, turn)
            moves.append(None if info.moves is None else info.moves.tolist())
        ends.append((state.values.tobytes(), moves))
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_an_agent_that_is_not_there_is_told_of(kind):
    model = kind()
    state = model.init(stream(0, "init"), configs()[named(kind)])
    with pytest.raises(InputError, match=r"agents\[1\]=300: agents are 0 to 299"):
        model.step(stream(0), state, society.Turn(np.array([0, 300], np.int32)))


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_a_graph_of_others_is_told_of(kind):
    model = kind()
    state = model.init(stream(0, "init"), configs()[named(kind)])
    with pytest.raises(InputError, match="40 nodes for 300 agents"):
        model.step(stream(0), state, society.Turn(graph=slow.random_graph()))
