from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from polars.testing import assert_frame_equal

from doxa.errors import InputError, StoreError
from doxa.nets import NetShape
from doxa.nets.optimiser import StackedAdamW
from doxa.nets.transformer import StackedTransformer
from doxa.training.batches import ObjectiveWarning
from doxa.training.objectives import open_advantage, open_loss
from doxa.training.policy_loop import PolicyProgress, PolicyRun, train_policy
from doxa.training.policy_plan import PolicyPlan, Variant
from doxa.training.policy_updates import Updater
from doxa.training.rollouts import Roller
from doxa.worlds.sum_composition import SumComposition
from tests.training.policy_worlds import WORLD, RaggedWorld, bases

PLAN = PolicyPlan(steps=5, group=4, evaluate_every=2, samples=4)
GRPO = Variant("grpo", mini_batches=2, rate=1e-2)
SOME = [GRPO, Variant("kl-cov", "kl-cov?fraction=0.1", mini_batches=2, rate=1e-2, temperature=0.8)]


class Recorder(StackedAdamW):
    """Takes gradients and no step."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.of = weights

    def step(self, loss: torch.Tensor, rate: object, active: object = None) -> torch.Tensor:
        self.taken = torch.autograd.grad(loss.sum(), self.of)
        return torch.zeros(len(loss))


def weights_of(run: PolicyRun, replicate: int) -> np.ndarray:
    return np.concatenate([one[replicate].flatten().numpy() for one in run.net.weights.values()])


def assert_equal_runs(one: PolicyRun, other: PolicyRun) -> None:
    assert one.replicates == other.replicates
    for name, tensor in one.net.weights.items():
        assert torch.equal(tensor, other.net.weights[name]), name
    assert_frame_equal(one.log, other.log, check_exact=True)
    assert_frame_equal(one.evaluations, other.evaluations, check_exact=True)


def test_a_replicate_does_not_depend_on_its_company():
    together = train_policy(bases((1, 2)), WORLD, SOME, [1, 2], PLAN)
    assert together.replicates == (("grpo", 1), ("grpo", 2), ("kl-cov", 1), ("kl-cov", 2))
    alone = train_policy(bases((2,)), WORLD, SOME[1:], [2], PLAN)
    np.testing.assert_allclose(weights_of(together, 3), weights_of(alone, 0), atol=2e-5)
    rows = together.log.filter(pl.col("variant") == "kl-cov", pl.col("seed") == 2).select(alone.log.columns)
    assert_frame_equal(rows, alone.log, abs_tol=2e-4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kl-cov?fraction=0.5&coef=0", "policy-gradient"),
        ("steer?lambda_min=1&estimator=exact", "dual-clip?clip_high=0.28&dual_clip=10"),
        ("clip-cov?lb=90&ub=91&clip_low=0.2&clip_high=0.2", "ppo-clip"),
    ],
)
def test_variants_that_mean_the_same_train_to_the_same_bits(one: str, other: str):
    variants = [replace(GRPO, name="one", loss=one), replace(GRPO, name="other", loss=other)]
    run = train_policy(bases(), WORLD, variants, [1, 2], PLAN)
    for seed in (0, 1):
        assert np.array_equal(weights_of(run, seed), weights_of(run, 2 + seed))
    assert not torch.allclose(run.net.weights["embedding"][:2], bases().weights["embedding"], atol=1e-2)


def test_broken_off_training_ends_in_the_same_bytes(tmp_path: Path):
    variants = [*SOME, Variant("other rhythm", mini_batches=3, rate=1e-2)]
    whole = train_policy(
        bases(), WORLD, variants, [1, 2], PLAN, checkpoint=tmp_path / "whole", checkpoint_every=2
    )

    def stop(at: int):
        def progress(now: PolicyProgress) -> None:
            assert now.steps == 10
            if now.step == at:
                raise KeyboardInterrupt

        return progress

    path = tmp_path / "state"
    for at in (3, 9):
        with pytest.raises(KeyboardInterrupt):
            train_policy(
                bases(), WORLD, variants, [1, 2], PLAN, checkpoint=path, checkpoint_every=2, progress=stop(at)
            )
    torn = tmp_path / ".state.0123.tmp"
    torn.write_bytes(b"half a file")
    steps: list[int] = []
    resumed = train_policy(
        bases(), WORLD, variants, [1, 2], PLAN, checkpoint=path, checkpoint_every=2,
        progress=lambda now: steps.append(now.step),
    )  # fmt: skip
    assert steps == [8, 9, 10]
    assert not torn.exists()
    assert_equal_runs(resumed, whole)
    for suffix in ("", ".1"):
        assert (tmp_path / f"state{suffix}").read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    again = train_policy(bases(), WORLD, variants, [1, 2], PLAN, checkpoint=path, progress=stop(1))
    assert_equal_runs(again, whole)
    with pytest.raises(StoreError, match="another training"):
        train_policy(bases(), WORLD, variants, [1, 3], PLAN, checkpoint=path)


def test_evaluating_in_a_second_thread_changes_no_number(tmp_path: Path):
    first = train_policy(bases(), WORLD, SOME, [1, 2], PLAN)
    second = train_policy(
        bases(), WORLD, SOME, [1, 2], PLAN, asynchronous=True, checkpoint=tmp_path / "state"
    )
    assert_equal_runs(first, second)
    assert first.evaluations["step"].unique().sort().to_list() == [0, 2, 4, 5]


def test_the_log_says_what_the_policy_of_its_step_is():
    plan = replace(PLAN, evaluate_every=1, samples=400, steps=2)
    run = train_policy(bases(), WORLD, [GRPO], [1, 2], plan)
    log = run.log.join(run.evaluations, on=["variant", "seed", "step"], suffix="_evaluated")
    assert len(log) == 4
    gap = (log["entropy"] - log["entropy_evaluated"]).abs()
    assert gap.max() < 0.25
    assert log["sampling_gap"].max() < 1e-5
    change = run.log.filter(pl.col("seed") == 1)["entropy_change"].to_list()
    entropy = run.log.filter(pl.col("seed") == 1)["entropy"].to_list()
    assert change == [entropy[1] - entropy[0], None]
    assert (log["kl"] >= 0).all()
    assert log["response_length"].is_between(1, 4).all()


def test_one_update_is_the_gradient_of_the_loss_from_logits():
    """One rollout of unequal prompts, one update by plain gradients, beside autograd on a pass without a cache."""
    world, names, seeds = RaggedWorld(), ("one",), (1, 2)
    variants = [
        Variant("a", "ppo-clip?entropy_bonus=0.1", mini_batches=1, temperature=0.7),
        Variant("b", mini_batches=1),
    ]
    net = StackedTransformer.initial(NetShape(6, width=16, heads=2, positions=6), seeds)
    estimators = [open_advantage(one.advantage) for one in variants]
    losses = [open_loss(one.loss) for one in variants]
    rollout = Roller([world] * 2, variants, seeds, estimators, PLAN, names)(net, 0)
    for weight in net.weights.values():
        weight.requires_grad_(True)
    recorder = Recorder(list(net.weights.values()))
    Updater(variants, seeds, losses, PLAN.group, names)(net, recorder, [1.0, 1.0], rollout, 0)
    total = torch.zeros(())
    for place, variant in enumerate(variants):
        parts: list[torch.Tensor] = []
        for row in range(rollout.mask.shape[1]):
            length, start = int(rollout.drawn.lengths[place, row]), int(rollout.start[place, row])
            tokens = rollout.tokens[:, row : row + 1, : start + length + 1]
            logits = net.logits(net.hidden(tokens))[place, 0, start:-1] / variant.temperature
            log_probs = F.log_softmax(logits, -1)
            own = log_probs.gather(-1, tokens[place, 0, start + 1 :, None])[:, 0]
            entropy = -(log_probs.exp() * log_probs).sum(-1)
            ratio = (own - own.detach()).exp()
            bonus = 0.1 * entropy if variant.name == "a" else 0.0
            parts.append(-rollout.advantage[place, row, :length] * ratio - bonus)
        total = total + torch.cat(parts).mean()
    for found, expected in zip(
        recorder.taken, torch.autograd.grad(total, list(net.weights.values())), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-4)


def test_expected_updates_follow_the_exact_policy_gradient():
    """One state and one token: the mean of many rollouts' gradients is that of expected reward, by enumeration."""

    class Arms:
        vocabulary, end, most = 4, 0, 1
        prompts, prompt_lengths = np.array([[1]]), np.array([1])

        def reward(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
            return np.array([0.0, 1.0, 0.2, 0.5])[tokens[:, 0]]

        def correct(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
            return tokens[:, 0] == 1

        def answer(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
            return tokens[:, 0]

    shape = NetShape(4, width=4, layers=1, heads=1, positions=2, tied=False)
    net = StackedTransformer.initial(shape, [5], "arms")
    net.weights["head"].requires_grad_(True)
    group = 40_000
    variant = Variant("arms", "policy-gradient", "rloo", mini_batches=1)
    plan = PolicyPlan(steps=1, group=group)
    rollout = Roller([Arms()], [variant], [0], [open_advantage("rloo")], plan, ())(net, 0)
    recorder = Recorder([net.weights["head"]])
    Updater([variant], [0], [open_loss("policy-gradient")], group, ())(net, recorder, [1.0], rollout, 0)
    logits = net.logits(net.hidden(torch.tensor([[[1]]])))[0, 0, 0]
    value = (logits.softmax(-1) * torch.tensor([0.0, 1.0, 0.2, 0.5])).sum()
    exact = torch.autograd.grad(-value, [net.weights["head"]])[0]
    torch.testing.assert_close(
        recorder.taken[0], exact, atol=5 * float(exact.abs().max()) / group**0.5, rtol=0
    )


def test_dropped_groups_teach_nothing_and_are_dealt_out():
    plan = replace(PLAN, steps=3, evaluate_every=0)
    kept, dropped = (
        replace(GRPO, name=str(one), filter_groups=one, loss="policy-gradient") for one in (False, True)
    )
    run = train_policy(bases(), WORLD, [kept, dropped], [1, 2], plan)
    first = run.log.filter(pl.col("step") == 0)
    assert first["equal_groups"].min() > 0
    assert np.array_equal(first["reward"][:2], first["reward"][2:])
    assert not np.array_equal(weights_of(run, 0), weights_of(run, 2))


def test_epochs_go_through_a_rollout_again_in_another_order():
    once, twice = (
        Variant("once", mini_batches=3, rate=1e-2),
        Variant("twice", mini_batches=3, epochs=2, rate=1e-2),
    )
    run = train_policy(bases(), WORLD, [twice, once], [1, 2], replace(PLAN, steps=1, group=8))
    assert run.replicates == (("twice", 1), ("twice", 2), ("once", 1), ("once", 2))
    assert run.log["variant"].to_list() == ["twice", "twice", "once", "once"]
    assert np.array_equal(run.log["reward"][:2], run.log["reward"][2:])
    assert (run.log["kl"][:2] > run.log["kl"][2:]).all()


def test_a_replicate_without_a_signal_stays_as_it_is():
    """Every response of the small world earns nothing, so all groups are dropped and there is no update."""

    class Barren(SumComposition):
        def reward(self, prompt: np.ndarray, tokens: np.ndarray) -> np.ndarray:
            return np.zeros(len(prompt))

    worlds = {"barren": Barren(low=5, high=10, most=4), "grpo": WORLD}
    variants = [GRPO, replace(GRPO, name="barren", filter_groups=True)]
    net = bases()
    run = train_policy(net, worlds, variants, [1, 2], PLAN)
    for name, weight in run.net.weights.items():
        assert torch.equal(weight[2:], net.weights[name])
        assert not torch.equal(weight[:2], net.weights[name])
    assert run.log.filter(pl.col("variant") == "barren")["loss"].is_null().all()


def test_a_bonus_of_one_variant_shows_in_its_rewards_and_near_ties_are_counted():
    worlds = {"grpo": WORLD, "short": replace(WORLD, short_bonus=0.01, short_digits=2)}
    run = train_policy(
        bases(), worlds, [GRPO, replace(GRPO, name="short")], [1, 2], replace(PLAN, steps=1, group=8)
    )
    plain, short = (run.log.filter(pl.col("variant") == name) for name in ("grpo", "short"))
    assert (short["reward"] > plain["reward"]).all()
    assert (short["correct"] == plain["correct"]).all()
    assert plain["tie_rate"].max() == 0
    assert short["tie_rate"].min() > 0


def test_prompts_may_be_unequal_and_fewer_than_all():
    plan = replace(PLAN, steps=60, group=16, prompts=2, evaluate_every=60, samples=50)
    variant = Variant("grpo", mini_batches=1, rate=1e-2)
    net = StackedTransformer.initial(NetShape(6, width=16, heads=2, positions=6), [1, 2])
    run = train_policy(net, RaggedWorld(), [variant], [1, 2], plan)
    right = run.evaluations.filter(pl.col("step") == 60)["pass@1"]
    assert right.min() > run.evaluations.filter(pl.col("step") == 0)["pass@1"].max() + 0.2
    assert run.log["sampling_gap"].max() < 1e-5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": [1]}, "one base for each"),
        ({"seeds": [1, 1]}, "no seed twice"),
        ({"variants": []}, "at least one"),
        ({"variants": [GRPO, GRPO]}, "name of its own"),
        ({"variants": [replace(GRPO, loss="ppo")]}, "no loss called 'ppo'"),
        ({"variants": [replace(GRPO, advantage="gae")]}, "no advantage called"),
        ({"variants": [replace(GRPO, mini_batches=7)]}, "mini_batches=7 of 6 groups"),
        ({"plan": replace(PLAN, prompts=7)}, "the world has 6"),
        ({"worlds": {"other": WORLD}}, "none for variant 'grpo'"),
        ({"worlds": SumComposition()}, "the world has 41"),
        (
            {"worlds": {"grpo": WORLD, "kl-cov": SumComposition()}, "variants": SOME},
            "other prompts or tokens",
        ),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], said: str):
    given = {"net": bases(), "worlds": WORLD, "variants": [GRPO], "seeds": [1, 2], "plan": PLAN}
    with pytest.raises(InputError, match=said):
        train_policy(**(given | change))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Variant("x", rate=0), "rate=0"),
        (lambda: Variant("x", mini_batches=0), "mini_batches=0"),
        (lambda: Variant("x", temperature=0), "cannot be greedy"),
        (lambda: Variant("x", clip_norm=-1), "clip_norm=-1"),
        (lambda: PolicyPlan(steps=0), "steps=0"),
        (lambda: PolicyPlan(prompts=-1), "prompts=-1"),
        (lambda: PolicyPlan(evaluate_temperature=0), "evaluate_temperature=0"),
    ],
)
def test_bad_plans_are_refused(make: object, said: str):
    with pytest.raises(InputError, match=said):
        make()  # pyright: ignore[reportCallIssue]


def test_kl_cov_with_one_update_is_warned_of():
    variant = Variant("kl-cov", "kl-cov", mini_batches=1)
    with pytest.warns(ObjectiveWarning, match="no effect with 1 update"):
        train_policy(bases(), WORLD, [variant], [1, 2], replace(PLAN, steps=1))
