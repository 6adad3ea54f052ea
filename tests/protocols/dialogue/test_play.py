"""Playing scripts: who hears what, memory, batches, faults, retries, forks, replays."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lab.parts import Parts
from doxa.lab.record import Recorder
from doxa.protocols.dialogue import (
    DepartedError,
    Memory,
    Scene,
    Script,
    Seat,
    Stage,
    Transcript,
    Turn,
    parting,
    play,
    record,
    replay,
    transcripts_of,
    tree,
    view,
)
from doxa.subjects.base import Message, Reply, Sampling, assistant, system, user
from tests.protocols.dialogue.scripted_subject import ScriptedSubject


def speech(text: str) -> str:
    return text.split("|", maxsplit=1)[0]


def debate(**changes) -> Script:
    def turns(name: str) -> tuple[Turn, ...]:
        return tuple(
            Turn(role, "speech", f"Give the {name} on {{motion}}.", heard=speech) for role in ("pro", "con")
        )

    stages = (Stage("opening", turns("opening")), Stage("closing", turns("closing")))
    return replace(Script("debate", {"pro": "Argue for.", "con": "Argue against."}, stages), **changes)


def scene(pro, con, name="d0", **changes) -> Scene:
    return Scene(name, {"pro": Seat(pro), "con": Seat(con)}, {"motion": "cats"}, **changes)


def test_opponents_hear_speeches_after_the_stage_and_never_what_is_private():
    pro = ScriptedSubject("p", lambda shown, _: f"pro {len(shown)}|bet 70")
    con = ScriptedSubject("c", lambda shown, _: f"con {len(shown)}|bet 60")
    [talk] = play(debate(), [scene(pro, con)])
    assert pro.shown[0] == (system("Argue for."), user("Give the opening on cats."))
    assert pro.shown[1] == (
        system("Argue for."),
        user("Give the opening on cats."),
        assistant("pro 2|bet 70"),
        user("con: con 2\n\nGive the closing on cats."),
    )
    assert [one.where for one in talk.said] == [
        "stage 'opening', pro's speech",
        "stage 'opening', con's speech",
        "stage 'closing', pro's speech",
        "stage 'closing', con's speech",
    ]
    assert talk.by("con", stage="closing")[0].text == "con 4|bet 60"
    assert not talk.stopped


def test_in_a_sequential_stage_each_hears_the_one_before_in_the_scenes_seating():
    turns = tuple(Turn(role, prompt="Speak.") for role in ("pro", "con"))
    script = Script("talk", {"pro": "", "con": ""}, (Stage("round", turns, "sequential"),), label="{text}")
    pro, con = ScriptedSubject("p", lambda *_: "P"), ScriptedSubject("c", lambda *_: "C")
    play(script, [scene(pro, con)])
    assert con.shown == [(user("P\n\nSpeak."),)]
    again = ScriptedSubject("p", lambda *_: "P")
    [talk] = play(script, [scene(again, con, seating=("con", "pro"))])
    assert again.shown == [(user("C\n\nSpeak."),)]
    assert [one.role for one in talk.said] == ["con", "pro"]


def test_given_lines_make_the_message_list_of_a_protocol():
    script = Script(
        "persuasion",
        {"convincer": "Convince me.", "skeptic": "You doubt."},
        (
            Stage(
                "argument",
                (
                    Turn("convincer", "argument", "{claim}", audience=("skeptic",)),
                    Turn("skeptic", "claim", text="{claim}", audience=()),
                ),
            ),
            Stage("reply", (Turn("skeptic", "reply", audience=()),)),
            Stage("verdict", (Turn("skeptic", "verdict", "Are you convinced?", audience=()),)),
        ),
        label="{text}",
    )
    convincer, skeptic = (
        ScriptedSubject("c", lambda *_: "It is real."),
        ScriptedSubject("s", lambda *_: "Hm."),
    )
    seats = {"convincer": Seat(convincer), "skeptic": Seat(skeptic)}
    play(script, [Scene("0", seats, {"claim": "A hoax."})])
    assert convincer.shown == [(system("Convince me."), user("A hoax."))]
    start = (system("You doubt."), user(""), assistant("A hoax."), user("It is real."))
    assert skeptic.shown == [start, (*start, assistant("Hm."), user("Are you convinced?"))]


def test_a_question_off_the_path_leaves_no_trace_and_repeats_are_separate_draws():
    judge = Turn("judge", "vote", "Who won?", audience=(), kept=None, repeats=2)
    stages = (*debate().stages, Stage("verdict", (judge,)), Stage("appeal", (judge,)))
    script = debate(briefs={"pro": "", "con": "", "judge": "Judge."}, stages=stages)
    pro, bench = ScriptedSubject("p"), ScriptedSubject("j", lambda _, sampling: f"vote {sampling.sample}")
    seats = {"pro": Seat(pro), "con": Seat(pro), "judge": Seat(bench)}
    [talk] = play(script, [Scene("0", seats, {"motion": "cats"})])
    assert [one.text for one in talk.by("judge")] == ["vote 0", "vote 1"] * 2
    assert len(set(bench.shown)) == 1


def test_memory_ablations():
    note = (
        Turn("pro", "note", "Think.", audience=()),
        Turn("pro", prompt="Speak."),
        Turn("con", prompt="Speak."),
    )
    script = Script("m", {"pro": "", "con": ""}, (Stage("one", note), Stage("two", note)), label="{text}")
    pro, con = ScriptedSubject("p", lambda *_: "P"), ScriptedSubject("c", lambda *_: "C")

    def last(**memory) -> tuple[Message, ...]:
        [talk] = play(script.with_memory(**memory), [scene(pro, con)])
        return view(script.with_memory(**memory), scene(pro, con), talk, "pro", "Now?")

    texts = lambda shown: [message.content for message in shown]  # noqa: E731
    assert texts(last()) == ["Think.", "P", "Speak.", "P", "C\n\nThink.", "P", "Speak.", "P", "C\n\nNow?"]
    assert texts(last(last=1)) == ["Think.", "P", "Speak.", "P", "C\n\nNow?"]
    assert texts(last(private=False)) == ["Speak.", "P", "C\n\nSpeak.", "P", "C\n\nNow?"]
    assert texts(last(own=False)) == ["C\n\nC\n\nNow?"]
    assert texts(last(others=False, prompts=False))[-1] == "Now?"
    assert "C" not in texts(last(others=False))
    with pytest.raises(InputError, match="last=-1"):
        Memory(last=-1)


def test_personas_and_names():
    script = debate(briefs={"pro": "You are {persona}. Argue for {motion}.", "con": "Argue against."})
    pro, con = ScriptedSubject("p"), ScriptedSubject("c")
    seats = {"pro": Seat(pro, "Ada", name="Dr A"), "con": Seat(con, "You are Bo.")}
    play(script, [Scene("0", seats, {"motion": "cats"})])
    assert pro.shown[0][0] == system("You are Ada. Argue for cats.")
    assert con.shown[0][0] == system("You are Bo.\n\nArgue against.")
    assert con.shown[1][-1].content.startswith("Dr A: p ")


def test_all_calls_of_a_step_go_out_in_one_batch():
    pro, con = ScriptedSubject("p"), ScriptedSubject("c")
    scenes = [scene(pro, con, f"d{number}") for number in range(60)]
    play(debate(), scenes)
    assert [len(conversations) for conversations, _ in pro.calls] == [60, 60]


def test_subjects_that_answer_from_elsewhere_are_asked_at_the_same_time():
    together = threading.Barrier(2)
    pro = ScriptedSubject("p", remote=True, together=together)
    con = ScriptedSubject("c", remote=True, together=together)
    play(debate(), [scene(pro, con)])
    assert len(pro.calls) == len(con.calls) == 2


def test_replicates_and_branches_are_draws_of_their_own():
    say = lambda _, sampling: f"{sampling.branch}.{sampling.sample}"  # noqa: E731
    pro = ScriptedSubject("p", say)
    talks = play(debate(), [scene(pro, pro, "a"), scene(pro, pro, "b", replicate=1)])
    assert {talk.said[0].text for talk in talks} == {".0", "replicate 1.0"}


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)), st.integers(1, 5))
def test_a_scene_does_not_depend_on_which_others_are_played_beside_it(order, count):
    subject = ScriptedSubject("s")
    scenes = [
        Scene(f"d{n}", {"pro": Seat(subject), "con": Seat(subject)}, {"motion": str(n)}) for n in range(5)
    ]
    alone = {talk.scene: talk for one in scenes for talk in play(debate(), [one])}
    for talk in play(debate(), [scenes[place] for place in order[:count]]):
        assert talk == alone[talk.scene]


def test_a_fault_ends_its_scene_and_no_other():
    def say(shown, sampling):
        faulty = "dogs" in shown[-1].content and len(shown) > 2
        return Reply("", "fault", fault="timeout") if faulty else "text"

    pro, con = ScriptedSubject("p", say), ScriptedSubject("c")
    dogs = Scene("dogs", scene(pro, con).seats, {"motion": "dogs"})
    good, bad = play(debate(), [scene(pro, con), dogs])
    assert not good.stopped
    assert bad.stopped == "stage 'closing', pro's speech: timeout"
    assert len(bad.said) == 4
    assert bad.by("pro")[-1].fault == "timeout"
    assert "pro: \n" not in str(con.shown)


def test_an_optional_turn_may_fault():
    stages = (
        *debate().stages,
        Stage("verdict", (Turn("judge", "vote", kept=None, audience=(), optional=True),)),
    )
    script = debate(
        briefs={"pro": "", "con": "", "judge": ""}, stages=(*stages, Stage("end", (Turn("pro"),)))
    )
    pro = ScriptedSubject("p")
    judge = ScriptedSubject("j", lambda *_: Reply("", "fault", fault="500"))
    seats = {"pro": Seat(pro), "con": Seat(pro), "judge": Seat(judge)}
    [talk] = play(script, [Scene("0", seats, {"motion": "cats"})])
    assert not talk.stopped
    assert talk.by("judge")[0].fault == "500"
    assert talk.said[-1].stage == "end"


def test_what_cannot_be_read_is_asked_again_only_where_the_script_says_so():
    say = lambda _, sampling: "ok" if sampling.sample == 2 else f"bad {sampling.sample}"  # noqa: E731
    plain = Script("p", {"a": ""}, (Stage("s", (Turn("a", prompt="?"),)),))
    again = Script(
        "p", {"a": ""}, (Stage("s", (Turn("a", prompt="?", accept=lambda t: t == "ok", retries=9),)),)
    )
    one = Scene("0", {"a": Seat(ScriptedSubject("a", say))})
    assert play(plain, [one])[0].said[0].text == "bad 0"
    said = play(again, [one])[0].said[0]
    assert (said.text, said.attempts, said.rejected, said.tokens_out) == ("ok", 3, ("bad 0", "bad 1"), 6)
    never = Script("p", {"a": ""}, (Stage("s", (Turn("a", accept=lambda _: False, retries=2),)),))
    assert play(never, [one])[0].said[0].attempts == 3
    assert replay(again, one, play(again, [one])[0]).said[0].rejected == ("bad 0", "bad 1")


def test_a_stage_may_be_left_out_by_what_was_said():
    done = lambda talk: talk.said[-1].text != "enough"  # noqa: E731
    script = Script(
        "p",
        {"a": ""},
        tuple(Stage(f"round {n}", (Turn("a", prompt=str(n)),), when=done if n else None) for n in range(4)),
    )
    say = lambda shown, _: "enough" if shown[-1].content == "1" else "more"  # noqa: E731
    [talk] = play(script, [Scene("0", {"a": Seat(ScriptedSubject("a", say))})])
    assert [one.stage for one in talk.said] == ["round 0", "round 1"]


def test_a_prompt_may_be_a_function_of_what_its_speaker_heard():
    quote = Turn("con", prompt=lambda now: f"Answer {now.facts['motion']}: {now.said[-1].heard}")
    stages = (Stage("open", (Turn("pro", prompt="Speak.", heard=speech),)), Stage("quote", (quote,)))
    pro, con = ScriptedSubject("p", lambda *_: "{motion}|secret"), ScriptedSubject("c")
    play(Script("q", {"pro": "", "con": ""}, stages), [scene(pro, con)])
    assert con.shown == [(user("pro: {motion}\n\nAnswer cats: {motion}"),)]


def test_forks_share_their_beginning_and_go_on_anew():
    pro = ScriptedSubject("p", lambda shown, sampling: f"{len(shown)} {sampling.branch}")
    one = scene(pro, pro)
    [trunk] = play(debate(), [one])
    fork = trunk.fork(trunk.said[1], "again")
    assert len(fork.said) == 2
    [other] = play(debate(), [one], start=[fork])
    assert other.said[:2] == trunk.said[:2]
    assert other.said[2].text == "4 again"
    where = parting(trunk, other)
    assert where is not None
    assert where.shared == 2
    assert [len(tree([trunk, other])[key]) for key in ("", trunk.said[1].id)] == [1, 2]
    assert parting(trunk, trunk) is None

    changed = trunk.fork(trunk.said[0], "denies", say=(debate(), "never|bet 0"))
    assert changed.said[0].heard == "never"
    [denied] = play(debate(), [one], start=[changed])
    assert "pro: never\n\n" in pro.shown[-1][-1].content
    assert denied.said[0].id != trunk.said[0].id
    with pytest.raises(InputError, match="no such utterance"):
        trunk.fork("nowhere", "x")
    with pytest.raises(InputError, match="name the fork"):
        trunk.fork(trunk.said[0], "")


def test_a_killed_step_goes_on_where_it_was():
    """A beginning that holds one of two simultaneous turns is asked for the other alone, which hears nothing new."""
    pro, con = ScriptedSubject("p"), ScriptedSubject("c")
    [whole] = play(debate(), [scene(pro, con)])
    cut = replace(whole, said=whole.said[:3])
    fresh = ScriptedSubject("c")
    [again] = play(debate(), [scene(pro, fresh)], start=[cut])
    assert again == whole
    assert len(fresh.calls) == 1


def test_replies_of_local_subjects_are_kept_as_parts(tmp_path):
    first = ScriptedSubject("p")
    [talk] = play(debate(), [scene(first, first)], keep=Parts(tmp_path))
    second = ScriptedSubject("p")
    [again] = play(debate(), [scene(second, second)], keep=Parts(tmp_path))
    assert again == talk
    assert not second.calls


def test_a_replay_asks_nobody_and_raises_where_it_departs():
    subject = ScriptedSubject("p", lambda shown, _: f"{len(shown)}|bet {len(shown)}")
    one = scene(subject, subject)
    [talk] = play(debate(), [one])
    kept = Transcript.from_json(json.loads(json.dumps(talk.as_json())))
    asked = len(subject.calls)
    assert replay(debate(), one, kept) == talk
    assert len(subject.calls) == asked
    public = debate(
        stages=tuple(
            replace(s, turns=tuple(replace(t, heard=lambda x: x) for t in s.turns)) for s in debate().stages
        )
    )
    with pytest.raises(DepartedError, match=r"stage 'closing', pro's speech: message 4 was 'con: 2\\n"):
        replay(public, one, kept)
    with pytest.raises(DepartedError, match=r"message 1 was 'Argue for\.' and is 'Lie\.'"):
        replay(debate(briefs={"pro": "Lie.", "con": "Argue against."}), one, kept)
    with pytest.raises(DepartedError, match="con's speech in stage 'closing' is not on record"):
        replay(debate(), one, replace(kept, said=kept.said[:3]))
    with pytest.raises(DepartedError, match="only one of them"):
        replay(debate(stages=debate().stages[:1]), one, kept)


def test_transcripts_go_into_the_record_and_back():
    subject = ScriptedSubject("p", lambda *_: "<b>\ud800 text")
    talks = play(debate(), [scene(subject, subject, "a"), scene(subject, subject, "b")])
    recorder = Recorder("x", 0)
    record(recorder, talks)
    back = transcripts_of(recorder.tables())
    assert [(talk.scene, len(talk.said)) for talk in back] == [("a", 4), ("b", 4)]
    plain = ScriptedSubject("p", lambda *_: "text")
    talks = play(debate(), [scene(plain, plain, "a")])
    recorder = Recorder("x", 0)
    record(recorder, talks)
    assert transcripts_of(recorder.tables()) == talks


def test_calls_are_counted_before_anything_is_asked():
    """A rehearsal answers with empty replies, which must carry a script to its end."""
    empty = ScriptedSubject("e", lambda *_: "")
    [talk] = play(debate(), [scene(empty, empty)])
    assert len(talk.said) == 4


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Turn("a", repeats=2), "use kept=None"),
        (lambda: Turn("a", repeats=0), "repeats=0"),
        (lambda: Turn("a", retries=2), "needs accept"),
        (lambda: Turn("a", text="x", retries=1, accept=bool), "neither repeated"),
        (lambda: Stage("s", ()), "has no turns"),
        (lambda: Stage("s", (Turn("a"), Turn("a"))), "two turns 'speech'"),
        (lambda: Script("x", {"a": ""}, ()), "has no stages"),
        (lambda: Script("x", {"a": ""}, (Stage("s", (Turn("b"),)),)), "unknown role 'b'"),
        (lambda: Script("x", {"a": ""}, (Stage("s", (Turn("a", audience=("c",)),)),)), "unknown role 'c'"),
        (lambda: Script("x", {"a": ""}, (Stage("s", (Turn("a"),)),) * 2), "two stages 's'"),
        (lambda: Script("x", {"a": ""}, (Stage("s", (Turn("a"),)),), label="x"), "must hold"),
    ],
)  # fmt: skip
def test_scripts_that_cannot_be_played_say_why(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_scenes_that_do_not_fit_say_why():
    subject = ScriptedSubject("s")
    fine = scene(subject, subject)
    for bad, message in (
        (replace(fine, seats={"pro": Seat(subject)}), "nobody takes the role 'con'"),
        (replace(fine, seats={**fine.seats, "judge": Seat(subject)}), "has no role 'judge'"),
        (replace(fine, seating=("judge",)), "has no role 'judge'"),
        (replace(fine, facts={"motoin": "x"}), "no fact 'motion'; did you mean 'motoin'"),
    ):
        with pytest.raises(InputError, match=message):
            play(debate(), [bad])
    with pytest.raises(InputError, match="two scenes are called 'd0'"):
        play(debate(), [fine, fine])
    with pytest.raises(InputError, match="fits none"):
        play(debate(), [fine], start=[Transcript("other", "debate", {})])
    assert subject.calls == []


def test_sampling_of_a_turn_comes_before_that_of_the_seat():
    subject = ScriptedSubject("s")
    script = Script("x", {"a": ""}, (Stage("s", (Turn("a", sampling=Sampling(max_tokens=7)),)),))
    play(script, [Scene("0", {"a": Seat(subject)})])
    assert subject.calls[0][1].max_tokens == 7
