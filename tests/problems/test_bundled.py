from __future__ import annotations

from pathlib import Path

import pytest

import holdfast.problems
from holdfast.core.ports import TrialRequest
from holdfast.problems.catalog import Catalog
from holdfast.problems.check import check, controls
from holdfast.problems.places import start
from holdfast.problems.prepare import prepare
from tests.problems.plain import PlainExecutor

BUNDLED = Path(holdfast.problems.__file__).parents[1] / "bundled"


@pytest.mark.parametrize(("name", "honest"), [("noise", "honest"), ("words", "honest-awk")])
def test_only_the_honest_control_passes(name: str, honest: str, home: Path) -> None:
    problem = Catalog(BUNDLED, home).find(name)
    workspace = start(problem, home, "r1")
    data = prepare(problem, home)
    said: list[str] = []
    executor = PlainExecutor(problem, workspace, data.directories)
    report = check(problem, workspace.tree, workspace, executor, said.append)
    assert report.sound, report.detail
    assert report.passed == (honest,)
    assert len(report.refused) >= 3
    assert "empty" in report.refused
    assert len(said) == 1 + len(report.passed) + len(report.refused)
    if name == "words":  # the classic way must leave something to gain
        slow, fast = (
            min(trial.cpu_seconds for trial in executor.ran if trial.tree == tree)
            for tree in (workspace.tree, controls(problem, workspace.tree, workspace)[honest])
        )
        assert 0.3 < slow < 10
        assert slow > 1.5 * fast


def test_noise_is_noise_for_one_seed_and_survives_small_changes(home: Path) -> None:
    problem = Catalog(BUNDLED, home).find("noise")
    workspace = start(problem, home, "r1")
    executor = PlainExecutor(problem, workspace, prepare(problem, home).directories)
    text = workspace.read(workspace.tree)["program.py"].decode()
    trees = [workspace.tree]
    for old, new in (
        ("STEPS = 150", "STEPS = 75"),
        ("RATE = 0.5", "RATE = 0.6"),
        ("SHUFFLE = True", "SHUFFLE = False"),
    ):
        assert old in text
        trees.append(workspace.write(workspace.tree, {"program.py": text.replace(old, new)}))
    trials = [executor.run(TrialRequest("t", "race", tree, 7, "hidden")) for tree in (*trees, workspace.tree)]
    scores = [trial.score for trial in trials]
    assert [trial.outcome for trial in trials] == ["ok"] * 5
    assert len(set(scores)) == 5
    assert all(score is not None and 93 < score < 107 for score in scores)
