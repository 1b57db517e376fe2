"""A trial that takes more than it may is stopped, all of it, at the cost of its own slot only."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.execution.conftest import MODES, Lab

DAEMON = """
    import os, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in (1, 2):
            os.close(number)
        open('/dev/shm/started', 'w')
        os.execvp('sleep', ['sleep', '{mark}'])
    while not os.path.exists('/dev/shm/started'):
        time.sleep(0.01)
"""


def alive(mark: str) -> bool:
    """Whether some process is `sleep mark`."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == f"sleep\0{mark}\0".encode():
                return True
        except OSError:
            continue
    return False


def test_cpu_limit(lab) -> None:
    for isolation, grouped in MODES.values():
        trial = lab(isolation=isolation, grouped=grouped, seconds=0.4).run("while True: pass")
        assert (trial.outcome, trial.detail, trial.score) == ("timeout", "CPU limit of 0.4 s", None)
        assert 0.4 <= trial.cpu_seconds < 0.7


def test_wall_limit_takes_daemons_along(lab) -> None:
    for number, (isolation, grouped) in enumerate(MODES.values()):
        mark = f"98765.{number}"
        one = lab(isolation=isolation, grouped=grouped, seconds=0.3, processes=4)
        one.submit(one.request(DAEMON.replace("{mark}", mark) + "    time.sleep(60)\n"))
        started = time.monotonic()
        while not alive(mark) and time.monotonic() - started < 5:
            time.sleep(0.01)
        assert alive(mark)
        [trial] = one.results(1)
        assert trial.outcome == "timeout"
        assert not alive(mark)


def test_daemons_end_with_the_command(family: Lab) -> None:
    mark = f"87654.{family.executor.tier[1]}"
    assert family.run(DAEMON.replace("{mark}", mark)).outcome == "ok"
    assert not alive(mark)


def test_signals_cannot_be_ignored(lab) -> None:
    code = """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            pass
    """
    assert lab(seconds=0.3).run(code).outcome == "timeout"


def test_losing_over_stops_a_loser_and_only_a_loser(box: Lab) -> None:
    slow = "import time\nwhile time.process_time() < 5: pass"
    trial = box.run(slow, losing_over=0.3)
    assert (trial.outcome, trial.detail, trial.score) == ("timeout", "stopped: can no longer win", None)
    assert 0.3 <= trial.cpu_seconds < 0.6
    assert box.run("pass", losing_over=0.3).outcome == "ok"


def test_memory_in_one_process(box: Lab) -> None:
    trial = box.run("x = bytearray(600_000_000); print(len(x))")
    assert trial.outcome == "crashed"
    assert "MemoryError" in trial.detail or "memory limit of 400" in trial.detail
    assert box.run("x = bytearray(200_000_000)").outcome == "ok"


def test_memory_in_many_processes(family: Lab) -> None:
    trial = family.run(
        """
        import os, time
        for _ in range(3):
            if os.fork() == 0:
                x = bytearray(250_000_000)
                time.sleep(5)
                os._exit(0)
        if any(os.wait()[1] for _ in range(3)):
            raise SystemExit(1)
        """
    )
    assert trial.outcome == "crashed"
    assert trial.wall_seconds < 4


def test_memory_in_shared_mappings(box: Lab) -> None:
    trial = box.run(
        """
        import mmap, time
        shared = mmap.mmap(-1, 600_000_000)
        for place in range(0, len(shared), 4096):
            shared[place] = 1
        time.sleep(1)
        """
    )
    assert trial.outcome == "crashed"
    assert "memory limit of 400" in trial.detail


def test_memory_that_no_process_shows(lab) -> None:
    one = lab(isolation="T2", grouped=False)
    for call in ("os.memfd_create('m')", "libc.syscall(447, 0)", "libc.shmget(0, 100_000_000, 0o1600)"):
        code = f"import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)\ntry: found = {call}, ctypes.get_errno()"
        assert one.printed(code + "\nexcept PermissionError: found = -1, 1\nprint(*found)") == "-1 1\n", call


