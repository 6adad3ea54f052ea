"""Estimators of the entropy change against the truth, on an open model's copy: one real step on graded replies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.errors import CapabilityError, InputError
from doxa.lab.record import Recorder
from doxa.streams import stream, torch_stream
from doxa.subjects.base import Subject, user
from doxa.subjects.open_weights import no_weights, open_weights
from doxa.training.advantages import grpo_advantage
from doxa.training.entropy_change import (
    Estimator,
    entropy_change,
    entropy_change_first_order,
    token_covariance,
)
from doxa.training.entropy_weights.agreement import agreement
from doxa.training.entropy_weights.updates import COVARIANCE, DEALT_OUT, FIRST_ORDER
from doxa.training.losses.surrogate import policy_gradient_loss
from doxa.training.tokens import token_entropy, token_log_probs
from doxa.worlds.graded_questions import Question, graded

FEWEST_TOKENS = 8
TRUE, LOG_PROB = "true", "log-probability"


@dataclass(frozen=True)
class SubjectPlan:
    """What is drawn and how far the step goes.

    Attributes:
        questions: questions asked, drawn from those given.
        group: replies to each.
        most: tokens of a reply at most.
        length: of the step, as a share of the weights' norm; it goes straight down the gradient.
    """

    questions: int = 16
    group: int = 8
    most: int = 256
    length: float = 1e-6


class _Group(NamedTuple):
    """The replies to one question: tokens after the prompt, and what they are worth."""

    prompt: Int[torch.Tensor, " positions"]
    tokens: Int[torch.Tensor, "replies most"]
    mask: torch.Tensor
    advantage: Float[torch.Tensor, " replies"]


def record_subject(
    recorder: Recorder,
    subject: Subject,
    questions: Sequence[Question],
    plan: SubjectPlan,
    seed: int,
    progress: Callable[[float, str], None],
) -> None:
    """Ask an open model, step its copy once on the graded replies, and record how estimates agree with the truth.

    Groups whose replies are all right or all wrong teach nothing and are left out of the step; they are counted.

    Args:
        recorder: takes the rows.
        subject: an open model; it is not changed.
        questions: with numbers for answers.
        plan: sizes.
        seed: of the choice of questions and of sampling.
        progress: told what is done.

    Raises:
        CapabilityError: the subject has no weights.
        InputError: no group has both right and wrong replies.
    """
    opened = open_weights(subject)
    if opened is None:
        raise CapabilityError(no_weights(subject))
    count = min(plan.questions, len(questions))
    chosen = stream(seed, "entropy-weights", "questions").choice(len(questions), count, replace=False)
    before = copy.deepcopy(opened.model).float().eval()
    groups: list[_Group] = []
    right: list[float] = []
    for place, index in enumerate(chosen.tolist()):
        prompt = torch.from_numpy(np.asarray(opened.rows([(user(questions[index].prompt),)])[0])).long()
        generator = torch_stream(seed, "entropy-weights", "replies", index)
        tokens, mask = _sampled(before, prompt, plan, generator)
        texts = [
            opened.tokenizer.decode(row[own], skip_special_tokens=True)
            for row, own in zip(tokens, mask, strict=True)
        ]
        rewards = torch.tensor([graded(text, questions[index]) for text in texts], dtype=torch.float32)
        right.append(float(rewards.mean()))
        if rewards.min() < rewards.max():
            advantage = grpo_advantage(rewards, torch.zeros(len(rewards), dtype=torch.long))
            groups.append(_Group(prompt, tokens, mask, advantage))
        progress(0.7 * (place + 1) / count, f"question {place + 1} of {count}")
    recorder.measure("right", float(np.mean(right)), subject=subject.address, unit="share of replies")
    recorder.measure("mixed groups", len(groups), subject=subject.address, unit="groups")
    if not groups:
        raise InputError(
            f"{subject.address}: all {count} groups of {plan.group} replies are all right or all wrong (right: "
            f"{np.mean(right):.0%}), so there is no advantage to learn from; give other questions, or more replies"
        )
    after = _stepped(before, groups, plan.length)
    for place, group in enumerate(groups):
        _record_group(recorder, before, after, group, place, subject.address)
        progress(0.8 + 0.2 * (place + 1) / len(groups), f"group {place + 1} of {len(groups)}")


@torch.no_grad()
def _sampled(
    model: Any, prompt: Int[torch.Tensor, " positions"], plan: SubjectPlan, generator: torch.Generator
) -> tuple[Int[torch.Tensor, "replies most"], torch.Tensor]:
    """Draw replies to one prompt at temperature 1; the mask counts each up to its end token."""
    ends = model.generation_config.eos_token_id
    ends = torch.tensor([] if ends is None else np.atleast_1d(ends).tolist(), dtype=torch.long)
    found = model(prompt.expand(plan.group, -1), use_cache=True, logits_to_keep=1)
    going = torch.ones(plan.group, dtype=torch.bool)
    tokens: list[torch.Tensor] = []
    mask: list[torch.Tensor] = []
    for _ in range(plan.most):
        p = torch.softmax(found.logits[:, -1].double(), -1)
        drawn = torch.multinomial(p, 1, generator=generator)[:, 0]
        tokens.append(drawn)
        mask.append(going)
        going = going & ~torch.isin(drawn, ends)
        if not bool(going.any()):
            break
        found = model(drawn[:, None], past_key_values=found.past_key_values, use_cache=True)
    return torch.stack(tokens, 1), torch.stack(mask, 1)


def _logits(model: Any, group: _Group, reply: int) -> Float[torch.Tensor, "1 most vocabulary"]:
    """Return the logits that a reply's tokens were drawn from; one reply at a time, as vocabularies are large."""
    whole = torch.cat([group.prompt, group.tokens[reply]])[None]
    most = group.tokens.shape[1]
    return model(whole, logits_to_keep=most + 1).logits[:, :-1].float()


