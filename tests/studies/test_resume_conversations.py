"""Studies that ask a served model: killed midway, they go on, and nothing that was answered is asked again."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doxa.canonical import digest
from doxa.lab.asking import expect_missing
from doxa.lab.run import plan, run_study
from doxa.subjects.cache import Journal
from doxa.testing import FaultServer, doxa_command, run_files
from doxa.testing.processes import kill_after

ASKED = {
    "trust-consistency": {
        "subject_personas": "40",
        "least": "0",
        "subject_repeats": "1",
        "strategies": "CTX+TR",
        "subject_targets": "-1",
        "nobody": "2",
        "individuals": "1",
        "rounds": "3",
        "bootstrap": "100",
        "other_games": "dictator",
        "other_styles": "thought-action",
    },
    "persuasive-power": {"n": "8", "dimensions": "trust,knowledge", "permutations": "100"},
    "debate-confidence": {"per_condition": "8", "conditions": "self_debate,public_bets"},
    "affect-dynamics": {"seeds": "2", "memory": "0", "controls": "false"},
}
"""Small published runs."""


class Speaker:
    """Answers whatever the studies ask, and halts after a number of questions until it may go on."""

    def __init__(self) -> None:
        self.halt_at = 0
        self.reached = Path()
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, asked: dict[str, Any]) -> str:
        self.asked.append(digest(asked))
        if len(self.asked) == self.halt_at:
            self.reached.touch()
            self.go_on.wait(60.0)
        shown = asked["messages"]
        number = int(digest(shown, length=8), 16)
        levels = sorted(re.findall(r"(?m)^- (.+)$", shown[-1]["content"]), key=digest)
        return (
            f"{('Yes', 'No')[number % 2]}, says {number}. <bet_amount>{number % 101}</bet_amount>\n"
            f"Ranking: {' > '.join(levels)}\nEffect size: small\nFinally, I will give {number % 11} dollars."
        )


@pytest.fixture
def server(trust_data: Path) -> Iterator[tuple[FaultServer, Speaker]]:
    speaker = Speaker()
    with FaultServer(speaker, faults=0.0) as server:
        yield server, speaker


@pytest.mark.slow
@pytest.mark.parametrize("slug", ASKED)
def test_a_killed_run_goes_on_where_it_was(slug: str, server, tmp_path: Path) -> None:
    served, speaker = server
    address = f"{served.url}#model"
    overrides = {**ASKED[slug], "subject": address}
    expected = expect_missing(plan(slug, overrides=overrides), tmp_path / "whole").subjects[address].calls
    whole = run_study(slug, overrides=overrides, out=tmp_path / "whole")
    questions = set(speaker.asked)
    assert len(speaker.asked) == len(questions) == expected, "a rehearsal counts what is asked, each once"

    out = tmp_path / "killed"
    speaker.asked, speaker.halt_at, speaker.reached = [], expected // 2, tmp_path / "halfway"
    settings = [part for name, value in overrides.items() for part in ("--set", f"{name}={value}")]
    ended = kill_after(doxa_command("run", slug, *settings, "--out", str(out)), speaker.reached, 0.3)
    assert ended.killed, ended.stderr
    first, speaker.asked, speaker.halt_at = speaker.asked, [], 0
    speaker.go_on.set()
    with Journal(out / "replies.sqlite") as journal:
        answered = len({call.key for call in journal.calls() if call.outcome == "stored"})
    assert 0 < answered <= len(first)

    again = run_study(slug, overrides=overrides, out=out)
    # a server may yet read what the dead process had sent, which had no answer and is asked again anyway
    assert len(set(speaker.asked)) == expected - answered, "only what had no answer yet is asked"
    assert set(first) | set(speaker.asked) == questions
    assert run_files(out) == run_files(tmp_path / "whole")
    assert again.findings == whole.findings
