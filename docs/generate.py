"""Fill the tables of the studies' pages and of the README from runs, or check that they are not stale in structure.

python docs/generate.py RUNS [--quick QUICK]    fill them from the embedded runs in RUNS
python docs/generate.py --check [--quick QUICK] say what is stale; nothing long is run

A table stands in a block that this script writes; the prose around it is ours:

    <!-- doxa:findings kable -->
    ...
    <!-- quick: -not-in-a-quick-run, +only-there -->
    <!-- /doxa -->

The line ``quick`` says which findings a quick run lacks or has beside, for those hang on the size of the run; it is
written where ``--quick`` names a folder with quick runs, and with ``--check`` compared with them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from doxa.errors import InputError
from doxa.lab.declaration import PRESETS, Study, studies
from doxa.lab.files import write_atomic
from doxa.lab.record import Finding
from doxa.lab.report.numbers import decimals_for, shown, with_interval
from doxa.lab.several.board import Entry, Tally, gather
from doxa.lab.several.standing import duration
from doxa.lab.store import RunFolder
from doxa.society.scenarios import study_of

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- doxa:(\w+) ?([\w-]*) -->\n(.*?)<!-- /doxa -->", re.DOTALL)
QUICK = re.compile(r"^<!-- quick:([^>]*)-->\n", re.MULTILINE)
COLUMNS = ("finding", "estimate [95 % interval]", "verdict", "bound", "paper", "kind")
STUDIES = ("study", "claim", "claims", "controls", "processor time")
NONE = "\N{EN DASH}"
COMMAND = re.compile(r"doxa (run|simulate|audit) +([^`|\n#]*)")
SETTING = re.compile(r"--set +'?([A-Za-z_]\w*)=")


@dataclass(frozen=True)
class Place:
    """The files to fill: pages of studies, README, and what cells cost."""

    root: Path = ROOT

    @property
    def readme(self) -> Path:
        """The README."""
        return self.root / "README.md"

    @property
    def pages(self) -> Path:
        """The folder of the studies' pages."""
        return self.root / "docs" / "studies"

    @property
    def costs(self) -> Path:
        """What cells took, for the order of later runs."""
        return self.root / "src" / "doxa" / "lab" / "several" / "costs.json"

    def page(self, slug: str) -> Path:
        """The page of a study."""
        return self.pages / f"{slug}.md"


def shown_studies() -> dict[str, Study]:
    """Return the studies of doxa that run on their defaults, by slug; each has a page and a row."""
    ours = (study for _, study in studies.items() if study.module.startswith("doxa."))
    return {study.slug: study for study in ours if not study.required}


def findings_block(entry: Entry, quick: str = "") -> str:
    """Return the block of a study's page: the command, its findings, and how a quick run differs."""
    took = "" if entry.processor is None else f"; {duration(entry.processor)} of processor time"
    rows = [_cells(COLUMNS), "|" + "---|" * len(COLUMNS), *map(_finding_row, entry.findings)]
    lines = "".join(f"{row}\n" for row in rows)
    command = f"`doxa run {entry.study}` ({entry.cells:,} cells{took}) found:"
    return f"<!-- doxa:findings {entry.study} -->\n{command}\n\n{lines}{quick}<!-- /doxa -->"


def studies_block(entries: Iterable[Entry], before: str = "") -> str:
    """Return the README's table of studies; those without a run keep the numbers that they had in its block before."""
    found = {entry.study: entry for entry in entries}
    old = {cells[0]: cells[2:] for line in before.splitlines() if len(cells := _row(line)) == len(STUDIES)}
    rows = [_cells(STUDIES), "|" + "---|" * len(STUDIES)]
    for slug, study in shown_studies().items():
        link = f"[{slug}](docs/studies/{slug}.md)"
        numbers = old.get(link, [NONE] * 3)
        if (entry := found.get(slug)) is not None:
            took = NONE if entry.processor is None else duration(entry.processor)
            numbers = [entry.claims.text() or NONE, entry.controls.text() or NONE, took]
        rows.append(_cells((link, _text(study.claim), *numbers)))
    return "<!-- doxa:studies -->\n" + "".join(f"{row}\n" for row in rows) + "<!-- /doxa -->"


def generate(place: Place, runs: Path, quick: Path | None = None) -> list[str]:
    """Fill the blocks from the embedded runs of a folder; return what was left as it is, and why.

    Raises:
        InputError: there is no such folder, or a page has no block.
    """
    entries = {one.study: one for one in gather(runs, preset="embedded").entries if one.finished}
    brief = {} if quick is None else {one.study: one for one in gather(quick, preset="quick").entries}
    known = {slug: entry for slug, entry in entries.items() if slug in shown_studies()}
    filled: dict[Path, str] = {}
    for slug, entry in known.items():
        page = place.page(slug)
        text = page.read_text("utf-8")
        ids = [finding.id for finding in entry.findings]
        if slug in brief and brief[slug].finished:
            short = [finding.id for finding in brief[slug].findings]
        else:
            short = quick_ids(_block(text, "findings", slug, page))
        block = findings_block(entry, _difference(ids, short))
        filled[page] = _filled(text, block, "findings", slug, page)
    readme = place.readme.read_text("utf-8")
    block = studies_block(known.values(), _block(readme, "studies", "", place.readme))
    filled[place.readme] = _filled(readme, block, "studies", "", place.readme)
    filled[place.costs] = json.dumps(_costs(place, runs, quick, known, brief), indent=1) + "\n"
    for path, text in filled.items():
        write_atomic(path, text.encode("utf-8"))
    return [f"{slug}: no finished embedded run in {runs}" for slug in shown_studies() if slug not in known]


