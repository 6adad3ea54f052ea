"""``doxa audit``: the belief card of a subject, and the zoo's matrix."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from doxa.audit.card import Asking, BeliefCard, card_text, protocol_card, unread
from doxa.audit.study import chosen, judged
from doxa.errors import InputError
from doxa.lab.run import Running, RunResult, run_study
from doxa.lab.store import RunFolder
from doxa.subjects.addresses import answering, identity, parse_address
from doxa.subjects.counting import Spending
from doxa.subjects.organisms import member, members

DEFAULT_SUBJECT = "organism:leaning"
"""What a newcomer sees first: a real drift; its twin, the control, is shown beside it."""


@dataclass(frozen=True)
class AuditResult:
    """A finished audit: the subject's card with its twin's inside, and what it cost."""

    card: BeliefCard
    seconds: float
    computed: int
    cells: int

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return self.card.model_dump()

    def as_text(self) -> str:
        """Return what a person reads."""
        asked = sum(item.asked for item in self.card.protocols)
        missing = sum(item.missing for item in self.card.protocols)
        refused = sum(item.refused for item in self.card.protocols)
        questions = sum(item.cost.scored + item.cost.replies for item in self.card.protocols)
        head = (
            f"seed {self.card.seed} · {self.seconds:.0f} s · {questions:,} questions · "
            f"{refused} refused and {missing} missing of {asked} in text"
        )
        return card_text(self.card, head)


@dataclass(frozen=True)
class ZooResult:
    """Every organism's audit on several evaluation seeds.

    Attributes:
        expected: each organism's own defect, None for a sound one.
        defects: the defect that each protocol looks for.
        named: the protocols that named their defect, by organism and seed.
        unresolved: how many verdicts read unresolved.
        report: path of the report.
    """

    expected: dict[str, str | None]
    defects: dict[str, str]
    named: dict[str, dict[int, list[str]]]
    unresolved: int
    report: Path

    @property
    def diagonal(self) -> bool:
        """Whether on every seed each organism was named by all protocols that look for its defect and by no other."""
        return all(
            set(names) == {slug for slug, defect in self.defects.items() if defect == self.expected[organism]}
            for organism, seeds in self.named.items()
            for names in seeds.values()
        )

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints; ``named`` are defects, ``by_seed`` the protocols that named them."""
        return {
            "organisms": {
                organism: {
                    "expected": self.expected[organism],
                    "named": sorted({self.defects[name] for names in seeds.values() for name in names}),
                    "by_seed": {str(seed): names for seed, names in seeds.items()},
                }
                for organism, seeds in self.named.items()
            },
            "protocols": self.defects,
            "unresolved": self.unresolved,
            "diagonal": self.diagonal,
            "report": str(self.report),
        }

    def as_text(self) -> str:
        """Return the matrix organism × protocol: on how many seeds each named its defect."""
        width = max(map(len, self.named))
        lines = [" " * width + "  " + "  ".join(f"{slug:>17}" for slug in self.defects)]
        for organism, seeds in self.named.items():
            counts = [sum(slug in names for names in seeds.values()) for slug in self.defects]
            own = [defect == self.expected[organism] for defect in self.defects.values()]
            marks = [
                f"{f'{count}/{len(seeds)}' if count else '·'}{' *' if mine else '  '}"
                for count, mine in zip(counts, own, strict=True)
            ]
            lines.append(f"{organism:<{width}}  " + "  ".join(f"{mark:>17}" for mark in marks))
        lines.append("* looks for the organism's own defect; counts are seeds on which it was named")
        lines.append(f"diagonal: {'yes' if self.diagonal else 'NO'}   unresolved verdicts: {self.unresolved}")
        lines.append(f"report  {self.report}")
        return "\n".join(lines)


def audited(subject: str | None = None, *, twin: str | None = None) -> tuple[str, ...]:
    """Return the addresses an audit asks: the subject, and its twin where there is one.

    Raises:
        InputError: an address cannot be understood.
    """
    subject = DEFAULT_SUBJECT if subject is None else subject
    twin = twin if twin is not None else _own_twin(subject)
    return (subject,) if twin is None or twin == subject else (subject, twin)


