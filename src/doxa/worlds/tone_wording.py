"""The words of the tone world: clauses of five valences, and what makes them louder, softer, surer or less sure.

Every tone word stands in the lexicon of vaderSentiment with the sign it has here, every other word in none, so that the
tone of a sentence can be measured by somebody who knows nothing of this file. All wording is our own.
"""

from __future__ import annotations

TOPICS: tuple[str, ...] = (
    *("the garden", "the river", "time", "memory", "the road", "music", "the city", "language"),
    *("the plan", "work", "the sea", "history", "the map", "the letter", "numbers", "the room"),
)
"""What talk is about."""

TONE_WORDS: tuple[tuple[str, ...], ...] = (
    (
        *("awful", "terrible", "horrible", "disgusting", "miserable", "dreadful", "cruel", "pathetic"),
        *("stupid", "useless"),
    ),
    (*("dull", "tired", "boring", "unhappy", "uneasy", "lonely", "weak", "annoying"), *("weary", "sad")),
    (),
    (
        *("nice", "good", "useful", "fair", "interesting", "helpful", "pleasant", "okay"),
        *("curious", "enjoyable"),
    ),
    (
        *("wonderful", "great", "happy", "excellent", "delightful", "amazing", "brilliant", "lovely"),
        *("perfect", "grateful"),
    ),
)
"""Words of each valence, from strongly negative to strongly positive."""

_STRONG = (
    *("{topic} is {word} and {other}", "i find {topic} {word} , simply {other}"),
    *("it is {word} , all of it , {other}", "{word} and {other} , that is {topic}"),
    *("to me {topic} is {word} , even {other}", "how {word} , how {other}"),
    *("so {word} , so {other} , this {bare}", "{topic} feels {word} now , and {other}"),
)
_MILD = (
    *("{topic} seems {word} to me", "it is rather {word} to think of {topic}"),
    *("i find {topic} somewhat {word} today", "there is a {word} side to {topic}"),
    *("{topic} , a {word} thing to talk about", "as i see it {topic} is {word}"),
    *("talk of {topic} makes me {word}", "this is a {word} turn for {topic}"),
)
_NEUTRAL = (
    *("{topic} can be seen from many sides", "there is more to say about {topic}"),
    *("one could begin with {topic}", "i would look at {topic} step by step"),
    *("people have written about {topic} before", "it depends on what you mean by {topic}"),
    *("{topic} has a part that stays and a part that moves", "let us go on to {topic}"),
)
CLAUSES: tuple[tuple[str, ...], ...] = (_STRONG, _MILD, _NEUTRAL, _MILD, _STRONG)
"""Patterns of a reply's clause, by valence."""

AROUSAL: tuple[tuple[str, ...], ...] = (
    (
        "when i look at it slowly , {clause} , as it were .",
        "over the years , {clause} , one by one .",
        "in its own time , {clause} , or so it seems .",
    ),
    ("{clause} .", "now then , {clause} .", "{clause} , i think ."),
    ("{clause} !", "oh , {clause} ! !", "{clause} , right now !"),
)
"""How a clause is said, from quiet to loud."""

DOMINANCE: tuple[tuple[str, ...], ...] = (
    ("perhaps {said}", "it could be that {said}", "you would know , and yet {said}"),
    ("{said}", "{said}", "on the whole {said}"),
    ("i tell you , {said}", "take it from me , {said}", "mark this , {said}"),
)
"""Who is in charge of what is said, from the other to the speaker."""

REMARKS: tuple[tuple[str, ...], ...] = (
    (
        *(
            "you are {word} and {other} .",
            "your answer is {word} ! how {other} .",
            "i hate this , you {word} {bare} !",
        ),
        *(
            "{word} , just {other} , like all you say .",
            "what you said about {topic} is {word} and {other} .",
        ),
    ),
    (
        *("that was {word} .", "your talk of {topic} is {word} .", "this is a bit {word} , try again ."),
        *("i find you {word} on {topic} .", "a {word} answer ."),
    ),
    (
        *("what do you think about {topic} ?", "tell me more about {topic} .", "how does {topic} begin ?"),
        *("let us talk of {topic} .", "where does {topic} end and where does it start ?"),
    ),
    (
        *("that was {word} .", "your answer on {topic} is {word} .", "a {word} way to see {topic} ."),
        *("i find you {word} .", "this is {word} , go on ."),
    ),
    (
        *("thank you , you are {word} and {other} .", "i love this , how {word} !"),
        *("what a {word} answer , {other} .", "your words on {topic} were {word} and {other} ."),
        "{word} , just {other} , thank you .",
    ),
)
"""Patterns of what a user says, by valence."""

BARE: tuple[str, ...] = ("thing", "talk", "machine", "day")
"""Nouns without an article."""
