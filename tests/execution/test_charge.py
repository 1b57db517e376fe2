"""CPU time is charged whoever burns it, from "go" to death."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.problem import Limits
from holdfast.execution.charge import Meter, process_clock, process_tree
from holdfast.execution.sandbox import cgroup
from holdfast.execution.sandbox.cell import Cell, Plan
from holdfast.execution.sandbox.view import RUNNER_FILE
from holdfast.execution.verdict import ending
from holdfast.execution.watch import Bounds, Watch
from tests.execution.conftest import Lab

BURN = """
import os, signal, sys, time
def burn(seconds=0.5):
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass
"""
HIDDEN_BURNERS = {
    "a child that is waited for": "if os.fork() == 0: burn(); os._exit(0)\nos.wait()",
    "a child nobody waits for": "if os.fork() == 0: burn(); open('/tmp/done', 'w'); os._exit(0)\n{wait}",
    "ended children are not even noticed": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    "if os.fork() == 0: burn(); open('/tmp/done', 'w'); os._exit(0)\n{wait}",
    "a daemon": "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork(): os._exit(0)\n"
    "    burn(); open('/tmp/done', 'w'); os._exit(0)\n{wait}",
    "the main process steps aside": "if os.fork() == 0: burn(); open('/tmp/done', 'w'); time.sleep(60)\n"
    "{wait}\nos._exit(0)",
}
WAIT = "while not os.path.exists('/tmp/done'): time.sleep(0.01)"


@pytest.mark.parametrize("code", HIDDEN_BURNERS.values(), ids=HIDDEN_BURNERS.keys())
def test_nobody_burns_for_free(family: Lab, code: str) -> None:
    trial = family.run(BURN + code.replace("{wait}", WAIT))
    assert trial.outcome == "ok", trial.detail
    assert trial.cpu_seconds >= 0.45
    assert trial.cpu_seconds <= max(0.8, trial.wall_seconds + 0.01)


def test_threads_and_exit_handlers_are_charged(box: Lab) -> None:
    trial = box.run(
        BURN
        + """
import atexit, threading
atexit.register(burn, 0.2)
threading.Thread(target=lambda: [hash(n) for n in range(3_000_000)]).start()
"""
    )
    assert trial.outcome == "ok"
    assert 0.25 < trial.cpu_seconds < 1.5


def test_waiting_is_free_where_the_clock_is_exact(box: Lab) -> None:
    trial = box.run("import time; time.sleep(0.5)")
    assert trial.cpu_seconds < 0.1
    assert trial.wall_seconds >= 0.5


def test_an_exact_clock_sees_the_last_moment(box: Lab) -> None:
    trial = box.run(BURN + "burn(0.3)")
    assert 0.3 <= trial.cpu_seconds < 0.36


LET_GO = """
import fcntl, os, signal, time
def let_go():
    {way}
    end = time.process_time() + 0.05
    while time.process_time() < end: pass
