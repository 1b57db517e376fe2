"""`holdfast report`: the evidence as one file that can be shared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.ui.cli.options import HOME, Home, Json, RunName, note, print_json


def report(
    run: RunName = "",
    out: Annotated[str, typer.Option(metavar="DIR", help="Where to write; by default the home's reports.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Write a run's report as HTML and Markdown."""
    from holdfast.ui.closing import write_report

    paths = write_report(home, run, Path(out) if out else None)
    if as_json:
        print_json({"html": str(paths[0]), "markdown": str(paths[1])})
        return
    for path in paths:
        print(path)
    note("open the first in a browser")
