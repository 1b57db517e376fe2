from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.errors import ConflictError, WorkspaceError
from holdfast.problems.load import load
from holdfast.problems.places import rehearse, reopen, require_clean, resume, start
from holdfast.problems.workspace import GitWorkspace, Place
from tests.problems.conftest import TOML, make

FILES = {"a.py": b"from lib import b\n", "lib/b.py": b"B = 1\n", "fixed.txt": b"not editable\n"}


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def workspace(root: Path, home: Path) -> GitWorkspace:
    return start(load(root), home, "r1")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A person's repository with a problem in a directory of it, one commit."""
    git(tmp_path, "init", "-q", "-b", "main", "theirs")
    make(tmp_path / "theirs" / "research" / "demo")
    (tmp_path / "theirs" / "other.py").write_text("OTHER = 1\n")
    git(tmp_path / "theirs", "add", "-A")
    git(tmp_path / "theirs", "commit", "-q", "-m", "first")
    return tmp_path / "theirs"


def in_theirs(repository: Path, home: Path, run: str = "r1") -> GitWorkspace:
    return start(load(repository / "research" / "demo"), home, run)


def test_a_tree_is_read_and_named_by_its_content(workspace: GitWorkspace, root: Path, tmp_path: Path) -> None:
    assert workspace.read(workspace.tree) == FILES
    again = start(load(root), tmp_path / "another home", "r9")
    assert (again.tree, again.commit) == (workspace.tree, workspace.commit)
    assert again.branch == "holdfast/r9"
    assert workspace.trunk() == workspace.commit


def test_edits_make_a_tree_and_the_opposite_edits_take_it_back(workspace: GitWorkspace) -> None:
    edited = workspace.write(workspace.tree, {"a.py": "größer\n", "lib/b.py": None, "lib/c.py": "C = 1\n"})
    assert workspace.read(edited) == {
        "a.py": "größer\n".encode(),
        "lib/c.py": b"C = 1\n",
        "fixed.txt": b"not editable\n",
    }
    back = workspace.write(edited, {"a.py": FILES["a.py"].decode(), "lib/b.py": "B = 1\n", "lib/c.py": None})
    assert back == workspace.tree
    assert workspace.write(workspace.tree, {}) == workspace.tree
    assert workspace.write(workspace.tree, {"lib/none.py": None}) == workspace.tree


paths = st.sampled_from(["a", "b", "d/a", "d/e/a", "d/e/b", "f/g/h/i"])
edit_sets = st.lists(st.dictionaries(paths, st.none() | st.text(max_size=4).filter(str.isascii)), max_size=4)


@given(edit_sets)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_edits_gives_what_a_dictionary_would(
    tmp_path: Path, sequence: list[dict[str, str | None]]
) -> None:
    place = Place(tmp_path / "r.git", "", ("**",), ())
    repository = pygit2.init_repository(str(place.repository), bare=True)
    author = pygit2.Signature("A", "a@example.org", 0, 0)
    empty = repository.create_commit(None, author, author, "m", repository.TreeBuilder().write(), [])
    workspace = GitWorkspace(place, "r1", str(empty))
    tree, model = workspace.tree, {}
    for edits in sequence:
        tree = workspace.write(tree, edits)
        model = {path: text for path, text in (model | edits).items() if text is not None}
        assert workspace.read(tree) == {path: text.encode() for path, text in model.items()}
    assert workspace.write(workspace.tree, model) == tree


@pytest.mark.parametrize(
    "path", ["fixed.txt", "../a.py", "/a.py", "problem.toml", "lib/x/y.py", ".git/config", "grader/grade.py", ""]
)
def test_protected_paths_are_refused(workspace: GitWorkspace, path: str) -> None:
    with pytest.raises(WorkspaceError, match="may not be changed"):
        workspace.write(workspace.tree, {"a.py": "fine", path: "x"})


def test_nothing_is_written_through_links_files_or_directories(repository: Path, home: Path) -> None:
    demo = repository / "research" / "demo"
    (demo / "work" / "link").symlink_to("/etc/passwd")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "link")
    place = in_theirs(repository, home)._place
    loose = Place(place.repository, place.prefix, ("**",), place.private)
    workspace = GitWorkspace(loose, "r2", git(repository, "rev-parse", "HEAD").strip())
    assert workspace.read(workspace.tree) == FILES
    for path in ("link", "link/x", "fixed.txt/x", "lib"):
        with pytest.raises(WorkspaceError):
            workspace.write(workspace.tree, {path: "x"})


