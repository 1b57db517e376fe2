"""Bad input gets one clear error and exit code 1, and changes nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from holdfast.core.records import Claim
from holdfast.ledger.store import SqlLedger
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
    assert not lab.home.exists()


def test_data_that_cannot_be_prepared(lab):
    edit(lab, "[grader]", '[data]\nprepare = ["python", "prepare.py"]\n\n[grader]')
    (lab.pi / "grader" / "prepare.py").write_text("raise SystemExit('no such text')")
    refuse(lab, "run", "./pi", saying="no such text")
    assert not lab.home.exists()


def test_an_agent_that_does_not_exist(lab):
    refuse(lab, "run", "./pi", "--agent", "nobody", saying="nobody")
    assert not lab.home.exists()


def test_a_resume_of_nothing_starts_no_lab(lab):
    refuse(lab, "run", "--resume", saying="no ledger")
    assert not lab.home.exists()


def test_data_that_changed_under_its_run(lab):
    (lab.pi / "data" / "train").mkdir(parents=True)
    (lab.pi / "data" / "train" / "digits").write_text("3.14159")
    lab.ok("run", "./pi", "--budget", "3s")
    (data,) = (lab.home / "data").glob("*/train/digits")
    data.write_text("3.2")
    before = lab.records()
    err = refuse(lab, "run", "--resume", "--budget", "3s", saying="train changed")
    assert "hint: put it back" in err
    assert lab.records() == before
    data.write_text("3.14159")
    lab.ok("run", "--resume", "--budget", "3s")


def test_a_problem_that_was_touched_or_is_gone_hides_nothing_of_its_run(lab):
    lab.ok("run", "./pi", "--budget", "8s")
    assert lab.show()["kept"] >= 1
    for touch in (lambda: (lab.pi / "README.md").write_text("mine\n"), lambda: shutil.rmtree(lab.pi)):
        touch()
        assert "rest on evidence" in lab.ok("verify")
        assert lab.show()["ledger"]["verified"] is True
        assert lab.ok("diff").strip()
        lab.ok("report")


def test_a_repository_that_is_gone_is_a_fault_of_its_run(lab):
    lab.ok("run", "./pi", "--budget", "8s")
    assert lab.show()["kept"] >= 1
    shutil.rmtree(lab.home / "repos")
    err = refuse(lab, "verify", saying="the commits of pi-1")
    assert "git has no such commit" in err


def forge(lab: RealLab, *records: object) -> None:
    with contextlib.closing(SqlLedger(lab.home / "ledger.db")) as ledger:
        ledger.append("pi-1", list(records))


def test_a_claim_that_nobody_measured_and_a_broken_index_are_found(lab):
    lab.ok("run", "./pi", "--budget", "3s")
    lab.ok("verify")
    forge(lab, Claim("a" * 40, "b" * 40, "c" * 40, 99.0, 98.0, 100.0, 500, "sealed", "ratio", True, 0, False))
    refuse(lab, "verify", saying="the claim of pi-1: no claim was begun before it")
    with contextlib.closing(sqlite3.connect(lab.home / "ledger.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records_of_run'").fetchone()
    whole = bytearray((lab.home / "ledger.db").read_bytes())
    at = whole.index(b"pi-1", (page - 1) * 4096)
    whole[at + 3] ^= 2
    (lab.home / "ledger.db").write_bytes(whole)
    refuse(lab, "verify", saying="damaged")


def test_showing_a_run_leaves_its_lease_alone(lab):
    lab.ok("run", "./pi", "--budget", "3s")
    lease = lab.home / "leases" / "pi.lock"
    before = (lease.read_text(), lease.stat().st_mtime_ns)
    lab.show()
    assert (lease.read_text(), lease.stat().st_mtime_ns) == before


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
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], check=True)
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
