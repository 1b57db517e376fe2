"""kill -9 at any moment: nothing recorded is lost, nothing recorded is run again, no process survives a second."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.system.lab import RealLab, kill, survivors


def check(lab: RealLab, before: list[dict]) -> None:
    after = lab.records()
    assert after[: len(before)] == before, "a recorded result was lost or changed"
    trials = Counter(entry["record"]["id"] for entry in after if entry["record"]["kind"] == "trial/1")
    assert not [name for name, count in trials.items() if count > 1], "a recorded trial was run again"
    lab.ok("verify")


@pytest.mark.parametrize("part", range(10))
def test_killed_anywhere_and_resumed(tmp_path: Path, part: int):
    """Ten random places, one in each tenth of a short run."""
    lab = RealLab(tmp_path)
    process = lab.start("run", "./pi", "--budget", "9s", "--seed", str(part))
    time.sleep(1.2 + (part + random.Random(part).random()) * 0.8)
    kill(process)
    assert survivors(str(tmp_path)) == []
    if not (lab.home / "ledger.db").exists() or lab.do("show").code:
        return  # killed before the run's first record: there is nothing to resume
    before = lab.records()
    result = lab.do("run", "--resume")
    finished = "is finished" in result.err
    assert result.code == 0 or finished, result.err
    check(lab, before)
    shown = lab.show()
    assert shown["status"] == "finished"
    assert shown["ledger"]["verified"]
    if shown["kept"]:
        assert shown["claim"]["pairs"] >= 3
        assert shown["trunk"]["commit"] == lab.trunk()


def test_killed_again_and_again(tmp_path: Path):
    lab = RealLab(tmp_path)
    for attempt in range(4):
        process = lab.start("run", "./pi", "--budget", "8s", *(["--resume"] if attempt else []))
        time.sleep(2.5)
        kill(process)
    before = lab.records()
    lab.ok("run", "--resume", "--budget", "6s")
    check(lab, before)


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path):
    lab = RealLab(tmp_path)
    process = lab.start("run", "./pi", "--budget", "60s")
    time.sleep(4)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert survivors(str(tmp_path)) == []
    assert lab.show()["status"] == "interrupted"
    lab.ok("run", "--resume", "--budget", "5s")
    assert lab.show()["status"] == "finished"


def test_two_runs_of_one_problem_on_one_home(tmp_path: Path):
    lab = RealLab(tmp_path)
    process = lab.start("run", "./pi", "--budget", "20s")
    time.sleep(3)
    shown = lab.show()
    assert shown["status"] == "running"
    second = lab.do("run", "./pi", "--budget", "5s")
    assert second.code == 1
    assert "already being run" in second.err
    kill(process)
    assert lab.show()["status"] == "killed"