def _stepped(before: Any, groups: Sequence[_Group], length: float) -> Any:
    """Return a copy of a model after one step down the mean gradient of the groups' token-mean losses."""
    after = copy.deepcopy(before)
    for weight in after.parameters():
        weight.requires_grad_(True)
    for group in groups:
        for reply, (tokens, mask, advantage) in enumerate(
            zip(group.tokens.split(1), group.mask.split(1), group.advantage.split(1), strict=True)
        ):
            logp = token_log_probs(_logits(after, group, reply), tokens)
            each = policy_gradient_loss(logp, logp.detach(), advantage, mask).per_token
            torch.autograd.backward(each.sum() / (group.mask.sum() * len(groups)))
    moved = [weight for weight in after.parameters() if weight.grad is not None]
    with torch.no_grad():
        gradients = [weight.grad for weight in moved if weight.grad is not None]
        norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
        size = torch.stack([weight.norm() for weight in moved]).norm()
        for weight, gradient in zip(moved, gradients, strict=True):
            weight.sub_(gradient, alpha=float(length * size / norm.clamp(min=1e-30)))
    return after


@torch.no_grad()
def _record_group(
    recorder: Recorder, before: Any, after: Any, group: _Group, place: int, address: str
) -> None:
    mask = group.mask
    if int(mask.sum()) < FEWEST_TOKENS:
        return
    each = [_changes(before, after, group, reply) for reply in range(len(mask))]
    found = {name: torch.cat([one[name] for one in each]) for name in each[0]}
    true, log_prob = found.pop(TRUE)[mask].numpy(), found.pop(LOG_PROB)
    found[COVARIANCE] = -token_covariance(group.advantage.double(), log_prob, mask)
    told = {name: estimate[mask].numpy() for name, estimate in found.items()}
    told[DEALT_OUT] = np.roll(told["exact"], true.size // 2)
    for name, estimate in told.items():
        for measure, value in agreement(true, estimate)._asdict().items():
            recorder.measure(
                measure, value, subject=name, where="subject", model=address, time=place, question=place,
                missing="one of the two does not vary",
            )  # fmt: skip


def _changes(before: Any, after: Any, group: _Group, reply: int) -> dict[str, Float[torch.Tensor, "1 most"]]:
    """Return what the step did to the entropy at a reply's tokens, what estimators say, and the log-probabilities."""
    old, new = (_logits(model, group, reply).double() for model in (before, after))
    tokens = group.tokens[reply : reply + 1]
    advantage = group.advantage[reply].double().expand(tokens.shape)
    return {
        TRUE: token_entropy(new) - token_entropy(old),
        LOG_PROB: token_log_probs(old, tokens),
        FIRST_ORDER: entropy_change_first_order(old, new - old),
        **{name: entropy_change(old, tokens, advantage, estimator=name) for name in get_args(Estimator)},
    }
