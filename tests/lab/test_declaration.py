from __future__ import annotations

from pathlib import Path

import pytest

from doxa.errors import InputError
from doxa.lab.declaration import code_files, find_study, setting, study
from doxa.lab.run import code_digest
from tests.lab.studies import coin


@study(
    "settings-of-all-kinds",
    paper="none",
    room="lab",
    claim="settings are read",
    presets={"quick": {"count": 1}},
)
class Config:
    count: int = setting(3, "a number", minimum=1, maximum=9, unit="things", paper=5)
    share: float = setting(0.5, "a share", minimum=0, maximum=1)
    flag: bool = setting(default=False, doc="a switch")
    names: tuple[str, ...] = setting(("a",), "names", choices=("a", "b"))
    sizes: tuple[int, ...] = setting((1, 2), "sizes", minimum=0)
    limit: int | None = setting(None, "a limit")


def read(**overrides):
    return find_study("settings-of-all-kinds").configure(overrides=overrides)


def test_strings_are_read_as_the_fields_types():
    config = read(count="4", share="0.25", flag="yes", names="a,b", sizes="3,4", limit="7")
    assert config == Config(count=4, share=0.25, flag=True, names=("a", "b"), sizes=(3, 4), limit=7)
    assert read(limit="none").limit is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"count": "10"}, r"count=10: must be <= 9 things"),
        ({"share": "nan"}, r"share=nan: must be finite"),
        ({"flag": "maybe"}, r"flag='maybe': must be true or false"),
        ({"names": "c"}, r"names='c'"),
        ({"sizes": "1,-1"}, r"sizes=-1: must be >= 0"),
    ],
)
def test_bad_values_name_value_and_rule(overrides, message):
    with pytest.raises(InputError, match=message):
        read(**overrides)


def test_presets_change_only_what_they_name():
    known = find_study("settings-of-all-kinds")
    assert known.configure("quick") == Config(count=1)
    assert known.configure("paper") == Config()
    with pytest.raises(InputError, match="preset='fast'"):
        known.configure("fast")


def test_every_setting_tells_its_meaning_and_the_papers_value():
    known = find_study("settings-of-all-kinds").settings["count"]
    assert (known.doc, known.unit, known.paper, known.default) == ("a number", "things", 5, 3)


def test_the_code_digest_covers_the_study_and_what_it_imports_but_not_the_laboratory(tmp_path):
    path = coin(tmp_path, "coin-digest", "from doxa.belief.information import logit")
    known = find_study(path)
    files = code_files(known)
    assert "doxa.belief.information" in files
    assert not any(name.startswith("doxa.lab.re") and name != "doxa.lab.record" for name in files)
    before = code_digest(known)
    file = Path(path)
    file.write_text(file.read_text() + "# changed\n")
    assert code_digest(known) != before


def test_a_file_without_a_study_is_refused(tmp_path):
    path = tmp_path / "empty.py"
    path.write_text("x = 1\n")
    with pytest.raises(InputError, match="registers no study"):
        find_study(str(path))
    with pytest.raises(InputError, match="no such file"):
        find_study(str(tmp_path / "absent.py"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = = 2\n", "line 2: SyntaxError: invalid syntax"),
        ("\n\nimport doxa.nothing\n", "line 3: ModuleNotFoundError"),
        ("def f():\n    return 1 / 0\n\nf()\n", "line 2: ZeroDivisionError"),
    ],
)
def test_a_file_with_a_mistake_is_refused_and_says_where(tmp_path, text, message):
    path = tmp_path / "mistaken.py"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        find_study(str(path))
