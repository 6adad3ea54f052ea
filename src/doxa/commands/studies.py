"""Studies: list them, run them, simulate scenarios."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

import typer

from doxa.commands import completion
from doxa.commands.expecting import print_expected, print_work, refuse_prompts
from doxa.commands.options import (
    Affect,
    AsJson,
    DryRun,
    Executor,
    ExecutorOfSome,
    Fresh,
    MaxCalls,
    MaxTokens,
    Out,
    Preset,
    Prompts,
    RayAddress,
    Seed,
    Seeds,
    Set,
    SubjectAddress,
    Workers,
    executor_of,
    settings_of,
    subject_of,
)
from doxa.commands.printing import print_json, say, table
from doxa.errors import InputError


def list_studies(*, as_json: AsJson = False) -> None:
    """List the studies."""
    from doxa.lab.listing import listed_studies

    known = listed_studies()
    if as_json:
        print_json([study._asdict() for study in known])
    else:
        table(("study", "room", "paper", "claim"), [(s.slug, s.room, s.paper, s.claim) for s in known])


def run(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Studies to run: slugs or paths of Python files.",
            autocompletion=completion.study_slugs,
        ),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Run every study that can run on its defaults.")
    ] = False,
    preset: Preset = "embedded",
    settings: Set = None,
    seed: Seed = None,
    seeds: Seeds = None,
    subject: SubjectAddress = None,
    affect: Affect = None,
    out: Out = Path("runs"),
    executor: ExecutorOfSome = None,
    ray_address: RayAddress = None,
    workers: Workers = None,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    dry_run: DryRun = False,
    prompts: Prompts = None,
    as_json: AsJson = False,
) -> None:
    """Run studies, or finish interrupted ones: only missing cells are computed.

    Several studies share one pool of processes; what they found is gathered in index.html and board.json.
    """
    from doxa.lab.declaration import studies

    if everything and slugs:
        raise InputError(f"{slugs[0]} --all: --all runs every study; give studies or --all, not both")
    chosen = (
        [slug for slug in studies.names() if not studies.get(slug).required] if everything else slugs or []
    )
    if not chosen:
        raise InputError("no study named; give a slug, --all, or see: doxa list")
    several = everything or len(chosen) > 1
    runner = functools.partial(_run_several, chosen) if several else functools.partial(_run_one, chosen[0])
    runner(
        preset=preset,
        overrides=settings_of(settings, seed=seed, seeds=seeds, subject=subject_of(subject, affect)),
        out=out,
        executor=executor_of(executor or ("processes" if several else "inline"), ray_address),
        workers=workers,
        fresh=fresh,
        most=(max_calls, max_tokens),
        dry_run=dry_run,
        prompts=prompts,
        as_json=as_json,
    )


def simulate(
    scenario: Annotated[
        str,
        typer.Argument(
            help="opinion, epidemic, fps, herd, or a Python file of your own.",
            autocompletion=completion.scenarios,
        ),
    ],
    *,
    agents: Annotated[int | None, typer.Option("--agents", help="Size of the population.")] = None,
    days: Annotated[int | None, typer.Option("--days", help="How long.")] = None,
    graph: Annotated[
        str | None, typer.Option("--graph", help="Who meets whom: ba?m=5, file:PATH, well-mixed, ...")
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Write every figure as SVG beside the report.")
    ] = False,
    preset: Preset = "embedded",
    settings: Set = None,
    seed: Seed = None,
    seeds: Seeds = None,
    subject: SubjectAddress = None,
    out: Out = Path("runs"),
    executor: Executor = "inline",
    ray_address: RayAddress = None,
    shards: Annotated[
        int | None,
        typer.Option(
            "--shards", help="With --executor ray: parts that each population is run in, a core each."
        ),
    ] = None,
    workers: Workers = None,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    dry_run: DryRun = False,
    prompts: Prompts = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a population and show it: shares over days, the spread of opinions, the network, day by day."""
    from doxa.society.scenarios import in_shards, overrides_of, study_of

    given = overrides_of(scenario, agents=agents, days=days, graph=graph, subject=subject_of(subject))
    with in_shards(scenario, shards, executor_of(executor, ray_address)) as computing:
        _run_one(
            study_of(scenario),
            preset=preset,
            overrides=settings_of(settings, seed=seed, seeds=seeds, **given),
            out=out,
            executor=computing,
            workers=workers,
            fresh=fresh,
            most=(max_calls, max_tokens),
            dry_run=dry_run,
            prompts=prompts,
            as_json=as_json,
            plot=plot,
        )


def _run_several(
    slugs: list[str],
    *,
    preset: str,
    overrides: dict[str, Any],
    out: Path,
    most: tuple[int | None, int | None],
    dry_run: bool,
    prompts: Path | None,
    as_json: bool,
    workers: int | None,
    **how: Any,
) -> None:
    """Run studies in one pool, write the board of what they found and print it, or only say what they would do."""
    from doxa.lab.several.board import gather, write_board
    from doxa.lab.several.running import failure, plan_studies, run_studies
    from doxa.lab.several.shown import show_board, summary
    from doxa.lab.several.standing import default_display
    from doxa.lab.terminal import print_text
    from doxa.subjects.budget import Budget

    budget = Budget.of(*most)
    plans, not_run = plan_studies(slugs, preset=preset, overrides=overrides)
    for one in not_run:
        say(one.text())
    if dry_run:
        print_work(plans, not_run, out, prompts, workers=workers, as_json=as_json)
        return
    refuse_prompts(prompts)
    ended = run_studies(plans, out=out, workers=workers, display=default_display(), budget=budget, **how)
    board = gather(
        out,
        chosen={todo.study.slug: todo.name for todo in plans},
        states={one.slug: one.told for one in (*ended, *not_run) if one.result is None},
    )
    index = write_board(board, out)
    if as_json:
        print_json(summary(board, [*ended, *not_run], index))
    else:
        print_text(show_board(board, only=[one.slug for one in (*ended, *not_run)]).as_text())
        say(f"board  {index}")
    if (error := failure([*ended, *not_run])) is not None:
        raise error


def _run_one(
    slug: str,
    *,
    preset: str,
    overrides: dict[str, Any],
    out: Path,
    most: tuple[int | None, int | None],
    dry_run: bool,
    prompts: Path | None,
    as_json: bool,
    plot: bool = False,
    **how: Any,
) -> None:
    """Run a study and print what it found, or only what it would ask."""
    from doxa.lab.progress import default_meter
    from doxa.lab.run import plan, run_study
    from doxa.subjects.budget import Budget

    budget = Budget.of(*most)
    if dry_run:
        print_expected(plan(slug, preset=preset, overrides=overrides), out, prompts, as_json=as_json)
        return
    refuse_prompts(prompts)
    result = run_study(
        slug, preset=preset, overrides=overrides, out=out, meter=default_meter(), budget=budget, **how
    )
    if as_json:
        print_json(result.as_json())
    else:
        from doxa.lab.terminal import print_result

        print_result(result)
    if plot:
        from doxa.lab.figures.saving import save_figures

        for path in save_figures(result.figures, result.folder / "figures"):
            say(f"figure  {path}")
