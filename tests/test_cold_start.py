"""What a command does not need, it does not import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "scipy", "altair", "aiohttp", "vl_convert", "ray", "sklearn", "duckdb", "starlette")

PROBE = """
import sys, json
{work}
sys.stdout = sys.__stdout__
print("IMPORTED", json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""

COMMAND = """
from doxa.cli import main
sys.argv = ["doxa", *{arguments!r}]
try:
    main()
except SystemExit:
    pass
"""


def imported(work: str) -> list[str]:
    probe = [sys.executable, "-c", PROBE.format(work=work)]
    out = subprocess.run(probe, capture_output=True, text=True, check=True).stdout
    return json.loads(out.rsplit("IMPORTED ", 1)[1])


def test_importing_doxa_loads_almost_nothing():
    names = imported("import doxa")
    assert not {"polars", "rich", "typer", *HEAVY} & set(names)


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["organism", "list"], ["data", "list"]])
def test_light_commands_load_nothing_heavy(arguments):
    assert not set(HEAVY) & set(imported(COMMAND.format(arguments=arguments)))


def test_public_names_are_honest():
    import doxa

    assert sorted(doxa.__all__) == doxa.__all__
    for name in doxa.__all__:
        assert getattr(doxa, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = doxa.nothing
