"""The protocol as scripts: the convincer's one argument, and a skeptic that reads it, answers and is asked.

1. Convincer: system = task and style; user = claim; it writes an argument.
2. Skeptic: system = persona; user = ""; assistant = claim; user = argument; it replies.
3. Skeptic, the same and its reply; user = opinion question; the answer begins with Yes or No.

Arguments are written once and read by every skeptic. The same question before any argument, which the paper does not
ask, tells what was changed. With several rounds the convincer hears the reply and argues again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from doxa.errors import InputError
from doxa.lab.parts import Keep, keep_none
from doxa.protocols.dialogue import Scene, Script, Seat, Stage, Transcript, Turn, play, view
from doxa.protocols.persuasion.dimensions import Wording
from doxa.protocols.persuasion.verdicts import breaks_role, parse_verdict
from doxa.subjects.base import Capability, Conversation, Query, Sampling, Subject

CONVINCER, SKEPTIC = "convincer", "skeptic"
QUESTION = "opinion"
YES_NO = ("Yes", "No")


def writing(retries: int = 0) -> Script:
    """Return the script of step 1.

    Args:
        retries: how often an argument that breaks its role is asked for again; the paper removed such ones.
    """
    turn = Turn(
        CONVINCER,
        "argument",
        prompt="{claim}",
        accept=(lambda text: not breaks_role(text)) if retries else None,
        retries=retries,
    )
    return Script("persuasion-writing", {CONVINCER: "{brief}"}, (Stage("argument", (turn,)),), label="{text}")


@cache
def reading(rounds: int = 1) -> Script:
    """Return the script of steps 2 and 3, the argument given.

    Args:
        rounds: exchanges of argument and reply, >= 1; with more than one the opinion is asked off the path after
            each, so that asking changes nothing that comes after.
    """
    if rounds < 1:
        raise InputError(f"rounds={rounds}: must be >= 1 exchange of argument and reply")
    stages = [Stage("claim", (Turn(SKEPTIC, "claim", text="{claim}", audience=()),))]
    for number in range(1, rounds + 1):
        last = rounds == 1
        # Whoever argues again has its claim and argument before it, as when it wrote the first.
        argument = (
            Turn(CONVINCER, "argument", prompt="{claim}", text="{argument}")
            if number == 1
            else Turn(CONVINCER, "argument")
        )
        stages += [
            Stage(f"argument {number}", (argument,)),
            Stage(f"reply {number}", (Turn(SKEPTIC, "reply"),)),
            Stage(
                f"opinion {number}",
                (
                    Turn(SKEPTIC, QUESTION, prompt="{question}", audience=())
                    if last
                    else Turn(SKEPTIC, QUESTION, prompt="{question}", audience=(), kept=None),
                ),
            ),
        ]
    return Script(
        f"persuasion-reading-{rounds}",
        {SKEPTIC: "{persona}", CONVINCER: "{brief}"},
        tuple(stages),
        label="{text}",
    )


def asking_before() -> Script:
    """Return the script that asks the skeptic before any argument."""
    stages = (
        Stage("claim", (Turn(SKEPTIC, "claim", text="{claim}", audience=()),)),
        Stage("before", (Turn(SKEPTIC, QUESTION, prompt="{question}", audience=()),)),
    )
    return Script("persuasion-before", {SKEPTIC: "{persona}"}, stages, label="{text}")


@dataclass(frozen=True)
class Convincer:
    """Who writes the arguments of a style."""

    model: Subject
    dimension: str
    sampling: Sampling


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
        convinced: what it says; None is unparsed.
        credence: P(Yes) / (P(Yes) + P(No)) at its first token, NaN where it was not scored.
        fault: why no answer came, or "".
    """

    round: int
    verdict: str
    convinced: bool | None
    credence: float
    fault: str = ""


