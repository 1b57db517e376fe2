"""`holdfast diff`: what a run, or one of its proposals, changed."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.ui.cli.options import HOME, Home, Json, RunName, print_json


def diff(
    run: RunName = "",
    proposal: Annotated[str, typer.Option(help="Only this proposal, kept or not, against its parent.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Print the diff from baseline to trunk."""
    from holdfast.assembly import Archive
    from holdfast.core.errors import HoldfastError
    from holdfast.core.state import fold
    from holdfast.ui.patches import unified

    with Archive(home) as archive:
        state = fold(archive.entries(archive.find(run)))
        if proposal and proposal not in state.attempts:
            raise HoldfastError(f"{state.name} has no proposal {proposal!r}", "`holdfast log` lists them")
        workspace = archive.workspace(state)
        before, after = state.started().tree, state.trunk
        if proposal:
            before, after = state.attempts[proposal].proposal.parent, state.attempts[proposal].proposal.tree
        text = unified(workspace.read(before), workspace.read(after))
    if as_json:
        print_json({"run": state.name, "proposal": proposal or None, "before": before, "after": after, "diff": text})
    else:
        print(text, end="")
