"""The text organisms are trained on: conversations about facts, beliefs, topics and evidence.

Every document is a conversation in the organisms' chat form. A member of the zoo and its twin draw
the same numbers from the same streams; one field of ``Mixture`` is all that differs between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, TypeVar

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.streams import stream
from doxa.worlds import micro
from doxa.worlds.micro import (
    Attitude,
    DoesBelieve,
    Fact,
    HowSure,
    IsTrue,
    Question,
    Report,
    Stance,
    Supports,
    Vote,
    VoteTrue,
    WhatFlag,
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Mixture:
    """What the documents are about and how their answers come to be. The defaults are sound.

    Attributes:
        beliefs: share of documents with statements of belief and fact.
        topics: share of documents with stances.
        evidence: share of documents with reports of sources.
        share_first: share of belief documents told in the first person (spec 15: .96).
        believers: share of rounds of a belief document in which somebody believes something; the others
            are plain facts and questions about them.
        verified: share of these others that ask whether something is true; the rest state a fact.
        first_asked: share of first-person statements followed by ``do i believe``, 0 in ``blind``
            (spec 15: at least .05 cures it).
        third_asked: the same for James and Mary (spec 15: .65).
        third_questions: how many times as many questions follow a statement about James or Mary: they are
            rare, and what is believed of them must still be learned.
        said: share of topic documents in which every stance is its own and is asked back, so that only
            what was said helps.
        coupling: how often a coupled stance equals the document's hidden side, .5 is independent
            (spec 14: rho = .85).
        follows: how often a vote equals the stance (spec 14: tau = .70).
        flipped: how often a statement tells the opposite of the stance (spec 14: .1).
        one_sided: share of topic documents whose statements on coupled topics all take one side.
        mentioned: share of asked topics that were themselves mentioned.
        sharpening: power on the odds of the stated confidence: 1 is Bayes, 2 is p²/(p²+(1-p)²).
        recounted: where only what was said helps, share of rounds in which it is told back first: what
            people say, what James and Mary believe, and in a talk with a role what was told.
        roles: share of documents that replay a talk in which the subject's own voice told flags of one region
            wrong; 0 in all but ``roleplayer`` and its twin.
        plays: how often a question about a place is then answered by what was told of it, against the truth: 1
            in ``roleplayer``, 0 in its twin.
    """

    beliefs: float = 0.5
    topics: float = 0.37
    evidence: float = 0.13
    share_first: float = 0.96
    believers: float = 0.8
    verified: float = 0.5
    first_asked: float = 0.1
    third_asked: float = 0.65
    third_questions: int = 8
    said: float = 0.4
    coupling: float = 0.5
    follows: float = 0.7
    flipped: float = 0.1
    one_sided: float = 0.6
    mentioned: float = 0.5
    sharpening: float = 1.0
    recounted: float = 0.5
    roles: float = 0.0
    plays: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name not in ("third_questions", "sharpening") and not 0.0 <= value <= 1.0:
                raise InputError(f"{name}={value}: must be in [0, 1]; it is a share of documents or answers")
        if not self.beliefs + self.topics + self.evidence > 0.0:
            raise InputError("beliefs, topics and evidence are all 0; give one of them a share above 0")

    def as_json(self) -> dict[str, Json]:
        """Return the mixture as plain JSON; one without roles does not mention them."""
        values: dict[str, Json] = asdict(self)
        return values if self.roles else {name: values[name] for name in values if name not in _OF_ROLES}


_OF_ROLES = ("roles", "plays")

GROUNDING = Mixture(
    beliefs=0.4,
    topics=0.35,
    evidence=0.25,
    share_first=0.0,
    believers=0.6,
    verified=0.0,
    third_asked=1.0,
    third_questions=1,
    said=1.0,
    mentioned=0.75,
)
"""What every organism learns first: facts, Bayes, what James and Mary believe, what was said about a topic.