def test_the_executable_bit_survives(root: Path, home: Path) -> None:
    (root / "work" / "a.py").chmod(0o755)
    workspace = start(load(root), home, "r1")
    edited = workspace.write(workspace.tree, {"a.py": "x\n"})
    listed = git(home / "repos" / "demo.git", "ls-tree", edited)
    assert "100755 blob" in next(line for line in listed.splitlines() if line.endswith("a.py"))


def test_trees_merge_or_conflict(workspace: GitWorkspace) -> None:
    base = workspace.tree
    ours = workspace.write(base, {"a.py": "ours\n"})
    theirs = workspace.write(base, {"lib/b.py": "theirs\n"})
    both = workspace.write(base, {"a.py": "ours\n", "lib/b.py": "theirs\n"})
    assert workspace.merge(base, ours, theirs) == workspace.merge(base, theirs, ours) == both
    assert workspace.merge(base, base, ours) == ours
    for other in ({"a.py": "mine\n"}, {"a.py": None}):
        with pytest.raises(ConflictError, match=r"both sides changed a\.py"):
            workspace.merge(base, ours, workspace.write(base, other))


def test_landing_is_deterministic_and_done_once(workspace: GitWorkspace, root: Path, tmp_path: Path) -> None:
    kept = workspace.write(workspace.tree, {"a.py": "kept\n"})
    first = workspace.land(kept, workspace.commit, "Kept\n\nHoldfast-Ledger: x\n", 1_700_000_000.75)
    assert workspace.land(kept, workspace.commit, "Kept\n\nHoldfast-Ledger: x\n", 1_700_000_000.75) == first
    assert workspace.trunk() == first
    assert workspace.look_up(first) == (kept, (workspace.commit,), "Kept\n\nHoldfast-Ledger: x\n")
    elsewhere = start(load(root), tmp_path / "other", "r1")
    elsewhere.write(elsewhere.tree, {"a.py": "kept\n"})
    assert elsewhere.land(kept, elsewhere.commit, "Kept\n\nHoldfast-Ledger: x\n", 1_700_000_000.75) == first
    assert workspace.look_up("0" * 40) is None
    assert workspace.look_up(kept) is None


def test_a_branch_that_somebody_moved_is_left_alone(workspace: GitWorkspace) -> None:
    one, two = (workspace.write(workspace.tree, {"a.py": text}) for text in ("one", "two"))
    landed = workspace.land(one, workspace.commit, "one", 1.0)
    with pytest.raises(WorkspaceError, match="was moved to"):
        workspace.land(two, workspace.commit, "two", 1.0)
    assert workspace.trunk() == landed


