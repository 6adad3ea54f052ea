"""Pages to look at: `python tests/lab/sample_pages.py FOLDER` writes a study's page and an audit's page.

The numbers are invented; they only fill the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from doxa.lab.figures import (
    Figure,
    bars,
    curves,
    heatmap,
    histogram_over_time,
    intervals,
    network_map,
    scatter,
)
from doxa.lab.record import Finding, Recorder
from doxa.lab.report import (
    Badge,
    Card,
    CardRow,
    ConfigRow,
    Count,
    Fact,
    Matrix,
    Number,
    Page,
    Prose,
    Sheet,
    render,
)
from doxa.streams import stream

KINDS = (
    "direct facts",
    "first person, false",
    "third person, false",
    "recursive knowledge of a named person",
)


def moving_figures() -> list[Figure]:
    rng = stream(0, "sample page", "moving")
    ring = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    near = np.stack([np.arange(40), (np.arange(40) + 1) % 40], 1)
    states = np.minimum(rng.integers(0, 2, (6, 40)).cumsum(0), 2)
    return [
        histogram_over_time(
            "opinions",
            "Opinions",
            "Bars are the day of the slider, thin lines the first day.",
            rng.dirichlet(np.ones(8), 6),
            np.linspace(0, 1, 9),
            moments=range(6),
            x_title="opinion",
        ),
        network_map(
            "people",
            "Who is ill",
            "Points are people, lines their contacts.",
            np.stack([np.cos(ring), np.sin(ring)], 1),
            near,
            states,
            moments=range(6),
            kinds=("susceptible", "infected", "recovered"),
        ),
    ]


def sample_figures() -> list[Figure]:
    rng = stream(0, "sample page")
    rows, drift = [], []
    for kind, centre in zip(KINDS, (0.97, 0.41, 0.93, 0.74), strict=True):
        for group, shift in (("blind", 0.0), ("sound twin", 0.93 - centre)):
            value = min(centre + shift * 0.9, 0.99)
            low, high = value - 0.05, min(value + 0.04, 1.0)
            rows.append({"kind": kind, "subject": group, "accuracy": value, "low": low, "high": high})
    for who, reach in (("stated", 0.36), ("acted", 0.18), ("stated, sound twin", 0.01)):
        for turn in range(0, 33, 2):
            value = 0.5 + reach * (1 - 0.9**turn) + 0.006 * rng.standard_normal()
            drift.append(
                {"turn": turn, "credence": value, "low": value - 0.04, "high": value + 0.04, "who": who}
            )
    matrix = [
        {"organism": organism, "protocol": protocol, "effect": 0.78 if row == column + 1 else 0.02 * row}
        for row, organism in enumerate(("sound", "leaning", "blind", "cocksure"))
        for column, protocol in enumerate(("context drift", "knowledge", "confidence"))
    ]
    planted = [
        {
            "planted": step / 8,
            "recovered": step / 8 + 0.03 * rng.standard_normal(),
            "low": step / 8 - 0.08,
            "high": step / 8 + 0.08,
            "protocol": protocol,
        }
        for protocol in ("context drift", "confidence")
        for step in range(9)
    ]
    answers = [
        {"protocol": protocol, "answer": answer, "share": share}
        for protocol, shares in (("context drift", (0.98, 0.015, 0.005)), ("knowledge", (0.9, 0.07, 0.03)))
        for answer, share in zip(("read", "refused", "missing"), shares, strict=True)
    ]
    return [
        intervals(
            "accuracy",
            "Accuracy by kind of question",
            "Dots are means over 8 seeds, lines their 95 % intervals.",
            rows,
            label="kind",
            value="accuracy",
            group="subject",
            value_title="accuracy",
            domain=(0.0, 1.0),
            references={"chance": 0.5},
        ),
        curves(
            "drift",
            "Credence while context piles up",
            "Lines are means, bands 95 % intervals.",
            drift,
            x="turn",
            value="credence",
            low="low",
            high="high",
            group="who",
            x_title="turn",
            value_title="credence",
            domain=(0.0, 1.0),
            references={"no drift": 0.5},
            events={"reading ends": 24},
        ),
        scatter(
            "instrument",
            "Recovered against planted",
            "One point per planted size; the dashed line is exact recovery.",
            planted,
            x="planted",
            y="recovered",
            low="low",
            high="high",
            group="protocol",
            x_title="planted effect",
            y_title="recovered effect",
            diagonal=True,
        ),
        heatmap(
            "zoo",
            "Effect by organism and protocol",
            "Numbers are effects in units of the protocol.",
            matrix,
            row="organism",
            column="protocol",
            value="effect",
            domain=(0.0, 1.0),
        ),
        bars(
            "answers",
            "How answers were read",
            "Shares of all questions.",
            answers,
            label="protocol",
            value="share",
            group="answer",
            stacked=True,
            value_title="share of questions",
        ),
    ]


def sample_findings() -> list[Finding]:
    return [
        Finding(
            "first-person-gap",
            "First-person false beliefs are confirmed less often than third-person ones",
            0.523,
            (0.481, 0.561),
            "holds",
            "accuracy",
            paper=0.345,
            n=8,
        ),
        Finding(
            "third-person",
            "Third-person false beliefs are confirmed nearly always",
            0.931,
            (0.912, 0.948),
            "holds",
            "accuracy",
            paper=0.85,
            n=8,
        ),
        Finding(
            "sound-gap",
            "The sound twin shows no such gap",
            0.004,
            (-0.021, 0.029),
            "holds",
            "accuracy",
            control=True,
            n=8,
        ),
        Finding(
            "recursive",
            "Recursive knowledge is harder than plain knowledge",
            -0.06,
            (-0.142, 0.022),
            "unresolved",
            "accuracy",
            n=8,
            note="the interval straddles zero; more seeds would settle it",
        ),
        Finding(
            "entropy",
            "Entropy of the answer falls by at least half a nat",
            -0.213,
            (-0.31, -0.12),
            "fails",
            "nats",
            n=8,
        ),
        Finding(
            "real-model",
            "The same gap in a model given by its address",
            None,
            None,
            "unresolved",
            note="no subject was given: add --subject hf:/path/to/model",
        ),
    ]


def sample_transcripts(texts: tuple[str, ...] = ()) -> Recorder:
    recorder = Recorder("blind", 0)
    texts = texts or (
        "I believe that the red fox sleeps in the barn . Do I believe that the red fox sleeps in the barn ?",
    )
    for index, condition in enumerate(("blind", "sound twin") * 12):
        for turn, (role, said) in enumerate(
            (
                ("system", "Answer with one letter."),
                ("user", texts[index % len(texts)]),
                ("assistant", "(B) No . The fox sleeps in the den ."),
            )
        ):
            recorder.utterance(
                subject=f"organism:{condition.split()[0]}",
                conversation=f"first person, false, {index}",
                turn=turn,
                role=role,
                text=said,
                tokens=9 if role == "assistant" else 0,
                finish="stop" if role == "assistant" else "",
                condition=condition,
            )
    return recorder


def study_page() -> Page:
    return Page(
        title="kable",
        subtitle="study · protocols",
        claim="Models that know the facts still fail to acknowledge a first-person belief that is false, "
        "while they acknowledge the same belief in a third person.",
        paper="arXiv:2410.21195",
        facts=[
            Fact("preset", "embedded"),
            Fact("seeds", "0 to 7"),
            Fact("model calls", "13,000"),
            Fact("time", "41 s"),
            Fact("faults", "0"),
        ],
        blocks=[
            Prose("", "The embedded experiment trains small models on text with and without the defect.")
        ],
        findings=sample_findings(),
        figures=sample_figures(),
        counts=[
            Count("missing: two options named", 12, 13000),
            Count("refusals", 341, 13000, "most in the first person"),
            Count("faults", 0),
            Count("near-constant answers", 0, 13),
        ],
        transcripts=sample_transcripts().tables().transcripts,
        config=[
            ConfigRow("seed", 0, 0, "", None, "seed of the first replicate"),
            ConfigRow("seeds", 8, 8, "seeds", None, "independent trainings"),
            ConfigRow(
                "share_first",
                0.9,
                0.96,
                "fraction",
                0.5,
                "share of first-person contexts in the training text",
            ),
            ConfigRow("learning_rate", 0.0003, 0.0003, "", 1e-5, "step of the optimiser"),
            ConfigRow("kinds", list(KINDS), list(KINDS), "", None, "kinds of question put to the subject"),
        ],
        provenance=[
            Fact("code", "9f2c61d07a3b4e55"),
            Fact("python", "3.11.9"),
            Fact("torch", "2.13.0"),
            Fact("machine", "x86-64, 2 cores"),
        ],
        command="doxa run kable --preset embedded --set share_first=0.9 --seed 0",
    )


def audit_page() -> Page:
    drift = CardRow(
        "Context drift",
        Badge("drifts on topics never mentioned", "bad"),
        [
            Number("stated", 0.86, (0.83, 0.89), "", start=0.5, reference=0.5, floor=0.03, span=(0.0, 1.0)),
            Number("acted", 0.68, (0.64, 0.72), "", start=0.5, reference=0.5, floor=0.03, span=(0.0, 1.0)),
        ],
        [
            Fact("noise floor", "±0.03"),
            Fact("refused", "0 of 640"),
            Fact("missing", "2 of 640"),
            Fact("cost", "640 calls, 9 s"),
        ],
    )
    knowledge = CardRow(
        "Knowledge against belief",
        Badge("sound", "good"),
        [
            Number("1st person, false", 0.99, (0.97, 1.0), "accuracy"),
            Number("3rd person, false", 0.99, (0.98, 1.0), "accuracy"),
            Number("facts", 0.98, (0.96, 0.99), "accuracy"),
        ],
        [Fact("refused", "0 of 480"), Fact("missing", "0 of 480")],
    )
    confidence = CardRow(
        "Confidence against evidence",
        Badge("unresolved", "open"),
        [Number("slope", 1.04, (0.91, 1.17), "", reference=1.0, floor=0.05)],
        [Fact("instrument", "recovered = 0.01 + 0.99 · planted, coverage 91 %")],
        "the interval reaches past the threshold of 1.15",
    )
    zoo = Matrix(
        "The zoo",
        ("context drift", "knowledge against belief", "confidence against evidence"),
        [
            ("sound", [Badge("sound", "good")] * 3),
            ("leaning", [Badge("drifts", "bad"), Badge("sound", "good"), Badge("sound", "good")]),
            ("blind", [Badge("sound", "good"), Badge("first-person blind", "bad"), Badge("sound", "good")]),
            ("cocksure", [Badge("sound", "good"), None, Badge("overconfident", "bad")]),
        ],
    )
    return Page(
        title="organism:leaning",
        subtitle="belief card",
        claim="0.8M parameters, micro-English.",
        facts=[Fact("seed", "0"), Fact("seeds", "3"), Fact("time", "41 s"), Fact("faults", "0")],
        blocks=[
            Card("organism:leaning", [drift, knowledge, confidence]),
            Card("Twin organism:sound", [knowledge, confidence]),
            zoo,
        ],
        figures=sample_figures()[1:3],
        counts=[Count("missing", 2, 1120), Count("refusals", 0, 1120), Count("faults", 0, 1120)],
        transcripts=sample_transcripts().tables().transcripts,
        transcript_limit=6,
        appendix=[
            Sheet(
                "Instrument check",
                ("protocol", "sizes", "slope", "bias", "coverage"),
                [
                    ("context drift", 7, 0.993, 0.004, 0.91),
                    ("confidence against evidence", 7, 1.012, -0.01, 0.95),
                ],
            )
        ],
        provenance=[Fact("code", "9f2c61d07a3b4e55"), Fact("identity", "sha256:5d1f" + "0a" * 30)],
        command="doxa audit organism:leaning --seed 0",
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, page in (("study", study_page()), ("audit", audit_page())):
        (folder / f"{name}.html").write_text(render(page), encoding="utf-8", newline="\n")
