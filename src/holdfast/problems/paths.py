"""Paths inside a problem: which may be edited, and which a candidate must never see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from holdfast.core.paths import matches

PRIVATE = ("problem.toml", "grader", "controls", "data/train", "data/hidden", "data/sealed")
"""What belongs to the judge, relative to the problem; never part of a candidate's tree."""

SKIPPED = frozenset({".git", ".holdfast", "__pycache__"})
"""Directories that are never part of a problem; neither is a virtual environment."""


def is_glob(path: str) -> bool:
    """Whether `path` is a pattern rather than the name of one file."""
    return any(sign in path for sign in "*?[")


def escapes(path: str) -> bool:
    """Whether `path` is not a plain relative path: absolute, with `..`, or naming the directory itself."""
    parts = PurePosixPath(path).parts
    return not parts or path.startswith(("/", "~")) or ".." in parts or "\0" in path or "\\" in path


def within(path: str, directories: Iterable[str]) -> bool:
    """Whether `path` is one of `directories` or lies under one."""
    return any(path == directory or path.startswith(directory + "/") for directory in directories)


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield every regular file below `root` with its relative name, in order; links are not followed."""
    for path in sorted(root.iterdir()):
        if path.is_symlink() or path.name in SKIPPED or (path / "pyvenv.cfg").exists():
            continue
        if path.is_dir():
            yield from ((f"{path.name}/{name}", file) for name, file in files_below(path))
        elif path.is_file():
            yield path.name, path


def editable_files(tree: Path, patterns: Iterable[str], private: Iterable[str]) -> list[str]:
    """The files of directory `tree` that `patterns` name, in order; a plain name costs no walk through the tree."""
    globs = [pattern for pattern in patterns if is_glob(pattern)]
    plain = {path for path in patterns if not is_glob(path) and (tree / path).is_file() and not _has_link(tree, path)}
    found = {name for name, _ in files_below(tree) if matches(name, globs)} if globs else set()
    return sorted(name for name in plain | found if not within(name, private))


def _has_link(tree: Path, path: str) -> bool:
    place = tree / path
    return any(step.is_symlink() for step in (place, *place.parents) if step.is_relative_to(tree) and step != tree)
