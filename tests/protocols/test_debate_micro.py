"""The debate in micro-English: what each side has seen, and what Bayes' rule makes of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from doxa.errors import InputError
from doxa.protocols.debate.micro import SIDES, STAGES, conversations, draw_debates, expected_excess
from doxa.subjects.addresses import open_subject
from doxa.worlds.micro import SOURCES, Report, read


def reports_of(talk) -> list[Report]:
    said = " ".join(message.content for message in talk if message.role == "user")
    return [event for event in read(said) if isinstance(event, Report)]


def test_each_side_sees_its_own_reports_and_the_others_one_by_one() -> None:
    debates = draw_debates(12, np.random.default_rng(0))
    for debate, sides in zip(debates, conversations(open_subject("planted:bayesian"), debates), strict=True):
        for side in range(len(SIDES)):
            for stage in range(len(STAGES)):
                talk = sides[side][stage]
                assert reports_of(talk) == list(debate.seen(side, stage))
                assert [message.role for message in talk] == ["user", "assistant"] * (stage + 1)
                weights = [
                    (1 if report.says else -1)
                    * math.log(SOURCES[report.source] / (1 - SOURCES[report.source]))
                    for report in debate.seen(side, stage)
                ]
                sign = 1 if side == 0 else -1
                assert debate.log_odds(side, stage) == pytest.approx(sign * sum(weights))


def test_a_sides_own_reports_speak_for_it_and_both_know_the_same_at_the_end() -> None:
    for debate in draw_debates(64, np.random.default_rng(1)):
        assert debate.log_odds(0, 0) > 0 < debate.log_odds(1, 0)
        assert debate.log_odds(0, 2) == pytest.approx(-debate.log_odds(1, 2))


def test_excess_is_none_for_bayes_and_has_the_sign_of_the_sharpening() -> None:
    assert expected_excess(1.0) == 0.0
    assert expected_excess(0.5) < 0.0 < expected_excess(1.25) < expected_excess(2.0)


@pytest.mark.parametrize("n", [0, 65])
def test_there_are_so_many_debates(n: int) -> None:
    with pytest.raises(InputError, match=f"n={n}: there are 1 to 64 debates"):
        draw_debates(n, np.random.default_rng(0))
