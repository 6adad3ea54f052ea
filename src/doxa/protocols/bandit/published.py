"""Bandits played by a model of the user's: its doubt over a run, under temperature, and, with open weights, steered.

A subject behind an address is logged and heated; nothing of it can be read or steered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from doxa.errors import InputError
from doxa.lab.parts import Keep, keep_none
from doxa.lab.record import Recorder
from doxa.lens.anatomy import anatomy
from doxa.lens.completions import ENDED, UNSTEERED, Draw, uniforms
from doxa.lens.entropic_steering import Setting, settings
from doxa.lens.steering import SteeringVector
from doxa.lens.token_trace import token_trace
from doxa.protocols.bandit.agent import Streams
from doxa.protocols.bandit.episodes import BanditLog, run_episodes
from doxa.protocols.bandit.recording import (
    record_episodes,
    record_number,
    record_share,
    record_word_counts,
)
from doxa.protocols.bandit.steering import Choice, Outcome, choose, control_draws, logged, outcomes
from doxa.protocols.bandit.subject import TextAgent
from doxa.protocols.bandit.text import LABELS, WORDINGS, Wording, parse_action
from doxa.protocols.bandit.words import count_words
from doxa.streams import stream
from doxa.subjects.base import Subject
from doxa.worlds.bandit_tokens import History
from doxa.worlds.bandits import GaussianBandit

MEAN, SD = 100.0, 10.0
"""Both arms pay Normal(100, 10²), as in the paper's equal pair."""
SWEPT_AT_ONCE = 8
"""Prompts of the sweep that are kept together; a hosted subject's replies are kept one by one."""


@dataclass(frozen=True)
class SubjectPlan:
    """What is asked of a subject; the paper's values are in the study's settings.

    Attributes:
        wording: ``buttons`` or ``machines``.
        history: ``rounds`` or ``summary``.
        rounds: of an episode.
        runs: logged episodes.
        samples: completions of each logged prompt.
        held_runs: further episodes, from which the prompts of the sweep are taken.
        prompts: of the sweep; half of the runs are chosen on, the other half judged.
        prompt_samples: completions of each.
        layers: to read and steer; empty takes three in the middle half of the model.
        multipliers: of the raw vector.
        temperatures: of sampling without steering.
        control_draws: shuffled vectors.
        played: episodes with and without steering; an invalid completion ends one.
        traced: thoughts whose tokens are traced.
        max_tokens: longest completion.
        vectors: folder the fitted vectors are written to, "" for none.
    """

    wording: Wording
    history: History
    rounds: int
    runs: int
    samples: int
    held_runs: int
    prompts: int
    prompt_samples: int
    layers: tuple[int, ...]
    multipliers: tuple[float, ...]
    temperatures: tuple[float, ...]
    control_draws: int
    played: int
    traced: int
    max_tokens: int
    vectors: str


@dataclass(frozen=True)
class HeldOut:
    """Prompts the vector has not seen."""

    prompts: list[Any]
    runs: np.ndarray
    streams: Streams

    def part(self, places: Sequence[int] | np.ndarray) -> HeldOut:
        """Return some of them."""
        names = tuple(self.streams.rows[place] for place in places)
        streams = self.streams._replace(rows=names)
        return HeldOut(
            [self.prompts[place] for place in places], self.runs[np.asarray(places, dtype=np.int64)], streams
        )


def record_subject(
    recorder: Recorder,
    subject: Subject,
    plan: SubjectPlan,
    seed: int,
    progress: Callable[[float, str], None],
    keep: Keep = keep_none,
) -> None:
    """Log episodes and record doubt by round, under temperatures, and under steering where weights are open.

    Args:
        recorder: where it goes.
        subject: who plays.
        plan: what is asked.
        seed: of samples, payoffs and choices.
        progress: told the share done, and what is being done.
        keep: keeps what open weights said, round by round and in parts of the sweep.

    Raises:
        InputError: a layer is not in the model.
    """
    agent = TextAgent(subject, 2, plan.rounds, plan.wording, plan.history, plan.max_tokens, keep)
    layers = chosen_layers(agent, plan.layers)
    env = GaussianBandit((MEAN, MEAN), (SD, SD), plan.rounds, seed, "log")
    log = run_episodes(
        agent,
        env,
        plan.runs,
        plan.samples,
        seed,
        names=("bandit", "log"),
        progress=lambda done, total: progress(0.4 * done / total, "logging episodes"),
    )
    record_episodes(recorder, subject.address, "log", log, shown=plan.runs)
    record_runs(recorder, subject.address, log)
    record_texts(recorder, subject.address, log)
    progress(0.4, "held-out prompts")
    held = held_out(agent, env, plan, seed, log)
    vector = fitted(recorder, agent, log, layers, plan) if layers else None
    told = settings(vector, plan.multipliers, temperatures=plan.temperatures)
    found = outcomes(
        agent,
        held.prompts,
        told.values(),
        held.streams,
        plan.prompt_samples,
        at_once=None if agent.weights is None else SWEPT_AT_ONCE,
        progress=lambda done, total: progress(0.5 + 0.3 * done / total, "sweeping"),
    )
    swept = dict(zip(told, found, strict=True))
    record_swept(recorder, subject.address, swept, held)
    choosing = np.unique(held.runs)[::2]
    tried = {setting: part_of(own, np.isin(held.runs, choosing)) for setting, own in swept.items()}
    choice = choose(tried, layers or (-1,))
    told_choice = choice._asdict() if vector and choice.multiplier else {"temperature": choice.temperature}
    for name, value in told_choice.items():
        recorder.measure(f"chosen {name}", value, subject=subject.address, axis="sweep", condition="choice")
    recorder.measure(
        "choosing runs", float(len(choosing)), subject=subject.address, axis="sweep", condition="choice"
    )
    if vector is not None and choice.multiplier:
        progress(0.8, "controls and play")
        record_steered(recorder, agent, env, vector, choice, swept, held, plan, seed)


