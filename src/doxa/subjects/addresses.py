"""Addresses: one line of text that says which subject is meant.

planted:sycophant?strength=0.6          a scripted subject with known dynamics
organism:leaning                        a small model that ships with doxa
hf:/path/or/name?dtype=float32          any causal model in transformers format
http://host:8000/v1#model               any OpenAI-compatible server
openai/model, vllm/model, ...           short names for well-known servers
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, TypedDict
from urllib.parse import parse_qsl

from doxa.errors import InputError, did_you_mean
from doxa.subjects.base import Subject

SCHEMES = ("planted", "organism", "hf", "http", "https")

SHORT_NAMES = {
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "vllm": "http://localhost:8000/v1",
    "ollama": "http://localhost:11434/v1",
}


class Address(NamedTuple):
    """An address taken apart.

    Attributes:
        scheme: one of ``SCHEMES``.
        name: what is behind it: planted name, organism, folder or hub name, base URL.
        options: what stands behind ``?``.
        model: what stands behind ``#`` (servers only).
    """

    scheme: str
    name: str
    options: dict[str, str]
    model: str = ""


def parse_address(address: str) -> Address:
    """Take an address apart.

    Raises:
        InputError: unknown scheme, no name, or a server without a model.
    """
    short, slash, rest = address.partition("/")
    if slash and short in SHORT_NAMES:
        return parse_address(f"{SHORT_NAMES[short]}#{rest}")
    scheme, colon, rest = address.partition(":")
    if not colon or scheme not in SCHEMES:
        raise InputError(
            f"subject {address!r}: begins with none of {', '.join(f'{name}:' for name in SCHEMES)} "
            f"or {', '.join(f'{name}/' for name in SHORT_NAMES)}; {did_you_mean(scheme, SCHEMES)}"
        )
    if scheme in ("http", "https"):
        url, _, model = address.partition("#")
        if not model:
            raise InputError(
                f"subject {address!r}: name the model behind '#', as in {url.rstrip('/')}#my-model"
            )
        if "@" in url.split("//", 1)[-1].split("/", 1)[0]:
            raise InputError("a server's address must not hold a user or key; set DOXA_API_KEY instead")
        return Address(scheme, url.rstrip("/"), {}, model)
    name, question, query = rest.partition("?")
    if not name:
        raise InputError(f"subject {address!r}: says no name behind '{scheme}:'")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(question and query))
    if len({key for key, _ in pairs}) != len(pairs):
        raise InputError(f"subject {address!r}: gives an option twice")
    return Address(scheme, name, dict(pairs))


def open_subject(address: str, *, replies: Path | None = None, run: str = "") -> Subject:
    """Open a subject.

    Args:
        address: see the module's docstring.
        replies: file of the reply cache; replies of hosted subjects are kept there and not asked twice.
        run: name under which calls are logged.

    Raises:
        InputError: the address cannot be understood.
        SubjectError: the weights cannot be loaded.

    >>> open_subject("planted:noise?p_yes=0.3").form
    'micro'
    """
    parts = parse_address(address)
    if parts.scheme == "planted":
        from doxa.subjects.planted import PlantedSubject

        return PlantedSubject.open(parts.name, parts.options)
    if parts.scheme in ("organism", "hf"):
        from doxa.subjects.transformers import TransformersSubject

        return TransformersSubject.open(_folder(parts), address=address, **_options(address, parts))
    from doxa.subjects.cache import CachedSubject, Journal
    from doxa.subjects.endpoint import EndpointSubject

    subject = EndpointSubject.open(parts.name, parts.model)
    return subject if replies is None else CachedSubject(subject, Journal(replies), run=run)


def identity(address: str) -> str:
    """Return the identity of the subject at an address, without loading weights into memory."""
    parts = parse_address(address)
    if parts.scheme in ("organism", "hf"):
        from doxa.subjects.transformers_files import identity_of

        return identity_of(_folder(parts), **_options(address, parts))
    return open_subject(address).identity


def form(address: str) -> Literal["micro", "published"]:
    """Return the form of the subject at an address, without loading weights into memory."""
    parts = parse_address(address)
    if parts.scheme in ("planted", "organism"):
        return "micro"
    if parts.scheme == "hf":
        from doxa.subjects.transformers_files import form_of

        return form_of(parts.name)
    return "published"


def _folder(parts: Address) -> str:
    if parts.scheme == "hf":
        return parts.name
    from doxa.subjects.organisms import folder

    return str(folder(parts.name))


class _Options(TypedDict):
    dtype: str
    device: str


def _options(address: str, parts: Address) -> _Options:
    known = _Options(dtype="auto", device="cpu")
    for name in parts.options:
        if name not in known:
            raise InputError(f"subject {address!r}: no option '{name}'; {did_you_mean(name, known)}")
    return _Options(
        dtype=parts.options.get("dtype", known["dtype"]), device=parts.options.get("device", known["device"])
    )
