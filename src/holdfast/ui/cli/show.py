"""`holdfast show`: where a run stands, also while it is going."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.ui.cli.options import HOME, Home, Json, RunName, print_json


def show(run: RunName = "", home: Home = HOME, as_json: Json = False) -> None:
    """Show where a run stands.

    Baseline, trunk, what was kept and the claim; also while the run is going.
    """
    if as_json:
        print_json(summary_of(home, run))
        return
    from holdfast.assembly import Archive, alive
    from holdfast.core.state import fold
    from holdfast.ui.summary import summary_text

    with Archive(home) as archive:
        state = fold(archive.entries(archive.find(run)))
        print(summary_text(state, archive.ledger.head(), alive=alive(home, state.started().problem)))


def summary_of(home: Path, run: str) -> dict[str, Any]:
    """The run's summary with the ledger verified."""
    from holdfast import assembly
    from holdfast.core.state import fold
    from holdfast.ui.summary import summary

    verification = assembly.verify(home)
    with assembly.Archive(home) as archive:
        state = fold(archive.entries(archive.find(run)))
    running = assembly.alive(home, state.started().problem)
    return summary(state, verification.head, not verification.faults, alive=running)
