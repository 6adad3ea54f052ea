"""Convincers and skeptics in their seats: arguments written, read and judged, all calls of a step together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab.parts import Keep, keep_none
from doxa.protocols.dialogue import Scene, Script, Seat, Transcript, play, view
from doxa.protocols.persuasion.dimensions import Wording
from doxa.protocols.persuasion.opinions import OpinionForm, opinion_form
from doxa.protocols.persuasion.script import CONVINCER, QUESTION, SKEPTIC, asking_before, reading, writing
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject
from doxa.subjects.together import together


@dataclass(frozen=True)
class Convincer:
    """Who writes the arguments of a style."""

    model: Subject
    dimension: str
    sampling: Sampling


class Argument(NamedTuple):
    """An argument to be read.

    Attributes:
        writer: who wrote it, and argues on where there are several rounds; its style is the argument's.
        number: which of the style's.
        text: the argument; an empty one is read as a note that nothing was said, and stays counted.
    """

    writer: Convincer
    number: int
    text: str

    @property
    def shown(self) -> str:
        """What the skeptic reads."""
        return self.text if self.text.strip() else f"(no argument: {self.writer.dimension} {self.number})"


@dataclass(frozen=True)
class Skeptic:
    """Who reads them.

    Attributes:
        model: the subject.
        difficulty: which of the wording's personas.
        sampling: how replies and verdicts are drawn.
        persona: another system message in place of the difficulty's; "" for none.
    """

    model: Subject
    difficulty: str
    sampling: Sampling
    persona: str = ""


@dataclass(frozen=True)
class Opinion:
    """An answer to the opinion question.

    Attributes:
        round: after how many exchanges; 0 is before any.
        verdict: the answer as it came.
        level: how far it agrees, in [0, 1]: Yes is 1 and No is 0; None is unparsed.
        credence: the same from log-probabilities, P(Yes) / (P(Yes) + P(No)) at the first token or the mean rating;
            NaN where it was not scored.
        fault: why no answer came, or "".
    """

    round: int
    verdict: str
    level: float | None
    credence: float
    fault: str = ""

    @property
    def convinced(self) -> bool | None:
        """Whether it says Yes, or rates above the middle; None is unparsed."""
        return None if self.level is None else self.level > 0.5


@dataclass(frozen=True)
class DialogueRecord:
    """One argument read by one skeptic.

    Attributes:
        given: the argument.
        skeptic: who read it.
        opinions: after each exchange.
        transcript: all that was said.
    """

    given: Argument
    skeptic: Skeptic
    opinions: tuple[Opinion, ...]
    transcript: Transcript

    @property
    def dimension(self) -> str:
        """The style."""
        return self.given.writer.dimension

    @property
    def number(self) -> int:
        """Which of the style's arguments."""
        return self.given.number

    @property
    def difficulty(self) -> str:
        """Which skeptic."""
        return self.skeptic.difficulty

    @property
    def argument(self) -> str:
        """The first argument; "" if the convincer said nothing."""
        return self.given.text

    @property
    def reply(self) -> str:
        """The skeptic's first reply, "" if there was none."""
        said = self.transcript.by(SKEPTIC, turn="reply")
        return said[0].text if said else ""

    @property
    def verdict_text(self) -> str:
        """The last answer to the opinion question."""
        return self.opinions[-1].verdict

    @property
    def convinced(self) -> bool | None:
        """What it says; None is unparsed."""
        return self.opinions[-1].convinced

    @property
    def credence_after(self) -> float:
        """The last credence, NaN where it was not scored."""
        return self.opinions[-1].credence


