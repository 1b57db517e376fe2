"""`holdfast run`: carry a research effort from baseline to claim."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from holdfast.ui.cli.options import HOME, Home, Json, duration, note, print_json


def run(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="A bundled problem's name, or a directory.")] = "",
    budget: Annotated[
        str | None, typer.Option(help="Total wall time, the final claim included: 90s, 10m, 2h.  [default: 10m]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trials at once, each on a core.  [default: all cores]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the agent and of the baseline's trials.  [default: 0]")
    ] = None,
    agent: Annotated[str, typer.Option(help="Who proposes.  [default: search]")] = "",
    home: Home = HOME,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the latest run (of PROBLEM).")] = False,
    isolation: Annotated[
        str, typer.Option(help="auto, or none: without a sandbox, and then nothing is kept.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Improve a problem until the budget ends.

    At the end stands a claim: what was gained, on data that nothing else has seen.

    The bundled problem to start with is `tinylm`. Ctrl-C stops cleanly; --resume goes on.
    """
    from holdfast import assembly

    if not problem and not resume:
        raise typer.BadParameter("name a problem, for example: holdfast run tinylm")
    if resume and (agent or seed is not None):
        raise typer.BadParameter("a resumed run keeps its agent and its seed; leave out --agent and --seed")
    if isolation not in ("auto", "none"):
        raise typer.BadParameter(f"--isolation is auto or none, not {isolation!r}")
    options = assembly.RunOptions(
        home=home,
        problem=problem,
        budget=None if budget is None else duration(budget),
        workers=workers,
        seed=seed or 0,
        agent=agent or "search",
        resume=resume,
        isolation="none" if isolation == "none" else "auto",
    )
    _conduct(options, home, as_json)


def _conduct(options: object, home: Path, as_json: bool) -> None:
    from holdfast import assembly
    from holdfast.ui.closing import write_report
    from holdfast.ui.live import View
    from holdfast.ui.sentence import sentence

    assert isinstance(options, assembly.RunOptions)
    stop, began = StopButton(), time.time()
    with View() as view, stop:
        state = assembly.run(options, view, stop.pressed, began)
    paths = write_report(home, state.name)
    if as_json:
        from holdfast.ui.cli.show import summary_of

        print_json(summary_of(home, state.name))
    else:
        print(sentence(state))
    with assembly.Archive(home) as archive:
        note(f"branch  {state.started().branch} in {archive.workspace(state).repository}")
    note(f"report  {paths[0]}")
    note(f"ledger  {home / 'ledger.db'}")
    if state.sessions[-1].ended == "interrupted":
        where = "" if home == HOME else f" --home {home}"
        note(f"stopped; go on with: holdfast run {state.started().problem} --resume{where}")
        raise typer.Exit(130)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopButton:
    """Ctrl-C, SIGTERM and a closed terminal ask the run to stop cleanly; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self._asked = False

    def pressed(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked

    def __enter__(self) -> StopButton:
        self._before = {number: signal.signal(number, self._press) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True
