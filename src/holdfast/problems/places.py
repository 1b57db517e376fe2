"""Where a problem's trees live: in the user's own git repository, or in one that the lab keeps for it."""

from __future__ import annotations

from pathlib import Path

import pygit2
from pygit2 import GitError, Repository, Signature
from pygit2.enums import FileStatus

from holdfast.core.errors import WorkspaceError
from holdfast.problems import trees
from holdfast.problems.load import Problem
from holdfast.problems.paths import editable_files, files_below, within
from holdfast.problems.workspace import EMAIL, NAME, GitWorkspace, Place


def start(problem: Problem, home: Path, run: str) -> GitWorkspace:
    """The workspace of a new run, its trunk at the baseline: HEAD of the user's repository, or the tree as it is.

    Raises `WorkspaceError` when the repository is bare, has no commit, holds uncommitted editable files, or has a
    branch of the run's name that is somewhere else.
    """
    workspace = rehearse(problem, home, run)
    workspace.begin_trunk()
    return workspace


def rehearse(problem: Problem, home: Path, name: str) -> GitWorkspace:
    """The workspace of something that lands nothing, such as a check: as for a run, without a branch."""
    place = locate(problem, home)
    if place.repository == kept_repository(problem, home):
        return GitWorkspace(place, name, _take_in(problem, place.repository))
    return GitWorkspace(place, name, _head(problem, place))


def require_clean(problem: Problem, home: Path) -> None:
    """Raise the `WorkspaceError` that `start` would for the state of the user's repository; writes nothing."""
    place = locate(problem, home)
    if place.repository != kept_repository(problem, home):
        _head(problem, place)


def reopen(problem: Problem, home: Path, run: str, baseline: str) -> GitWorkspace:
    """The workspace of a run that began at commit `baseline`, for reading; writes nothing.

    The user's repository may have moved on meanwhile, and one made since around a problem that had none does not
    count. Raises `WorkspaceError` when the commit is gone.
    """
    kept = kept_repository(problem, home)
    place = _kept(problem, home) if _holds(kept, baseline) else locate(problem, home)
    return GitWorkspace(place, run, baseline)


def resume(problem: Problem, home: Path, run: str, baseline: str, trunk: str) -> GitWorkspace:
    """As `reopen`, to go on with a run whose trunk was at commit `trunk`: a branch that is missing is put back."""
    workspace = reopen(problem, home, run, baseline)
    workspace.restore_trunk(trunk)
    return workspace


def locate(problem: Problem, home: Path) -> Place:
    """The repository for `problem`: the one its tree is in, unless the tree lies in the lab's home or is ignored."""
    repository = _around(problem, home)
    if repository is None:
        return _kept(problem, home)
    if repository.is_bare:
        raise WorkspaceError(f"{repository.path} is a bare repository", "name a problem in a clone with files in it")
    prefix = problem.tree.resolve().relative_to(Path(repository.workdir).resolve()).as_posix()
    prefix = "" if prefix == "." else prefix
    return Place(Path(repository.path), prefix, problem.spec.work.editable, problem.private)


def kept_repository(problem: Problem, home: Path) -> Path:
    """The bare repository that the lab keeps for a problem outside any other."""
    return home.resolve() / "repos" / f"{problem.spec.problem.name}.git"


def _kept(problem: Problem, home: Path) -> Place:
    return Place(kept_repository(problem, home), "", problem.spec.work.editable, problem.private)


def _holds(path: Path, commit: str) -> bool:
    try:
        return path.exists() and Repository(str(path)).get(commit) is not None
    except (GitError, ValueError) as error:
        raise WorkspaceError(f"the git repository {path} cannot be opened: {error}") from error


def _around(problem: Problem, home: Path) -> Repository | None:
    tree = problem.tree.resolve()
    if tree.is_relative_to(home.resolve()):
        return None
    try:
        there = next(place for place in (tree, *tree.parents) if place.is_dir())
        found = pygit2.discover_repository(str(there))
        repository = Repository(found) if found else None
        ignored = repository and not repository.is_bare and repository.workdir and _ignored(repository, tree)
    except (GitError, KeyError) as error:
        raise WorkspaceError(f"the git repository around {tree} cannot be opened: {error}") from error
    return None if ignored else repository


def _ignored(repository: Repository, tree: Path) -> bool:
    relative = tree.relative_to(Path(repository.workdir).resolve()).as_posix()
    return relative != "." and bool(repository.path_is_ignored(f"{relative}/"))


def _take_in(problem: Problem, path: Path) -> str:
    """Commit the tree as it is on disk; the same files give the same commit."""
    try:
        repository = Repository(str(path)) if path.exists() else pygit2.init_repository(str(path), bare=True)
        files = ((name, file) for name, file in files_below(problem.tree) if not within(name, problem.private))
        tree = trees.take_in(repository, files)
        signature = Signature(NAME, EMAIL, 0, 0)
        message = f"Baseline of {problem.spec.problem.name}\n"
        return str(repository.create_commit(None, signature, signature, message, tree, []))
    except (GitError, OSError) as error:
        raise WorkspaceError(f"{problem.tree} cannot be taken into {path}: {error}") from error


def _head(problem: Problem, place: Place) -> str:
    repository = Repository(str(place.repository))
    if repository.is_empty or repository.head_is_unborn:
        raise WorkspaceError(f"the repository of {problem.tree} has no commit yet", "commit your files first")
    head = repository.head.peel(pygit2.Commit)
    found = trees.subtree(repository, head.tree_id, place.prefix)
    committed = {name for name in trees.read(found) if problem.is_editable(name)} if found is not None else set()
    on_disk = set(editable_files(problem.tree, problem.spec.work.editable, problem.private))
    prefix = f"{place.prefix}/" if place.prefix else ""
    clean = FileStatus.CURRENT
    dirty = sorted(name for name in committed | on_disk if _status(repository, prefix + name) != clean)
    if dirty:
        raise WorkspaceError(
            f"editable files have changes that are not committed: {', '.join(dirty)}",
            "commit them (`git commit`) or put them away (`git stash`): a run starts from HEAD",
        )
    return str(head.id)


def _status(repository: Repository, path: str) -> FileStatus:
    try:
        return FileStatus(repository.status_file(path))
    except KeyError:
        return FileStatus.WT_DELETED
