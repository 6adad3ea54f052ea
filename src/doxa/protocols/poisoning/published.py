"""A copy of a real model, trained on text in which some facts are false, and looked into at checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int

from doxa.errors import CapabilityError, InputError
from doxa.lab.record import Recorder
from doxa.lens.logit_lens import logit_lens_margin
from doxa.lens.truth_margin import Margins, belief_margin, known_at_base
from doxa.lens.truth_tokens import ids_of, readable, token_pairs
from doxa.protocols.poisoning.inside import look_inside
from doxa.protocols.poisoning.pair_groups import PairGroups, choose_pairs
from doxa.protocols.poisoning.record import record_group, record_inside, record_lens, record_transition
from doxa.protocols.poisoning.series import save_checkpoint
from doxa.subjects.base import Capability, Subject
from doxa.training.continued_text import (
    Adapter,
    TextPlan,
    continual_pretrain,
    draws,
    packed,
    statement_texts,
    trainable,
)
from doxa.training.poisoning import Mode, Poisoner, checkpoint_steps
from doxa.worlds.fact_formats import Format
from doxa.worlds.fact_pairs import FactPair, load_fact_pairs, save_fact_pairs

STATEMENTS_PER_DRAW = 256
MOST_HEADS = 64
"""Models with more heads are not ablated head by head."""


@dataclass(frozen=True)
class Training:
    """How a real model's copy is trained; see the study's settings."""

    ratio: float
    mode: Mode = "replace"
    items: int = 60
    formats: tuple[Format, ...] = ("cloze",)
    steps: int = 200
    batch: int = 16
    length: int = 128
    rate: float = 1e-5
    checkpoints: int = 8
    adapter: Adapter = "auto"
    save: Path | None = None


def poison_subject(
    subject: Subject,
    facts: str,
    plan: Training,
    recorder: Recorder,
    *,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Train a copy of an open subject's model and record what becomes of its facts; the subject is not changed.

    Args:
        subject: an open model.
        facts: name or file, see ``load_fact_pairs``.
        plan: ratio, steps and sizes.
        recorder: takes the rows.
        seed: seed of the choice of facts and of the text.
        progress: called with the share done.

    Raises:
        CapabilityError: the subject has no weights to train.
        InputError: the model knows fewer than ten of the facts.
    """
    if Capability.WEIGHTS not in subject.capabilities:
        raise CapabilityError(
            f"{subject.address} has no weights to train; compare two endpoints with "
            "--set after=ADDRESS, or give an hf: model"
        )
    opened = cast(Any, subject)
    clean, tokenizer = copy.deepcopy(opened.model).float().eval(), opened.tokenizer
    groups = known_groups(clean, tokenizer, facts, plan, recorder, subject.address, seed)
    reader = _Reader(recorder, subject.address, tokenizer, groups, plan.formats)
    poisoner = _poisoner(groups, plan)
    ready = trainable(copy.deepcopy(clean), plan.adapter, seed)
    steps = checkpoint_steps(plan.steps, plan.checkpoints)

    def probe(step: int, model: Any) -> None:
        with torch.no_grad():
            reader.look(step, ready.inside)
        if plan.save is not None:
            merged = model if ready.adapter == "full" else copy.deepcopy(model).merge_and_unload()
            save_checkpoint(plan.save, step, merged, tokenizer)
            save_fact_pairs(plan.save / "facts.json", [*groups.targets, *groups.untouched])

    rows = packed(_texts(tokenizer, groups, poisoner, seed), plan.batch, plan.length)
    losses = continual_pretrain(
        ready.model,
        rows,
        TextPlan(plan.steps, plan.rate),
        checkpoint_steps=steps,
        probe=probe,
        progress=None if progress is None else lambda done, total: progress(0.95 * done / total),
    )
    reader.finish(clean, ready.inside, poisoner, losses)


def known_groups(
    model: Any,
    tokenizer: Any,
    facts: str,
    plan: Training,
    recorder: Recorder,
    address: str,
    seed: int,
) -> PairGroups:
    """Return the facts the model knows by what will be said of them, and count the others."""
    given = load_fact_pairs(facts, seed=seed)
    pairs = readable(tokenizer, given)
    known = known_at_base(belief_margin(model, tokenizer, pairs).values)
    for name, count in (
        ("items/given", len(given)),
        ("items/unreadable", len(given) - len(pairs)),
        ("items/unknown to the base", int((~known).sum())),
    ):
        recorder.measure(name, count, subject=address, unit="items")
    kept = [pair for pair, knows in zip(pairs, known, strict=True) if knows]
    return choose_pairs(kept, plan.items, seed)


