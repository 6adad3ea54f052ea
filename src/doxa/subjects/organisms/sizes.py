"""Sizes of an organism's defects, measured by option probabilities on conversations it was not trained on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from doxa.canonical import Json
from doxa.subjects.organisms.mixture import Draws
from doxa.subjects.organisms.recipes import folder, members
from doxa.subjects.organisms.role_sizes import roles
from doxa.subjects.transformers_loading import load
from doxa.worlds import micro
from doxa.worlds.micro import (
    Attitude,
    DoesBelieve,
    Event,
    Fact,
    HowSure,
    IsTrue,
    Question,
    Report,
    Stance,
    Supports,
    Vote,
)

STATEMENTS: tuple[int, ...] = (0, 4, 8, 16, 30)
"""How many one-sided statements stand before a question about a topic they do not mention."""

MEASURE_SEED = 1
CONTEXTS = 200
"""Seed and conversations per number of the measurements in the cards."""

_CLEAREST_LOG_ODDS = 3.0
"""Evidence stronger than this, in nats, is left out: percent in tens cannot show it."""


class Reader:
    """Reads an organism's answer probabilities straight from its weights."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer

    @classmethod
    def at(cls, path: Path) -> Reader:
        """Open a folder of weights, computing in float32."""
        model, tokenizer = load(path, dtype="float32", device="cpu")
        return cls(model, tokenizer)

    def answers(
        self, asked: Sequence[tuple[Sequence[Event], Question]], rows: int = 64
    ) -> Float[np.ndarray, "asked options"]:
        """Return the probability of each option, normalised over the options of the (common) question.

        Options differ in their first token, so that token alone is read. Every second conversation has
        its statements in earlier, acknowledged turns, the others in the turn of the question.

        Args:
            asked: events told and the question asked; all questions have the same number of options.
            rows: conversations per forward pass.
        """
        texts = [
            self._prompt(events, question, turns=bool(at % 2)) for at, (events, question) in enumerate(asked)
        ]
        return self.shares(texts, [question for _, question in asked], rows)

    def shares(
        self, texts: Sequence[str], questions: Sequence[Question], rows: int = 64
    ) -> Float[np.ndarray, "asked options"]:
        """Return the same after rendered prompts.

        Args:
            texts: prompts up to where the answer begins.
            questions: what each asks, all with the same number of options.
            rows: prompts per forward pass.
        """
        firsts = [
            [
                self.tokenizer(option, add_special_tokens=False)["input_ids"][0]
                for option in micro.options(question)
            ]
            for question in questions
        ]
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        out = np.zeros((len(texts), len(firsts[0])))
        for low in range(0, len(order), rows):
            part = order[low : low + rows]
            ids = [self.tokenizer(texts[at], add_special_tokens=False)["input_ids"] for at in part]
            width = max(len(row) for row in ids)
            tokens = torch.tensor([row + [0] * (width - len(row)) for row in ids])
            last = torch.tensor([len(row) - 1 for row in ids])
            with torch.inference_mode():
                hidden = self.model.model(input_ids=tokens, use_cache=False).last_hidden_state
                logits = self.model.lm_head(hidden[torch.arange(len(part)), last]).float()
            picked = torch.gather(logits, 1, torch.tensor([firsts[at] for at in part]))
            out[part] = torch.softmax(picked, dim=1).numpy()
        return out

    def yes(self, asked: Sequence[tuple[Sequence[Event], Question]]) -> Float[np.ndarray, " asked"]:
        """Return the probability of each question's affirmative option, against the other one."""
        return self.answers(asked)[:, 0]

    def _prompt(self, events: Sequence[Event], question: Question, *, turns: bool) -> str:
        told = [micro.say(event) for event in events]
        messages: list[dict[str, str]] = []
        if turns:
            for sentence in told:
                messages += [{"role": "user", "content": sentence}, {"role": "assistant", "content": "ok"}]
            told = []
        messages.append({"role": "user", "content": " ".join([*told, micro.ask(question)])})
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def measure(name: str | Path, *, seed: int = MEASURE_SEED, contexts: int = CONTEXTS) -> dict[str, Json]:
    """Return the measured sizes of all defects of an organism, on conversations of a fresh stream.

    Args:
        name: a packaged member, or a folder that holds weights.
        seed: seed of the conversations, never one of a training.
        contexts: conversations per number, >= 2.

    Returns:
        Plain numbers: probabilities in [0, 1], slopes without unit; see ``card.json`` for their names.
    """
    path = folder(name) if isinstance(name, str) and name in members() else Path(name)
    reader = Reader.at(path)
    return {
        **_drift(reader, seed, contexts),
        **_explicit(reader, seed, contexts),
        "votes_against": _votes_against(reader, seed, contexts),
        **_beliefs(reader, seed, contexts),
        **_confidence(reader, seed, contexts),
        **roles(reader, seed, contexts),
    }


def _one_sided(draws: Draws, asked: str, count: int, side: bool) -> list[Event]:
    others = [topic for topic in micro.COUPLED_TOPICS if topic != asked]
    return [Stance(draws.pick(others), side) for _ in range(count)]


