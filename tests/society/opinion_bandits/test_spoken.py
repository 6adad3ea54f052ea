from __future__ import annotations

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.lab.measured import rows_of
from doxa.lab.parts import Parts
from doxa.lab.record import Recorder
from doxa.society.opinion_bandits.spoken import (
    MESSAGES,
    TOPIC,
    SpokenCrowd,
    persuaders,
    read_messages,
    record_spoken,
)
from doxa.society.opinion_bandits.spoken_report import spoken_figures, spoken_findings
from doxa.subjects.base import Sampling
from tests.society.opinion_bandits.people import Person


def people_of(subject, *, temperature=0.0, keep=None, people=2, memory=3):
    return SpokenCrowd(subject, people, MESSAGES, TOPIC, memory, Sampling(temperature, 60), keep or Parts())


def test_what_was_said_yesterday_counts_today():
    run = people_of(Person(0.5)).start()
    assert run.say(1) == pytest.approx(0.7)  # half way from 50 to 90
    assert run.say(1) == pytest.approx(0.8)
    assert run.say(2) == pytest.approx(0.45)
    assert run.states[0] == ((1, 0.7), (1, 0.8), (2, 0.45))
    run.say(2)
    assert len(run.states[0]) == 3  # the first is forgotten


def test_the_same_state_and_message_are_asked_about_once():
    crowd = people_of(Person(), people=4)
    for _ in range(2):
        run = crowd.start()
        run.say(0)
        run.say(1)
    assert crowd.asked == {"asked": 8, "read": 8, "known": 8}
    warm = people_of(Person(), temperature=0.7, people=4)
    for branch in ("a", "b"):
        warm.start().say(0, branch)
    assert warm.asked["known"] == 0


def test_a_killed_run_asks_only_what_is_left(tmp_path):
    first = people_of(Person(), keep=Parts(tmp_path))
    whole = [first.start().say(message) for message in range(4)]
    again = people_of(Person(dumb=True), keep=Parts(tmp_path))
    assert [again.start().say(message) for message in range(4)] == whole


def test_a_population_is_persuaded_and_judged():
    recorder = Recorder("population", 0)
    crowd = people_of(Person(0.3))
    record_spoken(
        recorder,
        crowd,
        "scripted:person",
        rounds=30,
        pilot=8,
        beta_scale=0.1,
        progress=lambda share, note: None,
    )
    tables = recorder.tables()
    held = rows_of(tables, "held")
    assert held.height == 4
    assert int(held["message"][int(held["value"].arg_max())]) == 1
    found = {one.id: one for one in spoken_findings(tables)}
    assert found["readable"].verdict == "holds"
    assert found["readable"].control
    assert found["holding-gains"].verdict == "unresolved"  # one population has no interval
    assert found["holding-gains"].estimate is not None
    assert found["theory-vacuous"].estimate > 1.0
    assert [figure.id for figure in spoken_figures(tables)] == ["agreement"]


def test_people_who_cannot_be_read_stop_the_run_and_are_counted():
    recorder = Recorder("population", 0)
    crowd = people_of(Person(dumb=True))
    record_spoken(recorder, crowd, "s", rounds=6, pilot=4, beta_scale=0.1, progress=lambda share, note: None)
    found = {one.id: one for one in spoken_findings(recorder.tables())}
    assert found["readable"].verdict == "fails"
    assert {one.verdict for name, one in found.items() if name != "readable"} == {"unresolved"}
    assert "no rating of the round could be read" in found["readable"].note
    assert spoken_figures(recorder.tables()) == []


def test_theory_says_nothing_in_so_few_rounds():
    dynamic, static = persuaders(4, 2, 0.8, 300, 1.0, 0.05)
    assert dynamic.width(0) > 1.0  # the whole scale of agreement
    assert dynamic.bounds.bias(0.8) == pytest.approx(2.0 + 2.0 / 0.2)  # at once, and later
    assert np.all(static.actions == np.eye(4))


def test_messages_of_ones_own(tmp_path):
    path = tmp_path / "messages.txt"
    path.write_text("One.\n\nTwo.\nOne.\n")
    assert read_messages(str(path)) == ("One.", "Two.")
    path.write_text("One.\n")
    with pytest.raises(InputError, match="holds 1 messages"):
        read_messages(str(path))
    with pytest.raises(InputError, match="cannot be read"):
        read_messages(str(tmp_path / "none.txt"))
