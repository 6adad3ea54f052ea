"""A small language model plays both sides in the full protocol: does the protocol keep its own rules?

Its speeches mean nothing; what is asserted is structure alone. Every way of asking is played: bets in the speech's
reply, in a turn of their own, and read from log-probabilities.
"""

from __future__ import annotations

import polars as pl

from doxa.belief.inference import wilson
from doxa.lab.parts import Keep
from doxa.lab.record import Finding, Recorder, Tables
from doxa.protocols.debate.bets import SIDES
from doxa.protocols.debate.debate import Debate, DebateRecord, Rules, hold_debates
from doxa.protocols.debate.published import record_held
from doxa.protocols.debate.wording import MOTIONS
from doxa.protocols.dialogue import DepartedError, replay
from doxa.subjects.base import Sampling, Subject

WAYS: dict[str, Rules] = {
    "same-turn": Rules(note="self"),
    "separate": Rules(note="self", elicit="separate"),
    "scored": Rules(note="self", elicit="scored"),
}
CHECKS = {
    "complete": "each side speaks once per stage and has a bet or a reason for none",
    "in_range": "every bet that was read is from 0 to 100",
    "private": "no brief, prompt or reply of a side stands in what the other is shown, but for its speeches",
    "replayed": "the record, replayed, asks the very same questions",
}
"""The structural invariants, by the name they are recorded under."""
REPLY_TOKENS = 24


def record_organism(recorder: Recorder, subject: Subject, n_debates: int, *, keep: Keep) -> None:
    """Let a subject debate itself in every way of asking, and record what was held and which invariants stand."""
    sampling = Sampling(temperature=1.0, max_tokens=REPLY_TOKENS, seed=recorder.seed)
    for way, rules in WAYS.items():
        debates = {
            f"organism {way}/{k + 1:03d}": Debate(
                MOTIONS[k % len(MOTIONS)],
                subject,
                subject,
                rules,
                sampling,
                k // len(MOTIONS),
                f"organism {way}",
            )
            for k in range(n_debates)
        }
        held = hold_debates(debates, keep=keep)
        record_held(recorder, held, {})
        for one in held:
            for name, stands in invariants(one).items():
                recorder.measure(
                    f"invariant/{name}",
                    float(stands),
                    subject=subject.address,
                    axis="turn",
                    condition=f"organism {way}",
                    debate=one.id,
                )


def invariants(record: DebateRecord) -> dict[str, bool]:
    """Return which structural invariants a debate keeps; see ``CHECKS``."""
    stages, said = record.debate.rules.stages, record.transcript
    spoke = all(len(said.by(side, stage=stage, turn="speech")) == 1 for side in SIDES for stage in stages)
    stated = all(bet.bet is not None or bet.missing for bet in record.bets)
    script, scene = record.debate.rules.script(), record.debate.scene(record.id)
    try:
        again = replay(script, scene, said).said == said.said
    except DepartedError:
        again = False
    return {
        "complete": not said.stopped and spoke and stated and len(record.bets) == 2 * len(stages),
        "in_range": all(bet.bet is None or 0.0 <= bet.bet <= 100.0 for bet in record.bets),
        "private": _private(record),
        "replayed": again,
    }


def _private(record: DebateRecord) -> bool:
    """Return whether each side is shown of the other exactly what it was meant to hear."""
    from doxa.protocols.debate.reply_parts import public_bet, speech_of

    public = record.debate.rules.visibility == "public"
    for one in record.transcript.said:
        allowed = speech_of(one.text) if one.turn == "speech" else ""
        shown = one.heard if one.audience else ""
        if public:
            shown = shown.replace(public_bet(one.text), "")
        if shown.strip() != allowed.strip():
            return False
    return True


def organism_findings(tables: Tables) -> list[Finding]:
    """Return one finding per invariant: that it stands in every debate of the small model."""
    found: list[Finding] = []
    bets = tables.beliefs.filter(pl.col("condition").str.starts_with("organism"))
    read = bets["credence"].drop_nulls().len()
    for name, what in CHECKS.items():
        values = tables.measures.filter(pl.col("measure") == f"invariant/{name}")["value"]
        kept = int((values == 1.0).sum())
        share = wilson(kept, values.len())
        verdict = "unresolved" if not values.len() else "holds" if kept == values.len() else "fails"
        found.append(
            Finding(
                id=f"protocol-{name.replace('_', '-')}",
                claim=f"a small model plays both sides: {what}",
                estimate=share.estimate,
                interval=share.ends,
                verdict=verdict,
                unit="share of debates",
                control=True,
                n=values.len(),
                note=f"{kept} of {values.len()} debates; {read} of {bets.height} bets read",
            )
        )
    return found
