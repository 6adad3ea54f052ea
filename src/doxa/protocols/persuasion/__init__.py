"""Persuasion: one argument in a style, a skeptic that reads it, and whether its opinion changed."""

from __future__ import annotations

from doxa.protocols.persuasion.bank import ArgumentBank, human_judgements, presence_files
from doxa.protocols.persuasion.crowd import agreement_sensitivity, rank, reject_annotators, wins_table
from doxa.protocols.persuasion.dialogues import Convincer, Skeptic
from doxa.protocols.persuasion.dimensions import CLIMATE, DIFFICULTIES, DIMENSIONS, Wording
from doxa.protocols.persuasion.grid import PersuasionDialogue, run_grid
from doxa.protocols.persuasion.presence import presence_test
from doxa.protocols.persuasion.verdicts import convinced_table, parse_verdict

__all__ = [
    "CLIMATE",
    "DIFFICULTIES",
    "DIMENSIONS",
    "ArgumentBank",
    "Convincer",
    "PersuasionDialogue",
    "Skeptic",
    "Wording",
    "agreement_sensitivity",
    "convinced_table",
    "human_judgements",
    "parse_verdict",
    "presence_files",
    "presence_test",
    "rank",
    "reject_annotators",
    "run_grid",
    "wins_table",
]