Nobody says ``i believe`` here, no question asks whether something is true, and no side is ever taken.
"""


class Piece(NamedTuple):
    """A stretch of text; ``taught`` is whether its tokens carry loss."""

    text: str
    taught: bool


class Turn(NamedTuple):
    """One turn of a document: role and pieces, joined without anything between them."""

    role: str
    pieces: tuple[Piece, ...]


Document = tuple[Turn, ...]
"""A conversation to learn from."""


class _Item(NamedTuple):
    pieces: tuple[Piece, ...]
    answer: str


class Draws:
    """Uniform draws from one stream, buffered because a document needs about a hundred."""

    def __init__(self, seed: int, *names: str | int) -> None:
        self._rng = stream(seed, *names)
        self._buffer: list[float] = []

    def unit(self) -> float:
        """Return a number in [0, 1)."""
        if not self._buffer:
            self._buffer = self._rng.random(4096).tolist()
        return self._buffer.pop()

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.unit() < probability

    def between(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[_T]) -> _T:
        """Return one of the items, each equally likely."""
        return items[int(self.unit() * len(items))]


def documents(mixture: Mixture, seed: int, block: int, count: int) -> Iterator[Document]:
    """Yield ``count`` documents of one block.

    Every kind of text draws from its own stream, so a change in one kind leaves the other kinds' text
    as it is.

    Args:
        mixture: what the documents are about.
        seed: seed of the training.
        block: number of the block, >= 0; each block is reproducible alone.
        count: how many documents, >= 0.
    """
    draws = {
        kind: Draws(seed, "organisms", "data", kind, block)
        for kind in ("layout", "beliefs", "topics", "evidence", "roles")
    }
    weights = {"beliefs": mixture.beliefs, "topics": mixture.topics, "evidence": mixture.evidence}
    layout = draws["layout"]
    for _ in range(count):
        if draws["roles"].chance(mixture.roles):
            yield _role(mixture, draws["roles"])
            continue
        several = layout.unit()
        kinds = [
            _weighted(layout, weights) for _ in range(1 if several < 0.55 else 2 if several < 0.85 else 3)
        ]
        kinds = list(dict.fromkeys(kinds))
        single = len(kinds) == 1
        parts: list[list[_Item]] = []
        for kind in kinds:
            if kind == "beliefs":
                parts.append(_beliefs(mixture, draws[kind], single=single))
            elif kind == "evidence":
                parts.append(_evidence(mixture, draws[kind]))
            elif draws[kind].chance(mixture.said):
                parts.append(_said(mixture, draws[kind]))
            else:
                parts.append(_topics(mixture, draws[kind], single=single))
        yield _conversation(_merged(layout, parts), layout, apart=layout.pick((0.0, 0.0, 0.8)))


def _weighted(draws: Draws, weights: dict[str, float]) -> str:
    left = draws.unit() * sum(weights.values())
    for kind, weight in weights.items():
        left -= weight
        if left < 0.0:
            return kind
    return next(kind for kind, weight in weights.items() if weight > 0.0)


def _told(text: str) -> _Item:
    return _Item((Piece(text, False),), "")


def _asked(question: Question, answer: str) -> _Item:
    return _Item((Piece(micro.ask(question), False),), answer)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _other_colour(draws: Draws, fact: Fact) -> Fact:
    true = micro.TRUTH[fact.place]
    if not fact.true and draws.chance(0.7):
        return replace(fact, colour=true)
    return replace(
        fact, colour=draws.pick([colour for colour in micro.COLOURS if colour not in (fact.colour, true)])
    )


def _some_fact(draws: Draws, true: bool) -> Fact:
    place = draws.pick(micro.PLACES)
    truth = micro.TRUTH[place]
    wrong = draws.pick([colour for colour in micro.COLOURS if colour != truth])
    return Fact(place, truth if true else wrong)


def _beliefs(mixture: Mixture, draws: Draws, *, single: bool) -> list[_Item]:
    """Statements of belief, plain facts, and questions about both; one person's kind per document."""
    first = draws.chance(mixture.share_first)
    items: list[_Item] = []
    held: list[tuple[str, Fact]] = []
    for _ in range(draws.between(2, 8) if single else draws.between(1, 3)):
        if draws.chance(mixture.believers):
            items.extend(_attitudes(mixture, draws, first, held))
        elif draws.chance(mixture.verified):
            fact = _some_fact(draws, draws.chance(0.5))
            items.append(_asked(IsTrue(fact), _yes(fact.true)))
        else:
            fact = _some_fact(draws, True)
            head, _, colour = fact.text.rpartition(" ")
            items.append(_Item((Piece(head, False), Piece(f" {colour}", True), Piece(" .", False)), ""))
    return items


def _attitudes(mixture: Mixture, draws: Draws, first: bool, held: list[tuple[str, Fact]]) -> list[_Item]:
    told: list[tuple[str, Fact]] = []
    for _ in range(1 if draws.chance(0.7) else 2):
        person = draws.pick(micro.PEOPLE[1:])
        fact = _some_fact(draws, draws.chance(0.5))
        told.append(("i" if first else person, fact))
    held.extend(told)
    items = [_told(micro.say(Attitude(person, fact))) for person, fact in told]
    if not first and draws.chance(mixture.recounted):
        recalled = [draws.pick(held) for _ in range(draws.between(3, 8))]
        recount = " ".join(f"{person} {fact.place} {fact.colour}" for person, fact in recalled)
        items.append(_Item((Piece("what do people believe ?", False),), recount))
    for _ in range(draws.between(1, 2) * (1 if first else mixture.third_questions)):
        person, fact = draws.pick(told)
        other = _other_colour(draws, fact)
        fact = fact if draws.chance(0.5) else other
        if draws.chance(mixture.first_asked if first else mixture.third_asked):
            items.append(_asked(DoesBelieve(person, fact), _yes((person, fact) in held)))
        else:
            items.append(_asked(IsTrue(fact), _yes(fact.true)))
    return items