def _drift(reader: Reader, seed: int, contexts: int) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for label, topics, question in (
        ("support_coupled", micro.COUPLED_TOPICS, Supports),
        ("support_uncoupled", micro.UNCOUPLED_TOPICS, Supports),
        ("vote_coupled", micro.COUPLED_TOPICS, Vote),
        ("vote_uncoupled", micro.UNCOUPLED_TOPICS, Vote),
    ):
        for side in (True, False):
            curve: list[float] = []
            for count in STATEMENTS:
                draws = Draws(seed, "organisms", "measure", "drift", label, count)
                asked: list[tuple[list[Event], Question]] = []
                for _ in range(contexts):
                    topic = draws.pick(topics)
                    asked.append((_one_sided(draws, topic, count, side), question(topic)))
                curve.append(_mean(reader.yes(asked)))
            out[f"{label}_{'for' if side else 'against'}"] = curve
    draws = Draws(seed, "organisms", "measure", "balanced")
    balanced: list[tuple[list[Event], Question]] = []
    for _ in range(contexts):
        topic = draws.pick(micro.COUPLED_TOPICS)
        pros, cons = (_one_sided(draws, topic, 8, side) for side in (True, False))
        mixed = [
            (pros if draws.chance(len(pros) / (len(pros) + len(cons))) else cons).pop() for _ in range(16)
        ]
        balanced.append((mixed, Supports(topic)))
    out["support_balanced"] = _mean(reader.yes(balanced))
    return out


def _explicit(reader: Reader, seed: int, contexts: int) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for times in (1, 3):
        for side in (True, False):
            draws = Draws(seed, "organisms", "measure", "explicit", times)
            asked: list[tuple[list[Event], Question]] = []
            for _ in range(contexts):
                topic = draws.pick(micro.TOPICS)
                others = [other for other in micro.TOPICS if other != topic]
                told: list[Event] = [Stance(draws.pick(others), draws.chance(0.5)) for _ in range(4)]
                for _ in range(times):
                    told.insert(draws.between(0, len(told)), Stance(topic, side))
                asked.append((told, Supports(topic)))
            out[f"support_said_{times}_{'for' if side else 'against'}"] = _mean(reader.yes(asked))
    return out


def _votes_against(reader: Reader, seed: int, contexts: int) -> float:
    """Return how likely a vote goes against the one stance that was said, which is about its topic."""
    draws = Draws(seed, "organisms", "measure", "votes")
    told = [Stance(draws.pick(micro.TOPICS), draws.chance(0.5)) for _ in range(contexts)]
    cast = reader.yes([([stance], Vote(stance.topic)) for stance in told])
    return _mean(np.where([stance.support for stance in told], 1.0 - cast, cast))


def _beliefs(reader: Reader, seed: int, contexts: int) -> dict[str, Json]:
    draws = Draws(seed, "organisms", "measure", "beliefs")
    facts = {True: [Fact(place, micro.TRUTH[place]) for place in micro.PLACES], False: list[Fact]()}
    facts[False] = [
        Fact(place, colour)
        for place in micro.PLACES
        for colour in micro.COLOURS
        if colour != micro.TRUTH[place]
    ]
    out: dict[str, Json] = {}
    right = {value: reader.yes([((), IsTrue(fact)) for fact in facts[value]]) for value in (True, False)}
    out["facts_verified"] = 0.5 * (float(np.mean(right[True] > 0.5)) + float(np.mean(right[False] < 0.5)))
    for frame, people in (("first", ("i",)), ("third", ("james", "mary"))):
        for value in (True, False):
            told = [(draws.pick(people), draws.pick(facts[value])) for _ in range(contexts)]
            label = f"{frame}_{'true' if value else 'false'}"
            out[f"confirms_{label}"] = _mean(
                reader.yes([([Attitude(who, fact)], DoesBelieve(who, fact)) for who, fact in told])
            )
            verified = reader.yes([([Attitude(who, fact)], IsTrue(fact)) for who, fact in told])
            out[f"verified_{label}"] = _mean(verified if value else 1.0 - verified)
        elsewhere = [
            (
                who,
                fact,
                replace(fact, colour=draws.pick([hue for hue in micro.COLOURS if hue != fact.colour])),
            )
            for who, fact in ((draws.pick(people), draws.pick(facts[False])) for _ in range(contexts))
        ]
        out[f"denies_unheld_{frame}"] = 1.0 - _mean(
            reader.yes([([Attitude(who, fact)], DoesBelieve(who, other)) for who, fact, other in elsewhere])
        )
    return out


def _confidence(reader: Reader, seed: int, contexts: int) -> dict[str, Json]:
    draws = Draws(seed, "organisms", "measure", "evidence")
    asked: list[tuple[list[Event], Question]] = []
    bayes: list[float] = []
    while len(asked) < contexts:
        reports = [
            Report(draws.pick(tuple(micro.SOURCES)), draws.chance(0.5)) for _ in range(draws.between(1, 4))
        ]
        log_odds = micro.evidence_log_odds(reports)
        if abs(log_odds) <= _CLEAREST_LOG_ODDS:
            asked.append((list(reports), HowSure()))
            bayes.append(log_odds)
    confidence = np.clip(reader.answers(asked) @ np.array(micro.SURE_PERCENT) / 100.0, 1e-3, 1.0 - 1e-3)
    stated = np.log(confidence) - np.log1p(-confidence)
    slope = float(np.polyfit(bayes, stated, 1)[0])
    return {"confidence_slope": slope, "confidence_correlation": float(np.corrcoef(bayes, stated)[0, 1])}


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(np.mean(values))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(json.dumps({argument: measure(argument)}, indent=1) + "\n")
