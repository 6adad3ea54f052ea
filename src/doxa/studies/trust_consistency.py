"""Trust consistency: what a model says of people, and what it does when it plays them, need not agree.

Mannekote, Davies, Li, Boyer, Zhai, Dorr and Pinto, Do Role-Playing Agents Practice What They Preach? Belief-Behavior
Consistency in LLM-Based Simulations of Human Trust (arXiv:2507.02197).

Embedded: simulated people with known rules check the measures; small networks that read sayings about groups and plays
of single people are elicited and played like any subject; networks of repeated games forecast themselves. With
``subject``, the published protocol on a model of the user's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from doxa.canonical import Json
from doxa.errors import InputError
from doxa.lab import Cell, Context, Figure, Finding, Tables, setting, study
from doxa.lab.data import check as check_data
from doxa.lab.data import locate, named
from doxa.lab.declaration import studies
from doxa.protocols.trust.embedded_report import embedded_figures, embedded_findings
from doxa.protocols.trust.published_report import subject_figures, subject_findings
from doxa.protocols.trust.text import STRATEGIES, STYLES
from doxa.worlds.control_games import CONTROL_GAMES
from doxa.worlds.personas import SLUG

if TYPE_CHECKING:
    import polars as pl

    from doxa.protocols.trust.embedded import Sizes

Part: TypeAlias = Literal["embedded", "subject"]
INVENTED = 4000
"""People of the population that is invented where the bank is not there."""
STATED_SHARE = 0.5
"""Share of plays after statements, of the network that learns to use them."""

SAYING_SHARE = (0.2, 0.1)
"""Share of rows that are sayings in networks that are told no orderings, and in those that are: both that read
statements and their controls, because statements take longer to learn."""

NETWORK = ("batch", "width", "layers", "peak_rate", "precision")
MEASURED = ("people", "repeats", "each", "targets", "bootstrap", "games")
PLANTED = ("recovery_people", "populations", "bootstrap")
ROUNDS = ("rounds", "rounds_steps", "games", "width", "layers", "precision")
EMBEDDED = ("seeds", "c", "steps", "stated_steps", *NETWORK, *MEASURED, *PLANTED, *ROUNDS, "personas")
ASKED = (
    *(
        "subject_personas",
        "least",
        "subject_repeats",
        "strategies",
        "subject_targets",
        "method",
        "style",
        "retries",
    ),
    *("temperature", "nobody", "bootstrap", "individuals", "rounds", "individual_style", "max_tokens"),
)
VARIED = ("other_styles", "other_temperatures")
PARTS: dict[Part, tuple[str, tuple[str, ...]]] = {
    "embedded": ("networks trained here, without a subject", EMBEDDED),
    "subject": (
        "a subject that is asked in English",
        ("subject", "endowments", "other_games", *ASKED, *VARIED),
    ),
}
"""What each part measures, and the settings it uses beside the seed."""


@study(
    "trust-consistency",
    paper="arXiv:2507.02197",
    room="protocols",
    claim="what a model says of groups of people does not predict how it plays their members",
    presets={
        "quick": {
            "seeds": 2,
            "c": (0.0, 1.0),
            "steps": 120,
            "stated_steps": 200,
            "people": 400,
            "each": 8,
            "repeats": 2,
            "targets": (0.2,),
            "bootstrap": 200,
            "games": 30,
            "rounds_steps": 100,
            "recovery_people": 400,
            "populations": 4,
            "subject_personas": 60,
            "subject_repeats": 2,
            "individuals": 4,
            "nobody": 5,
            "endowments": (10,),
        },
        "paper": {"seeds": 12, "endowments": (10, 44, 100), "individuals": 50},
    },
)
class Config:
    """The settings of the embedded experiments and of asking a subject."""

    seed: int = setting(0, "seed of the first network, of people, orders, samples and resamples")
    seeds: int = setting(3, "networks of each condition", unit="seeds", minimum=1)
    personas: str = setting(
        "auto",
        "bank draws people from the published personas, invented draws attributes independently, auto takes the bank "
        "where it is on this machine",
        choices=("auto", "bank", "invented"),
    )
    c: tuple[float, ...] = setting(
        (0.0, 0.5, 1.0),
        "correlations of the plan of sayings with that of plays; 0 and 1 among them",
        minimum=0,
        maximum=1,
    )
    steps: int = setting(
        300, "optimiser steps of a network that is told no orderings", unit="steps", minimum=1
    )
    stated_steps: int = setting(
        1600,
        "optimiser steps of a network that is told orderings, control and effect",
        unit="steps",
        minimum=1,
    )
    batch: int = setting(64, "rows of a step", unit="rows", minimum=1)
    width: int = setting(48, "width of a network", minimum=8)
    layers: int = setting(2, "blocks of a network", minimum=1)
    peak_rate: float = setting(6e-3, "highest learning rate of the one-cycle schedule", minimum=0)
    precision: str = setting("float32", "of the matrix products", choices=("float32", "bfloat16", "auto"))
    people: int = setting(1000, "personas that a network plays", unit="personas", minimum=50)
    repeats: int = setting(5, "times a network is asked about each attribute by each strategy", minimum=1)
    each: int = setting(30, "personas that play under orderings, each once at every level", minimum=2)
    targets: tuple[float, ...] = setting(
        (0.8, 0.2, -0.8),
        "Spearman correlations of imposed orderings with elicited ones",
        minimum=-1,
        maximum=1,
    )
    bootstrap: int = setting(1000, "resamples of personas for an interval", minimum=100)
    games: int = setting(100, "personas that forecast and play rounds", minimum=2)
    rounds: int = setting(6, "rounds of a game", unit="rounds", minimum=2, paper=6)
    rounds_steps: int = setting(1000, "optimiser steps of a network of rounds", unit="steps", minimum=1)
    recovery_people: int = setting(1000, "people of a simulated population", minimum=200)
    populations: int = setting(15, "simulated populations of each plan", minimum=2)
    subject: str = setting("", "address of a model to ask; empty runs the embedded experiments")
    subject_personas: int = setting(200, "personas the subject plays", unit="personas", minimum=40, paper=50)
    least: int = setting(
        2, "personas of each common level at least, in place of others of the draw", minimum=0
    )
    subject_repeats: int = setting(5, "times each question about groups is asked", minimum=1)
    strategies: tuple[str, ...] = setting(
        STRATEGIES,
        "how groups are asked about; CTX+TR among them, its beliefs condition play",
        choices=STRATEGIES,
    )
    subject_targets: tuple[float, ...] = setting(
        (0.8, 0.2),
        "Spearman correlations of imposed orderings with elicited ones",
        minimum=-1,
        maximum=1,
        paper=(0.8, 0.2),
    )
    endowments: tuple[int, ...] = setting(
        (10,),
        "dollars of the game; the first for everything, others for beliefs and plain play",
        minimum=1,
        paper=(10, 44, 100),
    )
    other_games: tuple[str, ...] = setting(
        (),
        "games beside the trust game, for beliefs and plain play: the same gift without return, the same stake "
        "against chance",
        choices=CONTROL_GAMES,
    )
    method: str = setting(
        "reply",
        "reply reads the amount from a reply, distribution from the chances where the number stands",
        choices=("reply", "distribution"),
        paper="reply",
    )
    style: str = setting("bdi", "of the one-shot prompt", choices=STYLES, paper="bdi")
    other_styles: tuple[str, ...] = setting(
        (), "further one-shot prompts; plain play by each, held against that by style", choices=STYLES
    )
    individual_style: str = setting(
        "bdi",
        "of forecasts and rounds; the paper plays them by thought and action",
        choices=STYLES,
        paper="thought-action",
    )
    retries: int = setting(0, "times an unreadable amount is asked for again; the paper retries", minimum=0)
    temperature: float = setting(0.05, "of replies", minimum=0, paper=0.05)
    other_temperatures: tuple[float, ...] = setting(
        (), "further temperatures, likewise held against plain play", minimum=0
    )
    nobody: int = setting(20, "plays without a persona, the baseline", unit="plays", minimum=0)
    individuals: int = setting(10, "personas that forecast and play rounds with M1, M3 and M5", minimum=1)
    max_tokens: int = setting(400, "longest reply", unit="tokens", minimum=1)


def cells(config: Config) -> Iterable[Cell]:
    """Yield a cell for each plan and network, or for each part of what is asked of a subject."""
    part: Part = "subject" if config.subject else "embedded"
    check(config, part)
    if part == "subject":
        locate(SLUG)
        data: Json = named(SLUG).digest
        first = config.endowments[0]
        asked = ("subject", *ASKED)
        for endowment in config.endowments:
            main = endowment == first
            name = "population" if main else f"endowment {endowment}"
            params: dict[str, Json] = {"endowment": endowment, "data": data, "conditioned": main}
            uses = (*asked, *VARIED) if main else asked
            yield Cell(name, config.seed, uses, params, subjects=(config.subject,))
        for game in config.other_games:
            params = {"endowment": first, "data": data, "conditioned": False, "game": game}
            yield Cell(f"game {game}", config.seed, asked, params, subjects=(config.subject,))
        params = {"endowment": first, "data": data}
        yield Cell("individual", config.seed, asked, params, subjects=(config.subject,))
        return
    people = population_of(config)
    for seed in range(config.seed, config.seed + config.seeds):
        for c in (0.0, 1.0):
            yield Cell(f"recovery {c:g}", seed, PLANTED, {"c": c, "people": people})
        for c in config.c:
            params = {"c": c, "stated": 0.0, "people": people, "conditioned": False}
            yield Cell(f"c {c:g}", seed, ("steps", *NETWORK, *MEASURED), params)
        for share in (0.0, STATED_SHARE):  # effect and control differ in this share alone
            params = {"c": 0.0, "stated": share, "people": people, "conditioned": True}
            yield Cell(f"stated {share:g}", seed, ("stated_steps", *NETWORK, *MEASURED), params)
        yield Cell("rounds", seed, (*ROUNDS, *MEASURED), {"people": people})


def check(config: Any, part: Part) -> None:
    """Raise InputError if a setting was changed that this part does not use, or a finding would have no rows."""
    studies.get("trust-consistency").refuse_unused(config, PARTS, part)
    if part == "subject" and "CTX+TR" not in config.strategies:
        raise InputError(
            f"strategies={config.strategies}: CTX+TR must be among them; its beliefs condition play"
        )
    if part == "subject" and not config.endowments:
        raise InputError("endowments=(): give at least one, such as 10")
    if part == "embedded" and not {0.0, 1.0} <= set(config.c):
        raise InputError(f"c={config.c}: 0 and 1 must be among them; findings are read there")


def population_of(config: Any) -> str:
    """Return what people are drawn from: the digest of the bank, or ``invented``."""
    if config.personas == "invented" or (config.personas == "auto" and not check_data(SLUG).good):
        return "invented"
    locate(SLUG)
    return named(SLUG).digest


def run(cell: Cell, ctx: Context) -> Tables:
    """Simulate people, train and measure a network, or ask a subject."""
    if cell.subjects:
        return ask(cell, ctx)
    if cell.condition == "rounds":
        return run_rounds(cell, ctx)
    if cell.condition.startswith("recovery"):
        return run_recovery(cell, ctx)
    return run_registers(cell, ctx)


def world_of(cell: Cell, c: float) -> Any:
    """Return the world of a cell: its people and both plans."""
    from doxa.worlds.personas import invented_bank, load_personas
    from doxa.worlds.trust_world import Population, TrustWorld

    bank = invented_bank(INVENTED, cell.seed) if cell.params["people"] == "invented" else None
    return TrustWorld(Population.of(load_personas(None, cell.seed, bank=bank)), c, cell.seed)


def run_recovery(cell: Cell, ctx: Context) -> Tables:
    """Simulate populations and record what the measures make of them."""
    from doxa.protocols.trust.recovery import record_recovery

    config, recorder = ctx.config, ctx.recorder()
    record_recovery(
        recorder,
        world_of(cell, float(cast(float, cell.params["c"]))),
        config.recovery_people,
        config.populations,
        config.bootstrap,
        lambda done, total: ctx.progress(float(done), float(total)),
    )
    return recorder.tables()


def run_registers(cell: Cell, ctx: Context) -> Tables:
    """Train one network of two registers and measure what it says and does."""
    from doxa.protocols.trust.embedded import record_registers
    from doxa.protocols.trust.network import registers_subject
    from doxa.worlds.trust_learners import train_registers
    from doxa.worlds.trust_registers import TrustRegisters

    config, recorder, stated = ctx.config, ctx.recorder(), float(cast(float, cell.params["stated"]))
    conditioned = bool(cell.params["conditioned"])
    world = world_of(cell, float(cast(float, cell.params["c"])))
    trained = train_registers(
        [TrustRegisters(world, stated, SAYING_SHARE[conditioned])],
        [cell.seed],
        steps=config.stated_steps if conditioned else config.steps,
        progress=lambda done, total: ctx.progress(0.7 * done, float(total), "training"),
        **{name: getattr(config, name) for name in NETWORK},
    )
    recorder.measure("loss", float(trained.loss[0, -1]), subject="network:two-register", unit="nats")
    subject = registers_subject(trained.net, 0, trained.tokens)
    record_registers(
        recorder,
        subject,
        world,
        sizes_of(config),
        lambda share, note: ctx.progress(0.7 + 0.3 * share, 1.0, note),
        conditioned=conditioned,
    )
    return recorder.tables()


def run_rounds(cell: Cell, ctx: Context) -> Tables:
    """Train a network on adaptive and one on steady people, and let them forecast and play."""
    from doxa.protocols.trust.embedded import record_rounds
    from doxa.protocols.trust.network import rounds_subject
    from doxa.worlds.trust_rounds import RoundRule, train_rounds

    config, recorder, world = ctx.config, ctx.recorder(), world_of(cell, 1.0)
    rules = [RoundRule("adaptive"), RoundRule("steady")]
    trained = train_rounds(
        world,
        rules,
        [cell.seed] * len(rules),
        rounds=config.rounds,
        steps=config.rounds_steps,
        width=config.width,
        layers=config.layers,
        precision=config.precision,
        progress=lambda done, total: ctx.progress(0.7 * done, float(total), "training"),
    )
    subjects = {
        rule.name: rounds_subject(trained.net, place, trained.layout) for place, rule in enumerate(rules)
    }
    record_rounds(
        recorder,
        subjects,
        world,
        sizes_of(config),
        config.rounds,
        lambda share, note: ctx.progress(0.7 + 0.3 * share, 1.0, note),
    )
    return recorder.tables()


def sizes_of(config: Any) -> Sizes:
    """Return how much is measured."""
    from doxa.protocols.trust.embedded import Sizes

    return Sizes(**{name: getattr(config, name) for name in MEASURED})


def ask(cell: Cell, ctx: Context) -> Tables:
    """Ask a subject about the population, or let it forecast and play rounds."""
    from doxa.protocols.trust.individuals import record_individuals
    from doxa.protocols.trust.plan import Plan
    from doxa.protocols.trust.published import record_population
    from doxa.worlds.control_games import game_named
    from doxa.worlds.personas import load_personas, read_bank

    config, recorder = ctx.config, ctx.recorder()
    names = (*ASKED, *VARIED) if cell.params.get("conditioned") else ASKED
    told = {name.removeprefix("subject_"): getattr(config, name) for name in names}
    plan, bank = Plan(**told), load_personas(None, cell.seed, bank=read_bank())
    personas: pl.DataFrame = load_personas(plan.personas, cell.seed, bank=read_bank(), least=plan.least)
    endowment = int(cast(int, cell.params["endowment"]))

    def progress(share: float, note: str) -> None:
        ctx.progress(share, 1.0, note)

    subject = ctx.subject(config.subject)
    if cell.condition == "individual":
        some = personas.head(plan.individuals)
        record_individuals(recorder, subject, some, plan, cell.seed, progress, ctx.parts, endowment=endowment)
    else:
        record_population(
            recorder,
            subject,
            bank,
            personas,
            plan,
            cell.seed,
            progress,
            ctx.parts,
            game=game_named(str(cell.params.get("game", "trust")), endowment),
            conditioned=bool(cell.params["conditioned"]),
        )
    return recorder.tables()


def findings(tables: Tables, config: Config) -> list[Finding]:
    """Judge the embedded experiments against the spec's bounds, or a subject beside the published table."""
    if config.subject:
        return subject_findings(tables, f"{config.method}, {config.subject_personas} personas")
    people = (
        "people invented, the bank is not here"
        if population_of(config) == "invented"
        else "people of the bank"
    )
    return embedded_findings(tables, people)


def figures(tables: Tables, config: Config) -> list[Figure]:
    """Draw ranks, effect sizes, the ladder of orderings and errors of forecasts."""
    return subject_figures(tables) if config.subject else embedded_figures(tables)
