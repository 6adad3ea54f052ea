"""Clusters of agents instead of agents: mechanistic and learned hazards, fused by how much each can be trusted.

Venkatesh, He, Li and Cui, PhysicsAgentABM: Physics-Guided Generative Agent-Based Modeling (arXiv:2602.06030).

Embedded: an epidemic among 600 agents of four hidden types, with a weekly rhythm no mechanistic prior knows and a shift
of regime no network has seen; a milder one; the life cycle of attention; reported counts of the world and eight
countries. With ``subject``, a model plays sampled agents in the mini-simulations and is the mind of every cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import check as check_data
from doxa.lab.data import named
from doxa.lab.declaration import studies

if TYPE_CHECKING:
    from doxa.society.clusters.embedded import Lab
    from doxa.society.clusters.neural import NeuralPlan

SLUG = "physicsagentabm"
Part: TypeAlias = Literal["embedded", "subject"]
CLUSTERS = ("k_coarse", "k_fine", "weights", "temperature", "merge_below", "split_above", "epochs", "noise")
NETWORKS = ("members", "hidden", "rate", "patience")
WORLD = ("agents_per_type", "days", "rhythm", "shift_day", *CLUSTERS, *NETWORKS)
SERIES = ("first_week", "refit", "series_members", "hidden", "rate", "patience")
ASKED = ("sampled", "asked_days", "samples", "temperature_of_replies", "retries", "max_tokens")
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": (
        "the embedded worlds and the reported series, without a subject",
        ("seeds", "paths", "sizes", "series", *WORLD, *SERIES),
    ),
    "subject": ("a subject", ("subject", *ASKED, *WORLD)),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    SLUG,
    paper="arXiv:2602.06030",
    room="society",
    claim="asking about clusters of agents costs a fraction of the calls and loses nothing, and fusing a mechanism "
    "with networks beats both",
    presets={
        "quick": {
            "seeds": 2,
            "agents_per_type": 100,
            "epochs": 10,
            "members": 3,
            "hidden": 16,
            "paths": 16,
            "sizes": (8,),
            "first_week": 600,
            "refit": 400,
        },
        "paper": {"epochs": 200, "hidden": 64},
    },
)
class Config:
    """The settings of the worlds, of clusters, paths and fusion, and of asking a subject."""

    seed: int = setting(0, "seed of the first world")
    seeds: int = setting(6, "worlds of each kind", unit="seeds", minimum=1)
    agents_per_type: int = setting(150, "agents of each of the four hidden types", unit="agents", minimum=20)
    days: int = setting(84, "length of the epidemic", unit="days", minimum=70, paper=83)
    rhythm: float = setting(
        0.7, "amplitude of the weekly rhythm of contact, which the mechanism ignores", minimum=0, maximum=0.95
    )
    shift_day: int = setting(60, "day from which contact is 4/9 of what it was", unit="day", minimum=45)
    noise: float = setting(0.8, "spread of agents' own utilities around their type's", unit="nats", minimum=0)
    k_coarse: int = setting(6, "coarse clusters", minimum=2, paper=6)
    k_fine: int = setting(4, "clusters before merging and splitting", minimum=2, paper=4)
    weights: tuple[float, ...] = setting(
        (0.2, 0.2, 0.6), "of graph, contrastive vectors and motifs", minimum=0, paper=(0.2, 0.2, 0.6)
    )
    temperature: float = setting(0.07, "of the contrastive loss", minimum=0.001, paper=0.07)
    merge_below: float = setting(
        0.01, "divergence of motif profiles below which clusters merge", unit="nats", minimum=0, paper=0.01
    )
    split_above: float = setting(
        0.75, "normalised motif entropy above which a cluster is halved", minimum=0, maximum=1, paper=0.75
    )
    epochs: int = setting(40, "of the contrastive encoder", unit="epochs", minimum=1, paper=200)
    members: int = setting(5, "networks of an ensemble", minimum=2)
    hidden: int = setting(
        32, "width of their layers; those of the series have half of it", minimum=4, paper=64
    )
    rate: float = setting(1e-3, "learning rate of the networks", minimum=1e-6, paper=1e-3)
    patience: int = setting(12, "epochs without improvement after which a network stops", minimum=1)
    paths: int = setting(40, "sample paths of a window", minimum=10)
    sizes: tuple[int, ...] = setting((2, 8, 20), "numbers of clusters on the frontier", minimum=2)
    series: str = setting(
        "auto",
        "reported counts where the data set is on this machine, or not at all",
        choices=("auto", "none"),
    )
    first_week: int = setting(
        200, "first day of a forecast week of the series", unit="day", minimum=110, maximum=780
    )
    refit: int = setting(150, "days for which networks of the series serve", unit="days", minimum=7)
    series_members: int = setting(3, "networks of an ensemble of the series", minimum=2)
    subject: str = setting("", "address of a model that is every cluster's mind", paper="gpt-4o-mini")
    sampled: int = setting(
        48, "agents it plays in the mini-simulations", unit="agents", minimum=8, maximum=600
    )
    asked_days: int = setting(7, "days on which it is asked for hazards", unit="days", minimum=1, maximum=40)
    samples: int = setting(5, "draws of each answer", minimum=1)
    temperature_of_replies: float = setting(1.0, "of its replies", minimum=0)
    retries: int = setting(2, "times an answer that cannot be read is asked for again", minimum=0)
    max_tokens: int = setting(160, "longest reply", unit="tokens", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for each world and seed and one for the series, or one of a subject."""
    part: Part = "subject" if config.subject else "embedded"
    studies.get(SLUG).refuse_unused(config, PARTS, part)
    if config.subject:
        yield Cell("subject", config.seed, ("subject", *ASKED, *WORLD), subjects=(config.subject,))
        return
    if config.series == "auto" and check_data(SLUG).good:
        for place in ("countries", "world"):
            params: dict[str, Json] = {"data": named(SLUG).digest, "of": place}
            yield Cell("series", config.seed, SERIES, params)
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("epidemic", seed, ("paths", "sizes", *WORLD))
        yield Cell("mild", seed, WORLD)
        yield Cell("attention", seed, ("paths", *WORLD))


