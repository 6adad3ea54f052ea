"""The proof of an anatomy: small forward passes, and sums that must come out to rounding.

First pass: which two modules of each block add up to what the block adds to the residual stream, and which module
maps the last block's output to what the head gets. Then the writes are edited, and the blocks: the edits must arrive.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import combinations
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import nn

from doxa.errors import InputError
from doxa.lens.hooks import edit_input, edit_output
from doxa.subjects.transformers_loading import undisturbed

TOKENS = 6
ROUNDINGS = 4
"""Of how many roundings an identity may be off; two additions make two."""

ATTENTION = re.compile(r"attn|attention|mixer|mamba|conv|recurrent", re.IGNORECASE)

Hidden = Float[torch.Tensor, "rows tokens width"]


class Checked(NamedTuple):
    """What the passes proved; see ``Anatomy``."""

    attention: tuple[nn.Module, ...]
    mlp: tuple[nn.Module, ...]
    projections: tuple[nn.Module, ...]
    final_norm: nn.Module
    width: int
    missing: str


class _Trace(NamedTuple):
    """What a pass handed on: before and after each block, of each child, and at the end."""

    before: list[torch.Tensor]
    after: list[torch.Tensor]
    children: dict[nn.Module, torch.Tensor]
    last: torch.Tensor


def check(model: Any, decoder: Any, blocks: Sequence[nn.Module]) -> Checked:
    """Find the writes, the final norm and the projections of a model by number.

    Raises:
        InputError: a block's output is not the next one's input, edits do not arrive, or no final norm is found.
    """
    with undisturbed(model):
        trace = _trace(model, decoder, blocks, ())
        name = type(model).__name__
        width = _width(trace, name)
        norm = _final_norm(decoder, trace, name)
        pairs = [_writes(block, trace, place) for place, block in enumerate(blocks)]
        found = [pair for pair in pairs if pair is not None]
        whole = len(found) == len(blocks)
        if whole:
            writes = [module for pair in found for module in pair]
            edited = _trace(model, decoder, blocks, writes)
            whole = all(_writes(block, edited, place) == found[place] for place, block in enumerate(blocks))
        if not _joined(_trace(model, decoder, blocks, blocks)):
            raise InputError(f"{name}: what is written into a block's output does not reach the next block")
    if not whole:
        place = pairs.index(None) if None in pairs else 0
        looked = ", ".join(child for child, _ in blocks[place].named_children())
        missing = f"no two modules of block {place} of {name} add up to what it adds to the residual stream ({looked})"
        return Checked((), (), (), norm, width, missing)
    attention, mlp = zip(*found, strict=True)
    projections = tuple(one for block in blocks if (one := _projection(block, trace)) is not None)
    return Checked(attention, mlp, projections if len(projections) == len(blocks) else (), norm, width, "")


def _trace(model: Any, decoder: Any, blocks: Sequence[nn.Module], edited: Sequence[nn.Module]) -> _Trace:
    """Run one small pass and keep what every part of it handed on; ``edited`` modules hand on something else."""
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    children: dict[nn.Module, torch.Tensor] = {}
    size = int(model.config.get_text_config().vocab_size)
    ids = (torch.arange(1, TOKENS + 1, device=model.device) % size)[None]
    parts = [part for block in blocks for part in block.modules() if part is not block]
    with ExitStack() as stack:
        for number, module in enumerate(edited):
            stack.enter_context(_handle(edit_output(module, _nudge(number))))
        for module in dict.fromkeys([*parts, *decoder.children()]):
            stack.enter_context(_handle(edit_output(module, _keep_in(children, module))))
        for block in blocks:
            stack.enter_context(_handle(edit_input(block, _append_to(before))))
            stack.enter_context(_handle(edit_output(block, _append_to(after))))
        output = decoder(input_ids=ids, use_cache=False)
    return _Trace(before, after, children, output[0])


@contextmanager
def _handle(handle: Any) -> Generator[None]:
    try:
        yield
    finally:
        handle.remove()


def _nudge(number: int) -> Any:
    def edit(hidden: torch.Tensor) -> torch.Tensor:
        # a different pattern at each place, of the size of what it is added to
        wave = torch.cos(torch.arange(hidden.shape[-1], device=hidden.device) * (number + 1.0))
        return hidden + (wave * hidden.float().abs().mean()).to(hidden.dtype)

    return edit


def _append_to(kept: list[torch.Tensor]) -> Any:
    def edit(hidden: torch.Tensor) -> None:
        kept.append(hidden.clone())

    return edit


def _keep_in(kept: dict[nn.Module, torch.Tensor], module: nn.Module) -> Any:
    def edit(hidden: Any) -> None:
        if isinstance(hidden, torch.Tensor):
            kept[module] = hidden.clone()

    return edit


def _width(trace: _Trace, name: str) -> int:
    """Return the width of the stream; each block's output must be the next one's input."""
    shapes = {tuple(hidden.shape) for hidden in (*trace.before, *trace.after)}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3 or not _joined(trace):
        raise InputError(
            f"{name}: a block's output is not the next block's input (shapes {sorted(shapes)}); "
            "the lens needs one residual stream"
        )
    return int(trace.after[-1].shape[-1])


def _final_norm(decoder: nn.Module, trace: _Trace, name: str) -> nn.Module:
    """Return the module between the last block and the head, found by its output."""
    for child in reversed(list(decoder.children())):
        if child in trace.children and torch.equal(trace.children[child], trace.last):
            return child
    if torch.equal(trace.after[-1], trace.last):
        return nn.Identity()
    looked = ", ".join(part for part, _ in decoder.named_children())
    raise InputError(
        f"{name}: no final norm was found; what {type(decoder).__name__} returns is the output of none of {looked}"
    )


def _writes(block: nn.Module, trace: _Trace, place: int) -> tuple[nn.Module, nn.Module] | None:
    """Return the modules of a block that write attention's and the MLP's share, None if no two add up."""
    before, after = trace.before[place], trace.after[place]
    names = {child: name for name, child in block.named_children()}
    candidates = [
        child
        for child in names
        if _same_shape(trace.children.get(child), after) and not isinstance(child, nn.Dropout)
    ]
    pairs = [
        pair
        for pair in combinations(candidates, 2)
        if _adds_up(before, after, trace.children[pair[0]], trace.children[pair[1]])
    ]
    if not pairs:
        return None
    first, second = max(pairs, key=lambda pair: any(ATTENTION.search(names[one]) for one in pair))
    swapped = ATTENTION.search(names[second]) and not ATTENTION.search(names[first])
    return (second, first) if swapped else (first, second)


def _same_shape(hidden: torch.Tensor | None, like: torch.Tensor) -> bool:
    return hidden is not None and hidden.shape == like.shape


def _adds_up(before: Hidden, after: Hidden, first: Hidden, second: Hidden) -> bool:
    """Whether after = before + first + second, each element to its own rounding."""
    parts = [part.double() for part in (before, first, second)]
    size = sum((part.abs() for part in parts), after.double().abs())
    error = (after.double() - sum(parts, torch.zeros_like(parts[0]))).abs()
    return bool((error <= ROUNDINGS * torch.finfo(after.dtype).eps * size).all())


def _joined(trace: _Trace) -> bool:
    """Whether what each block handed on is what the next one got."""
    return all(map(torch.equal, trace.after[:-1], trace.before[1:]))


def _projection(block: nn.Module, trace: _Trace) -> nn.Module | None:
    """Return the matrix whose output is what the attention module returns, before any norm."""
    for name, child in block.named_children():
        if not ATTENTION.search(name) or child not in trace.children:
            continue
        for part in child.modules():
            matrix = getattr(part, "weight", None)
            same = part in trace.children and torch.equal(trace.children[part], trace.children[child])
            if part is not child and same and matrix is not None and matrix.ndim == 2:
                return part
    return None
