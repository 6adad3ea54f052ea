"""The dialogues of a subject: any model that answers, in the same conditions and with the same controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from doxa.errors import InputError
from doxa.lab.record import Recorder
from doxa.protocols.affect import (
    DialogueScript,
    EmbeddingEstimator,
    Injector,
    PromptInjector,
    SteeringInjector,
    VaderVAD,
    mood_vector,
    run_protocol,
    scripts,
)
from doxa.protocols.affect_dynamics import dialogue
from doxa.protocols.affect_dynamics.dialogue import Talk
from doxa.subjects.base import Capability, Sampling, Subject, require
from doxa.subjects.open_weights import no_weights, open_weights


def talk_with(subject: Subject, seed: int, settings: Mapping[str, Any]) -> Talk:
    """Return how a subject's dialogues are held.

    Args:
        subject: who is asked.
        seed: of its replies.
        settings: of the study, by name.

    Raises:
        CapabilityError: the subject cannot reply, or is to be steered and has no open weights.
        InputError: a block that is to be steered is not there.
        MissingExtraError: the estimator of sentence vectors is not installed.
    """
    require(subject, Capability.REPLY)
    return Talk(
        subject,
        VaderVAD() if settings["estimator"] == "vader" else EmbeddingEstimator(),
        _injector(subject, settings),
        Sampling(settings["temperature"], settings["max_tokens"], seed=seed),
        settings["memory"],
        settings["instruction"],
        tuple(settings["mus"]),
        settings["source"],
        settings["user_weight"],
    )


def _injector(subject: Subject, settings: Mapping[str, Any]) -> Injector:
    """Return what tells the state; an organism is told in its own English unless another style was chosen."""
    if settings["channel"] == "prompt":
        style = settings["style"]
        micro = subject.form == "micro" and style == "verbal"
        return PromptInjector("micro" if micro else style, settings["position"])
    model = open_weights(subject)
    if model is None:
        require(subject, Capability.WEIGHTS)
        raise InputError(f"{no_weights(subject)}; use channel=prompt")
    blocks = int(model.model.config.num_hidden_layers)
    layers = settings["layers"] or (blocks // 2,)
    if max(layers) >= blocks:
        raise InputError(f"layers={layers}: the model has blocks 0 to {blocks - 1}")
    return SteeringInjector(mood_vector(subject, layers=layers), settings["strength"])


def record_asked(
    recorder: Recorder,
    subject: Subject,
    seed: int,
    settings: Mapping[str, Any],
    progress: Callable[[float, str], None],
) -> None:
    """Hold one dialogue of each condition on every script, and of each control on the first.

    Args:
        recorder: of the cell.
        subject: who is asked.
        seed: of its replies, and of what controls draw.
        settings: of the study, by name.
        progress: told the share done.
    """
    talk = talk_with(subject, seed, settings)
    asked = [DialogueScript.load(name) for name in settings["scripts"]]
    for number, script in enumerate(asked):
        agents = talk.conditions()
        if number == 0 and settings["controls"]:
            other = next(DialogueScript.load(name) for name in scripts() if name != script.name)
            agents |= talk.controls() | talk.drawn_controls(script, other, [seed])
        share = number / len(asked)

        def step(done: float, total: float, note: str, share: float = share) -> None:
            progress(share + done / total / len(asked), note)

        runs = talk.reread(run_protocol(agents, script, [seed], step=step))
        dialogue.record_dialogues(recorder, runs, talk.injector, subject=subject.address, eps=settings["eps"])
        dialogue.record_texts(recorder, runs, [seed], subject=subject.address)
