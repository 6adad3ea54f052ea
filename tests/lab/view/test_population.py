from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.lab.run import load
from doxa.lab.view import populations
from doxa.lab.view.panels import population as panel
from doxa.lab.view.panels.population import PANEL
from doxa.lab.view.run_data import RunData
from tests.browser import chromium, watched
from tests.hostile_texts import ATTACKS
from tests.lab.view.population_runs import KINDS, network, write_populations
from tests.lab.view.sample_runs import write_run
from tests.lab.view.served import open_page, pictured, until, viewer

AGENTS = "agents · rain, internal · opinion"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunData:
    return RunData(write_populations(tmp_path_factory.mktemp("runs")).path)


def asked(run: RunData, **query: str) -> Any:
    return PANEL.data(run, query)


def frames(run: RunData, known: Any) -> np.ndarray:
    found = []
    while sum(map(len, found)) < len(known["days"]):
        first = str(sum(map(len, found)))
        some = asked(run, cell=known["cell"], what=known["what"], **{"from": first})
        raw = np.frombuffer(base64.b64decode(some["frames"]), dtype=np.uint8)
        found.append(raw.reshape(some["days"], known["agents"]))
    return np.concatenate(found)


def test_cells_with_a_population_are_offered_and_the_map_comes_first(run):
    known = asked(run)
    assert known["cells"] == [
        ["n0", "epidemic · seed 0"],
        ["n1", "epidemic · seed 1"],
        ["o0", "opinion · seed 0"],
        ["s0", "many · seed 0"],
    ]
    assert known["sources"] == ["network · epidemic", "shares · epidemic"]
    assert (known["kinds"], known["agents"], known["days"]) == (list(KINDS), 12, [0, 1, 2, 3, 4, 5])
    assert len(known["links"]) == 11
    assert PANEL.applies(run)


def test_frames_of_a_map_are_the_states_on_record(run):
    known = asked(run)
    rows = load(run.path).measures.filter(
        pl.col("condition") == "epidemic", pl.col("seed") == 0, pl.col("measure") == "map state"
    )
    wide = rows.pivot("subject", index="time", values="value").sort("time")
    assert (frames(run, known) == wide.select(known["names"]).to_numpy()).all()
    for place, kind in enumerate(KINDS):
        shares = (frames(run, known) == place).mean(1)
        assert known["series"][kind] == pytest.approx(shares.tolist())


