from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from holdfast.ui.evidence import PROPOSALS_SHOWN
from holdfast.ui.report import report_html, report_markdown
from tests.ui.book import Book, full
from tests.ui.hostile import ALL, SCRIPT, harmless
from tests.ui.test_charts import BOOKS

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data


def page(book: Book, diffs: dict[str, str] | None = None, verified: bool = True) -> str:
    return report_html(book.state, book.entries, diffs or {}, book.head, verified)


@pytest.mark.parametrize("name", BOOKS)
def test_the_page_is_well_formed_and_needs_nothing_from_outside(name: str):
    made: Callable[[], Book] = BOOKS[name]
    found = Page(page(made()))
    assert found.tags.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "link", "base", "form"} & set(found.tags)
    assert not [key for key, _ in found.attributes if key.startswith("on")]
    for key, value in found.attributes:
        if key in ("src", "href", "xlink:href"):
            assert (value or "").startswith(("#", "data:image/png")), value


def test_the_page_holds_the_evidence():
    book = full()
    change = book.state.attempts[book.state.kept[0].decision.proposal]
    diff = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-lr = 3e-4\n+lr = 1e-3\n"
    text = page(book, {change.proposal.id: diff})
    shown = Page(text).text
    for words in (
        "now runs in", "proven", "5 pairs on sealed data", "Earlier claims on this sealed data: 0", book.head.hash,
        "holdfast verify", change.proposal.hypothesis, "e-value", "likely to be kept", "crashed",
        "degraded: watchdog only", "torch", "T2", "+lr = 1e-3", "val_loss over its limit",
    ):  # fmt: skip
        assert words in shown, words
    assert '<span class="add">+lr = 1e-3</span>' in text
    assert text.count("data-fate=") == 60
    assert "did NOT verify" in page(book, verified=False)


def test_hostile_texts_are_inert_in_page_and_markdown():
    book = Book().start(agent=ALL).baseline()
    kept = book.keep(ALL, 1.5)
    book.fail("crashed", ALL, ALL)
    book.claim().end("failed", ALL)
    diffs = {kept.proposal.id: f"--- a/{ALL}\n+++ b/x\n@@ -1 +1 @@\n+{ALL}\n-```\n+````\n"}
    html = page(book, diffs)
    assert SCRIPT not in html
    assert harmless(html)
    assert "49" not in [part for part in Page(html).text.split() if part == "49"], "templates in texts are not run"
    assert Page(html).tags.count("script") == 1
    markdown = report_markdown(book.state, book.entries, diffs, book.head, True)
    assert harmless(markdown)
    for row in markdown.splitlines():
        outside = "".join(row.split("`")[::2]) if "```" not in row else ""
        inside_diff = row.startswith(("+", "-", "@"))
        assert inside_diff or "<script" not in outside, row


def test_the_markdown_fence_outlasts_its_diff():
    book = Book().start().baseline()
    kept = book.keep("x", 1.5)
    text = report_markdown(book.state, book.entries, {kept.proposal.id: "+```\n+````\n"}, book.head, True)
    assert "\n`````diff\n+```\n+````\n`````\n" in text


def test_markdown_tables_have_one_number_of_columns():
    book = full()
    book.fail("crashed", "a | b", "x | y || z")
    columns = 0
    for row in report_markdown(book.state, book.entries, {}, book.head, True).splitlines():
        if not row.startswith("|"):
            columns = 0
            continue
        bars = row.replace("\\|", "").count("|")
        assert columns in (0, bars), row
        columns = bars


def test_thousands_of_proposals_stay_readable():
    book = Book().start().baseline().search(4000, gains=False)
    kept = [book.keep("a gain", 1.3) for _ in range(3)]
    huge = "".join(f"+line {n}\n" for n in range(300_000))
    html = page(book, {attempt.proposal.id: huge for attempt in kept})
    assert len(html.encode()) < 5_000_000
    assert html.count("data-fate=") == PROPOSALS_SHOWN
    assert html.count('data-fate="kept"') == 3
    assert f"{4003 - PROPOSALS_SHOWN} are not listed" in html
    assert "more lines" in html
    assert len(report_markdown(book.state, book.entries, {}, book.head, True)) < 200_000


def test_reports_are_deterministic():
    assert page(full(20)) == page(full(20))
