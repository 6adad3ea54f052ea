"""A user's dump of a rollout: which tokens spend the entropy, by name."""

from __future__ import annotations

import json
from typing import Any

from doxa.lab.figures import Figure, bars
from doxa.lab.measured import rows_of
from doxa.lab.record import Finding, Recorder, Tables
from doxa.training.entropy_mechanism.rows import judged, number, put
from doxa.training.rollout_audit import RolloutAudit
from doxa.training.rollout_dump import Dump

SUBJECT = "rollout"
WIDEST = 24
"""Letters of a token's name in a figure."""


def record_dump(recorder: Recorder, dump: Dump, audit: RolloutAudit) -> None:
    """Record what an audit found, and the tokens of the responses that the largest covariances stand in."""
    put(recorder, "covariance", audit.mean, SUBJECT, tokens=audit.covariance.tokens, responses=audit.mean.n)
    put(recorder, "covariance dealt", audit.dealt, SUBJECT)
    for share, mean in audit.covariance.top.items():
        recorder.measure("covariance of top", mean, subject=SUBJECT, share=share)
    recorder.measure("share of top", audit.covariance.share_of_top, subject=SUBJECT, unit="share")
    if audit.drift is not None:
        recorder.measure("drift", audit.drift, subject=SUBJECT, unit="nats")
    for place, token in enumerate(audit.top):
        recorder.measure(
            "top token",
            token.covariance,
            subject=SUBJECT,
            time=float(place),
            response=token.response,
            position=token.position,
            text=token.text,
            before=token.before,
            log_prob=token.log_prob,
            advantage=token.advantage,
            omega=None if token.omega != token.omega else token.omega,
        )
    for place, kind in enumerate(audit.kinds):
        recorder.measure(
            "kind of token",
            kind.share,
            subject=SUBJECT,
            unit="share",
            time=float(place),
            text=kind.text,
            sampled=kind.sampled,
            mean=kind.mean,
        )
    for quadrant in audit.quadrants:
        recorder.measure(
            "quadrant",
            quadrant.change,
            subject=SUBJECT,
            unit="nats",
            advantage=quadrant.advantage,
            likely=quadrant.likely,
            tokens=quadrant.tokens,
        )
    for row in dict.fromkeys(token.response for token in audit.top if dump.texts):
        recorder.utterance(
            subject=SUBJECT,
            conversation=f"response {row}",
            turn=0,
            role="assistant",
            text="".join(dump.texts[row]),
            tokens=int(dump.batch.valid[row].sum()),
        )


def named(text: str, place: str) -> str:
    r"""Return a token as it can be read in a table, with its place.

    >>> named(" sum\n", "3:17")
    '" sum\\n" 3:17'
    """
    shown = json.dumps(text, ensure_ascii=False) if text else "token"
    return f"{shown if len(shown) <= WIDEST else shown[: WIDEST - 1] + '…'} {place}"


def dump_findings(tables: Tables) -> list[Finding]:
    """Judge a dump: whether entropy is being spent, and by how few tokens."""
    mean, dealt = number(tables, "covariance"), number(tables, "covariance dealt")
    tops = rows_of(tables, "covariance of top")
    told = ", ".join(
        f"largest {row['share']:.2%} of the tokens: {row['value']:.3g}" for row in tops.iter_rows(named=True)
    )
    worst = [
        named(str(row["text"]), f"{row['response']}:{row['position']} ({row['value']:.3g})")
        for row in rows_of(tables, "top token").iter_rows(named=True)
    ]
    share = number(tables, "share of top")["value"]
    return [
        judged(
            mean,
            "covariance",
            "advantage and log-probability vary together: entropy is being spent (mean covariance)",
            above=0.0,
            n=int(mean.get("responses", 0)),
            note=told,
        ),
        _control(dealt),
        Finding(
            "top-tokens",
            "the largest 2 % of the tokens make more than a tenth of the covariance above 0",
            share,
            None,
            "unresolved" if share is None else "holds" if share > 0.1 else "fails",
            unit="share",
            note="of this rollout alone; response:position, covariance: " + ", ".join(worst),
        ),
    ]


def _control(dealt: dict[str, Any]) -> Finding:
    """Return the finding that 0 lies among the mean covariances of dealt advantages."""
    claim = "with advantages dealt out to other responses they do not (range of deals holds 0)"
    note = str(dealt.get("missing") or "95 % of 200 deals")
    if dealt.get("low") is None:
        return Finding("covariance-dealt", claim, dealt["value"], None, "unresolved", control=True, note=note)
    ends = (dealt["low"], dealt["high"])
    verdict = "holds" if ends[0] <= 0.0 <= ends[1] else "fails"
    return Finding("covariance-dealt", claim, dealt["value"], ends, verdict, control=True, note=note)


def dump_figures(tables: Tables) -> list[Figure]:
    """Draw the tokens of largest covariance, the kinds that make most of it, and the quadrants."""
    found: list[Figure] = []
    tokens, kinds, quadrants = (rows_of(tables, name) for name in ("top token", "kind of token", "quadrant"))
    if tokens.height:
        rows = [
            {"label": named(str(row["text"]), f"{row['response']}:{row['position']}"), "value": row["value"]}
            for row in tokens.iter_rows(named=True)
        ]
        found.append(
            bars(
                "top-tokens",
                "Tokens of largest covariance",
                "Covariance of advantage and log-probability of single tokens, by response:position; those that "
                "Clip-Cov and KL-Cov act on.",
                rows,
                value_title="C",
            )
        )
    if kinds.height:
        rows = [
            {"label": named(str(row["text"]), f"×{row['sampled']}"), "value": row["value"]}
            for row in kinds.iter_rows(named=True)
        ]
        found.append(
            bars(
                "kinds-of-token",
                "Texts that make most of the covariance",
                "Share of all covariance above 0, all tokens of a text together.",
                rows,
                value_title="share",
            )
        )
    if quadrants.height:
        rows = [
            {
                "label": f"A {'>' if row['advantage'] == '+' else '<'} 0, {'likely' if row['likely'] else 'unlikely'}",
                "value": row["value"],
            }
            for row in quadrants.iter_rows(named=True)
        ]
        found.append(
            bars(
                "quadrants",
                "What the four kinds of update do to entropy",
                "Sum of the estimated entropy changes of all tokens, per unit step on their own logits, in nats; "
                "likely is a token whose log-probability is above minus the entropy of its position.",
                rows,
                value_title="nats",
            )
        )
    return found
