"""The command line: text for people on stderr, data on stdout; heavy modules load when a command needs them."""

from __future__ import annotations

import io
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doxa.errors import DoxaError, InputError
from doxa.secret import guard_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from doxa.subjects.base import Conversation

app = typer.Typer(
    name="doxa",
    help="A laboratory for belief dynamics: measure, simulate and steer how beliefs move.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Data sets that studies read.", no_args_is_help=True)
organism_app = typer.Typer(help="The zoo of small language models with known defects.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(organism_app, name="organism")
export_app = typer.Typer(help="Runs and questions for other tools.", no_args_is_help=True)
app.add_typer(export_app, name="export")

Out = Annotated[Path, typer.Option("--out", help="Folder that holds the runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Preset = Annotated[str, typer.Option("--preset", help="quick, embedded or paper.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="key=value, checked against the config; repeatable.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the first replicate.")]
Seeds = Annotated[int | None, typer.Option("--seeds", help="How many replicates.")]
SubjectAddress = Annotated[str | None, typer.Option("--subject", help="Address of the subject to ask.")]
Executor = Annotated[str, typer.Option("--executor", help="inline, processes or ray.")]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Cells at once; by default what the cores allow.")
]
Fresh = Annotated[bool, typer.Option("--fresh/--resume", help="Put an earlier run aside, or go on with it.")]
MaxCalls = Annotated[
    int | None, typer.Option("--max-calls", help="Most questions put to subjects now; then stop, resumably.")
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", help="Stop, resumably, when this many tokens were used now.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say how many calls and tokens to expect; ask nothing.")
]
Prompts = Annotated[
    Path | None,
    typer.Option("--prompts", help="With --dry-run: write all questions to this file (JSON lines)."),
]


def main() -> None:
    """Run the command line; exit status 0 finished, 1 failed, 2 wrong input."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="replace")  # a terminal without Unicode must not end a run
    guard_output()
    warnings.simplefilter("default", category=UserWarning)
    warnings.showwarning = _warn
    try:
        app(standalone_mode=False)
    except InputError as error:
        _end(error, 2)
    except DoxaError as error:
        _end(error, 1)
    except KeyboardInterrupt:
        _end("stopped; what was finished is kept, the same command goes on", 1)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        show: Any = error
        show.show(file=sys.stderr)
        sys.exit(show.exit_code)


@app.command("list")
def list_studies(*, as_json: AsJson = False) -> None:
    """List the studies."""
    from doxa.lab.listing import listed_studies

    known = listed_studies()
    if as_json:
        _print_json([study._asdict() for study in known])
    else:
        _table(("study", "room", "paper", "claim"), [(s.slug, s.room, s.paper, s.claim) for s in known])


@app.command()
def run(
    slugs: Annotated[
        list[str] | None, typer.Argument(help="Studies to run: slugs or paths of Python files.")
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
    out: Out = Path("runs"),
    executor: Executor = "inline",
    workers: Workers = None,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    dry_run: DryRun = False,
    prompts: Prompts = None,
    as_json: AsJson = False,
) -> None:
    """Run studies, or finish interrupted ones: only missing cells are computed."""
    from doxa.lab.declaration import studies

    chosen = (
        [slug for slug in studies.names() if not studies.get(slug).required] if everything else slugs or []
    )
    if not chosen:
        raise InputError("no study named; give a slug, --all, or see: doxa list")
    _run_studies(
        chosen,
        preset=preset,
        overrides=_overrides(settings, seed=seed, seeds=seeds, subject=subject),
        out=out,
        executor=executor,
        workers=workers,
        fresh=fresh,
        most=(max_calls, max_tokens),
        dry_run=dry_run,
        prompts=prompts,
        as_json=as_json,
    )


def _run_studies(
    slugs: list[str],
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
    """Run studies one after another and print what they found, or only what they would ask."""
    from doxa.lab.progress import default_meter
    from doxa.lab.run import plan, run_study
    from doxa.subjects.budget import Budget

    budget = Budget.of(*most)
    several = dry_run or len(slugs) > 1  # all are checked before the first one runs
    plans = [plan(slug, preset=preset, overrides=overrides) for slug in slugs] if several else []
    if dry_run:
        _print_expected(plans, out, prompts, as_json=as_json)
        return
    _refuse_prompts(prompts)
    for slug in slugs:
        result = run_study(
            slug, preset=preset, overrides=overrides, out=out, meter=default_meter(), budget=budget, **how
        )
        if as_json:
            _print_json(result.as_json())
        else:
            from doxa.lab.terminal import print_result

            print_result(result)
        if plot:
            from doxa.lab.figures.saving import save_figures

            for path in save_figures(result.figures, result.folder / "figures"):
                _say(f"figure  {path}")


@app.command()
def simulate(
    scenario: Annotated[
        str, typer.Argument(help="opinion, epidemic, fps, herd, or a Python file of your own.")
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
    workers: Workers = None,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    dry_run: DryRun = False,
    prompts: Prompts = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a population and show it: shares over days, the spread of opinions, the network, day by day."""
    from doxa.society.scenarios import overrides_of, study_of

    given = overrides_of(scenario, agents=agents, days=days, graph=graph, subject=subject)
    _run_studies(
        [study_of(scenario)],
        preset=preset,
        overrides=_overrides(settings, seed=seed, seeds=seeds, **given),
        out=out,
        executor=executor,
        workers=workers,
        fresh=fresh,
        most=(max_calls, max_tokens),
        dry_run=dry_run,
        prompts=prompts,
        as_json=as_json,
        plot=plot,
    )


