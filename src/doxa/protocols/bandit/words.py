"""Which words are said: counts without the words that carry no meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_STOP = (
    "a about after again all also am an and any are as at be because been before being both but by can could did do "
    "does done during each either else ever every few for from further get give given go had has have having he her "
    "here him his how i if in into is it its itself just let like made make many may me might more most much must my "
    "no nor not now of off on once one only or other our out over own per put rather said same see she should since so "
    "some still such take than that the their them then there these they this those though through to too two under "
    "until up upon us use very was way we well were what when where whether which while who why will with within would "
    "yet you your"
)
STOP_WORDS = frozenset(_STOP.split())
"""Words of English that are left out, a list of our own."""


def count_words(texts: Iterable[str], leave_out: Iterable[str] = ()) -> Counter[str]:
    """Return how often each word is said, in lower case, without stop words, numbers and the words of ``leave_out``.

    >>> count_words(["Thought: I will TEST the variance, then test again."], ["thought"])
    Counter({'test': 2, 'variance': 1})
    """
    left = STOP_WORDS | {word.lower() for word in leave_out}
    said: Counter[str] = Counter()
    for text in texts:
        said.update(
            word for word in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower()) if word not in left
        )
    return said
