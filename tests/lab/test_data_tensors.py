from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from doxa.lab import data
from doxa.lab.data_tensors import ImagePairs, array_digest
from doxa.lab.files import sha256

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
LABELS = np.array([3, 1, 4, 1], dtype=np.uint8)
ARRAYS = array_digest({"images": IMAGES, "labels": LABELS})


def saved(pairs):
    held = io.BytesIO()
    torch.save(pairs, held)
    return held.getvalue()


def pairs(images=IMAGES):
    return [
        (torch.from_numpy(image.astype(np.float32) / np.float32(255))[None], int(label))
        for image, label in zip(images, LABELS, strict=True)
    ]


def npz(**arrays):
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)
    return held.getvalue()


def test_the_published_file_is_fetched_checked_and_converted(tmp_path, monkeypatch):
    original = saved(pairs())
    body = npz(images=IMAGES, labels=LABELS)
    made = data.DataSet(
        slug="pairs",
        title="four images",
        repository="https://example.org/repository",
        commit="abc",
        url="https://example.org/raw/abc",
        licence="MIT",
        holder="(c) nobody",
        files=(data.DataFile("images.npz", len(body), "0" * 64),),
        converted={"images.npz": ImagePairs("images.pt", sha256(original), ARRAYS)},
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    monkeypatch.setattr(data, "CATALOGUE", {"pairs": made})
    asked = []

    def fetch(url, size):
        asked.append(url)
        return original

    report = data.get("pairs", fetch=fetch)
    assert report.good
    assert asked == ["https://example.org/raw/abc/images.pt"]
    with np.load(report.folder / "images.npz") as held:
        np.testing.assert_array_equal(held["images"], IMAGES)
        np.testing.assert_array_equal(held["labels"], LABELS)
    assert [path.name for path in report.folder.iterdir() if path.suffix == ".pt"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda: saved([torch.zeros(1, 2, 2)]), "holds no pairs"),
        (lambda: saved([(torch.full((1, 2, 2), 0.3), 1)]), "no multiples of 1/255"),
        (lambda: b"no pickle", "holds no pairs"),
        (lambda: saved(Exploding()), "holds no pairs"),
    ],
)
def test_other_content_is_refused_even_with_the_right_checksum(body, message):
    held = body()
    with pytest.raises(data.DownloadError, match=message):
        ImagePairs("x.pt", sha256(held), ARRAYS).make(held, "there")


class Exploding:
    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


def test_other_bytes_are_not_even_opened():
    with pytest.raises(data.DownloadError, match="was not opened"):
        ImagePairs("x.pt", "0" * 64, ARRAYS).make(saved(pairs()), "there")


def test_a_file_is_held_to_its_arrays():
    recipe = ImagePairs("x.pt", "0" * 64, ARRAYS)
    stored = io.BytesIO()
    np.savez(stored, images=IMAGES, labels=LABELS)
    assert recipe.fits(stored.getvalue())
    assert not recipe.fits(npz(images=IMAGES, labels=LABELS[::-1]))
    assert not recipe.fits(npz(images=IMAGES.astype(np.int64), labels=LABELS))
    assert not recipe.fits(b"no arrays")


def test_the_images_of_ska_are_in_the_catalogue():
    held = data.named("ska")
    recipe = held.converted["mnist_1000.npz"]
    assert held.commit in held.url
    assert recipe.sha256 == "c182554de65c7923ac9d2203ad56748ba0f330605e42d9e2874c0766a1f95b69"
