"""Structured knowledge accumulation: a forward-only rule by which every sigmoid layer lowers its own entropy.

Bouarfa Mahi, Structured Knowledge Accumulation: The Principle of Entropic Least Action in Forward-Only Neural Learning
(arXiv:2504.03214).

Embedded: runs of equal learning budget, tensor nets of many networks in both signs, the clock that the inputs set,
what layers hold afterwards, and the same observables on ordinary training. The published network is the one of seed 42.
With ``subject``, an open model is fine-tuned while a monitor looks at its layers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies

if TYPE_CHECKING:
    from doxa.training.forward_only.experiments import Setup

Part: TypeAlias = Literal["embedded", "subject"]
EXPERIMENTS = ("time", "tensor-net", "clock", "structure", "monitor")
NETWORK = ("data", "layers", "init_std")
SMALLER = (*NETWORK, "images")
BUDGETS = ("etas", "budget")
SHOWN = ("eta", "steps")
ASKED = ("subject", "texts", "watched", "updates", "rate")
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": ("the embedded experiments", ("parts", "seeds", "networks", *SMALLER, *BUDGETS, *SHOWN)),
    "subject": ("a watched subject", ASKED),
}
"""What each part measures, and the settings it uses beside the seed."""
PUBLISHED = 42
COMPARED = (0.02, 0.01, 0.005)


@study(
    "ska",
    paper="arXiv:2504.03214",
    room="training",
    claim="runs of equal learning budget trace one curve, and a zero of the tensor net marks where learning begins",
    presets={
        "quick": {
            "seeds": 2,
            "networks": 3,
            "images": 200,
            "etas": (0.02, 0.01, 0.005, 0.0025),
            "updates": 6,
        },
        "paper": {"seeds": 20, "networks": 100},
    },
)
class Config:
    """The settings of the embedded experiments and of watching a subject."""

    seed: int = setting(0, "seed of the first network beside the published one, and of splits and texts")
    seeds: int = setting(5, "further networks in each experiment but tensor-net", unit="networks", minimum=2)
    networks: int = setting(
        20, "further networks whose tensor nets are looked at", unit="networks", minimum=2, paper=0
    )
    parts: tuple[str, ...] = setting(EXPERIMENTS, "which embedded experiments to run", choices=EXPERIMENTS)
    data: str = setting(
        "",
        "images: empty takes the published ones, or scikit-learn's digits where they are not here; digits; or an npz "
        "file of images and labels",
        paper="1000 images of MNIST",
    )
    images: int = setting(
        1000, "images in every experiment but tensor-net", unit="images", minimum=50, paper=1000
    )
    layers: tuple[int, ...] = setting(
        (256, 128, 64, 10), "units of each layer", minimum=1, paper=(256, 128, 64, 10)
    )
    init_std: float = setting(0.01, "standard deviation of initial weights", minimum=1e-6, paper=0.01)
    etas: tuple[float, ...] = setting(
        (0.02, 0.01, 0.005, 0.0033, 0.0025, 0.001),
        "step sizes η of the runs of equal budget, among them 0.02, 0.01 and 0.005",
        minimum=1e-5,
        paper=(0.02, 0.01, 0.005, 0.0033, 0.0025, 0.001),
    )
    budget: float = setting(0.5, "learning budget η K of each of them", minimum=0.05, paper=0.5)
    eta: float = setting(0.01, "step size η of the runs of tensor-net", minimum=1e-6, paper=0.01)
    steps: int = setting(50, "forward passes K of these", unit="passes", minimum=4, paper=50)
    subject: str = setting("", "address of an open model to fine-tune and watch; empty watches none")
    texts: str = setting("", "file of texts to fine-tune it on, one a line; empty takes ours")
    watched: tuple[str, ...] = setting(
        (), "names or patterns of its modules, such as *.mlp.up_proj; empty takes MLPs and attention outputs"
    )
    updates: int = setting(20, "updates of the fine-tuning", unit="updates", minimum=2)
    rate: float = setting(1e-4, "its learning rate", minimum=1e-9)


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for each network and experiment, or that of a subject."""
    part: Part = "subject" if config.subject else "embedded"
    studies.get("ska").refuse_unused(config, PARTS, part)
    if part == "subject":
        yield Cell("subject", config.seed, ASKED, _texts_params(config), subjects=(config.subject,))
        return
    _check(config)
    data = _data_params(config)
    others = [seed for seed in range(config.seed, config.seed + config.seeds) if seed != PUBLISHED]
    if "time" in config.parts:
        yield Cell("exact", config.seed)
        for seed in (PUBLISHED, *others):
            yield Cell("time", seed, (*SMALLER, *BUDGETS), data)
    if "tensor-net" in config.parts:
        many = range(config.seed, config.seed + config.networks)
        for seed in (PUBLISHED, *(seed for seed in many if seed != PUBLISHED)):
            yield Cell("tensor-net", seed, (*NETWORK, *SHOWN), data)
    for name in ("clock", "structure", "monitor"):
        if name in config.parts:
            for seed in others:
                yield Cell(name, seed, SMALLER, data)


