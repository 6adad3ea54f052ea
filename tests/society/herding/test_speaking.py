from __future__ import annotations

import numpy as np
import pytest

from doxa.lab.parts import keep_none
from doxa.lab.record import Recorder
from doxa.society.herding import SocialLearning
from doxa.society.herding.speaking import (
    Question,
    ask,
    ask_what_was_meant,
    read_answer,
    read_belief,
    read_chosen,
)
from doxa.society.herding.spoken import Spoken, record_agents, record_tables, write_tips
from doxa.society.herding.spoken_report import spoken_findings, stated
from doxa.society.herding.spoken_sequences import Sequence, record_direct
from doxa.society.herding.wording import Seen, history_text, planner_question
from doxa.subjects.base import Reply, Sampling
from tests.society.herding.speaker import Speaker

SAMPLING = Sampling(temperature=1.0, max_tokens=50)
BELIEFS, PRECISIONS = (0.1, 0.3, 0.5, 0.7, 0.9), (0.5, 0.6, 0.7, 0.8, 0.9)


class Fixed(Speaker):
    """Says what it was given, whatever it is asked; the second time the second thing."""

    def __init__(self, *texts, finish="stop"):
        object.__setattr__(self, "texts", texts)
        object.__setattr__(self, "finish", finish)
        object.__setattr__(self, "asked", [])

    @property
    def identity(self):
        return "fixed"

    def reply(self, conversations, *, sampling, tools=()):
        self.asked.extend(conversations)
        fault = "broken" if self.finish == "fault" else ""
        text = self.texts[min(len(self.asked), len(self.texts)) - 1]
        return [Reply("" if fault else text, self.finish, fault=fault) for _ in conversations]


def asked(*texts, again=None, finish="stop"):
    subject = Fixed(*texts, finish=finish)
    return ask(subject, "test", [Question("q", "brief", "question")], SAMPLING, again=again)[0]


def test_precisions_are_read_clipped_or_asked_about():
    def read(*texts):
        return read_chosen(asked(*texts, again=ask_what_was_meant))

    assert read("So <number>0.7</number>") == (0.7, False, False, "")
    assert read("<number>70%</number>") == (0.7, False, False, "")
    assert read("<number>0.3</number>") == (0.5, True, False, "")
    assert read("<number>70</number>", "<number>0.7</number>") == (0.7, False, True, "")
    assert read("<number>70</number>", "<number>70</number>").precision is None
    assert read("I cannot say.").precision is None
    assert read("I cannot say.").missing


def test_what_was_meant_is_asked_with_the_number_in_view():
    talk = asked("<number>70</number>", "<number>0.7</number>", again=ask_what_was_meant)
    assert "You answered 70" in talk.said[1].prompt


def test_answers_of_agents_and_readers():
    good = asked('{"belief": 80, "buy": true}')
    assert read_answer(good) == (0.8, True, "")
    assert read_answer(good).log_odds == pytest.approx(np.log(4))
    assert read_answer(asked('{"belief": 100, "buy": true}')).log_odds == pytest.approx(np.log(99))
    assert read_answer(asked('{"belief": 180, "buy": true}')).missing == "field 'belief' is outside its scale"
    assert read_belief(asked("<number>30</number>")).belief == 0.3
    assert read_belief(asked("hm")).belief is None
    broken = asked("x", finish="fault")
    for reader in (read_answer, read_belief, read_chosen):
        assert "broken" in reader(broken).missing


def test_histories_in_words():
    text = history_text([Seen(0.8, True), Seen(0.6, False)])
    assert "Buyer 2: tip of reliability 0.60, did not buy" in text
    assert "0.625" in planner_question([], 0.625)
    assert "0.625" not in planner_question([], None)


def spoken(subject, **changes):
    told = {"repeats": 2, "messages": 1, "show_belief": True, **changes}
    return Spoken(
        subject, subject, SocialLearning(), BELIEFS, PRECISIONS, sampling=SAMPLING, keep=keep_none, **told
    )


