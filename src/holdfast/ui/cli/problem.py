"""`holdfast problem`: start one, try one out, list the bundled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.ui.cli.options import HOME, Home, Json, note, print_json

app = typer.Typer(help="Start, check and list problems.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_problems(home: Home = HOME, as_json: Json = False) -> None:
    """List the bundled problems."""
    from holdfast.assembly import listings

    rows = listings(home)
    if as_json:
        print_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name']:{width}}  {row['metric']:22}  {row['goal']}")


@app.command()
def check(
    problem: Annotated[str, typer.Argument(help="A bundled problem's name, or a directory.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Trials at once.  [default: all cores]")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Run a problem's control candidates.

    Every cheat must fail and every honest one pass, or the problem is refused.
    """
    from holdfast.assembly import check as check_problem
    from holdfast.core.errors import ProblemError

    record = check_problem(home, problem, workers, note)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(record))
    if not record.sound:
        raise ProblemError(f"{record.problem} cannot be used: {record.detail}", "mend its grader or its checks")
    if not as_json:
        print(f"{record.problem} is sound: {len(record.refused)} controls refused, {len(record.passed)} honest passed")


@app.command()
def new(
    command: Annotated[str, typer.Option(help='What a trial runs, for example "python train.py".')],
    editable: Annotated[list[str], typer.Option(help="A file that agents may change; repeat for more.")],
    metric: Annotated[str, typer.Option(help="cpu_seconds, wall_seconds, or a number the program prints.")],
    directory: Annotated[str, typer.Argument(metavar="DIRECTORY", help="Where the program is.")] = ".",
    goal: Annotated[str, typer.Option(help="minimize or maximize.")] = "minimize",
    pattern: Annotated[
        str, typer.Option(help="Regular expression with one group that finds the metric in stdout.")
    ] = "",
    name: Annotated[str, typer.Option(help="The problem's name; the directory's by default.")] = "",
    as_json: Json = False,
) -> None:
    """Write a problem.toml for a program that exists already."""
    from holdfast.assembly import Sketch, new_problem

    if goal not in ("minimize", "maximize"):
        raise typer.BadParameter(f"--goal is minimize or maximize, not {goal!r}")
    sketch = Sketch(command, tuple(editable), metric, "minimize" if goal == "minimize" else "maximize", pattern, name)
    made = new_problem(Path(directory), sketch)
    if as_json:
        print_json({"name": made.spec.problem.name, "path": str(made.root / "problem.toml")})
    else:
        print(made.root / "problem.toml")
    note(f"try it: holdfast problem check {directory}; then: holdfast run {directory}")
