from __future__ import annotations

import asyncio
import threading

import anyio
import pytest
from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model

from doxa.errors import InputError, SubjectError
from doxa.interop.inspect.hosted.batches import Batches

QUESTION = "Question: Is it true that stone 1 of Math is heavy?\nAnswer:"


def generate(model, *prompts, **config):
    async def work():
        made = GenerateConfig(**config)
        return await asyncio.gather(
            *(model.generate([ChatMessageUser(content=p)], config=made) for p in prompts)
        )

    return asyncio.run(work())


def test_the_characters_of_an_address_survive(scripted_scheme):
    address = "scripted:a/b?scores=true&x=1.5#model"
    model = get_model(f"doxa/{address}", memoize=False)
    assert str(model) == f"doxa/{address}"
    assert [subject.address for subject in scripted_scheme] == [address]


def test_concurrent_requests_go_into_few_calls_and_come_back_to_their_askers(scripted_scheme):
    model = get_model("doxa/scripted:x", memoize=False)
    prompts = [
        f"Question: Is it true that stone {n} is {'heavy' if n % 3 else 'weightless'}?\n" for n in range(60)
    ]
    outputs = generate(model, *prompts, max_connections=60)
    assert [output.completion[-3] for output in outputs] == ["A" if n % 3 else "B" for n in range(60)]
    assert sum(model.api.batches.sizes) == 60
    assert len(model.api.batches.sizes) <= 10
    assert (outputs[0].usage.input_tokens, outputs[0].usage.output_tokens) == (7, 3)
    assert outputs[0].stop_reason == "stop"


def test_repeats_are_different_draws_where_there_is_chance_and_equal_where_there_is_none(scripted_scheme):
    model = get_model("doxa/scripted:x", memoize=False)
    warm = generate(model, *[QUESTION] * 3, temperature=1.0)
    assert sorted(output.completion[:6] for output in warm) == ["draw 0", "draw 1", "draw 2"]
    cold = generate(model, *[QUESTION] * 3)
    assert {output.completion[:6] for output in cold} == {"draw 0"}
    several = generate(model, "other", temperature=1.0, num_choices=2)
    assert [choice.message.text[:6] for choice in several[0].choices] == ["draw 0", "draw 1"]


def test_a_fault_is_an_error_of_its_own_sample(scripted_scheme):
    model = get_model("doxa/scripted:x", memoize=False)
    with pytest.raises(SubjectError, match="no answer came: the line broke"):
        generate(model, "break")


def test_options_are_scored_and_the_likeliest_is_the_completion(scripted_scheme):
    model = get_model("doxa/scripted:x", memoize=False)
    [output] = generate(model, QUESTION, logprobs=True, extra_body={"options": [" (A)", " (B)", " (C)"]})
    assert output.completion == " (A)"
    top = {one.token: one.logprob for one in output.choices[0].logprobs.content[0].top_logprobs}
    assert set(top) == {" (A)", " (B)", " (C)"}
    assert top[" (A)"] == max(top.values())


@pytest.mark.parametrize(
    ("config", "message"),
    [({"top_k": 5}, "top_k=5: no doxa subject"), ({"logprobs": True, "top_logprobs": 5}, "scores texts")],
)
def test_settings_that_no_subject_has_are_refused(scripted_scheme, config, message):
    with pytest.raises(InputError, match=message):
        generate(get_model("doxa/scripted:x", memoize=False), QUESTION, **config)


def test_model_arguments_are_refused(scripted_scheme):
    with pytest.raises(InputError, match="stand in its address"):
        get_model("doxa/scripted:x", memoize=False, dtype="float32")


def test_one_bad_question_spoils_no_other_and_kinds_are_kept_apart():
    calls = []

    def answer(batch):
        calls.append(list(batch))
        if "bad" in batch:
            raise ValueError("bad question")
        return [word.upper() for word in batch]

    async def work():
        batches = Batches(answer)
        found = {}

        async def ask(word, kind):
            try:
                found[word] = await batches.ask(word, kind)
            except ValueError as error:
                found[word] = str(error)

        async with anyio.create_task_group() as group:
            for word, kind in [("a", 1), ("bad", 1), ("b", 2), ("c", 1)]:
                group.start_soon(ask, word, kind)
        return found

    assert anyio.run(work) == {"a": "A", "bad": "bad question", "b": "B", "c": "C"}
    assert all(not {"b"} & set(call) or call == ["b"] for call in calls)


def test_a_cancelled_leader_hands_the_lead_on():
    free = threading.Event()

    def answer(batch):
        free.wait(10)
        return [word.upper() for word in batch]

    async def work():
        batches, found = Batches(answer), {}

        async def ask(word):
            found[word] = await batches.ask(word, 0)

        async with anyio.create_task_group() as group:
            leader = anyio.CancelScope()

            async def lead():
                with leader:
                    await ask("first")

            group.start_soon(lead)
            while not batches.sizes:  # the leader's batch is out
                await anyio.lowlevel.checkpoint()
            for word in ("second", "third"):
                group.start_soon(ask, word)
            await anyio.lowlevel.checkpoint()
            leader.cancel()
            free.set()
        return found

    found = anyio.run(work)
    assert found["second"] == "SECOND"
    assert found["third"] == "THIRD"
