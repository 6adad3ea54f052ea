from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.protocols.debate.bets import SIDES, STAGES
from doxa.protocols.debate.debate import Debate, Rules, hold_debates
from doxa.protocols.debate.incentives import INCENTIVES, best_bets, expected_gain
from doxa.protocols.debate.jury import Jury, read_vote, spoken
from doxa.protocols.debate.organism import invariants
from doxa.protocols.debate.plan import CONDITION_RULES, matches, read_motions
from doxa.protocols.debate.reasoning import asking_reader, degree_of, read_chances, reasoning_gap
from doxa.protocols.debate.reply_parts import read_bet, reasoning_of, speech_and_bet, speech_of
from doxa.protocols.debate.wording import MOTIONS
from doxa.protocols.dialogue import replay
from doxa.subjects.base import Capability, Reply, Sampling
from tests.protocols.dialogue.scripted_subject import ScriptedSubject
from tests.protocols.test_debate_bets import debate, table

MOTION = MOTIONS[0]


def debater(name, bets=(60, 70, 80)):
    """Return a subject whose speeches, thoughts and bets say who made them and when."""

    def say(shown, sampling):
        turn = sum(message.role == "assistant" and "SPEECH" in message.content for message in shown)
        if "Now, privately" in shown[-1].content:
            turn -= 1
            thought = f"<bet_reasoning_private>THOUGHT-{name}-{turn}</bet_reasoning_private>"
            return f"{thought}<bet_amount>{bets[turn]}</bet_amount>"
        return (
            f"SPEECH-{name}-{turn} <bet_reasoning_private>THOUGHT-{name}-{turn}</bet_reasoning_private>"
            f"<bet_amount>{bets[min(turn, 2)]}</bet_amount>"
        )

    return ScriptedSubject(name, say)


def shown_to(subject):
    return ["\n".join(message.content for message in conversation) for conversation in subject.shown]


def test_a_debate_by_hand():
    first, second = debater("P"), debater("O", (40, 45, 50))
    record = Debate(MOTION, first, second).run(3)
    assert [(bet.side, bet.stage, bet.bet) for bet in record.bets] == [
        ("proposition", "opening", 60),
        ("opposition", "opening", 40),
        ("proposition", "rebuttal", 70),
        ("opposition", "rebuttal", 45),
        ("proposition", "closing", 80),
        ("opposition", "closing", 50),
    ]
    assert record.speeches["opposition", "rebuttal"] == "SPEECH-O-1"
    assert record.reasoning["proposition", "closing"] == "THOUGHT-P-2"
    assert "<bet_amount>80" in record.raw["proposition", "closing"]
    assert record.messages["proposition"][0]["role"] == "system"
    assert MOTION in record.messages["opposition"][0]["content"]
    assert {sampling.seed for _, sampling in first.calls} == {3}
    assert all(invariants(record).values())


def test_both_sides_hear_earlier_stages_and_nothing_of_the_current_one():
    first, second = debater("P"), debater("O")
    Debate(MOTION, first, second).run()
    for subject, other in ((first, "O"), (second, "P")):
        for stage, text in enumerate(shown_to(subject)):
            heard = sorted(set(re.findall(rf"SPEECH-{other}-\d", text)))
            assert heard == [f"SPEECH-{other}-{k}" for k in range(stage)]
            assert f"THOUGHT-{other}" not in text


@pytest.mark.parametrize(
    ("rules", "own_bets", "others_bets"),
    [
        (Rules(), True, False),
        (Rules(note="self"), True, False),
        (Rules(note="self", visibility="public"), True, True),
        (Rules(visibility="none"), False, False),
        (Rules(note="informed"), False, False),
        (Rules(note="redteam"), False, False),
        (Rules(note="informed", show_own_bets=True), True, False),
        (Rules(note="redteam", show_own_bets=True), True, False),
        (Rules(elicit="separate"), True, False),
        (Rules(elicit="separate", visibility="public"), True, True),
        (Rules(elicit="separate", note="redteam"), False, False),
    ],
)
def test_what_is_seen_of_bets(rules, own_bets, others_bets):
    first, second = debater("P", (61, 62, 63)), debater("O", (31, 32, 33))
    Debate(MOTION, first, second, rules).run()
    last = shown_to(first)[-1]
    assert ("<bet_amount>61</bet_amount>" in last) == own_bets
    assert ("THOUGHT-P-0" in last) == own_bets
    assert ("[bet: 31]" in last) == others_bets
    assert "THOUGHT-O" not in last
    assert "SPEECH-O-1" in last


