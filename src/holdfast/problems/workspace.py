"""The git side of a run: trees by hash, the trunk branch, and refs that keep every candidate."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from pygit2 import Commit, GitError, Oid, Repository, Signature

from holdfast.core.errors import ConflictError, WorkspaceError
from holdfast.core.paths import matches
from holdfast.problems import trees
from holdfast.problems.paths import escapes, within

NAME, EMAIL = "Holdfast", "holdfast@localhost"

_RESTORE = "restore the repository that the run began in, or start a new run"


class Place(msgspec.Struct, frozen=True):
    """Where a problem's trees live: a repository, the tree's path in it, and what of it may be edited or seen."""

    repository: Path
    prefix: str
    editable: tuple[str, ...]
    private: tuple[str, ...]


class GitWorkspace:
    """A `Workspace` on a git repository: blobs, trees and refs only, so no working tree or index is touched.

    A tree is named by the hash of the whole repository's tree; `read` and `write` see the problem's part of it.
    Content is git's: no line-end or LFS filters are applied, links and submodules are left out.
    Safe to use from several threads. `baseline` is the commit the trunk starts from; the branch itself is made by
    `begin_trunk` or `restore_trunk`.
    """

    def __init__(self, place: Place, run: str, baseline: str) -> None:
        self.run = run
        self.branch = f"holdfast/{run}"
        self.commit = baseline
        self._place = place
        self._lock = threading.RLock()
        if not place.repository.exists():
            raise WorkspaceError(f"the git repository {place.repository} is gone", _RESTORE)
        with self._git():
            self._repository = Repository(str(place.repository))
            self._baseline = self._commit(baseline)
            self._signature = Signature(NAME, EMAIL, self._baseline.commit_time, 0)
        self.tree = str(self._baseline.tree_id)

    def begin_trunk(self) -> None:
        """Make the branch at the baseline; raises `WorkspaceError` when one of its name is somewhere else."""
        self.restore_trunk(self.commit)
        if self.trunk() != self.commit:
            raise WorkspaceError(
                f"there is a branch {self.branch} already, from a run that this lab's ledger does not know",
                f"rename it (`git branch -m {self.branch} <name>`) or delete it (`git branch -D {self.branch}`)",
            )

    def restore_trunk(self, commit: str) -> None:
        """Make the branch at `commit` when it is missing; one that is there is left as it is."""
        with self._git():
            if self._ref not in self._repository.references:
                self._repository.create_reference(self._ref, self._commit(commit).id)

    def read(self, tree: str) -> Mapping[str, bytes]:
        """See `core.ports.Workspace`; without what belongs to the judge."""
        with self._git():
            found = trees.subtree(self._repository, Oid(hex=tree), self._place.prefix)
            files = trees.read(found) if found is not None else {}
        return {path: data for path, data in files.items() if not within(path, self._place.private)}

    def write(self, base: str, edits: Mapping[str, str | None]) -> str:
        """See `core.ports.Workspace`; raises `WorkspaceError` for a path that is not editable."""
        for path in edits:
            self._refuse_protected(path)
        prefix = f"{self._place.prefix}/" if self._place.prefix else ""
        with self._git():
            changes = {
                prefix + path: None if text is None else trees.Change(self._repository.create_blob(text.encode()))
                for path, text in edits.items()
            }
            whole = trees.subtree(self._repository, Oid(hex=base), "")
            return self._keep(trees.edit(self._repository, whole, changes))

    def merge(self, base: str, ours: str, theirs: str) -> str:
        """See `core.ports.Workspace`."""
        with self._git():
            index = self._repository.merge_trees(Oid(hex=base), Oid(hex=ours), Oid(hex=theirs))
            if index.conflicts is not None:
                sides = (side for conflict in index.conflicts for side in conflict if side is not None)
                raise ConflictError(f"both sides changed {', '.join(sorted({side.path for side in sides}))}")
            return self._keep(index.write_tree(self._repository))

    def land(self, tree: str, parent: str, message: str, at: float) -> str:
        """See `core.ports.Workspace`."""
        signature = Signature(NAME, EMAIL, int(at), 0)
        with self._git():
            commit = self._repository.create_commit(
                None, signature, signature, message, Oid(hex=tree), [Oid(hex=parent)]
            )
            trunk = self._repository.lookup_reference(self._ref)
            if trunk.target == commit:
                return str(commit)
            if str(trunk.target) != parent:
                raise WorkspaceError(
                    f"the branch {self.branch} was moved to {trunk.target} by somebody else; expected {parent}",
                    f"move it back with `git branch -f {self.branch} {parent}`, then `holdfast run --resume`",
                )
            self._refuse_checked_out()
            trunk.set_target(commit, "holdfast: landed")  # compare-and-swap with the target looked up above
        return str(commit)

    @property
    def repository(self) -> Path:
        """The git directory that the branch is in."""
        return self._place.repository

    def trunk(self) -> str:
        """The commit that the branch is at."""
        with self._git():
            return str(self._repository.lookup_reference(self._ref).target)

    def look_up(self, commit: str) -> tuple[str, tuple[str, ...], str] | None:
        """A commit's tree, parents and message; None when there is no such commit. What `holdfast verify` reads."""
        with self._git():
            found = self._repository.get(commit)
            if not isinstance(found, Commit):
                return None
            return str(found.tree_id), tuple(map(str, found.parent_ids)), found.message

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def _keep(self, tree: Oid) -> str:
        """Name the candidate by a ref to a commit on the baseline: git's garbage collection leaves it alone."""
        ref = f"refs/holdfast/{self.run}/{tree}"
        if self._repository.references.get(ref) is None:
            commit = self._repository.create_commit(
                None, self._signature, self._signature, f"Candidate {tree}\n", tree, [self._baseline.id]
            )
            self._repository.create_reference(ref, commit, force=True)
        return str(tree)

    def _refuse_protected(self, path: str) -> None:
        if escapes(path) or within(path, self._place.private) or not matches(path, self._place.editable):
            raise WorkspaceError(f"{path} may not be changed", f"editable: {', '.join(self._place.editable)}")

    def _refuse_checked_out(self) -> None:
        branch = self._repository.lookup_branch(self.branch)
        if branch is not None and branch.is_checked_out():
            raise WorkspaceError(
                f"the branch {self.branch} is checked out, and landing would change the files under you",
                "switch to another branch, then `holdfast run --resume`",
            )

    def _commit(self, name: str) -> Commit:
        found = self._repository.get(name)
        if not isinstance(found, Commit):
            raise WorkspaceError(f"commit {name} is not in {self._place.repository}", _RESTORE)
        return found

    @contextmanager
    def _git(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (GitError, KeyError, ValueError, OSError) as error:
                raise WorkspaceError(
                    f"git cannot do this in {self._place.repository}: {error}",
                    "check the repository with `git fsck`, and that there is space for it",
                ) from error
