"""Options in an address: ``name?key=value&other=value``, read as the types that a function asks for.

One mechanism for whatever is built by a function and meant by one line of text: graphs, losses, advantages. The
function's own signature says which options there are, of which types, and which must be given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from doxa.errors import InputError, did_you_mean

KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
"""Types that an option may have, beside a ``Literal`` of texts, and how a message names them."""


def parse_options(what: str, address: str, example: str) -> tuple[str, dict[str, str]]:
    """Take an address apart into its name and the texts of its options.

    Args:
        what: the kind of thing, for messages: "graph".
        address: ``name?key=value&other=value``.
        example: a well-formed address, for messages.

    Raises:
        InputError: an option is no ``key=value`` or is given twice.

    >>> parse_options("graph", "ba?n=10&m=2", "ba?n=1000&m=5")
    ('ba', {'n': '10', 'm': '2'})
    """
    name, _, query = address.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise InputError(f"{what} '{address}': options are name=value, as in {example}") from None
    if len({key for key, _ in pairs}) != len(pairs):
        raise InputError(f"{what} '{address}': gives an option twice")
    return name, dict(pairs)


@cache
def asked(function: Callable[..., Any]) -> Mapping[str, tuple[inspect.Parameter, Any]]:
    """Return what a function asks for, each parameter with its type, which is that of its default if it says none."""
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    return {
        name: (parameter, hints.get(name, type(parameter.default))) for name, parameter in parameters.items()
    }


def typed_options(
    what: str,
    address: str,
    function: Callable[..., Any],
    options: Mapping[str, str],
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Return the options of an address as the types that a function asks for.

    Args:
        what: the kind of thing, for messages.
        address: the address, for messages.
        function: what will be called with them.
        options: key to text.
        without: parameters that no address gives.

    Raises:
        InputError: an option is unknown, missing or of another type.
    """
    open_to_it = {key: found for key, found in asked(function).items() if key not in without}
    for key in options:
        if key not in open_to_it:
            raise InputError(f"{what} '{address}': has no option '{key}'; {did_you_mean(key, open_to_it)}")
    missing = [key for key, (one, _) in open_to_it.items() if one.default is one.empty and key not in options]
    if missing:
        raise InputError(f"{what} '{address}': say {' and '.join(f'{key}=' for key in missing)}")
    return {key: option_value(what, address, key, text, open_to_it[key][1]) for key, text in options.items()}


def option_value(what: str, address: str, key: str, text: str, kind: Any) -> Any:
    """Return an option's text as a value of a type.

    Raises:
        InputError: the text is none of that type.
    """
    if get_origin(kind) in (Union, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise InputError(f"{what} '{address}': {key}={text}; {did_you_mean(text, get_args(kind))}")
        return text
    wanted = kind if kind in KINDS else str
    try:
        return {"true": True, "false": False}[text] if wanted is bool else cast(Any, wanted)(text)
    except (ValueError, KeyError):
        raise InputError(f"{what} '{address}': {key}={text} must be {KINDS[wanted]}") from None
