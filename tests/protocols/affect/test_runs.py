import numpy as np
import polars as pl
import pytest

from doxa.dynamics.affect import VALENCE, FirstOrder, SecondOrder, Stateless
from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.protocols.affect import (
    AffectAgent,
    CallableEstimator,
    DialogueScript,
    Line,
    PromptInjector,
    run_protocol,
)
from doxa.subjects.base import Reply
from doxa.subjects.cache import CachedSubject, Journal
from tests.protocols.affect.speakers import Says, Tuned

RULES = {
    "stateless": Stateless(),
    "first order": FirstOrder(),
    "μ = .8": SecondOrder(0.8),
    "μ = .95": SecondOrder(0.95),
}


@pytest.fixture(scope="module")
def speaker():
    return Tuned()


@pytest.fixture(scope="module")
def runs(speaker):
    agents = {name: AffectAgent(speaker, rule) for name, rule in RULES.items()}
    return run_protocol(agents, DialogueScript.load("philosophy"), range(3))


def test_the_grid_of_conditions_and_seeds_is_held_side_by_side(runs, speaker):
    assert [(run.condition, run.seed) for run in runs.runs] == [
        (name, seed) for name in RULES for seed in range(3)
    ]
    assert runs.series("state").shape == (12, 25, 3)
    assert len(speaker.calls) == 25 * 3  # a call for each turn and seed
    assert {len(call) for call in speaker.calls} == {4}


def test_what_a_dialogue_becomes_does_not_depend_on_the_others(runs):
    alone = run_protocol(AffectAgent(Tuned(), SecondOrder(0.8)), runs.script, [2])
    beside = next(run for run in runs.of("μ = .8").runs if run.seed == 2)
    assert [turn.reply for turn in alone.runs[0].turns] == [turn.reply for turn in beside.turns]
    assert np.array_equal(alone.series("state")[0], beside.series("state"))
    assert alone.runs[0].condition == "second-order?mu=0.8"


def test_all_conditions_hear_the_same_and_the_state_is_the_rule_s(runs):
    signals = runs.series("signal")
    assert np.array_equal(signals, np.broadcast_to(signals[0], signals.shape))
    for name, rule in RULES.items():
        assert runs.of(name).series("state") == pytest.approx(np.stack([rule.series(signals[0])] * 3))


def test_the_table_has_a_row_for_each_turn(runs):
    table = runs.to_frame()
    assert table.height == 12 * 25
    assert table["phase"].unique(maintain_order=True).to_list() == [
        "opening",
        "shock",
        "reconciliation",
        "closing",
    ]
    assert {"condition", "seed", "turn", "user", "reply", "signal_valence", "expressed_dominance"} <= {
        *table.columns
    }


def test_metrics_tell_the_conditions_apart(runs):
    table = runs.metrics().filter(
        pl.col("series") == "state", pl.col("dimension") == "valence", pl.col("seed") == 0
    )
    by = {row["condition"]: row for row in table.iter_rows(named=True)}
    delays = [by[name]["peak_delay"] for name in RULES]
    assert delays == sorted(delays)
    assert delays[0] < delays[3]
    crossings = [by[name]["crossing"] for name in RULES]
    assert crossings == sorted(crossings)
    assert crossings[1] < crossings[2] < crossings[3]
    assert by["stateless"]["settled"]
    assert by["μ = .95"]["settling"] is None
    assert not by["μ = .95"]["settled"]
    assert by["stateless"]["loop"] == pytest.approx(0.0, abs=1e-12)
    assert by["μ = .8"]["lag"] > by["first order"]["lag"] == 0
    assert by["μ = .8"]["last"] == 25


def test_replies_express_the_state_only_where_it_is_told(runs):
    told = runs.of("μ = .8")
    state, expressed = (told.series(of)[..., 0].ravel() for of in ("state", "expressed"))
    assert np.corrcoef(state, expressed)[0, 1] > 0.6
    assert not runs.of("stateless").series("expressed").any()


