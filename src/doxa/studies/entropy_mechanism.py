"""The entropy mechanism: performance is bought with policy entropy, which falls with a covariance that few tokens make.

Cui, Zhang, Chen, Yuan, ... and Ding, The Entropy Mechanism of Reinforcement Learning for Reasoning Language Models
(arXiv:2505.22617).

Embedded: the covariance theorem on exact tables; small transformers trained by group-relative policy optimisation with
the published remedies at several ratios, slower training beside them, and controls, all methods of a seed as one
stack. With ``log``, a training log of yours: its law, its forecast ceiling, warnings. With ``dump``, a rollout of
yours: the tokens that spend its entropy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies

SLUG = "entropy-mechanism"
Part: TypeAlias = Literal["embedded", "log", "dump"]
EXPERIMENTS = ("tables", "training")
SIZES = ("steps", "base_steps", "group", "evaluate_every", "samples")
RATIOS = ("rate", "slower", "clip_high", "kl_fractions", "clip_ratios", "band", "bonus", "mini_batches")
TRAINING = (*SIZES, *RATIOS)
COLUMNS = ("step_column", "entropy_column", "score_column")
LOG = ("log", *COLUMNS, "fraction", "target")
DUMP = ("dump", "tokenizer", "listed")
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": ("the embedded experiments", ("seeds", "parts", *TRAINING)),
    "log": ("a training log", LOG),
    "dump": ("a dump of a rollout", DUMP),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    SLUG,
    paper="arXiv:2505.22617",
    room="training",
    claim="performance is bought with policy entropy, R = -a·exp(H) + b, and few tokens of high covariance spend it",
    presets={
        "quick": {
            "seeds": 1,
            "steps": 40,
            "evaluate_every": 4,
            "samples": 16,
            "slower": (0.25,),
            "kl_fractions": (0.02,),
            "clip_ratios": (0.05,),
        },
        "paper": {"seeds": 12, "steps": 400},
    },
)
class Config:
    """The settings of the embedded experiments, of reading a log and of reading a dump."""

    seed: int = setting(0, "seed of the first replicate, and of resamples")
    seeds: int = setting(12, "replicates: a base and all methods from it", unit="seeds", minimum=1)
    parts: tuple[str, ...] = setting(EXPERIMENTS, "which embedded experiments to run", choices=EXPERIMENTS)
    steps: int = setting(120, "rollouts of each method", unit="steps", minimum=6, paper=2500)
    base_steps: int = setting(600, "optimiser steps of the base", unit="steps", minimum=1)
    group: int = setting(8, "responses to each prompt", minimum=2, paper=8)
    mini_batches: int = setting(4, "updates made of one rollout", minimum=2, paper=8)
    evaluate_every: int = setting(8, "steps between evaluations", unit="steps", minimum=1)
    samples: int = setting(32, "responses to each prompt in an evaluation", minimum=2)
    rate: float = setting(1e-3, "learning rate of all but slower GRPO", minimum=1e-9, paper=5e-7)
    slower: tuple[float, ...] = setting((0.5, 0.25, 0.1), "factors of the rate of slower GRPO", minimum=0)
    clip_high: float = setting(0.28, "ε above 1 of Clip-higher", minimum=0, paper=0.28)
    kl_fractions: tuple[float, ...] = setting(
        (0.002, 0.01, 0.02, 0.1), "shares of tokens that KL-Cov penalises", minimum=0, maximum=1, paper=0.002
    )
    clip_ratios: tuple[float, ...] = setting(
        (0.005, 0.02, 0.05), "shares of tokens that Clip-Cov clips", minimum=0, maximum=1, paper=0.0002
    )
    band: tuple[float, ...] = setting((0.5, 5.0), "bounds of the covariance of those", paper=(1.0, 5.0))
    bonus: float = setting(0.02, "c of the entropy bonus", minimum=0)
    log: tuple[str, ...] = setting(
        (),
        "training log: CSV, JSON lines, trainer_state.json, or TensorBoard event file or folder; several share steps",
    )
    step_column: str = setting("", "column of steps; empty guesses")
    entropy_column: str = setting("", "column of policy entropies in nats; empty guesses")
    score_column: str = setting("", "column of scores, better held out; empty guesses")
    fraction: float = setting(
        1 / 3,
        "of the scores, from the first on, that the forecast is made from",
        minimum=0.01,
        maximum=1,
        paper=0.15,
    )
    target: float | None = setting(
        None, "score the run is to reach; none asks whether its last scores can be beaten"
    )
    dump: str = setting("", "dump of a rollout: JSON lines, .safetensors or .npz with logp, adv, mask")
    tokenizer: str = setting(
        "", "folder or tokenizer.json that decodes the dump's tokens; empty shows them as they are"
    )
    listed: int = setting(20, "tokens of largest covariance to list", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for a log or a dump, or for each seed one of exact tables and one of all methods."""
    part: Part = "log" if config.log else "dump" if config.dump else "embedded"
    if config.log and config.dump:
        raise InputError("log and dump: give one of them; two runs compare no more than one each")
    studies.get(SLUG).refuse_unused(config, PARTS, part)
    if part == "log":
        yield _log_cell(config)
        return
    if part == "dump":
        yield _dump_cell(config)
        return
    _ratios(config)
    for seed in range(config.seed, config.seed + config.seeds):
        if "tables" in config.parts:
            yield Cell("tables", seed)
        if "training" in config.parts:
            yield Cell("training", seed, TRAINING)


