"""Is anything learned? Layers under the rule against the same net untrained, principal components and backpropagation.

The rule gets no labels. They serve afterwards, on images it never saw: clusters of the largest output, and a linear
probe on the knowledge of each layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from doxa.lab.record import Recorder
from doxa.streams import stream, torch_stream
from doxa.training.forward_only.experiments import DT, STEPS, Setup
from doxa.training.forward_only.images import Images
from doxa.training.forward_only.network import SKANetwork

CHECKPOINTS = (0, 12, 25, 37, STEPS)
"""Forward passes after which layers are probed; at 25 the published run is said to begin structured learning."""
HELD_OUT = 0.3
PENALTIES = tuple(float(one) for one in np.logspace(-9.0, 4.0, 14))
"""Down to where the rounding of float32 hides what features differ by: one direction may outgrow all others."""
BACKPROP_STEPS = 150
BACKPROP_RATE = 3e-3
UNTRAINED, TRAINED, PCA, BACKPROP, SHUFFLED = (
    "untrained",
    "forward-only",
    "PCA",
    "backprop",
    "dealt-out labels",
)

Features = Float[np.ndarray, "samples _"]


class Split(NamedTuple):
    """Places of the images that are learned from and of those held out."""

    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]


@dataclass(frozen=True)
class Clusters:
    """How clusters agree with classes.

    Attributes:
        nmi: mutual information over the mean of both entropies, in [0, 1].
        purity: share of samples that are of the commonest class of their cluster.
    """

    nmi: float
    purity: float

    @classmethod
    def of(cls, clusters: Int[np.ndarray, " samples"], labels: Int[np.ndarray, " samples"]) -> Clusters:
        """Return the agreement of a clustering with classes."""
        from sklearn.metrics import normalized_mutual_info_score
        from sklearn.metrics.cluster import contingency_matrix

        table = contingency_matrix(labels, clusters)
        return cls(
            float(normalized_mutual_info_score(labels, clusters)),
            float(table.max(axis=0).sum() / table.sum()),
        )


def split(labels: Int[np.ndarray, " samples"], seed: int) -> Split:
    """Return a split with the same share of each class held out."""
    rng = stream(seed, "ska", "split")
    test = np.concatenate(
        [
            rng.permutation(np.flatnonzero(labels == one))[
                : max(1, round(HELD_OUT * int((labels == one).sum())))
            ]
            for one in np.unique(labels)
        ]
    )
    return Split(np.setdiff1d(np.arange(len(labels)), test), np.sort(test))


def probe_accuracy(features: Features, labels: Int[np.ndarray, " samples"], own: Split) -> float:
    """Return the accuracy on held-out samples of a ridge classifier whose penalty is chosen on the others."""
    from sklearn.linear_model import RidgeClassifierCV

    z = features.astype(np.float64) - features[own.train].mean(axis=0, dtype=np.float64)
    # one scale for all features: small principal components must not become as large as the first
    z /= max(float(z[own.train].std()), 1e-300)
    fitted = RidgeClassifierCV(alphas=PENALTIES).fit(z[own.train], labels[own.train])
    return float(np.mean(fitted.predict(z[own.test]) == labels[own.test]))


def record_structure(recorder: Recorder, setup: Setup, seed: int) -> None:
    """Record probe accuracy and clusters of every layer, for the rule on the way and for what it is held against."""
    labels = setup.images.labels
    if labels is None:
        return
    own = split(labels, seed)
    pixels = setup.images.pixels
    record = _Recording(recorder, setup, labels, own)
    network = setup.network(seed)
    for step in range(STEPS + 1):
        if step in CHECKPOINTS:
            # on the way the network has seen training images alone; those held out only pass through
            record.layers(TRAINED if step else UNTRAINED, _knowledge(network, pixels), step)
        if step < STEPS:
            network.step(pixels[own.train], DT)
    last = _knowledge(network, pixels)[-1]
    dealt = stream(seed, "ska", "dealt out").permutation(labels)
    recorder.measure(
        "probe",
        probe_accuracy(last, dealt, own),
        **setup.about(kind=SHUFFLED, layer=len(setup.layers), step=STEPS),
    )
    record.layers(PCA, _principal(pixels.numpy(), own, setup.layers), STEPS)
    trained = train_backprop(setup.images, setup.layers, own, seed)
    record.layers(BACKPROP, trained, STEPS)
    recorder.measure(
        "probe",
        probe_accuracy(pixels.numpy(), labels, own),
        **setup.about(kind="pixels", layer=0, step=STEPS),
    )


@dataclass(frozen=True)
class _Recording:
    recorder: Recorder
    setup: Setup
    labels: Int[np.ndarray, " samples"]
    own: Split

    def layers(self, kind: str, features: list[Features], step: int) -> None:
        for layer, own in enumerate(features):
            about = self.setup.about(kind=kind, layer=layer + 1, step=step)
            self.recorder.measure("probe", probe_accuracy(own, self.labels, self.own), **about)
        output, labels = features[-1][self.own.test], self.labels[self.own.test]
        # one unit may be largest on every image; less its mean, it shows what its output differs by
        for centred, values in ((False, output), (True, output - output.mean(axis=0))):
            found = Clusters.of(values.argmax(axis=1), labels)
            about = self.setup.about(kind=kind, step=step, centred=centred)
            self.recorder.measure("nmi", found.nmi, **about)
            self.recorder.measure("purity", found.purity, **about)


def _knowledge(network: SKANetwork, pixels: torch.Tensor) -> list[Features]:
    return [state.knowledge.numpy() for state in network.forward(pixels)]


def _principal(pixels: Features, own: Split, layers: tuple[int, ...]) -> list[Features]:
    """Return as many principal components of the training images as each layer has units, or as there are."""
    from sklearn import decomposition

    most = min(max(layers), len(own.train), pixels.shape[1])
    scores = decomposition.PCA(most, svd_solver="full").fit(pixels[own.train]).transform(pixels)
    return [scores[:, :width] for width in layers]


def sigmoid_stack(input_dim: int, layers: tuple[int, ...], seed: int) -> torch.nn.Sequential:
    """Return linear layers with sigmoids between, with Glorot's initial weights, the last layer without one."""
    generator = torch_stream(seed, "ska", "backprop")
    modules: list[torch.nn.Module] = []
    width = input_dim
    for place, units in enumerate(layers):
        layer = torch.nn.utils.skip_init(torch.nn.Linear, width, units)
        # without gain 4, the slope 1/4 of the sigmoid would shrink signals layer by layer
        torch.nn.init.xavier_normal_(
            layer.get_parameter("weight"), gain=4.0 if place else 1.0, generator=generator
        )
        torch.nn.init.zeros_(layer.get_parameter("bias"))
        modules += [layer, *([torch.nn.Sigmoid()] if place < len(layers) - 1 else [])]
        width = units
    return torch.nn.Sequential(*modules)


def train_backprop(images: Images, layers: tuple[int, ...], own: Split, seed: int) -> list[Features]:
    """Return the pre-activations of a net of the same layers, trained on labels by backpropagation, full batch."""
    assert images.labels is not None  # noqa: S101 - asked before
    model = sigmoid_stack(images.pixels.shape[1], layers, seed)
    x, y = images.pixels[own.train], torch.from_numpy(images.labels[own.train])
    optimiser = torch.optim.Adam(model.parameters(), BACKPROP_RATE)
    for _ in range(BACKPROP_STEPS):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    found: list[Features] = []
    z = images.pixels
    with torch.no_grad():
        for module in model:
            z = module(z)
            if isinstance(module, torch.nn.Linear):
                found.append(z.numpy())
    return found
