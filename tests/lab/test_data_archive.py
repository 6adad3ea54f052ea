from __future__ import annotations

import csv
import io
import json

import pytest

from doxa.lab import data
from doxa.lab.data_archive import MEMBER_BYTES, ColumnsOfTable, DownloadError, TableOfMembers, assemble
from doxa.lab.files import sha256
from tests.lab.archives import zipped

TABLE = TableOfMembers("*/bank/*/scratch.json", "agent_id", ["age", "city"])


def test_a_table_has_a_row_for_each_file_in_the_order_of_folders():
    members = {
        "x-1/bank/b/scratch.json": json.dumps({"age": 30, "city": "A, B", "name": "left out"}),
        "x-1/bank/a/scratch.json": json.dumps({"age": 41, "city": None}),
        "x-1/other/c/scratch.json": "not read",
    }
    assert assemble(zipped(members), TABLE, "there") == b'agent_id,age,city\r\na,41,\r\nb,30,"A, B"\r\n'


@pytest.mark.parametrize(
    "archive",
    [
        b"<html>blocked</html>",
        zipped({"x/none.txt": ""}),
        zipped({"x/bank/a/scratch.json": "{"}),
        zipped({"x/bank/a/scratch.json": "{}"}),
        zipped({"x/bank/a/scratch.json": '{"age": 1, "city": "' + "a" * MEMBER_BYTES + '"}'}),
    ],
    ids=["no archive", "no such files", "broken", "a field is missing", "too long"],
)
def test_other_archives_are_refused(archive):
    with pytest.raises(DownloadError, match="there: "):
        assemble(archive, TABLE, "there")


def test_the_bank_is_assembled_to_its_published_bytes(tmp_path, monkeypatch, trust_data):
    body = (trust_data / "trust-consistency" / "personas.csv").read_bytes()
    bank = data.named("trust-consistency")
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    members = {
        f"genagents-{bank.commit}/agent_bank/populations/gss_agents/{row.pop('agent_id')}/scratch.json": json.dumps(
            {**row, "first_name": "left out"}
        )
        for row in reversed(rows)
    }
    archive = zipped(members)
    asked = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    report = data.get("trust-consistency", fetch=lambda url, size: asked.append(url) or archive)
    assert report.good
    assert asked == [bank.url]
    assert bank.commit in bank.url
    assert sha256((report.folder / "personas.csv").read_bytes()) == bank.files[0].sha256


def test_columns_of_a_table_are_kept_as_they_are():
    recipe = ColumnsOfTable("*/table.csv", ["b", "a"])
    table = ',a,b,account\r\n0,"1, 2",x,7\r\n1,,"""y""",8\r\n'
    assert assemble(zipped({"x-1/table.csv": table}), recipe, "there") == b'b,a\nx,"1, 2"\n"""y""",\n'
    with pytest.raises(DownloadError, match="there: "):
        assemble(zipped({"x-1/table.csv": "a\n1\n"}), recipe, "there")


def test_the_items_of_fps_are_assembled_to_their_published_bytes(tmp_path, monkeypatch, trust_data):
    items = data.named("fps")
    body = (trust_data / "fps" / items.files[0].name).read_text("utf-8")
    rows = list(csv.reader(io.StringIO(body, newline="")))
    published = io.StringIO()
    csv.writer(published).writerows(
        [
            ["" if not number else str(number - 1), *row, "root_user" if not number else "1"]
            for number, row in enumerate(rows)
        ]
    )
    archive = zipped({f"oasis-{items.commit}/data/twitter_dataset/all_topics.csv": published.getvalue()})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DOXA_DATA", raising=False)
    report = data.get("fps", fetch=lambda url, size: archive)
    assert report.good
    assert items.commit in items.url
    assert sha256((report.folder / items.files[0].name).read_bytes()) == items.files[0].sha256
