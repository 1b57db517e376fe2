"""Inside a user's own git repository: refs appear there, and nothing else of theirs changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.system.lab import RealLab

PROGRAM = """\
rounds = 400_000
unused = 3

total = 0
for n in range(rounds):
    total += n % 7

print(f"answer: {total % 7}")
print(f"cost: {rounds / 1000}")
"""


def git(place: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout


def test_a_run_in_your_own_repository(tmp_path: Path):
    lab = RealLab(tmp_path)
    lab.root = repository = tmp_path / "mine"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    (repository / "train.py").write_text(PROGRAM)
    (repository / "notes.txt").write_text("keep me\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "start")
    new = lab.command("problem", "new", "--command", "python train.py", "--editable", "train.py", "--metric", "cost")
    done = subprocess.run(new[:-2], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "a problem")
    (repository / "notes.txt").write_text("a change of mine that is not committed\n")
    before = (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD"))
    index = (repository / ".git" / "index").read_bytes()

    out = lab.ok("run", ".", "--budget", "12s")

    assert "self-reported" in out
    shown = lab.show()
    assert shown["claim"]["self_reported"] is True
    assert shown["kept"] >= 1
    assert (git(repository, "status", "--porcelain"), git(repository, "rev-parse", "HEAD")) == before
    assert (repository / ".git" / "index").read_bytes() == index
    assert (repository / "train.py").read_text() == PROGRAM
    assert (repository / "notes.txt").read_text() == "a change of mine that is not committed\n"
    branch = shown["trunk"]["branch"]
    assert git(repository, "rev-parse", branch).strip() == shown["trunk"]["commit"]
    assert git(repository, "diff", "--name-only", "main", branch).split() == ["train.py"]
    assert git(repository, "for-each-ref", "refs/holdfast/").strip(), "candidates are ordinary refs"
    lab.ok("verify")
