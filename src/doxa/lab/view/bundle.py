"""All scripts of the viewer as one classic script, because browsers load no modules from a file's address.

The scripts are plain modules: imports by name from files of this package, exports of declarations. That is all that is
understood here; anything else is an error, which the tests would see before a user does.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping

from doxa.errors import InputError

ENTRY = "start.js"
REPLACED = {"site.js": "exported.js"}
"""What an export does in its own way: where answers come from, and where links lead."""

_IMPORT = re.compile(r'^import\s+(\* as \w+|\{[^}]*\})\s+from\s+"([^"]+)";?[ \t]*$', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+((?:async\s+)?function\*?|const|class)\s+(\w+)", re.MULTILINE)
_PASSED = re.compile(r'^export\s+\{([^}]*)\}\s+from\s+"([^"]+)";?[ \t]*$', re.MULTILINE)
_LEFT = re.compile(r"^\s*(?:import|export)\b.*$|\bimport\s*\(|\bimport\.meta\b", re.MULTILINE)


def bundle(scripts: Mapping[str, str]) -> str:
    """Return one script that does what the entry module does.

    Args:
        scripts: text of every module by its path.

    Raises:
        InputError: a module is written in a way that is not understood, or imports what is not there.
    """
    wanted = {name: text for name, text in scripts.items() if name not in REPLACED.values()}
    parts: list[str] = []
    for name, text in sorted(wanted.items()):
        source = scripts[REPLACED[name]] if name in REPLACED else text
        asynchronous = "async " if name == ENTRY else ""
        body = _body(name, source, wanted)
        parts.append(f"modules[{json.dumps(name)}] = {asynchronous}(exports, need) => {{\n{body}\n}};\n")
    return (
        '"use strict";\n(() => {\nconst modules = {}, made = {};\n'
        "function need(name) {\n"
        "  if (!(name in made)) { made[name] = {}; modules[name](made[name], need); }\n"
        "  return made[name];\n}\n"
        f'{"".join(parts)}need("{ENTRY}");\n}})();\n'
    )


def _body(name: str, text: str, known: Mapping[str, str]) -> str:
    """Return the inside of the function that stands for a module."""

    def found(source: str) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), source))
        if path not in known:
            raise InputError(f"{name}: imports {source!r}, which is no script of the viewer")
        return f"need({json.dumps(path)})"

    def imported(match: re.Match[str]) -> str:
        names, source = match.groups()
        held = names.removeprefix("* as ") if names.startswith("*") else names.replace(" as ", ": ")
        return f"const {held} = {found(source)};"

    def passed(match: re.Match[str]) -> str:
        pairs = [part.split(" as ") for part in match[1].split(",") if part.strip()]
        return " ".join(
            f"exports.{pair[-1].strip()} = {found(match[2])}.{pair[0].strip()};" for pair in pairs
        )

    given = [match[2] for match in _EXPORT.finditer(text)]
    plain = _EXPORT.sub(r"\1 \2", _PASSED.sub(passed, _IMPORT.sub(imported, text)))
    left = _LEFT.search(plain)
    if left is not None:
        raise InputError(
            f"{name}: {left.group().strip()!r} cannot go into an export; write 'import {{ … }} from \"./FILE.js\"' "
            "and 'export' before a declaration"
        )
    return plain + "".join(f"\nexports.{one} = {one};" for one in given)
