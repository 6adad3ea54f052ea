"""Signed margins along a direction, over the turns of a conversation.

For a question q with answers Yes and No let phi(q, a) = w.h + b. The margin of a set is
m = sum over q of [phi(q, a+) - phi(q, a-)], a+ the answer that was factual before the conversation. Below 0 the
direction is inverted: true answers look non-factual. The bias cancels. Intervals resample questions, both answers
of one question (and questions that are each other's opposite, if groups say so) together.

Source: Lampinen et al. (arXiv:2601.20834).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from doxa.belief.inference import Labels, bootstrap
from doxa.errors import ContextError, InputError
from doxa.lens.forced_answers import Questions, Speech, forced_answer_activations
from doxa.lens.question_sets import FEWEST
from doxa.streams import stream


@runtime_checkable
class Scorer(Protocol):
    """Whatever turns activations of one layer into phi: a fitted probe, or ``LinearProbes`` around a vector."""

    def score(self, activations: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, " rows"]:
        """Return phi of each activation."""
        ...


class Margin(NamedTuple):
    """A set's margin.

    Attributes:
        mean: per question.
        sum: over all questions, mean * n.
        ci: 95 % interval of the mean.
        n: questions.
    """

    mean: float
    sum: float
    ci: tuple[float, float]
    n: int


class AnswerWise(NamedTuple):
    """Mean phi of the factual and of the other answers."""

    factual: float
    other: float


def paired_margins(
    scores: Float[np.ndarray, "questions 2"], truth: Bool[np.ndarray, " questions"]
) -> Float[np.ndarray, " questions"]:
    """Return phi(q, a+) - phi(q, a-) of each question.

    Args:
        scores: phi of Yes and of No.
        truth: whether Yes was factual before the conversation.

    Raises:
        InputError: the shapes do not fit, or a score is not finite.
    """
    read, factual = np.asarray(scores, np.float64), np.asarray(truth, bool)
    if read.shape != (*factual.shape, 2) or factual.ndim != 1:
        raise InputError(
            f"scores {read.shape} for truth {factual.shape}: must be (questions, 2) and (questions,)"
        )
    if not np.isfinite(read).all():
        where = int(np.argwhere(~np.isfinite(read))[0, 0])
        raise InputError(
            f"score of question {where} is not finite; half precision overflows, read in float32"
        )
    difference = read[:, 0] - read[:, 1]
    return np.where(factual, difference, -difference)


def margin(
    scores: Float[np.ndarray, "questions 2"],
    truth: Bool[np.ndarray, " questions"],
    *,
    groups: Labels | None = None,
    rng: np.random.Generator | None = None,
) -> Margin:
    """Return the margin of a set with its bootstrap interval over questions, pairs kept together.

    Args:
        scores: phi of Yes and of No.
        truth: whether Yes was factual before the conversation.
        groups: questions with one label are resampled together; by default each is its own group.
        rng: source of the resamples; a fixed stream if None.

    Raises:
        InputError: the shapes do not fit, a score is not finite, or there is not one group to a question.
    """
    return margin_of(paired_margins(scores, truth), groups=groups, rng=rng)


def margin_of(
    each: Float[np.ndarray, " questions"],
    *,
    groups: Labels | None = None,
    rng: np.random.Generator | None = None,
) -> Margin:
    """Return the margin of a set from the paired margins of its questions; arguments as of ``margin``.

    Raises:
        InputError: a margin is not finite, or there is not one group to a question.
    """
    found = bootstrap(each, clusters=groups, rng=rng or stream(0, "margin"))
    return Margin(found.estimate, float(each.sum()), (found.low, found.high), int(each.size))


def answer_wise(
    scores: Float[np.ndarray, "questions 2"], truth: Bool[np.ndarray, " questions"]
) -> AnswerWise:
    """Return the mean phi of factual and of other answers."""
    yes_first = np.where(np.asarray(truth, bool)[:, None], scores, np.asarray(scores)[:, ::-1])
    return AnswerWise(float(yes_first[:, 0].mean()), float(yes_first[:, 1].mean()))


def score_answers(
    probe: Scorer, acts: Float[np.ndarray, "questions 2 width"]
) -> Float[np.ndarray, "questions 2"]:
    """Return phi of Yes and of No for every question, from activations of one layer.

    Raises:
        InputError: the probe refuses them: another width, or not finite.
    """
    return probe.score(acts.reshape(-1, acts.shape[-1])).reshape(acts.shape[:2])


class AskedSet(NamedTuple):
    """A set of questions as a speech takes them.

    Attributes:
        questions: what is handed to the speech.
        truth: whether Yes is factual.
        groups: what is resampled together, or None.
    """

    questions: Questions
    truth: Bool[np.ndarray, " questions"]
    groups: Labels | None = None


class Flip(NamedTuple):
    """Whether a set's margin crosses zero and stays there to the end.

    Attributes:
        claimed: True or False; None if it cannot be said.
        turn: first turn from which the margin is below 0 throughout, None if there is none.
        reason: why nothing is claimed, otherwise "".
    """

    claimed: bool | None
    turn: int | None
    reason: str = ""


@dataclass(frozen=True)
class MarginTrajectory:
    """Margins of sets over turns.

    Attributes:
        turns: turns already said; 0 is the empty context.
        margins: per set the margin after each of the turns.
        answers: per set the mean phi of factual and other answers.
    """

    turns: tuple[int, ...]
    margins: Mapping[str, tuple[Margin, ...]]
    answers: Mapping[str, tuple[AnswerWise, ...]]

    def flip(self, name: str, *, base_accuracy: float | None = None, chance: float = 0.5) -> Flip:
        """Return whether the margin of a set is inverted at the end, although it was not at the start.

        Args:
            name: the set.
            base_accuracy: lower end of the interval of the share of its questions that the model answers right in the
                empty context; a model that does not know the answers cannot turn them, so without it nothing is
                claimed.
            chance: what it must exceed.

        Returns:
            ``claimed`` None, with the reason, where turn 0 was not read, the questions are fewer than ten, the base
            accuracy is not known or not above chance, the margin is not above 0 at turn 0, or the last one's interval
            contains 0.
        """
        found = self.margins[name]
        if found[0].n < FEWEST:
            return Flip(None, None, f"{found[0].n} questions; at least {FEWEST} are needed")
        if self.turns[0] != 0:
            return Flip(None, None, "the empty context (turn 0) was not read")
        if base_accuracy is None:
            return Flip(None, None, "base accuracy in the empty context is not known")
        if not base_accuracy > chance:
            return Flip(None, None, f"base accuracy {base_accuracy:.2f} is not above chance ({chance:.2f})")
        if not found[0].ci[0] > 0:
            return Flip(None, None, "the margin is not above 0 in the empty context")
        below = [one.mean < 0 for one in found]
        since = next((place for place in range(len(found)) if all(below[place:])), None)
        if not found[-1].ci[1] < 0:
            said = "" if found[-1].ci[0] > 0 else "the last margin's interval contains 0"
            return Flip(None if said else False, None, said)
        return Flip(True, None if since is None else self.turns[since])


@runtime_checkable
class Talk(Protocol):
    """A conversation whose contexts can be taken turn by turn."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    def chosen(self, turns: Sequence[int] | Literal["all"] = "all") -> tuple[int, ...]:
        """Return the turns to look at."""
        ...

    def after(self, turn: int) -> Any:
        """Return what stands in front after a number of turns."""
        ...