def test_conditions_say_what_they_must():
    briefs = {}
    for name, rules in CONDITION_RULES.items():
        subject = debater("A")
        Debate(MOTION, subject, subject, rules).run()
        briefs[name] = subject.shown[0][0].content
    assert "copy of you" not in briefs["cross_model"]
    assert all("copy of you" in text for name, text in briefs.items() if name != "cross_model")
    assert [name for name, text in briefs.items() if "exactly 50%" in text] == ["informed_self"]
    assert [name for name, text in briefs.items() if "strongest case for the other side" in text] == [
        "self_redteam"
    ]
    assert [name for name, text in briefs.items() if "are shown to the other side" in text] == ["public_bets"]
    assert "rebuttal (second)" in briefs["multi_round"]


def test_incentives_are_told():
    told = {}
    for incentive in INCENTIVES:
        subject = debater("A")
        Debate(MOTION, subject, subject, Rules(incentive=incentive)).run()
        told[incentive] = subject.shown[0][0].content
    assert ["tokens" in text for text in told.values()] == [True, False, False, False]
    assert "square of the distance" in told["brier"]
    assert "logarithm" in told["log"]


def test_multi_round_has_two_rebuttals():
    subject = debater("A")
    record = Debate(MOTION, subject, subject, CONDITION_RULES["multi_round"]).run()
    assert [bet.stage for bet in record.bets if bet.side == "opposition"] == [
        *("opening", "rebuttal", "rebuttal 2", "closing"),
    ]


PIECES = st.sampled_from(
    [
        *("<bet_reasoning_private>", "</bet_reasoning_private>", "<bet_amount>", "</bet_amount>"),
        *("<BET_REASONING_PRIVATE>", "</ bet_amount >", "<bet_amount unit='tokens'>", "<think>", "</think>"),
        *(
            "<bet_logic_private>",
            "</bet_logic_private>",
            "<bet_amount",
            "<bet_reasoning_private\n",
            "\n",
            " and ",
        ),
    ]
)
SAID = st.lists(st.one_of(PIECES, st.just("SPOKEN"), st.just("SECRET")), max_size=14)


def tagged(parts):
    """Return a reply in which SECRET stands only where a tag has been opened, and SPOKEN only where none is."""
    depth, out = 0, []
    for part in parts:
        opens = part.lstrip().startswith("<") and not part.startswith("</")
        if part == "SECRET" and depth == 0:
            continue
        if part == "SPOKEN" and depth > 0:
            continue
        out.append(part)
        depth = depth + 1 if opens else max(0, depth - 1) if part.startswith("</") else depth
    return " ".join(out)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(SAID, min_size=6, max_size=6),
    st.lists(st.integers(0, 100), min_size=6, max_size=6),
    st.sampled_from([*CONDITION_RULES.values(), Rules(visibility="none"), Rules(elicit="separate")]),
)
def test_nothing_private_ever_reaches_the_opponent(parts, bets, rules):
    """Whatever two subjects reply, the other is shown no thought of theirs; a bet only where bets are public."""
    said = {"P": 0, "O": 0}

    def say(name):
        def reply(shown, sampling):
            turn = said[name]
            said[name] += 1
            text = tagged(parts[(2 * turn + (name == "O")) % 6])
            own = text.replace("SECRET", f"SECRET-{name}")
            return (
                f"{own}</bet_amount><bet_reasoning_private>SECRET-{name}</bet_reasoning_private>"
                f"<bet_amount>{1000 + bets[turn % 6]}{name}</bet_amount>"
            )

        return ScriptedSubject(name, reply)

    first, second = say("P"), say("O")
    record = Debate(MOTION, first, second, rules).run()
    for subject, other in ((first, "O"), (second, "P")):
        for text in shown_to(subject):
            assert f"SECRET-{other}" not in text
            assert not re.search(rf"1\d\d\d{other}", text)
    assert "SECRET" not in spoken(record, SIDES)
    assert not re.search(r"1\d\d\d[PO]", spoken(record, SIDES))


@pytest.mark.parametrize(
    ("text", "speech"),
    [
        ("We win.<bet_amount>60</bet_amount>", "We win."),
        ("We win.<bet_reasoning_private>weak<bet_amount>60</bet_amount>", "We win."),
        ("weak</bet_reasoning_private> We win. <bet_amount>60</bet_amount>", "We win."),
        ("<think>weak</think>We win.", "We win."),
        ("a <bet_x>b<bet_y>c</bet_y>d</bet_x> e", "a e"),
        ("We win. <bet_amou", "We win."),
        ("We win when x < 3 and y > 2.", "We win when x < 3 and y > 2."),
        ("", ""),
    ],
)
def test_speech_of(text, speech):
    assert speech_of(text) == speech


