from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doxa.elicit.elicitors import ForcedChoice, YesNo
from doxa.elicit.questions import Question
from doxa.errors import CapabilityError, InputError
from doxa.subjects.base import Capability, Conversation, Query, Sampling, assistant, user
from doxa.subjects.cache import CachedSubject, Journal
from doxa.subjects.endpoint import EndpointSubject
from doxa.subjects.endpoint_exchange import Patience
from doxa.subjects.endpoint_scoring import PromptTokens, option_log_prob, read_prompt_tokens, read_top_tokens
from doxa.subjects.endpoint_transport import Request, Response
from doxa.subjects.endpoint_wire import FaultError

QUICK = Patience(first_wait_s=0.0, longest_wait_s=0.01)
Body = dict[str, Any]


def as_response(body: Any, *, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(body).encode())


def said(text: str, **more: Any) -> Body:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
        **more,
    }
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}


def top(token: str, probability: float) -> Body:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode())}


def with_top(*entries: Any) -> Body:
    return said("A", logprobs={"content": [{"token": "A", "top_logprobs": list(entries)}]})


def talks(*texts: str) -> list[Conversation]:
    return [(user(text),) for text in texts]


class Scripted:
    """A transport that answers from a function, without a server."""

    def __init__(self, do: Callable[[Body], Response]) -> None:
        self.do = do
        self.bodies: list[Body] = []

    async def send(self, request: Request) -> Response:
        self.bodies.append(json.loads(request.body))
        return self.do(self.bodies[-1])


def scripted(do: Callable[[Body], Response]) -> tuple[EndpointSubject, Scripted]:
    transport = Scripted(do)
    subject = EndpointSubject.open("http://x/v1", "m", transport=transport, patience=QUICK, scores=True)
    return subject, transport


def test_scores_are_read_from_the_top_tokens_and_the_rest_is_said():
    body = with_top(top("B", 0.25), top("A", 0.5), top(" A", 0.125), {"token": "C", "logprob": -math.inf})
    subject, transport = scripted(lambda _: as_response(body))
    queries = [Query(talk, ("A", "B", " A", "C", "D")) for talk in talks("x", "y")]
    for scores in subject.score_seen(queries):
        expected = [math.log(0.5), math.log(0.25), math.log(0.125), -math.inf, math.nan]
        np.testing.assert_allclose(scores.log_probs, expected)
        assert scores.unseen == pytest.approx(0.125)
    assert transport.bodies[0]["logprobs"] is True
    assert (transport.bodies[0]["max_tokens"], transport.bodies[0]["top_logprobs"]) == (1, 20)
    assert "prompt_logprobs" not in transport.bodies[1]
    assert len(transport.bodies) == 2
    tally = subject.tally
    assert (tally.questions, tally.answered, tally.tokens_in, tally.tokens_out) == (2, 2, 14, 2)
    assert np.array_equal(subject.score(queries)[0], subject.score_seen(queries)[0].log_probs, equal_nan=True)


def test_a_server_without_log_probabilities_cannot_score():
    subject, transport = scripted(lambda _: as_response(said("A")))
    assert Capability.SCORE in subject.capabilities
    for _ in range(2):
        with pytest.raises(CapabilityError, match="no log-probabilities; ask for text"):
            subject.score([Query(talks("x")[0], ("A", "B"))])
    assert len(transport.bodies) == 3
    assert subject.tally.faults == {"log-probabilities": 3}
    assert Capability.SCORE not in subject.capabilities


def test_log_probabilities_that_are_missing_or_none_are_asked_for_again():
    spoiled = [
        said("A"),
        with_top(top("A", 0.5), {"token": "B", "logprob": math.nan}),
        with_top(top("A", 0.5)),
    ]
    answers = iter([with_top(top("A", 0.5)), *spoiled])
    subject, transport = scripted(lambda _: as_response(next(answers)))
    found = subject.score([Query(talk, ("A",)) for talk in talks("x", "y")])
    assert found[1] == pytest.approx([math.log(0.5)])
    assert subject.tally.faults == {"log-probabilities": 2}
    assert len(transport.bodies) == 4


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.5, "x", None, True])
def test_what_is_no_log_probability_is_a_fault(value: Any):
    with pytest.raises(FaultError) as caught:
        read_top_tokens(as_response(with_top({"token": "A", "logprob": value})))
    assert (caught.value.kind, caught.value.again) == ("log-probabilities", True)


