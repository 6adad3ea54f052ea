"""STEER: tokens whose update would move the policy's entropy violently are held back.

Hao, Wang, Liu, Luo, Yu, Dong, Lin, Wang and Chen, Rethinking Entropy Interventions in RLVR: An Entropy Change
Perspective (arXiv:2510.10150).

Embedded: estimators of the entropy change of one token's update are held against the change itself, on softmax tables
and on a small network; then the network is trained further with and without the weights made of them, beside slower
plain training, other remedies, reweighted quadrants of tokens and controls. With ``subject``, the estimators are held
against one real step on an open model's copy, taken on its own graded replies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies
from doxa.lab.record import Recorder

if TYPE_CHECKING:
    from doxa.training.entropy_weights.regimes import Regimes

SLUG = "steer-rlvr"
ON_TABLES = ("actions", "draws", "step")
SIZES = ("base_steps", "steps", "group", "evaluate_every", "samples", "network_rollouts", "network_step")
REGIMES = ("lambdas", "main", "rate", "slower", "mini_batches", "quadrants", "baselines")
ASKED = ("subject", "questions", "asked", "replies", "max_tokens", "length")
PARTS = {
    "embedded": ("the embedded experiments, without a subject", ("seeds", *ON_TABLES, *SIZES, *REGIMES)),
    "subject": ("a subject's own step", ASKED),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    SLUG,
    paper="arXiv:2510.10150",
    room="training",
    claim="weights that fall with a token's estimated entropy change keep the policy's entropy",
    presets={
        "quick": {
            "seeds": 2,
            "draws": 1000,
            "steps": 16,
            "evaluate_every": 4,
            "samples": 8,
            "lambdas": (0.5,),
            "slower": (0.25,),
            "quadrants": (),
            "baselines": False,
        },
        "paper": {"seeds": 10},
    },
)
class Config:
    """The settings of the embedded experiments and of a step on a subject."""

    seed: int = setting(0, "seed of the first replicate")
    seeds: int = setting(8, "networks, each with tables of its own", unit="seeds", minimum=1)
    actions: tuple[int, ...] = setting((8, 64, 1000), "actions of a softmax table's row", minimum=2)
    draws: int = setting(2000, "rows of each table", unit="rows", minimum=3)
    step: float = setting(1e-3, "step on a table's logits", minimum=1e-9)
    base_steps: int = setting(600, "steps on demonstrations", unit="steps", minimum=1)
    steps: int = setting(120, "rollouts of reinforcement", unit="steps", minimum=1)
    group: int = setting(8, "responses to each prompt", unit="responses", minimum=2, paper=8)
    mini_batches: int = setting(4, "updates of a rollout", unit="updates", minimum=1, paper=16)
    rate: float = setting(1e-3, "learning rate of Adam", minimum=0, paper=1e-6)
    evaluate_every: int = setting(8, "steps between evaluations", unit="steps", minimum=1)
    samples: int = setting(32, "responses to each prompt in an evaluation", unit="responses", minimum=2)
    network_rollouts: int = setting(4, "mini-batches on which one real step is measured", minimum=1)
    network_step: float = setting(0.001, "learning rate of that step of plain gradient descent", minimum=1e-9)
    lambdas: tuple[float, ...] = setting(
        (0.3, 0.5, 0.8), "smallest weights of the exact estimator", minimum=0.01, maximum=1, paper=0.8
    )
    main: float = setting(
        0.5, "the smallest weight that claims are about, one of them", minimum=0.01, maximum=1
    )
    slower: tuple[float, ...] = setting(
        (0.5, 0.25, 0.1), "factors of the rate for plain GRPO", minimum=1e-3, maximum=1
    )
    quadrants: tuple[float, ...] = setting(
        (0.5, 2.0), "weights of one quadrant's tokens at a time; empty leaves that out", minimum=0
    )
    baselines: bool = setting(True, "whether other remedies are trained too")
    subject: str = setting(
        "", "address of an open model whose copy is stepped on; empty runs the embedded experiments"
    )
    questions: str = setting(
        "gsm8k",
        "gsm8k (doxa data get steer-rlvr), or a file of questions: JSON lines of prompt and answer, Parquet",
    )
    asked: int = setting(16, "questions asked", unit="questions", minimum=2, paper=512)
    replies: int = setting(8, "replies to each", unit="replies", minimum=2, paper=8)
    max_tokens: int = setting(256, "longest reply", unit="tokens", minimum=1, paper=3072)
    length: float = setting(
        1e-6, "of the step, as a share of the norm of all weights", minimum=1e-12, maximum=1
    )


def cells(config: Config) -> Iterable[Cell]:
    """Yield the tables and the network of each seed, or the subject's step."""
    studies.get(SLUG).refuse_unused(config, PARTS, "subject" if config.subject else "embedded")
    if config.subject:
        yield _subject_cell(config)
        return
    if config.main not in config.lambdas:
        raise InputError(f"main={config.main}: must be one of lambdas={config.lambdas}")
    for seed in range(config.seed, config.seed + config.seeds):
        yield Cell("tables", seed, ON_TABLES)
        yield Cell("training", seed, (*SIZES, *REGIMES))