def _check(config: Any) -> None:
    """Raise InputError if step sizes cannot be compared or the images cannot be read."""
    if not config.layers:
        raise InputError("layers=(): give at least one layer, such as 256,128,64,10")
    missing = [eta for eta in COMPARED if eta not in config.etas]
    if missing or len(set(config.etas)) != len(config.etas) or min(config.etas) >= min(COMPARED):
        raise InputError(
            f"etas={config.etas}: give 0.02, 0.01, 0.005 and at least one smaller one, each once; errors are taken "
            "against the smallest"
        )
    if round(config.budget / max(config.etas)) < 4:
        raise InputError(f"budget={config.budget}: is less than 4 steps of η={max(config.etas)}; give more")
    if config.data:
        from doxa.training.forward_only.images import load_images

        load_images(config.data)


def _data_params(config: Any) -> dict[str, Json]:
    """Return which images a cell sees, so that others make another cell."""
    from doxa.lab.data import check, named
    from doxa.training.forward_only.images import FALLBACK

    if config.data and config.data != FALLBACK:
        from pathlib import Path

        from doxa.lab.files import sha256

        return {"images": sha256(Path(config.data).read_bytes())}
    here = not config.data and check("ska").good
    return {"images": named("ska").digest if here else FALLBACK}


def _texts_params(config: Any) -> dict[str, Json]:
    from doxa.canonical import digest
    from doxa.training.forward_only.watched import read_texts

    return {"texts": digest(list(read_texts(config.texts)), length=16)}


def run(cell: Cell, ctx: Context) -> Tables:
    """Run the rule, train, or watch."""
    recorder = ctx.recorder()

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if cell.condition == "subject":
        from doxa.training.forward_only import watched

        watched.record_subject(
            recorder,
            ctx.subject(ctx.config.subject),
            watched.read_texts(ctx.config.texts),
            ctx.config.watched,
            ctx.config.updates,
            ctx.config.rate,
            cell.seed,
            progress,
        )
        return recorder.tables()
    from doxa.training.forward_only import experiments

    if cell.condition == "exact":
        experiments.record_exact(recorder, cell.seed)
    elif cell.condition == "time":
        pairs = experiments.pairs_of(ctx.config.etas, ctx.config.budget)
        experiments.record_time(recorder, _setup(cell, ctx), cell.seed, pairs, progress)
    elif cell.condition == "tensor-net":
        setup = _setup(cell, ctx, whole=True)
        experiments.record_net(recorder, setup, cell.seed, ctx.config.eta, ctx.config.steps)
    elif cell.condition == "clock":
        experiments.record_clock(recorder, _setup(cell, ctx), cell.seed, progress)
    elif cell.condition == "structure":
        from doxa.training.forward_only.structure import record_structure

        record_structure(recorder, _setup(cell, ctx), cell.seed)
    else:
        from doxa.training.forward_only import watched

        setup = _setup(cell, ctx)
        watched.record_instrument(recorder, setup, cell.seed, 20)
        watched.record_classifier(recorder, setup, cell.seed)
        watched.record_language(recorder, cell.seed)
    return recorder.tables()


def _setup(cell: Cell, ctx: Context, *, whole: bool = False) -> Setup:
    from doxa.training.forward_only.experiments import Setup, some
    from doxa.training.forward_only.images import FALLBACK, load_images

    config = ctx.config
    source = config.data
    images = load_images(FALLBACK if cell.params["images"] == FALLBACK else source)
    return Setup(images if whole else some(images, config.images), config.layers, config.init_std)


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments against the spec's bounds, or what a subject's layers did."""
    if config.subject:
        from doxa.training.forward_only.watched_report import subject_findings

        return subject_findings(tables)
    from doxa.training.forward_only.report import as_published, embedded_findings

    published = as_published(config.layers, config.init_std, config.eta, config.steps)
    return embedded_findings(tables, config.parts, len(config.layers), published)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw overlaid runs, tensor nets, phase portraits, the clock, what layers hold, and watched training."""
    from doxa.training.forward_only.study_pictures import embedded_figures, watched_figures

    return watched_figures(tables) if config.subject else embedded_figures(tables)
