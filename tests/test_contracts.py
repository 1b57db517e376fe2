"""Every built-in implementation of a port passes the contract that plugins must pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import testing
from holdfast.agents.search.agent import SearchAgent
from holdfast.ledger.memory import MemoryLedger
from holdfast.ledger.store import SqlLedger
from holdfast.problems import places
from holdfast.problems.load import load
from tests.loop.world import Clock, Disk, Fuse, SimLedger, SimWorkspace

TOML = """
[problem]
name = "contract"
goal = "Hold."
[work]
editable = ["a.py", "b/*.txt"]
command = ["python", "a.py"]
"""


def test_ledgers(tmp_path):
    testing.check_ledger(MemoryLedger)
    testing.check_ledger(lambda: SqlLedger(tmp_path / "ledger.db"))
    testing.check_ledger(lambda: SimLedger(Disk(), Clock(), Fuse()))


def test_git_workspace(tmp_path: Path):
    def make(files):
        root = tmp_path / "home" / "problems" / "contract"
        for name, text in files.items():
            path = root / "work" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (root / "problem.toml").write_text(TOML)
        workspace = places.start(load(root), tmp_path / "home", "contract-1")
        return workspace, workspace.tree, workspace.commit

    testing.check_workspace(make)


def test_simulated_workspace():
    def make(files):
        disk = Disk(branch="base")
        workspace = SimWorkspace(disk, Fuse())
        return workspace, workspace.add(dict(files)), "base"

    with pytest.raises(KeyError):  # it cannot merge a deletion, which is all that it lacks
        testing.check_workspace(make)


def test_search_agent():
    testing.check_agent(lambda: SearchAgent(1, ("train.py",)))
