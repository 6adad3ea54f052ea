"""The published definitions, written down once more, one token at a time, as the specs give them."""

from __future__ import annotations

import math

import torch


def masked_mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (x * mask).sum() / (mask.sum() + 1e-8)


def covariance(adv: torch.Tensor, logp: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (adv - masked_mean(adv, mask)) * (logp - masked_mean(logp, mask))


def clip_cov(
    logp: torch.Tensor,
    old: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    ratio: float,
    band: tuple[float, float],
    chosen: torch.Tensor,
) -> tuple[torch.Tensor, list[tuple[int, int]], int]:
    """Return the loss with the given tokens dropped, the candidates, and how many are to be chosen."""
    rho = torch.exp(logp - old)
    first, second = -adv * rho, -adv * rho.clamp(0.0, 2.0)
    cov = covariance(adv, logp.detach(), mask)
    candidates: list[tuple[int, int]] = []
    total = 0.0
    for i in range(mask.shape[0]):
        for t in range(mask.shape[1]):
            if mask[i, t] == 0:
                continue
            if not bool(second[i, t] > first[i, t]) and band[0] < float(cov[i, t]) < band[1]:
                candidates.append((i, t))
            if not chosen[i, t]:
                total = total + max(first[i, t], second[i, t])
    wanted = min(max(int(ratio * float(mask.sum())), 1), len(candidates))
    return total / mask.sum(), candidates, wanted


def kl_cov(
    logp: torch.Tensor,
    old: torch.Tensor,
    adv: torch.Tensor,
    mask: torch.Tensor,
    k_percent: float,
    beta: float,
) -> torch.Tensor:
    places = [(i, t) for i in range(mask.shape[0]) for t in range(mask.shape[1]) if mask[i, t] > 0]
    values_a = torch.stack([adv[place] for place in places])
    values_l = torch.stack([logp[place].detach() for place in places])
    cov = (values_a - values_a.mean()) * (values_l - values_l.mean())
    number = max(1, int(len(places) * k_percent / 100))
    top = set(torch.topk(cov, number).indices.tolist())
    total = logp.new_zeros(())
    for k, place in enumerate(places):
        drift = logp[place] - old[place]
        total = total - adv[place] * torch.exp(drift)
        if k in top:
            total = total + beta * drift.abs()
    return total / len(places)


def steer_omega(logp: float, old: float, adv: float, entropy: float, variant: str = "official") -> float:
    x = min(max(math.exp(logp), 1e-8), 1 - 1e-8)
    o = min(max(math.exp(old), 1e-8), 1.0)
    rest = {"official": 1 - x, "squared": (1 - x) ** 2, "own_logit": 1 - x}[variant]
    scale = adv * math.exp(logp - old) if variant == "own_logit" else adv / o
    return scale * x * rest * (math.log(x) + entropy)


def steer_weights(omegas: list[float], lambda_min: float, lambda_max: float, linear: bool) -> list[float]:
    sizes = [abs(one) for one in omegas]
    largest, least = max(sizes), min(sizes)
    if not linear:
        k = -math.log(lambda_min) / max(largest, 0.02)
        return [min(max(math.exp(-k * one), lambda_min), 1.0) for one in sizes]
    if largest == least:
        return [(lambda_min + lambda_max) / 2] * len(sizes)
    slope = (lambda_max - lambda_min) / (largest - least)
    return [min(max(lambda_max - (one - least) * slope, lambda_min), lambda_max) for one in sizes]


def dual_clip(logp: float, old: float, adv: float, low: float, high: float, c: float) -> float:
    rho = math.exp(min(max(logp - old, -20.0), 20.0))
    loss = max(-adv * rho, -adv * min(max(rho, 1 - low), 1 + high))
    return min(loss, -adv * c) if adv < 0 else loss
