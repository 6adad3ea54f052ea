"""Open weights: loaded from safetensors without remote code, read without a trace, digested in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from doxa.errors import InputError, SubjectError
from doxa.lab.quiet_loading import quiet
from doxa.subjects.transformers_files import check_dtype, first_line


class Loaded(NamedTuple):
    """A model in evaluation mode with its tokenizer."""

    model: Any
    tokenizer: Any


def load(folder: Path, *, dtype: str = "auto", device: str = "cpu") -> Loaded:
    """Load model and tokenizer from safetensors, without remote code.

    Raises:
        InputError: an unknown dtype, or a device that is not there.
        SubjectError: files are missing, damaged, or of a kind that needs remote code.
    """
    check_dtype(dtype)
    place = _device(device)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype if dtype == "auto" else getattr(torch, dtype),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        AttributeError,
        ImportError,
        SafetensorError,
    ) as e:
        raise SubjectError(f"{folder}: cannot be loaded as a causal language model ({first_line(e)})") from e
    model, info = loaded
    missing = sorted(str(name) for name in info["missing_keys"])
    if missing:
        raise SubjectError(
            f"{folder}: {len(missing)} weights are missing, first {missing[0]}; the model is incomplete"
        )
    return Loaded(model.to(place).eval(), tokenizer)


def content_digest(model: Any, tokenizer: Any) -> str:
    """Return the SHA-256 over tensors, configuration, vocabulary and template of a model in memory."""
    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        held = tensor.detach().cpu().contiguous()
        total.update(json.dumps([name, str(held.dtype), list(held.shape)]).encode())
        total.update(held.reshape(-1).view(torch.uint8).numpy().tobytes())
    words = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else json.dumps(tokenizer.get_vocab())
    for text in (model.config.to_json_string(), words, str(tokenizer.chat_template)):
        total.update(hashlib.sha256(text.encode()).digest())
    return total.hexdigest()


@contextmanager
def undisturbed(model: Any) -> Generator[None]:
    """Hold a model in evaluation mode without gradients, and leave every module's mode as it was."""
    training = _training(model)
    try:
        if training:
            model.eval()
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _training(model: Any) -> list[Any]:
    """Return the modules in training mode; ten times faster than ``modules()``, which counts on short passes."""
    found: list[Any] = []
    left = [model]
    for module in left:  # which grows on the way
        if module is not None:
            if module.training:
                found.append(module)
            if parts := module._modules:
                left += parts.values()
    return found


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device={name!r}: not a device; use cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device={name!r}: no CUDA device here; leave the option out to use the processor")
    return device
