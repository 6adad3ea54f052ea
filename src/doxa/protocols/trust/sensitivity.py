"""How much of play hangs on how it is asked for: other prompts, other temperatures, no persona at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from doxa.belief.significance import two_sample_t
from doxa.lab.record import Recorder
from doxa.protocols.trust.believing import Belief
from doxa.protocols.trust.comparing import compared, difference, paired_shift, with_amounts
from doxa.protocols.trust.plan import Asks
from doxa.protocols.trust.playing import play_nobody
from doxa.protocols.trust.recording import record_held, record_interval, record_plays, shares_of
from doxa.worlds.money_game import MoneyGame


def record_sensitivity(
    recorder: Recorder,
    asks: Asks,
    game: MoneyGame,
    beliefs: Sequence[Belief],
    plain: pl.DataFrame,
    levels: Mapping[str, Sequence[str]],
) -> None:
    """Let the same personas play by each other style and temperature, and record what that moves.

    ``shift`` is the mean change of the share sent, persona by persona; ``moved`` that of the median ρ.
    """
    told, plan = asks.subject.address, asks.plan
    ways = {f"style {style}": replace(plan, style=style) for style in plan.other_styles}
    ways |= {f"temperature {one:g}": replace(plan, temperature=one) for one in plan.other_temperatures}
    before = compared(beliefs, with_amounts(asks.personas, plain, levels), plan.bootstrap, asks.seed)
    for name, way in ways.items():
        played = replace(asks, plan=way).play(game, name)
        record_plays(recorder, told, played, name, game.endowment)
        behaviour = with_amounts(asks.personas, played, levels)
        found = compared(beliefs, behaviour, plan.bootstrap, asks.seed)
        record_held(recorder, told, found, name)
        record_interval(
            recorder,
            told,
            "shift",
            paired_shift(played["sent"], plain["sent"], game.endowment),
            "fewer than two personas were read both times",
            axis="sweep",
            unit="fraction",
            ordering=name,
        )
        record_interval(
            recorder,
            told,
            "moved",
            difference(found.found, before.found),
            "nothing could be compared",
            axis="sweep",
            ordering=name,
        )


def record_nobody(recorder: Recorder, asks: Asks, game: MoneyGame, plain: pl.DataFrame) -> None:
    """Play without a persona, and record by how much the mean share sent with one differs."""
    told, plan = asks.subject.address, asks.plan
    alone = play_nobody(
        asks.subject, plan.nobody, game=game, style=plan.style, seed=asks.seed, max_tokens=plan.max_tokens
    )
    record_plays(recorder, told, alone, "nobody", game.endowment)
    shift = two_sample_t(
        shares_of(plain, game.endowment), shares_of(alone, game.endowment), equal_variance=False
    )
    record_interval(
        recorder,
        told,
        "shift",
        shift.as_interval,
        "fewer than two were read",
        axis="sweep",
        unit="fraction",
        ordering="nobody",
    )
