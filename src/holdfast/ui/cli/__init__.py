"""The command line: `holdfast NOUN-OR-VERB`, one file each; data to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from holdfast.ui.cli import diff, log, problem, report, run, show, verify

USAGE = 2
"""What the command-line library leaves with after a mistake in the words of a command; here that is 1."""

app = typer.Typer(
    name="holdfast",
    help="A lab that proves every change before it keeps it. Start with: holdfast run tinylm",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from holdfast import __version__

        print(f"holdfast {__version__}")
        raise typer.Exit


@app.callback()
def _holdfast(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A lab that proves every change before it keeps it. Start with: holdfast run tinylm"""


for command in (run.run, show.show, diff.diff, log.log, report.report, verify.verify):
    app.command()(command)
app.add_typer(problem.app, name="problem")


def main() -> None:
    """The console script. Leaves with 0 done, 1 a person's mistake, 2 refused by policy, 3 a bug."""
    from holdfast.core.errors import HoldfastError

    # Before numpy is imported: its threads would run on the cores that trials are timed on.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except SystemExit as left:
        sys.exit(1 if left.code == USAGE else left.code)
    except HoldfastError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception:  # noqa: BLE001 - the outermost frame: what arrives here is a bug, and is shown as one
        import traceback

        traceback.print_exc()
        _say("this is a bug in holdfast; nothing recorded was lost")
        sys.exit(3)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