def chosen_layers(agent: TextAgent, asked: Sequence[int]) -> tuple[int, ...]:
    """Return the layers to read: those asked for, else three in the middle half; none for closed weights."""
    if agent.weights is None:
        if asked:
            raise InputError(
                f"layers={tuple(asked)}: {agent.subject.address} has no open weights; leave layers out"
            )
        return ()
    known = anatomy(agent.model)
    known.require(asked)
    if asked:
        return tuple(dict.fromkeys(asked))
    return tuple(sorted({round(share * (known.layers - 1)) for share in (0.25, 0.5, 0.75)}))


def held_out(agent: TextAgent, env: GaussianBandit, plan: SubjectPlan, seed: int, seen: BanditLog) -> HeldOut:
    """Return prompts of further episodes with other payoffs, played with one completion a round.

    None of them stands in the log, unless no episode got any further than to prompts that do.
    """
    names = ("bandit", "held-out")
    own = replace(env, luck="held-out")
    log = run_episodes(agent, own, plan.held_runs, 1, seed, names=names, on_invalid="end")
    known = set(seen.prompts)
    new = [place for place, prompt in enumerate(log.prompts) if prompt not in known]
    new = new or list(range(len(log.prompts)))
    places = np.sort(stream(seed, *names, "prompts").permutation(new)[: plan.prompts])
    count = len(places)
    streams = Streams(seed, (*names, "samples"), tuple(range(count)))
    return HeldOut([log.prompts[place] for place in places], log.run_id[places], streams)


def fitted(
    recorder: Recorder, agent: TextAgent, log: BanditLog, layers: Sequence[int], plan: SubjectPlan
) -> SteeringVector | None:
    """Return the vector of the log, or record why there is none."""
    told: dict[str, Any] = {"subject": agent.subject.address, "condition": "vector", "axis": "layer"}
    try:
        vector = logged(agent, log, layers).vector("raw")
    except InputError as error:
        recorder.measure("norm", None, missing=str(error), **told)
        return None
    for layer, numbers in vector.vectors.items():
        recorder.measure("norm", float(np.linalg.norm(numbers)), time=layer, **told)
    if plan.vectors:
        folder = Path(plan.vectors)
        folder.mkdir(parents=True, exist_ok=True)
        vector.save(folder / f"{plan.wording}.safetensors")
    return vector


def record_steered(
    recorder: Recorder,
    agent: TextAgent,
    env: GaussianBandit,
    vector: SteeringVector,
    choice: Choice,
    swept: Mapping[Setting, Outcome],
    held: HeldOut,
    plan: SubjectPlan,
    seed: int,
) -> None:
    """Record the shuffled control, words, episodes and traces at the layer and multiplier that were chosen."""
    subject = agent.subject.address
    steering = vector.at_layers(choice.layer)
    rng = stream(seed, "bandit", "shuffled")
    draws = control_draws(steering, "shuffled", choice.multiplier, plan.control_draws, rng)
    found = outcomes(agent, held.prompts, draws, held.streams, plan.prompt_samples)
    for number, outcome in enumerate(found):
        record_prompts(
            recorder,
            subject,
            "control shuffled",
            choice.multiplier,
            outcome,
            held,
            layer=choice.layer,
            number=number,
        )
    plain, steered = swept[Setting(None, 0.0, 1.0)], swept[Setting(choice.layer, choice.multiplier, 1.0)]
    names = [*WORDINGS[plan.wording], *LABELS, "thought", "action"]
    for kind, outcome in (("plain", plain), ("steered", steered)):
        texts = [text for samples in outcome.completions.texts[0] for text in samples]
        record_word_counts(recorder, subject, kind, count_words(texts, names))
    draw, own = Draw(steering, choice.multiplier), replace(env, luck="play")
    for kind, way in (("plain", UNSTEERED), ("steered", draw)):
        if plan.played:
            log = run_episodes(
                agent, own, plan.played, 1, seed, draw=way, names=("bandit", "play"), on_invalid="end"
            )
            record_episodes(recorder, subject, f"{kind}, equal", log, shown=plan.played)
            record_runs(recorder, subject, log, condition=f"{kind}, equal")
        record_traces(
            recorder, agent, held.part(range(min(plan.traced, len(held.prompts)))), kind, way, plan, seed
        )


