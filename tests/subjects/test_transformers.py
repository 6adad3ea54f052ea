from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from doxa.errors import CapabilityError, InputError, SubjectError
from doxa.subjects.addresses import open_subject
from doxa.subjects.base import Capability, Query, Sampling, Subject, Tool, assistant, user
from doxa.subjects.transformers import TransformersSubject, identity_of
from doxa.testing import check_subject
from tests.subjects import tiny_models

TALKS = [
    (user("is it true that the sea is green?"),),
    (user("hi"),),
    (user("i believe that the flag of peru is red"), assistant("yes"), user("do i?")),
    (user("the flag"),),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def subject(folder: Path) -> TransformersSubject:
    return TransformersSubject.open(str(folder))


def test_it_is_a_subject_and_says_what_it_can(folder: Path, subject: TransformersSubject):
    assert isinstance(subject, Subject)
    assert subject.address == f"hf:{folder}"
    assert subject.identity == identity_of(str(folder))
    assert subject.form == "published"
    assert subject.context_tokens == 512
    assert subject.capabilities == {Capability.REPLY, Capability.SCORE, Capability.SAMPLE, Capability.WEIGHTS}
    assert subject.sharing.how == "tree"


def test_the_identity_of_a_model_in_memory_follows_its_weights():
    model = tiny_models.model("llama")
    subject = TransformersSubject(model, tiny_models.tokenizer())
    before = subject.identity
    assert before == subject.identity
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1e-3
    assert subject.identity != before
    assert subject.identity != TransformersSubject(model, tiny_models.tokenizer(template=None)).identity


@pytest.mark.parametrize("exact", [False, True])
def test_it_keeps_the_contract_of_subjects(folder: Path, exact: bool):
    check_subject(TransformersSubject.open(str(folder), exact=exact))


def test_scores_equal_the_model_itself(subject: TransformersSubject):
    queries = [Query(talk, (" (A)", " (B)", "yes"), opening="So") for talk in TALKS]
    for query, found in zip(queries, subject.score(queries), strict=True):
        tokenizer = subject.tokenizer
        text = tokenizer.apply_chat_template(
            [message.as_json() for message in query.conversation], tokenize=False, add_generation_prompt=True
        )
        prompt = tokenizer(text + "So", add_special_tokens=False)["input_ids"]
        for option, log_prob in zip(query.options, found, strict=True):
            ids = tokenizer(option, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                table = subject.model(torch.tensor([prompt + ids])).logits[0].double().log_softmax(-1)
            expected = sum(float(table[len(prompt) - 1 + k, token]) for k, token in enumerate(ids))
            assert log_prob == pytest.approx(expected, abs=2e-5)


def test_exact_scores_do_not_depend_on_company(folder: Path):
    exact = TransformersSubject.open(str(folder), exact=True)
    assert exact.batch_independent
    queries = [Query(talk, ("yes", "no")) for talk in TALKS]
    together = exact.score(queries)
    assert [exact.score([query])[0].tobytes() for query in queries] == [found.tobytes() for found in together]


def test_exact_can_be_said_in_the_address(folder: Path):
    query = Query(TALKS[0], ("yes", "no"))
    exact = open_subject(f"hf:{folder}?exact=true")
    assert exact.batch_independent
    assert exact.score([query])[0].tobytes() == exact.score([Query(TALKS[1], ("no",)), query])[1].tobytes()
    assert not open_subject(f"hf:{folder}").batch_independent
    with pytest.raises(InputError, match="exact must be true or false"):
        open_subject(f"hf:{folder}?exact=1")


def test_greedy_replies_equal_those_of_generate(subject: TransformersSubject):
    replies = subject.reply(TALKS, sampling=Sampling(max_tokens=12))
    for talk, reply in zip(TALKS, replies, strict=True):
        ids = subject.tokenizer.apply_chat_template(
            [message.as_json() for message in talk],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )["input_ids"]
        with torch.inference_mode():
            said = subject.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, pad_token_id=2
            )[0, ids.shape[1] :]
        assert reply.text == subject.tokenizer.decode(said, skip_special_tokens=True)
        assert (reply.tokens_in, reply.tokens_out) == (ids.shape[1], len(said))
        assert reply.finish == ("stop" if said[-1] == 1 else "length")


def test_draws_hang_on_seed_sample_branch_and_text_only(subject: TransformersSubject):
    sampling = Sampling(temperature=1.0, top_p=0.9, max_tokens=8, seed=3)
    together = subject.reply(TALKS, sampling=sampling)
    assert [subject.reply([talk], sampling=sampling)[0] for talk in TALKS] == together
    assert subject.reply(TALKS[::-1], sampling=sampling) == together[::-1]
    assert subject.reply([TALKS[0]] * 2, sampling=sampling) == [together[0]] * 2
    for other in (
        sampling.at(sample=1),
        sampling.at(branch="b"),
        Sampling(temperature=1.0, max_tokens=8, seed=4),
    ):
        assert subject.reply(TALKS, sampling=other) != together


def test_samples_follow_the_models_distribution(subject: TransformersSubject):
    sampling = Sampling(temperature=1.0, max_tokens=1, seed=0)
    ids = subject.tokenizer.apply_chat_template(
        [message.as_json() for message in TALKS[1]],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )["input_ids"]
    with torch.inference_mode():
        probability = subject.model(ids).logits[0, -1].softmax(-1)
    said = [subject._renderer.decode([token]) for token in range(len(probability))]
    wanted = said[int(probability.argmax())]
    share = sum(float(p) for p, text in zip(probability, said, strict=True) if text == wanted)
    hits = sum(
        subject.reply([TALKS[1]], sampling=sampling.at(sample=k))[0].text == wanted for k in range(200)
    )
    assert abs(hits / 200 - share) < 4 * np.sqrt(share * (1 - share) / 200)


def test_a_stop_text_ends_the_reply_and_is_not_part_of_it(subject: TransformersSubject):
    (whole,) = subject.reply([TALKS[0]], sampling=Sampling(max_tokens=12))
    stop = whole.text[4:6]
    (cut,) = subject.reply([TALKS[0]], sampling=Sampling(max_tokens=12, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish == "stop"
    assert cut.tokens_out <= whole.tokens_out


def test_a_conversation_that_is_too_long_names_both_numbers(subject: TransformersSubject):
    long = (user("é" * 400),)
    with pytest.raises(InputError, match=r"conversation of \d+ tokens .* the model takes 512"):
        subject.score([Query(long, ("yes",))])
    with pytest.raises(InputError, match="takes 512"):
        subject.reply([long], sampling=Sampling())
    nearly = (user("é" * 251),)
    (reply,) = subject.reply([nearly], sampling=Sampling(max_tokens=64))
    assert reply.tokens_in + reply.tokens_out <= 512


def test_tools_need_a_template_that_takes_them(subject: TransformersSubject):
    with pytest.raises(CapabilityError, match="cannot tools"):
        subject.reply(TALKS, sampling=Sampling(), tools=[Tool("vote", "", {})])
    template = tiny_models.TEMPLATE + "{% if tools %}{{ tools[0].function.name }}{% endif %}"
    able = TransformersSubject(subject.model, tiny_models.tokenizer(template=template))
    assert Capability.TOOLS in able.capabilities
    (reply,) = able.reply(TALKS[:1], sampling=Sampling(max_tokens=4), tools=[Tool("vote", "", {})])
    assert reply.tool_calls == ()


def test_a_tool_call_that_the_model_writes_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    template = tiny_models.TEMPLATE + "{% if tools %}{{ tools[0].function.name }}{% endif %}"
    subject = TransformersSubject(tiny_models.model("llama"), tiny_models.tokenizer(template=template))
    script = subject.tokenizer('ok<tool_call>{"name": "vote", "arguments": {"for": 1}}</tool_call> and on')[
        "input_ids"
    ]
    (base,) = subject.tokenizer([subject._renderer.text(TALKS[1], tools=[Tool("vote", "", {})])])["input_ids"]
    plain = subject.model.forward

    def scripted(**inputs: Any) -> Any:
        output = plain(**inputs)
        said = int(inputs["attention_mask"].shape[1]) - len(base)
        output.logits[:, -1] = 0.0
        output.logits[:, -1, script[said]] = 1.0
        return output

    monkeypatch.setattr(subject.model, "forward", scripted)
    (reply,) = subject.reply([TALKS[1]], sampling=Sampling(max_tokens=200), tools=[Tool("vote", "", {})])
    assert reply.finish == "tool_call"
    assert reply.tool_calls[0].arguments == {"for": 1}
    assert reply.text == 'ok<tool_call>{"name": "vote", "arguments": {"for": 1}}</tool_call>'


def trace(subject: TransformersSubject) -> list[Any]:
    model = subject.model
    return [
        subject.identity,
        TransformersSubject(model, subject.tokenizer).identity,
        [module.training for module in model.modules()],
        [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        [parameter.grad is None and parameter.requires_grad for parameter in model.parameters()],
        model.generation_config.to_json_string(),
        model.config.to_json_string(),
        subject.tokenizer.backend_tokenizer.to_str(),
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002  # the global generator must not have moved
        torch.is_grad_enabled(),
    ]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_asking_leaves_no_trace(monkeypatch: pytest.MonkeyPatch, training: bool, fails: bool):
    model = tiny_models.model("llama")
    model.model.layers[1].train(training)
    subject = TransformersSubject(model, tiny_models.tokenizer())
    before = trace(subject)
    answered = subject.score([Query(TALKS[2], ("yes", "no"))])[0]
    if fails:

        def broken(*_args: Any, **_kwargs: Any) -> Any:
            raise RuntimeError("out of memory")

        monkeypatch.setattr(model.model.layers[1].mlp, "forward", broken)
    for ask in (
        lambda: subject.score([Query(talk, ("yes", "no")) for talk in TALKS]),
        lambda: subject.reply(TALKS, sampling=Sampling(temperature=1.0, max_tokens=4)),
        lambda: subject.score([Query(TALKS[0], ())]),
    ):
        with contextlib.suppress(RuntimeError, InputError):
            ask()
    monkeypatch.undo()
    assert trace(subject) == before
    assert subject.score([Query(TALKS[2], ("yes", "no"))])[0].tobytes() == answered.tobytes()


def test_opening_does_not_move_the_global_generator(folder: Path):
    before = torch.get_rng_state()
    TransformersSubject.open(str(folder), dtype="bfloat16")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 64), "cannot be loaded"),
        (lambda f: (f / "config.json").write_text('{"model_type": "no-such-model"}'), "cannot be loaded"),
        (lambda f: (f / "tokenizer.json").write_text("{"), "cannot be loaded"),
    ],
)
def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path, damage: Any, message: str):
    copy = shutil.copytree(folder, tmp_path / "copy")
    damage(copy)
    with pytest.raises(SubjectError, match=message) as caught:
        TransformersSubject.open(str(copy))
    assert str(copy) in str(caught.value)


def test_missing_weights_are_not_made_up(folder: Path, tmp_path: Path):
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        SubjectError, match=r"1 weights are missing, first model\.layers\.1\.mlp\.up_proj\.weight"
    ):
        TransformersSubject.open(str(copy))


def test_bad_options(folder: Path, subject: TransformersSubject):
    with pytest.raises(InputError, match="dtype='int8'"):
        TransformersSubject.open(str(folder), dtype="int8")
    with pytest.raises(InputError, match="not a device"):
        TransformersSubject.open(str(folder), device="toaster")
    with pytest.raises(InputError, match="batch_tokens=0"):
        TransformersSubject.open(str(folder), batch_tokens=0)
    with pytest.raises(InputError, match="no options"):
        subject.score([Query(TALKS[0], ())])