def _log_cell(config: Config) -> Cell:
    """Read the log now, so that what is wrong with it is said before anything is written."""
    from doxa.training.logs import read_log, series_of
    from doxa.training.logs.reading import digest_of

    series_of(read_log(config.log, **_columns(config)))
    params: dict[str, Json] = {"content": digest_of(config.log)}
    return Cell("log", config.seed, LOG, params)


def _dump_cell(config: Config) -> Cell:
    from doxa.training.logs.reading import digest_of
    from doxa.training.rollout_dump import read_dump

    read_dump(config.dump, tokenizer=config.tokenizer)
    return Cell("dump", config.seed, DUMP, {"content": digest_of([config.dump])})


def _columns(config: Any) -> dict[str, str]:
    return {name.removesuffix("_column"): getattr(config, name) for name in COLUMNS}


def _ratios(config: Any) -> Any:
    from doxa.training.entropy_mechanism.methods import Ratios

    return Ratios(**{name: getattr(config, name) for name in RATIOS})


def run(cell: Cell, ctx: Context) -> Tables:
    """Read a log or a dump, take exact steps, or train all methods from one base."""
    config, recorder = ctx.config, ctx.recorder()
    if cell.condition == "log":
        from doxa.training.entropy_mechanism.log_study import LogQuestion, record_log
        from doxa.training.logs import read_log

        question = LogQuestion(config.fraction, config.target, cell.seed)
        record_log(recorder, read_log(config.log, **_columns(config)), question)
    elif cell.condition == "dump":
        from doxa.training.entropy_mechanism.dump_study import record_dump
        from doxa.training.rollout_audit import audit_rollout
        from doxa.training.rollout_dump import read_dump

        dump = read_dump(config.dump, tokenizer=config.tokenizer)
        record_dump(recorder, dump, audit_rollout(dump, most=config.listed, seed=cell.seed))
    elif cell.condition == "tables":
        from doxa.training.entropy_mechanism.exact_tables import record_tables

        record_tables(recorder, cell.seed)
    else:
        from doxa.training.entropy_mechanism.embedded import Sizes, record_training

        sizes = Sizes(**{name: getattr(config, name) for name in SIZES})
        record_training(
            recorder,
            cell.seed,
            sizes,
            _ratios(config),
            lambda share, note: ctx.progress(share, 1.0, note),
            ctx.parts.folder,
        )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge a log, a dump, or the embedded experiments."""
    if config.log:
        from doxa.training.entropy_mechanism.log_study import log_findings

        return log_findings(tables, config.target)
    if config.dump:
        from doxa.training.entropy_mechanism.dump_study import dump_findings

        return dump_findings(tables)
    from doxa.training.entropy_mechanism.embedded_report import embedded_findings
    from doxa.training.entropy_mechanism.methods import methods

    return embedded_findings(tables, methods(_ratios(config)))


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw a log, a dump, or the embedded experiments."""
    if config.log:
        from doxa.training.entropy_mechanism.pictures import log_figures

        return log_figures(tables)
    if config.dump:
        from doxa.training.entropy_mechanism.dump_study import dump_figures

        return dump_figures(tables)
    from doxa.training.entropy_mechanism.embedded_pictures import embedded_figures
    from doxa.training.entropy_mechanism.methods import methods

    return embedded_figures(tables, methods(_ratios(config)))
