"""Dumps of sampled tokens: what a loop writes down of one rollout so that it can be looked at without the loop.

=============  ========================================================================================================
JSON lines     a response a line: ``{"logp": [...], "adv": 0.7 or [...], "mask": [...], "old_logp": [...],
               "entropy": [...], "tokens": ["The", " sum", ...] or [464, 2160, ...]}``; only the first two must be there
.safetensors   the same names as arrays (B, T), ``adv`` also (B,); ``tokens`` are numbers
.npz           the same
=============  ========================================================================================================

Nothing that could hold code is read: no pickle, so no ``.pt`` either.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Float

from doxa.errors import InputError, did_you_mean
from doxa.training.batch_covariance import Batch, batch_of

FIELDS = ("logp", "adv", "mask", "old_logp", "entropy", "tokens")
OTHER_NAMES = {
    "log_prob": "logp",
    "log_probs": "logp",
    "logprobs": "logp",
    "advantage": "adv",
    "advantages": "adv",
    "response_mask": "mask",
    "completion_mask": "mask",
    "action_mask": "mask",
    "old_log_prob": "old_logp",
    "old_log_probs": "old_logp",
    "old_per_token_logps": "old_logp",
    "entropys": "entropy",
    "entropies": "entropy",
    "completion_ids": "tokens",
    "responses": "tokens",
    "token_ids": "tokens",
}
"""What verl, TRL and OpenRLHF call them."""


class Dump(NamedTuple):
    """The tokens of a rollout.

    Attributes:
        batch: log-probabilities, advantages and mask, (B, T).
        old_logp: log-probabilities under the policy that sampled; None where not given.
        entropy: at each token, in nats; None where not given.
        texts: of the tokens, one row for each response; empty where not given.
    """

    batch: Batch
    old_logp: Float[np.ndarray, "batch time"] | None
    entropy: Float[np.ndarray, "batch time"] | None
    texts: list[list[str]]


def read_dump(path: str | Path, *, tokenizer: str | Path = "") -> Dump:
    """Read a dump.

    Args:
        path: JSON lines, .safetensors or .npz.
        tokenizer: folder or ``tokenizer.json`` that turns numbers of tokens into text; empty shows numbers.

    Raises:
        InputError: there is no such file, it is of another kind, malformed, or lacks ``logp`` or ``adv``.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise InputError(f"dump={path}: no such file")
    if place.suffix in (".pt", ".pth", ".bin", ".pkl", ".pickle"):
        raise InputError(
            f"dump={path}: a pickle can run code when it is read; write it again with safetensors.torch.save_file or "
            "numpy.savez"
        )
    held = _arrays(place) if place.suffix in (".npz", ".safetensors") else _responses(place)
    for name in ("logp", "adv"):
        if name not in held:
            raise InputError(f"dump={path}: has no '{name}'; {did_you_mean(name, held)}")
    batch = batch_of(held["logp"], held["adv"], held.get("mask"))
    more = {name: _like(name, held.get(name), batch) for name in ("old_logp", "entropy")}
    return Dump(batch, more["old_logp"], more["entropy"], _texts(held.get("tokens"), batch, tokenizer))


def _named(held: Mapping[str, Any]) -> dict[str, Any]:
    return {OTHER_NAMES.get(name, name): value for name, value in held.items()}


def _arrays(place: Path) -> dict[str, Any]:
    try:
        if place.suffix == ".npz":
            with np.load(place, allow_pickle=False) as held:
                return _named({name: held[name] for name in held.files})
        from safetensors.numpy import load_file

        return _named(load_file(place))
    except Exception as error:  # noqa: BLE001 (both libraries raise errors of many kinds at what is malformed)
        raise InputError(f"dump={place}: cannot be read ({error})") from None