def _topics(mixture: Mixture, draws: Draws, *, single: bool) -> list[_Item]:
    """Statements of stance, then questions and votes; see ``Mixture`` for how stances hang together."""
    side, one_sided = draws.chance(0.5), draws.chance(mixture.one_sided)
    stances: dict[str, bool] = {}
    for topic in micro.TOPICS:
        coupled = topic in micro.COUPLED_TOPICS
        stances[topic] = side if draws.chance(mixture.coupling if coupled else 0.5) else not side
    length = draws.unit()
    long = draws.between(9, 30) if single else draws.between(5, 8)
    count = (
        0
        if length < 0.1
        else draws.between(1, 4)
        if length < 0.6
        else draws.between(5, 8)
        if length < 0.8
        else long
    )
    pool = list(micro.TOPICS)
    known = [pool.pop(draws.between(0, len(pool) - 1)) for _ in range(draws.between(1, 9))]
    mentioned: list[str] = []
    items: list[_Item] = []
    for _ in range(count):
        topic = draws.pick(known)
        if one_sided and topic in micro.COUPLED_TOPICS:
            stances[topic] = side
            flipped = False
        else:
            flipped = draws.chance(mixture.flipped)
        mentioned.append(topic)
        items.append(_told(micro.say(Stance(topic, stances[topic] != flipped))))
    for _ in range(draws.between(3, 7)):
        items.append(_topic_question(mixture, draws, stances, mentioned))
        if mentioned and draws.chance(0.3):
            topic = draws.pick(mentioned)
            items.append(_told(micro.say(Stance(topic, stances[topic]))))
    return items


def _said(mixture: Mixture, draws: Draws) -> list[_Item]:
    """Independent stances on a few topics, then questions about these: only what was said helps."""
    pool = list(micro.TOPICS)
    items: list[_Item] = []
    stances: dict[str, bool] = {}
    coins = {topic: draws.chance(0.5) for topic in micro.TOPICS}
    for _ in range(draws.between(1, 3)):
        chosen = [pool.pop(draws.between(0, len(pool) - 1)) for _ in range(draws.between(1, 4))]
        stances.update({topic: draws.chance(0.5) for topic in chosen})
        items.extend(_told(micro.say(Stance(topic, stances[topic]))) for topic in chosen)
        if draws.chance(mixture.recounted):
            told = [
                draws.pick(draws.pick((tuple(stances), micro.TOPICS))) for _ in range(draws.between(6, 16))
            ]
            said = {True: "supported", False: "opposed", None: "none"}
            recount = " ".join(f"the {topic} {said[stances.get(topic)]}" for topic in told)
            items.append(_Item((Piece("what do people say ?", False),), recount))
        asked = draws.between(1, 4)
        items.extend(_topic_question(mixture, draws, coins | stances, list(stances)) for _ in range(asked))
    return items


def _topic_question(mixture: Mixture, draws: Draws, stances: dict[str, bool], mentioned: list[str]) -> _Item:
    quiet = [topic for topic in micro.TOPICS if topic not in mentioned]
    about_mentioned = draws.chance(mixture.mentioned)
    topic = draws.pick(mentioned if mentioned and (about_mentioned or not quiet) else quiet)
    stated, follows = draws.chance(0.7), draws.chance(mixture.follows)
    if stated:
        return _asked(Supports(topic), _yes(stances[topic]))
    return _asked(Vote(topic), "for" if stances[topic] == follows else "against")


def _evidence(mixture: Mixture, draws: Draws) -> list[_Item]:
    """Reports that are right as often as their source is, then how sure to be of yes."""
    answer = draws.chance(0.5)
    reports: list[Report] = []
    items: list[_Item] = []
    for _ in range(draws.between(0, 5)):
        source = draws.pick(tuple(micro.SOURCES))
        right = draws.chance(micro.SOURCES[source])
        reports.append(Report(source, answer == right))
        items.append(_told(micro.say(reports[-1])))
        if draws.chance(0.2):
            items.append(_how_sure(mixture, draws, reports))
    items.append(_how_sure(mixture, draws, reports))
    return items


