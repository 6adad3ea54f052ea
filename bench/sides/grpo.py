"""doxa's side: the policy loop with all that it logs of each token, entropy and covariance among it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from kit.side import Work, serve
from transformers import LlamaForCausalLM

from doxa.nets.llama import from_llama
from doxa.nets.transformer import StackedTransformer
from doxa.training.objectives import open_loss
from doxa.training.policy_loop import train_policy
from doxa.training.policy_plan import PolicyPlan, Variant
from doxa.training.tokens import token_statistics


@dataclass(frozen=True, eq=False)
class EvenWorld:
    """The reward is the share of even tokens."""

    prompts: np.ndarray
    vocabulary: int
    most: int
    end: int = 0

    @property
    def prompt_lengths(self) -> np.ndarray:
        return np.full(len(self.prompts), self.prompts.shape[1])

    def reward(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:  # noqa: ARG002
        written = (tokens == self.end).argmax(1) + 1
        lengths = np.where((tokens == self.end).any(1), written, self.most)
        return ((tokens % 2 == 0) & (np.arange(self.most) < lengths[:, None])).sum(1) / lengths

    def correct(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return self.reward(prompt, tokens) > 0.5

    def answer(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return tokens[:, 0]


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    net = from_llama([LlamaForCausalLM.from_pretrained(case["folder"], dtype=torch.float32)])
    world = EvenWorld(np.array(case["prompts"]), net.shape.vocabulary, case["tokens"])
    variant = Variant("grpo", "ppo-clip", "grpo?eps=1e-4", rate=case["rate"], mini_batches=1)
    plan = PolicyPlan(steps=case["steps"], group=case["group"], evaluate_every=0)
    answer = _loss(net.select([0]), case["fixed"])

    def work() -> dict[str, float]:
        nonlocal net
        net = train_policy(net, world, [variant], [0], plan).net
        return answer

    return work


def _loss(net: StackedTransformer, fixed: dict[str, Any]) -> dict[str, float]:
    prompts, completions = torch.tensor(fixed["prompt_ids"]), torch.tensor(fixed["completion_ids"])
    mask, weights = torch.tensor(fixed["completion_mask"]), list(net.weights.values())
    for weight in weights:
        weight.requires_grad_(True)
    start, most = prompts.shape[1] - 1, completions.shape[1]
    tokens = torch.cat([prompts, completions], 1)[None, :, :-1]
    hidden = net.hidden(tokens, range(start, start + most)).flatten(1, 2)
    told = token_statistics(hidden, net.weights["head"], completions.view(1, -1))
    log_prob, entropy = told.log_prob.view_as(completions), told.entropy.view_as(completions)
    found = open_loss("ppo-clip")(
        log_prob, torch.tensor(fixed["old_per_token_logps"]), torch.tensor(fixed["advantages"]), mask
    )
    gradients = torch.autograd.grad(found.loss, weights)
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    mean = (entropy.detach() * mask).sum() / mask.sum()
    return {"loss": float(found.loss.detach()), "entropy": float(mean), "gradient_norm": float(norm)}


if __name__ == "__main__":
    serve(prepare, packages=("torch",))
