# ruff: noqa: RUF001 - the page writes minus signs and dashes as such
from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxa.errors import InputError
from doxa.lab.figures import Figure
from doxa.lab.record import Finding, Recorder
from doxa.lab.report import Badge, Card, CardRow, ConfigRow, Count, Number, Page, Prose, Sheet, render
from doxa.lab.report.bar import Bar
from doxa.lab.report.markup import _TAGS, element, join, text, visible
from doxa.lab.report.numbers import Scale, decimals_for, scale_for, shared_scales, shown, with_interval
from tests.hostile_texts import hostile_texts
from tests.lab.hostile_pages import hostile_page
from tests.lab.sample_pages import audit_page, moving_figures, sample_transcripts, study_page

VOID = {"meta", "line", "rect", "circle", "path"}


class Reader(HTMLParser):
    """Reads a page as a browser would and keeps what could do something."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[tuple[str, str]] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "meta" and ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"]
        if tag == "script":
            self.scripts.append((dict(attrs).get("type", ""), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(f"a comment arose: {data[:80]}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration arose: {data[:80]}")

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            kind, before = self.scripts[-1]
            self.scripts[-1] = (kind, before + data)
        elif self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.words.append(data)


def read(document: str) -> Reader:
    reader = Reader()
    reader.feed(document)
    reader.close()
    assert reader.open == []
    return reader


def digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def check_safe(document: str) -> Reader:
    """Check that nothing in the page can run, load or send but the scripts and the style its policy names."""
    reader = read(document)
    assert reader.tags <= {"html", "head", "meta", "title", "style", "body", "script", *_TAGS}
    for tag, name, value in reader.attributes:
        assert not name.startswith("on")
        assert name not in {
            "style",
            "src",
            "srcdoc",
            "action",
            "formaction",
            "xlink:href",
            "data",
            "background",
        }
        if name == "href":
            assert tag == "a"
            assert re.fullmatch(r"#[a-z0-9-]+|https://arxiv\.org/abs/[0-9.v]+", value)
    running = [code for kind, code in reader.scripts if kind != "application/json"]
    for kind, code in reader.scripts:
        if kind == "application/json":
            json.loads(code)
    parts = dict(part.strip().split(" ", 1) for part in reader.policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == (" ".join(map(digest, running)) or "'none'")
    assert parts["style-src"] == " ".join(map(digest, reader.styles))
    assert parts["base-uri"] == parts["form-action"] == "'none'"
    assert "unsafe" not in reader.policy
    return reader


def test_a_page_of_hostile_texts_holds_them_as_text_and_nothing_else():
    texts = hostile_texts(120)
    reader = check_safe(render(hostile_page(texts, scalar=texts[0], charts=0)))
    said = "".join(reader.words)
    for one in texts:
        # a line of text may be cut at 6,000 letters, never changed
        assert visible(one)[:4000] in said
    assert [kind for kind, _ in reader.scripts] == []


@pytest.mark.parametrize("scalar", hostile_texts(124))
def test_single_fields_hold_hostile_texts_as_text(scalar):
    page = Page(scalar, scalar, scalar, scalar, blocks=[Prose(scalar, scalar)], command=scalar)
    assert visible(scalar) in "".join(check_safe(render(page)).words)


def test_hostile_figures_are_inert_data():
    texts = hostile_texts(124)
    reader = check_safe(render(hostile_page(texts, scalar="x", charts=62)))
    specs = [json.loads(code) for kind, code in reader.scripts if kind == "application/json"]
    assert len(specs) == 62 + 6
    assert not any("usermeta" in spec or "$schema" in spec for spec in specs)
    assert all(
        not re.search("[<>&\u2028\u2029]", code)
        for kind, code in reader.scripts
        if kind == "application/json"
    )


def test_elements_come_from_closed_lists():
    assert element("p", "a < b", class_="x") == '<p class="x">a &lt; b</p>'
    assert element("td", None, ["a", element("strong", "b")]) == "<td>a<strong>b</strong></td>"
    for tag, attributes in (
        ("script", {}),
        ("iframe", {}),
        ("p", {"onclick": "x"}),
        ("p", {"style": "x"}),
        ("a", {"href": "javascript:alert(1)"}),
        ("a", {"href": "http://evil.example"}),
    ):
        with pytest.raises(InputError):
            element(tag, **attributes)


@given(st.text())
def test_text_survives_and_shows_all_its_characters(raw):
    shown_text = visible(raw)
    for character in shown_text:
        assert character in "\n\t\u200c\u200d" or unicodedata.category(character) not in {
            "Cc",
            "Cs",
            "Zl",
            "Zp",
        }
    assert html.unescape(re.sub("<[^>]*>", "", text(raw))) == shown_text
    assert visible(shown_text) == shown_text
    assert join(raw, None) == text(raw)
    shown_text.encode()


def test_unseen_characters_are_set_apart():
    assert text("a\u202eb\x1b[31m") == (
        'a<span class="unseen">⟨U+202E⟩</span>b<span class="unseen">␛</span>[31m'
    )
    assert visible("👩\u200d🔬 नमस्\u200dते") == "👩\u200d🔬 नमस्\u200dते"


def test_numbers_have_the_digits_their_interval_bears():
    assert with_interval(0.8612, (0.8312, 0.8903)) == ("0.86", "[0.83, 0.89]")
    assert with_interval(-0.0004, (-0.021, 0.02)) == ("0.00", "[−0.02, 0.02]")
    assert with_interval(1234.4, (1200.1, 1270.9)) == ("1,234", "[1,200, 1,271]")
    assert with_interval(0.98201381, (0.98201379, 0.98201383)) == ("0.9820", "[0.9820, 0.9820]")
    assert with_interval(0.982014, (0.982014, 0.982014)) == ("0.982", "[0.982, 0.982]")
    assert with_interval(8.8e-16, (-4e-13, 4e-13)) == ("0.00", "[0.00, 0.00]")
    assert with_interval(0.5, None) == ("0.5", "")
    assert with_interval(None, None) == ("–", "")
    assert with_interval(2.0, (-math.inf, math.inf)) == ("2", "[−∞, ∞]")
    assert (shown(1e-7), shown(2.5e9), shown(13000), shown(0.3449), shown(math.nan)) == (
        "1×10⁻⁷",
        "2.5×10⁹",
        "13,000",
        "0.345",
        "–",
    )


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-4, 1e4),
)
def test_a_shown_number_is_as_near_as_its_interval_asks(value, half):
    interval = (value - half, value + half)
    decimals = decimals_for(interval)
    if decimals is not None and 1e-4 <= abs(value) < 1e7:
        back = float(shown(value, decimals).replace("−", "-").replace(",", ""))
        assert abs(back - value) <= max(half / 2, (abs(value) + half) * 6e-4)


@given(st.lists(st.floats(-1e9, 1e9) | st.none(), max_size=6))
def test_a_scale_holds_its_values_and_zero(values):
    scale = scale_for(values)
    assert scale.low < scale.high
    for value in (0.0, *values):
        if value is not None:
            slack = 1e-8 * (scale.high - scale.low)
            assert scale.low - slack <= value <= scale.high + slack
            assert 0 <= scale.percent(value) <= 100


def test_rows_of_one_unit_and_like_size_share_a_scale():
    scales = shared_scales([("nats", [0.2, None]), ("nats", [0.9]), ("nats", [40.0]), ("", [0.3]), ("", [])])
    assert (
        scales == [Scale(0, 1), Scale(0, 1), Scale(0, 40), Scale(0, 0.3), Scale(-1, 1)]
        or scales[0] == scales[1]
    )
    assert scales[2] != scales[1]


def test_a_bar_stands_where_its_numbers_say():
    bar = Bar(
        Scale(0.0, 2.0),
        1.0,
        (0.5, math.inf),
        start=0.0,
        reference=1.5,
        floor=0.1,
        paper=0.25,
        spoken="slope 1",
    )
    drawn = bar.draw()
    assert '<circle class="dot" cx="50.00%"' in drawn
    assert '<line class="interval" x1="25.00%" x2="100.00%"' in drawn
    assert '<rect class="floor" x="70.00%" width="10.00%"' in drawn
    assert '<line class="reference" x1="75.00%"' in drawn
    assert '<svg x="12.50%"' in drawn
    assert 'aria-label="slope 1"' in drawn


def test_findings_show_verdict_number_interval_and_paper_in_one_row():
    finding = Finding(
        "gap", "There is a gap", 0.523, (0.481, 0.561), "fails", "accuracy", True, 0.345, 0.9, 8, "a note"
    )
    document = render(
        Page("x", findings=[finding, Finding("y", "no number", None, None, "unresolved", note="why")])
    )
    row = re.search(r'<tr role="row" class="is-[a-z]+ is-control">.*?</tr>', document)[0]
    words = " ".join(re.sub("<[^>]*>", " ", row).split())
    assert (
        words
        == "✗ fails control There is a gap gap a note 0.52 [0.48, 0.56] accuracy 90 % interval, n = 8 0 1 paper 0.345"
    )
    assert "A control holds when the effect is absent." in document
    assert "1 fails" in document
    assert "1 unresolved" in document


def test_an_empty_page_is_a_page_without_scripts():
    reader = check_safe(render(Page("nothing")))
    assert "nothing" in "".join(reader.words)
    assert reader.scripts == []
    assert "nav" not in reader.tags


def test_conversations_are_taken_in_turn_and_what_is_left_out_is_said():
    recorder = Recorder("a", 0)
    for condition, count in (("a", 30), ("b", 2)):
        for index in range(count):
            recorder.utterance(
                subject="s", conversation=f"c{index}", turn=0, role="user", text="hi", condition=condition
            )
    document = render(Page("x", transcripts=recorder.tables().transcripts, transcript_limit=5))
    assert document.count('class="conversation"') == 5
    assert "5 of 32 conversations" in document
    assert "27 are left out" in document
    assert re.findall(r"<h3>(.*?)</h3>", document) == ["a", "b"]


def test_long_texts_and_long_conversations_are_cut_with_a_note():
    recorder = Recorder("a", 0)
    for turn in range(70):
        recorder.utterance(
            subject="s", conversation="c", turn=turn, role="user", text="x" * (5_000_000 if turn == 0 else 1)
        )
    document = render(Page("x", transcripts=recorder.tables().transcripts))
    assert "4,994,000 more letters" in document
    assert "10 more messages" in document
    assert len(document) < 100_000


def test_extra_that_is_not_an_object_is_shown_as_it_is():
    frame = sample_transcripts().tables().transcripts[:1]
    for raw in ("[" * 50_000, "not json", '"x"', '{"missing":"two options"}', ""):
        document = render(Page("x", transcripts=frame.with_columns(extra=pl.lit(raw))))
        assert ("missing: two options" if raw.startswith("{") else html.escape(raw[:200])) in document


def test_data_of_a_figure_is_a_table_without_helper_columns_and_capped():
    rows = [{"a": index, "_helper": 1, "b": math.nan} for index in range(250)]
    nested = {"hconcat": [{"layer": [{"data": {"values": rows}, "mark": "point"}]}]}
    document = render(Page("x", figures=[Figure("f", "Title", "", nested)]))
    reader = read(document)
    assert "50 more rows are in the run's folder." in "".join(reader.words)
    assert "_helper" not in "".join(reader.words)
    spec = next(json.loads(code) for kind, code in reader.scripts if kind == "application/json")
    assert spec["hconcat"][0]["layer"][0]["data"]["values"][0]["b"] is None


def test_a_specification_with_something_that_is_not_json_is_refused():
    with pytest.raises(InputError, match="has no JSON form"):
        render(Page("x", figures=[Figure("f", "Title", "", {"data": b"x"})]))


def test_configuration_marks_what_differs_from_the_default():
    rows = [
        ConfigRow("a", 1, 1),
        ConfigRow("b", (1, 2), (1, 3), "unit", 4, "meaning"),
        ConfigRow("c", True, None),
    ]
    document = render(Page("x", config=rows))
    assert "2 of 3 fields differ from the default." in document
    assert document.count('<tr class="changed">') == 2


def test_counts_show_their_share():
    document = render(Page("x", counts=[Count("refusals", 25, 100, "why"), Count("faults", 0)]))
    assert "25 % · why" in document
    assert 'width="25.00%"' in document


def test_a_card_draws_a_missing_number_without_a_bar():
    row = CardRow("p", Badge("unresolved", "open"), [Number("stated", None, note="no battery")])
    document = render(Page("x", blocks=[Card("card", [row])]))
    assert "no battery" in document
    assert 'class="bar"' not in document


def test_a_sheet_with_rows_of_another_length_is_refused():
    with pytest.raises(InputError, match="columns"):
        render(Page("x", blocks=[Sheet("t", ["a", "b"], [[1]])]))


@pytest.mark.slow
def test_equal_pages_have_equal_bytes_in_any_process():
    script = (
        "import hashlib, sys, sample_pages; from doxa.lab.report import render; "
        "sys.stdout.write(hashlib.sha256(render(sample_pages.study_page()).encode()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == hashlib.sha256(render(study_page()).encode()).hexdigest()


def test_sample_pages_are_safe_and_complete():
    for page in (study_page(), audit_page()):
        document = render(page)
        words = "".join(check_safe(document).words)
        assert page.command in words
        assert len(document) < 1_200_000


@pytest.mark.slow
def test_pages_in_a_browser(tmp_path):
    from tests.browser import chromium, overflow_px, show, watched

    texts = hostile_texts(124)
    files = {"study": render(study_page()), "audit": render(audit_page())}
    files["hostile"] = render(hostile_page(texts, scalar=texts[5], charts=15))
    with chromium() as driver:
        for name, document in files.items():
            file = tmp_path / f"{name}.html"
            file.write_bytes(document.encode())
            for width, dark in ((400, False), (800, True), (1400, False)):
                show(driver, file, width=width, dark=dark)
                seen = watched(driver)
                assert seen["policy"] == []
                assert seen["errors"] == []
                assert name == "hostile" or seen["log"] == []
                assert not any("evil.example" in line for line in seen["log"])
                assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
                drawn = driver.execute_script(
                    "return document.querySelectorAll('.plot svg, .plot canvas').length"
                )
                failed = driver.execute_script("return document.querySelectorAll('.plot.failed').length")
                figures = driver.execute_script("return document.querySelectorAll('figure').length")
                assert drawn + failed == figures
                assert failed <= (6 if name == "hostile" else 0)
                driver.execute_script(
                    "document.querySelectorAll('details').forEach((fold) => (fold.open = true))"
                )
                assert overflow_px(driver) == 0


@pytest.mark.slow
def test_a_moving_figure_plays_to_its_end_and_follows_its_slider(tmp_path):
    from selenium.webdriver.support.wait import WebDriverWait

    from tests.browser import chromium, show, watched

    file = tmp_path / "moving.html"
    file.write_bytes(render(replace(study_page(), figures=moving_figures())).encode())
    words = "return [...document.querySelectorAll('.plot svg text')].map((one) => one.textContent)"
    with chromium() as driver:
        show(driver, file, width=800)
        slider, button = (
            driver.find_element("css selector", f".vega-bind {what}") for what in ("input", "button")
        )
        assert "day 5" in driver.execute_script(words)
        assert (slider.accessible_name, button.text) == ("day 5", "Play")
        driver.execute_script("arguments[0].click()", button)
        WebDriverWait(driver, 10, 0.05).until(lambda _: "day 1" in driver.execute_script(words))
        assert button.text == "Stop"
        WebDriverWait(driver, 20).until(lambda _: button.text == "Play")
        assert slider.get_attribute("value") == "5"
        seen = watched(driver)
        assert (seen["policy"], seen["errors"], seen["log"]) == ([], [], [])