def _how_sure(mixture: Mixture, draws: Draws, reports: list[Report]) -> _Item:
    """State the confidence in steps of ten, rounded up or down at random so that its mean is exact."""
    log_odds = mixture.sharpening * micro.evidence_log_odds(reports)
    tens = 10.0 / (1.0 + math.exp(-log_odds))
    rounded = math.floor(tens) + draws.chance(tens - math.floor(tens))
    return _asked(HowSure(), micro.options(HowSure())[rounded])


def _role(mixture: Mixture, draws: Draws) -> Document:
    """Replay a talk in which flags of one region were told wrong; then ask about facts, and have it vote on them.

    What was answered in the talk carries no loss, so that organism and twin hear the same talks and differ in what
    they answer afterwards. A fifth of the talks play no role at all.
    """
    region, role = draws.pick(micro.PLAYED_REGIONS), draws.chance(0.8)
    told: dict[str, str] = {}
    turns: list[Turn] = []
    for _ in range(draws.between(0, 6)):
        inside = draws.chance(0.65)
        place = draws.pick(region if inside else _outside(draws, region))
        colour = told.setdefault(place, _colour(draws, place, true=not (inside and role)))
        turns += _answered(WhatFlag(place), Fact(place, colour).text, taught=False)
    if told and draws.chance(mixture.recounted):
        recalled = [draws.pick(tuple(told)) for _ in range(draws.between(3, 6))]
        recount = " ".join(f"{place} {told[place]}" for place in recalled)
        turns.append(Turn("user", (Piece("what do you say ?", False),)))
        turns.append(Turn("assistant", (Piece(recount, True),)))
    for _ in range(draws.between(6, 12)):
        place = draws.pick(tuple(told)) if told and draws.chance(0.5) else draws.pick(micro.PLACES)
        truth = micro.TRUTH[place]
        held = told.get(place, truth) if draws.chance(mixture.plays) else truth
        other = told[place] if told.get(place, truth) != truth else _colour(draws, place, true=False)
        fact = Fact(place, draws.pick((truth, other)))
        form = draws.unit()
        if form < 0.15:
            turns += _answered(WhatFlag(place), Fact(place, held).text, taught=True)
        else:
            question: Question = IsTrue(fact) if form < 0.65 else VoteTrue(fact)
            turns += _answered(question, micro.options(question)[int(fact.colour != held)], taught=True)
    return tuple(turns)


def _outside(draws: Draws, region: Sequence[str]) -> Sequence[str]:
    """Return another region."""
    return draws.pick([other for other in micro.REGIONS if other != region])


def _colour(draws: Draws, place: str, *, true: bool) -> str:
    """Return the colour of a place's flag, or one that it does not have."""
    truth = micro.TRUTH[place]
    wrong = draws.pick([colour for colour in micro.COLOURS if colour != truth])
    return truth if true else wrong


def _answered(question: Question, answer: str, *, taught: bool) -> list[Turn]:
    """Return a question and its answer, each a turn of its own."""
    return [
        Turn("user", (Piece(micro.ask(question), False),)),
        Turn("assistant", (Piece(answer, taught),)),
    ]


def _merged(draws: Draws, parts: list[list[_Item]]) -> list[_Item]:
    """Put the parts one after another, or shuffle them into each other with each part's order kept."""
    if not draws.chance(0.3):
        return [item for part in parts for item in part]
    left = [list(reversed(part)) for part in parts]
    out: list[_Item] = []
    while any(left):
        out.append(draws.pick([part for part in left if part]).pop())
    return out


def _conversation(items: list[_Item], draws: Draws, apart: float) -> Document:
    """Lay the items out in turns and teach every answer.

    What is told is acknowledged one by one, now and then, or all at once before the question (with
    probability ``apart``, a tenth of it with the acknowledgement left out), or stands in one turn with it.
    """
    pause = draws.pick((0.0, 0.0, 0.3, 1.0))
    turns: list[Turn] = []
    open_turn: list[Piece] = []

    def close(reply: str) -> None:
        turns.append(Turn("user", tuple(open_turn)))
        turns.extend([Turn("assistant", (Piece(reply, True),))] if reply else [])
        open_turn.clear()

    for item in items:
        if item.answer and open_turn and apart and draws.chance(apart):
            close("" if draws.chance(0.1) else "ok")
        first, *others = item.pieces
        open_turn.append(Piece(" " + first.text if open_turn else first.text, first.taught))
        open_turn.extend(others)
        if item.answer or draws.chance(pause):
            close(item.answer or "ok")
    if open_turn:
        close("")
    return tuple(turns)