def write_arguments(
    convincers: Sequence[Convincer],
    n: int,
    wording: Wording,
    *,
    retries: int = 0,
    keep: Keep = keep_none,
) -> list[list[Transcript]]:
    """Let each convincer write ``n`` arguments, all at once.

    Argument k of a style is the same however many are asked for: it hangs on the subject, the style, the seed of the
    sampling and k.
    """
    if n < 1:
        raise InputError(f"n={n}: must be >= 1 argument of each style")
    scenes = [
        Scene(f"{who.dimension} {number} {place}", seats, facts, replicate=number)
        for place, who in enumerate(convincers)
        for seats in ({CONVINCER: Seat(who.model, sampling=who.sampling)},)
        for facts in ({"claim": wording.claim, "brief": wording.convincer(who.dimension)},)
        for number in range(n)
    ]
    talks = play(writing(retries), scenes, keep=keep)
    return [talks[start : start + n] for start in range(0, len(talks), n)]


def as_arguments(convincers: Sequence[Convincer], written: Sequence[Sequence[Transcript]]) -> list[Argument]:
    """Return what :func:`write_arguments` wrote, to be read; the text is "" where no argument came."""
    return [
        Argument(who, number, said[0].text if said and not said[0].fault else "")
        for who, talks in zip(convincers, written, strict=True)
        for number, talk in enumerate(talks)
        for said in (talk.by(CONVINCER),)
    ]


def read_arguments(
    arguments: Sequence[Argument],
    skeptics: Sequence[Skeptic],
    wording: Wording,
    *,
    rounds: int = 1,
    answer: str = "yes-no",
    score: bool = True,
    keep: Keep = keep_none,
) -> list[DialogueRecord]:
    """Let every skeptic read every argument, all at once.

    Args:
        arguments: what is read.
        skeptics: who reads.
        wording: claim, personas and question.
        rounds: exchanges of argument and reply.
        answer: how the opinion is asked for, see :mod:`doxa.protocols.persuasion.opinions`.
        score: read the credence from log-probabilities where the skeptic can score.
        keep: keeps the replies of subjects on this machine.
    """
    script, form = reading(rounds), opinion_form(wording, answer)
    readings = [(who, argument) for who in skeptics for argument in arguments]
    seen: Counter[tuple[str, str, str]] = Counter()
    scenes: list[Scene] = []
    for place, (who, argument) in enumerate(readings):
        # Equal arguments are still two readings: the second is another draw.
        read = (who.model.address, who.difficulty, argument.shown)
        scenes.append(_reading_scene(place, who, argument, wording, form, seen[read]))
        seen[read] += 1
    talks = play(script, scenes, keep=keep)
    credences = _scored(script, form, scenes, talks, rounds, keep) if score else {}
    return [
        DialogueRecord(
            argument,
            who,
            tuple(
                _opinion(talk, number, form, credences.get((row, number))) for number in range(1, rounds + 1)
            ),
            talk,
        )
        for row, ((who, argument), talk) in enumerate(zip(readings, talks, strict=True))
    ]


def _reading_scene(
    place: int, who: Skeptic, argument: Argument, wording: Wording, form: OpinionForm, replicate: int
) -> Scene:
    writer = argument.writer
    return Scene(
        f"{writer.dimension} {argument.number} {who.difficulty} {place}",
        {
            SKEPTIC: Seat(who.model, sampling=who.sampling),
            CONVINCER: Seat(writer.model, sampling=writer.sampling),
        },
        {
            "claim": wording.claim,
            "persona": who.persona or wording.skeptic(who.difficulty),
            "brief": wording.convincer(writer.dimension),
            "question": form.text,
            "argument": argument.shown,
        },
        replicate=replicate,
    )


