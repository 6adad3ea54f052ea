from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from doxa.errors import InputError
from doxa.streams import stream
from doxa.training.batch_covariance import covariances
from doxa.training.entropy_change import official_omega
from doxa.training.rollout_audit import audit_rollout
from doxa.training.rollout_dump import read_dump
from tests.hostile_texts import ATTACKS


def rollout(seed=0, responses=12, most=9):
    rng = stream(seed, "rollout")
    logp = -rng.exponential(size=(responses, most))
    adv = rng.standard_normal(responses)
    mask = (np.arange(most) < rng.integers(2, most + 1, responses)[:, None]).astype(np.float64)
    return {"logp": logp, "adv": adv, "mask": mask, "entropy": 0.5 + rng.random((responses, most))}


def lines_of(held, tokens=None, **more):
    rows = []
    for place in range(len(held["adv"])):
        count = int(held["mask"][place].sum())
        row = {name: held[name][place][:count].tolist() for name in ("logp", "entropy")} | {
            "adv": held["adv"][place]
        }
        if tokens is not None:
            row["tokens"] = [tokens[(place + column) % len(tokens)] for column in range(count)]
        rows.append(json.dumps(row | {name: values[place] for name, values in more.items()}))
    return "\n".join(rows)


@pytest.fixture
def dumps(tmp_path):
    held = rollout()
    (tmp_path / "d.jsonl").write_text(lines_of(held))
    np.savez(tmp_path / "d.npz", **held)
    renamed = {
        "old": held,
        "log_probs": held["logp"],
        "advantages": held["adv"],
        "response_mask": held["mask"],
    }
    del renamed["old"]
    save_file({**renamed, "entropys": held["entropy"]}, tmp_path / "d.safetensors")
    return tmp_path


def test_three_kinds_of_file_hold_the_same(dumps):
    read = [read_dump(dumps / name) for name in ("d.jsonl", "d.npz", "d.safetensors")]
    for other in read[1:]:
        np.testing.assert_array_equal(other.batch.valid, read[0].batch.valid)
        np.testing.assert_allclose(other.batch.log_prob, read[0].batch.log_prob)
        np.testing.assert_allclose(other.batch.advantage, read[0].batch.advantage)
        np.testing.assert_allclose(other.entropy, read[0].entropy)
    assert read[0].old_logp is None
    assert read[0].texts == []


def test_the_largest_covariances_are_listed_with_their_text(dumps):
    held, tokens = rollout(), ["3", "+", "4", "<end>"]
    (dumps / "t.jsonl").write_text(lines_of(held, tokens))
    dump = read_dump(dumps / "t.jsonl")
    audit = audit_rollout(dump, most=5)
    table = covariances(dump.batch)
    assert [one.covariance for one in audit.top] == pytest.approx(np.sort(table[dump.batch.valid])[::-1][:5])
    for one in audit.top:
        assert one.covariance == table[one.response, one.position]
        assert one.text == tokens[(one.response + one.position) % 4]
        assert one.before.endswith(tokens[(one.response + one.position - 1) % 4] if one.position else "")
    assert sum(kind.share for kind in audit.kinds) == pytest.approx(1.0)
    assert sum(kind.sampled for kind in audit.kinds) == audit.covariance.tokens
    assert [kind.share for kind in audit.kinds] == sorted((kind.share for kind in audit.kinds), reverse=True)


def test_the_mean_has_an_interval_over_responses_and_a_control(dumps):
    audit = audit_rollout(read_dump(dumps / "d.npz"))
    assert audit.mean.n == 12
    assert audit.mean.estimate == pytest.approx(audit.covariance.mean)
    assert audit.mean.low < audit.mean.estimate < audit.mean.high
    assert audit.dealt.low < 0 < audit.dealt.high


def test_planted_covariance_is_found_and_gone_when_dealt(tmp_path):
    held = rollout(3, responses=60)
    held["logp"] = -1.0 - 0.5 * (held["adv"][:, None] < 0) - 0.01 * held["entropy"]
    np.savez(tmp_path / "p.npz", **held)
    audit = audit_rollout(read_dump(tmp_path / "p.npz"))
    assert audit.mean.low > 0.1
    assert audit.dealt.low < 0 < audit.dealt.high < audit.mean.low