def found(subject, **changes):
    recorder = Recorder("tables", 0)
    record_tables(recorder, spoken(subject, **changes), lambda share, note: None)
    tables = recorder.tables()
    return {one.id: one for one in spoken_findings(tables)}, tables


@pytest.fixture(scope="module")
def late():
    return found(Speaker(1.0, 0.6, 1.8))


def test_weights_of_a_subject_are_found(late):
    by_name, _ = late
    assert by_name["tips-validated"].verdict == "holds"
    assert by_name["gamma_consistent"].verdict == "holds"
    assert by_name["gamma_inconsistent"].verdict == "holds"
    assert by_name["herds-late"].estimate == pytest.approx(1 / 1.8, abs=0.06)
    assert by_name["readable"].verdict == "holds"


def test_a_bayesian_subject_shows_none_of_it():
    by_name, tables = found(Speaker(precision=1.0))
    for name in ("alpha", "gamma_consistent", "gamma_inconsistent"):
        assert by_name[name].estimate == pytest.approx(1.0, abs=0.05)
    assert by_name["herds-late"].verdict != "holds"
    assert by_name["avoids-ends-altruistic"].verdict == "fails"
    assert by_name["near-best-altruistic"].verdict == "holds", "certainty is best at every belief asked"
    assert stated(tables, "agent").height == 5 * 5 * 2 * 2


def test_without_valid_tips_nothing_is_claimed_about_welfare():
    by_name, _ = found(Speaker(honest=False))
    assert by_name["tips-validated"].verdict == "fails"
    for name in ("altruistic-helps", "biased-hurts", "hybrid-worse"):
        assert by_name[name].verdict == "unresolved"
        assert by_name[name].note.startswith("tips are not validated")


def test_per_cent_is_asked_about_and_counted():
    by_name, _ = found(Speaker(per_cent=True))
    assert "20 asked again" in by_name["readable"].note
    assert by_name["near-best-biased"].n == len(BELIEFS)


def test_a_subject_that_cannot_be_read_leaves_all_open():
    by_name, _ = found(Fixed("..."))
    assert {one.verdict for name, one in by_name.items() if name != "readable"} == {"unresolved"}
    assert by_name["readable"].verdict == "fails"
    assert all(one.note for one in by_name.values())


def test_a_table_of_shares_is_that_of_the_answers():
    recorder = Recorder("tables", 0)
    told = spoken(Speaker())
    table = record_agents(recorder, told, write_tips(recorder, told, lambda share, note: None))
    assert table is not None
    assert table.after_good[2].tolist() == [1.0] * 5
    assert table.after_bad[4].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0], "at 0.9 only a tip of 0.9 can turn them"


@pytest.mark.parametrize("setting", ["language model", "hybrid", "no control"])
def test_sequences_in_which_everybody_is_asked(setting):
    recorder = Recorder("altruistic", 0)
    record_direct(
        recorder, spoken(Speaker(precision=0.9)), "altruistic", setting, 6, 4, lambda share, note: None
    )
    tables = recorder.tables()
    calls = 3 if setting == "language model" else 2
    assert tables.transcripts.height == 6 * 4 * calls
    worth = tables.measures.filter(measure="welfare")
    assert worth.height == 2
    if setting == "hybrid":
        assert worth["value"].to_list() == pytest.approx([-0.15, -0.15], abs=1e-9)


def test_an_agent_that_cannot_be_read_leaves_no_trace():
    talk = Sequence(True, 0.5)
    talk.act(SocialLearning(), 0, 0.7, read_answer(asked("hm")))
    assert (talk.belief, talk.seen, talk.unread) == (0.5, [], 1)
    talk.act(SocialLearning(), 1, 0.7, read_answer(asked('{"belief": 20, "buy": false}')))
    assert talk.belief == pytest.approx(0.3)
    assert talk.wrong == pytest.approx(0.9)
