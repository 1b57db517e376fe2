"""Read a problem directory: all mistakes at once, or a problem that can be run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from holdfast.core.errors import ProblemError
from holdfast.core.paths import matches
from holdfast.core.problem import ProblemSpec
from holdfast.problems.paths import PRIVATE, escapes, files_below, within
from holdfast.problems.rules import SEARCH_PATH, Site, mistakes_of
from holdfast.problems.structure import parse

FILE = "problem.toml"


class Problem(msgspec.Struct, frozen=True):
    """A problem that holds: its specification, its directory, and the digest of everything in it."""

    spec: ProblemSpec
    root: Path
    digest: str

    @property
    def tree(self) -> Path:
        """The directory that a candidate's tree is a version of."""
        return self.root / self.spec.work.tree

    @property
    def judge(self) -> Path:
        """The directory that the grader and `prepare` run in: `grader/`, or the problem's own."""
        return self.root / "grader" if (self.root / "grader").is_dir() else self.root

    @property
    def private(self) -> tuple[str, ...]:
        """What lies in the tree and is the judge's all the same, relative to the tree."""
        return private_paths(self.spec.work.tree)

    def is_editable(self, path: str) -> bool:
        """Whether a candidate may change `path`, relative to the tree."""
        return not escapes(path) and not within(path, self.private) and matches(path, self.spec.work.editable)

    def editable(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """The editable ones of a tree's files, as text; a file that is not UTF-8 any more is left out."""
        texts: dict[str, str] = {}
        for path, data in files.items():
            if self.is_editable(path):
                try:
                    texts[path] = data.decode()
                except UnicodeDecodeError:
                    continue
        return texts


def load(directory: Path, search_path: tuple[str, ...] = SEARCH_PATH) -> Problem:
    """Load `directory`; commands are looked for in `search_path`.

    Raises `ProblemError` that lists every mistake found, one to a line.
    """
    root = directory.resolve()
    try:
        text = (root / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProblemError(f"there is no {FILE} in {root}", "`holdfast problem new` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(f"{root / FILE} cannot be read: {error}") from error
    draft = parse(text)
    private = private_paths(draft.spec.work.tree)
    mistakes = [*draft.mistakes, *mistakes_of(draft, Site(root, private, search_path))]
    if mistakes:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise ProblemError(f"{count} in {root / FILE}:\n{lines}", "docs/problem-format.md describes every key")
    return Problem(draft.spec, root, _digest(root, draft.spec))


def private_paths(tree: str) -> tuple[str, ...]:
    """What of `PRIVATE` lies inside `tree`, relative to it."""
    prefix = "" if Path(tree) == Path(".") else f"{Path(tree).as_posix()}/"
    return tuple(path.removeprefix(prefix) for path in PRIVATE if path.startswith(prefix))


def _digest(root: Path, spec: ProblemSpec) -> str:
    """Over names and contents; of a tree that is the whole directory only what belongs to the judge."""
    whole = hashlib.sha256()
    for name, path in _files(root, spec):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{content}  {name}\n".encode())
    return whole.hexdigest()


def _files(root: Path, spec: ProblemSpec) -> Iterator[tuple[str, Path]]:
    if root / spec.work.tree != root:
        return files_below(root)
    return ((name, path) for name, path in _judges(root))


def _judges(root: Path) -> Iterator[tuple[str, Path]]:
    for name in PRIVATE:
        path = root / name
        if path.is_file():
            yield name, path
        elif path.is_dir():
            yield from ((f"{name}/{inner}", file) for inner, file in files_below(path))
