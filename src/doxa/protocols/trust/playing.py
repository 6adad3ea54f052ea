"""A population that plays: each persona is asked once what it sends, with or without orderings to go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import polars as pl
from jaxtyping import Float

from doxa.belief.information import normalise_log_probs
from doxa.errors import InputError, did_you_mean
from doxa.protocols.trust.believing import TEMPERATURE
from doxa.protocols.trust.parsing import parse_amount, unanswered
from doxa.protocols.trust.text import BEFORE, NOBODY, Style, conditioning_text, play_prompt, profile_text
from doxa.streams import stream
from doxa.subjects.base import Capability, Conversation, Query, Reply, Sampling, Subject, require
from doxa.subjects.rehearsal import rehearsal_of
from doxa.subjects.together import samples
from doxa.worlds.money_game import MoneyGame
from doxa.worlds.personas import TEST_ATTRIBUTES
from doxa.worlds.trust_game import TrustGame

Method: TypeAlias = Literal["reply", "distribution"]
"""``reply`` reads the amount from a reply; ``distribution`` reads the chance of every amount where the number stands,
behind the beginning of the last sentence, and draws one."""
METHODS: tuple[Method, ...] = get_args(Method)
Progress = Callable[[int, int], None]

BATCH = 512


class Choice(NamedTuple):
    """What was sent after one prompt.

    Attributes:
        sent: whole dollars, None if unread.
        expected: mean of the distribution in dollars, None where a reply was read.
        text: the reply, raw; "" where the distribution was read.
        missing: why nothing could be read.
        retries: further replies that were asked for.
    """

    sent: int | None
    expected: float | None
    text: str
    missing: str
    retries: int = 0


def choose_amounts(
    model: Subject,
    prompts: Sequence[Conversation],
    game: MoneyGame,
    *,
    method: Method | str = "reply",
    style: Style = "bdi",
    seed: int = 0,
    names: tuple[str | int, ...] = ("trust", "play"),
    temperature: float = TEMPERATURE,
    max_tokens: int = 256,
    retries: int = 0,
    progress: Progress | None = None,
) -> list[Choice]:
    """Return what a subject sends after each prompt.

    Args:
        model: the subject.
        prompts: any.
        game: the rules, of the trust game where none are given.
        method: how the amount is read.
        style: how the answer was asked for.
        seed: of samples and draws.
        names: of the random stream; equal names give equal luck.
        temperature: of replies; a distribution is drawn from as it is.
        max_tokens: longest reply.
        retries: how often an unreadable reply is asked for again (the paper's way), then it is missing.
        progress: called with prompts done and prompts.

    Raises:
        InputError: an unknown method, or retries below 0.
    """
    if method not in METHODS:
        raise InputError(f"method={method!r}: {did_you_mean(method, METHODS)}")
    if retries < 0:
        raise InputError(f"retries={retries}: must be >= 0")
    found: list[Choice] = []
    for start in range(0, len(prompts), BATCH):
        part = prompts[start : start + BATCH]
        if method == "distribution":
            chances = amount_chances(model, part, game, style)
            found += _drawn(chances, seed, names, start)
        else:
            found += _replied(model, part, game, seed, names, temperature, max_tokens, retries)
        if progress is not None:
            progress(len(found), len(prompts))
    return found


def amount_chances(
    model: Subject, prompts: Sequence[Conversation], game: MoneyGame, style: Style = "bdi"
) -> Float[np.ndarray, "prompts amounts"]:
    """Return the probability of each whole amount where the number stands, among all that are allowed."""
    require(model, Capability.SCORE)
    opening = BEFORE[style].rstrip()
    options = tuple(f" {amount} dollars" for amount in range(game.endowment + 1))
    scores = model.score([Query(prompt, options, opening) for prompt in prompts])
    return np.exp(normalise_log_probs(np.stack(scores)))


def play_population(
    model: Subject,
    personas: pl.DataFrame,
    conditioning: Mapping[str, Sequence[str]] | None = None,
    *,
    game: MoneyGame | None = None,
    attributes: Sequence[str] = TEST_ATTRIBUTES,
    method: Method = "reply",
    style: Style = "bdi",
    seed: int = 0,
    branch: str = "",
    temperature: float = TEMPERATURE,
    max_tokens: int = 256,
    retries: int = 0,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Let every persona play one round with an unknown other.

    Args:
        model: the subject that plays them.
        personas: one row each, with ``agent_id``.
        conditioning: orderings to go by, most trusting level first, by attribute; None gives none.
        game: the rules, of the trust game where none are given.
        attributes: which the profile tells, in this order.
        method: how amounts are read, see :func:`choose_amounts`.
        style: of the prompt.
        seed: of samples and draws.
        branch: name of this play among others; another name gives other samples.
        temperature: of replies.
        max_tokens: longest reply.
        retries: of an unreadable reply.
        progress: called with personas done and personas.

    Returns:
        One row per persona: ``agent_id``, ``sent`` (whole dollars, null if unread), ``expected``, ``text``,
        ``missing``, ``retries``.
    """
    rules: MoneyGame = game or TrustGame()
    told = conditioning_text(conditioning, rules.trait) if conditioning else ""
    prompts = [
        play_prompt(profile_text(persona, attributes), rules, conditioning=told, style=style)
        for persona in personas.iter_rows(named=True)
    ]
    names = ("trust", "play", branch)
    choices = choose_amounts(
        model,
        prompts,
        rules,
        method=method,
        style=style,
        seed=seed,
        names=names,
        temperature=temperature,
        max_tokens=max_tokens,
        retries=retries,
        progress=progress,
    )
    return choices_frame(personas["agent_id"].to_list(), choices)


def play_nobody(
    model: Subject, n: int, *, game: MoneyGame | None = None, style: Style = "bdi", seed: int = 0, **more: int
) -> pl.DataFrame:
    """Return n plays without a persona, the baseline: repeated samples of one prompt; columns as of the population."""
    require(model, Capability.REPLY)
    rules: MoneyGame = game or TrustGame()
    prompt = play_prompt(NOBODY, rules, style=style)
    sampling = Sampling(1.0, more.get("max_tokens", 256), seed=seed, branch="trust/nobody")
    choices = [_read(model, reply, rules) for (reply,) in samples(model, [prompt], sampling, n)]
    return choices_frame([f"nobody-{sample}" for sample in range(n)], choices)


def choices_frame(agents: Sequence[str], choices: Sequence[Choice]) -> pl.DataFrame:
    """Return choices as a table."""
    return pl.DataFrame(
        {"agent_id": list(agents)}
        | {name: [getattr(one, name) for one in choices] for name in Choice._fields},
        schema={
            "agent_id": pl.String(),
            "sent": pl.Int64(),
            "expected": pl.Float64(),
            "text": pl.String(),
            "missing": pl.String(),
            "retries": pl.Int64(),
        },
    )


def _replied(
    model: Subject,
    prompts: Sequence[Conversation],
    game: MoneyGame,
    seed: int,
    names: tuple[str | int, ...],
    temperature: float,
    max_tokens: int,
    retries: int,
) -> list[Choice]:
    require(model, Capability.REPLY)
    found = [Choice(None, None, "", "")] * len(prompts)
    waiting = list(range(len(prompts)))
    for again in range(retries + 1):
        sampling = Sampling(
            temperature, max_tokens, seed=seed, sample=again, branch="/".join(map(str, names))
        )
        replies = model.reply([prompts[place] for place in waiting], sampling=sampling)
        for place, reply in zip(waiting, replies, strict=True):
            found[place] = _read(model, reply, game, again)
        waiting = [place for place in waiting if found[place].sent is None]
        if not waiting:
            break
    return found


def _read(model: Subject, reply: Reply, game: MoneyGame, retries: int = 0) -> Choice:
    if rehearsal_of(model) is not None:  # says nothing; games are counted as if every move could be read
        return Choice(game.endowment // 2, None, reply.text, "", retries)
    why = unanswered(reply)
    amount = parse_amount(reply.text, game)
    return Choice(None if why else amount.value, None, reply.text, why or amount.missing, retries)


def _drawn(
    chances: Float[np.ndarray, "prompts amounts"], seed: int, names: tuple[str | int, ...], start: int
) -> list[Choice]:
    luck = np.array([stream(seed, *names, start + row).random() for row in range(len(chances))])
    sent = np.minimum((chances.cumsum(1) <= luck[:, None]).sum(1), chances.shape[1] - 1)
    expected = chances @ np.arange(chances.shape[1])
    return [Choice(int(one), float(mean), "", "") for one, mean in zip(sent, expected, strict=True)]
