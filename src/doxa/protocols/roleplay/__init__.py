"""Role-play: what a conversation that goes astray does to what a model says, does and holds (arXiv:2601.20834).

A script is replayed turn by turn; the same yes/no questions are asked off the path after each turn. Questions and
conversations are ours; users bring their own as CSV and JSON.
"""

from __future__ import annotations

from doxa.lens.forced_answers import with_question
from doxa.lens.question_sets import QuestionsWarning
from doxa.protocols.roleplay.conversation import Conversation, Plywise, opposite_day
from doxa.protocols.roleplay.files import (
    CONVERSATIONS,
    GENERIC,
    SETS,
    check_files,
    load_conversation,
    load_questions,
    shipped_conversation,
    used_digest,
)
from doxa.protocols.roleplay.inner import InnerMargins, inner_margins
from doxa.protocols.roleplay.questions import YesNoQuestion, YesNoQuestions, check_apart
from doxa.protocols.roleplay.replay import REPLAY_ROWS, Inner, Readout, in_own_words, replay

__all__ = [
    "CONVERSATIONS",
    "GENERIC",
    "REPLAY_ROWS",
    "SETS",
    "Conversation",
    "Inner",
    "InnerMargins",
    "Plywise",
    "QuestionsWarning",
    "Readout",
    "YesNoQuestion",
    "YesNoQuestions",
    "check_apart",
    "check_files",
    "in_own_words",
    "inner_margins",
    "load_conversation",
    "load_questions",
    "opposite_day",
    "replay",
    "shipped_conversation",
    "used_digest",
    "with_question",
]
