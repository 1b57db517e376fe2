"""Start a problem: write a `problem.toml` for a program that exists already."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import msgspec

from holdfast.core.errors import ProblemError
from holdfast.core.problem import HARNESS_METRICS, Goal
from holdfast.problems.load import FILE, Problem, load

NUMBER = r"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)"
"""What a metric in the program's output looks like."""


class Sketch(msgspec.Struct, frozen=True):
    """What a person says of a new problem: a shell-like `command`, the `editable` files, and the metric.

    Without `pattern`, a metric that the lab does not measure itself is looked for as `name: number` in the output.
    """

    command: str
    editable: tuple[str, ...]
    metric: str
    goal: Goal = "minimize"
    pattern: str = ""
    name: str = ""
    about: str = ""


def new(directory: Path, sketch: Sketch) -> Problem:
    """Write `problem.toml` (and a README where there is none) into `directory` and load it.

    Raises `ProblemError`, leaving nothing behind, when there is one already or when it would hold mistakes.
    """
    root = directory.resolve()
    file, readme = root / FILE, root / "README.md"
    texts = {file: _toml(sketch, root), readme: _readme(sketch)}
    written: list[Path] = []
    try:
        for path, text in texts.items():
            if path == file or not path.exists():
                with path.open("x", encoding="utf-8") as stream:
                    written.append(path)
                    stream.write(text)
        return load(root)
    except FileExistsError:
        raise ProblemError(f"there is a {FILE} in {root} already", "edit it, or move it away") from None
    except OSError as error:
        _undo(written)
        raise ProblemError(f"{root} cannot be written: {error.strerror}") from error
    except ProblemError:
        _undo(written)
        raise


def _undo(written: list[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)


def _toml(sketch: Sketch, root: Path) -> str:
    try:
        command = shlex.split(sketch.command)
    except ValueError as error:
        raise ProblemError(f"the command {sketch.command!r} cannot be split into words: {error}") from error
    name = sketch.name or re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")[:40].strip("-")
    about = sketch.about or f"{sketch.goal.capitalize()} {sketch.metric} of `{sketch.command}`."
    return _TOML.format(
        name=_quoted(name),
        about=_quoted(about),
        editable=_quoted(list(sketch.editable)),
        command=_quoted(command),
        metric=_quoted(sketch.metric),
        goal=_quoted(sketch.goal),
        pattern=_pattern(sketch),
    )


def _pattern(sketch: Sketch) -> str:
    if sketch.metric in HARNESS_METRICS and not sketch.pattern:
        return ""
    pattern = sketch.pattern or rf"{re.escape(sketch.metric)}\s*[:=]?\s*{NUMBER}"
    return f"pattern = {_quoted(pattern)}  # the last match in the output; claims will say: self-reported\n"


def _quoted(value: str | list[str]) -> str:
    """A TOML string or array of strings: JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _readme(sketch: Sketch) -> str:
    return _README.format(command=sketch.command, metric=sketch.metric, editable=", ".join(sketch.editable))


_TOML = """\
# What every key means: docs/problem-format.md. `holdfast problem check .` tries the problem out.

[problem]
name = {name}
goal = {about}

[work]
tree = "."
editable = {editable}
command = {command}
packages = []        # the installed packages that the program imports; a trial sees no others

[limits]
seconds = 120
memory_mb = 4000
threads = 1
processes = 1        # raise it when the program starts others

[metric]
name = {metric}
goal = {goal}
{pattern}
# A judge that candidates cannot see makes the metric trustworthy: put it into grader/ and name it here.
# [grader]
# command = ["python", "grade.py"]

# Values of the grader that must hold.
# [checks]
# val_loss = {{ max = "baseline * 1.01" }}
"""

_README = """\
# What is to be improved

`{command}`, whose metric is {metric}. Candidates may change: {editable}.

Fill in: where the data comes from, what a good result is worth, what counts as cheating.
"""
