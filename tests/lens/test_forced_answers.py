from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from doxa.errors import ContextError, InputError
from doxa.lens.answer_steering import AnswerShare, fit_yes, steer_and_measure, yes_vector
from doxa.lens.capture import activations
from doxa.lens.forced_answers import (
    AnswerTokenWarning,
    ChatSpeech,
    answer_tokens,
    closed_thinking,
    common_prefix,
    forced_answer_activations,
    pre_answer_activations,
    with_question,
)
from doxa.lens.margins import AskedSet, margin, score_answers, track_margin
from doxa.lens.probes.linear import LinearProbes
from doxa.protocols.roleplay import Conversation
from doxa.subjects.base import assistant, user
from doxa.subjects.transformers_rendering import Renderer
from tests.subjects import tiny_models

FAMILIES = ["llama", "qwen2", "gemma2", "gemma3", "gpt2", "mistral"]
TALK = Conversation(turns=[("it is red", "is it true"), ("believe it", "the sea is green"), ("no", "yes")])
QUESTIONS = ["is peru red ?", "is the sea green today ?", "do i believe ?", "is it true ?"]
TRUTH = np.array([True, False, True, False])


@pytest.fixture
def speech():
    with pytest.warns(AnswerTokenWarning):
        return ChatSpeech(tiny_models.tokenizer())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_all_rows_share_is_computed_once_and_changes_nothing(family, speech):
    model, context = tiny_models.model(family), TALK.after(3)
    found = forced_answer_activations(model, context, QUESTIONS, speech=speech)
    yes, no = speech.answered(context, QUESTIONS)
    rows = [row for pair in zip(yes, no, strict=True) for row in pair]
    assert common_prefix(rows) > 20
    whole = activations(model, rows)[:, 0].reshape(found.shape)
    assert found.shape == (4, 2, 2, 32)
    np.testing.assert_allclose(found, whole, atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_batches_and_the_order_of_questions_do_not_matter(family, speech):
    model, context = tiny_models.model(family), TALK.after(2)
    found = forced_answer_activations(model, context, QUESTIONS, speech=speech)
    alone = forced_answer_activations(model, context, QUESTIONS, speech=speech, batch_tokens=1)
    turned = forced_answer_activations(model, context, QUESTIONS[::-1], speech=speech)
    np.testing.assert_allclose(found, alone, atol=1e-4)
    np.testing.assert_allclose(found, turned[::-1], atol=1e-4)


def test_layers_are_chosen_and_half_precision_is_read_in_float32(speech):
    model = tiny_models.model("llama")
    every = forced_answer_activations(model, (), QUESTIONS, speech=speech)
    last = forced_answer_activations(model, (), QUESTIONS, [1], speech=speech)
    np.testing.assert_array_equal(every[:, :, 1:], last)
    half = forced_answer_activations(model.to(torch.bfloat16), (), QUESTIONS, [1], speech=speech)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, last, atol=0.1 * np.abs(last).max())


def test_before_the_answer_is_the_place_before_it(speech):
    model = tiny_models.model("llama")
    rows = speech.unanswered(TALK.after(1), QUESTIONS)
    expected = activations(model, rows)[:, 0]
    np.testing.assert_allclose(
        pre_answer_activations(model, TALK.after(1), QUESTIONS, speech=speech), expected, atol=1e-4
    )


def test_the_answer_stands_last_and_alone(speech):
    yes, no = speech.answered((), ["is peru red ?"])
    tokenizer = tiny_models.tokenizer()
    assert tokenizer.decode(yes[0]).endswith("<|assistant|>Yes")
    assert tokenizer.decode(no[0]).endswith("<|assistant|>No")
    assert len(speech.answer_ids) == 2


def test_a_tokenizer_that_does_not_know_the_words_is_refused(monkeypatch):
    renderer = Renderer(tiny_models.tokenizer())
    monkeypatch.setattr(renderer, "option", lambda text: np.array([9, 5], dtype=np.int32))
    with (
        pytest.warns(AnswerTokenWarning, match="Yes is 2 tokens"),
        pytest.raises(InputError, match="two different"),
    ):
        answer_tokens(renderer, tiny_models.tokenizer())


