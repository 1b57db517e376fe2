"""`holdfast log`: the ledger, line by line, or exported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.ui.cli.options import HOME, Home, Json, RunName, note


def log(
    run: RunName = "",
    export: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Write the whole ledger as JSON lines that verify by themselves; - is stdout."
        ),
    ] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Print a run's records, or export the ledger."""
    if export:
        _export(home, export)
        return
    import msgspec

    from holdfast.assembly import Archive
    from holdfast.ui.story import line

    with Archive(home) as archive:
        for entry in archive.ledger.entries(archive.find(run)):
            print(json.dumps(msgspec.to_builtins(entry)) if as_json else line(entry))


def _export(home: Path, target: str) -> None:
    from holdfast.assembly import export_ledger
    from holdfast.core.errors import LedgerError

    if target == "-":
        sys.stdout.buffer.writelines(export_ledger(home))
        return
    try:
        with Path(target).open("wb") as file:
            file.writelines(export_ledger(home))
    except OSError as error:
        raise LedgerError(f"{target} cannot be written: {error.strerror}") from error
    note(f"exported to {target}; check it with: holdfast verify {target}")
