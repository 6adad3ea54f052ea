"""Numbers as a reader wants them: as many digits as the interval bears, and a scale to draw them on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_NOTHING = 1e-9
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(value: float | None, decimals: int | None = None) -> str:
    """Return a number as text; without ``decimals``, three significant digits and whole numbers in full.

    >>> shown(0.8612, 2), shown(13000.0), shown(-0.00031), shown(None)
    ('0.86', '13,000', '−0.00031', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-4:
        mantissa, exponent = f"{value:.2g}".split("e") if "e" in f"{value:.2g}" else f"{value:.1e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", "−")
    if decimals is not None:
        rounded = f"{value:,.{decimals}f}"
    elif value == int(value):
        rounded = f"{value:,.0f}"
    else:
        rounded = f"{value:,.{max(0, 2 - math.floor(math.log10(size)))}f}".rstrip("0").rstrip(".")
    negative = rounded.startswith("-") and any(digit in rounded for digit in "123456789")
    return ("−" if negative else "") + rounded.lstrip("-")


def decimals_for(interval: tuple[float, float] | None) -> int | None:
    """Return the decimals that an interval bears: its half-width is 1.5 to 15 units of the last one.

    A needle of an interval bears no more than four significant digits.

    >>> decimals_for((0.83, 0.89)), decimals_for((0.0, 40.0)), decimals_for((0.98201379, 0.98201381))
    (2, 0, 4)
    """
    if interval is None:
        return None
    half = abs(interval[1] - interval[0]) / 2
    size = max(abs(interval[0]), abs(interval[1]))
    if not math.isfinite(half) or half == 0:
        return None
    if size < _NOTHING:
        return 2
    borne = math.ceil(-math.log10(half / 1.5) - 1e-9)
    return max(min(borne, 3 - math.floor(math.log10(size))), 0)


def with_interval(value: float | None, interval: tuple[float, float] | None) -> tuple[str, str]:
    """Return a number and its interval as text, with the same decimals; "" if there is no interval."""
    if interval is None:
        return shown(value), ""
    decimals = decimals_for(interval)
    low, high = (shown(_settled(end), decimals) for end in interval)
    return shown(_settled(value), decimals), f"[{low}, {high}]"


def _settled(value: float | None) -> float | None:
    """Return zero for what is only the rounding of floating point numbers around it."""
    return 0.0 if value is not None and abs(value) < _NOTHING else value


@dataclass(frozen=True)
class Scale:
    """The two ends of a bar."""

    low: float
    high: float

    def percent(self, value: float) -> float:
        """Return where a value lies, in per cent of the way, held within 0 to 100."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0) * 100


def scale_for(values: Sequence[float | None]) -> Scale:
    """Return a scale with round ends that holds zero and all finite values; shares get 0 to 1."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min([0.0, *known]), max([0.0, *known])
    if high - low < _NOTHING:
        return Scale(-1.0, 1.0)
    if low == 0 and 0.5 <= high <= 1:
        return Scale(0.0, 1.0)
    step = 10 ** math.floor(math.log10(high - low)) / 2
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def shared_scales(rows: Sequence[tuple[str, Sequence[float | None]]]) -> list[Scale]:
    """Return a scale per row (unit, values): rows of one unit and like size share one, so that bars compare."""
    sizes = [
        max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0) for _, values in rows
    ]
    scales: list[Scale] = [Scale(0.0, 1.0)] * len(rows)
    for unit in dict.fromkeys(unit for unit, _ in rows):
        order = sorted((i for i, row in enumerate(rows) if row[0] == unit), key=lambda i: sizes[i])
        while order:
            # a row five times larger than another would make its bar unreadable
            together = [i for i in order if sizes[i] <= 5 * max(sizes[order[0]], 1e-12) or sizes[i] == 0]
            scale = scale_for([value for i in together for value in rows[i][1]])
            for i in together:
                scales[i] = scale
            order = [i for i in order if i not in together]
    return scales