@pytest.mark.parametrize("size", [1, 7, 400_000])
def test_frames_of_agents_are_credences_and_gaps(run, monkeypatch, size):
    monkeypatch.setattr(panel, "BYTES", size)
    known = asked(run, cell="o0", what=AGENTS)
    assert known["chunk"] == max(1, size // 5)
    beliefs = load(run.path).beliefs
    wide = beliefs.pivot("subject", index="time", values="credence").sort("time").select(known["names"])
    found = frames(run, known)
    assert ((found == 255) == np.isnan(wide.cast(pl.Float64).to_numpy())).all()
    assert (found == 255).sum() == 1
    held = found != 255
    assert np.abs(found / 254.0 - wide.to_numpy())[held].max() <= 0.5 / 254
    days = beliefs.group_by("time").agg(
        mean=pl.col("credence").mean(), spread=pl.col("credence").std(ddof=0), median=pl.col("credence").median()
    ).sort("time")  # fmt: skip
    for name, column in (("mean", "mean"), ("standard deviation", "spread"), ("median", "median")):
        assert known["series"][name] == pytest.approx(days[column].to_list())


def test_agents_who_come_later_have_frames_too(tmp_path):
    recorder = Recorder("growing", 0)
    for day in range(3):
        for agent in range(3 + day):
            recorder.belief(
                subject=f"a{agent}", proposition="p", readout="stated", axis="day", time=day, credence=1.0
            )
    run = RunData(write_run(tmp_path, "growing-a", cells={"k": recorder.tables()}).path)
    known = asked(run)
    assert known["names"] == ["a0", "a1", "a2", "a3", "a4"]
    assert (frames(run, known) == 254).sum(1).tolist() == [3, 4, 5]


def test_a_belief_without_a_proposition_is_told_by_its_readout(tmp_path):
    recorder = Recorder("bare", 0)
    for day, agent in itertools.product(range(2), range(3)):
        for readout, credence in (("stated", 0.25), ("internal", 0.75)):
            recorder.belief(
                subject=f"a{agent}", proposition="", readout=readout, axis="day", time=day, credence=credence
            )
    run = RunData(write_run(tmp_path, "bare-a", cells={"k": recorder.tables()}).path)
    assert asked(run)["sources"] == ["agents · internal · bare", "agents · stated · bare"]
    assert asked(run, what="agents · stated · bare")["series"]["mean"] == [0.25, 0.25]


def test_a_histogram_on_record_moves_with_its_mean_and_quantiles(run):
    known = asked(run, cell="s0")
    assert known["sources"] == ["spread of opinions · many"]
    assert known["bins"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert known["bars"][0] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert known["series"]["mean"] == pytest.approx([0.5, 0.51, 0.52])
    assert known["series"]["median"] == [0.4] * 3
    assert known["agents"] == 0


def test_more_agents_than_can_be_drawn_become_bars_and_days_are_thinned(run, monkeypatch):
    monkeypatch.setattr(populations, "MOST_AGENTS", 4)
    monkeypatch.setattr(populations, "MOST_DAYS", 3)
    populations._known.cache_clear()
    known = asked(run, cell="o0")
    populations._known.cache_clear()
    assert (known["agents"], known["days"], known["every"]) == (0, [0, 2], 2)
    assert known["bars"][0][0] == pytest.approx(0.2)
    assert [sum(bars) for bars in known["bars"]] == pytest.approx([1.0, 1.0])


def test_agents_named_beside_the_subject_and_their_health_are_told_apart(tmp_path):
    recorder = Recorder("denials", 0)
    for day in range(3):
        for name in ("Leah", "Megan", "Ann"):
            recorder.belief(
                subject="mind", proposition="mild", readout="stated", axis="day", time=day, credence=0.5,
                agent=name, health="SIR"[day],
            )  # fmt: skip
    run = RunData(write_run(tmp_path, "fps-a", cells={"a": recorder.tables()}).path)
    known = asked(run)
    assert known["names"] == ["mind / Leah", "mind / Megan", "mind / Ann"]
    states = asked(run, what="states of agents · mild, stated · denials")
    assert states["kinds"] == ["I", "R", "S"]
    assert frames(run, states).tolist() == [[2] * 3, [0] * 3, [1] * 3]
    assert states["series"]["I"] == [0.0, 1.0, 0.0]


def test_a_run_without_a_population_has_no_such_panel(tmp_path):
    run = RunData(write_run(tmp_path).path)
    assert not PANEL.applies(run)
    assert asked(run) == {"cells": [], "sources": []}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"cell": "gone"}, "cell='gone': holds no population"),
        ({"cell": "p0"}, "cell='p0': holds no population"),
        ({"what": "x"}, "what='x': must be one of network · epidemic; shares"),
        ({"from": "-1"}, "from=-1: must be >= 0"),
        ({"from": "6"}, "from=6: must be below 6"),
        ({"cell": "s0", "from": "0"}, "has no single agents on record"),
        ({"day": "1"}, "'day': nothing of this name"),
    ],
)
def test_bad_queries_are_named(run, query, message):
    with pytest.raises(InputError, match=message):
        asked(run, **query)


def test_an_export_holds_what_the_page_asks_for_first(run):
    queries = list(PANEL.exported(run))
    assert queries[0] == {}
    assert {"cell": "n0", "what": "network · epidemic", "from": "0"} in queries
    assert all(asked(run, **query) for query in queries)


