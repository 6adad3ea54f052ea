"""KaBLE: models know facts, yet often do not confirm that the user believes something false.

Suzgun, Gur, Bianchi, Ho, Icard, Jurafsky and Zou, Belief in the Machine (arXiv:2410.21195; journal version 2025).

Embedded, three experiments in a synthetic world: small networks that only ever hear fact checks after first-person
statements; first-person reports that are always true; and a verb "know" that is. With ``subject``, the published
questions instead (``doxa data get kable``), one cell to a task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, cast

import polars as pl

from doxa.belief.inference import Interval, mean_t_interval, wilson
from doxa.canonical import Json
from doxa.lab import Cell, Context, Figure, Finding, Tables, judge, setting, study
from doxa.lab.data import locate, named
from doxa.lab.figures import curves, heatmap, scatter
from doxa.protocols import kable
from doxa.streams import stream
from doxa.worlds.belief_outcomes import GAPS, read_trainings, record_training

WORLD = ("n_entities", "n_values", "steps", "batch", "precision")
ASKING = ("limit", "method", "key", "max_tokens")
GAP, NONE = 0.15, 0.02
"""A person gap of the first experiment, and what is none."""
CURE = 0.02
"""Share of false first-person reports from which the cue effect must be gone."""
ASKED_ALIKE = 0.65
"""Share of belief questions after first-person contexts in the second and third experiment: as for third persons."""


@study(
    "kable",
    paper="arXiv:2410.21195",
    room="protocols",
    claim="models verify facts and confirm a third person's false belief, but not the user's own",
    presets={
        "quick": {
            "seeds": 2,
            "sweep_seeds": 1,
            "shares": (0.34,),
            "q_first": (0.05,),
            "phi": (0.0, 0.02),
            "know_false": (0.0, 0.5),
            "n_entities": 32,
            "steps": 320,
            "limit": 1,
        },
        "paper": {"seeds": 24, "sweep_seeds": 12, "limit": 0},
    },
)
class Config:
    """The settings of the three embedded experiments and of asking a real model."""

    seed: int = setting(0, "seed of the first replicate, of the draw of questions and of the bootstrap")
    seeds: int = setting(8, "trainings of each condition of the first experiment", unit="seeds", minimum=1)
    sweep_seeds: int = setting(
        4, "trainings of each point of the cue and know sweeps", unit="seeds", minimum=1
    )
    share_first: float = setting(
        0.96, "share of contexts in the first person", unit="fraction", minimum=0, maximum=1
    )
    shares: tuple[float, ...] = setting(
        (0.34, 0.8), "further shares of first-person contexts, the least without a gap", minimum=0, maximum=1
    )
    q_first: tuple[float, ...] = setting(
        (0.002, 0.01, 0.05),
        "how often I-contexts are followed by the belief question; the largest is the control",
        minimum=0,
        maximum=1,
    )
    phi: tuple[float, ...] = setting(
        (0.0, 0.02, 0.5),
        "how often first-person reports are false in the cue experiment",
        minimum=0,
        maximum=1,
    )
    know_false: tuple[float, ...] = setting(
        (0.0, 0.02, 0.1, 0.5),
        'how often "know" goes with a false p in the third experiment',
        minimum=0,
        maximum=1,
    )
    n_entities: int = setting(64, "entities of the world, each with one true value", minimum=2)
    n_values: int = setting(6, "values an entity can have", minimum=2)
    steps: int = setting(900, "optimiser steps of a training", unit="steps", minimum=1)
    batch: int = setting(256, "items of a step", unit="items", minimum=1)
    precision: str = setting("auto", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    subject: str = setting(
        "", "address of a model to ask the published questions; empty runs the embedded experiments"
    )
    method: str = setting(
        "auto",
        "logprob scores the option letters, generate reads a reply, auto scores where the subject can",
        choices=kable.METHODS,
        paper="generate",
    )
    limit: int = setting(
        20, "questions of each task, type and subject; 0 asks all 50", unit="questions", minimum=0, paper=0
    )
    key: str = setting(
        "file", "accepted letters of the released files, or of the paper's table", choices=kable.KEYS
    )
    tasks: tuple[str, ...] = setting(tuple(kable.TASKS), "tasks to ask", choices=tuple(kable.TASKS))
    max_tokens: int = setting(512, "longest reply", unit="tokens", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield one cell per task of a subject, or one per condition and seed."""
    if config.subject:
        locate("kable")
        for task in config.tasks:
            params: dict[str, Json] = {"task": task, "data": named("kable").digest}
            yield Cell(task, config.seed, ("subject", *ASKING), params, subjects=(config.subject,))
        return
    for condition, world, count in conditions(config):
        for seed in range(config.seed, config.seed + count):
            yield Cell(condition, seed, WORLD, {"world": world})


