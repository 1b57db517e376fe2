"""The report of a run: one self-contained HTML file to share, and the same in short as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdfast.core.chain import Head
from holdfast.core.records import Entry
from holdfast.core.state import RunState
from holdfast.ui.evidence import Row, evidence

MARKDOWN_CHANGES = 20
"""Kept changes whose diffs the Markdown shows."""


def report_html(state: RunState, entries: Sequence[Entry], diffs: Mapping[str, str], head: Head, verified: bool) -> str:
    """The report as one HTML page without outside references; foreign text is escaped wherever it stands.

    `entries` are the run's, `diffs` maps proposal ids to unified diffs, `head` is the ledger's and `verified`
    whether its chain holds. The same arguments give the same page.
    """
    from holdfast.ui import charts

    pictures = {
        "progress": Markup(charts.progress(state)),
        "trials": Markup(charts.trials(state, entries)),
        "effects": Markup(charts.effects(state)) if state.kept else "",
        "pairs": Markup(charts.pairs(state, entries)) if state.baseline else "",
    }
    page = _templates(escape=True).get_template("report.html.j2")
    return page.render(evidence(state, entries, diffs, head, verified), pictures=pictures)


def report_markdown(
    state: RunState, entries: Sequence[Entry], diffs: Mapping[str, str], head: Head, verified: bool
) -> str:
    """The report as Markdown, without pictures and without the table of all proposals."""
    page = _templates(escape=False).get_template("report.md.j2")
    return page.render(evidence(state, entries, diffs, head, verified), changes_shown=MARKDOWN_CHANGES)


def _templates(escape: bool) -> Environment:
    templates = Environment(
        loader=PackageLoader("holdfast.ui"),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {"code": _code, "prose": _prose, "fenced": _fenced}
    return templates


def _code(text: object) -> str:
    """Foreign text as an inert Markdown code span that may also stand in a table; a dash for none."""
    inert = str(text).replace("`", "'").replace("|", "\\|").strip()
    return f"`{inert}`" if inert else "-"


def _prose(text: object) -> str:
    """Text that may hold foreign words, with all that Markdown or HTML could read in it escaped, links included."""
    inert = str(text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", inert).replace("://", ":\\//").replace("www.", "www\\.")


def _fenced(lines: Sequence[Row]) -> str:
    """Diff lines in a fence that nothing in them can close."""
    text = "\n".join(line["text"] for line in lines)
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}diff\n{text}\n{fence}"
