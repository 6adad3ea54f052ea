"""Two embedded reasoners: how four types speak of an epidemic, and three of the climate.

What a type thinks of is its hidden utility of stances, in nats; the most careful type comes first, and neighbours share
some stances. The ways to say a stance share words, as paraphrases do.
"""

from __future__ import annotations

from doxa.society.clusters.probes import Reasoner, Scenario

EPIDEMIC = Reasoner(
    # the published axes of reasoning, with our stances on each: 15 motifs
    wordings={
    "exposure: avoid": ("I avoid crowded places", "crowded rooms I avoid", "crowded is what I avoid"),
    "exposure: seek": ("I want company around me", "good company matters", "company is what I seek"),
    "risk: cautious": ("I take no risk, better safe", "a risk is a risk, safe is safe", "no risk, safe first"),
    "risk: bold": ("nothing will happen, I am never afraid", "I was never afraid of germs", "afraid of nothing, never"),
    "information: official": (
        "I follow the official advice", "the official report decides", "official advice and numbers come first",
    ),
    "information: friends": ("my neighbours say it is fine", "I do as neighbours do", "what neighbours tell me counts"),
    "information: none": ("I ignore the news", "the news means little to me", "I stopped reading news"),
    "protection: others": (
        "I protect my frail mother", "frail people depend on me", "to protect the frail is my part",
    ),
    "protection: self": ("I look after myself", "everyone cares for himself, I for myself", "myself first"),
    "time: plan": ("I plan weeks ahead", "a plan made ahead saves trouble", "thinking ahead, I plan"),
    "time: habit": ("my routine does not change", "I keep my usual routine", "routine as usual"),
    "time: today": ("I live for today", "today is what counts, tomorrow can wait", "today, not tomorrow"),
    "vaccine: trust": ("the vaccine works and I take it", "I trust the vaccine", "the vaccine works for me"),
    "vaccine: wait": (
        "I wait for the side effects to show", "let others try, I wait for effects", "side effects first, so I wait",
    ),
    "vaccine: doubt": ("I doubt what is in the jab", "the jab is not for me, I doubt it", "a jab I doubt helps nobody"),
},
    actions={
    **dict.fromkeys(("exposure: avoid", "risk: cautious", "protection: others"), "stay away"),
    **dict.fromkeys(("exposure: seek", "risk: bold", "time: today", "vaccine: doubt"), "go ahead"),
    **dict.fromkeys(("information: official", "information: friends", "vaccine: wait"), "ask first"),
    **dict.fromkeys(("information: none", "protection: self", "time: habit"), "carry on"),
    **dict.fromkeys(("time: plan", "vaccine: trust"), "prepare"),
},
    scenarios=(
    Scenario("a colleague coughs in the meeting", ("exposure", "risk", "protection")),
    Scenario("a friend has a concert ticket for tonight", ("exposure", "risk", "time")),
    Scenario("the town reports twice as many cases", ("information", "risk", "time")),
    Scenario("a letter invites you to be vaccinated", ("vaccine", "information", "risk")),
    Scenario("your family plans a reunion", ("protection", "exposure", "time")),
    Scenario("the bus is full this morning", ("exposure", "protection", "time")),
    Scenario("a rumour of a new variant goes round", ("information", "vaccine", "time")),
    Scenario("you wake up with a sore throat", ("protection", "risk", "information")),
),
    utilities=(
    {"exposure: avoid": 3.0, "risk: cautious": 4.0, "information: official": 1.0, "protection: others": 3.5,
     "time: plan": 1.0, "vaccine: trust": 4.0},
    {"exposure: avoid": 3.0, "risk: cautious": 1.0, "information: official": 3.5, "protection: self": 1.0,
     "time: plan": 4.0, "vaccine: wait": 3.5},
    {"exposure: seek": 3.0, "risk: bold": 1.0, "information: friends": 4.0, "protection: others": 1.0,
     "time: habit": 4.0, "vaccine: wait": 3.0},
    {"exposure: seek": 3.0, "risk: bold": 4.0, "information: none": 1.0, "protection: self": 3.0,
     "time: today": 4.0, "vaccine: doubt": 3.5},
),
)  # fmt: skip

CLIMATE = Reasoner(
    wordings={
        "cause: science": ("scientists measure the warming", "the warming is measured", "scientists measured it"),
        "cause: nature": ("weather always changed", "nature changed before", "it is nature, it always changed"),
        "cost: pay": ("I would pay more to stop it", "it is worth what we pay", "pay now or later"),
        "cost: thrift": ("bills are high enough", "I cannot afford higher bills", "my bills come first"),
        "source: press": ("the long article convinced me", "I read an article on it", "articles tell it well"),
        "source: feed": ("I saw a clip in my feed", "clips in the feed say so", "my feed is full of clips"),
        "reach: world": ("islands will drown", "think of the islands", "people on islands suffer"),
        "reach: home": ("here the garden is fine", "my garden looks as ever", "our garden grows"),
        "mood: hope": ("together we can still solve it", "I hope we solve it", "there is hope, it can be solved"),
        "mood: weary": ("I am tired of hearing it", "so tiring, always the same", "tired of the topic"),
    },
    actions={
        **dict.fromkeys(("cause: science", "cost: pay", "reach: world"), "speak up"),
        **dict.fromkeys(("source: press", "source: feed", "mood: hope"), "pass it on"),
        **dict.fromkeys(("cause: nature", "cost: thrift", "reach: home", "mood: weary"), "turn away"),
    },
    scenarios=(
        Scenario("a heat record is in the news", ("cause", "source", "mood")),
        Scenario("the city plans a tax on petrol", ("cost", "mood", "reach")),
        Scenario("a friend joins a march", ("mood", "cause", "reach")),
        Scenario("a storm floods a far country", ("reach", "cause", "source")),
        Scenario("your heating breaks", ("cost", "reach", "mood")),
        Scenario("a film on glaciers is on", ("source", "cause", "mood")),
        Scenario("an election debate begins", ("cost", "source", "cause")),
        Scenario("a neighbour puts up solar panels", ("cost", "reach", "source")),
    ),
    utilities=(
        {"cause: science": 3.5, "cost: pay": 3.5, "source: press": 3.0, "reach: world": 3.5, "mood: hope": 2.0},
        {"cause: science": 1.0, "cost: thrift": 3.0, "source: feed": 4.0, "reach: world": 1.0, "mood: hope": 3.0},
        {"cause: nature": 4.0, "cost: thrift": 3.0, "source: press": 1.0, "reach: home": 4.0, "mood: weary": 3.5},
    ),
)  # fmt: skip
