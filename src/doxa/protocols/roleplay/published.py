"""One conversation replayed on a real model, and what of it goes into the record.

Beliefs: one row per turn (per ply, on that axis, where the script says so), question and readout; ``proposition`` is
the question, its log-odds are those of the answer that was factual before the conversation, ``extra`` holds the set,
the pair and the truth, and of the internal readout the margin along the naive direction (``naive``) and whether the
directions were fitted on the question (``fitted``). Measures: the conversation (turns, framing, what it is about), the
probe (layer, held-out accuracy by context, permuted labels) and steering.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from doxa.errors import ContextError
from doxa.lab.parts import Keep, keep_none
from doxa.lab.record import Recorder
from doxa.protocols.roleplay.conversation import EMPTY, OPPOSITE, Conversation
from doxa.protocols.roleplay.files import sets_asked
from doxa.protocols.roleplay.inner import InnerMargins, inner_margins
from doxa.protocols.roleplay.questions import YesNoQuestions
from doxa.protocols.roleplay.replay import Readout, in_own_words, replay
from doxa.streams import stream
from doxa.subjects.base import Sampling, Subject
from doxa.subjects.open_weights import open_weights

STRENGTHS = (-1.0, 0.0, 1.0)


def record_replay(
    recorder: Recorder,
    subject: Subject,
    conversation: Conversation,
    sets: Mapping[str, YesNoQuestions],
    *,
    generic: str,
    readouts: Sequence[str],
    turns: str,
    penalty: float,
    seed: int,
    reply_tokens: int = 0,
    progress: Callable[[int, int], None] | None = None,
    keep: Keep = keep_none,
) -> None:
    """Replay a conversation and record what the subject says, does and holds.

    Args:
        recorder: where it goes; the condition is the conversation.
        subject: who is asked; without open weights the internal readout is left out.
        conversation: the script; ``{model}`` in it becomes the subject's name.
        sets: question sets by name; asked are the generic one, that on identity and those the script is about.
        generic: name of the set the probe is fitted on.
        readouts: which of stated, behavioural and internal.
        turns: ``all``, or ``ends`` for the first and the last (and, of a correction, the one before it); plies if the
            script is asked by plies.
        penalty: ridge of the probe.
        seed: draws held-out questions and sampled replies.
        reply_tokens: longest reply of the subject's own, put in place of the script's; 0 replays the script.
        progress: called with (turns done, turns).
        keep: keeps the answers of each turn.
    """
    talk = conversation.named(name_of(subject))
    if reply_tokens:
        talk = in_own_words(
            subject, talk, sampling=Sampling(max_tokens=reply_tokens, seed=seed), name=talk.id
        )
        for place, message in enumerate(talk.plies):
            recorder.utterance(
                subject=subject.address,
                conversation=talk.id,
                turn=place // 2 + 1,
                role=message.role,
                text=message.content,
            )
    chosen = sets_asked(talk, sets, generic)
    taken = [one for one in readouts if one != "internal" or open_weights(subject) is not None]
    recorder.measure(
        "turns", float(talk.n_turns), subject=subject.address, unit="turns",
        framing=talk.framing, relevant=list(talk.relevant), generic=generic, title=talk.title,
    )  # fmt: skip
    inner = None
    if "internal" in taken:
        inner = _inner(subject, talk, chosen, generic, penalty, seed)
        _record_probe(recorder, subject, inner)
    rows = replay(
        subject,
        talk.by_steps(),
        chosen,
        readouts=cast(Sequence[Readout], taken),
        turns="all" if turns == "all" else ends(talk),
        inner=inner,
        seed=seed,
        progress=progress,
        keep=keep,
    )
    groups = _groups(chosen)
    fitted = _fitted(chosen, inner)
    for row in rows.iter_rows(named=True):
        recorder.belief(
            subject=subject.address,
            proposition=f"{row['set']}: {row['question']}",
            readout=row["readout"],
            axis=talk.step,
            time=float(row["turn"]),
            log_odds=row["log_odds"],
            set=row["set"],
            pair=groups.get((row["set"], row["question"]), row["question"]),
            truth=row["truth"],
            **(
                {"naive": row["naive"], "fitted": (row["set"], row["question"]) in fitted}
                if row["readout"] == "internal"
                else {}
            ),
            **({"missing": row["missing"]} if row["missing"] else {}),
        )
    if inner is not None:
        for name in talk.relevant:
            if name != generic:
                _record_steering(recorder, subject, inner, talk, name, chosen[name], seed)


def _groups(sets: Mapping[str, YesNoQuestions]) -> dict[tuple[str, str], str]:
    """Return what is resampled together, by set and question."""
    return {
        (name, item.id or item.text): group
        for name, questions in sets.items()
        for item, group in zip(questions, questions.groups, strict=True)
    }


def _fitted(sets: Mapping[str, YesNoQuestions], inner: InnerMargins | None) -> set[tuple[str, str]]:
    """Return the questions that the directions were fitted on, by set and question; a copy of one is one of them."""
    texts = set() if inner is None else {item.text.strip().lower() for item in inner.fitted}
    return {
        (name, item.id or item.text)
        for name, questions in sets.items()
        for item in questions
        if item.text.strip().lower() in texts
    }


def ends(talk: Conversation) -> tuple[int, ...]:
    """Return the first and the last turn or ply, and before a correction the last of what is corrected."""
    last = talk.n_turns - 1
    corrected = 2 * last if talk.step == "ply" else last
    return (0, *((corrected,) if talk.framing == "correction" else ()), talk.by_steps().n_turns)


def name_of(subject: Subject) -> str:
    """Return what to call the model in scripts: the last part of its address.

    >>> from types import SimpleNamespace
    >>> name_of(SimpleNamespace(address="http://host:8000/v1?scores=true#tiny/model"))
    'model'
    """
    plain, _, behind = subject.address.partition("#")
    return re.split("[/:]", behind or plain.partition("?")[0].rstrip("/"))[-1]


def _inner(
    subject: Subject,
    talk: Conversation,
    chosen: Mapping[str, YesNoQuestions],
    generic: str,
    penalty: float,
    seed: int,
) -> InnerMargins:
    """Fit the directions; the layer must also read generic questions at the end of the talk, if it is another."""
    targets = {} if talk.framing == OPPOSITE else {talk.id: talk.after(talk.n_turns)}
    try:
        return inner_margins(subject, chosen[generic], targets=targets, C=1.0 / penalty, seed=seed)
    except ContextError as error:
        raise ContextError(f"conversation '{talk.id}', turn {talk.n_turns}: {error}") from error


def _record_probe(recorder: Recorder, subject: Subject, inner: InnerMargins) -> None:
    place: dict[str, Any] = {"subject": subject.address, "axis": "layer"}
    for context, values in inner.by_layer.items():
        for layer, value in zip(inner.layers, values, strict=True):
            recorder.measure(f"held_out/{context}", float(value), unit="fraction", time=float(layer), **place)
    recorder.measure("held_out/permuted", inner.permuted, unit="fraction", time=float(inner.layer), **place)
    recorder.measure("layer", float(inner.layer), unit="layer", time=float(inner.layer), **place)


def _record_steering(
    recorder: Recorder,
    subject: Subject,
    inner: InnerMargins,
    talk: Conversation,
    name: str,
    relevant: YesNoQuestions,
    seed: int,
) -> None:
    """Record the share of Yes of one set when steered before the answer, in the empty context and at the end."""
    from doxa.lens.answer_steering import fit_yes, steer_and_measure, yes_vector
    from doxa.lens.forced_answers import pre_answer_activations
    from doxa.protocols.roleplay.conversation import opposite_day

    generic = YesNoQuestions(inner.fitted)
    asked = [item.asked for item in generic]
    day = opposite_day()
    contexts = ((), day.after(day.n_turns))
    empty, reversed_ = (
        pre_answer_activations(inner.model, context, asked, [inner.layer], speech=inner.speech)
        for context in contexts
    )
    fitted = fit_yes(
        [empty, reversed_], generic.truth, groups=generic.groups, rng=stream(seed, "roleplay", "yes")
    )
    vector = yes_vector(inner.model, fitted.at(0), empty[:, 0], generic.truth, layer=inner.layer)
    questions = [item.asked for item in relevant]
    for context, messages in ((EMPTY, ()), (talk.id, talk.after(talk.n_turns))):
        found = steer_and_measure(inner.model, messages, questions, vector, STRENGTHS, speech=inner.speech)
        for strength, share in zip(found.strengths, found.share, strict=True):
            recorder.measure(
                f"share_yes/{name}/{'empty' if context == EMPTY else 'end'}",
                float(share),
                subject=subject.address,
                axis="sweep",
                time=strength,
                unit="fraction",
                layer=inner.layer,
            )
