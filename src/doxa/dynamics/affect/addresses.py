"""Rules by one line of text: ``stateless``, ``first-order?alpha=0.5``, ``second-order?mu=0.9&gain=0.2``.

Every rule takes ``baseline=0.1,0.2,0`` and ``clip=false`` beside its own options; the space is not an option.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from doxa.dynamics.affect.base import AffectDynamics
from doxa.dynamics.affect.rules import FirstOrder, SecondOrder, Stateless
from doxa.errors import InputError, did_you_mean
from doxa.lab.options import parse_options, typed_options

EXAMPLE = "second-order?mu=0.9"


def _stateless(baseline: str = "", clip: bool = True) -> AffectDynamics:
    return Stateless(baseline=_numbers(baseline), clip=clip)


def _first_order(
    alpha: float = 1.0,
    rho: float = 0.0,
    tau_up: float | None = None,
    tau_down: float | None = None,
    baseline: str = "",
    clip: bool = True,
) -> AffectDynamics:
    return FirstOrder(alpha, rho, tau_up, tau_down, baseline=_numbers(baseline), clip=clip)


def _second_order(
    mu: float,
    gain: str = "normalised",
    anti_windup: bool = True,
    tau_up: float | None = None,
    tau_down: float | None = None,
    baseline: str = "",
    clip: bool = True,
) -> AffectDynamics:
    try:
        given = "normalised" if gain == "normalised" else float(gain)
    except ValueError:
        raise InputError(f"gain={gain!r}: must be 'normalised' or a number > 0") from None
    return SecondOrder(mu, given, anti_windup, tau_up, tau_down, baseline=_numbers(baseline), clip=clip)


def _numbers(text: str) -> tuple[float, ...] | None:
    try:
        return tuple(float(one) for one in text.split(",")) if text else None
    except ValueError:
        raise InputError(
            f"baseline={text}: must be a number to a dimension, as in baseline=0.1,0.2,0"
        ) from None


RULES: Mapping[str, Callable[..., AffectDynamics]] = {
    Stateless.kind: _stateless,
    FirstOrder.kind: _first_order,
    SecondOrder.kind: _second_order,
}
"""What makes each rule, by the name that an address gives."""


def affect_rule(address: str) -> AffectDynamics:
    """Return the rule at an address.

    Raises:
        InputError: there is no such rule or option, or a value is out of range.

    >>> affect_rule("second-order?mu=0.9").mu
    0.9
    """
    name, options = parse_options("affect", address, EXAMPLE)
    return rule_with(name, options, address)


def rule_with(name: str, options: Mapping[str, str], address: str) -> AffectDynamics:
    """Return a rule by its name and the texts of its options; ``address`` is named in messages."""
    if name not in RULES:
        raise InputError(f"affect '{address}': no rule called '{name}'; {did_you_mean(name, RULES)}")
    values: dict[str, Any] = typed_options("affect", address, RULES[name], options)
    return RULES[name](**values)