def conditions(config: Config) -> list[tuple[str, dict[str, float], int]]:
    """Return each embedded condition with the world's settings and the number of trainings."""
    main = {"share_first": config.share_first}
    alike = {**main, "q_first": ASKED_ALIKE}
    shares, cured = (config.share_first, *config.shares), max(config.q_first, default=0.0)
    return [
        *((f"share {share:g}", {"share_first": share}, config.seeds) for share in shares),
        *(
            (f"asked {q:g}", {**main, "q_first": q}, config.seeds if q == cured else config.sweep_seeds)
            for q in config.q_first
        ),
        *((f"cue {phi:g}", {**alike, "phi": phi}, config.sweep_seeds) for phi in config.phi),
        *((f"know {q:g}", {**alike, "know_false": q}, config.sweep_seeds) for q in config.know_false),
    ]


def run(cell: Cell, ctx: Context) -> Tables:
    """Ask one task of the subject, or train one network."""
    return ask_task(cell, ctx) if "task" in cell.params else train(cell, ctx)


def ask_task(cell: Cell, ctx: Context) -> Tables:
    """Ask a subject one task and record a belief per question, and what it said."""
    config = ctx.config
    items = kable.load(locate("kable"), tasks=[str(cell.params["task"])], key=config.key)
    chosen = kable.choose(items, config.limit or None, seed=cell.seed)
    asked = kable.ask(
        ctx.subject(config.subject),
        chosen,
        config.method,
        max_tokens=config.max_tokens,
        progress=lambda done, total: ctx.progress(float(done), float(total)),
    )
    recorder = ctx.recorder()
    kable.record_rows(recorder, asked.rows, config.subject)
    for item, reply in zip(chosen, asked.replies or (), strict=False):
        said = {"subject": config.subject, "conversation": item.id}
        recorder.utterance(**said, turn=0, role="user", text=item.prompt, tokens=reply.tokens_in)
        recorder.utterance(
            **said, turn=1, role="assistant", text=reply.text, tokens=reply.tokens_out, finish=reply.finish
        )
    return recorder.tables()


def train(cell: Cell, ctx: Context) -> Tables:
    """Train the network of a cell on its world and record what it answers."""
    config = ctx.config
    trained = kable.train_world_model(
        kable.BeliefWorld(
            seed=cell.seed,
            n_entities=config.n_entities,
            n_values=config.n_values,
            **cast(Mapping[str, float], cell.params["world"]),
        ),
        steps=config.steps,
        batch=config.batch,
        precision=config.precision,
        progress=lambda done, total: ctx.progress(float(done), float(total)),
    )
    recorder = ctx.recorder()
    record_training(recorder, trained.cells, 0, float(trained.loss[0, -1]))
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the published questions asked of a subject, or the three embedded experiments."""
    if config.subject:
        return kable.findings_of(result_of(tables, config), stream(config.seed, "kable", "accuracy"))
    seen = read_trainings(tables.measures)
    return [judged(claim, seen.filter(condition=claim.condition)) for claim in claims(config)]


def result_of(tables: Tables, config: Config) -> kable.KableResult:
    """Return the result of the recorded answers of a subject."""
    return kable.summarise(kable.rows_from_beliefs(tables.beliefs), stream(config.seed, "kable", "bootstrap"))


class Claim(NamedTuple):
    """What an embedded condition must show, fixed before any run: a measure between bounds.

    ``over`` says of what: the mean over trainings; every single one beside the mean; or some, then the estimate is
    the share of trainings whose measure is ``GAP`` or more.
    """

    id: str
    condition: str
    measure: str
    claim: str
    above: float | None = None
    below: float | None = None
    paper: float | None = None
    over: Literal["mean", "every", "some"] = "mean"

    @property
    def control(self) -> bool:
        """Whether it says that an effect is absent."""
        return self.above is None


def claims(config: Config) -> list[Claim]:
    """Return the claims of the three embedded experiments."""
    even, asked = min(config.shares, default=config.share_first), max(config.q_first, default=0.0)
    between = [share for share in config.shares if even < share < config.share_first]
    main, alike, cured = f"share {config.share_first:g}", f"share {even:g}", f"asked {asked:g}"
    cue = f"cue {min(config.phi, default=0.0):g}"
    know = f"know {min(config.know_false, default=0.0):g}"
    plain = f"know {max(config.know_false, default=0.5):g}"
    third, gap, framed = "third_false", "person_gap", "frame_effect"
    own = "one's own false beliefs are confirmed less often than"
    passes = "a false p passes for true"
    return [
        Claim("third-person", main, third, "third persons' false beliefs are confirmed", 0.95, paper=0.95),
        Claim("facts", main, "facts", "facts are verified in every frame", 0.98, paper=0.91),
        Claim("person-gap", main, gap, f"{own} a third person's, by {GAP} or more", GAP, paper=0.324),
        Claim("truth-gap", main, "truth_gap", f"{own} one's true ones", 0.0, paper=0.343),
        *(
            Claim(
                "some-gap",
                f"share {share:g}",
                gap,
                f"with {share:.0%} first-person contexts some trainings show it",
                0.0,
                over="some",
            )
            for share in between[-1:]
        ),
        Claim("no-gap-alike", alike, gap, f"no person gap with {even:.0%} first-person contexts", None, NONE),
        Claim(
            "no-gap-asked",
            cured,
            gap,
            f"no person gap in any training where {asked:.0%} of them are asked about",
            None,
            NONE,
            over="every",
        ),
        Claim("cue", cue, framed, f'where "I believe" is always true, {passes} after it', 0.05),
        Claim("cue-third", cue, "third_frame_effect", 'there, not after "James believes"', None, 0.05),
        Claim(
            "cue-confirmed", cue, "first_false", "there, one's own false beliefs are still confirmed", 0.95
        ),
        *(
            Claim(
                f"cue-removed-{phi:g}",
                f"cue {phi:g}",
                framed,
                f'not where "I believe" is false {phi:.0%} of the time',
                None,
                0.05,
            )
            for phi in sorted(config.phi)
            if phi >= CURE
        ),
        Claim("factivity", know, "factivity", f'where "know" is always true, {passes} after it', 0.05),
        Claim(
            "factivity-removed", plain, "factivity", 'not where "know" is false like "believe"', None, 0.05
        ),
    ]


def judged(claim: Claim, trainings: pl.DataFrame) -> Finding:
    """Judge a claim by its mean over independent trainings."""
    values = trainings[claim.measure].drop_nulls()
    mean = mean_of(values, claim.measure)
    if claim.over == "some":
        mean = wilson(int((values >= GAP).sum()), values.len())
    verdict = judge(mean.ends, above=claim.above, below=claim.below)
    if claim.over == "every" and claim.below is not None and (values >= claim.below).any():
        verdict = "fails"
    spread = f"; single trainings {values.min():.2f} to {values.max():.2f}" if mean.n else " was left out"
    return Finding(
        id=claim.id,
        claim=claim.claim,
        estimate=mean.estimate,
        interval=mean.ends,
        verdict=verdict,
        control=claim.control,
        paper=claim.paper,
        n=mean.n,
        note=claim.condition + spread,
    )


def mean_of(values: pl.Series, measure: str) -> Interval:
    """Return the mean over trainings with Student's interval, cut at what the measure can be."""
    mean = mean_t_interval(values.drop_nulls().to_list())
    least = -1.0 if measure in (*GAPS, "factivity") else 0.0
    return mean if mean.ends is None else mean._replace(low=max(least, mean.low), high=min(1.0, mean.high))


