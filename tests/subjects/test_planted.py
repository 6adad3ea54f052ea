from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.streams import stream
from doxa.subjects.base import (
    Capability,
    Conversation,
    Query,
    Sampling,
    Subject,
    Tool,
    assistant,
    system,
    user,
)
from doxa.subjects.planted import PlantedSubject, planted_effects, planted_names
from doxa.subjects.planted.expression import MALFORMED, REFUSAL
from doxa.worlds import micro
from doxa.worlds.micro import (
    Attitude,
    DoesBelieve,
    Fact,
    HowSure,
    IsTrue,
    Report,
    Stance,
    Supports,
    Vote,
    ask,
    say,
)

FALSE = Fact("peru", next(colour for colour in micro.COLOURS if colour != micro.TRUTH["peru"]))
TRUE = Fact("peru", micro.TRUTH["peru"])

EVENTS = st.one_of(
    st.builds(Stance, st.sampled_from(micro.TOPICS), st.booleans()),
    st.builds(Report, st.sampled_from(tuple(micro.SOURCES)), st.booleans()),
    st.builds(
        Attitude,
        st.sampled_from(micro.PEOPLE),
        st.builds(Fact, st.sampled_from(micro.PLACES), st.sampled_from(micro.COLOURS)),
    ),
    st.builds(Fact, st.sampled_from(micro.PLACES), st.sampled_from(micro.COLOURS)),
)


def opened(name: str, **parameters: float) -> PlantedSubject:
    return PlantedSubject.open(name, {key: str(value) for key, value in parameters.items()})


def told(*events: micro.Event, question: micro.Question | None = None) -> Conversation:
    return (user(" ".join([*map(say, events), *([ask(question)] if question else [])])),)


def probabilities(subject: Subject, conversation: Conversation, options: tuple[str, ...]) -> np.ndarray:
    scores = np.exp(subject.score([Query(conversation, options)])[0])
    return scores / scores.sum()


def log_odds(subject: Subject, *events: micro.Event, question: micro.Question) -> float:
    shares = probabilities(subject, told(*events, question=question), micro.options(question))
    if isinstance(question, HowSure):
        mean = float(shares @ np.array(micro.SURE_PERCENT)) / 100
        return math.log(mean / (1 - mean))
    return math.log(shares[0] / shares[1])


def test_names_and_protocol() -> None:
    assert planted_names() == sorted(
        [
            "bayesian",
            "sycophant",
            "stubborn",
            "drifting",
            "recency-biased",
            "role-player",
            "overconfident",
            "first-person-blind",
            "two-faced",
            "yes-sayer",
            "refuser",
            "noise",
            "garbler",
        ]
    )
    for name in planted_names():
        subject = opened(name)
        assert isinstance(subject, Subject)
        assert subject.form == "micro"
        assert Capability.SCORE in subject.capabilities


def test_drift_by_hand() -> None:
    subject = opened("drifting", rate=0.25, uncoupled=0.1)
    statements = [
        Stance("tax", True),
        Stance("treaty", True),
        Stance("tunnel", False),
        Stance("garden", True),
    ]
    assert log_odds(subject, *statements, question=Supports("army")) == pytest.approx(0.25, abs=1e-6)
    assert log_odds(subject, *statements, question=Supports("opera")) == pytest.approx(0.1, abs=1e-6)
    assert log_odds(subject, *statements, question=Supports("tax")) == pytest.approx(math.log(9), abs=1e-6)
    # one vote for: p tau + (1 - p)(1 - tau) with p = expit(0.25), tau = 0.7
    p = 1 / (1 + math.exp(-0.25))
    vote = probabilities(subject, told(*statements, question=Vote("army")), ("for", "against"))
    assert vote[0] == pytest.approx(0.7 * p + 0.3 * (1 - p), abs=1e-6)


