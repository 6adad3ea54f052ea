"""Policy cliff: where optimal actions tie, the smallest change of a reward decides which policy is best.

Xingcheng Xu, The Policy Cliff: A Theoretical Analysis of Reward-Policy Maps in Large Language Models
(arXiv:2507.20150).

Embedded, on three levels: decision processes solved exactly; learners of a bandit; small language models. Softness
removes the cliff, and dividing advantages by their group's deviation brings it back. With ``subject`` or ``scores``,
an audit of rewards on sampled answers; with ``mdp``, of a decision process; with ``log``, of a training's groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.declaration import studies
from doxa.lab.record import Recorder

if TYPE_CHECKING:
    from doxa.training.reward_policy.files import Scored

Part: TypeAlias = Literal["embedded", "subject", "scores", "mdp", "log"]
Progress: TypeAlias = Callable[[float, str], None]
EXPERIMENTS = ("exact", "learners", "language")
EXACT = ("pairs", "cliffs")
LEARNT = ("group", "updates", "step")
LANGUAGE = ("pretraining", "policy_steps", "responses", "rate", "judged")
SCORED = ("noise", "alpha", "tie")
ASKED = ("prompts", "tasks", "samples", "bonus", "short", "temperature", "max_tokens")
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": (
        "the embedded experiments",
        ("seeds", "language_seeds", "parts", *EXACT, *LEARNT, *LANGUAGE),
    ),
    "subject": ("rewards on a subject's answers", ("subject", *ASKED, *SCORED)),
    "scores": ("scores of answers in a file", ("scores", "base", *SCORED)),
    "mdp": ("a decision process in a file", ("mdp", "alpha", "tie")),
    "log": ("groups in a training's log", ("log", "spread")),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "policy-cliff",
    paper="arXiv:2507.20150",
    room="training",
    claim="where actions tie an arbitrarily small change of reward flips the optimal policy; softness bounds the jump",
    presets={
        "quick": {
            "seeds": 4,
            "language_seeds": 2,
            "cliffs": 8,
            "pretraining": 150,
            "policy_steps": 25,
            "judged": 32,
            "tasks": 6,
            "samples": 6,
        },
        "paper": {"seeds": 48, "language_seeds": 12, "pairs": 10000},
    },
)
class Config:
    """The settings of the embedded experiments and of the audits."""

    seed: int = setting(0, "seed of the first replicate, of processes, learners, networks, noise and replies")
    seeds: int = setting(24, "replicates of the bandit learners", unit="seeds", minimum=2)
    language_seeds: int = setting(6, "networks that policies are trained from", unit="seeds", minimum=2)
    parts: tuple[str, ...] = setting(EXPERIMENTS, "which embedded experiments to run", choices=EXPERIMENTS)
    pairs: int = setting(
        1000, "random pairs of rewards, and processes of each control", unit="pairs", minimum=100
    )
    cliffs: int = setting(20, "processes with a tie of each width", unit="processes", minimum=2)
    group: int = setting(16, "samples of a bandit learner's update", minimum=2, paper=8)
    updates: int = setting(3000, "updates of a bandit learner", minimum=1)
    step: float = setting(0.05, "size of its gradient step", minimum=0)
    pretraining: int = setting(600, "steps of a network on demonstrations", unit="steps", minimum=1)
    policy_steps: int = setting(120, "steps of policy training", unit="steps", minimum=1)
    responses: int = setting(8, "responses to each prompt of a step", minimum=2, paper=8)
    rate: float = setting(1e-3, "learning rate of policy training", minimum=0, paper=1e-6)
    judged: int = setting(64, "responses to each prompt by which a policy is judged", minimum=1)
    subject: str = setting("", "address of a model whose answers are scored; empty asks none")
    prompts: str = setting(
        "shipped", "what it is asked: shipped, or a file of JSON lines with prompt and answer"
    )
    tasks: int = setting(31, "prompts it is asked", unit="prompts", minimum=1)
    samples: int = setting(16, "answers to each prompt", unit="answers", minimum=2)
    bonus: float = setting(0.01, "added to or taken from the reward of short answers", minimum=0)
    short: int = setting(
        5, "longest answer that counts as short: digits of a shipped task, words of a user's", minimum=1
    )
    temperature: float = setting(1.0, "of its answers", minimum=0)
    max_tokens: int = setting(64, "longest answer", unit="tokens", minimum=1)
    scores: str = setting("", "file of JSON lines with prompt, answer and scores by reward model")
    base: str = setting("", "reward model that is changed; empty takes the first")
    noise: tuple[float, ...] = setting(
        (0.01, 0.1, 0.5), "sizes of the noise on scores", unit="standard deviations of the scores", minimum=0
    )
    mdp: str = setting("", "file of a decision process: JSON with P, R and gamma")
    log: str = setting("", "file of a training's tie_rate by step, or of rewards by step and group")
    alpha: float = setting(
        0.1,
        "temperature of soft selection, in standard deviations of the scores, or of soft policies",
        minimum=1e-6,
    )
    tie: float = setting(1e-9, "values or scores that differ by no more count as equal", minimum=0)
    spread: float = setting(
        0.05, "deviation of a group's rewards below which dividing by it amplifies", minimum=1e-12
    )


def part_of(config: Any) -> Part:
    """Return which part of the study a config asks for.

    Raises:
        InputError: it asks for several.
    """
    wanted: list[Part] = [name for name in PARTS if name != "embedded" and getattr(config, name)]
    if len(wanted) > 1:
        raise InputError(f"{' and '.join(wanted)}: are audited apart; give one of them")
    return wanted[0] if wanted else "embedded"


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for what is exact, one for each replicate that learns, or that of an audit."""
    part = part_of(config)
    studies.get("policy-cliff").refuse_unused(config, PARTS, part)
    if part == "subject":
        yield Cell(
            part, config.seed, ("subject", *ASKED, *SCORED), _read_params(config), subjects=(config.subject,)
        )
    elif part != "embedded":
        yield Cell(part, config.seed, PARTS[part][1], _read_params(config))
    else:
        if "exact" in config.parts:
            yield Cell("exact", config.seed, EXACT)
        if "learners" in config.parts:
            for seed in range(config.seed, config.seed + config.seeds):
                yield Cell("learners", seed, LEARNT)
        if "language" in config.parts:
            for seed in range(config.seed, config.seed + config.language_seeds):
                yield Cell("language", seed, LANGUAGE)


