"""The protocol on networks that learned token dialogues: what they hold, layer by layer, while a script is replayed.

Probes know questions, answers and truth; nothing here tells them what kind of talk a context is. Generic questions
are those of every topic but the two that scripts are about: the *relevant* topic, role-played in training, and the
*control* topic, never role-played. Measures of one network (``layer`` in ``extra`` counts from 0):

- ``margin/PROBE/SET`` over turns, condition = the script: mean over the set's questions in the probe's logits, with
  its bootstrap interval in ``extra``; probes are naive, robust and ccs, sets generic, held out, relevant and control;
- ``phi/SET/factual`` and ``phi/SET/other``: mean score of the two answers, robust probe;
- ``random/turned``: share of single random directions of the robust probe's norm that would pass for turned by the
  role-play: pointed so that the generic margin is above 0 in the empty context, their relevant margin is above 0 there
  and, at the role-play's end, at least half as far below 0 as the probe's own is from 0 (``own`` in ``extra``);
- ``accuracy/SET``: share of the set's questions of which the network finds the factual answer likelier;
- ``held_out/PROBE/CONTEXT`` over layers: accuracy on generic questions that no probe was fitted on;
- ``share_yes/CONTEXT`` over strengths of steering, relevant questions, for each layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from doxa.lab.record import Recorder
from doxa.lens.answer_steering import fit_yes, steer_and_measure, yes_vector
from doxa.lens.margins import answer_wise, margin, score_answers
from doxa.lens.probes.linear import LinearProbes
from doxa.protocols.roleplay.conversation import EMPTY, OPPOSITE
from doxa.protocols.roleplay.embedded_reader import Probes, Reader, Rng, fit_probes, start
from doxa.worlds.dialogue_scripts import TokenTalk, opposite_day, role_play, story, write_script
from doxa.worlds.dialogues import DialogueWorld

SUBJECT = "dialogues"
STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)
DIRECTIONS = 1000
"""Random directions, each of which may look turned."""
AS_FAR = 0.5
"""How far below 0 a random direction must end to look turned, as a share of the probe's own distance from 0."""


def record_dialogues(
    recorder: Recorder,
    model: Any,
    world: DialogueWorld,
    rng: Rng,
    *,
    topic: int,
    control_topic: int,
    restarts: int,
) -> None:
    """Fit the probes of one network, replay every script and record what is read.

    Args:
        recorder: where it goes; conditions are the scripts.
        model: the trained network.
        world: what it learned.
        rng: gives the stream of some names.
        topic: topic of the role-play and the story, role-played in training.
        control_topic: topic of the control script, never role-played in training.
        restarts: random starts of the unsupervised search.
    """
    rest = [number for number in range(1, world.n_topics + 1) if number not in (topic, control_topic)]
    sets = {
        "generic": world.questions(*rest),
        "relevant": world.questions(topic),
        "control": world.questions(control_topic),
    }
    reader = Reader(model, world, sets)
    generic = sets["generic"]
    fitted_in = opposite_day(world, generic, rng("opposite day", "fit"))
    probes = fit_probes(reader, fitted_in.after(3), rng, restarts)
    script = write_script(world, topic, generic, rng("script", topic))
    acted = write_script(world, control_topic, generic, rng("script", control_topic))
    talks = {
        OPPOSITE: (opposite_day(world, generic, rng("opposite day", "replay")), ("generic",)),
        "role-play": (role_play(script), ("generic", "relevant")),
        "story": (story(script), ("generic", "relevant")),
        "role-play control": (role_play(acted), ("control",)),
    }
    _record_held_out(recorder, reader, probes, talks)
    for name, (talk, asked) in talks.items():
        _record_talk(recorder, name, talk, asked, reader, probes, rng)
    _record_random(recorder, reader, talks["role-play"][0], probes.robust, rng)
    _record_steering(recorder, reader, fitted_in.after(3), talks["role-play"][0], probes, rng)