def check(place: Place, quick: Path | None = None) -> list[str]:
    """Return what is stale in structure, a line each; nothing where all is well."""
    known = shown_studies()
    problems = [f"docs/studies/{slug}.md: is missing" for slug in known if not place.page(slug).is_file()]
    problems += [
        f"docs/studies/{page.name}: there is no study of that name"
        for page in sorted(place.pages.glob("*.md"))
        if page.stem not in known
    ]
    brief = {} if quick is None else {one.study: one for one in gather(quick, preset="quick").entries}
    bodies: dict[str, str] = {}
    for slug in known:
        page = place.page(slug)
        if page.is_file():
            try:
                bodies[slug] = _block(page.read_text("utf-8"), "findings", slug, page)
            except InputError as error:
                problems.append(str(error))
    for slug, body in bodies.items():
        problems += _check_ids(slug, body, brief.get(slug))
    problems += _check_readme(place, known, bodies)
    for file in [place.readme, *sorted((place.root / "docs").rglob("*.md"))]:
        problems += _check_commands(file.read_text("utf-8"), str(file.relative_to(place.root)), known)
    return problems


def ids_of(body: str) -> list[str]:
    """Return the findings that a block lists, in order: the first code of each row."""
    rows = [line for line in body.splitlines() if line.startswith("|")][2:]
    return [code[1] for row in rows if (code := re.match(r"\|\s*`([^`]+)`", row))]


def quick_ids(body: str) -> list[str]:
    """Return the findings that a quick run has, by a block."""
    line = QUICK.search(body)
    words = line[1].strip().split(", ") if line else []
    without = {word[1:] for word in words if word.startswith("-")}
    return [name for name in ids_of(body) if name not in without] + [
        word[1:] for word in words if word.startswith("+")
    ]


def _check_ids(slug: str, body: str, entry: Entry | None) -> Iterator[str]:
    where = f"docs/studies/{slug}.md"
    ids = ids_of(body)
    if not ids:
        yield f"{where}: its block lists no finding"
    yield from (f"{where}: `{name}` stands twice in its block" for name, n in Counter(ids).items() if n > 1)
    if entry is None or not entry.finished:
        return
    expected, found = set(quick_ids(body)), {finding.id for finding in entry.findings}
    yield from (f"{where}: lacks `{name}`, which a quick run finds" for name in sorted(found - expected))
    yield from (
        f"{where}: has `{name}`, which a quick run does not find" for name in sorted(expected - found)
    )


def _check_readme(place: Place, known: dict[str, Study], bodies: dict[str, str]) -> Iterator[str]:
    try:
        body = _block(place.readme.read_text("utf-8"), "studies", "", place.readme)
    except InputError as error:
        yield str(error)
        return
    rows = {cells[0]: cells for line in body.splitlines()[2:] if len(cells := _row(line)) == len(STUDIES)}
    links = {f"[{slug}](docs/studies/{slug}.md)": slug for slug in known}
    yield from (
        f"README.md: the table of studies lacks {slug}" for link, slug in links.items() if link not in rows
    )
    yield from (
        f"README.md: the table of studies has {head}, which is no study" for head in rows if head not in links
    )
    for link, slug in links.items():
        cells = rows.get(link)
        if cells is None:
            continue
        if cells[1] != _text(known[slug].claim):
            yield f"README.md: the claim of {slug} is no longer the study's own"
        listed = _tallies(bodies.get(slug, ""))
        if listed is not None and cells[2] != NONE and (cells[2], cells[3]) != listed:
            yield f"README.md: the verdicts of {slug} are not those of its page"