@dataclass(frozen=True)
class DialogueRecord:
    """One argument read by one skeptic.

    Attributes:
        dimension, number: the style, and which of its arguments.
        difficulty: the skeptic.
        argument: the first argument; "" if the convincer said nothing.
        opinions: after each exchange.
        transcript: all that was said.
    """

    dimension: str
    number: int
    difficulty: str
    argument: str
    opinions: tuple[Opinion, ...]
    transcript: Transcript

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
        Scene(f"{who.dimension} {number}", seats, facts, replicate=number)
        for who in convincers
        for seats in ({CONVINCER: Seat(who.model, sampling=who.sampling)},)
        for facts in ({"claim": wording.claim, "brief": wording.convincer(who.dimension)},)
        for number in range(n)
    ]
    talks = play(writing(retries), scenes, keep=keep)
    return [talks[start : start + n] for start in range(0, len(talks), n)]


def read_arguments(
    arguments: Sequence[tuple[str, int, str]],
    skeptics: Sequence[Skeptic],
    convincer: Convincer,
    wording: Wording,
    *,
    rounds: int = 1,
    score: bool = True,
    keep: Keep = keep_none,
) -> list[DialogueRecord]:
    """Let every skeptic read every argument, all at once.

    Args:
        arguments: style, number and text; an empty text is read as a note that nothing was said, and stays counted.
        skeptics: who reads.
        convincer: who argues on, where there are several rounds; its style is that of each argument.
        wording: claim, personas and question.
        rounds: exchanges of argument and reply.
        score: read the credence from log-probabilities where the skeptic can score.
        keep: keeps the replies of subjects on this machine.
    """
    script = reading(rounds)
    seen: Counter[tuple[int, str]] = Counter()
    scenes: list[Scene] = []
    places: list[tuple[int, tuple[str, int, str]]] = []
    for place, who in enumerate(skeptics):
        seats = {
            SKEPTIC: Seat(who.model, sampling=who.sampling),
            CONVINCER: Seat(convincer.model, sampling=convincer.sampling),
        }
        for argument in arguments:
            dimension, number, text = argument
            shown = text if text.strip() else f"(no argument: {dimension} {number})"
            scenes.append(
                Scene(
                    f"{dimension} {number} {who.difficulty}",
                    seats,
                    {
                        "claim": wording.claim,
                        "persona": who.persona or wording.skeptic(who.difficulty),
                        "brief": wording.convincer(dimension),
                        "question": wording.question,
                        "argument": shown,
                    },
                    # Equal arguments are still two readings: the second is another draw.
                    replicate=seen[place, shown],
                )
            )
            seen[place, shown] += 1
            places.append((place, argument))
    talks = play(script, scenes, keep=keep)
    credences = _scored(script, scenes, talks, rounds, keep) if score else {}
    return [
        DialogueRecord(
            argument[0],
            argument[1],
            skeptics[place].difficulty,
            argument[2],
            tuple(_opinion(talk, number, credences.get((row, number))) for number in range(1, rounds + 1)),
            talk,
        )
        for row, ((place, argument), talk) in enumerate(zip(places, talks, strict=True))
    ]


def ask_before(
    skeptics: Sequence[Skeptic], n: int, wording: Wording, *, score: bool = True, keep: Keep = keep_none
) -> list[tuple[str, Opinion, Transcript]]:
    """Ask every skeptic ``n`` times before any argument; it does not depend on which argument comes."""
    script = asking_before()
    scenes = [
        Scene(
            f"{who.difficulty} {number}",
            {SKEPTIC: Seat(who.model, sampling=who.sampling)},
            {
                "claim": wording.claim,
                "persona": who.persona or wording.skeptic(who.difficulty),
                "question": wording.question,
            },
            replicate=number,
        )
        for who in skeptics
        for number in range(n)
    ]
    talks = play(script, scenes, keep=keep)
    queries = [
        (row, 0, _before_answer(script, scene, talk))
        for row, (scene, talk) in enumerate(zip(scenes, talks, strict=True))
    ]
    credences = _credences(scenes, queries, keep) if score else {}
    names = [who.difficulty for who in skeptics for _ in range(n)]
    return [
        (name, _opinion(talk, 0, credences.get((row, 0))), talk)
        for row, (name, talk) in enumerate(zip(names, talks, strict=True))
    ]


