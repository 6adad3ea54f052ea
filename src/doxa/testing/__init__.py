"""What others need to test their own components: contract suites, a crash harness, damaged files, broken disks.

Each suite is a plain function that raises AssertionError with a sentence that says what is wrong.
"""

from doxa.testing.damage import bit_flips, truncations
from doxa.testing.dynamics import check_dynamics
from doxa.testing.elicitors import check_elicitor
from doxa.testing.measures import check_measure
from doxa.testing.studies import check_findings, check_study
from doxa.testing.subjects import check_subject

__all__ = [
    "bit_flips",
    "check_dynamics",
    "check_elicitor",
    "check_findings",
    "check_measure",
    "check_study",
    "check_subject",
    "truncations",
]
