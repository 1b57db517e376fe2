"""The rules that a problem must keep, each a function that yields what is wrong and how to put it right."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from holdfast.core.problem import HARNESS_METRICS, ProblemSpec, parse_bound
from holdfast.problems.paths import editable_files, escapes, is_glob, within
from holdfast.problems.structure import Draft, nearest

SEARCH_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
"""Where a command's program is looked for, unless it is one of `PYTHON`."""

PYTHON = ("python", "python3")
"""Names of the interpreter that the lab itself runs on."""

EXTRAS = {"torch": "lm"}
"""Packages that come with one of Holdfast's own extras."""

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class Site(msgspec.Struct, frozen=True):
    """Where a specification is to hold: its directory, the judge's paths in the tree, and where programs are found."""

    root: Path
    private: tuple[str, ...]
    search_path: tuple[str, ...]


Rule = Callable[[ProblemSpec, Site], Iterator[str]]


def mistakes_of(draft: Draft, site: Site) -> Iterator[str]:
    """Check every rule whose keys could be read."""
    for keys, rule in _RULES:
        if not draft.faulty.intersection(keys):
            yield from rule(draft.spec, site)


def _name(spec: ProblemSpec, _: Site) -> Iterator[str]:
    if not _SLUG.fullmatch(spec.problem.name):
        yield (
            f"problem.name {spec.problem.name!r} must be at most 40 lower-case letters, digits and hyphens, "
            "with no hyphen at either end"
        )


def _goal(spec: ProblemSpec, _: Site) -> Iterator[str]:
    if not spec.problem.goal.strip():
        yield "problem.goal is empty: say in a sentence what is to be improved"


def _human_minutes(spec: ProblemSpec, _: Site) -> Iterator[str]:
    if spec.problem.human_minutes is not None and not _positive(spec.problem.human_minutes):
        yield f"problem.human_minutes must be above zero, not {spec.problem.human_minutes:g}"


def _tree(spec: ProblemSpec, site: Site) -> Iterator[str]:
    tree = spec.work.tree
    if tree != "." and escapes(tree):
        yield f"work.tree {tree!r} must be a directory inside the problem's own"
    elif within(tree, ("grader", "controls", "data")):
        yield f"work.tree {tree!r} belongs to the judge; put the candidate's files in a directory of their own"
    elif not (site.root / tree).is_dir():
        yield f"work.tree {tree!r} is not a directory in {site.root}"
    elif not (site.root / tree).resolve().is_relative_to(site.root):
        yield f"work.tree {tree!r} leads out of {site.root}"


def _editable(spec: ProblemSpec, site: Site) -> Iterator[str]:
    tree = site.root / spec.work.tree
    if not spec.work.editable:
        yield "work.editable is empty: name the files that a candidate may change"
    for path in spec.work.editable:
        if escapes(path):
            yield f"work.editable {path!r} is outside the tree: give a path relative to {spec.work.tree!r}"
        elif within(path, site.private):
            yield f"work.editable {path!r} belongs to the judge and cannot be edited"
        elif tree.is_dir():
            yield from _editable_files(path, tree, site)


