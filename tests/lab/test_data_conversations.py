"""The files of persuasive-power from an archive laid out as the authors' repository: what is made of it is known."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict

import numpy as np
import pytest

from doxa.errors import DoxaError
from doxa.lab import data, sentence_vectors
from doxa.lab.data_archive import DownloadError, assemble
from doxa.lab.data_conversations import (
    BATCHES,
    CONVERSATION_FILES,
    SKEPTICS,
    STYLES,
    Conversation,
    parse_conversation,
)
from doxa.lab.sentence_vectors import Embedded, entry_sums
from doxa.streams import stream
from tests.lab.archives import zipped
from tests.protocols.persuasion.data import FOLDER

SLUG = "persuasive-power"
LINE = "_" * 20
TEXT = """You have one chance.

You are sceptical.

Convincer: \n{line}
Skeptic: It is a hoax.
{line}
Convincer:   {argument}
{line}
Skeptic: {reply}
{line}
Convincer: Are you convinced? Begin with 'Yes' or 'No'.
{line}
Skeptic:   {verdict}
{line}
"""
MAPPING = ("argumentId", "argumentText", "argumentType")
ANSWER = (
    "WorkerId", "WorkTimeInSeconds", "Input.dim1", "Input.dim2", "Input.url1", "Input.url2", "Answer.equal.label",
)  # fmt: skip


def conversation(argument, reply, verdict):
    return TEXT.format(line=LINE, argument=argument, reply=reply, verdict=verdict)


def as_csv(names, rows):
    held = io.StringIO()
    writer = csv.DictWriter(held, names)
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue()


def csv_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def folder(skeptic, style):
    return f"persuasive-llms-b38/conversation_generation/{SKEPTICS[skeptic]}/convs_{style}"


def upstream(held):
    """Return an archive from which the files in a folder are made; the skeptics' copies differ in white space."""
    rows = {
        name: [json.loads(line) for line in (held / name).read_text().split("\n") if line]
        for name in ("arguments.jsonl", "baseline_skeptic_replies.jsonl")
    }
    arguments = {row["argument_id"]: row for row in rows["arguments.jsonl"]}
    said = {row["argument_id"]: row for row in rows["baseline_skeptic_replies.jsonl"]}
    members = {
        "persuasive-llms-b38/conversation_generation/convs/OLD_convs/convs_fun/x.txt": "an older run",
        "persuasive-llms-b38/tendims/result.json": (held / "ten_dimension_scores.json").read_text(),
    }
    for row in csv_rows(held / "outcomes.csv"):
        argument = arguments[row["argument_id"]]
        own = row["skeptic"] == "baseline"
        text = argument["argument"] if own else argument["argument"].replace("\n\n", "\n \n")
        verdict = said[row["argument_id"]]["verdict"] if own else ("No, not", "Yes.")[int(row["convinced"])]
        reply = said[row["argument_id"]]["reply"] if own else "Well."
        members[f"{folder(row['skeptic'], row['dimension'])}/{row['source_file']}"] = conversation(
            text, reply, verdict
        )
    pictures, batches = {}, defaultdict(list)
    for row in csv_rows(held / "human_pairwise.csv"):
        for side in "12":
            if not row[f"dim{side}"].startswith("control"):
                pictures[row[f"image{side}"]] = row[f"argument_id{side}"]
        batches[row["batch"]].append(
            {
                "WorkerId": f"A{row['worker'][1:]}Z",
                "WorkTimeInSeconds": row["work_seconds"],
                **{f"Input.dim{side}": row[f"dim{side}"] for side in "12"},
                **{f"Input.url{side}": f"https://there/svg/{row[f'image{side}']}" for side in "12"},
                "Answer.equal.label": ("Arugment " if row["batch"] == "1" else "Argument ") + row["choice"],
            }
        )
    for batch, file in BATCHES.items():
        members[f"persuasive-llms-b38/mturk/responses/{file}"] = as_csv(ANSWER, batches[batch])
    members["persuasive-llms-b38/mturk/id_mappings.csv"] = as_csv(
        MAPPING,
        [
            dict(zip(MAPPING, (image[5:-4], arguments[name]["argument"] + "\n", "any"), strict=True))
            for image, name in pictures.items()
        ],
    )
    return zipped(members)