def _opinion(talk: Transcript, number: int, credence: float | None) -> Opinion:
    said = talk.by(SKEPTIC, stage=f"opinion {number}" if number else "before", turn=QUESTION)
    graded = float("nan") if credence is None else credence
    if not said:
        return Opinion(number, "", None, graded, talk.stopped or "not asked")
    return Opinion(number, said[0].text, parse_verdict(said[0].text), graded, said[0].fault)


def _scored(
    script: Script, scenes: Sequence[Scene], talks: Sequence[Transcript], rounds: int, keep: Keep
) -> dict[tuple[int, int], float]:
    """Return the credence of each scene and round whose skeptic can score."""
    queries = [
        (row, number, _before_answer(script, scene, talk, number))
        for row, (scene, talk) in enumerate(zip(scenes, talks, strict=True))
        for number in range(1, rounds + 1)
        if talk.by(SKEPTIC, stage=f"reply {number}", turn="reply")
    ]
    return _credences(scenes, queries, keep)


def _before_answer(script: Script, scene: Scene, talk: Transcript, number: int = 0) -> Conversation:
    """Return the messages that the opinion question of a round was asked with."""
    stage = [one.name for one in script.stages].index(f"opinion {number}" if number else "before")
    before = tuple(one for one in talk.said if one.stage_number < stage)
    cut = Transcript(talk.scene, talk.script, talk.facts, talk.briefs, before, talk.branch)
    return view(script, scene, cut, SKEPTIC, scene.facts["question"], stage=stage)


def _credences(
    scenes: Sequence[Scene], queries: Sequence[tuple[int, int, Conversation]], keep: Keep
) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    by_subject: dict[int, list[tuple[int, int, Conversation]]] = {}
    for query in queries:
        by_subject.setdefault(id(scenes[query[0]].seats[SKEPTIC].subject), []).append(query)
    for group in by_subject.values():
        subject = scenes[group[0][0]].seats[SKEPTIC].subject
        if Capability.SCORE not in subject.capabilities:
            continue
        asked = [Query(conversation, YES_NO) for _, _, conversation in group]
        name = [subject.identity, [[message.as_json() for message in query.conversation] for query in asked]]
        scores = keep(["credence", name], lambda s=subject, q=asked: [_finite(row) for row in s.score(q)])
        for (row, number, _), score in zip(group, scores, strict=True):
            if score is not None:
                found[row, number] = float(1.0 / (1.0 + np.exp(score[1] - score[0])))
    return found


def _finite(row: np.ndarray) -> list[float] | None:
    """Return two log-probabilities, or None where the subject named neither or only one of them."""
    return [float(value) for value in row] if np.all(np.isfinite(row)) else None


@dataclass(frozen=True)
class PersuasionDialogue:
    """One dialogue: an argument written, read by a skeptic, and both opinions.

    Attributes:
        convincer: who writes.
        skeptic: who reads.
        wording: claim, personas and question.
        rounds: exchanges of argument and reply.
    """

    convincer: Convincer
    skeptic: Skeptic
    wording: Wording
    rounds: int = 1

    def run(self, seed: int) -> tuple[Opinion, DialogueRecord]:
        """Return the opinion before the argument, and the dialogue; all draws hang on the seed."""
        convincer = replace(self.convincer, sampling=replace(self.convincer.sampling, seed=seed))
        skeptic = replace(self.skeptic, sampling=replace(self.skeptic.sampling, seed=seed))
        before = ask_before([skeptic], 1, self.wording)[0][1]
        said = write_arguments([convincer], 1, self.wording)[0][0].by(CONVINCER)
        text = said[0].text if said and not said[0].fault else ""
        argument = (convincer.dimension, 0, text)
        records = read_arguments([argument], [skeptic], convincer, self.wording, rounds=self.rounds)
        return before, records[0]