def _record_held_out(
    recorder: Recorder, reader: Reader, probes: Probes, talks: Mapping[str, tuple[TokenTalk, Sequence[str]]]
) -> None:
    """Record the held-out accuracy by layer: empty, opposite day (drawn anew), the end of each script; and of CCS."""
    held = probes.robust.held_out
    truth = reader.truth("generic")
    contexts = {EMPTY: start(), **{name: talk.contexts[-1] for name, (talk, _) in talks.items()}}
    for context, tokens in contexts.items():
        acts = reader.answers(tokens, "generic")[held]
        for name, probe in (("naive", probes.naive), ("robust", probes.robust)):
            for layer, value in enumerate(probe.accuracy(acts, truth[held])):
                _measure(recorder, f"held_out/{name}/{context}", float(value), "layer", layer, "fraction")
    for layer, values in enumerate(probes.robust.permuted_accuracy):
        _measure(recorder, "held_out/permuted/empty", float(values.mean()), "layer", layer, "fraction")
    _measure(
        recorder, "ccs_kept", float(probes.ccs.kept.mean()), "layer", probes.robust.bias.size - 1, "fraction"
    )


def _record_talk(
    recorder: Recorder,
    name: str,
    talk: TokenTalk,
    asked: Sequence[str],
    reader: Reader,
    probes: Probes,
    rng: Rng,
) -> None:
    """Record everything that is read after each turn of one script."""
    held = probes.robust.held_out
    for turn in talk.chosen():
        context = talk.after(turn)
        for part in asked:
            acts, truth = reader.answers(context, part), reader.truth(part)
            _record_margins(recorder, name, turn, part, acts, truth, probes, rng)
            if part == "generic":
                _record_margins(recorder, name, turn, "held out", acts[held], truth[held], probes, rng)
            stated = reader.stated(context, part)
            place: dict[str, Any] = {
                "condition": name,
                "time": float(turn),
                "axis": "turn",
                "subject": SUBJECT,
            }
            recorder.measure(f"accuracy/{part}", float((stated > 0).mean()), unit="fraction", **place)
            recorder.belief(
                proposition=part, readout="stated", log_odds=float(stated.mean()), n=len(stated), **place
            )


def _record_margins(
    recorder: Recorder,
    name: str,
    turn: int,
    part: str,
    acts: Float[np.ndarray, "questions 2 layers width"],
    truth: Bool[np.ndarray, " questions"],
    probes: Probes,
    rng: Rng,
) -> None:
    """Record margins of all layers, and at the last the answers' scores and the unsupervised margin."""
    last = acts.shape[2] - 1
    place: dict[str, Any] = {"subject": SUBJECT, "axis": "turn", "time": float(turn), "condition": name}

    def record(probe: str, layer: int, scores: Float[np.ndarray, "questions 2"]) -> float:
        found = margin(scores, truth, rng=rng("margin", name, turn, part, probe, layer))
        ends: dict[str, Any] = {
            "low": found.ci[0],
            "high": found.ci[1],
            "sum": found.sum,
            "n": found.n,
            "layer": layer,
        }
        recorder.measure(f"margin/{probe}/{part}", found.mean, unit="logits", **place, **ends)
        return found.mean

    for layer in range(last + 1):
        for probe, fitted in (("naive", probes.naive), ("robust", probes.robust)):
            scores = score_answers(fitted.at(layer), acts[:, :, layer])
            mean = record(probe, layer, scores)
            if probe == "robust" and layer == last:
                said = answer_wise(scores, truth)
                for answer, value in zip(("factual", "other"), said, strict=True):
                    recorder.measure(f"phi/{part}/{answer}", value, unit="logits", **place, layer=layer)
                readout: dict[str, Any] = {"proposition": part, "readout": "internal", "n": len(truth)}
                recorder.belief(log_odds=mean, layer=layer, **readout, **place)
    if probes.ccs.kept.any():
        record("ccs", last, probes.ccs.kept_score(acts[:, :, last]))


