"""The words of tweets: how sure they are, what they say, and the details they tell."""

from __future__ import annotations

LEVELS = 5
"""Steps of certainty, the last the surest."""

OPENERS: tuple[tuple[str, ...], ...] = (
    ("maybe i am wrong but", "not sure yet but perhaps", "hard to say but maybe", "who knows but perhaps"),
    ("i tend to think", "my guess is that", "it seems to me", "i lean to this"),
    ("i think by now", "in my view", "i would say", "i have come to think"),
    ("i am rather sure", "i am quite convinced", "it is pretty clear", "rather certain here"),
    ("no doubt at all", "absolutely certain", "i know for sure", "one hundred percent"),
)
"""By level of certainty."""

BELIEVING = (
    "this story is true", "it really happened", "the report is right", "they told us the truth",
    "this is real news", "the facts prove it", "everyone should believe it", "you can trust the report",
    "the danger is real", "it is true and confirmed", "believe what they report", "the truth is out",
)  # fmt: skip
DOUBTING = (
    "this story is false", "it never happened", "the report is wrong", "they told us a lie",
    "this is fake news", "nothing proves it", "nobody should believe it", "you cannot trust the report",
    "the danger is a hoax", "it is false and invented", "never believe what they report", "the lie is exposed",
)  # fmt: skip
HELD_OUT = 3
"""The last of these sentences of each side, and the last opener of each level, are kept from the reader's training."""

DENIAL = "officials deny it this story is false and invented"
"""What the official agent says."""

GENERIC = (
    "hardly anyone i hear believes it",
    "most people i hear doubt it",
    "people i hear are of two minds",
    "most people i hear believe it",
    "nearly everyone i hear believes it",
)
"""What is taken up where no text is at hand, by the digest of what was heard, from doubt to belief."""

WHO = (
    *(
        "aunt",
        "baker",
        "barber",
        "boss",
        "brother",
        "carpenter",
        "clerk",
        "coach",
        "cousin",
        "dentist",
        "doctor",
    ),
    *(
        "driver",
        "editor",
        "engineer",
        "farmer",
        "fisherman",
        "friend",
        "gardener",
        "grandfather",
        "grandmother",
    ),
    *(
        "guard",
        "janitor",
        "journalist",
        "lawyer",
        "librarian",
        "mechanic",
        "mayor",
        "nephew",
        "neighbour",
        "niece",
    ),
    *(
        "nurse",
        "painter",
        "pharmacist",
        "pilot",
        "plumber",
        "postman",
        "priest",
        "sailor",
        "sister",
        "teacher",
    ),
    *("uncle", "waiter", "welder", "butcher", "tailor", "banker", "singer", "student"),
)
PLACES = (
    *(
        "airport",
        "archive",
        "bakery",
        "bank",
        "barracks",
        "beach",
        "bridge",
        "cafe",
        "canal",
        "castle",
        "chapel",
    ),
    *(
        "cinema",
        "clinic",
        "college",
        "courthouse",
        "dam",
        "depot",
        "embassy",
        "factory",
        "farm",
        "ferry",
        "garage",
    ),
    *(
        "harbour",
        "hospital",
        "hotel",
        "laboratory",
        "library",
        "market",
        "mill",
        "mine",
        "museum",
        "observatory",
    ),
    *(
        "office",
        "park",
        "pier",
        "plaza",
        "prison",
        "quarry",
        "school",
        "stadium",
        "station",
        "studio",
        "temple",
    ),
    *("theatre", "tower", "tunnel", "village", "warehouse"),
)
SEEN = ("saw", "checked", "photographed", "mentioned", "described", "studied", "searched", "kept")
THINGS = (
    *(
        "account",
        "album",
        "badge",
        "ballot",
        "bill",
        "blueprint",
        "broadcast",
        "bulletin",
        "calendar",
        "camera",
    ),
    *(
        "certificate",
        "chart",
        "contract",
        "diary",
        "document",
        "drawing",
        "email",
        "envelope",
        "file",
        "film",
    ),
    *("footage", "form", "graph", "invoice", "journal", "ledger", "letter", "list", "logbook", "map", "memo"),
    *("minutes", "negative", "notebook", "notice", "order", "parcel", "permit", "photo", "plan", "poster"),
    *("receipt", "recording", "register", "sample", "signature", "sketch", "ticket"),
)
"""Details: my WHO at the PLACE SEEN the THING."""
