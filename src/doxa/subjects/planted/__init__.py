"""Planted subjects: scripted, with belief dynamics that are known exactly; they check the instruments.

``planted:NAME?parameter=value``, for example ``planted:drifting?rate=0.5``. A subject is a mind (a dynamics over
log-odds, ``minds.py``) and its expression (how a credence becomes text or log-probabilities, ``expression.py``).
"""

from doxa.subjects.planted.effects import planted_effects
from doxa.subjects.planted.mind import Mind, State
from doxa.subjects.planted.subject import PlantedSubject, planted_names

__all__ = ["Mind", "PlantedSubject", "State", "planted_effects", "planted_names"]