let_go()
"""
WAYS = {
    "its process group": "signal.signal(18, signal.SIG_IGN); os.kill(0, 18)",
    "a pipe that sends signals": "read, write = os.pipe(); fcntl.fcntl(read, fcntl.F_SETSIG, 18); "
    "fcntl.fcntl(read, fcntl.F_SETOWN, 1); "
    "fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | os.O_ASYNC); os.write(write, b'x')",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_who_has_process_1_collect_early_gets_no_score(box: Lab, way: str) -> None:
    """The kernel answers some requests to signal process 1 that no filter can see: then the missing clock tells."""
    for _ in range(3):
        trial = box.run(LET_GO.replace("{way}", way))
        assert trial.outcome in ("ok", "tampered"), (trial.detail, box.log(trial))
        assert trial.score is None or trial.score >= 0.045


def test_a_clock_that_is_gone_at_the_end_is_tampering() -> None:
    readings = iter((0.0, 0.25))

    def read() -> float:
        for value in readings:
            return value
        raise ProcessLookupError

    cell = Cell([sys.executable, "-s", "-B", str(RUNNER_FILE)], namespaced=False)
    try:
        cell.prepare(Plan(("true",), "/"))
        course = Watch(cell, Meter(read), Bounds(9, 9, 10**6), (), lambda: False).run(exact_end=True)
    finally:
        cell.close()
    assert (course.code, course.cpu_seconds, course.stopped) == (0, 0.25, "")
    assert ending(course, Limits(), starved=False)[0] == "tampered"


def test_a_crowd_of_short_trials_is_charged_each(lab) -> None:
    """Process 1 of each must have stopped, not only have been told to, before its command may end."""
    one = lab(isolation="T2", grouped=False, slots=6)
    requests = [one.request("import os; os._exit(0)", id=f"short{number}") for number in range(100)]
    for request in requests:
        one.submit(request)
    trials = one.results(len(requests))
    assert {trial.outcome for trial in trials} == {"ok"}
    assert min(trial.cpu_seconds for trial in trials) > 0.0005


def test_what_comes_before_go_is_not_charged(lab) -> None:
    for grouped in (True, False):
        trial = lab(packages=("numpy",), preload=("numpy",), grouped=grouped).run("import numpy")
        assert trial.outcome == "ok", trial.detail
        assert trial.cpu_seconds < 0.06


@given(st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=6), min_size=1, max_size=3))
def test_a_meter_never_falls_and_is_the_largest_source(readings: list[list[float]]) -> None:
    feeds = [iter(values) for values in readings]
    last = [0.0] * len(readings)

    def source(index: int):
        def read() -> float:
            try:
                last[index] = next(feeds[index])
            except StopIteration:
                raise ProcessLookupError from None
            return last[index]

        return read

    meter = Meter(*(source(index) for index in range(len(readings))))
    meter.go()
    starts = list(last)
    before = 0.0
    for _ in range(7):
        spent = meter.spent()
        assert spent >= before
        before = spent
    best = max(max(values) - start for values, start in zip(readings, starts, strict=True))
    assert before == max(0.0, best)


def test_a_dead_process_can_be_asked_until_it_is_collected() -> None:
    child = subprocess.Popen([sys.executable, "-c", BURN + "burn(0.1)"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    read = process_clock(child.pid)
    assert 0.1 <= read() < 1
    child.wait()
    with pytest.raises(OSError, match=r".*"):
        read()


def test_a_tree_remembers_its_dead() -> None:
    code = BURN + "if os.fork() == 0: burn(0.2); time.sleep(0.5); os._exit(0)\ntime.sleep(1)"
    child = subprocess.Popen([sys.executable, "-c", code])
    read, seen = process_tree(os.getpid()), 0.0
    while child.poll() is None:
        now = read()
        assert now >= seen - 1e-9
        seen = now
        time.sleep(0.02)
    assert read() >= 0.19


def places() -> dict[str, dict[str, Path]]:
    """Each version of control groups that can be used here."""
    own = cgroup.own(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    versions = {"1": {name: path for name, path in own.items() if name}, "2": {"": own[""]} if "" in own else {}}
    name = f"holdfast-test-{os.getpid()}"
    usable = {}
    for version, found in versions.items():
        group = cgroup.create(name, found)
        if group:
            usable[version] = found
            for directory in group.directories():
                cgroup.clear(directory)
    return usable


@pytest.mark.parametrize("version", places())
def test_a_group_charges_limits_and_kills(version: str) -> None:
    group = cgroup.create(f"holdfast-test-{os.getpid()}", places()[version])
    assert group is not None
    assert group.version == int(version)
    code = "import sys; sys.stdin.read(1)\n" + BURN + "if os.fork() == 0: burn(0.3); time.sleep(60)\ntime.sleep(0.1)"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    group.limit(100_000_000, 64)
    group.add(child.pid)
    group.forget_peak()
    assert child.stdin
    child.stdin.write(b"x")
    child.stdin.close()
    child.wait()
    deadline = time.monotonic() + 10
    while group.cpu_seconds() < 0.3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert group.cpu_seconds() >= 0.3
    assert group.memory_kills() == 0
    assert (group.peak_bytes() > 0) == (group.memory is not None and group.version == 1)
    for directory in group.directories():
        cgroup.clear(directory)
    assert not any(directory.exists() for directory in group.directories())


@pytest.mark.parametrize("version", places())
def test_groups_of_the_dead_are_removed(version: str) -> None:
    found = places()[version]
    dead = subprocess.Popen(["true"])
    dead.wait()
    theirs = cgroup.create(f"holdfast-{dead.pid}-x-0", found)
    ours = cgroup.create(cgroup.name_for("x-0"), found)
    assert theirs
    assert ours
    cgroup.clear_dead(found)
    assert not any(directory.exists() for directory in theirs.directories())
    assert all(directory.exists() for directory in ours.directories())
    for directory in ours.directories():
        cgroup.clear(directory)


def test_where_we_are_in_the_groups() -> None:
    version_1 = cgroup.own(
        "5:memory:/user/me\n4:cpu,cpuacct:/user\n1:name=systemd:/x\n0::/\n",
        "36 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
        "37 25 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
        "29 1 8:1 / / rw - ext4 /dev/sda rw\n",
    )
    assert version_1["cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct/user")
    assert version_1["memory"] == Path("/sys/fs/cgroup/memory/user/me")
    assert "" not in version_1
    version_2 = cgroup.own(
        "0::/user.slice/app.scope\n", "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    assert version_2 == {"": Path("/sys/fs/cgroup/user.slice/app.scope")}
    in_docker = cgroup.own(
        "0::/docker/abc/sub\n", "30 24 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
    )
    assert in_docker == {"": Path("/sys/fs/cgroup/sub")}