def _editable_files(path: str, tree: Path, site: Site) -> Iterator[str]:
    files = editable_files(tree, (path,), site.private)
    if not files:
        is_directory = (tree / path).is_dir()
        what = "matches no file" if is_glob(path) else "is a directory" if is_directory else "is not a file"
        advice = f"; did you mean {path.rstrip('/')}/**?" if is_directory else ""
        yield f"work.editable {path!r} {what} in {tree}{advice}"
    for name in files:
        try:
            (tree / name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            yield f"{tree / name} is editable but not UTF-8 (byte {error.start}): convert it, or leave it out"
        except OSError as error:
            yield f"{tree / name} is editable but cannot be read: {error.strerror}"


def _command(spec: ProblemSpec, site: Site) -> Iterator[str]:
    yield from _program("work.command", spec.work.command, site.root / spec.work.tree, site, needed=True)


def _judge_commands(spec: ProblemSpec, site: Site) -> Iterator[str]:
    judge = site.root / "grader" if (site.root / "grader").is_dir() else site.root
    yield from _program("grader.command", spec.grader.command, judge, site)
    yield from _program("data.prepare", spec.data.prepare, judge, site)


def _program(key: str, command: tuple[str, ...], directory: Path, site: Site, needed: bool = False) -> Iterator[str]:
    """A command that can start: its program exists, and so does the script a Python or shell is to run."""
    if not command or not command[0].strip():
        if needed or command:
            yield f"{key} is empty: name the program to run"
        return
    program, *rest = command
    if program not in PYTHON and not _executable(program, directory, site.search_path):
        yield f"{key}: there is no program {program!r} in {directory} or {':'.join(site.search_path)}"
    script = rest[0] if rest else ""
    if script.endswith((".py", ".sh", ".awk")) and not script.startswith("-") and not (directory / script).is_file():
        yield f"{key}: there is no script {script!r} in {directory}"


def _executable(program: str, directory: Path, search_path: tuple[str, ...]) -> bool:
    places = [directory / program] if "/" in program else [Path(place) / program for place in search_path]
    return any(place.is_file() and os.access(place, os.X_OK) for place in places)


def _packages(spec: ProblemSpec, _: Site) -> Iterator[str]:
    for key, section in (("work", spec.work), ("grader", spec.grader)):
        for package in section.packages:
            try:
                importlib.metadata.distribution(package)
            except (importlib.metadata.PackageNotFoundError, ValueError):
                wanted = f'"holdfast[{EXTRAS[package]}]"' if package in EXTRAS else package
                yield f"{key}.packages: {package!r} is not installed; `pip install {wanted}`"
        for module in section.preload:
            name = module.partition(".")[0]
            if not (name in sys.stdlib_module_names or section.packages) or not _importable(name):
                yield f"{key}.preload: {module!r} cannot be imported; name its package in {key}.packages"


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _writable(spec: ProblemSpec, _: Site) -> Iterator[str]:
    for path in spec.work.writable:
        if escapes(path):
            yield f"work.writable {path!r} is outside the tree: give a path relative to {spec.work.tree!r}"


def _limits(spec: ProblemSpec, _: Site) -> Iterator[str]:
    limits = spec.limits
    amounts = {
        "limits.seconds": limits.seconds,
        "limits.memory_mb": limits.memory_mb,
        "limits.disk_mb": limits.disk_mb,
        "limits.threads": limits.threads,
        "limits.processes": limits.processes,
        "grader.seconds": spec.grader.seconds,
    }
    for key, amount in amounts.items():
        if not _positive(amount):
            yield f"{key} must be above zero, not {amount:g}"


def _metric(spec: ProblemSpec, _: Site) -> Iterator[str]:
    metric = spec.metric
    if metric.pattern:
        try:
            if re.compile(metric.pattern).groups < 1:
                yield f"metric.pattern {metric.pattern!r} has no group (...) around the number"
        except re.error as error:
            yield f"metric.pattern {metric.pattern!r} is not a regular expression: {error}"
        if metric.name in HARNESS_METRICS:
            yield f"metric.pattern is for numbers that the program prints; {metric.name} is measured by the lab"
    elif metric.name not in HARNESS_METRICS and not spec.grader.command:
        yield (
            f"metric.name {metric.name!r} comes from nowhere: it takes a grader.command that returns it, or a "
            f"metric.pattern that finds it in the output{nearest(metric.name, HARNESS_METRICS)}"
        )


def _checks(spec: ProblemSpec, _: Site) -> Iterator[str]:
    for name, check in spec.checks.items():
        if check.max is None and check.min is None:
            yield f"checks.{name} has no limit: give max or min"
        for side, limit in (("max", check.max), ("min", check.min)):
            if limit is not None and not _is_limit(limit):
                yield (
                    f"checks.{name}.{side} {limit!r} is not a limit; it is a number, "
                    '"baseline", or "baseline" with * / + - and a number, such as "baseline * 1.01"'
                )
        if name in HARNESS_METRICS:
            yield f"checks.{name}: only graded values can be checked; limits.seconds bounds the time"
        elif not spec.grader.command and name != spec.metric.name:
            yield f"checks.{name} comes from nowhere: it takes a grader.command that returns it"


def _is_limit(limit: float | str) -> bool:
    try:
        return all(math.isfinite(number) for number in parse_bound(limit))
    except (ValueError, ZeroDivisionError):
        return False


def _positive(amount: float) -> bool:
    return math.isfinite(amount) and amount > 0


_RULES: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("problem.name",), _name),
    (("problem.goal",), _goal),
    (("problem.human_minutes",), _human_minutes),
    (("work.tree",), _tree),
    (("work.tree", "work.editable"), _editable),
    (("work.tree", "work.command"), _command),
    (("grader.command", "data.prepare"), _judge_commands),
    (("work.packages", "work.preload", "grader.packages", "grader.preload"), _packages),
    (("work.writable",), _writable),
    ((), _limits),
    (("metric.name", "metric.pattern", "grader.command"), _metric),
    (("grader.command",), _checks),
)
