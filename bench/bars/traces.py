"""Bar 13, probe without trace: asking, scoring, replying, reading and steering leave a model as it was."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import torch

from bars.outcome import Outcome
from doxa.canonical import canonical_json
from doxa.elicit.elicitors import Letter, YesNo
from doxa.elicit.questions import Question
from doxa.errors import InputError
from doxa.lens.capture import Wanted, activations
from doxa.lens.logit_lens import logit_lens_margin
from doxa.lens.patching import ablated_head, patched
from doxa.lens.steering import SteeringVector, everywhere, from_position, generated, steered
from doxa.streams import stream
from doxa.subjects.base import Conversation, Query, Sampling, assistant, user
from doxa.subjects.transformers import TransformersSubject
from tests.subjects import tiny_models

WORDS = tiny_models.TEXT[0].split()


class Planned(Exception):  # noqa: N818 - it stands for whatever may go wrong inside a model
    """What a broken layer raises."""


def run(full: bool, folder: Path) -> Outcome:
    """Ask, score, reply, read and steer in random sequences, some of which fail inside; compare all that could move."""
    del folder
    sequences = 2_000 if full else 120
    families = sorted(tiny_models.CONFIGS) if full else ["gemma3", "llama"]
    outcome = Outcome(f"{sequences} sequences on {len(families)} families, a third of the steps fail")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # these models are too small for more
    jaxtyping.config.update("jaxtyping_disable", True)  # in the tests beartype draws from Python's generator
    try:
        for place, family in enumerate(families):
            share = len(range(place, sequences, len(families)))
            _sequences(outcome, family, share)
    finally:
        torch.set_num_threads(threads)
        jaxtyping.config.update("jaxtyping_disable", False)
    return outcome


def _sequences(outcome: Outcome, family: str, count: int) -> None:
    """Run random sequences on one model; its modes are shuffled before each."""
    subject = TransformersSubject(tiny_models.model(family), tiny_models.tokenizer())
    probe = _talk(stream(0, "bars", "traces", family))
    known = _answers(subject, probe)
    for number in range(count):
        rng = stream(0, "bars", "traces", family, number)
        talk = _talk(rng)
        for module in subject.model.modules():
            module.training = bool(rng.random() < 0.2)
        for weights in subject.model.parameters():
            weights.requires_grad = bool(rng.random() < 0.5)
        outer = rng.choice([torch.enable_grad, torch.no_grad, torch.inference_mode])
        with outer():
            before = _state(subject, talk)
            steps = [_step(subject, talk, rng) for _ in range(rng.integers(1, 5))]
            after = _state(subject, talk)
        moved = [name for name in before if before[name] != after[name]]
        outcome.check(not moved, f"{family} {number}: {', '.join(moved)} moved by {', '.join(steps)}")
        if number % 10 == 0:
            same = _answers(subject, probe) == known
            outcome.check(same, f"{family} {number}: the same questions are answered otherwise")


def _talk(rng: np.random.Generator) -> Conversation:
    """Return a conversation of one to five turns."""
    said = [" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(2 * rng.integers(0, 3) + 1)]
    return tuple(user(text) if place % 2 == 0 else assistant(text) for place, text in enumerate(said))


def _answers(subject: TransformersSubject, talk: Conversation) -> bytes:
    (scores,) = subject.score([Query(talk, ("yes", "no", "unknown"))])
    (reply,) = subject.reply([talk], sampling=Sampling(temperature=1.0, max_tokens=8, seed=5))
    return scores.tobytes() + reply.text.encode()


def _step(subject: TransformersSubject, talk: Conversation, rng: np.random.Generator) -> str:
    """Do one thing to a subject, failing in a third of all cases, and say what."""
    sampling = Sampling(temperature=float(rng.choice([0.0, 1.0])), max_tokens=int(rng.integers(1, 6)), seed=1)
    parts = [talk[: place + 1] for place in range(0, len(talk), 2)]
    question = Question("q", "p", "is it true that the sea is green?")
    elicitor = YesNo() if rng.random() < 0.5 else Letter(way="text", counterbalanced=False)
    does: dict[str, Callable[[], object]] = {
        "score": lambda: subject.score([Query(part, ("yes", "no", "not yes")) for part in parts]),
        "reply": lambda: subject.reply(parts, sampling=sampling),
        "ask": lambda: elicitor.elicit(subject, parts, [question] * len(parts), sampling=sampling),
        **_lens(subject, parts, sampling, rng),
    }
    name = str(rng.choice(list(does)))
    kind = int(rng.integers(0, 9))
    if kind == 0:
        does[name] = lambda: subject.score([Query(talk, ("yes",)), Query(talk, ())])
    if kind == 1:
        does[name] = lambda: subject.reply([(user("é" * 400),)], sampling=sampling)
    errors = (Planned, KeyboardInterrupt, RuntimeError)
    failing = kind == 2
    with _broken(subject.model, int(rng.integers(1, 4)), errors[rng.integers(0, 3)] if failing else None):
        try:
            does[name]()
        except (*errors, InputError) as error:
            return f"{name} ({type(error).__name__})"
    return name


def _lens(
    subject: TransformersSubject, parts: list[Conversation], sampling: Sampling, rng: np.random.Generator
) -> dict[str, Callable[[], object]]:
    """Return what the lens does to a model: read, patch, and steer what is scored and said."""
    model = subject.model
    width = model.get_input_embeddings().weight.shape[1]
    rows = [rng.integers(3, 300, rng.integers(1, 9)) for _ in range(3)]
    vectors = [SteeringVector({int(rng.integers(-1, 2)): rng.standard_normal(width)}) for _ in range(2)]
    where = [everywhere(), from_position(int(rng.integers(0, 6))), generated()][rng.integers(0, 3)]

    def read() -> None:
        wanted = Wanted((-1, 0, 1), places=slice(0, 1))
        activations(model, rows, wanted, prefix=[3, 4] if rng.random() < 0.5 else None)
        logit_lens_margin(model, rows, [5] * 3, [6] * 3)

    def patch() -> None:
        values = np.zeros((3, width), dtype=np.float32)
        with patched(model, 1, values, site="mlp"), ablated_head(model, 0, 1):
            activations(model, rows, batch_tokens=4)

    def steer() -> None:
        with steered(model, vectors[0], 2.0, where=where), steered(model, vectors[1], -1.0, where=where):
            subject.reply(parts, sampling=sampling)
        with steered(model, vectors[0], where=from_position(2)):
            subject.score([Query(part, ("yes", "no", "not yes")) for part in parts])

    return {"read": read, "patch": patch, "steer": steer}


@contextmanager
def _broken(model: Any, calls: int, error: type[BaseException] | None) -> Iterator[None]:
    """Let the last normalisation raise at its n-th call."""
    if error is None:
        yield
        return
    layer = [module for name, module in model.named_modules() if "norm" in name or "ln_" in name][-1]
    plain, left = layer.forward, [calls]

    def forward(*args: Any, **rest: Any) -> Any:
        left[0] -= 1
        if left[0] <= 0:
            raise error("planned")
        return plain(*args, **rest)

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward


def _state(subject: TransformersSubject, talk: Conversation) -> dict[str, object]:
    """Return all that asking could move, as bytes or plain values."""
    model = subject.model
    total = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        total.update(name.encode() + tensor.detach().numpy().tobytes())
    modules = list(model.modules())
    return {
        "weights": total.digest(),
        "gradients": [(weights.requires_grad, weights.grad is None) for weights in model.parameters()],
        "modes": [module.training for module in modules],
        "hooks": [
            [len(getattr(module, kind)) for kind in vars(module) if kind.endswith("_hooks")]
            for module in modules
        ],
        "attributes": [sorted(vars(module)) for module in modules],
        "config": model.config.to_json_string() + model.config._attn_implementation,
        "generation config": model.generation_config.to_json_string(),
        "tokenizer": subject.tokenizer.backend_tokenizer.to_str() + str(subject.tokenizer.chat_template),
        "transcript": canonical_json([message.as_json() for message in talk]),
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "numpy's generator": np.random.get_state()[1].tobytes(),  # noqa: NPY002 - the state is only read
        "python's generator": random.getstate(),
        "gradient mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "default type": torch.get_default_dtype(),
    }