def _check_commands(text: str, where: str, known: dict[str, Study]) -> Iterator[str]:
    """Yield what is wrong with the commands in a text: unknown studies, presets and settings."""
    names = set(studies.names())
    for kind, rest in COMMAND.findall(text):
        words = rest.split()
        chosen = [word for word in words[: _first_option(words)] if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
        if kind == "simulate":
            chosen = [_scenario(word) for word in chosen]
        elif kind == "audit":
            chosen = ["audit"]
        yield from (
            f"{where}: there is no study '{name}' (doxa {kind} {rest.strip()})"
            for name in chosen
            if name not in names
        )
        for before, after in pairwise(words):
            if before == "--preset" and after.rstrip(".,;)") not in PRESETS:
                yield f"{where}: there is no preset '{after}' (doxa {kind} {rest.strip()})"
        settings = {name for slug in chosen if slug in names for name in studies.get(slug).settings}
        if settings and "--series" not in words:
            yield from (
                f"{where}: {' '.join(chosen)} has no setting '{name}'"
                for name in SETTING.findall(rest)
                if name not in settings
            )
    slug = Path(where).stem
    if slug in known:
        alone = COMMAND.sub("", text)
        own = known[slug].settings
        yield from (
            f"{where}: {slug} has no setting '{name}'" for name in SETTING.findall(alone) if name not in own
        )


def _first_option(words: Sequence[str]) -> int:
    return next(
        (index for index, word in enumerate(words) if not re.fullmatch(r"[a-z][a-z0-9-]*", word)), len(words)
    )


def _scenario(word: str) -> str:
    try:
        return study_of(word)
    except InputError:
        return word


def _block(text: str, name: str, argument: str, file: Path) -> str:
    """Return the inside of the one block of a name in a text."""
    found = [body for kind, slug, body in BLOCK.findall(text) if (kind, slug) == (name, argument)]
    if len(found) != 1:
        mark = f"<!-- doxa:{name} {argument}".rstrip()
        raise InputError(
            f"{file.name}: {len(found)} blocks '{mark} -->' that end in '<!-- /doxa -->'; one is needed"
        )
    return found[0]


def _filled(text: str, block: str, name: str, argument: str, file: Path) -> str:
    _block(text, name, argument, file)
    return BLOCK.sub(lambda match: block if (match[1], match[2]) == (name, argument) else match[0], text)


def _difference(ids: Sequence[str], quick: Sequence[str]) -> str:
    words = [f"-{name}" for name in ids if name not in quick] + [
        f"+{name}" for name in quick if name not in ids
    ]
    return f"<!-- quick: {', '.join(words)} -->\n" if words else ""


def _finding_row(finding: Finding) -> str:
    number, ends = with_interval(finding.estimate, finding.interval)
    same = finding.interval is not None and finding.interval[0] == finding.interval[1]
    estimate = " ".join(part for part in (number, "" if same else ends, _text(finding.unit)) if part)
    decimals = decimals_for(finding.interval)
    paper = "" if finding.paper is None else shown(finding.paper, decimals)
    if finding.paper is not None and decimals is not None and round(finding.paper, decimals) != finding.paper:
        paper = shown(finding.paper)
    kind = "control" if finding.control else "effect"
    return _cells(
        (
            f"`{finding.id}`: {_text(finding.claim)}",
            estimate,
            finding.verdict,
            _text(finding.bound),
            paper,
            kind,
        )
    )


def _cells(entries: Iterable[str]) -> str:
    return "| " + " | ".join(entries) + " |"


def _row(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _text(text: str) -> str:
    """Return a text that a table of Markdown shows as it is."""
    return re.sub(r"([\\|<*_`\[\]])", r"\\\1", " ".join(text.split()))


def _tallies(body: str) -> tuple[str, str] | None:
    """Return the verdicts of claims and controls that a block lists; None if this script did not write it."""
    rows = [_row(line) for line in body.splitlines() if line.startswith("|")]
    if not rows or tuple(rows[0]) != COLUMNS:
        return None
    counts = Counter((row[5], row[2]) for row in rows[2:])
    claims, controls = (
        Tally(*(counts[kind, verdict] for verdict in ("holds", "fails", "unresolved"))).text() or NONE
        for kind in ("effect", "control")
    )
    return claims, controls


def _costs(
    place: Place, runs: Path, quick: Path | None, *found: dict[str, Entry]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return what cells took, by study, preset and condition: the old numbers with those of these runs in place."""
    costs: dict[str, dict[str, dict[str, float]]] = json.loads(place.costs.read_text("utf-8"))
    for folder, entries in zip((runs, quick), found, strict=True):
        for slug, entry in entries.items():
            if folder is not None and entry.finished:
                manifest = RunFolder(folder / entry.run).read_json("manifest.json")
                costs.setdefault(slug, {})[entry.preset] = manifest.get("condition_processor_seconds", {})
    return {slug: costs[slug] for slug in sorted(costs)}


def main() -> None:
    """Run the command; exit status 1 and the reasons where something is stale or was left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="?", type=Path, help="folder that holds the embedded runs")
    parser.add_argument("--check", action="store_true", help="change nothing, say what is stale")
    parser.add_argument("--quick", type=Path, help="folder that holds quick runs")
    given = parser.parse_args()
    if given.check == (given.runs is not None):
        parser.error("give a folder of runs, or --check")
    try:
        told = check(Place(), given.quick) if given.check else generate(Place(), given.runs, given.quick)
    except InputError as error:
        parser.error(str(error))
    sys.stderr.write("".join(f"{line}\n" for line in told))
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
