from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.commands.printing import print_json, say
from doxa.lab.progress import LineMeter
from doxa.lab.terminal import (
    plain,
    print_table,
    print_text,
    step_progress,
    tell_traceback,
    tell_warning,
)
from tests.hostile_texts import hostile_texts

ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202eback\rover"


def test_a_long_task_tells_its_end_where_nobody_sees_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with step_progress("training blind") as show:
        show(10, 1500, "base loss 2.0")
        show(1500, 1500, "base loss 0.3")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "training blind: 1,500 of 1,500  base loss 0.3\n"


@given(st.text())
def test_plain_text_cannot_steer_a_terminal(text: str) -> None:
    assert all(mark == "\n" or mark.isprintable() for mark in plain(text))


def test_nothing_that_is_told_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(ESCAPES)
    print_table(
        [ESCAPES], [[ESCAPES], *([text.encode("utf-8", "replace").decode()] for text in hostile_texts(200))]
    )
    print_json({ESCAPES: [ESCAPES]})
    tell_warning(UserWarning(ESCAPES), UserWarning)
    tell_warning(ResourceWarning(ESCAPES), ResourceWarning)
    tell_traceback(ValueError, ValueError(ESCAPES), None)
    with step_progress(ESCAPES) as show:
        show(1, 1, ESCAPES)
    meter = LineMeter()
    meter.note(ESCAPES)
    with meter.cells(ESCAPES, total=1, done=0):
        meter.finished(ESCAPES, "failed", ESCAPES)
    told = "".join(capsys.readouterr())
    assert "red" in told
    for line in told.split("\n"):  # a table's cells are set apart by tabs where nobody looks
        assert line.replace("\t", "").isprintable(), repr(line)


def test_json_on_a_terminal_reads_back_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    value = {ESCAPES: ["ä \U000e0041 \u2028"]}
    print_json(value)
    assert json.loads(capsys.readouterr().out) == value


class Terminal(io.StringIO):
    """What is printed on, as if somebody looked."""

    def isatty(self) -> bool:
        return True


def test_a_long_line_goes_on_below_its_own_column_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied = "resume  doxa run kable --preset quick --out " + "a/long/folder/" * 9
    text = f"head\n✓ holds       {'word ' * 30}0.5 [0.4, 0.6]\n{copied}\n"
    shown = {}
    for kind in (Terminal, io.StringIO):
        monkeypatch.setattr(sys, "stdout", kind())
        monkeypatch.setenv("COLUMNS", "60")
        print_text(text)
        shown[kind] = sys.stdout.getvalue()
    assert shown[io.StringIO] == text
    lines = shown[Terminal].splitlines()
    assert [lines[0], lines[-1]] == ["head", copied]
    assert max(map(len, lines[1:-1])) <= 60
    assert {line[:14] for line in lines[2:-1]} == {" " * 14}
    assert " ".join(" ".join(lines[1:-1]).split()) == " ".join(text.splitlines()[1].split())


@pytest.mark.parametrize("width", [1, 3, 20])
def test_a_narrow_terminal_loses_no_word(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    monkeypatch.setenv("COLUMNS", str(width))
    print_text("  label    some words and a-long-hyphenated-one  1.0")
    assert shown.getvalue().split() == ["label", "some", "words", "and", "a-long-hyphenated-one", "1.0"]
