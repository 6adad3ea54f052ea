"""Addresses: one line of text that says which subject is meant.

planted:sycophant?strength=0.6          a scripted subject with known dynamics
organism:leaning                        a small model that ships with doxa
hf:/path/or/name?dtype=float32          any causal model in transformers format; revision= for hub names,
                                        exact=true for scores that do not depend on what else is asked
http://host:8000/v1?scores=true#model   any OpenAI-compatible server; scores= where it gives log-probabilities,
                                        connections= at once, record= and replay= a file of exchanges,
                                        price=3,15 dollars per million tokens of prompts and replies
pool:ADDRESS ADDRESS ...                one model on several such servers, which share the work by their speed
inspect:provider/model                  any model that Inspect reaches (extra inspect)
openai/model, vllm/model, ...           short names for well-known servers
affect:second-order?mu=0.9#ADDRESS      any of these with a mood (``doxa.protocols.affect``)
myscheme:name?option=1                  what a plug-in adds to the registry ``doxa.subjects.schemes.subjects``
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl

from doxa.errors import InputError, did_you_mean
from doxa.subjects.base import Capability, Subject
from doxa.subjects.budget import BudgetedSubject, Ledger
from doxa.subjects.rehearsal import Known, RehearsalSubject
from doxa.subjects.schemes import Address, Form, Price, subjects

SHORT_NAMES = {
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "vllm": "http://localhost:8000/v1",
    "ollama": "http://localhost:11434/v1",
}


def parse_address(address: str) -> Address:
    """Take an address apart.

    Raises:
        InputError: unknown scheme, no name, a server without a model, or nothing to put something around.
    """
    short, slash, rest = address.partition("/")
    if slash and short in SHORT_NAMES:
        model, question, query = rest.partition("?")
        return parse_address(f"{SHORT_NAMES[short]}{question}{query}#{model}")
    scheme, colon, rest = address.partition(":")
    if not colon or scheme not in subjects:
        schemes = subjects.names()
        near = did_you_mean(scheme if colon else short, (*schemes, *SHORT_NAMES))
        raise InputError(
            f"subject {address!r}: begins with none of {', '.join(f'{name}:' for name in schemes)} "
            f"or {', '.join(f'{name}/' for name in SHORT_NAMES)}; {near}"
        )
    if scheme in ("http", "https"):
        place, _, model = address.partition("#")
        url, _, query = place.partition("?")
        if "@" in url.split("//", 1)[-1].split("/", 1)[0]:
            raise InputError("a server's address must not hold a user or key; set DOXA_API_KEY instead")
        url = url.rstrip("/")
        if not model:
            raise InputError(f"subject {url!r}: name the model behind '#', as in {url}#my-model")
        # what stands in a query may be somebody's key, so that no message shows it
        text = f"{url}#{model}"
        return Address(scheme, url, _options(query, text, f"{url}?scores=true#{model}"), model, text)
    if subjects.get(scheme).wraps:
        return _wrapping(scheme, rest)
    if subjects.get(scheme).several:
        members = [parse_address(one) for one in rest.split()]
        return Address(
            scheme, " ".join(rest.split()), {}, text=f"{scheme}:{' '.join(one.text for one in members)}"
        )
    name, _, query = rest.partition("?")
    if not name:
        raise InputError(f"subject {address!r}: says no name behind '{scheme}:'")
    return Address(scheme, name, _options(query, address, f"{scheme}:{name}?option=1&other=2"), text=address)


def _wrapping(scheme: str, rest: str) -> Address:
    """Return an address whose scheme puts something around the subject behind its first ``#``."""
    place, _, within = rest.partition("#")
    name, _, query = place.partition("?")
    if not name or not within:
        raise InputError(
            f"subject '{scheme}:{place}': name what is put around whom, as in {scheme}:{name or 'name'}#organism:sound"
        )
    text = f"{scheme}:{place}#{parse_address(within).text}"
    example = f"{scheme}:{name}?option=1&other=2#organism:sound"
    return Address(scheme, name, _options(query, text, example), within, text)


def members(address: Address) -> list[Address]:
    """Return the addresses of those that an address of several names."""
    return [parse_address(one) for one in address.name.split()]


