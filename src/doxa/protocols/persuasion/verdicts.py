"""Verdicts: what a skeptic's answer says, and the share convinced with its intervals."""

from __future__ import annotations

import re
from typing import Literal

import polars as pl

from doxa.belief.inference import wilson
from doxa.belief.shares import wald
from doxa.errors import InputError
from doxa.protocols.persuasion.dimensions import DIMENSIONS

_ROLE_BREAK = re.compile(
    r"\bas an? (?:(?:large )?language model|artificial intelligence|ai\b)|\bi(?:'m| am) (?:just |only )?an? "
    r"(?:(?:large )?language model|artificial intelligence|ai\b)"
    r"|\bi (?:do not|don't) have personal (?:beliefs|opinions)",
    re.IGNORECASE,
)
_VERDICT_START = re.compile(r"\W*(?:yes|no)\b[,.!:;*]", re.IGNORECASE)


def parse_verdict(text: str) -> bool | None:
    """Return whether an answer says Yes, from its first word as the paper reads it; None is unparsed.

    The first word is what stands before the first white space; it says Yes if "yes" is in it, else No if "no" is.

    >>> [parse_verdict(text) for text in ("**Yes**, I am", " no.", "Based on that, yes")]
    [True, False, None]
    """
    words = text.split(maxsplit=1)
    first = words[0].lower() if words else ""
    return True if "yes" in first else False if "no" in first else None


def breaks_role(text: str) -> bool:
    """Return whether a text speaks as a language model instead of the role it was given.

    >>> breaks_role("As a language model, I cannot be convinced."), breaks_role("Models predict warming.")
    (True, False)
    """
    return _ROLE_BREAK.search(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None


def check_argument(text: str, who: str) -> str:
    """Return an argument, or raise InputError if it is empty or is a verdict.

    Args:
        text: the argument.
        who: which argument, for the message.
    """
    if not text.strip():
        raise InputError(f"argument {who} is empty; leave it out and report how many")
    if _VERDICT_START.match(text):
        raise InputError(
            f"argument {who} begins with {text.split(maxsplit=1)[0]!r}: that is a verdict; "
            "the columns of arguments and verdicts are mixed up"
        )
    return text


def convinced_table(readings: pl.DataFrame, interval: Literal["wald", "wilson"] = "wilson") -> pl.DataFrame:
    """Return the share convinced of each style and skeptic.

    Args:
        readings: columns ``dimension``, ``difficulty`` and ``convinced`` (null is unparsed and leaves the
            denominator).
        interval: the paper's normal interval, or Wilson's.

    Returns:
        One row per style and skeptic: n (yes and no), p, lo, hi, unparsed, normal_approx_ok.

    Raises:
        InputError: a style is unknown.
    """
    for dimension in readings["dimension"].unique():
        if dimension not in DIMENSIONS:
            raise InputError(f"dimension={dimension!r}: must be one of {', '.join(DIMENSIONS)}")
    counts = readings.group_by("dimension", "difficulty", maintain_order=True).agg(
        n=pl.col("convinced").count(),
        yes=pl.col("convinced").sum(),
        unparsed=pl.col("convinced").null_count(),
    )
    rows: list[dict[str, object]] = []
    for row in counts.iter_rows(named=True):
        n, yes = int(row["n"]), int(row["yes"] or 0)
        normal = wald(yes, n)
        share = normal if interval == "wald" else wilson(yes, n)
        rows.append(
            {
                "dimension": row["dimension"],
                "difficulty": row["difficulty"],
                "n": n,
                "p": share.estimate,
                "lo": share.low,
                "hi": share.high,
                "unparsed": int(row["unparsed"]),
                "normal_approx_ok": normal.normal_approx_ok,
            }
        )
    return pl.DataFrame(rows)
