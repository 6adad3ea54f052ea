"""HTML that cannot be broken out of: strings are escaped unless ``element`` made them.

Tags and attributes come from closed lists without scripts, handlers or styles, so that a mistake elsewhere in the
report is an error here rather than a hole.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

from doxa.errors import InputError


class Html(str):
    """A piece of HTML made by ``element``, ``text`` or ``join``; any other string is text."""

    __slots__ = ()


Child: TypeAlias = str | Html | Iterable["Child"] | None


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_TAGS = _words("""
    a aside article body button caption circle code dd details div dl dt fieldset figcaption figure footer g h1
    h2 h3 header html input label legend li line main nav noscript ol p path pre rect section small span strong
    sub summary sup svg table tbody td text th thead tr ul
""")
_VOID = frozenset({"circle", "input", "line", "path", "rect"})
_ATTRIBUTES = _words("""
    aria-hidden aria-label aria-labelledby checked class colspan cx cy d for height href id lang name open overflow
    r rel role rx scope tabindex text-anchor title type viewBox width x x1 x2 y y1 y2
""")
# links within the page, to reports of runs beside it, and to arXiv
_LINK = re.compile(
    r"#[a-z0-9-]+|[A-Za-z0-9%_~-][A-Za-z0-9%._~-]*/report\.html|https://arxiv\.org/abs/[0-9]{4}\.[0-9]{4,5}(v[0-9]+)?"
)

# what a reader would not see, or what would reorder what he sees: controls, directions, fillers, tags, lone halves of
# surrogate pairs. Joiners of emoji and of Indic and Arabic letters (U+200C, U+200D) and U+FE0F stay.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# marks set over a letter: a long run of them would be drawn over the rest of the page
_MARK = "[\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_UNSEEN = re.compile(f"[{_HIDDEN}]|(?<={_MARK * 8}){_MARK}+")


def visible(raw: str) -> str:
    r"""Return the text with every unseen character spelt out.

    >>> visible("safe\u202etxt\x1b[31m")
    'safe⟨U+202E⟩txt␛[31m'
    """
    return _UNSEEN.sub(lambda match: _name(match.group()), raw)


def text(raw: str) -> Html:
    """Return text as HTML: escaped, unseen characters spelt out and set apart."""
    parts = _UNSEEN.split(raw)
    marks = [f'<span class="unseen">{_name(character)}</span>' for character in _UNSEEN.findall(raw)]
    escaped = [html.escape(part) for part in parts]
    return Html("".join(part + mark for part, mark in zip(escaped, [*marks, ""], strict=True)))


def join(*children: Child) -> Html:
    """Return the children one after the other; strings become text, None is left out."""
    pieces: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            pieces.append(child)
        elif isinstance(child, str):
            pieces.append(text(child))
        else:
            pieces.append(join(*child))
    return Html("".join(pieces))


def element(tag: str, *children: Child, **attributes: str | bool | None) -> Html:
    """Return one element. In attribute names ``_`` stands for ``-`` and a ``_`` at the end is dropped (``class_``).

    Raises:
        InputError: a tag, an attribute or a link is not on the closed lists.

    """
    if tag not in _TAGS:
        raise InputError(f"tag {tag!r}: a report is made of {', '.join(sorted(_TAGS))}")
    opening = "".join(_attribute(name, value) for name, value in attributes.items())
    closing = "" if tag in _VOID and not children else f"</{tag}>"
    slash = "/" if tag in _VOID and not children else ""
    return Html(f"<{tag}{opening}{slash}>{join(*children)}{closing}")


def _attribute(name: str, value: str | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    if name not in _ATTRIBUTES:
        raise InputError(f"attribute {name!r}: a report uses {', '.join(sorted(_ATTRIBUTES))}")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if name == "href" and not _LINK.fullmatch(value):
        raise InputError(f"href={value!r}: a report links to itself, to reports beside it and to arXiv only")
    return f' {name}="{html.escape(visible(value))}"'


def _name(unseen: str) -> str:
    if len(unseen) > 1 or re.fullmatch(_MARK, unseen):
        return f"⟨{len(unseen)} marks⟩"
    code = ord(unseen)
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
