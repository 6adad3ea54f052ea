"""The findings of the inputs' clock, and of what layers hold after learning."""

from __future__ import annotations

from typing import Any

from doxa.lab.measured import rows_of, units
from doxa.lab.record import Finding, Tables
from doxa.lab.units import Units
from doxa.training.forward_only.experiments import CLOCKS, DT
from doxa.training.forward_only.structure import BACKPROP, PCA, SHUFFLED, STEPS, TRAINED, UNTRAINED

SHARE = (0.85, 0.95)
"""Of the foretold rate, that the largest observed growth is said to reach (the spec's)."""
QUARTER = (0.2, 0.33)
CHANCE = 0.2
LEARNS = 0.2
LATER = 2.0


def clock_findings(tables: Tables) -> list[Finding]:
    """Return the findings of the inputs' clock."""

    def growth(kind: str) -> Units:
        return units(tables, "growth", kind=kind)

    found = [
        units(tables, "growth share", kind=kind).finding(
            f"growth-{kind}",
            f"{kind} pixels: ‖z‖ of layer 1 grows at most at 85 to 95 % of λ_max/(4 ln 2) (share of it)",
            above=SHARE[0],
            below=SHARE[1],
            unit="fraction",
            note=_rates(tables, kind),
        )
        for kind in CLOCKS
    ]
    return [
        *found,
        growth("halved")
        .over(growth("raw"))
        .finding(
            "half-the-pixels",
            "pixels halved grow at about a quarter of the rate",
            above=QUARTER[0],
            below=QUARTER[1],
            unit="ratio",
        ),
        *(
            units(tables, "turn", kind=kind, interior=True)
            .over(units(tables, "turn", kind="raw", interior=True))
            .finding(
                f"time-{kind}",
                f"{kind} pixels: the entropy minimum of layer 1 comes more than twice as late, so that T = 0.5 is no "
                "constant of the network",
                above=LATER,
                unit="ratio",
            )
            for kind in CLOCKS[1:]
        ),
    ]


def _rates(tables: Tables, kind: str) -> str:
    rate, steps = rows_of(tables, "rate", kind=kind), rows_of(tables, "rate of steps", kind=kind)
    if not rate.height:
        return ""
    return f"foretold {rate['value'][0]:.3g} per unit of time, {steps['value'][0]:.3g} at η = {DT:g}"


def structure_findings(tables: Tables, layers: int) -> list[Finding]:
    """Return the findings of what a network's layers hold; ``layers`` is their number."""

    def probe(kind: str, layer: int, step: int = STEPS) -> Units:
        return units(tables, "probe", kind=kind, layer=layer, step=step)

    def clusters(kind: str, step: int = STEPS, *, centred: bool) -> Units:
        return units(tables, "nmi", kind=kind, step=step, centred=centred)

    def more(name: str, claim: str, gain: Units, **rest: Any) -> Finding:
        bounds: dict[str, Any] = {"above": 0.0, "unit": "accuracy", **rest}
        return gain.finding(name, claim, **bounds)

    def clusters_gain(centred: bool) -> Units:
        return clusters(TRAINED, centred=centred).minus(clusters(UNTRAINED, 0, centred=centred))

    return [
        more(
            "clusters",
            "after learning, the largest output says more of the digit than before (NMI, difference)",
            clusters_gain(False),
            unit="NMI",
            note=_means(tables, centred=False),
        ),
        more(
            "clusters-centred",
            "so does the largest output less its mean",
            clusters_gain(True),
            unit="NMI",
            note=_means(tables, centred=True),
        ),
        *(
            more(
                f"probe-{layer}",
                f"layer {layer}: a linear probe finds the digit more often than before learning (accuracy, difference)",
                probe(TRAINED, layer).minus(probe(UNTRAINED, layer, 0)),
                note=_accuracies(tables, layer),
            )
            for layer in range(1, layers + 1)
        ),
        more(
            "against-pca",
            "the last layer holds more of the digit than as many principal components",
            probe(TRAINED, layers).minus(probe(PCA, layers)),
        ),
        more(
            "backprop-learns",
            "the probe sees what is learned: the same layers trained on labels",
            probe(BACKPROP, layers).minus(probe(UNTRAINED, layers, 0)),
            above=LEARNS,
        ),
        probe(SHUFFLED, layers).finding(
            "dealt-out",
            "with labels dealt out to other images the probe finds nothing",
            below=CHANCE,
            unit="accuracy",
            control=True,
        ),
    ]


def _means(tables: Tables, *, centred: bool) -> str:
    told: list[str] = []
    for kind, step in ((UNTRAINED, 0), (TRAINED, STEPS), (PCA, STEPS), (BACKPROP, STEPS)):
        nmi = units(tables, "nmi", kind=kind, step=step, centred=centred)
        if nmi.values:
            purity = units(tables, "purity", kind=kind, step=step, centred=centred).mean
            told.append(f"{kind} {nmi.mean:.2f} (purity {purity:.2f})")
    return "means: " + ", ".join(told) if told else ""


def _accuracies(tables: Tables, layer: int) -> str:
    told: list[str] = []
    for kind, step in ((UNTRAINED, 0), (TRAINED, STEPS), (PCA, STEPS), (BACKPROP, STEPS)):
        found = units(tables, "probe", kind=kind, step=step, layer=layer)
        if found.values:
            told.append(f"{kind} {found.mean:.2f}")
    return "means: " + ", ".join(told) if told else ""
