"""Single personas on a subject of the user's: forecasts of their own moves, then the games."""

from __future__ import annotations

from typing import Any

import polars as pl

from doxa.lab.parts import Keep, keep_none
from doxa.lab.record import Recorder
from doxa.protocols.trust.forecasting import SCHEMA, forecast_and_play_all, horizon_slope, mae_by_horizon
from doxa.protocols.trust.plan import Plan, Progress
from doxa.protocols.trust.recording import record_interval
from doxa.streams import stream
from doxa.subjects.base import Subject
from doxa.worlds.trust_game import ARCHETYPES, TrustGame


def record_individuals(
    recorder: Recorder,
    subject: Subject,
    personas: pl.DataFrame,
    plan: Plan,
    seed: int,
    progress: Progress,
    keep: Keep = keep_none,
    *,
    endowment: int = 10,
) -> None:
    """Let personas forecast and play rounds with each archetype, and record the errors by horizon."""

    def rows() -> Any:
        games = forecast_and_play_all(
            subject,
            personas.to_dicts(),
            ARCHETYPES,
            plan.rounds,
            game=TrustGame(endowment),
            method=plan.method,
            style=plan.individual_style,
            seed=seed,
            temperature=plan.temperature,
            max_tokens=plan.max_tokens,
            retries=plan.retries,
            progress=lambda done, total: progress(done / total, "rounds"),
        )
        return games.to_dicts()

    games = pl.DataFrame(
        keep(["games", subject.identity, personas["agent_id"].to_list()], rows), schema=SCHEMA
    )
    told = subject.address
    for row in mae_by_horizon(games).iter_rows(named=True):
        more = {"trustee": row["trustee"], "n": row["n"], "rule": "subject"}
        recorder.measure(
            "mae", row["mae"], subject=told, unit="dollars", axis="round", time=row["horizon"], **more
        )
    for name in (*ARCHETYPES, "all"):
        part = games if name == "all" else games.filter(trustee=name)
        slope = horizon_slope(part, rng=stream(seed, "trust", "slope", name))
        record_interval(
            recorder,
            told,
            "slope",
            slope,
            "too few forecasts could be read",
            unit="dollars a round",
            axis="round",
            trustee=name,
        )
    read = games["abs_error"].is_not_null()
    recorder.measure(
        "read",
        float(read.to_numpy().mean()),
        subject=told,
        unit="fraction",
        axis="round",
        n=games.height,  # pyright: ignore[reportArgumentType]
        reasons=sorted({reason for reason in games["missing"].to_list() if reason})[:20],
    )
    for row in games.iter_rows(named=True):
        for kind, text in (("forecast", row["forecast_text"]), ("move", row["text"])):
            name = f"{row['agent_id']} {row['trustee']} {kind}"
            recorder.utterance(
                subject=told, conversation=name, turn=row["round"], role="assistant", text=text or ""
            )
