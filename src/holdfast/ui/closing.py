"""What is written when a run ends: the report, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from holdfast.assembly import Archive, verify
from holdfast.core.errors import HoldfastError
from holdfast.core.ports import Workspace
from holdfast.core.state import RunState, fold
from holdfast.ui.patches import unified


def write_report(home: Path, run: str = "", out: Path | None = None) -> tuple[Path, Path]:
    """Write `report.html` and `report.md` of a run below the home (or into `out`); returns their paths."""
    from holdfast.ui.report import report_html, report_markdown

    verification = verify(home)
    with Archive(home) as archive:
        entries = archive.entries(archive.find(run))
        state = fold(entries)
        diffs = _diffs(archive.workspace(state), state)
    place = out or home / "reports" / state.name
    arguments = (state, entries, diffs, verification.head, not verification.faults)
    try:
        place.mkdir(parents=True, exist_ok=True)
        html, markdown = place / "report.html", place / "report.md"
        html.write_text(report_html(*arguments), encoding="utf-8")
        markdown.write_text(report_markdown(*arguments), encoding="utf-8")
    except OSError as error:
        raise HoldfastError(
            f"the report cannot be written to {place}: {error.strerror}", "name another --out"
        ) from error
    return html, markdown


def _diffs(workspace: Workspace, state: RunState) -> Mapping[str, str]:
    """The diffs of the kept changes, each against the trunk it was measured against."""
    diffs = {}
    for kept in state.kept:
        proposal = state.attempts[kept.decision.proposal].proposal
        diffs[proposal.id] = unified(workspace.read(proposal.parent), workspace.read(proposal.tree))
    return diffs