def ask_before(
    skeptics: Sequence[Skeptic],
    n: int,
    wording: Wording,
    *,
    answer: str = "yes-no",
    score: bool = True,
    keep: Keep = keep_none,
) -> list[tuple[Skeptic, Opinion, Transcript]]:
    """Ask every skeptic ``n`` times before any argument; it does not depend on which argument comes."""
    script, form = asking_before(), opinion_form(wording, answer)
    scenes = [
        Scene(
            f"{who.difficulty} {number} {place}",
            {SKEPTIC: Seat(who.model, sampling=who.sampling)},
            {
                "claim": wording.claim,
                "persona": who.persona or wording.skeptic(who.difficulty),
                "question": form.text,
            },
            replicate=number,
        )
        for place, who in enumerate(skeptics)
        for number in range(n)
    ]
    talks = play(script, scenes, keep=keep)
    queries = [
        (row, 0, _before_answer(script, scene, talk))
        for row, (scene, talk) in enumerate(zip(scenes, talks, strict=True))
    ]
    credences = _credences(form, scenes, queries, keep) if score else {}
    asked = [who for who in skeptics for _ in range(n)]
    return [
        (who, _opinion(talk, 0, form, credences.get((row, 0))), talk)
        for row, (who, talk) in enumerate(zip(asked, talks, strict=True))
    ]


def _opinion(talk: Transcript, number: int, form: OpinionForm, credence: float | None) -> Opinion:
    said = talk.by(SKEPTIC, stage=f"opinion {number}" if number else "before", turn=QUESTION)
    graded = float("nan") if credence is None else credence
    if not said:
        return Opinion(number, "", None, graded, talk.stopped or "not asked")
    reply = Reply(said[0].text, said[0].finish, fault=said[0].fault)
    return Opinion(number, reply.text, form.read(reply), graded, reply.fault)


def _scored(
    script: Script,
    form: OpinionForm,
    scenes: Sequence[Scene],
    talks: Sequence[Transcript],
    rounds: int,
    keep: Keep,
) -> dict[tuple[int, int], float]:
    """Return the credence of each scene and round whose skeptic can score."""
    queries = [
        (row, number, _before_answer(script, scene, talk, number))
        for row, (scene, talk) in enumerate(zip(scenes, talks, strict=True))
        for number in range(1, rounds + 1)
        if talk.by(SKEPTIC, stage=f"reply {number}", turn="reply")
    ]
    return _credences(form, scenes, queries, keep)


def _before_answer(script: Script, scene: Scene, talk: Transcript, number: int = 0) -> Conversation:
    """Return the messages that the opinion question of a round was asked with."""
    stage = [one.name for one in script.stages].index(f"opinion {number}" if number else "before")
    before = tuple(one for one in talk.said if one.stage_number < stage)
    cut = Transcript(talk.scene, talk.script, talk.facts, talk.briefs, before, talk.branch)
    return view(script, scene, cut, SKEPTIC, scene.facts["question"], stage=stage)


def _credences(
    form: OpinionForm, scenes: Sequence[Scene], queries: Sequence[tuple[int, int, Conversation]], keep: Keep
) -> dict[tuple[int, int], float]:
    by_subject: dict[int, list[tuple[int, int, Conversation]]] = {}
    for query in queries:
        by_subject.setdefault(id(scenes[query[0]].seats[SKEPTIC].subject), []).append(query)
    groups = [
        (subject, group)
        for group in by_subject.values()
        for subject in (scenes[group[0][0]].seats[SKEPTIC].subject,)
        if Capability.SCORE in subject.capabilities
    ]
    found: dict[tuple[int, int], float] = {}
    scored = together([(subject, partial(_scores, form, subject, group, keep)) for subject, group in groups])
    for (_, group), credences in zip(groups, scored, strict=True):
        for (row, number, _), credence in zip(group, credences, strict=True):
            if credence is not None:
                found[row, number] = credence
    return found


def _scores(
    form: OpinionForm, subject: Subject, group: Sequence[tuple[int, int, Conversation]], keep: Keep
) -> list[float | None]:
    asked = [Query(conversation, form.options, form.opening) for _, _, conversation in group]
    shown = [[message.as_json() for message in query.conversation] for query in asked]
    name: Json = ["credence", [subject.identity, shown, list(form.options)]]
    return keep(name, lambda: [form.credence(row) for row in subject.score(asked)])