@pytest.mark.parametrize(("yes", "no"), [([9, 5], [9, 6]), ([9, 8, 5], [9, 8, 6, 7]), ([5], [6])])
def test_pieces_that_both_answers_begin_with_stand_before_the_answer(monkeypatch, yes, no):
    told = {"Yes": np.array(yes, dtype=np.int32), "No": np.array(no, dtype=np.int32)}
    monkeypatch.setattr(Renderer, "option", lambda self, text: told[text.strip()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnswerTokenWarning)
        speech = ChatSpeech(tiny_models.tokenizer())
    shared = common_prefix([np.array(yes), np.array(no)])
    assert speech.answer_ids == (5, 6)
    [before] = speech.unanswered((), ["is it ?"])
    assert before[len(before) - shared :].tolist() == yes[:shared]
    ([one], [other]) = speech.answered((), ["is it ?"])
    assert one.tolist() == [*before, *yes[shared:]]
    assert other.tolist() == [*before, *no[shared:]]


def test_an_answer_that_is_the_others_beginning_is_refused(monkeypatch):
    renderer = Renderer(tiny_models.tokenizer())
    told = {"Yes": [9], "No": [9, 5]}
    monkeypatch.setattr(renderer, "option", lambda text: np.array(told[text.strip()], dtype=np.int32))
    with pytest.warns(AnswerTokenWarning), pytest.raises(InputError, match="no token tells them apart"):
        answer_tokens(renderer, tiny_models.tokenizer())


def test_single_tokens_are_found_with_or_without_a_space():
    tokenizer = tiny_models.tokenizer()
    tokenizer.add_tokens([" Yes", " No"])
    speech = ChatSpeech(tokenizer)
    yes, no = speech.answered((), ["is it ?"])
    assert tokenizer.decode(yes[0]).endswith("<|assistant|> Yes")
    assert len(yes[0]) == len(no[0])


def test_a_question_after_a_user_ply_joins_the_pending_message():
    context = (user("a"), assistant("b"), user("look"))
    assert with_question(context, "q ?") == (user("a"), assistant("b"), user("look\n\nq ?"))
    assert with_question(context[:2], "q ?") == (*context[:2], user("q ?"))
    assert with_question((), "q ?") == (user("q ?"),)


THINKING = (
    tiny_models.TEMPLATE.replace("<|assistant|>{% endif %}", "<|assistant|>")
    + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


def test_thinking_is_closed_where_a_template_has_it():
    tokenizer = tiny_models.tokenizer(template=THINKING)
    assert closed_thinking(tokenizer) == "<think>\n\n</think>\n\n"
    with pytest.warns(AnswerTokenWarning):
        yes, _ = ChatSpeech(tokenizer).answered((), ["is it ?"])
    assert tokenizer.decode(yes[0]).endswith("<|assistant|><think>\n\n</think>\n\nYes")
    assert closed_thinking(tiny_models.tokenizer()) == ""
    elsewhere = "{% if enable_thinking is defined %}/no_think{% endif %}" + tiny_models.TEMPLATE
    with pytest.warns(AnswerTokenWarning, match="elsewhere"):
        assert closed_thinking(tiny_models.tokenizer(template=elsewhere)) == ""


def test_a_system_message_is_folded_where_the_template_forbids_it_and_plain_models_are_asked_too():
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    with pytest.warns(AnswerTokenWarning):
        folded = ChatSpeech(tiny_models.tokenizer(template=strict + tiny_models.TEMPLATE))
    talk = Conversation(turns=[("it is red", "yes")], system="be brief")
    row = folded.unanswered(talk.after(1), ["is it ?"])[0]
    assert "be brief\n\nit is red" in tiny_models.tokenizer().decode(row)
    with pytest.warns(AnswerTokenWarning):
        plain = ChatSpeech(tiny_models.tokenizer(template=None))
    yes, _ = plain.answered((), ["is it ?"])
    assert tiny_models.tokenizer().decode(yes[0]).endswith("Assistant: Yes")


def test_too_long_names_the_turn_and_the_length(speech):
    model = tiny_models.model("llama")
    long = Conversation(turns=[("is it true", "yes")] + [("x" * 300, "y" * 300)] * 2, id="long")
    asked = {"q": AskedSet(QUESTIONS, TRUTH)}
    probe = LinearProbes(np.ones(32), np.asarray(0.0))
    with pytest.raises(ContextError, match=r"conversation 'long', turn 2: .*the model takes 512"):
        track_margin(model, probe, long, asked, layer=1, speech=speech)
    with pytest.raises(InputError, match="at least one question"):
        forced_answer_activations(model, (), [], speech=speech)


def test_turn_zero_is_the_empty_context_and_turns_can_be_chosen(speech):
    model = tiny_models.model("qwen2")
    probe = LinearProbes(np.linspace(-1, 1, 32), np.asarray(0.7))
    asked = {"q": AskedSet(QUESTIONS, TRUTH)}
    every = track_margin(model, probe, TALK, asked, layer=1, speech=speech)
    assert every.turns == (0, 1, 2, 3)
    acts = forced_answer_activations(model, (), QUESTIONS, [1], speech=speech)
    alone = margin(score_answers(probe, acts[:, :, 0]), TRUTH)
    assert every.margins["q"][0].mean == alone.mean, "bit-equal"
    some = track_margin(model, probe, TALK, asked, [3, 0], layer=1, speech=speech)
    assert some.turns == (0, 3)
    assert some.margins["q"][1].mean == every.margins["q"][3].mean
    said = every.answers["q"][2]
    assert every.margins["q"][2].mean == pytest.approx(said.factual - said.other)


def test_steering_moves_the_share_of_yes_and_leaves_the_model_alone(speech):
    model = tiny_models.model("llama")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    acts = pre_answer_activations(model, (), QUESTIONS, speech=speech)
    fitted = fit_yes([acts, acts], TRUTH, rng=np.random.default_rng(0))
    vector = yes_vector(model, fitted.at(1), acts[:, 1], TRUTH, layer=1)
    unit = fitted.at(1).weights / np.linalg.norm(fitted.at(1).weights)
    gap = acts[TRUTH, 1].mean(0) @ unit - acts[~TRUTH, 1].mean(0) @ unit
    np.testing.assert_allclose(vector.vectors[1], unit * gap, rtol=1e-5)
    found = steer_and_measure(model, TALK.after(1), QUESTIONS, vector, (-4.0, 0.0, 4.0), speech=speech)
    again = steer_and_measure(model, TALK.after(1), QUESTIONS, vector, (0.0,), speech=speech)
    np.testing.assert_array_equal(found.p_yes[1], again.p_yes[0])
    assert np.abs(found.p_yes[0] - found.p_yes[2]).max() > 1e-4
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.model.layers[1]._forward_hooks


def test_steering_is_at_the_last_token_alone(speech):
    """At the last layer nothing attends to what was steered, so the effect is that of the head on h + v."""
    model = tiny_models.model("llama")
    acts = pre_answer_activations(model, (), QUESTIONS, speech=speech)
    vector = yes_vector(
        model, LinearProbes(np.linspace(1, 2, 32), np.asarray(0.0)), acts[:, 1], TRUTH, layer=1
    )
    found = steer_and_measure(model, (), QUESTIONS, vector, (2.0,), speech=speech)
    with torch.no_grad():
        moved = torch.from_numpy(acts[:, 1] + 2 * vector.vectors[1])
        logits = model.lm_head(model.model.norm(moved))[:, list(speech.answer_ids)].double()
    expected = torch.softmax(logits, dim=1)[:, 0].numpy()
    np.testing.assert_allclose(found.p_yes[0], expected, atol=1e-5)


def test_effects_are_read_against_no_steering():
    share = AnswerShare((0.0, 1.0), np.array([[0.4, 0.6], [0.9, 0.5]]))
    assert share.effect(1.0) == pytest.approx(0.2)
    with pytest.raises(InputError, match="measured were"):
        share.effect(2.0)
