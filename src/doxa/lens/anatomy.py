"""Where a transformers model keeps what the lens reads: blocks, their writes, final norm and head.

Layer l is the output of block l, counted from 0; layer -1 is what enters block 0. The parts are found through what
transformers itself says of a model, and then proved on a small forward pass (``anatomy_check``): names differ
between architectures, sums do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args
from weakref import WeakKeyDictionary

from torch import nn
from torch.utils.hooks import RemovableHandle

from doxa.errors import InputError, did_you_mean
from doxa.lens.anatomy_check import Checked, check
from doxa.lens.hooks import Edit, edit_input, edit_output

Site: TypeAlias = Literal["residual", "attention", "mlp"]
"""The residual stream after block l, or what block l's attention or MLP adds to it."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parts of one causal model.

    Attributes:
        blocks: the layers in their order; a block's output is the residual stream after it.
        attention: per block the module whose output is what attention adds, a norm behind it included.
        mlp: the same for the MLP or the mixture of experts.
        projections: per block the module that maps the heads' outputs to the attention's.
        decoder: the model without its head.
        embedding: token ids to vectors.
        final_norm: what stands between the last block and the head.
        head: vectors to logits.
        width: of the residual stream.
        layers: how many blocks.
        missing: why ``attention`` and ``mlp`` are empty, or "".
    """

    blocks: tuple[nn.Module, ...]
    attention: tuple[nn.Module, ...]
    mlp: tuple[nn.Module, ...]
    projections: tuple[nn.Module, ...]
    decoder: Any
    embedding: nn.Module
    final_norm: nn.Module
    head: nn.Module
    width: int
    layers: int
    missing: str = ""

    def attach(self, layer: int, site: Site, edit: Edit) -> RemovableHandle:
        """Hook an edit to a site of a layer that the model has (``require``); -1 is the input of block 0."""
        if layer == -1:
            return edit_input(self.blocks[0], edit)
        modules = {"residual": self.blocks, "attention": self.attention, "mlp": self.mlp}[site]
        return edit_output(modules[layer], edit)

    def require(self, layers: Any, site: str = "residual") -> None:
        """Raise InputError unless this model has the site at every one of the layers."""
        if site not in get_args(Site):
            raise InputError(f"site={site!r}: {did_you_mean(site, get_args(Site))}")
        if site != "residual" and self.missing:
            raise InputError(f"site={site!r}: {self.missing}; use site='residual'")
        least = -1 if site == "residual" else 0
        for layer in layers:
            if not least <= layer < self.layers:
                raise InputError(
                    f"layer={layer}: must be in {least}..{self.layers - 1} for site={site!r}; "
                    "layer l is the output of block l, counted from 0"
                    + (", -1 the embedding" if least == -1 else "")
                )


_KNOWN: WeakKeyDictionary[nn.Module, Anatomy] = WeakKeyDictionary()


def anatomy(model: Any) -> Anatomy:
    """Return the parts of a causal model of transformers, proved on a small forward pass the first time.

    The residual stream, the final norm and the head must be found. Where no two modules of a block add up to what
    it adds to the stream (scaled residuals, writes inside other modules), ``missing`` says so, and only the
    residual stream can be read.

    Raises:
        InputError: blocks, final norm or head are not found; the message names what was looked for.
    """
    if model not in _KNOWN:
        _KNOWN[model] = _find(model)
    return _KNOWN[model]


def _find(model: Any) -> Anatomy:
    name = type(model).__name__
    if not hasattr(model, "get_decoder") or model.get_output_embeddings() is None:
        raise InputError(
            f"{name}: no head was found (get_decoder, get_output_embeddings); give a causal language model"
        )
    decoder = model.get_decoder()
    layers = int(model.config.get_text_config().num_hidden_layers)
    blocks = _blocks(decoder, layers)
    if blocks is None:
        raise InputError(
            f"{name}: no list of {layers} blocks was found in {type(decoder).__name__} "
            "(a ModuleList as long as num_hidden_layers); the lens needs one"
        )
    checked: Checked = check(model, decoder, blocks)
    return Anatomy(
        blocks=blocks,
        attention=checked.attention,
        mlp=checked.mlp,
        projections=checked.projections,
        decoder=decoder,
        embedding=model.get_input_embeddings(),
        final_norm=checked.final_norm,
        head=model.get_output_embeddings(),
        width=checked.width,
        layers=layers,
        missing=checked.missing,
    )


def _blocks(decoder: nn.Module, layers: int) -> tuple[nn.Module, ...] | None:
    """Return the list of blocks: of the class transformers records hidden states of, else the one with most weights."""
    lists = [
        tuple(module.children())
        for module in decoder.modules()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    ]
    recorded = _recorded(decoder, "hidden_states")
    of_class = [blocks for blocks in lists if recorded and all(isinstance(one, recorded) for one in blocks)]
    return max(of_class or lists, key=_weights, default=None)


def _recorded(decoder: Any, kind: str) -> tuple[type[nn.Module], ...]:
    """Return the classes whose outputs transformers records under a name."""
    said = (getattr(decoder, "_can_record_outputs", None) or {}).get(kind, ())
    each = said if isinstance(said, list | tuple) else [said]
    classes = [getattr(one, "target_class", one) for one in each]
    return tuple(one for one in classes if isinstance(one, type))


def _weights(modules: tuple[nn.Module, ...]) -> int:
    return sum(weights.numel() for module in modules for weights in module.parameters())
