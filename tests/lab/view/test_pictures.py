"""Trajectories, measures and layers: their numbers are those of Polars, their picks are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.record import Recorder, Tables, completed
from doxa.lab.view.layer_sources import sources
from doxa.lab.view.panels import panel
from doxa.lab.view.panels.trajectories import PICTURES
from doxa.lab.view.run_data import RunData
from tests.hostile_texts import hostile_texts
from tests.lab.view.belief_runs import LAYERS, SEEDS, write_beliefs
from tests.lab.view.sample_runs import write_run
from tests.lab.view.talk_runs import talk_tables


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunData:
    return RunData(write_beliefs(tmp_path_factory.mktemp("runs")).path)


def asked(run: RunData, name: str, **query: str) -> Any:
    return panel(name).data(run, query)


def table(run: RunData, name: str) -> pl.DataFrame:
    return pl.concat([run.folder.read_table(cell.key, name) for cell in run.cells()])


def drawn(found: Any) -> dict[str, list[dict[str, Any]]]:
    return {picture["title"]: picture["spec"]["data"]["values"] for picture in found["pictures"]}


def picks(found: Any) -> dict[str, str]:
    return {pick["name"]: pick["value"] for pick in found["picks"]}


def test_trajectories_put_all_readouts_on_one_axis(run):
    found = asked(run, "trajectories")
    assert picks(found) == {
        "condition": "", "proposition": "", "subject": "", "readout": "", "axis": "turn", "apart": "condition",
        "scale": "credence",
    }  # fmt: skip
    beliefs = completed(table(run, "beliefs"))
    for title, rows in drawn(found).items():
        part = beliefs.filter(condition=title)
        assert {row["readout"] for row in rows} == {"stated", "internal"}
        for row in rows:
            own = part.filter(pl.col("readout") == row["readout"], pl.col("time") == row["time"])
            mean = own.group_by("seed").agg(pl.col("credence").mean())["credence"].mean()
            assert row["mean"] == pytest.approx(mean, rel=1e-5)
            assert row["missing"] == own["credence"].null_count()
    assert found["about"][0] == (
        f"Means over {SEEDS} seeds with 95 % intervals (Student's t); faint lines are single seeds."
    )
    assert any("are missing; a point says how many" in said for said in found["about"])


def test_trajectories_of_one_pick_in_log_odds(run):
    found = asked(
        run, "trajectories", apart="proposition", condition="drift", scale="log_odds", readout="stated"
    )
    rows = drawn(found)
    assert list(rows) == ["p0", "p1"]
    beliefs = completed(table(run, "beliefs")).filter(condition="drift", proposition="p1", readout="stated")
    for row in rows["p1"]:
        own = beliefs.filter(pl.col("time") == row["time"], pl.col("log_odds").is_finite())
        if row["mean"] is not None:
            assert row["mean"] == pytest.approx(own["log_odds"].mean(), rel=1e-5)
        assert row["seeds"] == own.height
    assert any("infinite and not in the means" in said for said in found["about"])
    together = asked(run, "trajectories", apart="nothing")
    assert list(drawn(together)) == ["All beliefs"]
    assert sum(row["rows"] for row in drawn(together)["All beliefs"]) == table(run, "beliefs").height


def test_more_propositions_than_pictures_are_counted(tmp_path):
    recorder = Recorder("c", 0)
    for number in range(PICTURES + 5):
        recorder.belief(subject="s", proposition=f"p{number:02d}", readout="stated", credence=0.5)
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    found = asked(run, "trajectories", apart="proposition")
    assert len(found["pictures"]) == PICTURES
    assert "5 further values of proposition are not drawn; pick one to see it." in found["about"]
    assert len(asked(run, "trajectories", apart="proposition", proposition="p16")["pictures"]) == 1


def test_measures_over_their_axis(run):
    found = asked(run, "measures", measure="margin")
    assert picks(found) == {
        "measure": "margin",
        "condition": "",
        "subject": "",
        "axis": "turn",
        "lines": "condition",
    }
    (rows,) = drawn(found).values()
    margins = table(run, "measures").filter(measure="margin")
    for row in rows:
        own = margins.filter(pl.col("condition") == row["line"], pl.col("time") == row["time"])
        assert row["mean"] == pytest.approx(own["value"].mean(), rel=1e-5)
        assert row["rows"] == SEEDS * LAYERS
    assert found["pictures"][0]["title"] == "margin (nats)"


def test_measures_told_apart_by_an_extra_field(run):
    found = asked(run, "measures", measure="margin", lines="layer")
    rows = drawn(found)
    assert list(rows) == ["drift", "plain"]
    assert {row["line"] for row in rows["drift"]} == {"0", "1", "2"}
    margins = table(run, "measures").filter(measure="margin", condition="drift", time=2.0)
    layer = margins.filter(pl.col("extra").str.contains('"layer":1'))
    (row,) = [row for row in rows["drift"] if (row["line"], row["time"]) == ("1", 2.0)]
    assert row["mean"] == pytest.approx(layer["value"].mean(), rel=1e-5)


def test_a_measure_of_one_moment_is_a_dot_with_its_interval(tmp_path):
    cells = {}
    for seed in range(3):
        recorder = Recorder("c", seed)
        recorder.measure("once", float(seed), subject="s")
        cells[f"k{seed}"] = recorder.tables()
    run = RunData(write_run(tmp_path, cells=cells).path)
    (picture,) = asked(run, "measures")["pictures"]
    (row,) = picture["rows"]
    assert (row["line"], row["mean"], row["seeds"]) == ("c", 1.0, 3)
    assert (row["low"], row["high"]) == pytest.approx((1.0 - 2.484138, 1.0 + 2.484138))


def test_layers_are_found_however_they_were_recorded(run):
    assert [source.id for source in sources(run)] == [
        "measures/field/margin",
        "measures/name/lens/",
        "measures/axis/cka",
    ]
    assert panel("layers").applies(run)


@pytest.mark.parametrize("what", ["measures/field/margin", "measures/name/lens/", "measures/axis/cka"])
def test_heat_maps_show_the_means_of_their_cells(run, what):
    found = asked(run, "layers", what=what)
    measures = table(run, "measures")
    for title, rows in drawn(found).items():
        for row in rows:
            if what.endswith("cka"):
                own = measures.filter(measure="cka", condition=row["column"], time=float(row["layer"]))
            elif what.endswith("margin"):
                own = measures.filter(measure="margin", condition=title, time=float(row["column"]))
                own = own.filter(pl.col("extra").str.contains(f'"layer":{row["layer"]}'))
            else:
                own = measures.filter(
                    measure=f"lens/{row['layer']}", condition=title, time=float(row["column"])
                )
            assert row["mean"] == pytest.approx(own["value"].mean(), rel=1e-5)
            assert (row["rows"], row["seeds"]) == (SEEDS, SEEDS)
            assert row["low"] < row["mean"] < row["high"]
    assert len(found["pictures"]) == (1 if what.endswith("cka") else 2)


def test_layers_of_beliefs_turn_at_even_odds(tmp_path):
    recorder = Recorder("c", 0)
    for turn in range(2):
        for layer in range(2):
            missing = {"missing": "why"} if turn and layer else {}
            recorder.belief(
                subject="s", proposition="p", readout="internal", time=turn, layer=layer,
                credence=None if missing else 0.25 + layer / 2, **missing,
            )  # fmt: skip
    run = RunData(write_run(tmp_path, cells={"k": recorder.tables()}).path)
    (picture,) = asked(run, "layers")["pictures"]
    scale = picture["spec"]["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0.0, 0.5, 1.0]
    means = {(row["layer"], row["column"]): row["mean"] for row in picture["spec"]["data"]["values"]}
    assert means == {("0", "0"): 0.25, ("0", "1"): 0.25, ("1", "0"): 0.75, ("1", "1"): None}
    assert any("1 of 4 rows are missing" in said for said in asked(run, "layers")["about"])


def test_a_run_without_layers_or_beliefs_has_no_such_panel(tmp_path):
    run = RunData(write_run(tmp_path, cells={"k": talk_tables()}).path)
    assert [panel(name).applies(run) for name in ("layers", "trajectories", "measures", "transcripts")] == [
        False, False, False, True,
    ]  # fmt: skip
    assert asked(run, "layers")["pictures"] == asked(run, "measures")["pictures"] == []
    assert asked(run, "trajectories")["about"] == ["Nothing matches these picks."]


@pytest.mark.parametrize(
    ("name", "query", "says"),
    [
        ("trajectories", {"axis": "trun"}, "axis='trun': did you mean 'turn'"),
        ("trajectories", {"readout": "heard"}, "readout='heard'"),
        ("trajectories", {"apart": "seed"}, "apart='seed'"),
        ("trajectories", {"scale": "odds"}, "scale='odds'"),
        ("trajectories", {"proposal": "x"}, "'proposal'"),
        ("measures", {"measure": "margn"}, "measure='margn'"),
        ("measures", {"lines": "kind'; DROP"}, "lines="),
        ("measures", {"axis": "day of week"}, "axis="),
        ("layers", {"what": "measures/field/none"}, "what="),
        ("layers", {"scale": "x", "what": "beliefs/field/internal"}, "what="),
        ("layers", {"axis": "day"}, "axis="),
    ],
)
def test_a_query_without_sense_is_named(run, name, query, says):
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        asked(run, name, **query)


def hostile_tables(texts: list[str]) -> Tables:
    recorder = Recorder(texts[0], 0)
    for number, text in enumerate(texts):
        for turn in range(2):
            recorder.belief(
                subject=text, proposition=text, readout="stated", time=turn, credence=0.5, condition=text,
                **{text or "empty": text},
            )  # fmt: skip
            recorder.measure(
                text, float(turn), subject=text, unit=text, time=turn, condition=text, layer=turn, kind=text
            )
            recorder.measure(
                f"{text}/{number % 4}", 0.5, subject=text, axis="layer", time=turn, condition=text
            )
    return recorder.tables()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> RunData:
    root: Path = tmp_path_factory.mktemp("runs")
    return RunData(
        write_run(root, cells={"k": hostile_tables(hostile_texts(30) + hostile_texts(130)[100:])}).path
    )


@pytest.mark.parametrize("name", ["trajectories", "measures", "layers"])
def test_hostile_names_can_be_picked_and_stand_only_as_data(hostile, name):
    found = asked(hostile, name)
    assert found["pictures"]
    for pick in found["picks"]:
        for value, _ in pick["options"][:8]:
            assert "pictures" in asked(hostile, name, **{pick["name"]: value})


@pytest.mark.parametrize("name", ["trajectories", "measures", "layers", "transcripts"])
def test_what_a_copy_keeps_can_be_asked(run, name):
    queries = list(panel(name).exported(run))
    assert queries[0] == {} or name == "transcripts"
    assert 1 < len(queries) < 700
    for query in queries[:6]:
        asked(run, name, **query)
