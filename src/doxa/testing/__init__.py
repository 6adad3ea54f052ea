"""What others need to test their own: contract suites, a faulty server, a crash harness, damaged files, broken disks.

Each suite is a plain function that raises AssertionError with a sentence that says what is wrong.
"""

from doxa.testing.crash import crash_and_resume, run_files
from doxa.testing.damage import bit_flips, truncations
from doxa.testing.dynamics import check_dynamics
from doxa.testing.elicitors import check_elicitor
from doxa.testing.fault_kinds import FAULTS, Manner
from doxa.testing.fault_server import FaultServer
from doxa.testing.measures import check_measure
from doxa.testing.processes import doxa_command, run_command
from doxa.testing.studies import check_findings, check_study
from doxa.testing.subjects import check_subject

__all__ = [
    "FAULTS",
    "FaultServer",
    "Manner",
    "bit_flips",
    "check_dynamics",
    "check_elicitor",
    "check_findings",
    "check_measure",
    "check_study",
    "check_subject",
    "crash_and_resume",
    "doxa_command",
    "run_command",
    "run_files",
    "truncations",
]