def test_only_one_of_many_landings_at_once_wins(workspace: GitWorkspace, root: Path, home: Path) -> None:
    trees = [workspace.write(workspace.tree, {"a.py": str(number)}) for number in range(8)]
    rivals = [resume(load(root), home, "r1", workspace.commit, workspace.commit) for _ in trees]
    landed: list[str] = []
    gate = threading.Barrier(len(trees))

    def land(rival: GitWorkspace, tree: str) -> None:
        gate.wait()
        try:
            landed.append(rival.land(tree, workspace.commit, tree, 1.0))
        except WorkspaceError:
            return

    threads = [threading.Thread(target=land, args=pair) for pair in zip(rivals, trees, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert landed == [workspace.trunk()]


def test_garbage_collection_keeps_every_candidate(workspace: GitWorkspace, home: Path) -> None:
    base = workspace.tree
    one, two = (workspace.write(base, {path: "x = 2\n"}) for path in ("a.py", "lib/b.py"))
    merged = workspace.merge(base, one, two)
    place = home / "repos" / "demo.git"
    git(place, "gc", "-q", "--prune=now")
    assert git(place, "fsck", "--strict", "--no-dangling") == ""
    fresh = GitWorkspace(workspace._place, "r1", workspace.commit)
    assert fresh.read(merged)["a.py"] == fresh.read(merged)["lib/b.py"] == b"x = 2\n"
    assert len(git(place, "for-each-ref", "refs/holdfast/r1").splitlines()) == 3


def test_a_run_is_resumed_with_its_branch_put_back(workspace: GitWorkspace, root: Path, home: Path) -> None:
    kept = workspace.write(workspace.tree, {"a.py": "kept\n"})
    landed = workspace.land(kept, workspace.commit, "kept", 1.0)
    (root / "work" / "a.py").write_text("changed on disk since\n")
    git(home / "repos" / "demo.git", "update-ref", "-d", "refs/heads/holdfast/r1")
    resumed = resume(load(root), home, "r1", workspace.commit, landed)
    assert (resumed.tree, resumed.commit, resumed.trunk()) == (workspace.tree, workspace.commit, landed)
    with pytest.raises(WorkspaceError, match=r"commit 1111.* is not in"):
        resume(load(root), home, "r1", "1" * 40, landed)
    (home / "repos" / "demo.git").rename(home / "gone")
    with pytest.raises(WorkspaceError, match="is gone"):
        resume(load(root), home, "r1", workspace.commit, landed)


def test_a_persons_repository_is_used_and_left_untouched(repository: Path, home: Path) -> None:
    (repository / "notes.txt").write_text("untracked\n")
    (repository / "other.py").write_text("dirty, but nobody's business\n")
    watched = [".git/HEAD", ".git/index", ".git/config", "other.py", "research/demo/work/a.py"]
    before = [(repository / name).read_bytes() for name in watched], git(repository, "status", "--porcelain")
    workspace = in_theirs(repository, home)
    assert workspace.commit == git(repository, "rev-parse", "HEAD").strip()
    assert workspace.tree == git(repository, "rev-parse", "HEAD^{tree}").strip()
    assert workspace.read(workspace.tree) == FILES
    kept = workspace.write(workspace.tree, {"a.py": "kept\n"})
    landed = workspace.land(kept, workspace.commit, "kept", 1.0)
    assert git(repository, "diff", "--name-only", "HEAD", landed).split() == ["research/demo/work/a.py"]
    assert git(repository, "rev-parse", "holdfast/r1").strip() == landed
    assert ([(repository / name).read_bytes() for name in watched], git(repository, "status", "--porcelain")) == before
    assert not home.exists()
    assert git(repository, "branch", "--list", "main").strip() == "* main"


def test_the_judge_inside_a_whole_repository_is_never_shown(tmp_path: Path, home: Path) -> None:
    whole = TOML.replace("[work]", '[work]\ntree = "."').replace('"a.py", "lib/*.py"', '"work/**"')
    root = make(tmp_path / "whole", whole.replace('"python", "a.py"', '"python", "work/a.py"'))
    (root / "data" / "sealed").mkdir(parents=True)
    (root / "data" / "sealed" / "secret.txt").write_text("secret\n")
    outside = start(load(root), home, "r0")
    git(tmp_path, "init", "-q", "whole")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "all")
    inside = start(load(root), home, "r1")
    for workspace in (outside, inside):
        assert sorted(workspace.read(workspace.tree)) == ["work/a.py", "work/fixed.txt", "work/lib/b.py"]


def test_uncommitted_editable_files_are_named(repository: Path, home: Path) -> None:
    work = repository / "research" / "demo" / "work"
    (work / "a.py").write_text("dirty\n")
    (work / "lib" / "new.py").write_text("new\n")
    (work / "lib" / "staged.py").write_text("staged\n")
    git(repository, "add", str(work / "lib" / "staged.py"))
    with pytest.raises(WorkspaceError, match=r"not committed: a\.py, lib/new\.py, lib/staged\.py\nhint: commit"):
        in_theirs(repository, home)
    assert "holdfast" not in git(repository, "for-each-ref")
    git(repository, "stash", "-q", "--include-untracked")
    assert in_theirs(repository, home).read(git(repository, "rev-parse", "HEAD^{tree}").strip()) == FILES
    (work / "lib" / "b.py").unlink()
    (work / "lib" / "c.py").write_text("")
    git(repository, "add", str(work / "lib" / "c.py"))
    with pytest.raises(WorkspaceError, match=r"lib/b\.py, lib/c\.py"):
        in_theirs(repository, home, "r2")


def test_a_repository_without_commits_or_without_files_is_refused(tmp_path: Path, home: Path) -> None:
    git(tmp_path, "init", "-q", "fresh")
    make(tmp_path / "fresh")
    with pytest.raises(WorkspaceError, match="no commit yet"):
        start(load(tmp_path / "fresh"), home, "r1")
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    make(tmp_path / "bare.git" / "demo")
    with pytest.raises(WorkspaceError, match="bare repository"):
        start(load(tmp_path / "bare.git" / "demo"), home, "r1")


def test_a_checked_out_trunk_is_not_moved_under_its_user(repository: Path, home: Path) -> None:
    workspace = in_theirs(repository, home)
    kept = workspace.write(workspace.tree, {"a.py": "kept\n"})
    git(repository, "switch", "-q", "holdfast/r1")
    with pytest.raises(WorkspaceError, match="is checked out"):
        workspace.land(kept, workspace.commit, "kept", 1.0)
    git(repository, "switch", "-q", "main")
    assert workspace.land(kept, workspace.commit, "kept", 1.0) == workspace.trunk()


def test_a_branch_named_holdfast_is_a_clear_error(repository: Path, home: Path) -> None:
    git(repository, "branch", "holdfast")
    with pytest.raises(WorkspaceError, match="git cannot do this"):
        in_theirs(repository, home)


def test_an_ignored_tree_and_one_in_the_home_are_not_the_repositorys(repository: Path) -> None:
    home = repository / ".holdfast"
    copied = make(home / "problems" / "demo-123")
    (repository / ".gitignore").write_text("scratch/\n")
    ignored = make(repository / "scratch" / "demo")
    for run, place in (("r1", copied), ("r2", ignored)):
        workspace = start(load(place), home, run)
        assert workspace.read(workspace.tree) == FILES
        assert (home / "repos" / "demo.git").is_dir()
    assert "holdfast" not in git(repository, "for-each-ref")


def test_a_linked_worktree_works_too(repository: Path, home: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    workspace = start(load(tmp_path / "linked" / "research" / "demo"), home, "r1")
    assert workspace.read(workspace.tree) == FILES
    assert git(repository, "rev-parse", "holdfast/r1").strip() == workspace.commit


def test_a_branch_of_an_unknown_run_is_not_taken_over(repository: Path, home: Path) -> None:
    workspace = in_theirs(repository, home)
    in_theirs(repository, home)  # a start that was broken off can be repeated
    landed = workspace.land(workspace.write(workspace.tree, {"a.py": "kept\n"}), workspace.commit, "kept", 1.0)
    with pytest.raises(WorkspaceError, match="there is a branch holdfast/r1 already"):
        in_theirs(repository, home)
    assert workspace.trunk() == landed


def test_a_rehearsal_leaves_no_branch(repository: Path, home: Path) -> None:
    workspace = rehearse(load(repository / "research" / "demo"), home, "check-demo")
    assert workspace.read(workspace.write(workspace.tree, {"a.py": "x"}))["a.py"] == b"x"
    assert git(repository, "branch", "--list").split() == ["*", "main"]


def test_reading_a_run_writes_nothing_and_needs_no_directory(repository: Path, home: Path) -> None:
    begun = in_theirs(repository, home)
    problem = load(repository / "research" / "demo")
    git(repository, "branch", "-D", begun.branch)
    shutil.rmtree(repository / "research")
    before = git(repository, "for-each-ref")
    again = reopen(problem, home, "r1", begun.commit)
    assert again.read(again.tree) == begun.read(begun.tree)
    assert git(repository, "for-each-ref") == before


def test_a_repository_made_after_the_run_began_is_not_its_own(root: Path, home: Path) -> None:
    begun = start(load(root), home, "r1")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "mine")
    assert reopen(load(root), home, "r1", begun.commit).commit == begun.commit
    assert resume(load(root), home, "r1", begun.commit, begun.commit).trunk() == begun.commit


def test_a_run_that_could_not_start_is_known_before_anything_is_written(repository: Path, home: Path) -> None:
    problem = load(repository / "research" / "demo")
    before = git(repository, "for-each-ref")
    require_clean(problem, home)
    (repository / "research" / "demo" / "work" / "a.py").write_text("mine\n")
    with pytest.raises(WorkspaceError, match="not committed"):
        require_clean(problem, home)
    assert git(repository, "for-each-ref") == before
    assert not home.exists()
