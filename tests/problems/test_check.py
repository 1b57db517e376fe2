from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from holdfast.core.errors import ExecutionError, ProblemError
from holdfast.core.ports import JobDone, TrialRequest
from holdfast.core.records import ProblemChecked, Trial
from holdfast.problems.check import check
from holdfast.problems.load import load
from holdfast.problems.places import rehearse
from holdfast.problems.prepare import prepare
from tests.problems.conftest import TOML, make
from tests.problems.plain import PlainExecutor

PROGRAM = """\
import os
from lib import b
with open(os.environ["HOLDFAST_OUT"] + "/loss", "w") as file:
    file.write(str(b.B))
"""
GRADER = """\
import json, os
path = os.environ["HOLDFAST_ARTIFACT"] + "/loss"
print("some log line")
print(json.dumps({"loss": float(open(path).read())} if os.path.exists(path) else {"wrong": "no loss"}))
"""


def checked(tmp_path: Path, controls: dict[str, dict[str, str]], toml: str = TOML) -> ProblemChecked:
    root = make(tmp_path / "demo", toml)
    (root / "work" / "a.py").write_text(PROGRAM)
    (root / "grader" / "grade.py").write_text(GRADER)
    for name in ("honest/a.py", "cheat/lib/b.py"):
        (root / "controls" / name).unlink()
    for name, files in {"honest": {}, "cheat": {"lib/b.py": "B = 2"}, **controls}.items():
        for file, text in files.items():
            path = root / "controls" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    problem = load(root)
    workspace = rehearse(problem, tmp_path / "home", "r1")
    executor = PlainExecutor(problem, workspace, prepare(problem, tmp_path / "home").directories)
    return check(problem, workspace.tree, workspace, executor, lambda line: None)


def test_a_sound_problem(tmp_path: Path) -> None:
    report = checked(tmp_path, {"honest-lower": {"lib/b.py": "B = 0.5"}, "worse": {"lib/b.py": "B = 5"}})
    assert report.sound
    assert report.passed == ("honest", "honest-lower")
    assert report.refused == ("cheat", "empty", "worse")


def test_a_cheat_that_passes_and_an_honest_control_that_fails_are_named(tmp_path: Path) -> None:
    report = checked(tmp_path, {"fake": {"lib/b.py": "B = 0.9"}, "honest-two": {"lib/b.py": "B = 3"}})
    assert not report.sound
    assert report.detail == "honest-two fails: loss is 3, max 1.01; fake passes and must not"


def test_a_problem_that_an_empty_program_passes_is_refused(tmp_path: Path) -> None:
    toml = TOML.replace('command = ["python", "a.py"]', 'command = ["python", "-c", "print(1)"]')
    root = make(tmp_path / "demo", toml.replace("[checks]", "").replace('loss = { max = "baseline * 1.01" }', ""))
    (root / "grader" / "grade.py").write_text("print('{\"fine\": 1}')")
    problem = load(root)
    workspace = rehearse(problem, tmp_path / "home", "r1")
    executor = PlainExecutor(problem, workspace, prepare(problem, tmp_path / "home").directories)
    report = check(problem, workspace.tree, workspace, executor, lambda line: None)
    assert not report.sound
    assert "empty passes and must not" in report.detail


def test_an_unchanged_program_that_fails_is_said_first(tmp_path: Path) -> None:
    report = checked(tmp_path, {}, TOML.replace('"a.py"]\n\n[grader]', '"a.py", "x"]\n\n[grader]'))
    assert report.sound
    root = tmp_path / "demo"
    (root / "work" / "a.py").write_text("raise SystemExit('no')")
    problem = load(root)
    workspace = rehearse(problem, tmp_path / "home", "r2")
    executor = PlainExecutor(problem, workspace, prepare(problem, tmp_path / "home").directories)
    report = check(problem, workspace.tree, workspace, executor, lambda line: None)
    assert not report.sound
    assert report.detail.startswith("the unchanged program does not pass: crashed: no")


@pytest.mark.parametrize(("file", "content"), [("fixed.txt", b"x"), ("a.py", b"\xff")])
def test_a_control_that_no_candidate_could_be_is_an_error(tmp_path: Path, file: str, content: bytes) -> None:
    root = make(tmp_path / "demo")
    (root / "controls" / "cheat" / file).write_bytes(content)
    problem = load(root)
    workspace = rehearse(problem, tmp_path / "home", "r1")
    with pytest.raises(ProblemError, match="a control holds what no candidate may change"):
        check(problem, workspace.tree, workspace, PlainExecutor(problem, workspace, {}), lambda line: None)


class BrokenExecutor(PlainExecutor):
    def run(self, trial: TrialRequest) -> Trial:
        return self.result(trial, outcome="infra", detail="no slot")


def test_our_own_fault_is_not_a_verdict(root: Path, home: Path) -> None:
    problem = load(root)
    workspace = rehearse(problem, home, "r1")
    with pytest.raises(ExecutionError, match=r"check\.baseline\.1 could not be run: no slot"):
        check(problem, workspace.tree, workspace, BrokenExecutor(problem, workspace, {}), lambda line: None)


class SilentExecutor(PlainExecutor):
    """Takes jobs and never reports one; every wait takes a minute of its clock."""

    now = 0.0

    def wait(self, seconds: float) -> Sequence[JobDone]:
        self.now += 60
        return []


def test_a_trial_that_never_comes_back_ends_the_check(root: Path, home: Path) -> None:
    problem = load(root)
    workspace = rehearse(problem, home, "r1")
    executor = SilentExecutor(problem, workspace, {})
    with pytest.raises(ExecutionError, match="no trial came back for 1320 seconds; still out: baseline"):
        check(problem, workspace.tree, workspace, executor, lambda line: None, lambda: executor.now)
    assert executor.now < 1500
