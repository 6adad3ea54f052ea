from __future__ import annotations

import pytest

from doxa.audit.instrument import Recovery, check_instrument
from doxa.audit.protocol import protocols
from doxa.lab.record import Recorder
from doxa.streams import stream
from doxa.subjects.addresses import open_subject

SLUGS = ("confidence", "context-drift", "debate-confidence", "knowledge-belief", "role-play", "say-do")


def test_slope_bias_and_coverage_by_hand():
    recoveries = [
        Recovery("a", 0.0, 0.1, 0.0, 0.2),
        Recovery("b", 1.0, 1.3, 1.2, 1.4),
        Recovery("b", 1.0, 1.1, 0.9, 1.3),
        Recovery("c", 2.0, 2.3, 2.0, 2.6),
    ]
    check = check_instrument(recoveries, "b")
    assert check.slope == pytest.approx(1.1)
    assert check.intercept == pytest.approx(0.1)
    assert check.bias == pytest.approx(0.2)
    assert check.coverage == pytest.approx(0.75)
    assert check.threshold == pytest.approx(1.2)
    assert (check.sizes, check.n) == (3, 4)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_protocol_is_registered_with_five_sizes_and_its_threshold_among_them(slug):
    protocol = protocols.get(slug)
    assert protocol.slug == slug
    assert len(set(protocol.planted.values())) >= 5
    assert protocol.smallest in protocol.planted


def effect_of(slug, address, seed=0, size=4):
    protocol = protocols.get(slug)
    recorder = Recorder("test", seed)
    protocol.micro(
        open_subject(address),
        recorder,
        rng=stream(seed, "contexts"),
        size=size,
        step=lambda done, total, note: None,
    )
    return protocol.assess(recorder.tables(), stream(seed, "bootstrap"))


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_planted_is_recovered_and_another_defect_is_not_named(slug):
    protocol = protocols.get(slug)
    counts = max(1.0, protocol.planted[protocol.smallest])
    for address, planted in protocol.planted.items():
        span = effect_of(slug, address, size=8).effect.span
        assert abs(span.value - planted) < 0.1 * max(abs(planted), counts)
    threshold = protocol.planted[protocol.smallest]
    others = {
        "confidence": "planted:overconfident?sharpening=2",
        "context-drift": "planted:drifting?rate=0.3",
        "knowledge-belief": "planted:first-person-blind?probability=0.9",
        "role-play": "planted:role-player?strength=2",
        "say-do": "planted:two-faced?against=0.9",
    }
    for other, address in others.items():
        if protocols.get(other).defect != protocol.defect:
            assert effect_of(slug, address).effect.span.high < threshold
    assert effect_of(slug, "planted:bayesian").effect.span.high < threshold


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize(
    ("address", "what"), [("planted:refuser", "refused"), ("planted:garbler?rate=0.9", "missing")]
)
def test_refused_and_unreadable_answers_block_the_verdict(slug, address, what):
    assert what in effect_of(slug, address).blocked