PIXELS = """
const canvas = document.querySelector('canvas.population');
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
const seen = {};
for (let at = 0; at < data.length; at += 4) {
  const colour = data.slice(at, at + 3).join(' ');
  if (data[at + 3] === 255) seen[colour] = (seen[colour] ?? 0) + 1;
}
return seen;
"""
TURNS = """
const done = arguments[0], asked = window.requestAnimationFrame.bind(window);
let turns = 0;
window.requestAnimationFrame = (act) => { turns += act.name === "turn"; return asked(act); };
for (let press = 0; press < 3; press++)
  document.querySelector('.movie').dispatchEvent(new KeyboardEvent('keydown', {key: ' ', bubbles: true}));
turns = 0;
let frames = 0;
const count = () => {
  if (++frames < 20) { asked(count); return; }
  window.requestAnimationFrame = asked;
  done([turns, frames]);
};
asked(count);
"""
"""Plays, pauses and plays within one frame, and returns how often the movie asked for a next frame, of how many."""
KEY = "document.querySelector('.movie').dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"


@pytest.mark.slow
def test_a_browser_plays_the_days_by_button_slider_and_key(tmp_path):
    root = tmp_path / "runs"
    write_populations(root, text=" ".join(ATTACKS[:40]))
    with viewer(root) as address, chromium() as driver:
        open_page(driver, f"{address}/run/opinion-a/population")
        drawn = "return document.querySelector('canvas.population')?.dataset.day === '{}'"
        until(driver, drawn.format(0))
        blue, amber = "26 103 194", "204 125 30"
        assert set(driver.execute_script(PIXELS)) & {blue, amber} == {blue}
        driver.execute_script(KEY, "ArrowRight")
        until(driver, drawn.format(1))
        assert set(driver.execute_script(PIXELS)) >= {blue, amber}
        assert "day 1: susceptible" in driver.execute_script(
            "return document.querySelector('[role=status]').textContent"
        )
        assert "day=1" in driver.current_url
        turns, frames = driver.execute_async_script(TURNS)
        assert 1 <= turns <= frames, "more than one turn a frame: it plays twice at once"
        driver.execute_script(KEY, "End")
        until(driver, drawn.format(5))
        driver.execute_script(KEY, " ")
        until(
            driver,
            "return document.querySelector('canvas.population').dataset.day === '5' && "
            "document.querySelector('.player [aria-label=Play]') && location.search.includes('day=5')",
        )
        driver.execute_script(
            "const slider = document.querySelector('input[type=range]'); slider.value = '2';"
            "slider.dispatchEvent(new Event('input')); slider.dispatchEvent(new Event('change'))"
        )
        until(driver, drawn.format(2))
        assert (
            driver.execute_script(
                "return document.querySelector('input[type=range]').getAttribute('aria-valuetext')"
            )
            == "day 2"
        )
        until(driver, "return document.querySelector('figure[data-drawn]')")
        pictured(driver, tmp_path, "population")
        seen = watched(driver)
        assert (seen["policy"], seen["errors"]) == ([], [])
        open_page(driver, f"{address}/run/opinion-a/population?cell=o0&day=1", dark=True, still=True)
        until(driver, drawn.format(1))
        assert driver.execute_script("return document.querySelector('select[name=speed]').value") == "1"
        assert "1 without a state on record" in driver.execute_script(
            "return document.querySelector('.movie').textContent"
        )
        open_page(driver, f"{address}/run/opinion-a/population?cell=s0")
        until(driver, "return document.querySelectorAll('.day-bars rect').length === 4")
        seen = watched(driver)
        assert (seen["policy"], seen["errors"]) == ([], [])


def test_the_sample_map_is_the_kind_that_the_room_records():
    from doxa.society.pictures import map_over_time

    [figure] = map_over_time(network(), "epidemic", 0, kinds=KINDS)
    assert figure.id == "map"