def test_public_numbers_without_reasoning():
    text = "We win.<bet_reasoning_private>60 or so</bet_reasoning_private><bet_amount>65</bet_amount>"
    assert speech_and_bet(text) == "We win.\n[bet: 65]"
    assert speech_and_bet("We win.") == "We win.\n[bet: none]"
    assert reasoning_of(text) == "60 or so"


@pytest.mark.parametrize(
    ("inside", "tag", "paper"),
    [
        ("75", 75, 75),
        (" 75 ", 75, 75),
        ("75%", 75, 75),
        ("0", 0, 0),
        ("100", 100, 100),
        ("120", None, 100),
        ("-5", None, 0),
        ("0.7", None, 0),
        ("62.5", None, 62),
        ("sixty", None, None),
        ("", None, None),
        ("60-70", None, 60),
    ],
)
def test_reading_a_bet(inside, tag, paper):
    text = f"<bet_amount>10</bet_amount> so <BET_AMOUNT>{inside}</BET_AMOUNT>"
    assert read_bet(text).bet == tag
    assert read_bet(text, "paper").bet == paper


def test_no_tag_is_missing_with_a_reason():
    assert read_bet("I bet 75.") == (None, "no closed <bet_amount>")
    assert read_bet("<bet_amount>75") == (None, "no closed <bet_amount>")


def unreadable(times):
    """Return a subject whose first bets after each speech cannot be read."""

    def say(shown, sampling):
        return "Speech." if sampling.sample < times else "Speech.<bet_amount>130</bet_amount>"

    return ScriptedSubject("stubborn", say)


def test_the_papers_elicitor_asks_again_up_to_ten_times_and_clips():
    subject = unreadable(10)
    record = Debate(MOTION, subject, subject, Rules(elicitor="paper")).run()
    assert {(bet.bet, bet.attempts) for bet in record.bets} == {(100.0, 11)}
    subject = unreadable(11)
    record = Debate(MOTION, subject, subject, Rules(elicitor="paper")).run()
    assert {(bet.bet, bet.attempts, bet.missing) for bet in record.bets} == {
        (None, 11, "no closed <bet_amount>")
    }


def test_the_default_asks_once():
    subject = unreadable(1)
    record = Debate(MOTION, subject, subject).run()
    assert {(bet.bet, bet.attempts) for bet in record.bets} == {(None, 1)}
    assert len(subject.shown) == 6


def test_separate_bets_are_drawn_several_times_off_the_path():
    def say(shown, sampling):
        if "Now, privately" in shown[-1].content:
            return f"<bet_amount>{50 + 10 * sampling.sample}</bet_amount>"
        return "SPEECH"

    subject = ScriptedSubject("A", say)
    record = Debate(MOTION, subject, subject, Rules(elicit="separate", samples=3)).run()
    assert {bet.draws for bet in record.bets} == {(50.0, 60.0, 70.0)}
    assert {bet.bet for bet in record.bets} == {60.0}
    assert not any("<bet_amount>50" in text for text in shown_to(subject))


class Scorer(ScriptedSubject):
    capabilities = frozenset({Capability.REPLY, Capability.SCORE})

    def score(self, queries):
        self.queries = queries
        return [np.where(np.arange(len(query.options)) == 14, 0.0, -np.inf) for query in queries]


def test_scored_bets_are_expectations_of_the_number():
    subject = Scorer("A", lambda shown, sampling: f"SPEECH-{len(shown)}")
    record = Debate(MOTION, subject, subject, Rules(elicit="scored")).run()
    assert {bet.bet for bet in record.bets} == {70.0}
    assert {query.opening for query in subject.queries} == {"<bet_amount>"}
    assert len(subject.queries) == 6
    # a query hears its own speech of the stage and nothing of the other's
    opening = subject.queries[0].conversation
    assert [message.role for message in opening] == ["system", "user", "assistant", "user"]


def test_all_calls_of_a_stage_go_out_together():
    subject = debater("A")
    debates = {f"d{k}": Debate(f"Motion {k}.", subject, subject) for k in range(5)}
    held = hold_debates(debates)
    assert [len(conversations) for conversations, _ in subject.calls] == [10, 10, 10]
    assert [record.id for record in held] == list(debates)


