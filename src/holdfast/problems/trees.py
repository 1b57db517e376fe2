"""Git trees as values: read one, and make the one that follows from it; no index, no checkout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pygit2 import Blob, Oid, Repository, Tree
from pygit2.enums import FileMode

from holdfast.core.errors import WorkspaceError

EMPTY = Oid(hex="4b825dc642cb6eb9a060e54bf8d69288fbee4904")
"""The tree without files, which git keeps nowhere but at the top."""


class Change(NamedTuple):
    """New content for a path; without `mode` the old file's mode stays."""

    blob: Oid
    mode: int | None = None


def subtree(repository: Repository, tree: Oid, prefix: str) -> Tree | None:
    """The tree at `prefix` ("" is the tree itself); None when there is none."""
    found = repository[tree]
    assert isinstance(found, Tree)
    try:
        found = found / prefix if prefix else found
    except KeyError:
        return None
    return found if isinstance(found, Tree) else None


def read(tree: Tree, path: str = "") -> dict[str, bytes]:
    """Regular files by relative path. Symbolic links and submodules are left out: they point out of the tree."""
    files: dict[str, bytes] = {}
    for entry in tree:
        name = f"{path}{entry.name}"
        if isinstance(entry, Tree):
            files |= read(entry, f"{name}/")
        elif isinstance(entry, Blob) and entry.filemode != FileMode.LINK:
            files[name] = entry.data
    return files


def edit(repository: Repository, tree: Tree | None, changes: Mapping[str, Change | None]) -> Oid:
    """The tree that `tree` becomes with `changes` (None deletes); only the touched directories are written.

    Raises `WorkspaceError` where a change would go through a file, a link or a submodule.
    """
    builder = repository.TreeBuilder(tree) if tree is not None else repository.TreeBuilder()
    below: dict[str, dict[str, Change | None]] = {}
    for path, change in changes.items():
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, {})[rest] = change
            continue
        old = tree[name] if tree is not None and name in tree else None
        if old is not None and old.filemode not in (FileMode.BLOB, FileMode.BLOB_EXECUTABLE):
            raise WorkspaceError(f"{name} is not a regular file and cannot be edited")
        if change is not None:
            builder.insert(name, change.blob, change.mode or (old.filemode if old is not None else FileMode.BLOB))
        elif old is not None:
            builder.remove(name)
    for name, inner in below.items():
        old = tree[name] if tree is not None and name in tree else None
        if old is not None and not isinstance(old, Tree):
            raise WorkspaceError(f"{name} is not a directory: nothing can be written below it")
        oid = edit(repository, old, inner)
        if oid != EMPTY:
            builder.insert(name, oid, FileMode.TREE)
        elif old is not None:
            builder.remove(name)
    return builder.write()


def take_in(repository: Repository, files: Iterable[tuple[str, Path]]) -> Oid:
    """The tree of `files` (relative name, place); the executable bit is kept."""
    changes: dict[str, Change | None] = {}
    for name, path in files:
        mode = FileMode.BLOB_EXECUTABLE if path.stat().st_mode & 0o100 else FileMode.BLOB
        changes[name] = Change(repository.create_blob(path.read_bytes()), mode)
    return edit(repository, None, changes)
