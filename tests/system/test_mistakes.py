"""Bad input gets one clear error and exit code 1, and changes nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.system.lab import RealLab


@pytest.fixture
def lab(tmp_path: Path) -> RealLab:
    return RealLab(tmp_path)


def refuse(lab: RealLab, *arguments: str, saying: str) -> str:
    result = lab.do(*arguments)
    assert result.code == 1, (result.code, result.err)
    assert "Traceback" not in result.err
    assert saying in result.err, result.err
    return result.err


def edit(lab: RealLab, old: str, new: str) -> None:
    path = lab.pi / "problem.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_misspelt_key_names_the_nearest(lab):
    edit(lab, "editable", "editabel")
    err = refuse(lab, "run", "./pi", saying="editable")
    assert "editabel" in err


def test_all_mistakes_at_once(lab):
    edit(lab, 'goal = "Approximate', 'gaol = "Approximate')
    edit(lab, "seconds = 10\nmemory_mb", "secnods = 10\nmemory_mb")
    err = refuse(lab, "run", "./pi", saying="gaol")
    assert "secnods" in err


def test_an_editable_path_outside_the_tree(lab):
    edit(lab, 'editable = ["pi.py"]', 'editable = ["../grader/grade.py"]')
    refuse(lab, "run", "./pi", saying="outside")


def test_a_command_that_does_not_exist(lab):
    edit(lab, 'command = ["python", "pi.py"]', 'command = ["no-such-program", "pi.py"]')
    refuse(lab, "run", "./pi", saying="no-such-program")


def test_a_source_file_that_is_not_utf8(lab):
    (lab.pi / "work" / "pi.py").write_bytes(b"# caf\xe9\n")
    refuse(lab, "run", "./pi", saying="UTF-8")


@pytest.mark.parametrize(
    "source",
    [
        'print("not json")',
        "raise SystemExit(3)",
        'print({"error": 1})',
        "",
        "import sys; sys.exit(0)",
    ],
)
def test_a_grader_that_prints_rubbish(lab, source):
    (lab.pi / "grader" / "grade.py").write_text(source)
    refuse(lab, "run", "./pi", "--budget", "20s", saying="grader")


def test_a_grade_that_is_no_number(lab):
    (lab.pi / "grader" / "grade.py").write_text("print('{\"error\": NaN}')")
    refuse(lab, "run", "./pi", "--budget", "20s", saying="error is not finite")


def test_a_check_on_a_value_that_the_grader_does_not_give(lab):
    edit(lab, "error = {", "loss = {")
    refuse(lab, "run", "./pi", "--budget", "20s", saying="loss")


def test_an_unknown_problem_names_the_nearest(lab):
    refuse(lab, "run", "tinylmm", saying="tinylm")


def test_a_budget_that_is_none(lab):
    refuse(lab, "run", "./pi", "--budget", "soon", saying="not a duration")
    assert not lab.home.exists()


def test_no_lab_yet(lab):
    for command in (["show"], ["verify"], ["log"], ["diff"], ["report"], ["run", "--resume"]):
        refuse(lab, *command, saying="")


def test_nothing_is_left_behind_by_a_refused_run(lab):
    edit(lab, "editable", "editabel")
    refuse(lab, "run", "./pi", saying="editabel")
    assert not lab.home.exists()


def test_a_ledger_of_a_newer_version(lab):
    lab.ok("run", "./pi", "--budget", "3s")
    with contextlib.closing(sqlite3.connect(lab.home / "ledger.db")) as database:
        database.execute("PRAGMA user_version = 99")
    refuse(lab, "show", saying="newer")
    refuse(lab, "run", "--resume", saying="newer")


def test_a_ledger_that_is_no_database(lab):
    lab.home.mkdir()
    (lab.home / "ledger.db").write_bytes(b"hello" * 1000)
    refuse(lab, "show", saying="ledger")
    assert (lab.home / "ledger.db").read_bytes() == b"hello" * 1000


def test_a_problem_that_changed_under_its_run(lab):
    lab.ok("run", "./pi", "--budget", "3s")
    (lab.pi / "work" / "pi.py").write_text("terms = 1\n")
    refuse(lab, "run", "--resume", "--budget", "3s", saying="changed")


def git(place: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, cwd=place, check=True, capture_output=True, text=True).stdout


def test_a_dirty_repository(lab):
    git(lab.pi, "init", "-q")
    git(lab.pi, "add", ".")
    git(lab.pi, "commit", "-qm", "start")
    (lab.pi / "work" / "pi.py").write_text((lab.pi / "work" / "pi.py").read_text() + "\n# mine\n")
    refuse(lab, "run", "./pi", saying="not committed")
    assert "# mine" in (lab.pi / "work" / "pi.py").read_text()


def test_a_bare_repository(lab):
    git(lab.root, "init", "-q", "--bare", "bare")
    result = lab.do(
        "problem", "new", "bare", "--command", "python train.py", "--editable", "train.py", "--metric", "loss"
    )
    assert result.code == 1


def test_a_repository_that_is_gone_on_resume(lab):
    lab.ok("run", "./pi", "--budget", "3s")
    shutil.rmtree(lab.home / "repos")
    refuse(lab, "run", "--resume", "--budget", "3s", saying="repo")


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_a_full_disk_loses_nothing(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=True)
    try:
        lab = RealLab(tmp_path)
        lab.home = small / "home"
        result = lab.do("run", "./pi", "--budget", "5s")
        filler = small / "filler"
        if result.code == 0:
            before = lab.records()
            fill(filler)
            refused = lab.do("run", "--resume", "--budget", "3s")
            assert refused.code == 1, refused.err
            assert "space" in refused.err
            assert "Traceback" not in refused.err
            filler.unlink()
            lab.ok("run", "--resume", "--budget", "3s")
            assert lab.records()[: len(before)] == before
            lab.ok("verify")
        else:
            assert result.code == 1
            assert "space" in result.err
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
