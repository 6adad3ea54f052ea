"""Playing scripts: many scenes side by side, all calls of a step out at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from doxa.errors import InputError
from doxa.lab.parts import Keep, keep_none
from doxa.protocols.dialogue.asking import Answers, Asking, Call, asked_digest
from doxa.protocols.dialogue.scene import Scene, view, within_reach
from doxa.protocols.dialogue.script import Script, Turn, filled
from doxa.protocols.dialogue.transcript import Transcript

Step: TypeAlias = Callable[[float, float, str], None]
"""Progress: done, total, note."""


def play(
    script: Script,
    scenes: Sequence[Scene],
    *,
    start: Sequence[Transcript] = (),
    keep: Keep = keep_none,
    step: Step | None = None,
) -> list[Transcript]:
    """Hold the conversations of all scenes and return their transcripts in the order of the scenes.

    At each step of a stage the calls of all scenes go out together, one batch for each subject and way of drawing;
    subjects that answer from elsewhere are asked at the same time. What a scene becomes does not depend on which
    others are played beside it. A fault that is not optional ends its scene there; the transcript says so.

    Args:
        script: the protocol.
        scenes: with different ids.
        start: beginnings to go on from, such as forks: the scene's turns that they hold are not asked again.
        keep: keeps the replies of subjects on this machine, so that a killed run goes on; see ``Context.parts``.
        step: told how far it is.

    Raises:
        InputError: two scenes have one id, a role has no seat, a fact is missing, or a beginning fits no scene.
        BudgetError: what may be spent is spent; what was answered is kept.
    """
    return hold(script, scenes, start, Asking(scenes, keep), step or silent)


def hold(
    script: Script, scenes: Sequence[Scene], start: Sequence[Transcript], answers: Answers, step: Step
) -> list[Transcript]:
    """Return the transcripts of all scenes, with replies from wherever ``answers`` has them; see ``play``."""
    talks = _beginnings(script, scenes, start)
    order = [_ordered(script, scene) for scene in scenes]
    total = max(sum(len(stage) for stage in stages) for stages in order) if order else 0
    done = 0
    for number, stage in enumerate(script.stages):
        going = [
            place
            for place, talk in enumerate(talks)
            if not talk.stopped and (stage.when is None or stage.when(talk))
        ]
        for turns in range(max(len(stages[number]) for stages in order) if order else 0):
            asked = [
                (place, turn)
                for place in going
                if not talks[place].stopped
                for turn in order[place][number][turns]
            ]
            _speak(script, scenes, talks, number, asked, answers)
            done += 1
            step(done, total, f"{stage.name}: {len(asked)} turns")
    return talks


def _beginnings(script: Script, scenes: Sequence[Scene], start: Sequence[Transcript]) -> list[Transcript]:
    given = {talk.scene: talk for talk in start}
    names = [scene.id for scene in scenes]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two scenes are called '{name}'; give each an id of its own")
    for talk in start:
        if talk.scene not in names or talk.script != script.name:
            raise InputError(
                f"start: '{talk.scene}' of script '{talk.script}' fits none of the scenes of '{script.name}'"
            )
    for scene in scenes:
        scene.check(script)
    return [given[scene.id] if scene.id in given else scene.opened(script) for scene in scenes]


def _ordered(script: Script, scene: Scene) -> list[list[list[Turn]]]:
    return [stage.steps(scene.seating) for stage in script.stages]


def _speak(
    script: Script,
    scenes: Sequence[Scene],
    talks: list[Transcript],
    stage: int,
    asked: Sequence[tuple[int, Turn]],
    answers: Answers,
) -> None:
    """Let the turns of one step be said; what any of them hears was said before the step."""
    calls: list[Call] = []
    for place, turn in asked:
        there = {one.place for one in talks[place].said}
        known = within_reach(script, talks[place], turn.role, stage)
        prompt = scenes[place].prompt(turn, script.stages[stage].name, known)
        shown = (
            ()
            if turn.text is not None
            else view(script, scenes[place], talks[place], turn.role, prompt, stage=stage)
        )
        sampling = scenes[place].sampling(turn, talks[place].branch)
        calls += [
            Call(place, turn, stage, prompt, shown, sampling.at(sample=sampling.sample + repeat), repeat)
            for repeat in range(turn.repeats)
            if (stage, turn.role, turn.name, repeat) not in there
        ]
    said = _said([call for call in calls if call.turn.text is None], answers)
    for call in calls:
        scene, turn = scenes[call.scene], call.turn
        fields: dict[str, Any] = {
            "stage": script.stages[stage].name, "stage_number": stage, "prompt": call.prompt, "repeat": call.repeat,
        }  # fmt: skip
        if turn.text is not None:
            fields |= {"subject": "", "text": filled(turn.text, scene.facts, f"{turn.role}'s {turn.name}")}
        else:
            fields |= {"subject": scene.seats[turn.role].subject.address, **said[id(call)]}
        talk = talks[call.scene].with_said(turn, script.roles, **fields)
        if fields.get("fault") and not turn.optional and not talk.stopped:
            talk = replace(talk, stopped=f"{talk.said[-1].where}: {fields['fault']}")
        talks[call.scene] = talk


def _said(calls: Sequence[Call], answers: Answers) -> dict[int, dict[str, Any]]:
    """Return what each call gave, asking again where its turn says so; a fault is never asked again here."""
    found: dict[int, dict[str, Any]] = {}
    waiting, attempt = list(calls), 0
    while waiting:
        drawn = [
            replace(
                call, sampling=call.sampling.at(sample=call.sampling.sample + attempt * call.turn.repeats)
            )
            for call in waiting
        ]
        left: list[Call] = []
        for call, reply in zip(waiting, answers(drawn), strict=True):
            before = found.get(id(call))
            rejected = () if before is None else (*before["rejected"], before["text"])
            found[id(call)] = {
                "text": reply.text,
                "asked": asked_digest(call.conversation),
                "attempts": attempt + 1,
                "rejected": rejected,
                "finish": reply.finish,
                "fault": (reply.fault or "no reason given") if reply.finish == "fault" else "",
                "tokens_in": reply.tokens_in + (0 if before is None else before["tokens_in"]),
                "tokens_out": reply.tokens_out + (0 if before is None else before["tokens_out"]),
            }
            accept = call.turn.accept
            if accept and reply.finish != "fault" and attempt < call.turn.retries and not accept(reply.text):
                left.append(call)
        waiting, attempt = left, attempt + 1
    return found


def silent(done: float, total: float, note: str) -> None:
    """Tell nobody."""
    del done, total, note