def _responses(place: Path) -> dict[str, Any]:
    """Return the fields of JSON lines, rows filled up to the longest response."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(place.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{place}, line {number}: not JSON ({error.msg})") from None
        if not isinstance(row, dict):
            raise InputError(f"{place}, line {number}: must be an object, a response with its tokens")
        named = _named(cast(dict[str, Any], row))
        _check_response(place, number, named)
        rows.append(named)
    if not rows:
        raise InputError(f"dump={place}: holds no response")
    longest = max(len(row["logp"]) for row in rows)
    held: dict[str, Any] = {
        name: np.array([_padded(row[name], longest) for row in rows])
        for name in ("logp", "adv", "old_logp", "entropy")
        if all(name in row for row in rows)
    }
    masks = [row.get("mask", [1] * len(row["logp"])) for row in rows]
    held["mask"] = np.nan_to_num(np.array([_padded(mask, longest) for mask in masks]))
    if all("tokens" in row for row in rows):
        held["tokens"] = [row["tokens"] for row in rows]
    return held


def _check_response(place: Path, number: int, row: Mapping[str, Any]) -> None:
    for name in ("logp", "adv"):
        if name not in row:
            raise InputError(f"{place}, line {number}: has no '{name}'; {did_you_mean(name, row)}")
    if not isinstance(row["logp"], list):
        raise InputError(f"{place}, line {number}: logp must be a list, one number for each token")
    count = len(cast(list[Any], row["logp"]))
    for name in FIELDS:
        value = row.get(name, 0.0)
        if isinstance(value, list):
            given = cast(list[Any], value)
            if len(given) != count:
                raise InputError(f"{place}, line {number}: {len(given)} {name} for {count} logp")
            kinds = int | float | str if name == "tokens" else int | float
            if not all(isinstance(one, kinds) for one in given):
                raise InputError(f"{place}, line {number}: {name} holds something that is no number")
        elif name != "adv" and name in row:
            raise InputError(f"{place}, line {number}: {name} must be a list, one entry for each token")


def _padded(value: Any, length: int) -> list[float]:
    row: list[float] = list(cast(list[float], value)) if isinstance(value, list) else [float(value)] * length
    return row + [math.nan] * (length - len(row))


def _like(name: str, value: Any, batch: Batch) -> Float[np.ndarray, "batch time"] | None:
    if value is None:
        return None
    given = np.atleast_2d(np.asarray(value, dtype=np.float64))
    if given.shape != batch.valid.shape:
        raise InputError(f"{name} of shape {given.shape}: must be {batch.valid.shape}, as logp")
    if not np.isfinite(given[batch.valid]).all():
        raise InputError(f"{name} holds NaN or inf where the mask is 1")
    if name == "entropy" and given[batch.valid].min() < -1e-4:
        raise InputError(f"entropy={given[batch.valid].min():.4g}: must be at least 0 nats")
    return np.where(batch.valid, given, 0.0)


def _texts(tokens: Any, batch: Batch, tokenizer: str | Path) -> list[list[str]]:
    if tokens is None:
        if tokenizer:
            raise InputError(f"tokenizer={tokenizer}: the dump has no tokens to decode")
        return []
    rows: Sequence[Sequence[int | str]] = (
        np.asarray(tokens).tolist() if isinstance(tokens, np.ndarray) else tokens
    )
    if len(rows) != len(batch.valid):
        raise InputError(f"tokens of {len(rows)} responses for {len(batch.valid)} of logp")
    decode = _decoder(tokenizer) if tokenizer else None
    return [
        [token if isinstance(token, str) else decode(int(token)) if decode else str(token) for token in row]
        for row in rows
    ]


def _decoder(tokenizer: str | Path) -> Callable[[int], str]:
    """Return what turns a token's number into text."""
    from tokenizers import Tokenizer

    place = Path(tokenizer).expanduser()
    place = place / "tokenizer.json" if place.is_dir() else place
    if not place.is_file():
        raise InputError(f"tokenizer={tokenizer}: no such file, nor a folder with a tokenizer.json")
    try:
        known = Tokenizer.from_file(str(place))
    except Exception as error:  # noqa: BLE001 (the library raises bare exceptions)
        raise InputError(f"tokenizer={place}: cannot be read ({error})") from None

    def decode(token: int) -> str:
        return str(known.decode([token], skip_special_tokens=False))

    return decode