def one_subject(addresses: Sequence[str] | None) -> str | None:
    """Return the address of one subject: that which is given, or one model on all the servers that are.

    Raises:
        InputError: several are given that are not servers of one model.

    >>> one_subject(["http://a/v1#m", "http://b/v1#m"])
    'pool:http://a/v1#m http://b/v1#m'
    """
    if not addresses:
        return None
    if len(addresses) == 1:
        return addresses[0]
    address = f"pool:{' '.join(addresses)}"
    identity(address)
    return address


def answering(address: str) -> Address:
    """Return the address of who answers, whatever is put around it.

    >>> answering("planted:noise?p_yes=0.3").scheme
    'planted'
    """
    parts = parse_address(address)
    return answering(parts.model) if subjects.get(parts.scheme).wraps else parts


def _options(query: str, shown: str, example: str) -> dict[str, str]:
    """Return the options of an address; ``shown`` names it in a message, ``example`` is well formed."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise InputError(f"subject {shown!r}: options are name=value, as in {example}") from None
    if len({key for key, _ in pairs}) != len(pairs):
        raise InputError(f"subject {shown!r}: gives an option twice")
    return dict(pairs)


def open_subject(
    address: str, *, replies: Path | None = None, run: str = "", ledger: Ledger | None = None
) -> Subject:
    """Open a subject.

    Args:
        address: see the module's docstring.
        replies: file of the reply cache; replies of hosted subjects are kept there and not asked twice.
        run: name under which calls are logged.
        ledger: what may be spent on it; planted subjects cost nothing.

    Raises:
        InputError: the address cannot be understood.
        CapabilityError: what is put around the subject asks for what it cannot do.
        SubjectError: the weights cannot be loaded.

    >>> open_subject("planted:noise?p_yes=0.3").form
    'micro'
    """
    parts = parse_address(address)
    scheme = subjects.get(parts.scheme)()
    if scheme.wraps:
        return scheme.wrap(open_subject(parts.model, replies=replies, run=run, ledger=ledger), parts)
    subject = scheme.open(parts)
    if ledger is not None and scheme.metered:
        subject = cast(Subject, BudgetedSubject(subject, ledger))
    if replies is None or not scheme.hosted:
        return subject
    from doxa.subjects.cache import CachedSubject, Journal

    return CachedSubject(subject, Journal(replies), run=run)


def hosted(address: str) -> bool:
    """Return whether the subject at an address answers from elsewhere, at somebody's cost."""
    return subjects.get(answering(address).scheme).hosted


def metered(address: str) -> bool:
    """Return whether asking the subject at an address costs something."""
    return subjects.get(answering(address).scheme).metered


def rehearse(address: str, known: Known) -> Subject:
    """Return what stands in for the subject at an address while its questions are counted; nothing is loaded.

    Args:
        address: see the module's docstring.
        known: looks keys of requests up in the cache.
    """
    parts = parse_address(address)
    scheme = subjects.get(parts.scheme)()
    if scheme.wraps:
        return scheme.wrap(rehearse(parts.model, known), parts)
    return RehearsalSubject(
        address,
        identity=scheme.identity(parts),
        form=scheme.form(parts),
        capabilities=scheme.capabilities(parts),
        known=known,
        price=scheme.price(parts),
    )


def identity(address: str) -> str:
    """Return the identity of the subject at an address, without loading weights into memory."""
    parts = parse_address(address)
    return subjects.get(parts.scheme)().identity(parts)


def form(address: str) -> Form:
    """Return the form of the subject at an address, without loading weights into memory."""
    parts = parse_address(address)
    return subjects.get(parts.scheme)().form(parts)


def capabilities(address: str) -> frozenset[Capability]:
    """Return what the subject at an address could be asked for, without loading weights into memory."""
    parts = parse_address(address)
    return subjects.get(parts.scheme)().capabilities(parts)


def remarks(address: str) -> tuple[str, ...]:
    """Return what the user should be told before the subject at an address is asked."""
    parts = answering(address)
    return subjects.get(parts.scheme)().remarks(parts)


def price(address: str) -> Price | None:
    """Return what the tokens of the subject at an address cost, None where that is not known."""
    parts = parse_address(address)
    return subjects.get(parts.scheme)().price(parts)
