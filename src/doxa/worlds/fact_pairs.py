"""Facts as pairs of completions, one true and one false, for any language model.

A file of facts is JSON: either a list of pairs (the fields of ``FactPair``), or ``relations`` with their wordings and
``facts`` by entity, as ``data/facts.json`` is. That file is written by us from general knowledge (countries and
chemical elements); nothing in it is taken from a data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, cast

from doxa.errors import InputError
from doxa.streams import stream

BUILT_IN = ("facts", "countries", "elements")
"""Names that ``load_fact_pairs`` knows: all our facts, or one part of them."""
_FIELDS = ("prompt", "true", "false", "entity", "domain")


@dataclass(frozen=True)
class FactPair:
    """A prompt with a true and a false completion.

    Attributes:
        prompt: text up to the completion, without a space at its end.
        true: true completion with its leading space, such as " Paris".
        false: plausible false completion of the same kind.
        entity: what the fact is about.
        domain: the relation, such as "capital".
        paraphrases: other wordings of the prompt, in a fixed order.
        question: the fact as a question, for formats that ask; empty if there is none.
        also: further completions that are right for the entity.

    Raises:
        InputError: a text is empty, or the false completion is the true one or also right.
    """

    prompt: str
    true: str
    false: str
    entity: str
    domain: str
    paraphrases: tuple[str, ...] = ()
    question: str = ""
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _FIELDS:
            if not str(getattr(self, name)).strip():
                raise InputError(f"fact about '{self.entity}': {name} is empty; every pair needs it")
        right = {text.strip().casefold() for text in (self.true, *self.also)}
        if self.false.strip().casefold() in right:
            same = "the true one" if self.false.strip() == self.true.strip() else "right for it too"
            raise InputError(
                f"fact '{self.id}': the false completion '{self.false.strip()}' is {same}; choose another"
            )

    @property
    def id(self) -> str:
        """The pair's name, ``entity domain``."""
        return f"{self.entity} {self.domain}"

    def swapped(self) -> FactPair:
        """Return the pair with true and false exchanged."""
        return replace(self, true=self.false, false=self.true, also=())


def load_fact_pairs(source: str | Path = "facts", *, seed: int = 0) -> list[FactPair]:
    """Return the pairs of a built-in name or of a JSON file.

    Args:
        source: ``facts``, ``countries``, ``elements``, or the path of a file.
        seed: seed of the draw of false completions, for a file that gives facts by entity.

    Raises:
        InputError: there is no such file, it cannot be read, two pairs have one name, or a pair is malformed.
    """
    text, part = _text_of(source)
    try:
        held: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source}: not JSON ({error}); see the docstring of doxa.worlds.fact_pairs"
        ) from error
    if isinstance(held, list):
        pairs = [_pair(source, entry) for entry in cast(list[Any], held)]
    elif isinstance(held, dict) and {"relations", "facts"} <= set(cast(dict[str, Any], held)):
        pairs = list(_from_facts(cast(dict[str, Any], held), part, seed))
    else:
        raise InputError(f"{source}: must be a list of pairs, or an object with 'relations' and 'facts'")
    seen: set[str] = set()
    for pair in pairs:
        if pair.id in seen:
            raise InputError(f"{source}: '{pair.id}' stands twice; give each entity one fact in each domain")
        seen.add(pair.id)
    if not pairs:
        raise InputError(f"{source}: holds no facts")
    return pairs


def save_fact_pairs(path: Path, pairs: Sequence[FactPair]) -> None:
    """Write pairs as a list that ``load_fact_pairs`` reads."""
    rows = [{name: value for name, value in vars(pair).items() if value or name in _FIELDS} for pair in pairs]
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _text_of(source: str | Path) -> tuple[str, str]:
    """Return the file's text, and which part of it is asked for ("" for all)."""
    if str(source) in BUILT_IN:
        own = resources.files("doxa.worlds") / "data" / "facts.json"
        return own.read_text("utf-8"), "" if source == "facts" else str(source)
    try:
        return Path(source).read_text("utf-8"), ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"facts '{source}': neither one of {', '.join(BUILT_IN)} nor a file that can be read ({error})"
        ) from error


def _pair(source: str | Path, entry: Any) -> FactPair:
    values = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
    missing = [name for name in _FIELDS if not isinstance(values.get(name), str)]
    unknown = sorted(set(values) - set(FactPair.__dataclass_fields__))
    if missing or unknown:
        raise InputError(
            f"{source}: a pair lacks {missing} or has unknown fields {unknown}: {str(entry)[:120]}"
        )
    lists: dict[str, Any] = {
        name: tuple(map(str, values[name])) for name in ("paraphrases", "also") if name in values
    }
    return FactPair(**(values | lists))


def _from_facts(held: Mapping[str, Any], part: str, seed: int) -> Iterable[FactPair]:
    """Yield a pair for each entity and relation; the false object is another one of the relation."""
    for domain, relation in held["relations"].items():
        if part and relation.get("part") != part:
            continue
        facts: list[tuple[str, list[str]]] = [
            (entity, _answers(values[domain])) for entity, values in held["facts"].items() if domain in values
        ]
        objects = list(dict.fromkeys(answers[0] for _, answers in facts))
        for entity, answers in facts:
            wrong = [one for one in objects if one not in answers]
            if not wrong:
                raise InputError(
                    f"relation '{domain}': every object is right for '{entity}'; add another fact"
                )
            false = wrong[int(stream(seed, "fact-pairs", domain, entity).integers(len(wrong)))]
            first, *others = (wording.format(entity=entity) for wording in relation["wordings"])
            yield FactPair(
                prompt=first,
                true=f" {answers[0]}",
                false=f" {false}",
                entity=entity,
                domain=domain,
                paraphrases=tuple(others),
                question=relation["question"].format(entity=entity),
                also=tuple(f" {one}" for one in answers[1:]),
            )


def _answers(value: Any) -> list[str]:
    return [str(one) for one in cast(list[Any], value)] if isinstance(value, list) else [str(value)]
