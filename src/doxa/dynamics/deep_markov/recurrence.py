"""The two loops over time of a deep Markov model, each one node of the graph with its own backward loop.

Everything that can be computed for all steps at once stands outside the loops: projections of inputs, gradients of
weights, derivatives of gates. What is left of a step is one small product and a few operations in place, because on a
processor the cost of a step is the number of operations and not their size. Groups (replicates, directions, streams)
run side by side in one batched product.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float


class GuidePath(NamedTuple):
    """A guide's way through time, [groups, time, rows, latent] each.

    Attributes:
        sample: z_t = mean_t + scale_t · noise_t, from which the next step starts.
        mean: of q(z_t | z_{t-1}, x).
        scale: its standard deviation.
    """

    sample: Float[torch.Tensor, "groups time rows latent"]
    mean: Float[torch.Tensor, "groups time rows latent"]
    scale: Float[torch.Tensor, "groups time rows latent"]


def gated_recurrence(
    inputs: Float[torch.Tensor, "groups time rows three_hidden"],
    start: Float[torch.Tensor, "groups hidden"],
    weight: Float[torch.Tensor, "groups hidden three_hidden"],
    bias: Float[torch.Tensor, "groups three_hidden"],
) -> Float[torch.Tensor, "groups time rows hidden"]:
    """Return the hidden states of gated recurrent units (Cho et al. 2014, gates as in ``torch.nn.GRU``).

    r = σ(i_r + h W_r + b_r), z = σ(i_z + h W_z + b_z), n = tanh(i_n + r·(h W_n + b_n)), h' = n + z·(h - n).

    Args:
        inputs: projected inputs, gates in the order r, z, n.
        start: the state before the first step.
        weight: of the hidden state, gates in the order n, r, z: the blocks that a gradient needs then lie side by side.
        bias: beside it, same order.
    """
    return cast(torch.Tensor, _GatedRecurrence.apply(inputs, start, weight, bias))


class _GatedRecurrence(torch.autograd.Function):
    """The loop over time of ``gated_recurrence``."""

    @staticmethod
    def forward(ctx: Any, *arguments: torch.Tensor) -> torch.Tensor:
        inputs, start, weight, bias = arguments
        groups, steps, rows, _ = inputs.shape
        width = start.shape[-1]
        states = inputs.new_empty(groups, steps + 1, rows, width)
        states[:, 0] = start.unsqueeze(1)
        hidden = inputs.new_empty(groups, steps, rows, 3 * width)
        gates = inputs.new_empty(groups, steps, rows, 2 * width)
        fresh = inputs.new_empty(groups, steps, rows, width)
        offset = bias.unsqueeze(1)
        for before, after, given, own, gate, new in zip(
            states[:, :-1].unbind(1),
            states[:, 1:].unbind(1),
            inputs.unbind(1),
            hidden.unbind(1),
            gates.unbind(1),
            fresh.unbind(1),
            strict=True,
        ):
            torch.baddbmm(offset, before, weight, out=own)
            torch.add(given[..., : 2 * width], own[..., width:], out=gate).sigmoid_()
            torch.addcmul(given[..., 2 * width :], gate[..., :width], own[..., :width], out=new).tanh_()
            torch.lerp(new, before, gate[..., width:], out=after)
        ctx.save_for_backward(states, hidden, gates, fresh, weight)
        return states[:, 1:]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        (upstream,) = gradients
        states, hidden, gates, fresh, weight = cast(tuple[torch.Tensor, ...], ctx.saved_tensors)
        groups, steps, rows, width = fresh.shape
        reset, keep = gates[..., :width], gates[..., width:]
        # d h' / d (pre-activations of z and n), and d n / d (h W_n, pre-activation of r): known before the loop.
        outer = torch.stack(
            ((states[:, :-1] - fresh) * keep * (1 - keep), (1 - keep) * (1 - fresh * fresh)), 3
        )
        inner = torch.stack((reset, hidden[..., :width] * reset * (1 - reset)), 3)
        flows = fresh.new_empty(groups, steps, rows, 4, width)  # gradients of h W_n, and of gates r, z, n
        carry = fresh.new_zeros(groups, rows, width)
        backwards = weight.transpose(1, 2)
        for given, out, ins, kept, flow in zip(
            *(part.unbind(1)[::-1] for part in (upstream, outer, inner, keep, flows)), strict=True
        ):
            carry += given
            torch.mul(carry.unsqueeze(2), out, out=flow[:, :, 2:])
            torch.mul(flow[:, :, 3:], ins, out=flow[:, :, :2])
            carry *= kept
            carry.baddbmm_(flow[:, :, :3].flatten(2), backwards)
        own = flows[..., :3, :].flatten(3).flatten(1, 2)
        return (
            flows[..., 1:, :].flatten(3),
            carry.sum(1),
            states[:, :-1].flatten(1, 2).transpose(1, 2) @ own,
            own.sum(1),
        )


def guide_path(
    start: Float[torch.Tensor, "groups latent"],
    weight: Float[torch.Tensor, "groups latent hidden"],
    inputs: Float[torch.Tensor, "groups time rows hidden"],
    context: Float[torch.Tensor, "replicates time rows hidden"],
    out_weight: Float[torch.Tensor, "groups hidden two_latent"],
    out_inputs: Float[torch.Tensor, "groups time rows two_latent"],
    noise: Float[torch.Tensor, "groups time rows latent"],
    floor: float,
) -> GuidePath:
    """Return a sample of structured inference: each step starts from the sample of the one before.

    o_t = relu(tanh(z_{t-1} W + c_t) + h_t) V + d_t; mean and pre-scale are the halves of o_t; the scale is
    softplus(pre-scale) + floor; z_t = mean + scale · noise.

    Args:
        start: z_0.
        weight: W, of the previous latent.
        inputs: c_t, bias and what inputs add inside the tanh.
        context: h_t, the recurrent states; groups are ordered replicate-major and share their replicate's.
        out_weight: V.
        out_inputs: d_t, bias and what inputs add to mean and pre-scale.
        noise: standard normal numbers, or zeros for the path of means.
        floor: smallest scale.
    """
    return GuidePath(
        *_GuidePath.apply(start, weight, inputs, context, out_weight, out_inputs, noise, floor)  # pyright: ignore
    )


class _GuidePath(torch.autograd.Function):
    """The loop over time of ``guide_path``."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[torch.Tensor, ...]:
        start, weight, inputs, context, out_weight, out_inputs, noise, floor = arguments
        groups, steps, rows, width = inputs.shape
        latent = start.shape[-1]
        streams = groups // context.shape[0]
        samples = inputs.new_empty(groups, steps + 1, rows, latent)
        samples[:, 0] = start.unsqueeze(1)
        turned = inputs.new_empty(groups, steps, rows, width)
        active = inputs.new_empty(groups, steps, rows, width)
        out = inputs.new_empty(groups, steps, rows, 2 * latent)
        scales = inputs.new_empty(groups, steps, rows, latent)
        shared = active.view(-1, streams, steps, rows, width).transpose(1, 2)
        turned_shared = turned.view(-1, streams, steps, rows, width).transpose(1, 2)
        for before, after, given, turn, turn_wide, common, act, act_wide, given_out, both, scale, one in zip(
            samples[:, :-1].unbind(1),
            samples[:, 1:].unbind(1),
            inputs.unbind(1),
            turned.unbind(1),
            turned_shared.unbind(1),
            context.unsqueeze(2).unbind(1),
            active.unbind(1),
            shared.unbind(1),
            out_inputs.unbind(1),
            out.unbind(1),
            scales.unbind(1),
            noise.unbind(1),
            strict=True,
        ):
            torch.baddbmm(given, before, weight, out=turn).tanh_()
            torch.add(turn_wide, common, out=act_wide)
            act.relu_()
            torch.baddbmm(given_out, act, out_weight, out=both)
            torch.nn.functional.softplus(both[..., latent:], out=scale)  # pyright: ignore
            scale += floor
            torch.addcmul(both[..., :latent], scale, one, out=after)
        ctx.save_for_backward(samples, turned, active, out, weight, out_weight, noise)
        ctx.streams = streams
        return samples[:, 1:], out[..., :latent].clone(), scales

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_sample, of_mean, of_scale = gradients
        samples, turned, active, out, weight, out_weight, noise = cast(
            tuple[torch.Tensor, ...], ctx.saved_tensors
        )
        groups, steps, rows, width = turned.shape
        latent = noise.shape[-1]
        slope = out[..., latent:].sigmoid()
        # What a gradient of z_t adds to mean and pre-scale, and what comes to them from elsewhere.
        passed = torch.stack((torch.ones_like(noise), noise * slope), 3)
        direct = torch.stack((of_mean, of_scale * slope), 3)
        gate = (active > 0).to(active.dtype)
        bend = gate * (1 - turned * turned)
        flows = out.new_empty(groups, steps, rows, 2, latent)
        at_active = torch.empty_like(active)
        at_turned = torch.empty_like(active)
        carry = out.new_zeros(groups, rows, latent)
        backwards, out_backwards = weight.transpose(1, 2), out_weight.transpose(1, 2)
        for given, more, factor, curve, flow, act, turn in zip(
            *(
                part.unbind(1)[::-1]
                for part in (of_sample, direct, passed, bend, flows, at_active, at_turned)
            ),
            strict=True,
        ):
            carry += given
            torch.addcmul(more, carry.unsqueeze(2), factor, out=flow)
            torch.bmm(flow.flatten(2), out_backwards, out=act)
            torch.mul(act, curve, out=turn)
            torch.bmm(turn, backwards, out=carry)
        at_out = flows.flatten(3)
        return (
            carry.sum(1),
            samples[:, :-1].flatten(1, 2).transpose(1, 2) @ at_turned.flatten(1, 2),
            at_turned,
            (at_active * gate).view(-1, ctx.streams, steps, rows, width).sum(1),
            active.flatten(1, 2).transpose(1, 2) @ at_out.flatten(1, 2),
            at_out,
            None,
            None,
        )
