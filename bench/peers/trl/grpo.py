"""TRL's side: GRPOTrainer as its documentation sets it up for one process, without a reference model."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import torch
from datasets import Dataset
from kit.side import Work, serve
from transformers import AutoTokenizer, LlamaForCausalLM
from transformers.utils import logging as transformers_logging
from trl import GRPOConfig, GRPOTrainer

logging.disable(logging.WARNING)
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def reward(completion_ids: list[list[int]], **_named: Any) -> list[float]:
    """The share of even tokens."""
    return [sum(token % 2 == 0 for token in row) / len(row) for row in completion_ids]


def prepare(case: dict[str, Any]) -> Work:
    torch.set_num_threads(int(case["threads"]))
    tokenizer = AutoTokenizer.from_pretrained(case["folder"])
    rows = len(case["prompts"]) * case["group"]
    # in single precision, without what saves memory for time, and with nothing written or shown
    settings = GRPOConfig(
        output_dir=tempfile.mkdtemp(prefix="trl-"), use_cpu=True, bf16=False, gradient_checkpointing=False,
        per_device_train_batch_size=rows, num_generations=case["group"], max_completion_length=case["tokens"],
        max_steps=case["steps"], learning_rate=case["rate"], lr_scheduler_type="constant", max_grad_norm=1.0,
        weight_decay=0.0, beta=0.0, optim="adamw_torch_fused", temperature=1.0, seed=0, report_to="none",
        logging_steps=case["steps"], save_strategy="no", disable_tqdm=True, shuffle_dataset=False,
    )  # fmt: skip
    data = Dataset.from_dict({"prompt": [tokenizer.decode(ids) for ids in case["prompts"]]})
    model = LlamaForCausalLM.from_pretrained(case["folder"], dtype=torch.float32)
    named = {"args": settings, "train_dataset": data, "reward_funcs": reward, "processing_class": tokenizer}
    answer = _loss(GRPOTrainer(model=model, **named), case["fixed"])
    model = LlamaForCausalLM.from_pretrained(case["folder"], dtype=torch.float32)
    trainer = GRPOTrainer(model=model, **named)

    def work() -> dict[str, float]:
        trainer.train()
        return answer

    return work


def _loss(trainer: GRPOTrainer, fixed: dict[str, Any]) -> dict[str, float]:
    inputs = {name: torch.tensor(rows) for name, rows in fixed.items()}
    inputs["prompt_mask"] = torch.ones_like(inputs["prompt_ids"])
    inputs["num_items_in_batch"] = inputs["completion_mask"].sum()
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), float("inf"))
    entropy = trainer._metrics["train"]["entropy"][-1]
    return {"loss": float(loss.detach()), "entropy": float(entropy), "gradient_norm": float(norm)}


if __name__ == "__main__":
    serve(prepare, packages=("trl", "transformers", "torch"))
