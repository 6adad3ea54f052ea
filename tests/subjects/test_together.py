from __future__ import annotations

import threading

import pytest

from doxa.subjects.base import Reply, Sampling, user
from doxa.subjects.together import samples, together
from tests.elicit.scripted_subject import ScriptedSubject


class Remote(ScriptedSubject):
    remote = True


def test_samples_of_a_remote_subject_are_asked_at_once_and_come_in_order():
    under_way = threading.Barrier(4, timeout=20)  # passes only when four calls are under way

    def speak(conversation, sampling, tools):
        if conversation[-1].content == "a":
            under_way.wait()
        return Reply(f"{conversation[-1].content} {sampling.sample}")

    drawn = samples(Remote(speaker=speak), [(user("a"),), (user("b"),)], Sampling(1.0, 5, sample=3), 4)
    assert [[reply.text for reply in one] for one in drawn] == [[f"a {n}", f"b {n}"] for n in range(3, 7)]


def test_subjects_on_this_machine_take_turns():
    threads: list[int] = []
    found = together([(ScriptedSubject(), lambda: threads.append(threading.get_ident())) for _ in range(3)])
    assert found == [None] * 3
    assert set(threads) == {threading.get_ident()}


def test_a_fault_of_one_is_raised():
    def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        together([(Remote(), fail)])