def test_a_turn_without_a_reply_leaves_what_it_expressed_unmeasured():
    script = DialogueScript(
        "s", tuple(Line(phase, "a") for phase in ("opening", "shock", "reconciliation", "closing"))
    )
    replies = [Reply("I love it."), Reply(""), Reply("Fine."), Reply("Good.")]
    held = run_protocol(AffectAgent(Says(*replies), FirstOrder()), script, [0])
    table = held.metrics()
    expressed = table.filter(pl.col("series") == "expressed")
    assert expressed["missing"].to_list() == [1, 1, 1]
    assert expressed["peak"].is_null().all()
    assert not table.filter(pl.col("series") == "state")["peak"].is_null().any()
    recorder = Recorder("c", 0)
    held.record(recorder, subject="says")
    tables = recorder.tables()
    assert tables.transcripts.height == 8
    missing = tables.measures.filter(pl.col("value").is_null())
    assert missing["measure"].to_list() == ["expressed_valence", "expressed_arousal", "expressed_dominance"]
    assert "empty reply" in missing["extra"][0]
    assert held.plot("expressed").spec["data"]["values"][0]["turn"] == 1


def test_leakage_counts_replies_that_give_their_mood_away(runs):
    table = runs.leakage(PromptInjector())
    assert table.height == 12
    assert table["leakage"].max() == 0.0
    told = run_protocol(
        AffectAgent(lambda conversation, sampling: "My mood is awful.", FirstOrder()), runs.script, [0]
    )
    assert told.leakage(PromptInjector())["leakage"].to_list() == [1.0]


def test_the_figure_has_the_phases_as_shades(runs):
    figure = runs.plot()
    shades = [layer for layer in figure.spec["layer"] if layer["mark"]["type"] == "rect"]
    assert [(shade["encoding"]["x"]["datum"], shade["encoding"]["x2"]["datum"]) for shade in shades] == [
        (0.5, 6.5), (6.5, 13.5), (13.5, 20.5), (20.5, 25.5),
    ]  # fmt: skip
    assert len(figure.spec["data"]["values"]) == 4 * 25
    with pytest.raises(InputError, match="did you mean 'valence'"):
        runs.plot("state", "valance")


def test_what_is_wrong_is_named(runs):
    script = runs.script
    with pytest.raises(InputError, match="each seed once"):
        run_protocol(AffectAgent(Tuned(), FirstOrder()), script, [0, 0])
    with pytest.raises(InputError, match="0 agents"):
        run_protocol({}, script, [0])
    other = AffectAgent(
        Tuned(), FirstOrder(space=VALENCE), CallableEstimator(lambda text: [0.0], "nothing", VALENCE)
    )
    with pytest.raises(InputError, match="different dimensions"):
        run_protocol({"a": AffectAgent(Tuned(), FirstOrder()), "b": other}, script, [0])
    with pytest.raises(InputError, match="condition 'none'"):
        runs.of("none")


def test_a_protocol_that_was_stopped_half_way_goes_on_from_its_cache(tmp_path):
    class Stops(Tuned):
        def reply(self, conversations, *, sampling, tools=()):
            if len(self.calls) == 12:
                raise KeyboardInterrupt
            return super().reply(conversations, sampling=sampling, tools=tools)

    script, journal = DialogueScript.load("negotiation"), Journal(tmp_path / "replies.sqlite")
    whole = run_protocol(AffectAgent(Tuned(), SecondOrder(0.8)), script, [0])
    with pytest.raises(KeyboardInterrupt):
        run_protocol(AffectAgent(CachedSubject(Stops(), journal), SecondOrder(0.8)), script, [0])
    speaker = Tuned()
    again = run_protocol(AffectAgent(CachedSubject(speaker, journal), SecondOrder(0.8)), script, [0])
    assert len(speaker.calls) == 13
    assert [turn.reply for turn in again.runs[0].turns] == [turn.reply for turn in whole.runs[0].turns]
    assert np.array_equal(again.series("state"), whole.series("state"))