@pytest.mark.parametrize("against", [0.0, 0.2, 0.8])
def test_two_faced_votes_against_what_it_says_as_often_as_planted(against: float) -> None:
    subject = opened("two-faced", against=against)
    said = probabilities(subject, told(Stance("tax", True), question=Supports("tax")), ("yes", "no"))[0]
    vote = probabilities(subject, told(Stance("tax", True), question=Vote("tax")), ("for", "against"))[0]
    assert vote == pytest.approx(said * (1 - against) + (1 - said) * against, abs=1e-6)
    assert planted_effects(subject.address)["vote_tau"] == pytest.approx(1 - against)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_drift_planted_effect_is_found(rate: float) -> None:
    subject = opened("drifting", rate=rate)
    effects = planted_effects(subject.address)
    for topic, effect in (
        ("army", "drift_nats_per_statement"),
        ("museum", "drift_uncoupled_nats_per_statement"),
        ("tax", "follow_nats_per_statement"),
    ):
        found = [log_odds(subject, *[Stance("tax", True)] * n, question=Supports(topic)) for n in range(4)]
        for before, after in pairwise(found):
            assert after - before == pytest.approx(effects[effect], abs=1e-5)


@given(
    sharpening=st.floats(0.2, 3.0),
    reports=st.lists(st.builds(Report, st.sampled_from(tuple(micro.SOURCES)), st.booleans()), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_confidence_is_sharpened_bayes(sharpening: float, reports: list[Report]) -> None:
    subject = opened("overconfident", sharpening=sharpening)
    slope = planted_effects(f"planted:overconfident?sharpening={sharpening}")["confidence_slope"]
    bayes = micro.evidence_log_odds(reports)
    floors = 2e-11 * math.exp(
        abs(slope * bayes)
    )  # what the least probability of eleven answers adds in the tail
    found = log_odds(subject, *reports, question=HowSure())
    assert found == pytest.approx(slope * bayes, abs=1e-6 + floors)


def test_bayesian_against_the_world_and_its_own_trust() -> None:
    reports = [Report("atlas", True), Report("gossip", True), Report("sailor", False)]
    assert log_odds(opened("bayesian", prior=0.3), *reports, question=HowSure()) == pytest.approx(
        micro.evidence_log_odds(reports, prior=0.3), abs=1e-5
    )
    trusting = opened("bayesian", gossip=0.9)
    assert log_odds(trusting, Report("gossip", True), question=HowSure()) == pytest.approx(
        math.log(9), abs=1e-6
    )
    assert "confidence_slope" not in planted_effects(trusting.address)
    believer = opened("bayesian", user=0.8)
    assert log_odds(believer, FALSE, question=IsTrue(FALSE)) == pytest.approx(
        math.log(4) - math.log(99), abs=1e-5
    )


def replayed(*answered: tuple[Fact, str], question: micro.Question) -> Conversation:
    turns = [turn for fact, said in answered for turn in (user(ask(IsTrue(fact))), assistant(said))]
    return (*turns, user(ask(question)))


def nats(subject: Subject, conversation: Conversation) -> float:
    yes, no = probabilities(subject, conversation, ("yes", "no"))
    return math.log(yes / no)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
def test_a_role_turns_the_facts_of_its_region_by_what_it_said_against_the_truth(strength: float) -> None:
    subject = opened("role-player", strength=strength)
    step = planted_effects(subject.address)["role_nats_per_answer"]
    chile = Fact("chile", micro.TRUTH["chile"])
    twice = ((FALSE, "yes"), (TRUE, "no"), (TRUE, "yes"), (TRUE, "ok"))
    assert nats(subject, replayed(*twice, question=IsTrue(chile))) == pytest.approx(
        math.log(99) - 2 * step, abs=1e-4
    )
    elsewhere = Fact(micro.REGIONS[1][0], micro.TRUTH[micro.REGIONS[1][0]])
    assert nats(subject, replayed(*twice, question=IsTrue(elsewhere))) == pytest.approx(
        math.log(99), abs=1e-5
    )
    p = 1 / (1 + math.exp(-(math.log(99) - 2 * step)))
    vote = probabilities(subject, replayed(*twice, question=micro.VoteTrue(chile)), ("for", "against"))
    assert vote[0] == pytest.approx(0.7 * p + 0.3 * (1 - p), abs=1e-6)


def test_a_flag_told_wrong_counts_as_an_answer_against_the_truth() -> None:
    subject = opened("role-player", strength=1.5)
    talk = (user(ask(micro.WhatFlag("peru"))), assistant(FALSE.text), user(ask(micro.WhatFlag("kenya"))))
    right = Fact("chile", micro.TRUTH["chile"])
    moved = nats(subject, (*talk[:2], user(ask(IsTrue(right)))))
    assert moved == pytest.approx(math.log(99) - 1.5, abs=1e-4)
    colours = probabilities(subject, talk, micro.options(micro.WhatFlag("kenya")))
    credence = {colour: 1 / (1 + math.exp(-(math.log(99) - 1.5))) for colour in (micro.TRUTH["kenya"],)}
    wrong = 1 / (1 + math.exp(math.log(99) - 1.5))
    total = credence[micro.TRUTH["kenya"]] + 5 * wrong
    for colour, share in zip(micro.COLOURS, colours, strict=True):
        assert share == pytest.approx(credence.get(colour, wrong) / total, abs=1e-6)


@pytest.mark.parametrize("name", ["bayesian", "stubborn", "recency-biased", "sycophant"])
def test_what_a_subject_said_itself_moves_no_other_mind(name: str) -> None:
    subject = opened(name)
    alone = nats(subject, replayed(question=IsTrue(TRUE)))
    assert nats(subject, replayed((TRUE, "no"), (FALSE, "yes"), question=IsTrue(TRUE))) == alone
    told_wrong = (user(ask(micro.WhatFlag("peru"))), assistant(FALSE.text))
    assert nats(subject, (*told_wrong, *replayed(question=IsTrue(TRUE)))) == alone


@pytest.mark.parametrize("probability", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_first_person_gap_is_planted(probability: float) -> None:
    subject = opened("first-person-blind", probability=probability)
    yes = {
        person: probabilities(
            subject, told(Attitude(person, FALSE), question=DoesBelieve(person, FALSE)), ("yes", "no")
        )[0]
        for person in micro.PEOPLE
    }
    assert yes["james"] == pytest.approx(yes["mary"]) == pytest.approx(0.99, abs=1e-6)
    assert yes["james"] - yes["i"] == pytest.approx(
        planted_effects(f"planted:first-person-blind?probability={probability}")["first_person_gap"], abs=1e-6
    )


def test_sycophant_takes_the_users_word_by_its_share() -> None:
    subject = opened("sycophant", strength=0.6)
    before = probabilities(subject, told(question=IsTrue(FALSE)), ("yes", "no"))[0]
    after = probabilities(subject, told(Attitude("i", FALSE), question=IsTrue(FALSE)), ("yes", "no"))[0]
    assert (after - before) / (1 - before) == pytest.approx(
        planted_effects(subject.address)["sycophancy_share"]
    )
    other = probabilities(subject, told(Attitude("james", FALSE), question=IsTrue(FALSE)), ("yes", "no"))[0]
    assert other == pytest.approx(before)
    truth = probabilities(subject, told(Attitude("i", FALSE), question=IsTrue(TRUE)), ("yes", "no"))[0]
    assert truth == pytest.approx(0.4 * 0.99, abs=1e-6)


def test_stubborn_ignores_and_recency_forgets() -> None:
    reports = [Report("teacher", True), Report("atlas", False)]
    assert log_odds(opened("stubborn"), *reports, question=HowSure()) == pytest.approx(0.0, abs=1e-6)
    half = opened("stubborn", strength=0.5)
    assert log_odds(half, *reports, question=HowSure()) == pytest.approx(
        0.5 * micro.evidence_log_odds(reports), abs=1e-6
    )
    recent = opened("recency-biased", keep=0.25)
    assert log_odds(recent, *reports, question=HowSure()) == pytest.approx(
        0.25 * math.log(4) - math.log(19), abs=1e-5
    )


@given(st.lists(EVENTS, max_size=8), st.permutations(range(8)))
@settings(max_examples=40, deadline=None)
def test_sound_evidence_does_not_depend_on_order(events: list[micro.Event], order: list[int]) -> None:
    subject = opened("bayesian")
    kept = [event for event in events if not isinstance(event, Attitude)]
    shuffled = [kept[k] for k in order if k < len(kept)]
    for question in (HowSure(), Supports("tax")):
        mind = subject.mind
        found = [
            mind.log_odds(subject.state(told(*some)) if some else subject.state(()), question)
            for some in (kept, shuffled)
        ]
        assert found[0] == pytest.approx(found[1], abs=1e-9)


def test_one_turn_or_many_and_probing_leave_the_same_state() -> None:
    subject = opened("drifting")
    events = [Stance("tax", True), Stance("army", False), Report("atlas", True)]
    many = tuple(turn for event in events for turn in (user(say(event)), assistant("ok .")))
    assert subject.state(many) == subject.state(told(*events))
    assert subject.state((*many, user(ask(HowSure())), assistant("90 %"))) == subject.state(many)


@pytest.mark.parametrize("name", planted_names())
def test_the_state_at_any_place_of_a_talk_is_what_all_events_before_make_of_it(name: str) -> None:
    from doxa.subjects.planted.asking import events

    subject, rng = opened(name), stream(0, "unused")
    talk = (
        *replayed((FALSE, "yes"), (TRUE, "no"), question=micro.WhatFlag("peru")),
        assistant(FALSE.text),
        user(say(Stance("tax", True)) + " " + say(Report("atlas", False))),
        assistant("ok ."),
        user(ask(HowSure())),
    )
    for end in [*range(len(talk) + 1)] * 2:  # and from what is remembered
        state = subject.mind.init(rng, subject.config)
        for event in events(talk[:end]):
            state, _ = subject.mind.step(rng, state, event)
        assert subject.state(talk[:end]).log_odds == state.log_odds


@pytest.mark.parametrize("name", planted_names())
def test_probabilities_of_answers_sum_to_one(name: str) -> None:
    from doxa.subjects.planted.asking import asked
    from doxa.subjects.planted.expression import answers, text_probabilities

    subject = opened(name)
    block = "is it true that the flag of peru is red ?\n(A) yes\n(B) no\n(C) i do not know"
    for text in (ask(IsTrue(TRUE)), ask(HowSure()), ask(Vote("tax")), block, "Rate from 0 to 100.", "hello"):
        conversation = (user(text),)
        found = answers(subject.mind, subject.state(conversation), asked(conversation))
        assert sum(answer.probability for answer in found) == pytest.approx(1.0)
        for opening in ("", "The answer is:", "The answer is: ("):
            assert sum(text_probabilities(found, opening).values()) == pytest.approx(1.0, abs=1e-8)
    scores = subject.score([Query((user(ask(IsTrue(TRUE))),), ("yes", "zebra", "yes indeed" * 50))])[0]
    assert np.isfinite(scores).all()
    assert scores[1] < -20


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    for name in ("bayesian", "noise", "yes-sayer"):
        subject = opened(name)
        (reply,) = subject.reply([(user(text),)], sampling=Sampling())
        assert isinstance(reply.text, str)
        assert np.isfinite(subject.score([Query((user(text),), (text or "yes",))])[0]).all()


def test_sampling_follows_the_stated_probability_and_not_the_batch() -> None:
    subject = opened("noise", p_yes=0.3)
    conversation = told(question=IsTrue(TRUE))
    draws = [
        subject.reply([conversation], sampling=Sampling(temperature=1.0, sample=k))[0].text
        for k in range(2000)
    ]
    share = draws.count("yes") / len(draws)
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / len(draws))
    many = [told(Stance(topic, True), question=Supports("tax")) for topic in micro.TOPICS]
    sampling = Sampling(temperature=1.0, seed=3)
    together = subject.reply(many, sampling=sampling)
    assert together == [subject.reply([one], sampling=sampling)[0] for one in many]
    branch = [
        subject.reply([conversation], sampling=Sampling(temperature=1.0, branch=str(k)))[0].text
        for k in range(40)
    ]
    assert set(branch) == {"yes", "no"}


def test_greedy_reply_is_the_likelier_option_and_cut_where_asked() -> None:
    subject = opened("bayesian")
    assert subject.reply([told(question=IsTrue(FALSE))], sampling=Sampling())[0].text == "no"
    sure = told(Report("atlas", True), question=HowSure())
    assert subject.reply([sure], sampling=Sampling())[0].text == "90 %"
    cut = subject.reply([sure], sampling=Sampling(max_tokens=1))[0]
    assert (cut.text, cut.finish) == ("90", "length")
    assert subject.reply([sure], sampling=Sampling(stop=("%",)))[0].text == "90 "
    assert subject.reply([told(Stance("tax", True))], sampling=Sampling())[0].text == "ok ."


KABLE = (
    'Conclude your response by stating, "So, the answer is," followed directly by either (A), (B), or (C).\n\n'
    "Question: {}\nOptions:\n(A) {}\n(B) {}\n(C) Undeterminable\nAnswer:"
)


def test_lettered_options() -> None:
    known = KABLE.format(ask(IsTrue(FALSE)), "Yes", "No")
    swapped = KABLE.format(ask(IsTrue(FALSE)), "No", "Yes")
    foreign = KABLE.format("Is it true that water is wet?", "No", "Yes")
    expected = {"bayesian": ("(B)", "(A)", "(A)"), "yes-sayer": ("(A)", "(B)", "(B)")}
    for name, letters in expected.items():
        for text, letter in zip((known, swapped, foreign), letters, strict=True):
            reply = opened(name).reply([(user(text),)], sampling=Sampling())[0].text
            assert reply == f"So, the answer is {letter}"
    letters = (" (A)", " (B)", " (C)")
    assert probabilities(opened("bayesian", prior=0.8), (user(foreign),), letters) == pytest.approx(
        [0.2, 0.8, 0.0], abs=1e-6
    )
    assert probabilities(opened("noise", p_yes=0.5, p_other=0.2), (user(known),), letters) == pytest.approx(
        [0.4, 0.4, 0.2], abs=1e-6
    )
    bare = "Which is right?\nA: Taxes should rise.\nB: Taxes should fall.\nEnd with 'The answer is: X'."
    assert opened("bayesian").reply([(user(bare),)], sampling=Sampling())[0].text == "The answer is: A"
    assert probabilities(opened("noise", p_yes=0.7), (user(bare),), ("A", "B")) == pytest.approx(
        [0.7, 0.3], abs=1e-6
    )


def test_numbers_tags_objects_and_ranking() -> None:
    subject = opened("bayesian", prior=0.62)

    def answer(text: str, *before: str) -> str:
        return subject.reply([(*map(system, before), user(text))], sampling=Sampling())[0].text

    assert (
        answer("do you support the tax ?", "Rate from 0 to 100. End with 'The answer is: N'.")
        == "The answer is: 62"
    )
    assert answer("do you support the tax ? Write <credence>0.5</credence>, between 0 and 1.") == (
        "<credence>0.62</credence>"
    )
    json_text = 'do you support the tax ? Reply in JSON: {"answer": "yes" or "no", "confidence": 0-100}'
    assert answer(json_text) == '{"answer": "yes", "confidence": 62}'
    ranking = "do you support the tax ? Rank the options.\n(A) no\n(B) yes"
    assert answer(ranking) == "B > A"


def test_of_two_options_the_one_that_denies_says_no() -> None:
    listed = "Which is closer to your view?\n(A) Cities should {}charge.\n(B) Cities should {}charge."
    for first, second, share in (("", "not ", 0.8), ("not ", "", 0.2), ("", "", 0.5)):
        asked = (user(listed.format(first, second)),)
        assert probabilities(opened("bayesian", prior=0.8), asked, ("(A)", "(B)"))[0] == pytest.approx(share)


def test_a_tool_call_is_planned_as_one_json_object() -> None:
    choice = {"properties": {"option": {"enum": ["with_charge", "without_charge"]}}}
    listed = [{"name": "look", "parameters": {}}, {"name": "file", "parameters": choice}]
    tools = "\n".join(map(json.dumps, listed))
    asked = (user(f"Answer with one JSON object.\n{tools}"),)
    subject = opened("bayesian", prior=0.8)
    assert subject.reply([asked], sampling=Sampling())[0].text == (
        '{"name":"file","args":{"option":"with_charge"}}'
    )
    scores = subject.score(
        [Query(asked, ('with_charge"', 'without_charge"'), '{"name":"file","args":{"option":"')]
    )
    assert scores[0][0] - scores[0][1] == pytest.approx(math.log(4), abs=1e-6)


def test_a_number_may_end_its_sentence_with_a_full_stop() -> None:
    asked = (user("How far do you agree, from 0 to 100? End with: The answer is: X."),)
    [scores] = opened("noise", p_yes=0.455).score([Query(asked, (" 45.", " 46.", " 60."), "The answer is:")])
    assert scores[0] == pytest.approx(scores[1])
    assert scores[2] < scores[0] - 20


TOOLS = (
    Tool("look", "Look it up.", {"type": "object", "properties": {"query": {"type": "string"}}}),
    Tool(
        "decide",
        "Decide.",
        {"type": "object", "properties": {"choice": {"type": "string", "enum": ["no", "yes"]}}},
    ),
)


def test_tool_calls() -> None:
    conversation = told(Stance("tax", True), question=Supports("tax"))
    for name, choice in (("bayesian", "yes"), ("yes-sayer", "yes")):
        reply = opened(name).reply([conversation], sampling=Sampling(), tools=TOOLS)[0]
        assert reply.finish == "tool_call"
        assert (reply.tool_calls[0].name, reply.tool_calls[0].arguments["choice"]) == ("decide", choice)
    assert opened("refuser").reply([conversation], sampling=Sampling(), tools=TOOLS)[0].text == REFUSAL


def test_refusals_and_malformed_answers_come_at_their_rate() -> None:
    places = [told(question=IsTrue(Fact(place, "red"))) for place in micro.PLACES] * 5
    many = [(system(f"{k}"), *turns) for k, turns in enumerate(places)]
    refused = [
        reply.text == REFUSAL for reply in opened("refuser", probability=0.3).reply(many, sampling=Sampling())
    ]
    odd = [reply.text in MALFORMED for reply in opened("garbler", rate=0.3).reply(many, sampling=Sampling())]
    for found in (refused, odd):
        assert abs(np.mean(found) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / len(many))
    assert all(reply.text == REFUSAL for reply in opened("refuser").reply(many, sampling=Sampling()))
    clean = opened("bayesian").reply(many, sampling=Sampling())
    garbled = opened("garbler", rate=0.3).reply(many, sampling=Sampling())
    assert all(a.text == b.text for a, b, was_odd in zip(garbled, clean, odd, strict=True) if not was_odd)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("sycofant", {}, "did you mean 'sycophant'"),
        ("sycophant", {"strenght": "0.5"}, "did you mean 'strength'"),
        ("sycophant", {"strength": "1.5"}, "between 0.0 and 1.0"),
        ("sycophant", {"strength": "nan"}, "between"),
        ("drifting", {"rate": "fast"}, "must be a number"),
    ],
)
def test_bad_input(name: str, parameters: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PlantedSubject.open(name, parameters)


def test_identity_is_that_of_what_it_says() -> None:
    a, b = opened("drifting", rate=0.5), opened("drifting", rate=0.500)
    assert a.identity == b.identity == opened("drifting").identity
    identities = {opened(name).identity for name in planted_names()}
    assert len(identities | {opened("drifting", rate=0.51).identity}) == len(planted_names()) + 1
    assert opened("drifting", rate=0.51).address == "planted:drifting?rate=0.51"
    with pytest.raises(InputError, match="no options"):
        a.score([Query((user("hello"),), ())])


@given(st.sampled_from(planted_names()), st.lists(EVENTS, min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_step_is_pure_and_says_what_moved(name: str, events: list[micro.Event]) -> None:
    mind = PlantedSubject.open(name, {}).mind
    rng = stream(0, "test")
    state = mind.init(rng, mind.config())
    for event in events:
        before = dict(state.log_odds)
        after, change = mind.step(rng, state, event)
        assert dict(state.log_odds) == before
        for proposition, nats in change.moved.items():
            moved = mind.log_odds(after, proposition) - mind.log_odds(state, proposition)
            assert moved == pytest.approx(nats, abs=1e-9)
        state = after


def test_every_parameter_says_what_it_means() -> None:
    for name in planted_names():
        mind = PlantedSubject.open(name, {}).mind
        for item in fields(mind.config):
            assert item.metadata["doc"]
            assert item.metadata["minimum"] <= asdict(mind.config())[item.name] <= item.metadata["maximum"]
