from math import acos, exp, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import dlti, lfilter

from doxa.belief.recovery import loop_area
from doxa.dynamics import dynamics
from doxa.dynamics.affect import VAD, VALENCE, FirstOrder, MoodSpace, SecondOrder, Stateless, affect_rule
from doxa.errors import InputError
from doxa.streams import stream
from doxa.testing.dynamics import check_dynamics

RULES = [FirstOrder(0.3), FirstOrder(0.5, 0.2), SecondOrder(0.5), SecondOrder(0.8), SecondOrder(0.9, 0.4)]


def signals(turns=40, seed=0, space=VAD):
    return stream(seed, "affect signals").uniform(space.low, space.high, (turns, space.size))


def shock():
    """A step of -.7 on turns 6 to 12 and of +.5 on turns 13 to 20, of 25."""
    signal = np.zeros((25, 1))
    signal[5:12], signal[12:20] = -0.7, 0.5
    return signal


def free(rule):
    """The same rule of one dimension without ends."""
    return type(rule)(**{**vars(rule), "clip": False, "space": VALENCE})


@pytest.mark.parametrize("name", ["affect-stateless", "affect-first-order", "affect-second-order"])
def test_each_rule_keeps_the_contract_of_dynamics(name):
    check_dynamics(dynamics.get(name)())


def test_three_turns_by_hand():
    heard = [[-0.5, 0.4, 0.0], [0.5, 0.0, 0.2], [0.0, 0.0, 0.0]]
    assert np.array_equal(Stateless().series(heard), heard)
    first = FirstOrder(0.5).series(heard)
    assert first[:, 0] == pytest.approx([-0.25, 0.125, 0.0625])
    # v = .8 v + .2 (e - s): v1 = -.1, s1 = -.1; v2 = -.08 + .2 * .6 = .04, s2 = -.06; v3 = .032 + .012 = .044
    second = SecondOrder(0.8).series(heard)
    assert second[:, 0] == pytest.approx([-0.1, -0.06, -0.016])
    pulled = FirstOrder(0.5, rho=0.25, baseline=(0.4, 0.0, 0.0)).series(heard[:1])
    assert pulled[0, 0] == pytest.approx(0.5 * 0.4 + 0.5 * -0.5)


def test_the_order_with_alpha_one_is_the_stateless_series_bit_for_bit():
    given_ = signals()
    assert np.array_equal(FirstOrder().series(given_), Stateless().series(given_))
    assert SecondOrder(0.0, 1.0).series(given_) == pytest.approx(given_, abs=1e-15)


@pytest.mark.parametrize(
    ("mu", "size", "period"), [(0.5, 0.707, 8.0), (0.8, 0.894, 13.6), (0.95, 0.975, 27.9)]
)
def test_poles_and_periods_of_the_paper_s_momenta(mu, size, period):
    found = SecondOrder(mu).analysis()
    assert np.abs(found.poles) == pytest.approx(sqrt(mu))
    assert found.spectral_radius == pytest.approx(size, abs=1e-3)
    assert abs(np.angle(found.poles[0])) == pytest.approx(acos(sqrt(mu)))
    assert found.period == pytest.approx(2 * pi / acos(sqrt(mu)))
    assert found.period == pytest.approx(period, abs=0.06)
    assert sum(found.poles) == pytest.approx(2 * mu)
    assert found.time_constant == pytest.approx(-2 / log(mu))


def test_poles_of_the_heavy_ball_are_the_roots_of_its_characteristic():
    assert SecondOrder(0.9, 0.4).poles() == pytest.approx(np.roots([1.0, -(1 + 0.9 - 0.4), 0.9]))
    assert FirstOrder(0.3, 0.2).poles() == pytest.approx([0.5])
    assert Stateless().poles().shape == (0,)
    assert Stateless().analysis().time_constant == 0.0


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_a_rule_does_is_what_its_linear_system_says(rule):
    rule = free(rule)
    heard = signals(space=VALENCE)
    assert rule.system().simulate(heard).outputs == pytest.approx(rule.series(heard), abs=1e-12)


