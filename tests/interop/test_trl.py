"""TRL's GRPO with doxa's objectives: the same numbers as the pure functions and as TRL's own, and a few steps of it."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import doxa.interop.trl
from doxa.errors import InputError
from doxa.interop.trl.trainer import EntropyControlledGRPOTrainer
from doxa.streams import torch_stream
from doxa.training.batches import ObjectiveWarning
from doxa.training.losses.base import losses
from doxa.training.objectives import open_advantage, open_loss
from doxa.training.tokens import logit_statistics
from tests.subjects import tiny_models
from tests.training.test_objectives_page import defined_by_the_page

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.*will be removed in v6:FutureWarning"
    ),  # of transformers, used by TRL 1.16
    pytest.mark.slow,
]

PROMPTS = ["the flag of peru", "is it true?", "the sea is", "i believe that"]


def reward(completions: list[str], **_: Any) -> list[float]:
    """Reward many different characters, so that groups differ."""
    return [len(set(text)) / 10 for text in completions]


def trainer(
    folder: Path, *, loss: str, advantage: str | None = None, **settings: Any
) -> EntropyControlledGRPOTrainer:
    """Return a trainer of a tiny random model, which stands in a folder where a reference model is read again."""
    from datasets import Dataset
    from trl import GRPOConfig

    chosen: dict[str, Any] = {
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "steps_per_generation": 2,
        "gradient_accumulation_steps": 1,
        "max_completion_length": 6,
        "learning_rate": 1e-2,
        "max_steps": 4,
        "logging_steps": 1,
        "temperature": 0.9,
        "save_strategy": "no",
        **settings,
    }
    args = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        report_to=[],
        disable_tqdm=True,
        activation_checkpointing=False,
        dataloader_pin_memory=False,
        seed=1,
        **chosen,
    )
    return EntropyControlledGRPOTrainer(
        model=str(tiny_models.save(folder / "model")) if settings.get("beta") else tiny_models.model("llama"),
        reward_funcs=reward,
        args=args,
        train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
        processing_class=tiny_models.tokenizer(template=None),
        loss=loss,
        advantage=advantage,
    )


def rollout(made: EntropyControlledGRPOTrainer) -> dict[str, torch.Tensor]:
    """Return one micro-batch of a rollout whose policy has moved since, with responses of several lengths."""
    rows = [{"prompt": text} for text in PROMPTS for _ in range(4)]
    made.model.train()
    inputs = made._generate_and_score_completions(rows)
    inputs["completion_mask"][1, 3:] = 0
    inputs["completion_mask"][2, 1:] = 0
    with torch.no_grad():
        for weight in made.model.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch_stream(0, "moved")), alpha=0.01)
    made._step = 1  # the second micro-batch, after an update
    made.current_gradient_accumulation_steps = 1
    return inputs


def gradients(made: EntropyControlledGRPOTrainer, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, list(made.model.parameters())))


def test_naming_the_package_imports_nothing():
    import subprocess

    code = "import sys, doxa.interop.trl, doxa.interop.verl; assert not {'trl', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert doxa.interop.trl.EntropyControlledGRPOTrainer is EntropyControlledGRPOTrainer


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("dapo", {}),
        ("grpo", {}),
        ("bnpo", {"off_policy_mask_threshold": 0.05}),
        ("dr_grpo", {}),
        ("dapo", {"beta": 0.1}),
        ("grpo", {"beta": 0.1, "use_bias_correction_kl": False}),
    ],
)
def test_plain_ppo_is_trls_own_loss(kind: str, settings: dict[str, Any], tmp_path: Path):
    from trl import GRPOTrainer

    made = trainer(tmp_path, loss="ppo-clip", loss_type=kind, **settings)
    inputs = rollout(made)
    made.current_gradient_accumulation_steps = 1
    ours = made._compute_loss(made.model, inputs)
    theirs = GRPOTrainer._compute_loss(made, made.model, inputs)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-6, abs=1e-8)
    for one, other in zip(gradients(made, ours), gradients(made, theirs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    logged = made._metrics["train"]
    assert logged["entropy"][0] == pytest.approx(logged["entropy"][1], rel=1e-6)
    for name, other in (("low", "clip_ratio/low_mean"), ("high", "clip_ratio/high_mean")):
        assert logged[f"objective/clip_fraction_{name}"][0] == pytest.approx(logged[other][0], abs=1e-6)
    assert logged["clip_ratio/region_mean"][0] > 0


def test_the_advantage_of_the_same_name_is_trls_own(tmp_path: Path):
    made = trainer(tmp_path, loss="ppo-clip")
    rows = [{"prompt": text} for text in PROMPTS for _ in range(4)]
    made.model.train()
    theirs = made._generate_and_score_completions(rows)
    made.advantage = open_advantage("grpo?eps=1e-4")
    torch.testing.assert_close(
        made._advantages(made.advantage, theirs), theirs["advantages"], rtol=1e-5, atol=1e-6
    )
    assert list(made._logs["advantages"]) == pytest.approx(theirs["advantages"].tolist(), rel=1e-4, abs=1e-6)
    made._rewards[3] = math.nan
    advantages = made._advantages(made.advantage, theirs)
    assert advantages[3] == 0.0
    assert advantages.isfinite().all()


@pytest.mark.parametrize(
    "address",
    [
        "kl-cov?fraction=0.1",
        "clip-cov?ratio=0.1&lb=0&ub=9",
        "steer?lambda_min=0.5",
        "steer?estimator=exact&lambda_min=0.5",
        "ppo-clip?entropy_bonus=0.05",
        "top-entropy",
    ],
)
def test_a_loss_is_the_pure_function(address: str, tmp_path: Path):
    made = trainer(tmp_path, loss=address, loss_type="bnpo", steps_per_generation=4)
    before = tiny_models.model("llama")  # the same weights again
    inputs = rollout(made)
    loss = made._compute_loss(made.model, inputs)
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    size = inputs["completion_ids"].shape[1]

    def statistics(model: Any) -> Any:
        logits = model(input_ids=ids, attention_mask=mask).logits[:, -size - 1 : -1]
        return logit_statistics(logits, inputs["completion_ids"], temperature=0.9, concentration=True)

    now = statistics(made.model)
    with torch.no_grad():
        was = statistics(before)
    valid = inputs["completion_mask"] > 0
    if "rollout_entropy" in inputs:
        torch.testing.assert_close(inputs["rollout_entropy"][valid], was.entropy[valid], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        inputs["old_per_token_logps"][valid], was.log_prob[valid], rtol=1e-4, atol=1e-5
    )
    pure = open_loss(address)(
        now.log_prob,
        inputs["old_per_token_logps"],
        inputs["advantages"],
        inputs["completion_mask"],
        entropy=inputs.get("rollout_entropy"),
        statistics=now,
        generator=made._generator("loss"),
    )
    assert float(loss.detach()) == pytest.approx(float(pure.loss.detach()), rel=1e-4, abs=1e-6)
    for one, other in zip(gradients(made, loss), gradients(made, pure.loss), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    for name, value in pure.metrics.items():
        assert made._metrics["train"][f"objective/{name}"] == [
            pytest.approx(float(value), rel=1e-3, abs=1e-5)
        ]


@pytest.mark.parametrize(
    ("loss", "advantage"),
    [
        ("kl-cov?fraction=0.02", None),
        ("steer?estimator=exact", "entropy-aware?base=grpo?eps=1e-4"),
        ("clip-cov", "shuffled"),
        ("steer", "opo"),
    ],
)
def test_a_few_steps(loss: str, advantage: str | None, tmp_path: Path):
    made = trainer(tmp_path, loss=loss, advantage=advantage, beta=0.01 if loss == "steer" else 0.0)
    before = [weight.detach().clone() for weight in made.model.parameters()]
    made.train()
    rows = [row for row in made.state.log_history if "loss" in row]
    assert len(rows) == 4
    wanted = {"entropy", "objective/covariance", "objective/covariance_top_0.02", "objective/ppo_kl"}
    wanted |= {"kl-cov": {"objective/fraction_selected"}, "clip-cov": {"objective/fraction_selected"}}.get(
        loss.partition("?")[0],
        {"objective/lambda_mean", "objective/lambda_min", "kl" if "est" not in loss else "entropy"},
    )
    for row in rows:
        assert wanted <= set(row)
        assert all(math.isfinite(value) for value in row.values())
    assert any(not torch.equal(old, new) for old, new in zip(before, made.model.parameters(), strict=True))


def test_the_trainer_of_the_page(tmp_path: Path):
    plain = trainer(tmp_path, loss="ppo-clip", max_steps=1, logging_steps=1)
    try:
        made = defined_by_the_page()["training"](
            plain.model, plain.processing_class, plain.train_dataset, reward, plain.args
        )
        made.train()
    finally:
        losses._known.pop("shy", None)
    assert math.isfinite(made.state.log_history[0]["objective/covariance"])


def test_it_evaluates(tmp_path: Path):
    made = trainer(
        tmp_path, loss="steer", advantage="grpo", per_device_eval_batch_size=8, num_generations_eval=2
    )
    from datasets import Dataset

    found = made.evaluate(Dataset.from_dict({"prompt": PROMPTS}))
    assert math.isfinite(found["eval_loss"])
    assert "eval_objective/lambda_mean" in found


def test_chance_hangs_on_update_and_micro_batch_wherever_training_resumed(tmp_path: Path):
    made = trainer(tmp_path, loss="clip-cov")
    made.model.train()

    def places(begun: int) -> list[list[int]]:
        drawn: list[list[int]] = []
        for update in (5, 6):
            made.state.global_step = update
            for micro in range(2):
                made._step = begun + 2 * (update - 5) + micro
                drawn.append(torch.randperm(9, generator=made._generator("loss")).tolist())
        return drawn

    unbroken = places(11)
    made.state.global_step = 0
    made._generator("loss")
    assert places(0) == unbroken
    assert len({tuple(one) for one in unbroken}) == 4
    made.model.eval()
    assert torch.randperm(9, generator=made._generator("loss")).tolist() not in unbroken


def test_a_resumed_training_has_the_chance_of_an_unbroken_one(tmp_path: Path):
    """TRL draws other completions after resuming; what doxa draws itself stays the same."""

    def seeds(checkpoint: str | None) -> list[int]:
        made = trainer(
            tmp_path, loss="clip-cov", advantage="shuffled", save_strategy="steps", save_steps=2,
            gradient_accumulation_steps=2,
        )  # fmt: skip
        drawn, own = list[int](), made._generator

        def recorded(use: str) -> torch.Generator:
            drawn.append(own(use).initial_seed())
            return own(use)

        made._generator = recorded
        made.train(resume_from_checkpoint=checkpoint)
        return drawn

    unbroken = seeds(None)
    assert len(set(unbroken)) == len(unbroken) == 4 * (1 + 2)
    assert seeds(str(tmp_path / "checkpoint-2")) == unbroken[6:]


def test_a_micro_batch_without_tokens_has_no_loss(tmp_path: Path):
    made = trainer(tmp_path, loss="ppo-clip")
    inputs = rollout(made)
    inputs["completion_mask"][:] = 0
    loss = made._compute_loss(made.model, inputs)
    assert float(loss.detach()) == 0.0
    loss.backward()


def test_a_single_update_per_rollout_is_warned_of(tmp_path: Path):
    with pytest.warns(ObjectiveWarning, match="no effect with 1 update"):
        trainer(tmp_path, loss="kl-cov", steps_per_generation=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "kl_cov"}, "did you mean 'kl-cov'"),
        ({"loss": "ppo-clip", "epsilon_high": 0.28}, "clip_high=0.28"),
        ({"loss": "ppo-clip", "loss_type": "cispo"}, "known: bnpo, dapo"),
        ({"loss": "ppo-clip?agg=token-mean"}, "leave agg out"),
        ({"loss": "ppo-clip", "top_entropy_quantile": 0.2}, "top-entropy"),
        ({"loss": "ppo-clip", "entropy_coef": 0.1}, "entropy_bonus"),
        ({"loss": "ppo-clip", "advantage": "grpo", "scale_rewards": "batch"}, "scale=batch"),
    ],
)
def test_settings_that_nobody_would_read_are_refused(settings: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, **settings)