def test_options_of_several_tokens_and_openings_cannot_be_read_from_top_tokens():
    subject, _ = scripted(lambda _: as_response(with_top(top("Und", 0.9))))
    with pytest.raises(CapabilityError, match="none is a token among the likeliest"):
        subject.score([Query(talks("x")[0], ("Undeterminable", "Unknown"))])
    with pytest.raises(InputError, match="no options"):
        subject.score([Query(talks("x")[0], ())])
    with pytest.raises(CapabilityError, match="cannot begin a reply"):
        subject.score([Query(talks("x")[0], ("Und",), opening="So")])
    assert subject.score([Query(talks("x")[0], ("Und",))])[0] == pytest.approx([math.log(0.9)])


def test_a_server_that_knows_no_prompt_log_probabilities_is_asked_without():
    def do(body: Body) -> Response:
        if "prompt_logprobs" in body:
            return as_response({"error": {"message": "Unrecognized argument: prompt_logprobs"}}, status=400)
        return as_response(with_top(top("A", 0.5)))

    subject, transport = scripted(do)
    assert subject.score([Query(talks("x")[0], ("A",))])[0] == pytest.approx([math.log(0.5)])
    assert len(transport.bodies) == 2
    assert not subject.tally.faults


def test_a_score_that_was_not_read_is_missing_and_asked_again(tmp_path: Path):
    broken = {"on": True}

    def do(body: Body) -> Response:
        bad = broken["on"] and body["messages"][0]["content"] == "bad"
        return as_response({}, status=400) if bad else as_response(with_top(top("A", 0.5)))

    subject, transport = scripted(do)
    queries = [Query(talk, ("A",)) for talk in talks("good", "bad")]
    assert subject.score_seen(queries)[1].fault.startswith("status 400")
    with Journal(tmp_path / "cache.sqlite") as journal:
        cached = CachedSubject(subject, journal)
        first = cached.score(queries)
        assert np.isnan(first[1]).all()
        broken["on"] = False
        before = len(transport.bodies)
        assert cached.score(queries)[1] == pytest.approx([math.log(0.5)])
        assert len(transport.bodies) == before + 1


class PromptReader:
    """What vLLM does: a template, tokens of words with their leading space, and for each a probability."""

    def __call__(self, body: Body) -> Response:
        text = "".join(f"<{message['role']}>{message['content']}" for message in body["messages"])
        if not body.get("continue_final_message"):
            text += "<assistant>"
        tokens = re.findall(r"<\w+>| ?\w+| ?[^\w<]", text)
        assert "".join(tokens) == text
        listed = [
            None,
            *({"7": {"logprob": self.log_prob(t), "rank": 1, "decoded_token": t}} for t in tokens[1:]),
        ]
        return as_response({**said("x"), "prompt_logprobs": listed})

    @staticmethod
    def log_prob(token: str) -> float:
        return -0.1 * len(token)


def test_options_are_scored_in_the_prompt_where_the_server_tells_of_its_tokens():
    subject, transport = scripted(PromptReader())
    options = (" yes", " no, never", " (A)", " y")
    talk = (user("Is it so?"), assistant("Perhaps."), user("Really?"))
    (scores,) = subject.score_seen([Query(talk, options, opening="The answer is")])
    np.testing.assert_allclose(scores.log_probs, [-0.4, -1.0, -0.4, -0.2])
    assert scores.unseen == 0.0
    first, *asked = transport.bodies
    assert (first["prompt_logprobs"], first["top_logprobs"]) == (0, 20)
    assert len(asked) == len(options)
    assert asked[0]["messages"][-1] == {"role": "assistant", "content": "The answer is yes"}
    assert (asked[0]["continue_final_message"], asked[0]["add_generation_prompt"]) == (True, False)
    subject.score([Query(talk, (" no",))])
    assert len(transport.bodies) == 1 + len(options) + 1


def test_an_option_that_begins_inside_a_token_is_not_guessed():
    subject, _ = scripted(PromptReader())
    (scores,) = subject.score_seen([Query(talks("x")[0], ("es", " yes"), opening="so y")])
    assert math.isnan(scores.log_probs[0])
    assert scores.log_probs[1] == pytest.approx(-0.4)
    assert scores.unseen == pytest.approx(1.0 - math.exp(-0.4))
    with pytest.raises(CapabilityError, match="none begins with a token of its own"):
        subject.score([Query(talks("x")[0], ("es",), opening="so y")])