def _read_params(config: Config) -> dict[str, Json]:
    """Return what tells the files that are read from what was in them before; malformed ones are refused here."""
    from doxa.training.reward_policy import files

    part = part_of(config)
    if part == "scores":
        from doxa.training.reward_policy.audit_study import base_of

        base_of(files.read_scores(config.scores), config.base)
        return {"file": files.content_digest(config.scores)}
    if part == "mdp":
        files.read_process(config.mdp)
        return {"file": files.content_digest(config.mdp)}
    if part == "log":
        files.read_tie_rates(config.log, config.spread)
        from doxa.training.logs.reading import digest_of

        return {"file": digest_of([config.log])}
    if config.prompts == "shipped":
        return {}
    files.read_prompts(config.prompts)
    return {"file": files.content_digest(config.prompts)}


def run(cell: Cell, ctx: Context) -> Tables:
    """Solve, learn, train, or audit."""
    recorder = ctx.recorder()

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    if cell.condition in ("exact", "learners", "language"):
        _experiment(cell, ctx, recorder, progress)
    else:
        _audit(cell, ctx, recorder, progress)
    return recorder.tables()


def _experiment(cell: Cell, ctx: Context, recorder: Recorder, progress: Progress) -> None:
    config = ctx.config
    if cell.condition == "exact":
        from doxa.training.reward_policy.exact_study import record_exact

        record_exact(recorder, cell.seed, config.pairs, config.cliffs, progress)
    elif cell.condition == "learners":
        from doxa.training.reward_policy.bandit_learner import Bandit
        from doxa.training.reward_policy.learners_study import record_learners

        record_learners(
            recorder, cell.seed, Bandit(group=config.group, updates=config.updates, step=config.step)
        )
    else:
        from doxa.training.reward_policy.language import Sizes, record_language

        sizes = Sizes(config.pretraining, config.policy_steps, config.responses, config.rate, config.judged)
        record_language(recorder, cell.seed, sizes, progress, ctx.parts.folder)


def _audit(cell: Cell, ctx: Context, recorder: Recorder, progress: Progress) -> None:
    from doxa.training.reward_policy import audit_study, files

    config = ctx.config
    if cell.condition == "mdp":
        from doxa.training.reward_policy.process_study import record_process

        record_process(recorder, files.read_process(config.mdp), config.alpha, config.tie, cell.seed)
        return
    if cell.condition == "log":
        audit_study.record_tie_rates(recorder, files.read_tie_rates(config.log, config.spread))
        return
    found = (
        files.read_scores(config.scores)
        if cell.condition == "scores"
        else _sampled(cell, ctx, recorder, progress)
    )
    told: dict[str, Any] = {"noise": config.noise, "alpha": config.alpha, "tol": config.tie}
    if found is not None:
        base = config.base if cell.condition == "scores" else ""
        audit_study.record_audit(recorder, found, base=base, seed=cell.seed, **told)


def _sampled(cell: Cell, ctx: Context, recorder: Recorder, progress: Progress) -> Scored | None:
    from doxa.subjects.base import Capability, Sampling, require
    from doxa.training.reward_policy.sampled import AuditPlan, sample_and_score

    config = ctx.config
    subject = ctx.subject(config.subject)
    require(subject, Capability.REPLY)
    plan = AuditPlan(
        sampling=Sampling(config.temperature, config.max_tokens, seed=cell.seed),
        **{name: getattr(config, name) for name in ("prompts", "tasks", "samples", "bonus", "short")},
    )
    return sample_and_score(recorder, subject, plan, cell.seed, ctx.parts, progress)


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the levels against the spec's bounds, or what an audit found."""
    part = part_of(config)
    if part == "embedded":
        from doxa.training.reward_policy.embedded_report import embedded_findings

        return embedded_findings(tables, config.parts)
    from doxa.training.reward_policy.audit_report import audit_findings

    return audit_findings(tables, part)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw stairs and smooth curves on each level and the map of ties, or what an audit found."""
    if part_of(config) == "embedded":
        from doxa.training.reward_policy.pictures import embedded_figures

        return embedded_figures(tables)
    from doxa.training.reward_policy.audit_pictures import audit_figures

    return audit_figures(tables)
