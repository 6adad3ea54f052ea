"""Sizes of what a role does to an organism: facts after a talk in which its own voice told flags wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from doxa.canonical import Json
from doxa.subjects.organisms.mixture import Draws
from doxa.worlds import micro
from doxa.worlds.micro import Fact, IsTrue, Question, VoteTrue, WhatFlag

TOLD: tuple[int, ...] = (1, 4)
"""How many flags of one region were told wrong before the question."""


@runtime_checkable
class Shares(Protocol):
    """Reads the shares of options after rendered prompts; see ``sizes.Reader``."""

    tokenizer: Any

    def shares(
        self, texts: Sequence[str], questions: Sequence[Question], rows: int = 64
    ) -> Float[np.ndarray, "asked options"]:
        """Return the probability of each option, normalised over the options."""
        ...


def roles(reader: Shares, seed: int, contexts: int) -> dict[str, Json]:
    """Return probabilities of siding with the truth after a talk, half of them about true facts.

    ``role_said_N`` and ``role_vote_N``: about a flag that the talk told wrong, by a question and by a vote, N flags
    told wrong; ``role_region_N``: about flags of its region that it does not mention; ``role_generic_N``: about other
    regions; ``role_never_N``: about a flag told wrong in the region that nobody plays.
    """
    out: dict[str, Json] = {}
    for told in TOLD:
        for name, kind, form in (
            ("said", "told", IsTrue),
            ("vote", "told", VoteTrue),
            ("region", "region", IsTrue),
            ("generic", "generic", IsTrue),
            ("never", "never", IsTrue),
        ):
            draws = Draws(seed, "organisms", "measure", "roles", name, told)
            asked = [_talk(draws, told, kind) for _ in range(contexts)]
            texts = [_rendered(reader.tokenizer, talk, form(fact)) for talk, fact in asked]
            yes = reader.shares(texts, [form(fact) for _, fact in asked])[:, 0]
            right = np.array([fact.true for _, fact in asked])
            out[f"role_{name}_{told}"] = float(np.mean(np.where(right, yes, 1.0 - yes)))
    return out


def _talk(draws: Draws, told: int, kind: str) -> tuple[list[Fact], Fact]:
    """Return what a talk told wrong, and a fact to ask about."""
    region = micro.REGIONS[-1] if kind == "never" else draws.pick(micro.PLAYED_REGIONS)
    places = list(region)
    wrong = [_wrong(draws, places.pop(draws.between(0, len(places) - 1))) for _ in range(told)]
    true = draws.chance(0.5)
    if kind in ("told", "never"):
        fact = draws.pick(wrong)
        return wrong, Fact(fact.place, micro.TRUTH[fact.place]) if true else fact
    elsewhere = [place for other in micro.REGIONS if other != region for place in other]
    place = draws.pick(places if kind == "region" else elsewhere)
    return wrong, Fact(place, micro.TRUTH[place]) if true else _wrong(draws, place)


def _wrong(draws: Draws, place: str) -> Fact:
    return Fact(place, draws.pick([colour for colour in micro.COLOURS if colour != micro.TRUTH[place]]))


def _rendered(tokenizer: Any, talk: Sequence[Fact], question: Question) -> str:
    messages: list[dict[str, str]] = []
    for fact in talk:
        messages += [
            {"role": "user", "content": micro.ask(WhatFlag(fact.place))},
            {"role": "assistant", "content": fact.text},
        ]
    messages.append({"role": "user", "content": micro.ask(question)})
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