def test_memory_is_told_whole_and_of_this_trial_only(lab) -> None:
    """What was preloaded came before the trial was in its control group, and a group remembers earlier trials."""
    for isolation, grouped in MODES.values():
        one = lab(isolation=isolation, grouped=grouped, packages=("numpy",), preload=("numpy",))
        code = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)"
        big = one.run("x = bytearray(200_000_000)")
        trial = one.run(code)
        held = float(one.log(trial).splitlines()[1])
        assert big.memory_mb > 200 or not grouped
        assert 0.8 * held < trial.memory_mb < 150


def test_disk_is_finite_wherever_it_can_be_written(box: Lab) -> None:
    for place in ("/trial/out", "/tmp", "/dev/shm"):
        trial = box.run(
            f"""
            for name in range(1000):
                with open(f"{place}/{{name}}", "wb") as file:
                    file.write(bytes(1_000_000))
            """
        )
        assert trial.outcome == "crashed", place
        assert "No space" in trial.detail or "disk limit of 8 MB" in trial.detail


def test_disk_spread_over_places_is_counted_together(box: Lab) -> None:
    code = """
        import time
        for place in ("/trial/out", "/tmp", "/dev/shm"):
            with open(f"{place}/half", "wb") as file:
                file.write(bytes(5_000_000))
        time.sleep(2)
    """
    trial = box.run(code)
    assert trial.outcome == "crashed"
    assert trial.detail.startswith("disk limit of 8 MB")


def test_number_of_files_is_finite(box: Lab) -> None:
    trial = box.run("import itertools\nfor n in itertools.count(): open(f'/trial/out/{n}', 'w').close()")
    assert trial.outcome == "crashed"
    assert "20000 files" in trial.detail or "No space" in trial.detail


def test_output_flood(box: Lab) -> None:
    for stream in ("1", "2"):
        trial = box.run(f"import os\nwhile True: os.write({stream}, b'x' * 65536)")
        assert (trial.outcome, trial.detail) == ("crashed", "output limit of 8 MB")
        assert len(box.log(trial)) < 20_000


def test_no_process_where_one_is_allowed(box: Lab) -> None:
    for start in ("os.fork()", "os.posix_spawn('/bin/true', ['true'], {})", "os.execv('/bin/true', ['true'])",
                  "__import__('subprocess').run(['true'])"):  # fmt: skip
        trial = box.run(f"import os; {start}")
        assert trial.outcome == "crashed", start
        assert "not permitted" in trial.detail
    threads = "import threading; t = threading.Thread(target=print, args=('threads are fine',)); t.start(); t.join()"
    assert box.printed(threads) == "threads are fine\n"


def test_fork_bomb(family: Lab) -> None:
    trial = family.run(
        """
        import os, time
        started = 0
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
                started += 1
        except OSError:
            print(started)
        """
    )
    if trial.outcome == "ok":
        assert int(family.log(trial).split()[2]) <= 4 * 32
    else:  # the kernel does not limit what root starts, so there the watch does
        assert (trial.outcome, trial.detail) == ("crashed", "limit of 128 processes")


def test_neighbour_is_not_harmed(lab) -> None:
    one = lab(slots=2, seconds=0.5)
    for number in range(3):
        one.submit(one.request("while True: pass", id=f"hang{number}"))
        one.submit(one.request("sum(range(10**6))", id=f"fine{number}"))
    outcomes = {trial.id: trial.outcome for trial in one.results(6)}
    assert outcomes == {f"hang{n}": "timeout" for n in range(3)} | {f"fine{n}": "ok" for n in range(3)}


def test_a_crowded_core_is_not_held_against_a_trial(lab) -> None:
    one = lab(slots=2 * len(os.sched_getaffinity(0)) + 2, seconds=1.0)
    code = "import time\nwhile time.process_time() < 0.6: pass"
    requests = [one.request(code, id=f"crowded{number}") for number in range(one.executor.slots)]
    for request in requests:
        one.submit(request)
    trials = one.results(len(requests))
    assert {trial.outcome for trial in trials} == {"ok"}
    assert max(trial.wall_seconds for trial in trials) > 1.2
