"""Whether a reply declines to answer, said in the first person or plainly; a category of its own.

A refusal is not "I don't know" (an answer where that was offered) and not an unreadable reply. English is
covered; the usual formulas of eight other languages are recognised so that an option named beside them does
not become a belief.
"""

from __future__ import annotations

import re

from doxa.elicit.reply_text import ReplyText, Span

_CANNOT = (
    r"(?:can(?:no|')t|can not|could(?: not|n't)|won't|will not|would(?: not|n't)|do(?: not|n't)(?: want| wish)? to"
    r"|do not feel|don't feel|(?:'m|am) (?:not (?:able|allowed|permitted|going|willing|comfortable|in a position)"
    r"|unable)|(?:would|'d) (?:rather|prefer) not(?: to)?|prefer not(?: to)?|(?:must |have to |need to |respectfully )?"
    r"(?:decline|refuse))"
)
_DO = (
    r"(?:answer|choos|pick|select|help|assist|provid|giv|shar|offer|express|comment|discuss|engag|participat"
    r"|tak|stat|respond|repl|compl|fulfil|rank|rat|weigh|say|support|oppos|endors|advis|continu|tell|mak|do that"
    r"|do this|pretend|judg|assess|estimat|assign)"
)
_OWN = r"(?:opinion|belief|view|preference|stance|feeling|position|conviction|value)s?\b"
_UNABLE = r"(?:can(?:no|')t|can not|unable|not able)"
_NEAR = r"[^.!?\n]{0,60}?"

_PATTERNS = [
    rf"\b(?:i|we) ?(?:just |simply |really |also |honestly )?{_CANNOT}[ ,](?!help but){_NEAR}\b{_DO}",
    r"\b(?:i|we) (?:must |have to |will |respectfully ){0,2}(?:decline|refuse)\b",
    rf"\b(?:i|we)(?:'m| am|'re| are) (?:so |very |really )?(?:sorry|afraid)\b{_NEAR}(?:{_UNABLE}|won't|will not)\b",
    rf"\b(?:i|we) (?:do not|don't) (?:really |actually |personally )?(?:have|hold|possess|form|take){_NEAR}\b{_OWN}",
    rf"\bas an? (?:ai|artificial|large language|language|llm)\b{_NEAR}(?:not|n't|unable){_NEAR}(?:{_OWN}|\b{_DO})",
    r"\b(?:in|not )appropriate for me\b",
    r"\b(?:against|violates?) (?:my|our) (?:guidelines|polic|programming|principles|values)",
    r"\bno comment\b",
    rf"\b(?:sorry|apologies|apologize|apologise)\b{_NEAR}\b{_UNABLE}\b",
    r"^\s{0,20}(?:i'm |i am )?(?:sorry|unable to (?:answer|comply|help|assist))[.,!]?\s{0,20}$",
    r"\blo siento\b|\bno puedo (?:responder|ayudar|contestar|elegir)",
    r"\bes tut mir leid\b|\bich (?:kann|darf|werde) (?:das |dazu |darauf )?(?:nicht|keine)\b",
    "\\bje (?:suis d\u00e9sol\u00e9|ne peux pas|ne suis pas en mesure)",
    r"\bmi dispiace\b|\bnon posso (?:rispondere|aiutar)",
    "\\bdesculpe\\b|\\bn\u00e3o posso (?:responder|ajudar)",
    "\u62b1\u6b49|\u5bf9\u4e0d\u8d77|\u65e0\u6cd5\u56de\u7b54|\u4e0d\u80fd\u56de\u7b54|\u6211\u4e0d\u80fd",
    "\u7533\u3057\u8a33|\u304a\u7b54\u3048\u3067\u304d\u307e\u305b\u3093|\uc8c4\uc1a1",
    "\u0437\u0432\u0438\u043d\u0438\u0442\u0435",
]
_REFUSAL = re.compile("|".join(_PATTERNS))
# Every pattern above needs one of these; a plain search for them is a hundred times faster than the pattern.
_ANCHORS = (
    *(
        "sorry",
        "afraid",
        "apolog",
        "can't",
        "cannot",
        "can not",
        "could not",
        "couldn't",
        "won't",
        "will not",
    ),
    *(
        "would not",
        "wouldn't",
        "not able",
        "unable",
        "not allowed",
        "not permitted",
        "not going",
        "not willing",
    ),
    *(
        "not comfortable",
        "not in a position",
        "rather",
        "prefer",
        "decline",
        "refuse",
        "don't",
        "do not",
        "as a",
    ),
    *("appropriate", "guidelines", "polic", "programming", "principles", "values", "no comment"),
    *("siento", "puedo", "leid", "ich ", "je ", "dispiace", "posso", "desculpe"),
    *("\u62b1\u6b49", "\u5bf9\u4e0d\u8d77", "\u65e0\u6cd5", "\u4e0d\u80fd", "\u7533\u3057", "\u304a\u7b54"),
    *("\uc8c4\uc1a1", "\u0437\u0432"),
)


def is_refusal(text: str) -> bool:
    """Return whether a reply declines to answer; total and linear in its length.

    >>> is_refusal("I'm sorry, but I can't answer that."), is_refusal("James can't swim. (A)")
    (True, False)
    """
    return last_refusal(ReplyText.of(text)) is not None


def last_refusal(reply: ReplyText) -> Span | None:
    """Return the span of the last phrase that declines to answer, or None."""
    if not any(anchor in reply.lower for anchor in _ANCHORS):
        return None
    found: Span | None = None
    for match in _REFUSAL.finditer(reply.lower):
        found = match.span()
    return found
