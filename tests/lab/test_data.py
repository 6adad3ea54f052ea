from __future__ import annotations

import gzip
import io
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from doxa.errors import InputError
from doxa.lab import data
from doxa.lab.files import sha256

BODIES = {"one.jsonl": b'{"a": 1}\n', "two.jsonl": b'{"a": 2}\n'}
SMALL = data.DataSet(
    slug="small",
    title="two lines",
    repository="https://example.org/repository",
    commit="abc",
    url="https://example.org/raw/abc",
    licence="MIT",
    holder="(c) nobody",
    files=tuple(data.DataFile(name, len(body), sha256(body)) for name, body in BODIES.items()),
)


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    monkeypatch.setattr(data, "CATALOGUE", {**data.CATALOGUE, "small": SMALL})
    return tmp_path


class Upstream:
    """Serves the small data set and counts what is asked of it."""

    def __init__(self, **changed: bytes) -> None:
        self.bodies = {**BODIES, **{f"{name}.jsonl": body for name, body in changed.items()}}
        self.asked: list[str] = []

    def __call__(self, url: str, size: int) -> bytes:
        self.asked.append(url)
        return self.bodies[url.rsplit("/", 1)[1]]


def states(report):
    return [file.state for file in report.files]


def test_kable_is_in_the_catalogue_as_published():
    kable = data.named("kable")
    assert len(kable.files) == 13
    assert kable.commit == "bbd1469e94e293b3ef2de7ece1e854513961e261"
    assert kable.commit in kable.url
    assert kable.url.startswith("https://")
    assert all(len(file.sha256) == 64 for file in kable.files)


def test_unknown_data_set_suggests_a_name():
    with pytest.raises(InputError, match="did you mean 'kable'"):
        data.named("kabel")


def test_get_puts_whole_files_in_the_cache_and_fetches_only_once(small):
    upstream, seen = Upstream(), []
    report = data.get("small", fetch=upstream, progress=lambda *step: seen.append(step))
    assert report.good
    assert report.folder == small / "cache" / "doxa" / "data" / "small"
    assert upstream.asked == [f"{SMALL.url}/one.jsonl", f"{SMALL.url}/two.jsonl"]
    assert seen == [(0, 2, "one.jsonl"), (1, 2, "two.jsonl"), (2, 2, "")]
    assert data.locate("small") == report.folder
    assert "MIT" in (report.folder / "SOURCE.txt").read_text()
    data.get("small", fetch=upstream)
    assert len(upstream.asked) == 2


def test_wrong_bytes_are_refused_and_the_next_get_goes_on_from_there(small):
    with pytest.raises(data.DownloadError, match=r"two\.jsonl: sent other bytes than published"):
        data.get("small", fetch=Upstream(two=b"<html>blocked</html>"))
    assert states(data.check("small")) == ["good", "missing"]
    assert not list((data.cache_folder() / "small").glob("*.tmp"))
    upstream = Upstream()
    assert data.get("small", fetch=upstream).good
    assert upstream.asked == [f"{SMALL.url}/two.jsonl"]


def test_doxa_data_comes_first_and_gzip_is_held_to_the_inner_bytes(small, monkeypatch):
    folder = small / "given" / "small"
    folder.mkdir(parents=True)
    (folder / "one.jsonl").write_bytes(BODIES["one.jsonl"])
    (folder / "two.jsonl.gz").write_bytes(gzip.compress(BODIES["two.jsonl"]))
    data.get("small", fetch=Upstream())
    assert data.locate("small") != folder
    monkeypatch.setenv("DOXA_DATA", str(small / "given"))
    assert data.locate("small") == folder
    (folder / "two.jsonl.gz").write_bytes(gzip.compress(BODIES["one.jsonl"]))
    assert data.locate("small") != folder, "a changed copy gives way to a good one"


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (gzip.compress(b"other"), "changed"),
        (b"no gzip", "unreadable"),
        (gzip.compress(b"x" * 99)[:-9], "unreadable"),
    ],
    ids=["other bytes", "no gzip", "cut short"],
)
def test_broken_files_are_named_and_mended(small, content, state):
    folder = data.get("small", fetch=Upstream()).folder
    (folder / "one.jsonl").unlink()
    (folder / "one.jsonl.gz").write_bytes(content)
    assert states(data.check("small")) == [state, "good"]
    with pytest.raises(InputError, match=rf"one\.jsonl is {state}; 'doxa data get small'"):
        data.locate("small")
    assert data.get("small", fetch=Upstream()).good
    assert not (folder / "one.jsonl.gz").exists()


def test_absent_data_names_the_command_that_gets_it(small):
    assert states(data.check("small")) == ["missing", "missing"]
    with pytest.raises(InputError, match="doxa data get small"):
        data.locate("small")


def test_report_as_json_tells_source_and_licence(small):
    assert data.check("small").as_json() == {
        "data": "small",
        "title": "two lines",
        "source": "https://example.org/repository at abc",
        "licence": "MIT, (c) nobody",
        "bytes": 18,
        "folder": None,
        "good": False,
        "files": {"one.jsonl": "missing", "two.jsonl": "missing"},
    }
    assert "kable" in [report.data.slug for report in data.check_all()]


def test_fetch_is_https_only():
    with pytest.raises(data.DownloadError, match="over https only"):
        data.fetch_https("http://example.org/x", 3)


def test_fetch_without_a_network_says_what_to_do(monkeypatch):
    def refuse(request, timeout):
        raise urllib.error.URLError(OSError(101, "Network is unreachable"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(data.DownloadError, match=r"Network is unreachable.*set DOXA_DATA"):
        data.fetch_https("https://example.org/x", 3)


def test_fetch_reads_no_more_than_a_byte_too_much(monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda request, timeout: io.BytesIO(b"x" * 100))
    assert data.fetch_https("https://example.org/x", 3) == b"xxxx"


def test_error_status_is_told(monkeypatch):
    def gone(request, timeout):
        raise urllib.error.HTTPError(request.full_url, 404, "Not Found", None, None)

    monkeypatch.setattr(urllib.request, "urlopen", gone)
    with pytest.raises(data.DownloadError, match="answered 404 Not Found"):
        data.fetch_https("https://example.org/x", 3)


def test_digest_hangs_on_the_bytes():
    other = data.DataSet(
        **{**SMALL.__dict__, "files": (SMALL.files[0], data.DataFile("two.jsonl", 9, "0" * 64))}
    )
    assert other.digest != SMALL.digest


def test_an_unreadable_file_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        data.read_bytes(tmp_path / "absent.jsonl")