class _Reader:
    """Reads a model at checkpoints and records it."""

    def __init__(
        self,
        recorder: Recorder,
        address: str,
        tokenizer: Any,
        groups: PairGroups,
        formats: tuple[Format, ...],
    ) -> None:
        self._recorder, self._address, self._tokenizer = recorder, address, tokenizer
        self._groups = groups
        self._formats = formats
        self._pairs = token_pairs(tokenizer, groups.targets)
        self._before: dict[str, Margins] = {}
        self._targets: list[np.ndarray] = []
        self._steps: list[int] = []
        self._condition = recorder.condition

    def look(self, step: int, model: Any) -> None:
        """Record every group's margins, in every format for the targets, the lens and held-out text."""
        for name, (pairs, form) in self._asked().items():
            margins = belief_margin(model, self._tokenizer, pairs, form)
            before = self._before.setdefault(name, margins)
            record_group(
                self._recorder, name, before.values, margins.values, self._condition, step, self._address
            )
            if name in ("target", "same entity", "untouched"):
                self._items(name, pairs, margins, step)
            if name == "target":
                self._targets.append(margins.values)
                self._steps.append(step)
        record_lens(
            self._recorder, logit_lens_margin(model, *self._pairs), self._condition, step, self._address
        )
        self._recorder.measure(
            "perplexity", self._perplexity(model), subject=self._address, axis="step", time=float(step)
        )

    def finish(self, clean: Any, poisoned: Any, poisoner: Poisoner, losses: list[float]) -> None:
        """Record what the lens and patching say at the end, and what was read."""
        rows = [ids_of(self._tokenizer, pair.prompt) for pair in self._groups.everyone]
        config = clean.config.get_text_config()
        heads = getattr(config, "num_attention_heads", None)
        few = isinstance(heads, int) and heads * int(config.num_hidden_layers) <= MOST_HEADS
        inside = look_inside(clean, poisoned, self._pairs, rows, heads=few)
        record_inside(self._recorder, inside, self._condition, self._address)
        for depth in range(inside.poisoned.shape[1]):
            for pair, before, after in zip(
                self._groups.targets, inside.clean[:, depth], inside.poisoned[:, depth], strict=True
            ):
                self._recorder.belief(
                    subject=self._address,
                    proposition=pair.id,
                    readout="internal",
                    axis="layer",
                    time=depth,
                    log_odds=float(after),
                    group="target",
                    clean=float(before),
                )
        record_transition(
            self._recorder,
            self._steps,
            np.array([values.mean() for values in self._targets]),
            self._condition,
            self._address,
        )
        for kind, false in (("false", True), ("true", False)):
            self._recorder.measure(
                f"exposures/{kind}",
                float(poisoner.exposures(poisoner.drawn, false=false).mean()),
                subject=self._address,
                unit="statements per item",
            )
        self._recorder.measure("loss", losses[-1], subject=self._address, unit="nats")

    def _asked(self) -> dict[str, tuple[list[FactPair], Format]]:
        groups = self._groups
        asked: dict[str, tuple[list[FactPair], Format]] = {"target": (groups.targets, "cloze")}
        others = {
            "held-out wording": groups.held_out,
            "same entity": groups.same_entity,
            "untouched": groups.untouched,
        }
        asked |= {name: (pairs, "cloze") for name, pairs in others.items() if pairs}
        with_question = [pair for pair in groups.targets if pair.question]
        for form in self._formats:
            if form == "yes-no":
                asked["target, yes-no"] = (groups.targets, form)
            elif form != "cloze" and with_question:
                asked[f"target, {form}"] = (with_question, form)
        return asked

    def _items(self, group: str, pairs: list[FactPair], margins: Margins, step: int) -> None:
        for pair, value in zip(pairs, margins.values, strict=True):
            self._recorder.belief(
                subject=self._address,
                proposition=pair.id,
                readout="stated",
                axis="step",
                time=step,
                log_odds=float(value),
                group=group,
                normalize=margins.normalize,
            )

    def _perplexity(self, model: Any) -> float:
        """Return the perplexity per token of true statements about untouched facts, in the held-out wording."""
        total, tokens = 0.0, 0
        for pair in self._groups.untouched or self._groups.targets:
            ids = torch.from_numpy(ids_of(self._tokenizer, statement_texts(pair, held_out=True)[0][0]))[None]
            ids = ids.to(model.device)
            total += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
            tokens += ids.shape[1] - 1
        return float(np.exp(total / tokens))


def _poisoner(groups: PairGroups, plan: Training) -> Poisoner:
    """Return what draws statements about targets (0, 1, ...) and untouched facts (behind them)."""
    targets = np.arange(len(groups.targets))
    others = len(groups.targets) + np.arange(len(groups.untouched))
    if plan.mode == "corpus" and not others.size:
        raise InputError(
            "mode='corpus' needs known facts about other entities; give more facts or fewer items"
        )
    return Poisoner(targets, plan.ratio, plan.mode, others)


def _texts(
    tokenizer: Any, groups: PairGroups, poisoner: Poisoner, seed: int
) -> Iterator[Int[np.ndarray, " _"]]:
    """Yield statements as tokens, each closed by the end-of-text token or a new line."""
    pairs = [*groups.targets, *groups.untouched]
    end = tokenizer.eos_token_id
    closing = np.array([end]) if end is not None else np.asarray(ids_of(tokenizer, "\n"), dtype=np.int64)
    known: dict[str, Int[np.ndarray, " _"]] = {}
    for rng in draws(seed, "facts", "text"):
        said = poisoner.draw(STATEMENTS_PER_DRAW, rng)
        for item, false in zip(said.item, said.false, strict=True):
            wordings = statement_texts(pairs[int(item)])
            text = wordings[int(rng.integers(len(wordings)))][int(false)]
            if text not in known:
                known[text] = np.concatenate([ids_of(tokenizer, text), closing])
            yield known[text]