def record_traces(
    recorder: Recorder,
    agent: TextAgent,
    held: HeldOut,
    kind: str,
    draw: Draw,
    plan: SubjectPlan,
    seed: int,
    samples: int = 20,
) -> None:
    """Record the chance of the first arm after each token of one completion to each prompt."""
    if not held.prompts:
        return
    said = agent.complete(held.prompts, held.streams, 1, (draw,)).ids[0, :, 0]

    def arms_of(tokens: np.ndarray) -> np.ndarray:
        flat = [parse_action(agent.decode(row), agent.arms) for row in tokens.reshape(-1, tokens.shape[-1])]
        return np.array(flat, dtype=np.int64).reshape(tokens.shape[:-1])

    for place, row in enumerate(agent.rows(held.prompts)):
        thought = said[place][said[place] != ENDED]
        names = ("bandit", "trace", kind)
        chances = uniforms(seed, *names, rows=[place], samples=samples, tokens=plan.max_tokens)
        shares = token_trace(
            agent.model,
            [row],
            thought[None],
            chances,
            arms_of=arms_of,
            draw=draw,
            ends=agent.ends,
        )[0]
        words = ["", *(agent.decode([int(token)]) for token in thought)]
        for time, (word, share) in enumerate(zip(words, shares, strict=True)):
            record_share(
                recorder, agent.subject.address, f"trace {kind}", place, time, float(share), word, samples
            )


def record_swept(recorder: Recorder, subject: str, swept: Mapping[Setting, Outcome], held: HeldOut) -> None:
    """Record every setting of a sweep prompt by prompt."""
    for setting, outcome in swept.items():
        steered = setting.layer is not None
        time = setting.multiplier if steered else setting.temperature
        kind = "sweep" if steered else "temperature"
        record_prompts(recorder, subject, kind, time, outcome, held, layer=setting.layer)


def record_prompts(
    recorder: Recorder,
    subject: str,
    condition: str,
    time: float,
    outcome: Outcome,
    held: HeldOut,
    **more: Any,
) -> None:
    """Record entropy and validity of each prompt, with the run it is from."""
    told: dict[str, Any] = {"subject": subject, "condition": condition, "axis": "sweep", "time": time, **more}
    for prompt, run in enumerate(held.runs):
        where: dict[str, Any] = {**told, "prompt": prompt, "run": int(run)}
        record_number(recorder, "entropy", float(outcome.entropy[prompt]), unit="nats", **where)
        recorder.measure("validity", float(outcome.validity[prompt]), unit="fraction", **where)


def record_runs(recorder: Recorder, subject: str, log: BanditLog, condition: str = "log") -> None:
    """Record, run by run, the fall of the entropy from the first to the last third, the commitment, and the length."""
    third = max(1, log.play.arms.shape[1] // 3)
    entropies, commitment = log.entropies, log.commitment()
    for run in range(len(log.play.arms)):
        told: dict[str, Any] = {"subject": subject, "condition": f"{condition} runs", "run": run}
        own, last = log.run_id == run, log.rounds[run]
        early = entropies[own & (log.step < third)]
        late = entropies[own & (log.step >= max(third, last - third))]
        fall = np.nan
        if (~np.isnan(early)).any() and (~np.isnan(late)).any() and log.actions.shape[1] > 1:
            fall = float(np.nanmean(early) - np.nanmean(late))
        record_number(recorder, "fall", fall, unit="nats", why="too few valid rounds", **told)
        record_number(
            recorder, "commitment", commitment[run], unit="rounds", why="no round was played", **told
        )
        recorder.measure("rounds", float(last), unit="rounds", **told)


def record_texts(recorder: Recorder, subject: str, log: BanditLog) -> None:
    """Record what was asked last at each prompt, and every completion, raw."""
    for prompt, texts, run, step in zip(log.prompts, log.texts, log.run_id, log.step, strict=True):
        told: dict[str, Any] = {"subject": subject, "conversation": f"run {run} round {step + 1}"}
        recorder.utterance(**told, turn=0, role="user", text=prompt[-1].content)
        for number, text in enumerate(texts):
            recorder.utterance(**told, turn=1, role="assistant", text=text, sample=number)


def part_of(outcome: Outcome, places: np.ndarray) -> Outcome:
    """Return an outcome on some of its prompts."""
    return outcome._replace(entropy=outcome.entropy[places], validity=outcome.validity[places])
