from __future__ import annotations

import importlib
import importlib.metadata
import types

import pytest

from doxa.errors import InputError
from doxa.lab.registry import PluginWarning, Registry


class Entry:
    value = "plugin.module"

    def __init__(self, name, load):
        self.name, self.load = name, load


@pytest.fixture
def entries(monkeypatch):
    found = []

    def entry_points(*, group, name=None):
        assert group == "doxa.things"
        return [entry for entry in found if name in (None, entry.name)]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return found


def test_an_unknown_name_suggests_the_nearest(entries):
    things = Registry("things")
    things.add("kable", object())
    with pytest.raises(InputError, match="no things called 'kabel'; did you mean 'kable'"):
        things.get("kabel")


def test_a_plug_in_is_found_by_its_entry_point_and_only_it_is_loaded(entries):
    things = Registry("things")
    entries.append(Entry("mine", lambda: things.add("mine", "component")))
    entries.append(Entry("other", lambda: pytest.fail("not asked for")))
    assert things.get("mine") == "component"


def test_a_broken_plug_in_warns_and_the_rest_goes_on(entries):
    things = Registry("things")
    things.add("sound", "component")
    entries.append(Entry("broken", lambda: 1 / 0))
    with pytest.warns(PluginWarning, match="broken = plugin.module could not be loaded .ZeroDivisionError"):
        assert things.names() == ["sound"]


def test_a_name_is_registered_once_but_a_reloaded_module_may_replace_its_own():
    things = Registry("things")
    first, second = types.SimpleNamespace(module="a"), types.SimpleNamespace(module="b")
    things.add("x", first)
    things.add("x", types.SimpleNamespace(module="a"))
    with pytest.raises(InputError, match="'x' is registered twice: a and b"):
        things.add("x", second)


def test_a_builtin_is_imported_alone(tmp_path, monkeypatch, entries):
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("THINGS = []\n")
    (package / "one_thing.py").write_text("from some_package import THINGS\nTHINGS[0].add('one-thing', 1)\n")
    (package / "bad_thing.py").write_text("raise RuntimeError('never imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    things = Registry("things", "some_package")
    importlib.import_module("some_package").THINGS.append(things)
    assert things.get("one-thing") == 1
