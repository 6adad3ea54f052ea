"""Reading and changing what a module hands on: one edit, hooked where the module's output becomes the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

Edit: TypeAlias = Callable[[torch.Tensor], torch.Tensor | None]
"""Gets hidden states ``[rows, tokens, width]``; returns what stands in their place, or None to leave them."""


def edit_output(module: nn.Module, edit: Edit) -> RemovableHandle:
    """Run an edit on the hidden states that a module returns, which some architectures wrap in a tuple."""

    def hook(_module: nn.Module, _arguments: Any, output: Any) -> Any:
        changed = edit(output[0] if isinstance(output, (tuple, list)) else output)
        if changed is None:
            return None
        return type(output)((changed, *output[1:])) if isinstance(output, tuple | list) else changed

    return module.register_forward_hook(hook)


def edit_input(module: nn.Module, edit: Edit) -> RemovableHandle:
    """Run an edit on the hidden states that a block gets, whether by place or by name."""

    def hook(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        del module
        if arguments:
            changed = edit(arguments[0])
            return None if changed is None else ((changed, *arguments[1:]), named)
        changed = edit(named["hidden_states"])
        return None if changed is None else (arguments, named | {"hidden_states": changed})

    return module.register_forward_pre_hook(hook, with_kwargs=True)
