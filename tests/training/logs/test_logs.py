from __future__ import annotations

import json
import math
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from doxa.errors import InputError
from doxa.training.logs import files_of, mapping, read_log, read_scalars, series_of
from doxa.training.logs.event_files import crc32c, masked_crc
from doxa.training.logs.reading import digest_of

DATA = Path(__file__).parent / "data"
TORCH, TENSORS = DATA / "torch.tfevents", DATA / "tensors.tfevents"
"""Written by torch.utils.tensorboard and, as TensorFlow 2 does, by tensorboard's own writer."""


def counted(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 10)


def slow_crc32c(data: bytes) -> int:
    """The definition, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@given(some.binary(max_size=60))
def test_checksums_are_castagnolis(data):
    assert crc32c(data) == slow_crc32c(data)


def test_checksum_of_the_standards_example():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_scalars_of_torch():
    read = read_scalars(TORCH)
    entropy = {one.step: one.value for one in read.scalars if one.tag == "train/entropy"}
    assert read.note == ""
    assert {one.tag for one in read.scalars} == {"train/entropy", "eval/accuracy"}  # no text, no histogram
    for step in range(30):
        assert entropy[step] == pytest.approx(1.7 * math.exp(-step / 10), rel=1e-6)
    assert math.isnan(entropy[30])


def test_scalars_of_tensors():
    read = read_scalars(TENSORS)
    assert [(one.step, one.value) for one in read.scalars if one.tag == "actor/entropy"] == [
        (step, 2.0 - 0.5 * step) for step in range(4)
    ]
    assert [one.value for one in read.scalars if one.tag == "critic/score/mean"] == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("left", [1, 5, 11, 13, 20])
def test_half_a_record_at_the_end_is_left_out(tmp_path, left):
    whole, cut = read_scalars(TENSORS).scalars, tmp_path / "cut.tfevents"
    cut.write_bytes(TENSORS.read_bytes() + TENSORS.read_bytes()[:left])
    read = read_scalars(cut)
    assert read.scalars == whole
    assert f"last {left} bytes" in read.note


def test_every_damaged_bit_is_seen_or_harmless(tmp_path):
    """A changed bit gives an error, or the same scalars where it stood in what is not read."""
    whole, data, bad = read_scalars(TENSORS), TENSORS.read_bytes(), tmp_path / "bad.tfevents"
    seen = 0
    for place in range(len(data)):
        bad.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            assert read_scalars(bad) == whole, place
        except InputError as error:
            seen += 1
            assert "checksum" in str(error)  # noqa: PT017 - either is right
    assert seen > 0.8 * len(data)


def test_what_is_no_event_file_is_refused(tmp_path):
    other = tmp_path / "x.tfevents"
    other.write_bytes(b"step,entropy,score\n1,2,3\n")
    with pytest.raises(InputError, match="is no TensorBoard event file"):
        read_log(other)


def test_a_negative_step_is_read(tmp_path):
    value = b"\x0a\x01h\x15" + struct.pack("<f", 0.5)
    summary = b"\x0a" + bytes([len(value)]) + value
    event = b"\x10" + b"\xff" * 9 + b"\x01" + b"\x2a" + bytes([len(summary)]) + summary
    length = struct.pack("<Q", len(event))
    path = tmp_path / "n.tfevents"
    path.write_bytes(
        length + struct.pack("<I", masked_crc(length)) + event + struct.pack("<I", masked_crc(event))
    )
    assert read_scalars(path).scalars == [(-1, "h", 0.5)]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("step", "entropy", "reward", "rewards/format/mean", "loss", "kl"), ("step", "entropy", "reward")),
        (("step", "train/entropy", "train/reward", "eval/reward"), ("step", "train/entropy", "eval/reward")),
        (
            (
                "step",
                "actor/entropy",
                "critic/score/mean",
                "val-core/math/acc/mean@8",
                "val-aux/math/acc/mean@8",
            ),
            ("step", "actor/entropy", "val-core/math/acc/mean@8"),
        ),
        (
            ("_step", "actor/entropy_loss", "critic/rewards/mean"),
            ("_step", "actor/entropy_loss", "critic/rewards/mean"),
        ),
        (
            ("train/global_step", "train/entropy_loss", "train/reward", "train/policy_loss"),
            ("train/global_step", "train/entropy_loss", "train/reward"),
        ),
        (
            ("Step", "run 7 - actor/entropy", "run 7 - actor/entropy__MIN"),
            ("Step", "run 7 - actor/entropy", ""),
        ),
        (("episode", "objective/entropy", "objective/scores"), ("", "objective/entropy", "objective/scores")),
    ],
)
def test_columns_of_known_trainers(names, found):
    assert mapping(counted(*names))[:3] == found


def test_the_mapping_is_told():
    notes = mapping(counted("step", "actor/entropy", "val-core/a/acc/mean@1", "val-core/b/acc/mean@1")).notes
    assert notes[1] == "entropy: actor/entropy (guessed: verl)"
    assert "val-core/b/acc/mean@1 would fit too, choose with score_column=" in notes[2]


def test_a_score_logged_twice_is_no_series():
    counts = {"step": 50, "entropy": 50, "eval/reward": 2, "reward": 50}
    assert mapping(counts).score == "reward"
    assert mapping({**counts, "eval/reward": 3}).score == "eval/reward"


def test_columns_can_be_set():
    found = mapping(
        counted("when", "uncertainty", "entropy", "grade"), step="when", entropy="uncertainty", score="grade"
    )
    assert found[:3] == ("when", "uncertainty", "grade")
    assert found.notes[0] == "step: when (as set)"


@pytest.mark.parametrize(
    ("names", "set_to", "message"),
    [
        (("step", "entropy"), {"entropy": "entrpy"}, r"entropy_column='entrpy'.*did you mean 'entropy'\?"),
        (("step", "reward"), {}, "no column looks like a policy entropy.*columns: step, reward"),
        (
            ("Step", "a - actor/entropy", "b - actor/entropy"),
            {},
            "2 columns are a entropy, of different runs",
        ),
    ],
)
def test_columns_that_are_not_there(names, set_to, message):
    with pytest.raises(InputError, match=message):
        mapping(counted(*names), **set_to)


def test_a_log_of_trl(tmp_path):
    rows = [{"step": s, "entropy": 2.0 - s / 10, "reward": s / 20, "epoch": 0.1} for s in range(1, 11)]
    rows += [{"step": s, "eval_reward": s / 30, "epoch": 0.1} for s in (3, 6, 9)]
    (tmp_path / "checkpoint-10").mkdir()
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_text(
        json.dumps({"log_history": rows, "max_steps": 10})
    )
    log = read_log(tmp_path / "checkpoint-10")
    series = series_of(log)
    assert log.columns.score == "eval_reward"
    assert series.scored_step.tolist() == [3, 6, 9]
    assert series.scored_entropy == pytest.approx([1.7, 1.4, 1.1])
    assert series.score == pytest.approx([0.1, 0.2, 0.3])


def test_a_log_of_verl(tmp_path):
    lines = [
        {
            "step": s,
            "data": {"actor/entropy": 1 / s, "critic/score/mean": 0.1 * s, "val-core/x/acc/mean@8": 0.2 * s},
        }
        for s in (1, 2, 3)
    ]
    path = tmp_path / "verl.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 4, "da')
    log = read_log(path)
    assert log.columns[:3] == ("step", "actor/entropy", "val-core/x/acc/mean@8")
    assert series_of(log).score == pytest.approx([0.2, 0.4, 0.6])
    assert "last line is half a row" in log.notes[0]


def test_two_exported_charts_are_put_together(tmp_path):
    entropy, score = tmp_path / "entropy.csv", tmp_path / "score.csv"
    entropy.write_text(
        '"Step","lucky run - entropy","lucky run - entropy__MIN"\n1,2.0,2.0\n2,1.5,1.5\n3,1.0,1.0\n'
    )
    score.write_text('"Step","lucky run - eval/reward"\n2,0.5\n3,0.6\n')
    log = read_log([entropy, score])
    series = series_of(log)
    assert series.step.tolist() == [1, 2, 3]
    assert series.scored_entropy.tolist() == [1.5, 1.0]
    assert series.score.tolist() == [0.5, 0.6]


def test_event_files_in_a_run_folder(tmp_path):
    home = tmp_path / "runs" / "Nov26_host"
    home.mkdir(parents=True)
    shutil.copy(TORCH, home / "events.out.tfevents.1.host.0")
    series = series_of(read_log(tmp_path))
    assert series.entropy.size == 30  # the last is NaN
    assert series.scored_step.tolist() == list(range(0, 30, 3))
    shutil.copytree(home, tmp_path / "runs" / "other")
    with pytest.raises(InputError, match="holds 2 runs; name one"):
        files_of(tmp_path)


def test_after_a_restart_what_came_later_counts(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step;entropy;score\n1;2.0;0.1\n2;1.9;0.2\n3;1.8;0.3\n2;1.7;0.4\n3;1.6;0.5\n\n4;;NaN\n")
    log = read_log(path)
    series = series_of(log)
    assert series.entropy.tolist() == [2.0, 1.7, 1.6]
    assert series.score.tolist() == [0.1, 0.4, 0.5]
    assert "steps go back 1 times" in log.notes[0]


def test_rows_are_counted_where_there_is_no_step(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"entropy": [2.0, 1.0, 0.5], "reward": [0.1, 0.2, 0.3]}))
    log = read_log(path)
    assert log.step.tolist() == [0, 1, 2]
    assert "step: rows are counted" in log.columns.notes


def test_scores_before_any_entropy_are_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = [
        {"step": 0, "eval_reward": 0.1},
        {"step": 1, "entropy": 1.0},
        *({"step": s, "eval_reward": 0.2} for s in (1, 2)),
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    series = series_of(read_log(path, score="eval_reward"))
    assert series.scored_step.tolist() == [1, 2]
    assert "1 scores were logged before any entropy" in series.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("log.csv", "", "is empty"),
        ("log.csv", "1,2,3\n4,5,6\n", "first line must name"),
        ("log.csv", "step,entropy\n1,2,3\n", "line 2: 3 cells for 2 columns"),
        ("log.csv", "step,entropy\na,b\n", "holds no numbers"),
        ("log.csv", "step,entropy\n1,-1\n2,-2\n", "entropy=-1: an entropy is finite and not negative"),
        ("log.jsonl", '{"step": 1}\nnonsense\n{"step": 2}\n', "line 2: not JSON"),
        ("log.jsonl", '{"step": 1}\n[1]\n', "line 2: must be an object, is list"),
        ("log.json", "[1, 2]", "must be a list of objects"),
    ],
)
def test_bad_logs(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        series_of(read_log(tmp_path / name))


def test_a_file_that_is_not_there_names_its_neighbours(tmp_path):
    (tmp_path / "log.csv").write_text("x")
    with pytest.raises(InputError, match=r"no such file or folder; beside it: .*log\.csv"):
        read_log(tmp_path / "lgo.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no TensorBoard event file"):
        read_log(tmp_path / "empty")
    (tmp_path / "pickled").write_bytes(b"\x80\x05\x95")
    with pytest.raises(InputError, match="is no text"):
        read_log(tmp_path / "pickled")


def test_digests_follow_content(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,entropy\n1,1\n")
    before = digest_of([path])
    path.write_text("step,entropy\n1,2\n")
    assert digest_of([path]) != before


def test_one_number_to_a_step():
    log = read_log(TORCH)
    assert np.all(np.diff(log.step) > 0)
    assert all(values.size == log.step.size for values in log.values.values())