def _subject_cell(config: Config) -> Cell:
    """Read the questions now, so that what is wrong with them is said before anything is written."""
    from doxa.lab.files import sha256
    from doxa.worlds.graded_questions import read_questions

    file = _file_of(config.questions)
    read_questions(file)
    content: dict[str, Json] = {"content": sha256(file.read_bytes())}
    return Cell("subject", config.seed, ASKED, content, subjects=(config.subject,))


def _file_of(questions: str) -> Path:
    from doxa.lab.data import locate

    return locate(SLUG) / "gsm8k_test.parquet" if questions == "gsm8k" else Path(questions).expanduser()


def regimes_of(config: Any) -> Regimes:
    """Return what is trained side by side."""
    from doxa.training.entropy_weights.regimes import Regimes

    return Regimes(**{name: getattr(config, name) for name in REGIMES})


def run(cell: Cell, ctx: Context) -> Tables:
    """Hold estimators against tables, or train one network in every regime."""
    from doxa.training.entropy_weights.record import Sizes, record_tables, record_training

    config, recorder = ctx.config, ctx.recorder()

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if cell.subjects:
        _run_subject(cell, ctx, recorder, progress)
    elif cell.condition == "tables":
        record_tables(recorder, cell.seed, config.actions, config.draws, config.step, progress)
    else:
        sizes = Sizes(**{name: getattr(config, name) for name in SIZES})
        record_training(recorder, cell.seed, regimes_of(config), sizes, progress, ctx.parts.folder)
    return recorder.tables()


def _run_subject(
    cell: Cell, ctx: Context, recorder: Recorder, progress: Callable[[float, str], None]
) -> None:
    from doxa.training.entropy_weights.real_updates import SubjectPlan, record_subject
    from doxa.worlds.graded_questions import read_questions

    config = ctx.config
    plan = SubjectPlan(config.asked, config.replies, config.max_tokens, config.length)
    questions = read_questions(_file_of(config.questions))
    record_subject(recorder, ctx.subject(config.subject), questions, plan, cell.seed, progress)


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge estimators, weights and controls by the spec's bounds, and measure what is left open."""
    if config.subject:
        from doxa.training.entropy_weights.subject_report import subject_findings

        return subject_findings(tables)
    from doxa.training.entropy_weights.report import entropy_weights_findings

    return entropy_weights_findings(tables, regimes_of(config))


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw estimates, training, the frontier, quadrants and weights."""
    if config.subject:
        from doxa.training.entropy_weights.subject_report import subject_figures

        return subject_figures(tables)
    from doxa.training.entropy_weights.pictures import entropy_weights_figures

    return entropy_weights_figures(tables, regimes_of(config))