@app.command()
def audit(
    subject: Annotated[
        str | None, typer.Argument(help="Address of the subject; without one, organism:leaning.")
    ] = None,
    *,
    zoo: Annotated[bool, typer.Option("--zoo", help="Audit every organism and print the matrix.")] = False,
    twin: Annotated[
        str | None, typer.Option("--twin", help="Address of a sound twin to show beside it.")
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option("--series", help="Folder of saved checkpoints: which facts flipped, and when."),
    ] = None,
    preset: Preset = "embedded",
    settings: Set = None,
    seed: Seed = None,
    seeds: Seeds = None,
    out: Out = Path("runs"),
    executor: Executor = "inline",
    workers: Workers = None,
    fresh: Fresh = False,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    dry_run: DryRun = False,
    prompts: Prompts = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model's beliefs with every protocol it can take, and write its belief card; or audit a series.

    With --series, --set takes facts=, form= and band=.
    """
    from doxa.audit.audit import audit_subject, audit_zoo, audited, zoo_settings
    from doxa.lab.progress import default_meter
    from doxa.lab.run import plan
    from doxa.subjects.budget import Budget

    overrides = _overrides(settings, seed=seed, seeds=seeds, subject=None)
    shared: dict[str, Any] = {
        "preset": preset,
        "overrides": overrides,
        "out": out,
        "executor": executor,
        "workers": workers,
        "fresh": fresh,
        "meter": default_meter(),
        "budget": Budget.of(max_calls, max_tokens),
    }
    if zoo and subject is not None:
        raise InputError(f"--zoo audits every organism; leave out {subject!r}")
    if series is not None and (zoo or subject is not None or twin is not None):
        raise InputError(
            "--series audits the checkpoints of a folder; leave out --zoo, --twin and the subject"
        )
    if series is not None and (seeds is not None or dry_run):
        raise InputError(
            "--series reads each checkpoint once and asks no server; leave out --seeds and --dry-run"
        )
    if dry_run:
        asked = zoo_settings(overrides) if zoo else {**overrides, "subjects": audited(subject, twin=twin)}
        _print_expected([plan("audit", preset=preset, overrides=asked)], out, prompts, as_json=as_json)
        return
    _refuse_prompts(prompts)
    result: Any
    if series is not None:
        result = _audited_series(series, shared)
    elif zoo:
        result = audit_zoo(**shared)
    else:
        result = audit_subject(subject, twin=twin, **shared)
    if as_json:
        _print_json(result.as_json())
    else:
        from doxa.lab.terminal import print_text

        print_text(result.as_text())


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="A run's folder, name, or the start of its name.")],
    *,
    call: Annotated[
        str | None,
        typer.Option("--call", help="Number of a call: why it was or was not a cache hit; all lists them."),
    ] = None,
    out: Out = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show a run's findings and state, or explain one of its calls."""
    from doxa.lab.show import explain_call, show_run

    shown = show_run(run, out) if call is None else explain_call(run, call, out)
    if as_json:
        _print_json(shown.as_json())
    else:
        from doxa.lab.terminal import print_text

        print_text(shown.as_text())


@data_app.command("list")
def data_list(*, as_json: AsJson = False) -> None:
    """List the data sets, their licences, and whether they are here."""
    from doxa.lab.data import check_all

    reports = check_all()
    if as_json:
        _print_json([report.as_json() for report in reports])
        return
    head = ("data", "title", "licence", "here")
    _table(head, [(r.data.slug, r.data.title, r.data.licence, r.folder if r.good else "no") for r in reports])


@data_app.command("get")
def data_get(name: str, *, as_json: AsJson = False) -> None:
    """Fetch a data set from its source at a pinned commit and check every file; what is here is kept."""
    from doxa.lab.data import get
    from doxa.lab.terminal import step_progress

    with step_progress(f"fetching {name}") as progress:
        report = get(name, progress=progress)
    if as_json:
        _print_json(report.as_json())
    else:
        _say(f"{name}: {len(report.files)} files in {report.folder}")


@data_app.command("check")
def data_check(name: str, *, as_json: AsJson = False) -> None:
    """Compare the files of a data set with their published digests."""
    from doxa.lab.data import check

    report = check(name)
    if as_json:
        _print_json(report.as_json())
    else:
        _table(("file", "state"), [(file.name, file.state) for file in report.files])
    if not report.good:
        raise DoxaError(f"{name} is not whole here; get it with: doxa data get {name}")


@organism_app.command("list")
def organism_list(*, as_json: AsJson = False) -> None:
    """List the organisms, their defects and their twins."""
    from doxa.subjects.organisms import members

    rows = [
        (name, member.defect or "none", member.twin or "", member.description)
        for name, member in members().items()
    ]
    if as_json:
        _print_json([dict(zip(("name", "defect", "twin", "description"), row, strict=True)) for row in rows])
    else:
        _table(("organism", "defect", "twin", "description"), rows)


@organism_app.command("train")
def organism_train(
    name: str,
    *,
    seed: Seed = None,
    out: Annotated[Path, typer.Option("--out", help="Folder the organism is written to.")] = Path(
        "organisms"
    ),
    fresh: Fresh = False,
) -> None:
    """Reproduce an organism from its recipe and seed; an interrupted training goes on."""
    from doxa.lab.terminal import step_progress
    from doxa.subjects.organisms import train

    with step_progress(f"training {name}") as show:
        folder = train(
            name,
            seed=seed,
            out=out,
            progress=lambda now: show(now.step, now.steps, f"{now.phase} loss {now.loss:.3f}"),
            resume=not fresh,
        )
    _say(f"{folder}  (use it as hf:{folder})")


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="Which benchmark; without one, they are listed.")] = None,
    *,
    bar: Annotated[
        int | None, typer.Option("--bar", help="Number of the reliability bar (bench hard).")
    ] = None,
    small: Annotated[bool, typer.Option("--small", help="The size that runs with every change.")] = False,
    install: Annotated[bool, typer.Option("--install", help="First install the peers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare doxa with its peers on the same work, or run a reliability bar; needs a checkout."""
    from doxa.lab.bench import benchmarks, run_benchmark

    if name is None:
        _table(("benchmark", "what it shows"), benchmarks())
        return
    run_benchmark(name, bar=bar, small=small, install=install, as_json=as_json)


def _refuse_prompts(prompts: Path | None) -> None:
    if prompts is not None:
        raise InputError(
            f"--prompts {prompts}: goes with --dry-run; a run keeps what it asks in its own tables"
        )


def _print_expected(plans: list[Any], out: Path, prompts: Path | None, *, as_json: bool) -> None:
    """Print what the missing cells of some runs will ask, and write the questions to a file if one is given."""
    from doxa.lab.asking import expect_missing, expectation_text, prompt_line
    from doxa.lab.files import write_atomic

    lines: list[str] = []

    def heed(address: str, conversation: Conversation, options: Sequence[str]) -> None:
        lines.append(prompt_line(address, conversation, options))

    expectations = [(todo, expect_missing(todo, out, heed=heed if prompts else None)) for todo in plans]
    if prompts is not None:
        write_atomic(prompts, "".join(lines).encode())
    for todo, expected in expectations:
        if as_json:
            _print_json(expected.as_json())
            continue
        _say(f"{todo.study.slug}: {expected.missing:,} of {expected.cells:,} cells to compute")
        for address, asked in expected.subjects.items():
            _say(f"  {expectation_text(address, asked)}")


@app.command("import")
def import_log(
    log: Annotated[
        Path, typer.Argument(help="An Inspect log (.eval, .json), or lm-eval results (file or folder).")
    ],
    *,
    out: Out = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Make a run of another tool's log, which show and doxa.load read like any other."""
    from doxa.interop import import_log as imported

    made = imported(log, out)
    if as_json:
        _print_json(made.as_json())
    else:
        _say(f"{made.run}: {made.tables.beliefs.height:,} beliefs of {made.study}, in {made.folder}")


@export_app.command("inspect")
def export_inspect(
    run: Annotated[str, typer.Argument(help="A run's folder, name, or the start of its name.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Log to write, .eval or .json.")],
    runs: Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Write a run as an Inspect log, for its viewer and its tools."""
    from doxa.interop import to_inspect

    _say(f"{to_inspect(run, out, out=runs)}")


@export_app.command("lm-eval")
def export_lm_eval(
    study: Annotated[str, typer.Argument(help="The questions to write: kable.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder the task files are written to.")],
    tasks: Annotated[str | None, typer.Option("--tasks", help="Tasks, with commas; all by default.")] = None,
    subjects: Annotated[
        str | None, typer.Option("--subjects", help="Fields of knowledge, with commas.")
    ] = None,
    types: Annotated[str | None, typer.Option("--types", help="factual, false, or both.")] = None,
    key: Annotated[str, typer.Option("--key", help="Accepted letters of the file or of the paper.")] = "file",
    limit: Annotated[
        int | None, typer.Option("--limit", help="Questions of each task, type and subject.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draw.")] = 0,
    report: Annotated[str, typer.Option("--report", help="accuracy, or shares of the answers.")] = "accuracy",
) -> None:
    """Write task files for lm-evaluation-harness from your copy of the questions."""
    from doxa.interop import export_kable

    if study != "kable":
        raise InputError(f"{study!r}: only kable has task files for lm-evaluation-harness")
    made = export_kable(
        out, tasks=tasks, subjects=subjects, types=types, key=key, limit=limit, seed=seed, report=report
    )
    for group in made.groups:
        _say(f"lm-eval run --tasks {group} --include_path {made.folder} --model hf --model_args pretrained=…")


def _audited_series(folder: Path, shared: dict[str, Any]) -> Any:
    """Audit a series; its settings are those that ``audit_series`` takes."""
    from doxa.audit.series import audit_series
    from doxa.errors import did_you_mean

    settings: dict[str, Any] = shared.pop("overrides")
    for name in settings:
        if name not in _OF_SERIES:
            raise InputError(f"--set {name}=: no setting of a series; {did_you_mean(name, _OF_SERIES)}")
    return audit_series(folder, **settings, **shared)


_OF_SERIES = ("facts", "form", "band", "seed")


def _overrides(settings: list[str] | None, **shared: Any) -> dict[str, Any]:
    values: dict[str, Any] = {name: value for name, value in shared.items() if value is not None}
    for text in settings or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InputError(f"--set {text!r}: must be key=value")
        if key in values:
            raise InputError(f"--set {text!r}: '{key}' is given twice")
        values[key] = value
    return values


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from doxa.lab.terminal import print_table

    print_table(head, rows)


def _print_json(value: Any) -> None:
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=not unicode, allow_nan=False) + "\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _warn(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    _say(f"warning: {message}" if issubclass(category, UserWarning) else f"{category.__name__}: {message}")


def _end(error: object, status: int) -> None:
    from doxa.secret import scrub

    _say(scrub(f"doxa: {error}"))
    sys.exit(status)
