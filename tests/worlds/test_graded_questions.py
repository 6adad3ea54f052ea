"""Questions with numbers for answers, and replies graded by them."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.worlds.graded_questions import Question, final_number, graded, read_questions


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("She makes 9 * 2 = $18.", Fraction(18)),
        ("Answer: 18", Fraction(18)),
        ("Answer: 18 dollars, not 20", Fraction(18)),
        ("first Answer: 3, then\nAnswer: -1,234.50", Fraction("-1234.5")),
        ("half of it: 1/2", Fraction(1, 2)),
        ("no number here", None),
        ("Answer: none", None),
        ("1/0", None),
        ("", None),
    ],
)
def test_the_number_a_reply_ends_on(reply, number):
    assert final_number(reply) == number


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    assert final_number(text) is None or isinstance(final_number(text), Fraction)


@given(st.integers(-(10**9), 10**9))
def test_every_number_is_read_back(number):
    assert graded(f"so it is {number:,}.", Question("?", Fraction(number))) == 1.0
    assert graded(f"so it is {number + 1}", Question("?", Fraction(number))) == 0.0


def test_a_long_reply_takes_no_time():
    assert final_number("9" * 200_000 + "/" + "1" * 100_000 + " x 7") == 7


def test_json_lines(tmp_path: Path):
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps({"prompt": "What is 2 + 2?", "answer": "4"}) + "\n")
    assert read_questions(file) == [Question("What is 2 + 2?", Fraction(4))]


def test_the_published_file():
    folder = Path(os.environ.get("DOXA_DATA") or str(Path(__file__).parents[3] / "shared" / "data"))
    found = read_questions(folder / "steer-rlvr" / "gsm8k_test.parquet")
    assert len(found) == 1319
    assert found[0].answer == 18
    assert found[0].prompt.startswith("Solve the following")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"prompt": "a", "answer": "four"}', "question 1: needs a prompt and a number"),
        ('{"prompt": "a"}', "line 1: must be"),
        ("not json", "line 1: must be"),
        ("", "holds no questions"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, said: str):
    file = tmp_path / "q.jsonl"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_questions(file)
    with pytest.raises(InputError, match="no such file"):
        read_questions(tmp_path / "other.jsonl")
