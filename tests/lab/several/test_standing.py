from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.lab.several.standing import BarDisplay, LineDisplay, Standing, duration


def test_time_left_is_what_is_expected_slowed_as_the_cells_so_far_were_and_shared_by_the_places():
    standing = Standing(2, 4, {"a": 10.0, "b": 10.0, "c": 20.0}, places=2, kept=1)
    assert standing.left() is None
    standing.begun("a", "study one")
    assert standing.text() == "studies 0/2 · cells 1/4 · at work: study one"
    standing.finished("a", 15.0)
    assert standing.left() == pytest.approx((10.0 + 20.0) * 1.5 / 2)
    assert standing.text() == "studies 0/2 · cells 2/4 · 22 s left"


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=8))
def test_the_share_of_work_rises_from_nothing_to_all(expected):
    standing = Standing(1, len(expected), {str(i): one for i, one in enumerate(expected)}, places=1)
    before = standing.work
    for key in list(standing.seconds):
        standing.begun(key, key)
        standing.finished(key, 1.0)
        assert standing.work >= before - 1e-12
        before = standing.work
    assert standing.work == pytest.approx(1.0)
    assert standing.left() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_lines_hold_no_control_characters(capsys):
    display = LineDisplay()
    with display.showing(Standing(1, 2, {}, places=3)):
        display.note("\x1b[31mred")
        display.moved()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "1 studies, 2 cells, 0 kept from before; 3 at once\n\\x1b[31mred\n"


def test_the_bar_shows_and_goes_away(capsys):
    display = BarDisplay()
    display.note("before")
    with display.showing(standing := Standing(1, 1, {"a": 1.0}, places=1)):
        standing.begun("a", "[bold]study[/bold]")
        display.moved()
        display.note("[b]within[/b]")
    out, err = capsys.readouterr()
    assert out == ""
    assert "before" in err
    assert "[b]within[/b]" in err