def run(cell: Cell, ctx: Context) -> Tables:
    """Simulate and model a world, forecast the series, or ask a subject."""
    from doxa.society.clusters import embedded

    config, recorder = ctx.config, ctx.recorder()

    def told(done: float, note: str) -> None:
        ctx.progress(done, 1.0, note)

    if cell.condition == "series":
        _series(cell, ctx, recorder)
    elif cell.condition == "subject":
        from doxa.society.clusters.on_subject import Asking, record_subject

        asking = Asking(
            config.sampled,
            config.asked_days,
            config.samples,
            config.temperature_of_replies,
            config.retries,
            config.max_tokens,
        )
        record_subject(recorder, lab_of(cell, config), ctx.subject(config.subject), asking, told)
    elif cell.condition == "epidemic":
        embedded.record_epidemic(recorder, lab_of(cell, config), config.paths, config.sizes, told)
    else:
        paths = config.paths if cell.condition == "attention" else 0
        embedded.record_world(recorder, lab_of(cell, config), paths)
    return recorder.tables()


def lab_of(cell: Cell, config: Any) -> Lab:
    """Return the world of a cell with its agents' profiles."""
    from doxa.society.clusters.anchor import AnchorPlan
    from doxa.society.clusters.embedded import Lab
    from doxa.society.clusters.reasoners import CLIMATE, EPIDEMIC
    from doxa.society.clusters.world import attention_plan, epidemic_plan

    size: dict[str, Any] = {"agents_per_type": config.agents_per_type, "days": config.days}
    plan, reasoner = epidemic_plan(rhythm=config.rhythm, shift_day=config.shift_day, **size), EPIDEMIC
    anchor = AnchorPlan(
        config.k_coarse,
        config.k_fine,
        config.weights,
        config.temperature,
        config.merge_below,
        config.split_above,
        epochs=config.epochs,
        batch=64,
    )
    if cell.condition == "mild":
        plan = epidemic_plan(rhythm=0.25, shift_day=42, **size)
    if cell.condition == "attention":
        plan, reasoner = attention_plan(rhythm=config.rhythm, shift_day=config.shift_day, **size), CLIMATE
        anchor = replace(anchor, k_fine=len(reasoner.utilities))
    return Lab(plan, reasoner, cell.seed, anchor, networks_of(config), config.noise)


def networks_of(config: Any) -> NeuralPlan:
    """Return how the networks of a world are trained."""
    from doxa.society.clusters.neural import NeuralPlan

    return NeuralPlan(
        members=config.members,
        hidden=config.hidden,
        rate=config.rate,
        patience=config.patience,
    )


def _series(cell: Cell, ctx: Context, recorder: Any) -> None:
    from doxa.society.clusters.neural import NeuralPlan
    from doxa.society.clusters.recording import record_series
    from doxa.society.clusters.series import load_countries, load_world
    from doxa.society.clusters.weekly import weekly_forecasts

    config = ctx.config
    series = load_world() if cell.params["of"] == "world" else load_countries()
    first = min(config.first_week, series.history.days - 140)
    plan = NeuralPlan(
        members=config.series_members,
        rate=config.rate,
        patience=config.patience,
        hidden=config.hidden // 2,
        dispersion=0.1,
    )
    record_series(
        recorder, series, weekly_forecasts(series, first=first, refit=config.refit, seed=cell.seed, plan=plan)
    )


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded worlds and the series, or a subject's hazards."""
    if config.subject:
        from doxa.society.clusters.on_subject import subject_findings

        return subject_findings(tables)
    from doxa.society.clusters.report import embedded_findings

    return embedded_findings(tables)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw states, weights, reliability, clusters, the frontier and the weeks of the series."""
    from doxa.society.clusters.pictures import embedded_figures

    return embedded_figures(tables, config.shift_day)
