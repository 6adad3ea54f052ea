"""Conversations as scripts: roles, stages, who hears what, private notes, personas, memory.

A script says what is to happen, a scene who takes part, and ``play`` holds many scenes side by side. What was said is
a transcript; it can be forked at any point, replayed against its record, and compared with another.
"""

from __future__ import annotations

from doxa.protocols.dialogue.play import play
from doxa.protocols.dialogue.recording import record, transcripts_of
from doxa.protocols.dialogue.replay import DepartedError, replay
from doxa.protocols.dialogue.scene import Scene, Seat, view
from doxa.protocols.dialogue.script import Memory, Order, Script, Situation, Stage, Turn, whole
from doxa.protocols.dialogue.transcript import Parting, Transcript, Utterance, parting, tree

__all__ = [
    "DepartedError",
    "Memory",
    "Order",
    "Parting",
    "Scene",
    "Script",
    "Seat",
    "Situation",
    "Stage",
    "Transcript",
    "Turn",
    "Utterance",
    "parting",
    "play",
    "record",
    "replay",
    "transcripts_of",
    "tree",
    "view",
    "whole",
]
