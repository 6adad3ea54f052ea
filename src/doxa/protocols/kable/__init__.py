"""KaBLE: whether a subject keeps fact, belief and knowledge apart (Suzgun et al., arXiv:2410.21195).

Thirteen templates put 1,000 seed sentences, half of them false, into questions that verify a fact, confirm a belief
or reason about nested knowledge. The questions are the user's (``doxa data get kable``); nothing of them is here.
"""

from doxa.protocols.kable.asking import METHODS, Method, ask, evaluate, parse_answer
from doxa.protocols.kable.contrasts import Contrast, contrasts
from doxa.protocols.kable.items import KableItem, choose, load
from doxa.protocols.kable.micro import MICRO_ROWS, MicroGaps, micro_gaps, micro_knowledge_belief
from doxa.protocols.kable.pictures import figures_of
from doxa.protocols.kable.questions import (
    FIRST_PERSON,
    KEYS,
    SUBJECTS,
    TASKS,
    THIRD_PERSON,
    TYPES,
    Key,
    accepted_letters,
    render,
)
from doxa.protocols.kable.rows import ROWS, record_rows, rows_from_beliefs
from doxa.protocols.kable.summary import (
    KableResult,
    accuracy_table,
    label_of,
    mean_accuracy,
    summarise,
)
from doxa.protocols.kable.verdicts import findings_of
from doxa.worlds.belief_learners import train_world_model
from doxa.worlds.belief_world import BeliefWorld

__all__ = [
    "FIRST_PERSON",
    "KEYS",
    "METHODS",
    "MICRO_ROWS",
    "ROWS",
    "SUBJECTS",
    "TASKS",
    "THIRD_PERSON",
    "TYPES",
    "BeliefWorld",
    "Contrast",
    "KableItem",
    "KableResult",
    "Key",
    "Method",
    "MicroGaps",
    "accepted_letters",
    "accuracy_table",
    "ask",
    "choose",
    "contrasts",
    "evaluate",
    "figures_of",
    "findings_of",
    "label_of",
    "load",
    "mean_accuracy",
    "micro_gaps",
    "micro_knowledge_belief",
    "parse_answer",
    "record_rows",
    "render",
    "rows_from_beliefs",
    "summarise",
    "train_world_model",
]
