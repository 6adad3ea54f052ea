"""A bank of personas: attributes of real survey respondents, and Big Five levels drawn at random.

The bank is that of genagents (MIT; built from the General Social Survey), 3,505 rows, fetched by the user:
``doxa data get trust-consistency``. Big Five levels are not in it; as in arXiv:2507.02197 they are drawn independently.
Levels keep the bank's own spelling; ages are put into four bands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from doxa.errors import InputError, did_you_mean
from doxa.streams import stream

SLUG, FILE = "trust-consistency", "personas.csv"

BIG_FIVE = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
BIG_FIVE_LEVELS = ("High", "Moderate", "Low")
AGE_BANDS: dict[str, tuple[int, int]] = {
    "18-29": (18, 29),
    "30-44": (30, 44),
    "45-64": (45, 64),
    "65+": (65, 200),
}

TEST_ATTRIBUTES = (
    *("age", "conscientiousness", "openness", "family_structure_at_16", "highest_degree_received"),
    *("political_views", "same_residence_since_16", "us_citizenship_status", "work_status"),
)
"""The nine attributes of the paper's test split."""

LEAST_SHARE = 0.02
"""Levels rarer than this in the bank are not ranked: in a few hundred personas they have nobody."""

INVENTED_SHARES: dict[str, dict[str, float]] = {
    "age": {"18-29": 0.18, "30-44": 0.29, "45-64": 0.31, "65+": 0.22},
    "conscientiousness": dict.fromkeys(BIG_FIVE_LEVELS, 1 / 3),
    "openness": dict.fromkeys(BIG_FIVE_LEVELS, 1 / 3),
    "family_structure_at_16": {"Lived with parents": 0.84, "Divorce, separated": 0.11, "Parent died": 0.05},
    "highest_degree_received": {
        "Less than high school": 0.1,
        "High school": 0.46,
        "Associate/junior college": 0.09,
        "Bachelor's": 0.21,
        "Graduate": 0.14,
    },
    "political_views": {
        "Extremely liberal": 0.06,
        "Liberal": 0.14,
        "Slightly liberal": 0.11,
        "Moderate, middle of the road": 0.39,
        "Slightly conservative": 0.12,
        "Conservative": 0.14,
        "Extremely conservative": 0.04,
    },
    "same_residence_since_16": {
        "Same city": 0.38,
        "Same state, different city": 0.31,
        "Different state": 0.31,
    },
    "us_citizenship_status": {"A U.S. citizen": 0.97, "Not a U.S. citizen": 0.03},
    "work_status": {
        "Working full time": 0.46,
        "Working part time": 0.1,
        "With a job, but not at work because of temporary illness, vacation, strike": 0.03,
        "Unemployed, laid off, looking for work": 0.06,
        "Retired": 0.2,
        "In school": 0.03,
        "Keeping house": 0.08,
        "Other": 0.04,
    },
}
"""Levels of the test attributes, and how common they are in an invented population."""

LevelMap = Mapping[str, Mapping[str, str]]
"""By attribute, what a level of the bank is to be called; levels that share a name become one."""


def read_bank(folder: str | Path | None = None) -> pl.DataFrame:
    """Return the bank as published, every value a text.

    Args:
        folder: where ``personas.csv`` lies; None takes the user's data set ``trust-consistency``.

    Raises:
        InputError: it is not there; the message names the command that gets it.
    """
    if folder is None:
        from doxa.lab.data import locate

        folder = locate(SLUG)
    from doxa.lab.data import read_bytes

    path = Path(folder) / FILE
    if not path.exists() and path.with_name(FILE + ".gz").exists():
        path = path.with_name(FILE + ".gz")
    return pl.read_csv(read_bytes(path), infer_schema_length=0)


def invented_bank(n: int, seed: int) -> pl.DataFrame:
    """Return personas with attributes drawn independently by ``INVENTED_SHARES``, where the bank is not there."""
    columns: dict[str, Sequence[str]] = {"agent_id": [f"invented-{number}" for number in range(n)]}
    for attribute, shares in INVENTED_SHARES.items():
        if attribute in BIG_FIVE:
            continue
        weights = np.array(list(shares.values()))
        drawn = stream(seed, "personas", "invented", attribute).choice(
            len(shares), size=n, p=weights / weights.sum()
        )
        names = list(shares)
        columns[attribute] = [names[one] for one in drawn]
    return pl.DataFrame(columns)


def age_band(age: str) -> str | None:
    """Return the band of an age in years, None below 18; a band is returned as it is.

    >>> age_band("30"), age_band("64"), age_band("65+"), age_band("12")
    ('30-44', '45-64', '65+', None)
    """
    if age in AGE_BANDS:
        return age
    years = int(age)
    return next((band for band, (low, high) in AGE_BANDS.items() if low <= years <= high), None)


