import json

import pytest

from doxa.errors import InputError, StoreError
from doxa.protocols.affect import DialogueScript, Line, VaderVAD, scripts

SHORT = DialogueScript(
    "short",
    (
        Line("opening", "What is a chair?"),
        Line("shock", "You are stupid and I hate you!"),
        Line("reconciliation", "Thank you, you are wonderful."),
    ),
)


def test_there_are_three_scripts_of_25_turns():
    assert scripts() == ("negotiation", "philosophy", "support-ticket")
    for name in scripts():
        assert len(DialogueScript.load(name)) == 25


def test_the_first_script_has_the_paper_s_phases():
    script = DialogueScript.load("philosophy")
    assert script.spans == {
        "opening": (1, 6), "shock": (7, 13), "reconciliation": (14, 20), "closing": (21, 25),
    }  # fmt: skip
    assert (script.shock, script.reconciliation) == (7, 14)


@pytest.mark.parametrize("name", scripts())
def test_what_the_user_says_has_the_tone_of_its_phase(name):
    script = DialogueScript.load(name)
    valence = VaderVAD().estimate([line.text for line in script.lines])[:, 0]
    parts = {phase: valence[first - 1 : last] for phase, (first, last) in script.spans.items()}
    assert abs(parts["opening"]).max() < 0.1
    assert abs(parts["closing"]).max() < 0.1
    assert parts["shock"].mean() < -0.5
    assert (parts["shock"] < 0).all()
    assert parts["reconciliation"].mean() > 0.5
    # hostility rises, and falls again before the apology
    assert parts["shock"][0] > parts["shock"].min() < parts["shock"][-1]


def test_a_script_survives_its_file(tmp_path):
    path = tmp_path / "short.json"
    path.write_text(json.dumps(SHORT.as_json()))
    assert DialogueScript.load(path) == SHORT


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "has no lines"),
        ((Line("greeting", "a"),), "turn 1: phase 'greeting'"),
        ((Line("opening", " "),), "turn 1: has no text"),
        (
            (Line("opening", "a"), Line("reconciliation", "b"), Line("shock", "c")),
            "shock after reconciliation",
        ),
        ((Line("shock", "a"), Line("reconciliation", "b")), "has no opening"),
        ((Line("opening", "a"), Line("shock", "b")), "has no reconciliation"),
    ],
)
def test_a_script_that_cannot_be_measured_is_refused(lines, message):
    with pytest.raises(InputError, match=message):
        DialogueScript("mine", lines)


def test_a_file_that_is_no_script_is_named(tmp_path):
    with pytest.raises(InputError, match="did you mean 'philosophy'"):
        DialogueScript.load("philosphy")
    with pytest.raises(StoreError):
        DialogueScript.load(tmp_path / "none.json")
    for held, message in (
        ([], "an object with a list 'turns'"),
        ({"turns": [{"text": "a"}]}, "phase ''"),
        ({"turns": [{"phase": "opening"}]}, "turn 1: must be an object"),
        ({"turns": [{"turn": 2, "phase": "opening", "text": "a"}]}, "turn 2 stands in place 1"),
    ):
        with pytest.raises(InputError, match=message):
            DialogueScript.from_json(held)