def _record_random(
    recorder: Recorder, reader: Reader, talk: TokenTalk, robust: LinearProbes, rng: Rng
) -> None:
    """Record how many random directions would pass for turned by the role-play, at the last layer."""
    layer = robust.bias.size - 1
    last = robust.at(layer)

    def apart(turn: int, part: str) -> Float[np.ndarray, " width"]:
        acts, truth = reader.answers(talk.after(turn), part)[:, :, layer], reader.truth(part)
        return mean_apart(acts, truth)

    end = talk.chosen()[-1]
    before, after = apart(0, "relevant"), apart(end, "relevant")
    share = share_turned(last, apart(0, "generic"), before, after, rng("random directions"))
    recorder.measure(
        "random/turned", share, subject=SUBJECT, unit="fraction", axis="turn", time=float(end), condition="role-play",
        own=float(last.weights @ after), directions=DIRECTIONS, layer=layer,
    )  # fmt: skip


def mean_apart(
    acts: Float[np.ndarray, "questions 2 width"], truth: Bool[np.ndarray, " questions"]
) -> Float[np.ndarray, " width"]:
    """Return how far the factual answers lie from the others, mean over questions.

    The mean margin along w is w times this.
    """
    yes_from_no = (acts[:, 0] - acts[:, 1]).astype(np.float64)
    return np.where(truth[:, None], yes_from_no, -yes_from_no).mean(axis=0)


def share_turned(
    probe: LinearProbes,
    generic: Float[np.ndarray, " width"],
    before: Float[np.ndarray, " width"],
    after: Float[np.ndarray, " width"],
    rng: np.random.Generator,
) -> float:
    """Return the share of random directions that would pass for turned.

    Args:
        probe: of one layer; the directions have its norm.
        generic: ``mean_apart`` of generic questions in the empty context; directions point where it is above 0, as
            one that is found without labels would be pointed.
        before: that of the relevant questions in the empty context.
        after: the same at the end of the talk.
        rng: draws the directions.
    """
    copies = LinearProbes(np.tile(probe.weights, (DIRECTIONS, 1)), np.zeros(DIRECTIONS))
    drawn = copies.random_direction(rng).weights
    drawn *= np.where(drawn @ generic < 0, -1.0, 1.0)[:, None]
    own = abs(float(probe.weights @ after))
    return float(((drawn @ before > 0) & (drawn @ after <= -AS_FAR * own)).mean())


def _record_steering(
    recorder: Recorder, reader: Reader, opposite: Any, talk: TokenTalk, probes: Probes, rng: Rng
) -> None:
    """Record the share of Yes of relevant questions when steered before the answer, empty and at the talk's end."""
    truth, held = reader.truth("generic"), probes.robust.held_out
    empty, reversed_ = (reader.before(context, "generic") for context in (start(), opposite))
    fitted = fit_yes([empty[~held], reversed_[~held]], truth[~held], rng=rng("yes"))
    for context, acts in ((EMPTY, empty), (OPPOSITE, reversed_)):
        right = (fitted.score(acts[held]) > 0) == truth[held][:, None]
        for layer, value in enumerate(right.mean(axis=0)):
            _measure(recorder, f"held_out/yes/{context}", float(value), "layer", layer, "fraction")
    for layer in range(fitted.bias.size):
        vector = yes_vector(reader.model, fitted.at(layer), empty[:, layer], truth, layer=layer)
        for name, context in ((EMPTY, talk.after(0)), ("role-play", talk.contexts[-1])):
            found = steer_and_measure(
                reader.model, context, reader.sets["relevant"], vector, STRENGTHS, speech=reader.speech
            )
            for strength, share in zip(found.strengths, found.share, strict=True):
                _measure(
                    recorder, f"share_yes/{name}", float(share), "sweep", strength, "fraction", layer=layer
                )


def _measure(
    recorder: Recorder, name: str, value: float, axis: Any, time: float, unit: str, **extra: Any
) -> None:
    recorder.measure(name, value, subject=SUBJECT, axis=axis, time=float(time), unit=unit, **extra)