@pytest.fixture(scope="module")
def archive():
    return upstream(FOLDER)


@pytest.fixture
def published_vectors(monkeypatch):
    """Embed as the published file does, but for the last bit of some entries."""
    vectors = np.load(FOLDER / "argument_embeddings.npy").astype(np.float64)
    vectors[::50, 3] += 6e-5

    class Encoder:
        def encode(self, texts):
            assert len(texts) == len(vectors)
            return vectors * 2.0

    monkeypatch.setattr(sentence_vectors, "MiniLM", Encoder)


def test_the_data_set_is_assembled_to_its_published_bytes(archive, published_vectors, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    report = data.get(SLUG, fetch=lambda url, size: asked.append(url) or archive)
    assert report.good
    assert asked == [data.named(SLUG).url], "one archive for all files"
    assert data.named(SLUG).commit in asked[0]
    for name in data.named(SLUG).assembled:
        assert (report.folder / name).read_bytes() == (FOLDER / name).read_bytes()
    made = (report.folder / "argument_embeddings.npy").read_bytes()
    assert made != (FOLDER / "argument_embeddings.npy").read_bytes()
    assert data.locate(SLUG) == report.folder
    (report.folder / "argument_embeddings.npy").write_bytes(made[:-2])
    assert [file.state for file in data.check(SLUG).files] == ["good"] * 5 + ["changed"]


def test_another_encoder_is_told_apart(archive, tmp_path, monkeypatch):
    class Other:
        def encode(self, texts):
            return stream(0, "vectors").standard_normal((len(texts), 384))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    monkeypatch.setattr(sentence_vectors, "MiniLM", Other)
    with pytest.raises(DownloadError, match=r"arguments\.jsonl: differ from the published ones"):
        data.get(SLUG, fetch=lambda url, size: archive)


def test_without_the_encoder_the_texts_stay_and_the_extra_is_named(archive, tmp_path, monkeypatch):
    class Missing:
        def __init__(self):
            raise DoxaError("install embed")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    monkeypatch.setattr(sentence_vectors, "MiniLM", Missing)
    with pytest.raises(DoxaError, match="install embed"):
        data.get(SLUG, fetch=lambda url, size: archive)
    assert [file.state for file in data.check(SLUG).files] == ["good"] * 5 + ["missing"]


def test_a_conversation_is_read_in_its_turns():
    read = parse_conversation("a.txt", conversation("Think.\n\nConvincer: I said", "Well.", "No, because"))
    assert read == Conversation("a.txt", "Think.\n\nConvincer: I said", "Well.", "No, because")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Convincer: a",
        conversation("a", f"b\n{LINE}\nc", "No"),
        conversation("a", "b", "No").replace("Skeptic:", "S:"),
    ],
    ids=["empty", "one turn", "a turn too many", "another name"],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"a\.txt"):
        parse_conversation("a.txt", text)


def test_an_archive_without_a_style_is_refused():
    only = {f"{folder('baseline', style)}/a.txt": conversation("a", "b", "No") for style in STYLES[:-1]}
    with pytest.raises(DownloadError, match="convs_conflict"):
        assemble(zipped(only), CONVERSATION_FILES["arguments"], "there")


def test_vectors_fit_up_to_their_last_bits_and_no_further():
    vectors = stream(0, "vectors").standard_normal((40, 12))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    held = Embedded("a.jsonl", "text", 40, 12, entry_sums(unit, 8).tolist())
    texts = b"".join(b'{"text": "%d"}\n' % number for number in range(40))
    body = held.make(texts, lambda given: vectors[[int(text) for text in given]])
    assert held.fits(body)
    swapped = unit.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    for other in (swapped, unit.astype(np.float32), unit[:-1]):
        buffer = io.BytesIO()
        np.save(buffer, other)
        assert not held.fits(buffer.getvalue())
    assert not held.fits(b"no vectors")


def test_the_sums_are_over_all_entries():
    vectors = np.array([[1.0, 2.0], [3.0, 4.0]])
    exact = [1 + 2 * np.cos(k) + 3 * np.cos(2 * k) + 4 * np.cos(3 * k) for k in (1, 2)]
    assert entry_sums(vectors, 2) == pytest.approx(exact)
