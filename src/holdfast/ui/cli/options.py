"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Home = Annotated[
    Path,
    typer.Option("--home", help="Where the lab's ledger and files live."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run, or a problem's latest run; the latest by default.")]

HOME = Path(".holdfast")


def duration(text: str) -> float:
    """Seconds of an option such as `10m` or `90s`."""
    from holdfast.core.settings import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a duration such as 90s, 10m or 1h30m") from error


def print_json(value: Any) -> None:
    """`value` as JSON on standard output."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def note(text: str) -> None:
    """One line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
