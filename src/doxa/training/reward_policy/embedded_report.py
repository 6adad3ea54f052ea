"""The findings of the three embedded levels."""

from __future__ import annotations

from collections.abc import Collection

from doxa.lab.record import Finding, Tables
from doxa.training.reward_policy.exact_report import exact_findings
from doxa.training.reward_policy.learnt_report import language_findings, learner_findings


def embedded_findings(tables: Tables, parts: Collection[str]) -> list[Finding]:
    """Return all findings of the levels that were run: ``exact``, ``learners``, ``language``."""
    levels = {"exact": exact_findings, "learners": learner_findings, "language": language_findings}
    return [one for name, level in levels.items() if name in parts for one in level(tables)]
