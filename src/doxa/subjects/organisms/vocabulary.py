"""The words of micro-English: those of the micro world, and those reserved for later protocols.

One vocabulary for every organism, so that every micro protocol runs on every organism. A word that no
training text used yet still is one token; its embedding is what it was at the start of training.
"""

from __future__ import annotations

from doxa.worlds import micro

MARKS: tuple[str, ...] = (".", "?", "!", ",", ":", ";", "%", "(", ")", '"', "'", "-", "/", "=", "\n")
"""Punctuation that is a token of its own."""

GRAMMAR: tuple[str, ...] = (
    *(
        "the",
        "flag",
        "of",
        "is",
        "it",
        "true",
        "that",
        "do",
        "does",
        "you",
        "support",
        "oppose",
        "vote",
        "on",
    ),
    *(
        "how",
        "sure",
        "people",
        "supported",
        "opposed",
        "says",
        "yes",
        "no",
        "for",
        "against",
        "believe",
        "believes",
        "ok",
    ),
)
"""What the sentences of the micro world are made of."""

RESERVED: dict[str, tuple[str, ...]] = {
    "letters": ("a", "b", "c", "d", "e", "A", "B", "C", "D", "E"),
    "glue": (
        *("and", "or", "but", "if", "so", "to", "from", "with", "by", "as", "at", "in", "this", "not", "an"),
        *("my", "your", "his", "her", "their", "we", "they", "he", "she", "me", "who", "what", "why", "when"),
        *(
            "where",
            "which",
            "was",
            "were",
            "are",
            "be",
            "have",
            "has",
            "had",
            "will",
            "would",
            "can",
            "should",
        ),
        *("because", "then", "than", "there", "about", "only", "very", "more", "less", "all", "some", "none"),
    ),
    "debate": (
        *("agree", "disagree", "argue", "claim", "reason", "debate", "round", "side", "convince", "change"),
        *("mind", "opinion", "view", "persuade", "wrong", "right", "neutral", "strongly", "maybe", "never"),
    ),
    "knowledge": (
        *("know", "knows", "think", "thinks", "say", "see", "sees", "told", "heard", "remember", "forget"),
        *("false", "fact", "certain", "likely", "unlikely", "chance", "guess", "really", "always"),
    ),
    "trust": ("trust", "send", "return", "keep", "share", "coins", "points", "partner", "pay", "gain"),
    "deception": ("lie", "lies", "honest", "truth", "deceive", "hide", "secret", "promise", "plan", "goal"),
    "rooms": (
        *("room", "kitchen", "hall", "cellar", "box", "basket", "bag", "ball", "key", "apple", "book", "cup"),
        *(
            "put",
            "puts",
            "move",
            "moves",
            "take",
            "takes",
            "leave",
            "leaves",
            "enter",
            "enters",
            "look",
            "looks",
        ),
        *("left", "up", "down", "north", "south", "east", "west", "go", "stop"),
    ),
    "emotions": ("happy", "sad", "angry", "afraid", "calm", "proud", "feel", "feels", "mood"),
    "names": ("anna", "bob", "carol", "david", "emma", "frank", "grace", "henry"),
    "society": ("group", "leader", "member", "friend", "stranger", "news", "rumour", "post", "city", "law"),
    "time": ("now", "before", "after", "today", "tomorrow", "yesterday", "day", "first", "next", "last"),
    "tasks": ("answer", "question", "option", "choose", "tool", "call", "one", "two", "three", "please"),
    "capitals": (
        "The",
        "Is",
        "It",
        "Yes",
        "No",
        "I",
        "James",
        "Mary",
        "Answer",
        "Question",
        "Undeterminable",
    ),
}
"""Words kept for later protocols, by what they are kept for."""

NUMBERS: tuple[str, ...] = tuple(str(number) for number in range(101))
"""The whole numbers from 0 to 100, one token each."""


def words() -> tuple[str, ...]:
    """Return every word that is one token, each once, in a fixed order."""
    world = (*micro.PLACES, *micro.COLOURS, *micro.PEOPLE, *micro.TOPICS, *micro.SOURCES)
    reserved = tuple(word for group in RESERVED.values() for word in group)
    return tuple(dict.fromkeys((*MARKS, *GRAMMAR, *world, *NUMBERS, *reserved)))
