"""One rollout of a stack: every replicate draws its groups of responses, which are rewarded and get advantages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from doxa.nets.generation import Generated, generate, sampling_noise
from doxa.nets.transformer import StackedTransformer
from doxa.streams import stream, torch_stream
from doxa.training.entropy_change import covariance_metrics, first_order_change, token_covariance
from doxa.training.objectives import Advantage
from doxa.training.policy_plan import PolicyPlan, PolicyWorld, Variant
from doxa.training.responses import rows_of


class Rollout(NamedTuple):
    """What was drawn and what it is worth.

    Attributes:
        tokens: prompts and responses, one after the other, filled up on the right.
        start: column of each row's last prompt token, which predicts the first of its response.
        drawn: the responses.
        mask: tokens that carry loss.
        kept: which groups carry loss.
        advantage: of every token.
        numbers: what the log says about it.
    """

    tokens: Int[torch.Tensor, "replicates rows positions"]
    start: Int[torch.Tensor, "replicates rows"]
    drawn: Generated
    mask: Bool[torch.Tensor, "replicates rows most"]
    kept: Bool[np.ndarray, "replicates groups"]
    advantage: Float[torch.Tensor, "replicates rows most"]
    numbers: dict[str, Float[np.ndarray, " replicates"]]


class Roller:
    """Draws rollouts of a stack; the streams hang on seed, names and step only.

    Args:
        worlds: each replicate's world.
        variants: each replicate's variant.
        seeds: each replicate's seed.
        advantages: each replicate's estimator.
        plan: sizes.
        names: in front of the streams' own names.
    """

    def __init__(
        self,
        worlds: Sequence[PolicyWorld],
        variants: Sequence[Variant],
        seeds: Sequence[int],
        advantages: Sequence[Advantage],
        plan: PolicyPlan,
        names: Sequence[str | int],
    ) -> None:
        self._worlds, self._variants, self._seeds = worlds, variants, seeds
        self._advantages, self._plan, self._names = advantages, plan, names
        self._world = worlds[0]

    def __call__(self, net: StackedTransformer, step: int) -> Rollout:
        """Return the rollout of a step."""
        world, group = self._world, self._plan.group
        chosen = self._prompts(step)
        prompts, lengths = world.prompts[chosen], world.prompt_lengths[chosen]
        noise = sampling_noise(
            self._seeds, chosen.shape[1] * group, world.most, *self._names, "rollout", step
        )
        temperature = [variant.temperature for variant in self._variants]
        drawn = generate(
            net, prompts, end=world.end, most=world.most, noise=noise, repeats=group, lengths=lengths,
            temperature=temperature, concentration=True,
        )  # fmt: skip
        reward, right = self._judged(np.repeat(chosen, group, axis=1), drawn)
        grouped = reward.reshape(*chosen.shape, group)
        # by the extremes, because rounding leaves equal rewards a deviation of 1e-16
        equal = (grouped.min(-1) == grouped.max(-1)) & (group > 1)
        spread = grouped.std(-1, ddof=1) if group > 1 else np.ones(chosen.shape)
        dropping = np.array([variant.filter_groups for variant in self._variants])
        kept = ~equal | ~dropping[:, None]
        advantage = self._advantage(reward, drawn, step)
        mask = drawn.mask & torch.from_numpy(np.repeat(kept, group, axis=1)).unsqueeze(-1)
        numbers = {
            "reward": reward.mean(1),
            "correct": right.mean(1),
            "response_length": drawn.lengths.double().mean(1).numpy(),
            "tie_rate": (~equal & (spread < self._plan.tie_tolerance)).mean(1),
            "equal_groups": equal.mean(1),
            **_of_tokens(drawn, advantage, right.reshape(*chosen.shape, group).mean(-1)),
        }
        tokens, start = rows_of(prompts, lengths, drawn.tokens)
        return Rollout(tokens, start, drawn, mask, kept, advantage, numbers)

    def _prompts(self, step: int) -> Int[np.ndarray, "replicates prompts"]:
        """Return the places of each replicate's prompts."""
        count = len(self._world.prompts)
        if not self._plan.prompts:
            return np.broadcast_to(np.arange(count), (len(self._seeds), count))
        asked = {
            seed: stream(seed, *self._names, "prompts", step).choice(count, self._plan.prompts, replace=False)
            for seed in set(self._seeds)
        }
        return np.stack([asked[seed] for seed in self._seeds])

    def _judged(
        self, prompt: Int[np.ndarray, "replicates rows"], drawn: Generated
    ) -> tuple[Float[np.ndarray, "replicates rows"], Bool[np.ndarray, "replicates rows"]]:
        told = [
            (world.reward(asked, tokens), world.correct(asked, tokens))
            for world, asked, tokens in zip(self._worlds, prompt, drawn.tokens.numpy(), strict=True)
        ]
        reward, right = (np.stack(column) for column in zip(*told, strict=True))
        return reward.astype(np.float64), right.astype(bool)

    def _advantage(
        self, reward: Float[np.ndarray, "replicates rows"], drawn: Generated, step: int
    ) -> Float[torch.Tensor, "replicates rows most"]:
        index = torch.arange(reward.shape[1]) // self._plan.group
        mask, found = drawn.mask, torch.zeros(drawn.log_prob.shape)
        for place, (estimator, seed) in enumerate(zip(self._advantages, self._seeds, strict=True)):
            chance = (
                torch_stream(seed, *self._names, "advantage", step)
                if "generator" in estimator.needs
                else None
            )
            one = estimator(
                torch.from_numpy(reward[place]), index, entropy=drawn.entropy[place], mask=mask[place],
                generator=chance,
            )  # fmt: skip
            found[place] = one.unsqueeze(-1) if one.ndim == 1 else one
        return found * mask


def _of_tokens(
    drawn: Generated, advantage: torch.Tensor, accuracy: Float[np.ndarray, "replicates groups"]
) -> dict[str, Float[np.ndarray, " replicates"]]:
    """Return entropy, covariances and the entropy change that one tabular step of size 1 would make, to first order.

    The covariance is also split by the group's share of right responses: below 1/4, above 3/4, between.
    """
    mask, concentration = drawn.mask, cast(torch.Tensor, drawn.concentration)
    count = mask.sum((1, 2))
    change = first_order_change(drawn.log_prob, drawn.entropy, concentration, advantage)
    numbers = {
        "entropy": ((drawn.entropy * mask).sum((1, 2)) / count).double().numpy(),
        "first_order_change": (-(change * mask).sum((1, 2)) / count).double().numpy(),
    }
    rows: list[dict[str, float]] = []
    group = mask.shape[1] // accuracy.shape[1]
    for place, valid in enumerate(mask):
        told = (advantage[place], drawn.log_prob[place], valid)
        row = {name: float(number) for name, number in covariance_metrics(*told).items()}
        table, at = token_covariance(*told), torch.from_numpy(np.repeat(accuracy[place], group))
        for name, where in (
            ("hard", at < 0.25),
            ("easy", at > 0.75),
            ("medium", (at >= 0.25) & (at <= 0.75)),
        ):
            row[f"covariance_{name}"] = float(table[where][valid[where]].mean())
        rows.append(row)
    return numbers | {name: np.array([row[name] for row in rows]) for name in rows[0]}