def track_margin(
    model: Any,
    probe: Scorer,
    conversation: Talk,
    sets: Mapping[str, AskedSet],
    turns: Sequence[int] | Literal["all"] = "all",
    *,
    layer: int,
    speech: Speech,
    rng: np.random.Generator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MarginTrajectory:
    """Replay a conversation and return the margin of every set after each of the chosen turns.

    Args:
        model: a causal model of transformers.
        probe: turns activations of ``layer`` into phi; any fitted direction.
        conversation: the script; nobody answers it.
        sets: question sets by name.
        turns: turns to look at, or all of them.
        layer: layer the probe was fitted at.
        speech: turns contexts and questions into tokens.
        rng: source of the resamples; a fixed stream if None.
        progress: called with (turns done, turns).

    Raises:
        ContextError: the conversation outgrows the model's context; says at which turn.
        InputError: there is no such turn or layer, a set is empty or its numbers do not fit, or an activation or score
            is not finite.
    """
    chosen = conversation.chosen(turns)
    source = rng or stream(0, "margin")
    margins: dict[str, list[Margin]] = {name: [] for name in sets}
    answers: dict[str, list[AnswerWise]] = {name: [] for name in sets}
    for done, turn in enumerate(chosen, 1):
        context = conversation.after(turn)
        for name, asked in sets.items():
            try:
                acts = forced_answer_activations(model, context, asked.questions, [layer], speech=speech)
            except ContextError as error:
                raise ContextError(f"conversation '{conversation.id}', turn {turn}: {error}") from error
            scores = score_answers(probe, acts[:, :, 0])
            margins[name].append(margin(scores, asked.truth, groups=asked.groups, rng=source))
            answers[name].append(answer_wise(scores, asked.truth))
        if progress is not None:
            progress(done, len(chosen))
    return MarginTrajectory(
        chosen,
        {name: tuple(found) for name, found in margins.items()},
        {name: tuple(found) for name, found in answers.items()},
    )