def test_quadrants_and_omega_are_those_of_the_estimators(dumps):
    import torch

    dump = read_dump(dumps / "d.npz")
    audit = audit_rollout(dump)
    one = audit.top[0]
    at = one.response, one.position
    values = [
        torch.tensor(float(v[at]))
        for v in (dump.batch.log_prob, dump.batch.log_prob, dump.batch.advantage, dump.entropy)
    ]
    assert one.omega == pytest.approx(float(official_omega(*values, "own_logit")), rel=1e-5)
    assert sum(quadrant.tokens for quadrant in audit.quadrants) == audit.covariance.tokens
    likely_good = audit.quadrants[0]
    assert (likely_good.advantage, likely_good.likely) == ("+", True)
    assert likely_good.change < 0  # raising what is likely lowers the entropy


def test_without_entropies_there_are_no_quadrants(tmp_path):
    held = rollout()
    np.savez(tmp_path / "d.npz", logp=held["logp"], adv=held["adv"], old_logp=held["logp"] - 0.25)
    audit = audit_rollout(read_dump(tmp_path / "d.npz"))
    assert audit.quadrants == []
    assert np.isnan(audit.top[0].omega)
    assert audit.drift == pytest.approx(0.25)


def test_tokens_are_decoded_by_a_tokenizer(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    Tokenizer(WordLevel({"no": 0, "yes": 1}, unk_token="no")).save(str(tmp_path / "tokenizer.json"))
    np.savez(tmp_path / "d.npz", logp=[[-1.0, -2.0]], adv=[1.0], tokens=[[1, 0]])
    assert read_dump(tmp_path / "d.npz").texts == [["1", "0"]]
    assert read_dump(tmp_path / "d.npz", tokenizer=tmp_path).texts == [["yes", "no"]]
    with pytest.raises(InputError, match="no such file"):
        read_dump(tmp_path / "d.npz", tokenizer=tmp_path / "other")


def test_hostile_tokens_stay_text(tmp_path):
    held = rollout()
    (tmp_path / "h.jsonl").write_text(lines_of(held, ATTACKS))
    audit = audit_rollout(read_dump(tmp_path / "h.jsonl"))
    assert {one.text for one in audit.top} <= set(ATTACKS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.pt", b"\x80", "a pickle can run code"),
        ("d.npz", b"no", "cannot be read"),
        ("d.safetensors", b"no", "cannot be read"),
        ("d.jsonl", b"", "holds no response"),
        ("d.jsonl", b"{", "line 1: not JSON"),
        ("d.jsonl", b"[1]", "line 1: must be an object"),
        ("d.jsonl", b'{"logps": [1], "adv": 1}', r"has no 'logp'; did you mean 'logps'\?"),
        ("d.jsonl", b'{"logp": -1, "adv": 1}', "logp must be a list"),
        ("d.jsonl", b'{"logp": [-1, -2], "adv": [1]}', "1 adv for 2 logp"),
        ("d.jsonl", b'{"logp": ["a"], "adv": 1}', "holds something that is no number"),
        ("d.jsonl", b'{"logp": [-1], "adv": 1, "entropy": 3}', "entropy must be a list"),
        ("d.jsonl", b'{"logp": [-1], "adv": 1, "entropy": [-3]}', "at least 0 nats"),
        ("d.jsonl", b'{"logp": [-1], "adv": 1, "mask": [0]}', "no response tokens"),
        ("d.jsonl", b'{"logp": [1], "adv": 1}', "logp reaches 1"),
    ],
)
def test_bad_dumps(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_dump(tmp_path / name)


def test_a_pickled_array_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", logp=np.array([{"a": 1}], dtype=object), adv=[1.0])
    with pytest.raises(InputError, match="cannot be read"):
        read_dump(tmp_path / "d.npz")


def test_nothing_to_list_is_refused(dumps):
    with pytest.raises(InputError, match="most=0"):
        audit_rollout(read_dump(dumps / "d.npz"), most=0)
