"""The experiments on a small language model that was trained on the spot: dialogues, a steered channel, feedback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from doxa.dynamics.affect import FirstOrder
from doxa.lab.record import Recorder
from doxa.protocols.affect import (
    AffectAgent,
    DialogueScript,
    PromptInjector,
    SteeringInjector,
    VaderVAD,
    mood_vector,
    run_protocol,
    scripts,
)
from doxa.protocols.affect_dynamics import dialogue
from doxa.protocols.affect_dynamics.dialogue import Talk, unreconciled
from doxa.protocols.affect_dynamics.feedback import Loop, record_feedback
from doxa.protocols.affect_dynamics.planted import record_planted
from doxa.protocols.affect_dynamics.tone_subject import study_world, tone_subject
from doxa.streams import stream
from doxa.subjects.base import Sampling, system, user
from doxa.subjects.transformers import TransformersSubject
from doxa.worlds.tone_learners import train_tone_models
from doxa.worlds.tone_world import remark_text

SUBJECT = "tone model"
MAIN = "philosophy"
"""The script on which the paper's conditions and the controls are judged."""
MOST_TOKENS = 48
"""Longest reply; those of the tone world are shorter."""
SENTENCES = 24
"""Sentences on either side from which the steering vector is read."""
STEERED_BLOCKS = (0, 1)
OTHER_DIALOGUES = 2
"""Dialogues of each condition on the other scripts."""
STEERED_DIALOGUES = 2
"""Dialogues of the steered channel, which are answered one by one."""
PLANTED_DIALOGUES = 8
"""Dialogues of each planted rate."""
DIFFER_PROMPTS, DIFFER_SEEDS = 10, 8
REMOVED_REPLIES = 60
LOOP_ALPHA = 0.3
"""First-order rule of the feedback loop: quick, and less at the mercy of single replies than α = 1."""


@dataclass(frozen=True)
class Sizes:
    """How much is trained and held.

    Attributes:
        steps: optimiser steps of the model.
        batch: talks of a step.
        earlier: earlier exchanges that the model is trained on and shown.
        dialogues: dialogues of each condition and model.
        steering: strength of the steered channel at valence 1; 0 leaves it out.
        mus: momenta.
        eps: width of what counts as recovered.
    """

    steps: int
    batch: int
    earlier: int
    dialogues: int
    steering: float
    mus: tuple[float, ...]
    eps: float


class LoopSizes(NamedTuple):
    """How long a mood hears itself.

    Attributes:
        gains: loop gains.
        replicates: talks from each start at each gain.
        turns: of a talk.
        replies: to each state of the response curve.
    """

    gains: tuple[float, ...]
    replicates: int
    turns: int
    replies: int


Progress = Callable[[float, str], None]


def trained_subject(
    sizes: Sizes, seed: int, progress: Progress, folder: Path | None = None
) -> TransformersSubject:
    """Return the tone model of a seed; a training that was killed goes on from what is in the folder."""
    models = train_tone_models(
        study_world(earlier=sizes.earlier),
        [seed],
        steps=sizes.steps,
        batch=sizes.batch,
        progress=lambda done, steps: progress(done / steps, "training"),
        checkpoint=None if folder is None else folder / "tone.safetensors",
    )
    return tone_subject(models)


def record_embedded(
    recorder: Recorder,
    seed: int,
    sizes: Sizes,
    dialogues: bool,
    loop: LoopSizes | None,
    progress: Progress,
    folder: Path | None = None,
) -> None:
    """Train the model of a seed and record its dialogues, its loop, or both.

    Args:
        recorder: of the cell.
        seed: of the model, its replies and all controls.
        sizes: how much is trained and held.
        dialogues: whether dialogues are held.
        loop: how long a mood hears itself; None leaves it out.
        progress: told the share done.
        folder: keeps the training while the cell is computed.
    """
    subject = trained_subject(sizes, seed, lambda share, what: progress(0.4 * share, what), folder)
    sampling = Sampling(temperature=1.0, max_tokens=MOST_TOKENS, seed=seed)
    if dialogues:
        talk = Talk(subject, VaderVAD(), PromptInjector(), sampling, sizes.earlier, mus=sizes.mus)
        record_planted(recorder, talk, DialogueScript.load(MAIN), PLANTED_DIALOGUES, seed)
        _record_talks(recorder, talk, sizes, seed, lambda share, what: progress(0.4 + 0.4 * share, what))
        _record_prompts(recorder, talk, seed)
    if loop is not None:
        rule, injector = FirstOrder(LOOP_ALPHA), PromptInjector()
        run = Loop(subject, VaderVAD(), injector, rule, loop.gains, loop.replicates, loop.turns, sampling)
        record_feedback(
            recorder, run, loop.replies, seed, lambda share, what: progress(0.8 + 0.2 * share, what)
        )