@pytest.mark.parametrize("mu", [0.5, 0.8, 0.95])
def test_the_transfer_function_is_the_one_that_was_derived(mu):
    omega = np.linspace(0.05, 3.0, 20)
    z, g = np.exp(1j * omega), 1 - mu
    expected = g / ((1 - 1 / z) * (1 - mu / z) + g / z)
    assert SecondOrder(mu).frequency_response(omega) == pytest.approx(expected)
    # and by scipy's filter: g / (1 - (1 + μ - g) z^-1 + μ z^-2)
    heard = signals(space=VALENCE)[:, 0]
    filtered = lfilter([g], [1.0, -(1 + mu - g), mu], heard)
    assert SecondOrder(mu, clip=False, space=VALENCE).series(heard[:, None])[:, 0] == pytest.approx(filtered)
    assert sorted(dlti([g, 0, 0], [1.0, -2 * mu, mu]).poles, key=abs) == pytest.approx(
        sorted(SecondOrder(mu).poles(), key=abs)
    )


def test_the_first_order_s_step_response_is_one_minus_what_is_kept():
    turns = np.arange(1, 11)
    assert FirstOrder(0.3).step_response(10) == pytest.approx(1 - 0.7**turns)
    assert FirstOrder(0.3, space=VALENCE).series(np.ones((10, 1)))[:, 0] == pytest.approx(1 - 0.7**turns)


@pytest.mark.parametrize(
    "rule", [FirstOrder(0.3), SecondOrder(0.8), SecondOrder(0.9, 0.4), Stateless()], ids=str
)
def test_a_constant_signal_is_where_the_state_goes(rule):
    held = np.broadcast_to([0.3, 0.5, -0.4], (400, 3))
    assert rule.series(held)[-1] == pytest.approx([0.3, 0.5, -0.4], abs=1e-6)
    assert rule.analysis().static_gain == pytest.approx(1.0)


def test_a_pull_home_keeps_a_share_of_the_way():
    assert FirstOrder(0.3, 0.1).analysis().static_gain == pytest.approx(0.75)


@given(st.integers(0, 100), st.sampled_from(RULES))
def test_signals_add_up_where_the_scale_has_no_ends(seed, rule):
    rule = free(rule)
    a, b = signals(20, seed, VALENCE) / 2, signals(20, seed + 1000, VALENCE) / 2
    assert rule.series(a) + rule.series(b) == pytest.approx(rule.series(a + b), abs=1e-12)


@given(st.integers(0, 100), st.sampled_from([*RULES, FirstOrder(tau_up=1.5, tau_down=5.0)]))
def test_the_state_stays_within_the_scale_and_the_opposite_signal_gives_the_opposite(seed, rule):
    heard = np.sign(signals(40, seed))
    heard[:, 1] = 0.0
    states = rule.series(heard)
    assert np.all((states >= VAD.low) & (states <= VAD.high))
    if rule.symmetric:
        assert rule.series(-heard) == pytest.approx(-states, abs=1e-12)


@pytest.mark.parametrize("rule", [*RULES, Stateless()], ids=str)
def test_silence_and_a_neutral_signal_keep_the_baseline(rule):
    assert np.array_equal(rule.series(np.zeros((10, 3))), np.zeros((10, 3)))
    homed = type(rule)(**{**vars(rule), "baseline": (0.2, 0.3, -0.1)})
    if not isinstance(rule, Stateless):
        assert homed.rested(homed.start(), 3.0).state == pytest.approx([0.2, 0.3, -0.1])


def test_momentum_near_one_freezes_the_state():
    reach = [np.abs(SecondOrder(mu).series(signals(25))).max() for mu in (0.9, 0.99, 0.999, 0.99999)]
    assert reach == sorted(reach, reverse=True)
    assert reach[-1] < 0.01


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.8, 0.95])
def test_the_loop_of_a_sine_has_the_area_of_the_imaginary_part(mu):
    rule, omega, amplitude = SecondOrder(mu, space=VALENCE, clip=False), 2 * pi / 50, 0.5
    heard = amplitude * np.sin(omega * np.arange(50 * 20))[:, None]
    area = loop_area(heard[-50:, 0], rule.series(heard)[-50:, 0])
    expected = pi * abs(rule.frequency_response(omega)[0].imag) * amplitude**2
    assert area == pytest.approx(expected, rel=0.01, abs=1e-9)
    # at amplitude one: 0, .006, .028, .238
    assert area / amplitude**2 == pytest.approx({0.0: 0, 0.5: 0.006, 0.8: 0.028, 0.95: 0.238}[mu], abs=6e-4)