def test_a_fault_ends_its_debate_and_is_told():
    def say(shown, sampling):
        return Reply("", finish="fault", fault="HTTP 500")

    bad, good = ScriptedSubject("bad", say), debater("O")
    held = hold_debates(
        {"a": Debate(MOTION, bad, good, replicate=1), "b": Debate(MOTION, good, good, replicate=2)}
    )
    assert all(bet.bet is None and "HTTP 500" in bet.missing for bet in held[0].bets if bet.side == SIDES[0])
    assert all(bet.bet is not None for bet in held[1].bets)
    decided = Jury([debater("J")]).hear(held)
    assert decided[0].verdict.votes == ()


def test_a_record_can_be_replayed():
    record = Debate(MOTION, debater("P"), debater("O")).run()
    script = record.debate.rules.script()
    assert replay(script, record.debate.scene(record.id), record.transcript).said == record.transcript.said


def judge(name, vote):
    return ScriptedSubject(name, lambda shown, sampling: vote(shown[-1].content, sampling))


def test_a_jury_is_three_judges_twice_with_the_sides_exchanged():
    orders = []

    def vote(text, sampling):
        orders.append(text.index("Proposition, opening") < text.index("Opposition, opening"))
        return "<winner>proposition</winner><margin>40</margin>"

    judges = [judge(f"J{k}", vote) for k in range(3)]
    verdict = Jury(judges).decide(Debate(MOTION, debater("P"), debater("O")).run())
    assert verdict == ("debate", ("proposition",) * 6, "proposition", 40.0)
    assert sorted(orders) == [False] * 3 + [True] * 3
    assert not any("THOUGHT" in text for one in judges for text in shown_to(one))


def test_an_even_split_is_a_tie():
    def vote(text, sampling):
        first = text.index("Proposition, opening") < text.index("Opposition, opening")
        return f"<winner>{SIDES[0] if first else SIDES[1]}</winner>"

    verdict = Jury([judge("J", vote)]).decide(Debate(MOTION, debater("P"), debater("O")).run())
    assert (verdict.winner, verdict.margin) == (None, None)
    assert verdict.votes == ("proposition", "opposition")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("<winner>Opposition</winner><margin>30</margin>", ("opposition", 30.0)),
        ("<winner>the proposition</winner>", ("proposition", None)),
        ("<winner>proposition</winner> or <winner>opposition</winner>", (None, None)),
        ("The proposition wins.", (None, None)),
        ("<winner>tie</winner><margin>0</margin>", (None, None)),
        ("<winner>proposition</winner><margin>130</margin>", ("proposition", None)),
    ],
)
def test_votes(text, read):
    assert read_vote(text) == read


@pytest.mark.parametrize("n", [6, 60])
def test_every_pair_meets_on_both_sides(n):
    planned = matches("cross_model", ["a", "b", "c"], MOTIONS, n, np.random.default_rng(0))
    assert len(planned) == n
    met = {(one.proposition, one.opposition, one.motion) for one in planned}
    assert all((o, p, motion) in met for p, o, motion in met)
    for model in "abc":
        first = sum(one.proposition == model for one in planned)
        assert first == sum(one.opposition == model for one in planned) == n // 3
    draws = [(one.proposition, one.motion, one.replicate) for one in planned]
    assert len(set(draws)) == n, "no two openings are one draw"
    few = matches("cross_model", ["a", "b", "c"], MOTIONS, 6, np.random.default_rng(0))
    assert planned[:6] == few


def test_self_debates_share_models_and_motions_evenly():
    planned = matches("self_debate", ["a", "b"], MOTIONS, 24, np.random.default_rng(0))
    assert all(one.proposition == one.opposition for one in planned)
    assert len({(one.proposition, one.motion) for one in planned}) == 12
    assert sorted({one.replicate for one in planned}) == [0, 1]


def test_motions_of_ones_own(tmp_path):
    (tmp_path / "m.txt").write_text("one\n\n two \none\n", "utf-8")
    assert read_motions(str(tmp_path / "m.txt")) == ("one", "two")
    assert read_motions("") == MOTIONS
    (tmp_path / "empty.txt").write_text("\n", "utf-8")
    with pytest.raises(InputError, match="has no motion"):
        read_motions(str(tmp_path / "empty.txt"))
    with pytest.raises(InputError, match="cannot be read"):
        read_motions(str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"visibility": "pubic"}, "did you mean 'public'"),
        ({"note": "copy"}, "note='copy'"),
        ({"incentive": "token"}, "did you mean 'tokens'"),
        ({"elicit": "seperate"}, "did you mean 'separate'"),
        ({"elicitor": "papers"}, "did you mean 'paper'"),
        ({"stages": ("opening", "middle")}, "stage='middle'"),
        ({"stages": ()}, "at least one"),
        ({"samples": 3}, "several need elicit='separate'"),
        ({"visibility": "public", "elicit": "scored"}, "one stated number"),
    ],
)
def test_bad_rules(settings_, message):
    with pytest.raises(InputError, match=message):
        Rules(**settings_)


