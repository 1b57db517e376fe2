"""The command line reference as Markdown, from the commands themselves: `python -m holdfast.ui.cli.reference`."""

from __future__ import annotations

import contextlib
import io
import os

COMMANDS = (
    (),
    ("run",),
    ("show",),
    ("diff",),
    ("log",),
    ("report",),
    ("verify",),
    ("problem",),
    ("problem", "list"),
    ("problem", "check"),
    ("problem", "new"),
)
EXIT_CODES = """\
Exit codes: 0 done, 1 a mistake in what was asked, 2 refused by policy, 3 a bug in Holdfast, 130 stopped by a person.
Data goes to standard output, progress and errors to standard error.
"""


def reference() -> str:
    """The text of `docs/cli.md`."""
    parts = ["# The command line\n", "Written by `python -m holdfast.ui.cli.reference > docs/cli.md`.\n", EXIT_CODES]
    for words in COMMANDS:
        parts.append(f"## holdfast {' '.join(words)}".rstrip() + f"\n\n```text\n{_help(words)}\n```\n")
    return "\n".join(parts)


def _help(words: tuple[str, ...]) -> str:
    from holdfast.ui.cli import app

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        app([*words, "--help"], prog_name="holdfast")
    return os.linesep.join(line.rstrip() for line in out.getvalue().strip().splitlines())


if __name__ == "__main__":
    print(reference(), end="")