def test_the_numbers_of_the_shock():
    lowest = {0.0: (-0.70, 6), 0.5: (-0.875, 8), 0.8: (-1.04, 11), 0.95: (-0.77, 14)}
    for mu, (value, turn) in lowest.items():
        state = SecondOrder(mu, space=VALENCE, clip=False).series(shock())[:, 0]
        assert (state.min(), state.argmin() + 1) == (pytest.approx(value, abs=0.005), turn)


def test_a_state_that_meets_an_end_stops_there_unless_it_is_told_to_gather_speed():
    heard = np.full((12, 1), -1.0)
    held = SecondOrder(0.9, 0.3, space=VALENCE)
    windy = SecondOrder(0.9, 0.3, anti_windup=False, space=VALENCE)
    mood, other = held.start(), windy.start()
    for one in heard:
        mood, other = held.after(mood, one), windy.after(other, one)
        if mood.state[0] == -1.0:
            assert mood.velocity[0] == 0.0
    assert other.velocity[0] < -0.1
    back = [rule.series(np.concatenate([heard[:4], np.ones((12, 1))]))[:, 0] for rule in (held, windy)]
    assert np.argmax(back[0] > 0) < np.argmax(back[1] > 0)


@given(
    st.sampled_from([FirstOrder(0.3), FirstOrder(0.3, 0.2), SecondOrder(0.8), SecondOrder(0.9, 0.4)]),
    st.floats(0.05, 3.0),
    st.floats(0.05, 3.0),
)
@settings(max_examples=40)
def test_two_parts_of_a_turn_are_the_turn(rule, one, other):
    signal, before = np.array([0.2, 0.5, -0.3]), rule.after(rule.start(), [-0.4, 0.3, 0.1])
    apart = rule.after(rule.after(before, signal, one), signal, other)
    whole = rule.after(before, signal, one + other)
    assert apart.state == pytest.approx(whole.state, abs=1e-9)
    assert apart.velocity == pytest.approx(whole.velocity, abs=1e-9)


def test_a_turn_of_length_one_is_the_recursion_and_three_are_three():
    for rule in (FirstOrder(0.3), SecondOrder(0.8), FirstOrder(1.0)):
        before, signal = rule.after(rule.start(), [-0.4, 0.3, 0.1]), [0.5, 0.2, 0.2]
        three = before
        for _ in range(3):
            three = rule.after(three, signal)
        assert rule.after(before, signal, 3.0).state == pytest.approx(three.state)


def test_time_by_the_clock_decays_by_the_closed_form():
    rule = FirstOrder(tau_up=4.0, tau_down=4.0)
    mood = rule.start()._replace(state=np.array([0.8, 0.6, -0.4]))
    assert rule.rested(mood, 2.5).state == pytest.approx(np.array([0.8, 0.6, -0.4]) * exp(-2.5 / 4))
    assert rule.rested(mood, 2.5).turn == mood.turn
    assert rule.series(np.ones((2, 3)), [0.5, 1.5])[-1] == pytest.approx(1 - exp(-2.0 / 4))


def test_a_mood_that_rises_fast_and_falls_slowly():
    rule = FirstOrder(tau_up=1.0, tau_down=5.0, space=VALENCE)
    states = rule.series([[1.0], [0.0], [0.0]])[:, 0]
    up, down = 1 - exp(-1), exp(-1 / 5)
    assert states == pytest.approx([up, up * down, up * down**2])
    assert rule.rising() == FirstOrder(up, space=VALENCE)
    assert rule.falling().poles() == pytest.approx([down])
    slow = SecondOrder(0.5, tau_down=20.0, space=VALENCE)
    assert slow.falling().analysis().time_constant == pytest.approx(20.0)
    assert slow.series([[1.0]]) == pytest.approx(0.5)
    assert slow.series([[-1.0]]) == pytest.approx(-(1 - exp(-0.1)))
    with pytest.raises(InputError, match=r"ask .rising\(\) or .falling\(\)"):
        rule.poles()