def test_a_position_that_names_several_tokens_names_none():
    two = {"1": {"logprob": -1.0, "decoded_token": "a"}, "2": {"logprob": -2.0, "decoded_token": "b"}}
    one = {"3": {"logprob": -0.5, "decoded_token": " yes"}}
    found = read_prompt_tokens(as_response({**said("x"), "prompt_logprobs": [None, two, one]}))
    assert found == PromptTokens(((" yes", -0.5),), 7, 1)
    assert math.isnan(option_log_prob("b yes", found))
    for listed in (None, [], [None], [two]):
        with pytest.raises(FaultError, match="none of the prompt"):
            read_prompt_tokens(as_response({**said("x"), "prompt_logprobs": listed}))


def test_a_fault_of_one_option_is_one_of_all():
    reader = PromptReader()

    def do(body: Body) -> Response:
        bad = body["messages"][-1]["content"].endswith(" no")
        return as_response({}, status=400) if bad else reader(body)

    subject, _ = scripted(do)
    good, bad = subject.score_seen([Query(talks("x")[0], (" yes",)), Query(talks("x")[0], (" yes", " no"))])
    assert good.log_probs == pytest.approx([-0.4])
    assert np.isnan(bad.log_probs).all()
    assert bad.fault.startswith("status 400")


QUESTION = Question("q", "the tower is tall", "Is the tower tall?")
SAMPLING = Sampling(max_tokens=8)


def test_an_elicitor_reads_replies_where_the_server_turns_out_to_give_no_log_probabilities():
    subject, _ = scripted(lambda _: as_response(said("yes")))
    (answer,) = YesNo().elicit(subject, [()], [QUESTION], sampling=SAMPLING)
    assert (answer.method, answer.value, answer.n) == ("text", "yes", 2)
    with pytest.raises(CapabilityError):
        YesNo(way="log-probabilities").elicit(subject, [()], [QUESTION], sampling=SAMPLING)


def test_only_questions_with_an_option_that_is_not_listed_are_read_as_text():
    forms = [top("yes", 0.5), top("Yes", 0.25), top(" no", 0.125), top("unknown", 0.0625)]

    def do(body: Body) -> Response:
        hard = "hard" in body["messages"][-1]["content"]
        if not body.get("logprobs"):
            return as_response(said("no"))
        return as_response(with_top(*(forms[:2] if hard else forms)))

    subject, _ = scripted(do)
    easy, hard = QUESTION, Question("h", "it is hard", "Is it hard?")
    first, second = YesNo().elicit(subject, [(), ()], [easy, hard], sampling=SAMPLING)
    assert first.method == "log-probabilities"
    assert first.probabilities["yes"] == pytest.approx(0.75 / 0.9375)
    assert first.log_mass == pytest.approx(math.log(0.9375))
    assert (second.method, second.value) == ("text", "no")


def test_samples_are_drawn_at_temperature_one_and_have_intervals():
    asked: list[float] = []

    def do(body: Body) -> Response:
        asked.append(body["temperature"])
        return as_response(said("So, the answer is (A)" if body["seed"] % 4 else "So, the answer is (B)"))

    transport = Scripted(do)
    subject = EndpointSubject.open("http://x/v1", "m", transport=transport, patience=QUICK)
    (answer,) = ForcedChoice(way="samples", samples=20).elicit(subject, [()], [QUESTION], sampling=SAMPLING)
    assert set(asked) == {1.0}
    assert (answer.method, answer.n, len(answer.raw)) == ("text", 40, 40)
    assert answer.interval is not None
    assert answer.interval.low < (answer.credence or 0.0) < answer.interval.high
    shares = answer.intervals["yes"]
    assert (shares.low, shares.high) == pytest.approx((answer.interval.low, answer.interval.high))
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert answer.as_belief()["interval"] == [answer.interval.low, answer.interval.high]
    with pytest.raises(InputError, match="needs at least 2"):
        ForcedChoice(way="samples").elicit(subject, [()], [QUESTION], sampling=SAMPLING)
