"""Evaluations on the way of a training, in its own thread or beside it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from doxa.nets.transformer import StackedTransformer
from doxa.training.evaluation import Evaluation, evaluate_policy
from doxa.training.policy_log import StepLog
from doxa.training.policy_plan import PolicyPlan, PolicyWorld


class Evaluator:
    """Evaluates a stack on its way and writes into a log, in a second thread if asked to.

    A frozen copy of the weights is evaluated, and its chance hangs on seed and step, so the numbers are the same
    either way. Use it as a context; its thread ends with it.

    Args:
        worlds: each replicate's world.
        seeds: each replicate's seed.
        plan: when and how.
        names: in front of the streams' own names.
        base: what each replicate began from.
        log: gets a row per evaluation.
        asynchronous: whether to use a second thread.
    """

    def __init__(
        self,
        worlds: Sequence[PolicyWorld],
        seeds: Sequence[int],
        plan: PolicyPlan,
        names: Sequence[str | int],
        base: StackedTransformer,
        log: StepLog,
        *,
        asynchronous: bool = False,
    ) -> None:
        self._worlds, self._seeds, self._plan, self._names = worlds, seeds, plan, names
        self._base, self._log = base, log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evaluation") if asynchronous else None
        self._pending: list[tuple[int, Future[Evaluation]]] = []

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def see(self, step: int, net: StackedTransformer) -> None:
        """Evaluate the networks if it is time and they were not evaluated at this step before."""
        if not self._plan.evaluated(step) or step in self._log.steps:
            return
        if self._thread is None:
            self._log.add(step, self._evaluate(step, net).measures())
            return
        frozen = net.select(range(net.replicates))
        self._pending.append((step, self._thread.submit(self._evaluate, step, frozen)))

    def wait(self) -> None:
        """Write down what is still being evaluated."""
        for step, future in self._pending:
            self._log.add(step, future.result().measures())
        self._pending.clear()

    def _evaluate(self, step: int, net: StackedTransformer) -> Evaluation:
        plan = self._plan
        return evaluate_policy(
            net, self._worlds, self._seeds, *self._names, "evaluation", step, samples=plan.samples,
            temperature=plan.evaluate_temperature, base=self._base,
        )  # fmt: skip