def test_many_talkers_side_by_side_are_each_one_alone():
    heard = np.stack([signals(12, seed) for seed in range(4)])
    together = SecondOrder(0.8).series(heard)
    for one, states in zip(heard, together, strict=True):
        assert np.array_equal(SecondOrder(0.8).series(one), states)


def test_a_rule_holds_a_mood_for_one_talker():
    rule, heard = SecondOrder(0.8), signals(6)
    states = [rule.update(signal, turn=turn) for turn, signal in enumerate(heard, 1)]
    assert np.array_equal(states, rule.series(heard))
    assert rule.mood.turn == 6
    assert rule == SecondOrder(0.8)
    with pytest.raises(InputError, match="turn=9: turn 7 comes next"):
        rule.update(heard[0], turn=9)
    with pytest.raises(AttributeError):
        rule.mu = 0.5  # a rule under way cannot be another one
    rule.reset()
    assert rule.update(heard[0], turn=1) == pytest.approx(states[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SecondOrder(1.0), r"mu=1.0: must be in \[0, 1\)"),
        (lambda: SecondOrder(-0.1), "mu=-0.1"),
        (lambda: SecondOrder(0.5, 4.0), "its poles are -2.281, -0.2192"),
        (lambda: SecondOrder(0.5, 0.0), "gain=0.0: must be > 0"),
        (lambda: FirstOrder(0.0), r"alpha=0.0: must be in \(0, 1\]"),
        (lambda: FirstOrder(1.1), "alpha=1.1"),
        (lambda: FirstOrder(0.5, 1.6), "its poles are -1.1"),
        (lambda: FirstOrder(rho=-0.1), "rho=-0.1"),
        (lambda: FirstOrder(tau_up=0.0), "tau_up=0.0"),
        (lambda: FirstOrder(baseline=(0.0, 0.0)), "baseline has shape"),
        (lambda: FirstOrder(baseline=(0.0, -0.5, 0.0)), "arousal=-0.5"),
        (lambda: SecondOrder(0.8).update([0.0, 0.0]), r"signal has shape \(2,\)"),
        (lambda: SecondOrder(0.8).update([1.2, 0.0, 0.0]), "valence=1.2 must be a number from -1 to 1"),
        (lambda: SecondOrder(0.8).update([0.0, np.nan, 0.0]), "arousal=nan"),
        (lambda: FirstOrder().update([0.0, 0.0, 0.0], -1.0), "dt=-1.0: must be a number of turns > 0"),
        (lambda: FirstOrder().series(np.zeros((3, 3)), [1.0, 1.0]), "2 lengths for 3 turns"),
        (lambda: FirstOrder(1.0).update([0.0, 0.0, 0.0], 0.5), "no part of a turn"),
        (lambda: MoodSpace(("trust",), (0.1,), (1.0,)), "hold 0"),
        (lambda: MoodSpace(("trust",), (0.0, 0.0), (1.0,)), "give each dimension"),
        (lambda: affect_rule("second-order"), "say mu="),
        (lambda: affect_rule("second_order?mu=0.9"), "did you mean 'second-order'"),
        (lambda: affect_rule("second-order?mu=0.9&gain=much"), "gain=.much."),
        (lambda: affect_rule("first-order?mu=0.9"), "has no option 'mu'"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_rule_s_address_gives_the_rule():
    for rule in (
        SecondOrder(0.9),
        SecondOrder(0.5, 0.4, False, tau_up=3.0),
        FirstOrder(0.4, 0.1, baseline=(0.1, 0.2, -0.3), clip=False),
        Stateless(),
    ):
        assert affect_rule(str(rule)) == rule
    with pytest.raises(InputError, match="must be a number to a dimension"):
        affect_rule("first-order?baseline=low")
    assert affect_rule("second-order?mu=0.9&anti_windup=false") == SecondOrder(0.9, anti_windup=False)
    assert SecondOrder(0.9).as_json()["mu"] == 0.9
