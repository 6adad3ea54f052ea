import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from doxa.dynamics.affect import VAD, VALENCE
from doxa.errors import InputError, StoreError
from doxa.protocols.affect import (
    Anchors,
    CallableEstimator,
    DialogueScript,
    EmbeddingEstimator,
    Estimator,
    EstimatorWarning,
    LexiconEstimator,
    NoiseEstimator,
    VaderVAD,
    scripts,
)

NORMS = {"happy": (8.5, 6.0, 7.0), "awful": (1.5, 7.0, 3.0), "table": (5.0, 3.0, 5.0)}


@pytest.mark.parametrize("name", scripts())
def test_vader_s_numbers_are_those_of_its_package(name):
    analyser = SentimentIntensityAnalyzer()
    texts = [line.text for line in DialogueScript.load(name).lines]
    for text, (valence, arousal, dominance) in zip(texts, VaderVAD().estimate(texts), strict=True):
        scores = analyser.polarity_scores(text)
        assert valence == scores["compound"]
        assert arousal == pytest.approx(1 - scores["neu"], abs=0.0011)  # the package rounds to three places
        both = scores["pos"] + scores["neg"]
        assert dominance == pytest.approx((scores["pos"] - scores["neg"]) / both if both else 0.0)


def test_a_neutral_or_empty_text_is_zero():
    assert np.array_equal(VaderVAD().estimate(["", "   ", "The chair is on the floor."]), np.zeros((3, 3)))
    assert VaderVAD().estimate([]).shape == (0, 3)


@given(st.text(max_size=60).filter(lambda text: text.isascii()))
def test_any_text_gives_a_point_of_the_space(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EstimatorWarning)
        VAD.checked("signal", VaderVAD().estimate([text])[0])


def test_texts_that_are_not_english_give_a_warning_and_zero():
    with pytest.warns(EstimatorWarning, match="2 of 3 texts do not look English"):
        found = VaderVAD().estimate(
            ["Das finde ich wirklich ganz furchtbar", "Это было совершенно ужасно", "It is on the table."]
        )
    assert np.array_equal(found, np.zeros((3, 3)))


def test_a_lexicon_of_one_s_own_by_hand():
    estimator = LexiconEstimator(NORMS, scale=(1, 9))
    found = estimator.estimate(["A HAPPY table.", "awful, awful!", "nothing known"])
    assert found[0] == pytest.approx([((7.5 + 4) / 8) - 1, (5 / 8 + 2 / 8) / 2, ((6 + 4) / 8) - 1])
    assert found[1] == pytest.approx([2 * 0.5 / 8 - 1, 6 / 8, 2 * 2 / 8 - 1])
    assert np.array_equal(found[2], np.zeros(3))
    assert LexiconEstimator({"Happy": (0.9, 0.5, 0.4)}).estimate(["happy"])[0] == pytest.approx(
        [0.9, 0.5, 0.4]
    )


@pytest.mark.parametrize("mark", ["\t", ","])
def test_a_lexicon_is_read_from_a_file(tmp_path, mark):
    path = tmp_path / "norms.txt"
    rows = [("Word", "V", "A", "D"), *((word, *map(str, norm)) for word, norm in NORMS.items())]
    path.write_text("\n".join(mark.join(row) for row in rows))
    read = LexiconEstimator.load(path, scale=(1, 9), columns=("Word", "V", "A", "D"))
    assert read.as_json() == LexiconEstimator(NORMS, scale=(1, 9)).as_json()
    with pytest.raises(InputError, match="no column 'word'; it has Word"):
        LexiconEstimator.load(path)
    path.write_text(path.read_text() + "\nbad" + mark + "x" + mark + "1" + mark + "1")
    with pytest.raises(InputError, match="a norm is no number"):
        LexiconEstimator.load(path, scale=(1, 9), columns=("Word", "V", "A", "D"))
    with pytest.raises(StoreError):
        LexiconEstimator.load(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LexiconEstimator(NORMS), r"say what its numbers lie between, as in scale=\(1, 9\)"),
        (lambda: LexiconEstimator(NORMS, scale=(1, 7)), r"outside scale=\(1, 7\)"),
        (lambda: LexiconEstimator({}), "a lexicon has one word or more"),
        (lambda: LexiconEstimator({"a": (0.0, 0.0)}), "each has valence, arousal, dominance"),
        (lambda: CallableEstimator(lambda text: [2.0], "own", VALENCE).estimate(["a"]), "valence=2.0"),
        (
            lambda: EmbeddingEstimator(len, anchors={"valence": Anchors((), ("a",))}, space=VALENCE),
            "has none",
        ),
        (lambda: EmbeddingEstimator(letters), "give an encoder of your own a name"),
        (lambda: EmbeddingEstimator(name="letters"), "and none to the default one"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_function_and_noise_are_estimators_too():
    own = CallableEstimator(lambda text: [0.5 if "agree" in text else -0.5], "agreement", VALENCE)
    assert own.estimate(["i agree", "no"])[:, 0] == pytest.approx([0.5, -0.5])
    noise = NoiseEstimator(3)
    assert np.array_equal(noise.estimate(["a", "b"]), noise.estimate(["a", "b"]))
    assert not np.array_equal(noise.estimate(["a"]), noise.estimate(["b"]))
    assert not np.array_equal(noise.estimate(["a"]), NoiseEstimator(4).estimate(["a"]))
    for one in (own, noise, VaderVAD(), LexiconEstimator(NORMS, scale=(1, 9))):
        assert isinstance(one, Estimator)
    assert len({str(one.as_json()) for one in (own, noise, VaderVAD(), NoiseEstimator(4))}) == 4


def letters(texts):
    """Vectors in the plane: how often a and b are in a text."""
    return np.array([[text.count("a") + 1e-9, text.count("b")] for text in texts], dtype=float)


def test_an_embedding_is_placed_between_its_anchors():
    estimator = EmbeddingEstimator(
        letters, anchors=dict.fromkeys(VAD.names, Anchors(("a", "aa"), ("b", "bb"))), name="letters"
    )
    found = estimator.estimate(["aaa", "b", "ab", " "])
    assert found[:, 0] == pytest.approx([-1.0, 1.0, 0.0, 0.0], abs=1e-6)
    assert found[:, 1] == pytest.approx([0.0, 1.0, 0.5, 0.0], abs=1e-6)
    assert estimator.as_json()["encoder"] == "letters"
    assert estimator.estimate([]).shape == (0, 3)


def test_the_sentence_encoder_tells_joy_from_hate():
    found = EmbeddingEstimator().estimate(
        ["I am so happy that you came!", "You are horrible and I despise you."]
    )
    assert found[0, 0] > 0.1 > -0.1 > found[1, 0]