def audit_subject(
    subject: str | None = None,
    *,
    twin: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    **running: Unpack[Running],
) -> AuditResult:
    """Measure a subject's beliefs with every protocol it can take and write its belief card.

    Args:
        subject: address; None audits ``DEFAULT_SUBJECT`` beside its sound twin.
        twin: address of a sound twin shown beside it; an organism's own twin by default.
        overrides: settings of the audit by name.
        running: preset, folder, executor, budget and meter, as ``run_study`` takes them.

    Raises:
        InputError: an address or a setting was wrong; nothing was started.
        BudgetError: the budget was spent; what was answered is kept.
        CellsFailedError: the subject could not be asked.
    """
    started = time.monotonic()
    subjects = audited(subject, twin=twin)
    if "subjects" in (overrides or {}):
        raise InputError("--set subjects=...: name the subject as the argument and its twin with --twin")
    result = run_study("audit", overrides={**(overrides or {}), "subjects": subjects}, **running)
    cards = _cards(result)
    card = cards[subjects[0]]
    if len(subjects) == 2:
        card = card.model_copy(update={"twin": cards[subjects[1]]})
    RunFolder(result.folder).write_json("card.json", card.model_dump(mode="json"))
    return AuditResult(card, time.monotonic() - started, result.computed, result.cells)


def belief_card(subject: str | None = None, **settings: Any) -> BeliefCard:
    """Return the belief card of a subject; see ``audit_subject`` for the arguments.

    Raises:
        InputError: an address or a setting was wrong; nothing was started.
    """
    return audit_subject(subject, **settings).card


def audit_zoo(*, overrides: Mapping[str, Any] | None = None, **running: Unpack[Running]) -> ZooResult:
    """Audit every organism on three evaluation seeds (or ``seeds``) and compare with its known defect."""
    zoo = members()
    result = run_study("audit", overrides=zoo_settings(overrides), **running)
    named: dict[str, dict[int, list[str]]] = {name: {} for name in zoo}
    unresolved = 0
    for seed in range(result.config.seed, result.config.seed + result.config.seeds):
        for item in judged(result.tables, dataclasses.replace(result.config, seed=seed, seeds=1)):
            names = named[parse_address(item.subject).name].setdefault(seed, [])
            unresolved += item.verdict == "unresolved"
            if item.verdict == "defect":
                names.append(item.protocol.slug)
    expected = {name: member.defect for name, member in zoo.items()}
    defects = {slug: protocol.defect for slug, protocol in chosen(result.config).items()}
    return ZooResult(expected, defects, named, unresolved, result.report)


def zoo_settings(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the audit's settings for the whole zoo on three evaluation seeds, unless told otherwise."""
    return {"seeds": 3, **(overrides or {}), "subjects": tuple(f"organism:{name}" for name in members())}


def _cards(result: RunResult) -> dict[str, BeliefCard]:
    """Return the card of each subject of a finished audit."""
    items = judged(result.tables, result.config)
    return {
        address: BeliefCard(
            subject=address,
            identity=identity(address),
            seed=result.config.seed,
            seeds=result.config.seeds,
            protocols=[protocol_card(item) for item in items if item.subject == address],
            unread=unread(result.tables, address),
            asking=_asking(result.spending.get(address)),
            report=str(result.report),
        )
        for address in result.config.subjects
    }


def _asking(spent: Spending | None) -> Asking | None:
    """Return what asking took, all servers together."""
    return None if spent is None else Asking.model_validate(spent._replace(servers={}).as_json())


def _own_twin(subject: str) -> str | None:
    """Return the address of an organism's sound twin, with what is put around it; other subjects have none."""
    parts = answering(subject)
    if parts.scheme != "organism":
        return None
    twin = f"organism:{member(parts.name).twin}"
    around, sharp, _ = subject.rpartition("#")
    return f"{around}{sharp}{twin}"
