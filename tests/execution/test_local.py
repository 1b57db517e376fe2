"""Jobs go in, whole jobs come out, in the job's order; what is cancelled or closed is gone with its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from holdfast import testing
from holdfast.core.codec import encode
from holdfast.core.errors import ExecutionError
from holdfast.core.ports import Job, TrialRequest
from holdfast.execution.inprocess import InProcessExecutor
from holdfast.execution.local import assign
from holdfast.execution.sandbox.tiers import choose
from holdfast.execution.verdict import progress
from tests.execution.conftest import ROOT, Lab
from tests.execution.test_limits import alive


def test_contract(lab) -> None:
    def make():
        one = lab()
        one.trees["tree"] = {"x.py": b"pass"}
        return one.executor

    testing.check_executor(make, "tree")


def test_contract_in_process() -> None:
    testing.check_executor(
        lambda: InProcessExecutor(lambda tree: {}, lambda files, request: {"outcome": "ok", "score": 1.0}), "tree"
    )


def test_in_process_failures_are_outcomes() -> None:
    executor = InProcessExecutor(lambda tree: {}, lambda files, request: {"outcome": 1 / 0})
    executor.submit(Job("a", (TrialRequest("a", "race", "t", 1, "hidden"),)))
    [done] = executor.wait(0)
    assert (done.trials[0].outcome, done.trials[0].detail) == ("infra", "ZeroDivisionError: division by zero")


def test_a_trial_is_described_whole(box: Lab) -> None:
    trial = box.run("pass", proposal="p3", pair=2, side="candidate", role="confirm")
    assert (trial.proposal, trial.pair, trial.side, trial.role, trial.seed) == ("p3", 2, "candidate", "confirm", 7)
    assert trial.score == trial.cpu_seconds > 0
    assert trial.occupied_seconds > trial.wall_seconds > 0
    assert trial.memory_mb > 0


def test_a_tree_that_cannot_be_read_is_infra(box: Lab) -> None:
    box.executor.submit(Job("gone", (TrialRequest("gone", "race", "no-such-tree", 1, "hidden"),)))
    [trial] = box.results(1)
    assert (trial.outcome, trial.detail) == ("infra", "KeyError: 'no-such-tree'")


def test_a_core_that_is_gone_costs_trials_not_the_slot(lab) -> None:
    one = lab()
    [slot] = one.executor._slots
    slot.cores, cores = frozenset({100_000}), slot.cores
    assert one.run("pass").outcome == "infra"
    slot.cores = cores
    assert one.run("pass").outcome == "ok"


def test_slots_have_cores_of_their_own(lab) -> None:
    one = lab(slots=2)
    code = "import os, time; print(sorted(os.sched_getaffinity(0))); time.sleep(0.3)"
    for number in range(2):
        one.submit(one.request(code, id=f"t{number}"))
    trials = one.results(2)
    cores = sorted(os.sched_getaffinity(0))
    assert sorted(trial.slot for trial in trials) == [0, 1]
    for trial in trials:
        assert one.log(trial).split("\n")[1] == f"[{cores[trial.slot % len(cores)]}]"


def test_how_cores_are_shared_out() -> None:
    assert assign([0, 1], 2, 1) == [{0}, {1}]
    assert assign([3, 5], 3, 1) == [{3}, {5}, {3}]
    assert assign([0, 1, 2, 3], 2, 2) == [{0, 1}, {2, 3}]
    assert assign([0], 2, 4) == [{0}, {0}]


def test_progress_keeps_finite_numbers_of_the_last_lines() -> None:
    lines = [f'progress {{"step": {n}, "loss": 1.5, "bad": NaN, "text": "x", "flag": true}}' for n in range(30)]
    found = progress(
        "\n".join([*lines, "progress {broken", "progress", "progress [1]", 'progress {"a": 1e999}']).encode()
    )
    assert len(found) == 19  # of the last twenty lines, one is broken
    assert found[-1] == {}
    assert found[-2] == {"step": 29.0, "loss": 1.5}


def test_hostile_progress_can_be_recorded() -> None:
    lines = [
        r'progress {"\ud800": 1}',
        'progress {"' + "x" * 5000 + '": 1}',
        "progress {" + ", ".join(f'"{n}": 1' for n in range(99)) + "}",
    ]
    found = progress("\n".join(lines).encode())
    assert json.loads(encode(list(found))) == list(found)
    assert found[0] == {"?": 1}
    assert all(len(one) <= 32 and all(len(name) <= 500 for name in one) for one in found)


def test_data_that_trials_cannot_read_is_refused(lab, tmp_path: Path) -> None:
    if not ROOT:
        return  # trials run as the same user
    secret = tmp_path / "lab0" / "data" / "train" / "closed"
    secret.parent.mkdir(parents=True)
    secret.touch(mode=0o600)
    with pytest.raises(ExecutionError, match=r"(?s)closed.*chmod -R a\+rX"):
        lab(isolation="T3")


def test_a_program_that_prints_much_is_not_slowed_by_being_watched(box: Lab) -> None:
    trial = box.run("for n in range(3000): print(n, flush=True)")
    assert trial.outcome == "ok"
    assert trial.cpu_seconds < 0.3


def test_cancel_kills_and_reports_nothing(lab) -> None:
    one = lab()
    mark = "76543.1"
    one.submit(one.request(f"import time; open('/tmp/{mark}', 'w'); time.sleep(60)"), key="running")
    one.submit(one.request("pass"), key="waiting")
    time.sleep(0.3)
    one.executor.cancel(["running", "waiting", "unknown"])
    begun = time.monotonic()
    one.submit(one.request("pass", id="next"), key="next")
    [trial] = one.results(1)
    assert trial.id == "next"
    assert time.monotonic() - begun < 5
    assert one.executor.wait(0.1) == []


def test_close_kills_and_tidies(lab) -> None:
    one = lab(slots=2, processes=4)
    one.submit(one.request("import os; os.execvp('sleep', ['sleep', '65432.1'])"))
    deadline = time.monotonic() + 10
    while not alive("65432.1") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive("65432.1")
    one.executor.close()
    assert not alive("65432.1")
    assert [path.name for path in (one.root / "scratch" / "sessions").iterdir()] == ["lock"]
    one.executor.close()
    with pytest.raises(ExecutionError, match="closed"):
        one.submit(one.request("pass"))


def test_unknown_isolation(lab) -> None:
    with pytest.raises(ExecutionError, match="auto, T3, T2, T0"):
        lab(isolation="T9")


def test_a_missing_package_leaves_nothing_behind(lab, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="not installed"):
        lab(packages=("nothere",))
    assert [path.name for path in (tmp_path / "lab0" / "scratch" / "sessions").iterdir()] == ["lock"]


def test_bare_execution_only_by_name(lab) -> None:
    one = lab(isolation="T0", seconds=1.0, grade="print('{\"n\": 2}')", grader_command=("python", "grade.py"))
    trial = one.run(
        """
        import os
        open(os.environ['HOLDFAST_OUT'] + '/a', 'w')
        print(open(os.environ['HOLDFAST_DATA'] + '/text.txt').read())
        """
    )
    assert trial.outcome == "ok", trial.detail
    assert (trial.tier, trial.controls["namespaces"], trial.controls["network"]) == ("T0", "absent", "absent")
    assert trial.values == {"n": 2}
    daemon = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork(): os._exit(0)
            os.execvp('sleep', ['sleep', '54321.1'])
        time.sleep(60)
    """
    assert one.run(daemon).outcome == "timeout"
    assert not alive("54321.1")
    assert one.run("raise SystemExit(3)").detail == "exit code 3"
    assert one.run("import os; os.symlink('/etc/passwd', os.environ['HOLDFAST_OUT'] + '/r')").outcome == "wrong"