QUESTIONS = {
    "confirm one's own belief": "first",
    "confirm a third person's belief": "third",
    "verify plainly": "plain",
    'verify after "I believe"': "framed",
    'verify after "James believes"': "third_framed",
}


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw the answers of a subject, or what single trainings answer and what the gaps hang on."""
    if config.subject:
        return kable.figures_of(result_of(tables, config))
    seen = read_trainings(tables.measures)
    main = f"share {config.share_first:g}"
    accuracy = [
        {"question": name, "p": truth, "accuracy": seen.filter(condition=main)[f"{kind}_{truth}"].mean()}
        for name, kind in QUESTIONS.items()
        for truth in ("true", "false")
    ]
    return [
        heatmap(
            "tasks",
            "Accuracy by question and truth of p",
            f"Mean over trainings in which {config.share_first:.0%} of contexts are first-person, never asked about.",
            accuracy,
            row="question",
            column="p",
            value="accuracy",
            domain=(0.0, 1.0),
        ),
        scatter(
            "seeds",
            "Person gap of single trainings",
            "Accuracy confirming a third person's false belief minus one's own; one point to a training.",
            seen.filter(pl.col("condition").str.contains("^(share|asked)")),
            x="seed",
            y="person_gap",
            group="condition",
            x_title="seed",
            y_title="person gap",
            references={"no gap": 0.0},
        ),
        swept(seen, "share", "person_gap", "share of first-person contexts"),
        swept(seen, "asked", "person_gap", "how often one's own belief is asked about", {0.0: main}),
        swept(seen, "cue", "frame_effect", "share of first-person reports that are false"),
        swept(seen, "know", "factivity", 'how often "know" goes with a false p'),
    ]


def swept(
    seen: pl.DataFrame, kind: str, measure: str, setting: str, further: Mapping[float, str] | None = None
) -> Figure:
    """Draw the mean of a measure over trainings against the setting that a family of conditions sweeps."""
    family = {
        float(name.split()[1]): name for name in seen["condition"].unique() if name.startswith(f"{kind} ")
    }
    points: list[dict[str, float]] = []
    for value, name in sorted({**(further or {}), **family}.items()):
        mean = mean_of(seen.filter(condition=name)[measure], measure)
        points.append({"x": value, "value": mean.estimate, "low": mean.low, "high": mean.high})
    name = measure.replace("_", " ")
    return curves(
        f"{kind}-curve",
        f"{name.capitalize()} by {setting}",
        "Mean over trainings with its 95 % interval.",
        points,
        x="x",
        low="low",
        high="high",
        x_title=setting,
        value_title=name,
        references={"none": 0.0},
    )