def test_bad_debates():
    subject = debater("A")
    with pytest.raises(InputError, match="motion"):
        Debate(" ", subject, subject)
    with pytest.raises(InputError, match="2 different rules"):
        hold_debates(
            {"a": Debate(MOTION, subject, subject), "b": Debate(MOTION, subject, subject, Rules(note="self"))}
        )
    with pytest.raises(InputError, match="at least one judge"):
        Jury([])
    with pytest.raises(InputError, match="give opponents"):
        matches("cross_model", ["a"], MOTIONS, 2, np.random.default_rng(0))
    with pytest.raises(InputError, match="named twice"):
        matches("cross_model", ["a", "a"], MOTIONS, 2, np.random.default_rng(0))


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.37, 0.49, 0.51, 0.8, 1.0])
def test_tokens_are_linear_and_proper_rules_are_honest(chance):
    bets = np.arange(101.0)
    gains = expected_gain(bets, chance, opponent_bet=30.0)
    assert np.diff(gains) == pytest.approx(np.full(100, 2 * chance - 1))
    assert gains[10] == pytest.approx(chance * (10 + 30) - (1 - chance) * 10)
    assert best_bets(chance) == ((100.0,) if chance > 0.5 else (0.0,))
    for rule in ("brier", "log"):
        assert best_bets(chance, incentive=rule) == pytest.approx((100 * chance,))


def test_at_even_odds_all_bets_are_alike():
    assert len(best_bets(0.5)) == 101
    assert len(best_bets(0.3, incentive="none")) == 101
    with pytest.raises(InputError, match=r"chance=1\.5"):
        best_bets(1.5)
    with pytest.raises(InputError, match="must be from 0 to 100"):
        expected_gain(101.0, 0.5)


@pytest.mark.parametrize(
    ("text", "chance"),
    [
        ("I put our chance of winning at 65%.", (65, 65)),
        ("Estimated Probability of Winning: 65-70%", (65, 70)),
        ("We have a 60% to 70% likelihood of victory.", (60, 70)),
        ("Costs fell by 30%. I am 80% confident that we win.", (80, 80)),
        ("First I gave us a 50% chance; now I give us a 60 percent chance.", (60, 60)),
        ("Costs fell by 30%.", None),
        ("We are likely to win.", None),
        ("They have a 30% chance of winning.", None),
        ("Our chance is 130%.", None),
    ],
)
def test_reading_chances(text, chance):
    assert read_chances([text])[0] == chance


def gap_table():
    rows = debate("a", (70, 70, 90), (40, 10, 55))
    texts = ["chance of winning is 60%.", "chance of winning is 65-75%.", "chance of winning is 65%.",
             "chance of winning is 45%.", "chance of winning is 90%.", "it is hard to say."]  # fmt: skip
    for row, text in zip(rows, texts, strict=True):
        row["reasoning"] = "x" * 101 + ". My " + text
    return table(rows)


def test_the_reasoning_gap_by_hand():
    found = reasoning_gap(gap_table())
    assert (found.n, found.unread, found.skipped) == (4, 1, 1)
    assert found.rows["gap"].to_list() == [10.0, 0.0, 25.0, -5.0]
    assert found.rows["degree"].to_list() == ["slight", "none", "significant", "slight"]
    assert found.gap.estimate == pytest.approx(7.5)
    assert (found.overbetting.estimate, found.underbetting.estimate) == (0.5, 0.25)
    assert [degree_of(gap) for gap in (0, 10, -10.5, 20, 21)] == [
        *("none", "slight", "moderate", "moderate", "significant"),
    ]


def test_a_model_can_read_the_reasoning():
    def read(shown, sampling):
        if "hard to say" in shown[-1].content:
            return "<low>none</low>"
        return "<low>50</low><high>60</high>"

    found = reasoning_gap(gap_table(), asking_reader(ScriptedSubject("reader", read)))
    assert found.unread == 1
    assert found.rows["gap"].to_list() == [10.0, 10.0, 30.0, -10.0]
    garbled = asking_reader(
        ScriptedSubject("garbled", lambda shown, sampling: "<low>90</low><high>10</high>")
    )
    assert reasoning_gap(gap_table(), garbled).n == 0


def test_stages_are_the_papers():
    assert Rules().stages == STAGES
    assert Debate(MOTION, debater("A"), debater("B")).sampling == Sampling(temperature=1.0, max_tokens=1500)
