"""TRL's GRPO with a loss and an advantage of doxa: the seams of the trainer, overridden one by one.

TRL keeps generation, rewards, distribution, accumulation, reference model, checkpoints and logging. Of its loss the
correction for vLLM, the off-policy mask, the divergence from the reference (``beta``) and the averaging of tokens
(``loss_type``) stay as they are; what comes before them, the losses of tokens, is doxa's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, cast

import torch

from doxa.errors import InputError
from doxa.interop.trl.needed import need_trl
from doxa.interop.trl.settings import check_settings, updates_per_rollout
from doxa.streams import torch_stream
from doxa.training.batches import warn_far_ratio
from doxa.training.divergences import divergences
from doxa.training.entropy_change import covariance_metrics
from doxa.training.losses.base import LossOutput
from doxa.training.objectives import Advantage, open_advantage, open_loss, warn_few_updates
from doxa.training.tokens import TokenStatistics, logit_statistics

need_trl("EntropyControlledGRPOTrainer")

from trl.trainer.grpo_trainer import GRPOTrainer  # noqa: E402 - after the message that says what to install

Inputs = dict[str, Any]


class EntropyControlledGRPOTrainer(GRPOTrainer):
    """GRPO with a loss and an advantage of doxa.

    Everything else is as in TRL's ``GRPOTrainer``. Logged beside TRL's metrics are those of the loss, of the covariance
    of advantages and log-probabilities, its mean and that of the tokens where it is largest, under ``objective/``.

    Args:
        *arguments: of ``GRPOTrainer``.
        loss: address of the loss, as ``kl-cov?fraction=0.02``; see ``doxa.training.open_loss``.
        advantage: address of the estimator, as ``grpo?eps=1e-4``; None leaves TRL's own, which that one equals.
        **named: of ``GRPOTrainer``.

    Raises:
        InputError: an address cannot be understood, or a setting of TRL's contradicts it.
    """

    def __init__(self, *arguments: Any, loss: str, advantage: str | None = None, **named: Any) -> None:
        self.token_loss = open_loss(loss)
        self.advantage = None if advantage is None else open_advantage(advantage)
        self._rewards: torch.Tensor | None = None
        self._passed: list[torch.Tensor] | None = None
        self._begun = (-1, 0)
        super().__init__(*arguments, **named)
        check_settings(self._settings, self.token_loss, self.advantage)
        if (
            self.advantage is not None
            and self.advantage.needs - {"generator"}
            and self.accelerator.num_processes > 1
        ):
            raise InputError(
                f"advantage '{advantage}' needs the tokens of whole groups, which several processes share; run one "
                "process, or take one that needs rewards only, as grpo or rloo"
            )
        warn_few_updates(self.token_loss, updates_per_rollout(self._settings))

    @property
    def _settings(self) -> Any:
        """The ``GRPOConfig``, whose fields the base class' annotation does not know."""
        return self.args

    @property
    def _mode(self) -> str:
        return "train" if cast(torch.nn.Module, self.model).training else "eval"

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> torch.Tensor:
        """Keep the rewards of all processes for the advantage."""
        self._rewards = cast(torch.Tensor, super()._calculate_rewards(*arguments, **named))
        return self._rewards

    def _get_per_token_logps_and_entropies(
        self, model: Any, *arguments: Any, **named: Any
    ) -> tuple[Any, Any, Any]:
        """Keep the entropies of the policy's passes at rollout, which TRL's kernel computes anyway."""
        if self._passed is None or model is not self.model:
            return super()._get_per_token_logps_and_entropies(model, *arguments, **named)
        named["compute_entropy"] = True
        log_probs, entropy, auxiliary = super()._get_per_token_logps_and_entropies(model, *arguments, **named)
        self._passed.append(cast(torch.Tensor, entropy))
        return log_probs, entropy, auxiliary

    def _generate_and_score_completions(self, inputs: list[Inputs]) -> Inputs:
        """Add the entropies of the rollout and put doxa's advantages in the place of TRL's."""
        self._passed = []
        try:
            output = cast(Inputs, super()._generate_and_score_completions(inputs))
            passed = self._passed
        finally:
            self._passed = None
        wanted = self.token_loss.needs | (frozenset() if self.advantage is None else self.advantage.needs)
        if "entropy" in wanted:
            # the first pass is that of the policy; without one the policy has not moved and its entropies serve
            known = passed[0] if "old_per_token_logps" in output else self._rollout_entropy(output)
            output["rollout_entropy"] = known
        if self.advantage is not None:
            output["advantages"] = self._advantages(self.advantage, output)
        return output

    def _rollout_entropy(self, output: Inputs) -> torch.Tensor:
        with torch.no_grad():
            return cast(torch.Tensor, self._pass(self.model, output)[1])

    def _pass(self, model: Any, inputs: Inputs) -> tuple[Any, Any, Any]:
        """Return log-probabilities, entropies and the auxiliary loss of completions."""
        given = ("pixel_values", "image_grid_thw", "num_images", "pixel_attention_mask", "spatial_shapes")
        given += ("image_sizes", "token_type_ids", "mm_token_type_ids", "image_position_ids")
        return self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
            inputs["completion_ids"].shape[1],
            compute_entropy=True,
            compute_aux_loss=self.aux_loss_enabled and torch.is_grad_enabled(),
            **{name: inputs.get(name) for name in given},
        )

    def _advantages(self, estimator: Advantage, output: Inputs) -> torch.Tensor:
        """Return this process's advantages; a completion that no reward function could score has 0."""
        each = cast(torch.Tensor, self._rewards)
        size = cast(int, self.num_generations if self._mode == "train" else self.num_generations_eval)
        scored = ~each.isnan().all(1)
        rewards = (each * self.reward_weights.to(each.device)).nansum(1)
        group = torch.arange(len(rewards), device=rewards.device) // size
        rows = {"mask": _mask(output), "entropy": output.get("rollout_entropy")}
        offered: dict[str, Any] = {
            name: one[scored] for name, one in rows.items() if one is not None and name in estimator.needs
        }
        found = estimator(rewards[scored], group[scored], **offered, generator=self._generator("advantage"))
        advantages = found.new_zeros(len(rewards), *found.shape[1:])
        advantages[scored] = found
        self._relabel(
            advantages if advantages.ndim == 1 else advantages.sum(1) / _mask(output).sum(1).clamp(min=1)
        )
        start = self.accelerator.process_index * len(output["completion_ids"])
        return advantages[start : start + len(output["completion_ids"])]

    def _relabel(self, advantages: torch.Tensor) -> None:
        """Show these advantages in the table of completions, where TRL has put its own."""
        shown = cast("deque[float]", self._logs["advantages"])
        for _ in range(min(len(advantages), len(shown))):
            shown.pop()
        shown.extend(advantages.tolist())

    def _generator(self, use: str) -> torch.Generator:
        """Return the stream of a use; it hangs on update, micro-batch and process, not on where training resumed."""
        update = int(self.state.global_step)
        if self._begun[0] != update:
            self._begun = (update, self._step)  # TRL counts micro-batches from 0 again when it resumes
        place = (self._mode, update, self._step - self._begun[1], self.accelerator.process_index)
        return torch_stream(self.args.seed, "objective", use, *place)

    def _compute_loss(self, model: Any, inputs: Inputs) -> torch.Tensor:
        """Return the loss of a micro-batch: doxa's losses of tokens, put together as TRL does."""
        mask = _mask(inputs)
        statistics, auxiliary = self._statistics(model, inputs)
        log_prob = statistics.log_prob
        old = inputs.get("old_per_token_logps")
        old = log_prob.detach() if old is None else old
        if not bool((mask > 0).any()):
            return 0.0 * log_prob.sum()  # every completion was cut off and is masked
        if (
            self._mode == "train"
            and self._step % (self._settings.steps_per_generation * self.num_iterations) == 0
        ):
            warn_far_ratio(log_prob, old, mask)
        output = self.token_loss(
            log_prob,
            old,
            inputs["advantages"],
            mask,
            entropy=inputs.get("rollout_entropy"),
            statistics=statistics,
            generator=self._generator("loss"),
        )
        loss = self._averaged(self._corrected(output, statistics, old, mask, inputs), mask, inputs)
        if auxiliary is not None:
            loss = loss + self.router_aux_loss_coef * auxiliary / self._accumulated
        self._record(output, statistics, mask, inputs)
        return loss

    def _statistics(self, model: Any, inputs: Inputs) -> tuple[TokenStatistics, Any]:
        """Return the statistics of completions, from TRL's fused head unless the loss needs more than it gives."""
        if "concentration" not in self.token_loss.needs:
            log_prob, entropy, auxiliary = self._pass(model, inputs)
            return TokenStatistics(log_prob, entropy), auxiliary
        if "pixel_values" in inputs or self.aux_loss_enabled:
            raise InputError(
                f"loss '{self.token_loss.address}' needs the logits themselves, which are read of text models "
                "without expert routing only; take another estimator"
            )
        kept = inputs["completion_ids"].shape[1]
        with self.accelerator.autocast():
            found = model(
                input_ids=torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                attention_mask=torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                logits_to_keep=kept + 1,
                use_cache=False,
            )
        logits = found.logits[:, -kept - 1 : -1]
        return logit_statistics(
            logits, inputs["completion_ids"], temperature=self.temperature, concentration=True
        ), None

    def _corrected(
        self,
        output: LossOutput,
        statistics: TokenStatistics,
        old: torch.Tensor,
        mask: torch.Tensor,
        inputs: Inputs,
    ) -> torch.Tensor:
        """Return the losses of tokens with TRL's corrections and its divergence from the reference."""
        per_token = output.per_token
        if self.off_policy_mask_threshold is not None:
            advantages = inputs["advantages"]
            per_token = per_token * self.get_off_policy_mask(
                advantages=advantages.unsqueeze(1) if advantages.ndim == 1 else advantages,
                per_token_logps=statistics.log_prob,
                sampling_per_token_logps=inputs.get("sampling_per_token_logps", old),
                mask=mask,
                off_policy_threshold=self.off_policy_mask_threshold,
            )
        if "importance_sampling_ratio" in inputs:
            per_token = per_token * inputs["importance_sampling_ratio"]
        if self.beta != 0.0:
            divergence = divergences.get("k3")(statistics.log_prob, inputs["ref_per_token_logps"])
            if self._settings.use_bias_correction_kl:
                divergence = divergence * (statistics.log_prob - old).exp()
            per_token = per_token + self.beta * divergence
            self._metrics[self._mode]["kl"].append(self._global_mean(divergence, mask))
        return per_token

    def _averaged(self, per_token: torch.Tensor, mask: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """Return one loss as TRL's ``loss_type`` says; checked against TRL's own in the tests."""
        each = torch.where(mask > 0, per_token, 0.0)
        if self.loss_type == "grpo":
            loss = (each.sum(-1) / mask.sum(-1).clamp(min=1)).mean()
        elif self.loss_type == "bnpo":
            loss = each.sum() / mask.sum().clamp(min=1)
        elif self.loss_type == "dr_grpo":
            loss = each.sum() / (len(each) * cast(int, self.max_completion_length))
        else:
            window = self._accumulated / self._settings.steps_per_generation if self._mode == "train" else 1.0
            tokens = inputs["num_items_in_batch"].clamp(min=1) / self.accelerator.num_processes
            return each.sum() / (tokens * window)
        return loss / self._accumulated

    @property
    def _accumulated(self) -> float:
        """Micro-batches that share an update; evaluation accumulates nothing."""
        return float(self.current_gradient_accumulation_steps) if self._mode == "train" else 1.0

    def _record(
        self,
        output: LossOutput,
        statistics: TokenStatistics,
        mask: torch.Tensor,
        inputs: Inputs,
    ) -> None:
        """Log what the loss and the covariance say, averaged over processes."""
        log_prob = statistics.log_prob.detach()
        said: Mapping[str, torch.Tensor] = {
            **covariance_metrics(inputs["advantages"], log_prob, mask),
            **output.metrics,
        }
        values = torch.stack([value.float() for value in said.values()]).unsqueeze(0)
        means = cast(torch.Tensor, self.accelerator.gather(values)).nanmean(0).tolist()
        for name, value in zip(said, means, strict=True):
            self._metrics[self._mode][f"objective/{name}"].append(value)
        self._metrics[self._mode]["entropy"].append(self._global_mean(statistics.entropy, mask))

    def _global_mean(self, x: torch.Tensor, mask: torch.Tensor) -> float:
        """Return the mean over the valid tokens of all processes."""
        sums = torch.stack([torch.where(mask > 0, x.detach(), 0.0).sum(), mask.sum().to(x.dtype)])
        total, count = cast(torch.Tensor, self.accelerator.reduce(sums, reduction="sum")).tolist()
        return total / max(count, 1.0)


def _mask(inputs: Inputs) -> torch.Tensor:
    """Return the tokens that a policy chose: those of the completion that no tool wrote."""
    mask = cast(torch.Tensor, inputs["completion_mask"])
    return mask * inputs["tool_mask"] if "tool_mask" in inputs else mask
