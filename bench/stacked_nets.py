"""Many replicates of a small network: one stack beside one at a time, and beside transformers with torch's AdamW.

Same seeds, rows and steps on both sides, alternating repeats in one process; the ratio is how many times more
replicate-steps per second the stack makes, its interval a 95 % t interval of the log ratio over the repeats.
``limit_share`` is the stack's share of the matrix arithmetic that this processor does in the same precision.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from scipy.stats import t as student_t

from doxa.nets import NetShape, Sampler, TrainingPlan
from doxa.nets.trainer import train_stack, uses_bfloat16
from doxa.nets.transformer import StackedTransformer, parameter_sizes
from doxa.streams import stream
from doxa.worlds.belief_learners import belief_sampler
from doxa.worlds.belief_world import BeliefWorld
from doxa.worlds.leaning_corpus import LeaningCorpus
from doxa.worlds.leaning_learners import leaning_sampler


@dataclass(frozen=True)
class Case:
    """One network, its data and how many replicates of it are trained; ``asked`` positions of a row carry loss."""

    name: str
    shape: NetShape
    plan: TrainingPlan
    sampler: Sampler
    tokens: int
    asked: int
    replicates: int

    @property
    def matrix_operations(self) -> float:
        """Floating-point operations of one replicate-step in the blocks' matrices, forward and backward."""
        sizes = [
            size for name, size in parameter_sizes(self.shape).items() if name[0].isdigit() and len(size) == 2
        ]
        return 6.0 * sum(math.prod(size) for size in sizes) * self.plan.batch * self.tokens


def cases(*, small: bool) -> list[Case]:
    world, corpus = BeliefWorld(), LeaningCorpus()
    steps = 4 if small else 16
    many = 4 if small else 8
    belief = NetShape(world.vocabulary, positions=8)
    thin = NetShape(world.vocabulary, width=32, heads=2, positions=8)
    plan = TrainingPlan(steps=steps, batch=256, peak_rate=2e-3)
    few = replace(plan, batch=16)
    leaning = NetShape(corpus.vocabulary)
    return [
        Case("belief world, 256 rows", belief, plan, belief_sampler(world), 8, 1, many),
        Case("belief world, 16 rows, width 32", thin, few, belief_sampler(world), 8, 1, 4 * many),
        Case("leaning corpus", leaning, replace(plan, batch=64), leaning_sampler(corpus), 40, 20, many),
    ]


def stacked(case: Case, precision: str) -> np.ndarray:
    plan = replace(case.plan, precision=precision)
    samplers = [case.sampler] * case.replicates
    return train_stack(case.shape, samplers, range(case.replicates), plan).loss[:, -1]


def one_by_one(case: Case) -> np.ndarray:
    losses = [
        train_stack(case.shape, [case.sampler], [seed], case.plan).loss[0, -1]
        for seed in range(case.replicates)
    ]
    return np.array(losses)


def with_transformers(case: Case) -> np.ndarray:
    """The loop a user would write: LlamaForCausalLM, masked cross-entropy, clipping and AdamW, seed after seed."""
    losses: list[float] = []
    for seed in range(case.replicates):
        model = StackedTransformer.initial(case.shape, [seed]).export(0).train()
        plain = [p for name, p in model.named_parameters() if "norm" in name or "embed" in name]
        decayed = [p for name, p in model.named_parameters() if not ("norm" in name or "embed" in name)]
        groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        adam = torch.optim.AdamW(groups, weight_decay=case.plan.weight_decay, fused=True)
        rows = case.sampler(stream(seed, "data", 0), 4096)
        total = 0.0
        for step in range(case.plan.steps):
            part = slice(step * case.plan.batch, (step + 1) * case.plan.batch)
            logits = model(torch.from_numpy(rows.tokens[part]), use_cache=False).logits.flatten(0, 1)
            target = torch.from_numpy(rows.targets[part]).flatten()
            adam.zero_grad()
            loss = F.cross_entropy(logits, target, ignore_index=-1)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), case.plan.clip_norm)
            for group in adam.param_groups:
                group["lr"] = case.plan.rate(step)
            adam.step()
            total += loss.item()
        losses.append(total / case.plan.steps)
    return np.array(losses)


def seconds_of(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def peak_operations_per_s(precision: str) -> float:
    """Matrix arithmetic of this processor on one core's thread count, at the nets' sizes."""
    dtype = torch.bfloat16 if uses_bfloat16(precision) else torch.float32
    left, right = torch.ones(4, 2048, 128, dtype=dtype), torch.ones(4, 128, 128, dtype=dtype)
    times: list[float] = []
    for _ in range(20):
        start = time.perf_counter()
        torch.bmm(left, right)
        times.append(time.perf_counter() - start)
    return 2.0 * 4 * 2048 * 128 * 128 / min(times)


def row(
    case: Case, precision: str, peer: Callable[[Case], np.ndarray], peer_name: str, repeats: int
) -> dict[str, object]:
    peak = peak_operations_per_s(precision)
    stacked(case, precision)
    ours: list[float] = []
    theirs: list[float] = []
    agrees = True
    for _ in range(repeats):
        own_seconds, own = seconds_of(lambda: stacked(case, precision))
        peer_seconds, other = seconds_of(lambda: peer(case))
        ours.append(own_seconds)
        theirs.append(peer_seconds)
        agrees &= bool(np.allclose(own, other, atol=1e-3 if precision == "float32" else 5e-2))
    logs = np.log(np.array(theirs) / np.array(ours))
    half = float(student_t.ppf(0.975, repeats - 1) * logs.std(ddof=1) / math.sqrt(repeats))
    work = case.replicates * case.plan.steps
    return {
        "case": f"{case.name}, {case.replicates} replicates, {precision}",
        "doxa": round(work / float(np.median(ours)), 2),
        "peer": round(work / float(np.median(theirs)), 2),
        "peer_name": peer_name,
        "unit": "replicate-steps/s",
        "ratio": round(math.exp(float(logs.mean())), 3),
        "interval": [round(math.exp(float(logs.mean()) + side * half), 3) for side in (-1, 1)],
        "limit_share": round(case.matrix_operations * work / min(ours) / peak, 3),
        "agrees": agrees,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few steps and repeats only")
    parser.add_argument("--json", action="store_true", help="print JSON (it is what is printed anyway)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every side (default 1)")
    parser.add_argument("--repeats", type=int, default=0, help="alternating repeats (default 7; small 3)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    repeats = options.repeats or (3 if options.small else 7)
    peers = (
        (one_by_one, "doxa, one at a time"),
        (with_transformers, "transformers with torch AdamW, one at a time"),
    )
    rows = [
        row(case, precision, peer, name, repeats)
        for case in cases(small=options.small)
        for precision in (["float32", "bfloat16"] if uses_bfloat16("auto") else ["float32"])
        for peer, name in peers
        if not (precision == "bfloat16" and peer is one_by_one)
    ]
    machine = {
        "cores": os.cpu_count(),
        "threads": options.threads,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
    }
    print(json.dumps({"bench": "stacked-nets", "machine": machine, "rows": rows}))


if __name__ == "__main__":
    main()