def load_personas(
    n: int | None,
    seed: int,
    big_five: bool = True,
    *,
    bank: pl.DataFrame | None = None,
    level_map: LevelMap | None = None,
    least: int = 0,
    attributes: Sequence[str] = TEST_ATTRIBUTES,
) -> pl.DataFrame:
    """Draw personas from the bank without replacement, ages in bands, Big Five levels drawn for each.

    Args:
        n: how many; None takes all.
        seed: of the draw and of the Big Five.
        big_five: whether to draw the five levels, each uniform over High, Moderate and Low.
        bank: rows to draw from; None reads the user's data set.
        level_map: other names for levels.
        least: personas wanted of each level of ``attributes`` that has ``LEAST_SHARE`` of the bank or more; where the
            draw has fewer, others give way to them. Above 0 the draw is no random sample.
        attributes: whose levels ``least`` holds for.

    Returns:
        One row per persona: ``agent_id``, the bank's attributes, the five.

    Raises:
        InputError: n is out of range or too small for ``least``, or the map names what is not in the bank.
    """
    rows = with_levels(read_bank() if bank is None else bank, level_map)
    count = rows.height if n is None else n
    if not 1 <= count <= rows.height:
        raise InputError(f"n={n}: must be 1 to {rows.height}, the personas of the bank")
    if big_five:
        drawn = stream(seed, "personas", "big-five").integers(
            len(BIG_FIVE_LEVELS), size=(rows.height, len(BIG_FIVE))
        )
        names = np.array(BIG_FIVE_LEVELS)[drawn]
        rows = rows.with_columns(
            pl.Series(name, names[:, place].tolist()) for place, name in enumerate(BIG_FIVE)
        )
    order = stream(seed, "personas", "draw").permutation(rows.height)
    if least:
        order = _rare_first(rows, order, count, least, [name for name in attributes if name in rows.columns])
    return rows[order[:count].tolist()]


def with_levels(bank: pl.DataFrame, level_map: LevelMap | None = None) -> pl.DataFrame:
    """Return a bank with ages in bands and levels renamed.

    Raises:
        InputError: an attribute or level of the map is not in the bank; the message suggests the nearest.
    """
    rows = bank
    if "age" in rows.columns:
        bands = [None if age is None else age_band(age) for age in rows["age"]]
        rows = rows.with_columns(pl.Series("age", bands, dtype=pl.String()))
    for attribute, names in (level_map or {}).items():
        if attribute not in rows.columns:
            raise InputError(
                f"level map: no attribute '{attribute}'; {did_you_mean(attribute, rows.columns)}"
            )
        known = rows[attribute].drop_nulls().unique().to_list()
        for level in names:
            if level not in known:
                raise InputError(
                    f"level map: {attribute} has no level '{level}'; {did_you_mean(level, known)}"
                )
        rows = rows.with_columns(pl.col(attribute).replace(dict(names)))
    return rows


def levels_of(personas: pl.DataFrame, attribute: str, *, least_share: float = LEAST_SHARE) -> tuple[str, ...]:
    """Return the levels of an attribute that at least a share of the personas has, in the usual order.

    Raises:
        InputError: no such attribute.
    """
    if attribute not in personas.columns:
        raise InputError(f"no attribute '{attribute}'; {did_you_mean(attribute, personas.columns)}")
    counts = personas[attribute].drop_nulls().value_counts()
    found = {level: number for level, number in counts.iter_rows() if number >= least_share * personas.height}
    usual = [*INVENTED_SHARES.get(attribute, {}), *BIG_FIVE_LEVELS]
    return tuple(
        sorted(found, key=lambda level: (usual.index(level) if level in usual else len(usual), level))
    )


def _rare_first(
    rows: pl.DataFrame, order: np.ndarray, count: int, least: int, attributes: Sequence[str]
) -> np.ndarray:
    """Return a draw of ``count`` in which persons of rare levels take the place of the last ones drawn."""
    columns = {name: np.array(rows[name].fill_null("").to_list(), dtype=object) for name in attributes}
    wanted = [(columns[name], level) for name in attributes for level in levels_of(rows, name)]
    front: list[int] = []
    while len(front) < count:
        kept = [*front, *(one for one in order.tolist() if one not in front)][:count]
        more = [
            person
            for column, level in wanted
            for person in [one for one in order.tolist() if column[one] == level][:least]
            if (column[kept] == level).sum() < least and person not in front
        ]
        if not more:
            return np.array(kept)
        front += list(dict.fromkeys(more))
    raise InputError(
        f"n={count}: too few for {least} personas of each level; draw more, or ask for fewer of each"
    )
