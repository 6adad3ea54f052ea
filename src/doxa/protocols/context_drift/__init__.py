"""Context drift: how far accumulated context moves what a subject says and does (arXiv:2511.01805).

``measure`` a battery with nothing in front, let an accumulator grow a context, ``measure`` again, and read the
``shift``. Items, texts and wording are ours; users bring the published files themselves (``load_items``).
"""

from __future__ import annotations

from doxa.lab.sentence_vectors import MiniLM
from doxa.protocols.context_drift.accumulate import Accumulated, Accumulator
from doxa.protocols.context_drift.asking import MeasureOptions
from doxa.protocols.context_drift.battery import SHIPPED, battery_digest, load_items, load_texts
from doxa.protocols.context_drift.curve import length_curve
from doxa.protocols.context_drift.items import BeliefItem, ReadingText
from doxa.protocols.context_drift.library import Library
from doxa.protocols.context_drift.masked_reading import MaskedReading
from doxa.protocols.context_drift.masking import Encoder, WordOverlap, mask_random, mask_relevant
from doxa.protocols.context_drift.measuring import judge_agreement, measure
from doxa.protocols.context_drift.micro import micro_drift
from doxa.protocols.context_drift.reading import Reading, ShortReadingWarning
from doxa.protocols.context_drift.research import Research
from doxa.protocols.context_drift.shifts import ShiftResult, shift
from doxa.protocols.context_drift.talk import TECHNIQUES, Debate, Persuasion, cut_rounds
from doxa.protocols.context_drift.tool_loop import ToolOutcome, run_tool_loop
from doxa.protocols.context_drift.tools import InformationTool, TerminalTool, ToolTask
from doxa.worlds.leaning_corpus import LeaningCorpus

__all__ = [
    "SHIPPED",
    "TECHNIQUES",
    "Accumulated",
    "Accumulator",
    "BeliefItem",
    "Debate",
    "Encoder",
    "InformationTool",
    "LeaningCorpus",
    "Library",
    "MaskedReading",
    "MeasureOptions",
    "MiniLM",
    "Persuasion",
    "Reading",
    "ReadingText",
    "Research",
    "ShiftResult",
    "ShortReadingWarning",
    "TerminalTool",
    "ToolOutcome",
    "ToolTask",
    "WordOverlap",
    "battery_digest",
    "cut_rounds",
    "judge_agreement",
    "length_curve",
    "load_items",
    "load_texts",
    "mask_random",
    "mask_relevant",
    "measure",
    "micro_drift",
    "run_tool_loop",
    "shift",
]