COORDINATOR = """
    import sys, time
    from pathlib import Path
    from tests.execution.conftest import Lab
    one = Lab(Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "True", processes=4,
              grader_command=("sh", "-c", "sleep 43210.1"), grader_seconds=100)
    code = '''
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork(): os._exit(0)
        os.execvp('sleep', ['sleep', '43210.2'])
    '''
    one.submit(one.request("pass" if sys.argv[4] == "grading" else code))
    time.sleep(60)
"""


@pytest.mark.parametrize("moment", ["running", "grading"])
@pytest.mark.parametrize("isolation", ["T2", "T0", *(["T3"] if ROOT else [])])
def test_nothing_outlives_the_coordinator(tmp_path: Path, isolation: str, moment: str) -> None:
    mark = "43210.1" if moment == "grading" else "43210.2"
    arguments = [str(tmp_path), isolation, str(isolation == "T3"), moment]
    coordinator = subprocess.Popen([sys.executable, "-c", textwrap.dedent(COORDINATOR), *arguments])
    deadline = time.monotonic() + 20
    while not alive(mark) and time.monotonic() < deadline:
        assert coordinator.poll() is None
        time.sleep(0.02)
    assert alive(mark)
    coordinator.send_signal(signal.SIGKILL)
    coordinator.wait()
    deadline = time.monotonic() + 1
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(mark)
    left = [path for path in (tmp_path / "scratch" / "sessions").iterdir() if path.is_dir()]
    groups = [Path(line) for one in left if (one / "groups").exists() for line in (one / "groups").read_text().split()]
    assert left
    assert bool(groups) == (isolation == "T3")
    Lab(tmp_path, "T0").executor.close()
    assert not [path for path in (*left, *groups) if path.exists()]


def test_where_nothing_works_the_remedy_is_named() -> None:
    with pytest.raises(ExecutionError, match=r"(?s)cannot be isolated here \(T2 with .*apparmor_restrict"):
        choose("T2", ["--ro-bind", "/no/such/place", "/x"], ["true"], grouped=False)
