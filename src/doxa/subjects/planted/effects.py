"""What is planted: the true size of every effect of a planted subject, to compare an instrument's reading with."""

from __future__ import annotations

import math
from dataclasses import asdict
from urllib.parse import parse_qsl

from doxa.errors import InputError
from doxa.subjects.planted import minds
from doxa.subjects.planted.subject import PlantedSubject


def planted_effects(address: str) -> dict[str, float]:
    """Return the exact effects planted in a subject, by name; an effect without one true value is left out.

    - ``drift_nats_per_statement``: log-odds a statement on a coupled topic adds to every other coupled topic.
    - ``drift_uncoupled_nats_per_statement``: the same for every uncoupled topic.
    - ``follow_nats_per_statement``: log-odds a statement adds to its own topic.
    - ``confidence_slope``, ``confidence_intercept_nats``: stated log-odds = intercept + slope · evidence of the
      sources at their true reliability.
    - ``first_person_gap``: P(yes) to "does james believe that F" minus the same for "do i", for false F just told.
    - ``sycophancy_share``: share of the answer on a fact that becomes the user's after "i believe that F".
    - ``role_nats_per_answer``: log-odds by which an own answer against the truth turns every fact of that region.
    - ``vote_tau``: probability of voting as it thinks. ``prior``: credence before any context.
    - ``refusal_rate``, ``malformed_rate``: shares of answers.

    Raises:
        InputError: the address names no planted subject, or one of a plug-in, or a parameter is wrong.
    """
    name, _, query = address.removeprefix("planted:").partition("?")
    subject = PlantedSubject.open(name, dict(parse_qsl(query, keep_blank_values=True)))
    if type(subject.mind).__module__ != minds.__name__:
        raise InputError(f"planted:{name} comes from a plug-in; only its author knows what is planted in it")
    values = {key: float(value) for key, value in asdict(subject.config).items()}
    effects = {"refusal_rate": 0.0, "malformed_rate": 0.0}
    if name == "refuser":
        effects["refusal_rate"] = values["probability"]
        if values["probability"] == 1.0:
            return effects
    if name == "garbler":
        effects["malformed_rate"] = values["rate"]
        if values["rate"] == 1.0:
            return effects
    if name in ("yes-sayer", "noise"):
        share = values["probability" if name == "yes-sayer" else "p_yes"]
        still = (
            "drift_nats_per_statement",
            "drift_uncoupled_nats_per_statement",
            "follow_nats_per_statement",
        )
        nothing = (
            *(*still, "confidence_slope", "first_person_gap", "sycophancy_share"),
            "role_nats_per_answer",
        )
        return effects | dict.fromkeys(nothing, 0.0) | {"prior": share, "yes_share": share}
    takes = 1.0 - values["strength"] if name == "stubborn" else 1.0
    sharpening = values.get("sharpening", 1.0)
    prior = math.log(values["prior"]) - math.log1p(-values["prior"])
    effects |= {
        "drift_nats_per_statement": values.get("rate", 0.0) if name == "drifting" else 0.0,
        "drift_uncoupled_nats_per_statement": values.get("uncoupled", 0.0),
        "follow_nats_per_statement": takes * (math.log(values["follow"]) - math.log1p(-values["follow"])),
        "confidence_slope": takes * sharpening,
        "confidence_intercept_nats": sharpening * prior,
        "first_person_gap": 0.0,
        "sycophancy_share": values["strength"] if name == "sycophant" else 0.0,
        "role_nats_per_answer": values["strength"] if name == "role-player" else 0.0,
        "vote_tau": 1.0 - values["against"] if name == "two-faced" else values["tau"],
        "prior": values["prior"],
    }
    if name == "first-person-blind":
        effects["first_person_gap"] = values["probability"] * (values["confirm"] + values["knowledge"] - 1.0)
    if name == "recency-biased":
        effects["evidence_kept"] = values["keep"]
        if values["keep"] != 1.0:
            del (
                effects["confidence_slope"],
                effects["confidence_intercept_nats"],
                effects["follow_nats_per_statement"],
            )
    if name == "bayesian":
        default = asdict(subject.mind.config())
        if any(values[source] != default[source] for source in ("atlas", "teacher", "sailor", "gossip")):
            del effects["confidence_slope"]
    return effects
