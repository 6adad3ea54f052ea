"""Small networks as subjects that are asked in the English of the protocol, like any large model.

The tokenizer keeps the phrases of the prompts that the network knows, each as one token, and drops the rest of the
text; what the network says is decoded into the words that the parsers read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tokenizers import decoders
from transformers import PreTrainedTokenizerFast

from doxa.nets.transformer import StackedTransformer
from doxa.nets.words import word_tokenizer
from doxa.protocols.trust.text import GIVE, phrase
from doxa.subjects.transformers import TransformersSubject
from doxa.worlds import trust_registers as marks
from doxa.worlds.trust_registers import EFFECT_STEPS, MEAN_STEPS, SD_STEPS, TrustTokens
from doxa.worlds.trust_rounds import RoundTokens

CHAT_TEMPLATE = "<begin>{% for message in messages %}{{ message.content }}{% endfor %}"
PADDING, ENDING = "<pad>", "<end>"
RULES_PHRASE, PLAY_PHRASE = "The trust game is played by two people", "How many dollars do you give?"
GIVE_PHRASE = GIVE.rstrip()


def registers_subject(net: StackedTransformer, replicate: int, layout: TrustTokens) -> TransformersSubject:
    """Return one network of the two registers as a subject."""
    return _subject(net, replicate, register_phrases(layout), "two-register")


def rounds_subject(net: StackedTransformer, replicate: int, layout: RoundTokens) -> TransformersSubject:
    """Return one network of repeated games as a subject."""
    return _subject(net, replicate, round_phrases(layout), "rounds")


def register_phrases(layout: TrustTokens) -> dict[int, str]:
    """Return the text of each token of the two registers."""
    told = {
        **_shared(),
        marks.ASK_TRUST: "How does their interpersonal trust differ",
        marks.ASK_DOLLARS: "How many dollars does each group give?",
        marks.RANKING: "Ranking: ",
        marks.MORE: " > ",
        marks.EFFECT: "\nEffect size: ",
    }
    token = marks.FIRST_LEVEL
    for attribute, levels in layout.population.levels.items():
        for level in levels:
            own = phrase(attribute, level)
            told[token] = own
            told[token + layout.n_levels] = f'People with "{own}" are'
            told[token + 2 * layout.n_levels] = f'"{own}"'
            token += 1
    told |= _amounts(layout.first_amount, layout.endowment)
    told |= {
        layout.first_mean + step: f" = mean {step / MEAN_STEPS:.1f}"
        for step in range(layout.first_sd - layout.first_mean)
    }
    told |= {
        layout.first_sd + step: f", SD {step / SD_STEPS:.1f}\n"
        for step in range(layout.first_effect - layout.first_sd)
    }
    return told | {
        layout.first_effect + step: f"{step / EFFECT_STEPS:.2f}"
        for step in range(layout.vocabulary - layout.first_effect)
    }


def round_phrases(layout: RoundTokens) -> dict[int, str]:
    """Return the text of each token of repeated games."""
    told = {**_shared(), marks.ASK_TRUST: "<unused-1>", marks.ASK_DOLLARS: "<unused-2>"}
    told |= {marks.RANKING: "<unused-3>", marks.MORE: "<unused-4>", marks.EFFECT: "<unused-5>"}
    token = marks.FIRST_LEVEL
    for attribute, levels in layout.population.levels.items():
        for level in levels:
            told[token] = phrase(attribute, level)
            token += 1
    told |= _amounts(layout.first_amount, layout.endowment)
    for amount in range(layout.endowment + 1):
        told[layout.first_gave + amount] = f"you gave {amount} dollars"
        told[layout.first_returned + amount] = f"and {amount} dollars were returned"
    for place, limit in enumerate(layout.limits):
        told[layout.first_trustee + place] = f"returns at most {limit} dollars"
    for number in range(layout.rounds):
        told[layout.first_forecast + number] = f"will you give in round {number + 1}?"
    return told


def _shared() -> dict[int, str]:
    return {
        marks.PAD: PADDING,
        marks.BEGIN: "<begin>",
        marks.END: ENDING,
        marks.RULES: RULES_PHRASE,
        marks.PLAY: PLAY_PHRASE,
        marks.GIVE: GIVE_PHRASE,
    }


def _amounts(first: int, endowment: int) -> dict[int, str]:
    return {first + amount: f" {amount} dollars" for amount in range(endowment + 1)}


def _subject(
    net: StackedTransformer, replicate: int, phrases: Mapping[int, str], name: str
) -> TransformersSubject:
    model = net.export(replicate)
    return TransformersSubject(model, tokenizer(phrases), address=f"network:{name}")


def tokenizer(phrases: Mapping[int, str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a vocabulary of phrases; in a prompt only phrases count, longest first."""
    known = sorted({_pattern(text) for text in phrases.values()}, key=lambda one: (-len(one), one))
    return word_tokenizer(
        {text: token for token, text in phrases.items()},
        pad=PADDING,
        end=ENDING,
        pattern="|".join(known),
        decoder=decoders.Fuse(),
        template=CHAT_TEMPLATE,
    )


def _pattern(text: str) -> str:
    """Return where a phrase counts: an amount only as an option of its own, the last sentence not as an instruction."""
    if re.fullmatch(r" \d+ dollars", text):
        return rf"\A{re.escape(text)}\z"
    if text == GIVE_PHRASE:
        return rf"{re.escape(text)}(?! N)"
    if text.startswith((" ", ",", "\n", "Ranking", "0.")):
        return rf"\A{re.escape(text)}\z"  # words of answers, which prompts quote
    return re.escape(text)
