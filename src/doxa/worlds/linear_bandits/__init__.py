"""Bandits with a hidden linear state: environment, agents, and a simulator of a million rounds.

Names load their modules, and with them the compiler of kernels, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doxa.lazy import loader

if TYPE_CHECKING:
    from doxa.worlds.linear_bandits.actions import budgeted_actions, one_hot
    from doxa.worlds.linear_bandits.agent import Agent, Choice
    from doxa.worlds.linear_bandits.arms import AR2, UCB1, BatchExp3, Exp3, FixedPolicy, clairvoyant
    from doxa.worlds.linear_bandits.bounds import Bounds, Epochs, epoch_schedule
    from doxa.worlds.linear_bandits.regressing import DiscountedLinUCB, DynLinUCB, LinUCB
    from doxa.worlds.linear_bandits.result import BanditResult, Slopes
    from doxa.worlds.linear_bandits.simulation import Played, play, simulate
    from doxa.worlds.linear_bandits.system import BanditState, DynamicalLinearBandit, Payment

__all__ = [
    "AR2",
    "UCB1",
    "Agent",
    "BanditResult",
    "BanditState",
    "BatchExp3",
    "Bounds",
    "Choice",
    "DiscountedLinUCB",
    "DynLinUCB",
    "DynamicalLinearBandit",
    "Epochs",
    "Exp3",
    "FixedPolicy",
    "LinUCB",
    "Payment",
    "Played",
    "Slopes",
    "budgeted_actions",
    "clairvoyant",
    "epoch_schedule",
    "one_hot",
    "play",
    "simulate",
]

__getattr__ = loader(
    __name__,
    {
        **dict.fromkeys(("budgeted_actions", "one_hot"), "actions"),
        **dict.fromkeys(("Agent", "Choice"), "agent"),
        **dict.fromkeys(("AR2", "UCB1", "BatchExp3", "Exp3", "FixedPolicy", "clairvoyant"), "arms"),
        **dict.fromkeys(("Bounds", "Epochs", "epoch_schedule"), "bounds"),
        **dict.fromkeys(("DiscountedLinUCB", "DynLinUCB", "LinUCB"), "regressing"),
        **dict.fromkeys(("BanditResult", "Slopes"), "result"),
        **dict.fromkeys(("Played", "play", "simulate"), "simulation"),
        **dict.fromkeys(("BanditState", "DynamicalLinearBandit", "Payment"), "system"),
    },
)
