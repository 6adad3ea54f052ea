"""Every command that the README, the guides and the studies' pages print is one, down to its settings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from doxa.cli import app
from doxa.commands.completion import SCENARIOS
from doxa.lab.listing import listed_settings, listed_studies
from doxa.subjects.addresses import parse_address

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SPAN = re.compile(r"`(doxa [a-z-][^`]*)`")


def commands(page: Path) -> list[str]:
    """Return the command lines of a page: code spans, and lines of shell blocks."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [
        line.strip().removeprefix("$ ")
        for block in blocks
        for line in block.replace("\\\n", " ").splitlines()
    ]
    inline = [
        part.strip()
        for line in SPAN.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for part in line.split("&&")
    ]
    shell = [part.strip() for line in lines for part in line.split("&&") if part.strip().startswith("doxa ")]
    return [line for line in [*inline, *shell] if not set("|…") & set(line) and "..." not in line]


def parsed(line: str) -> tuple[str, dict]:
    """Return the name and the values of a command line, as far as it can be taken apart without running it."""
    words = shlex.split(re.sub(r"(^| )#.*|\bN\b", lambda found: "" if "#" in found[0] else "1", line))[1:]
    command = typer.main.get_command(app)
    name = ""
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            return name, {}
        name = words.pop(0)
        assert name in command.commands, f"{line}: no such command"
        command = command.commands[name]
    if not words or "--help" in words:
        return name, {}
    return name, command.make_context(name, words).params


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_printed_command_can_be_given(page):
    slugs = {study.slug for study in listed_studies()}
    for line in commands(page):
        name, values = parsed(line)
        scenario = SCENARIOS.get(str(values.get("scenario")))
        named = [*(values.get("slugs") or []), *([scenario] if scenario else [])]
        for slug in named:
            assert slug in slugs or slug.endswith(".py"), f"{line}: no study {slug}"
        own = {key for slug in named for key in listed_settings(slug)}
        for setting in values.get("settings") or []:
            if name in ("run", "simulate") and own:
                assert setting.partition("=")[0] in own, f"{line}: no setting {setting}"
        for address in values.get("servers") or values.get("subject") or []:
            assert not re.match(r"(hf|http|https|organism|planted):", address) or parse_address(address)


def test_the_readme_prints_commands():
    assert len(commands(ROOT / "README.md")) > 30