def dialogue_seeds(seed: int, dialogues: int) -> list[int]:
    """Return seeds of the dialogues of a model, none of which another model has."""
    return [1000 * seed + number for number in range(dialogues)]


def _record_talks(recorder: Recorder, talk: Talk, sizes: Sizes, seed: int, progress: Progress) -> None:
    """Hold the paper's conditions on every script, and the controls on the main one."""
    main = DialogueScript.load(MAIN)
    others = [DialogueScript.load(name) for name in scripts() if name != MAIN]
    seeds = dialogue_seeds(seed, sizes.dialogues)
    bare = talk.conditions()
    told = {name: agent for name, agent in bare.items() if name != dialogue.STATELESS}
    held: list[tuple[DialogueScript, dict[str, AffectAgent], list[int]]] = [
        (main, bare | talk.controls(), seeds),
        (main, talk.drawn_controls(main, others[0], seeds), seeds[:1]),
        *((script, bare, seeds[:OTHER_DIALOGUES]) for script in others),
        (unreconciled(main), told, seeds[:1]),
    ]
    if sizes.steering:
        held.append((main, {dialogue.STEERED: _steered(talk, sizes, seed)}, seeds[:STEERED_DIALOGUES]))
    for number, (script, agents, own) in enumerate(held):
        runs = talk.reread(run_protocol(agents, script, own))
        dialogue.record_dialogues(recorder, runs, talk.injector, subject=SUBJECT, eps=sizes.eps)
        if number == 0:
            dialogue.record_texts(recorder, runs, seeds[:1], subject=SUBJECT)
        progress((number + 1) / len(held), script.name)


def _steered(talk: Talk, sizes: Sizes, seed: int) -> AffectAgent:
    """Return an agent whose state scales a vector in all of the model's blocks instead of being told."""
    rng = stream(seed, "affect-dynamics", "steering")
    positive, negative = ([remark_text(level, rng) for _ in range(SENTENCES)] for level in (4, 0))
    vector = mood_vector(talk.subject, layers=STEERED_BLOCKS, positive=positive, negative=negative)
    return talk.agent(talk.first_momentum, injector=SteeringInjector(vector, sizes.steering))


def _record_prompts(recorder: Recorder, talk: Talk, seed: int) -> None:
    """Record whether one prompt has many replies, and what is left of a note's effect once it is taken away."""
    injector, rng = talk.injector, stream(seed, "affect-dynamics", "prompts")
    states = [(-0.8, 0.4, -0.8), (0.8, 0.4, 0.8)]
    talks = [(user(remark_text(2, rng)),) for _ in range(REMOVED_REPLIES)]
    same = [injector.inject(one, np.array(states[0]), 1) for one in talks[:DIFFER_PROMPTS]]
    sampling = talk.sampling
    replies = [
        [one.text for one in talk.subject.reply(same, sampling=sampling.at(sample=number, branch="differ"))]
        for number in range(DIFFER_SEEDS)
    ]
    kinds = [len(set(said)) / DIFFER_SEEDS for said in zip(*replies, strict=True)]
    recorder.measure("distinct replies", float(np.mean(kinds)), subject=SUBJECT, unit="share")
    for told in (True, False):
        valence = [
            talk.estimator.estimate(
                [
                    reply.text
                    for reply in talk.subject.reply(
                        [
                            injector.inject(one, np.array(state), 1) if told else (system(""), *one)
                            for one in talks
                        ],
                        sampling=sampling.at(branch=f"removed {number}"),
                    )
                ]
            )[:, 0].mean()
            for number, state in enumerate(states)
        ]
        recorder.measure("told gap", float(valence[1] - valence[0]), subject=SUBJECT, told=told)
