"""Runs inside the sandbox: drop privileges, preload modules, wait for "go", then become the command.

Self-contained on purpose: this file alone is mounted in the sandbox, next to nothing else of Holdfast, and it imports
as little as it can (each import is start-up time of every trial). It speaks with its parent over one socket:

    runner  hello                  the kernel adds our process id, by which the parent finds us
    parent  plan (marshal)         who to be, what to limit, what to preload, what to run
    runner  ready, or fault: why
    parent  go                     a trial: the socket is closed on both sides, the command runs, nothing comes back
    parent  {"command": ...}       a judge: one JSON line per request, answered by one JSON line, each run in a fork
"""

from __future__ import annotations

import marshal
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # spares the import of typing
    from collections.abc import Sequence
    from types import CodeType, TracebackType
    from typing import Any

STDOUT_KEPT = 65_536
STDERR_KEPT = 2_000


def become(plan: dict[str, Any]) -> None:
    """Give up privileges for good and take on the limits, before anything of the environment is imported."""
    os.setsid()  # out of the process group of process 1, which is not to hear what we say to our own
    if plan["uid"] is not None:
        os.setgroups([])
        os.setresgid(plan["uid"], plan["uid"], plan["uid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    for limit, value in plan["rlimits"]:
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def preload(names: Sequence[str], threads: int) -> None:
    """Import what the clock is not to count; the command's own directory is not on the path yet.

    What is imported here is also not collected and torn down on the clock: collections pass over it, and the process
    ends without the destructors of its libraries (0.35 of the 0.4 CPU seconds that torch takes to leave).
    """
    if not names:
        return
    import ctypes
    import gc

    for name in names:
        __import__(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    gc.collect()
    gc.freeze()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc; what is registered last runs first
        libc.on_exit(libc._exit, None)
        libc.on_exit(libc.fcloseall, None)


def confine(program: bytes, number: int) -> None:
    """Install the seccomp filter `program` on all threads, with no way back; `number` is the system call's."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    mode_filter, on_all_threads, no_new_privs = 1, 1, 38
    libc.prctl(no_new_privs, 1, 0, 0, 0)
    filter_ = Program(len(program) // 8, program)
    if libc.syscall(number, mode_filter, on_all_threads, ctypes.byref(filter_)) != 0:
        raise OSError(ctypes.get_errno(), "the seccomp filter could not be installed")


def receive(control: int, size: int) -> bytes:
    """Read exactly `size` bytes; leaves when the parent is gone."""
    data = b""
    while len(data) < size:
        part = os.read(control, size - len(data))
        if not part:
            os._exit(70)
        data += part
    return data


def prepare(control: int) -> dict[str, Any]:
    """Take the plan and carry it out up to the point where the command can start; returns the plan."""
    os.write(control, b"hello")
    plan = marshal.loads(receive(control, int.from_bytes(receive(control, 4), "big")))
    try:
        become(plan)
        preload(plan["preload"], plan["threads"])
        os.chdir(plan["cwd"])  # not before: modules may read files of where they are imported
        if plan["filter"]:
            confine(plan["filter"], plan["seccomp"])
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        os.write(control, f"fault: {type(error).__name__}: {error}".encode()[:2000])
        os._exit(71)
    os.write(control, b"ready")
    return dict(plan)


def wait_for_go(control: int, plan: dict[str, Any]) -> list[str]:
    """Return the command once the parent says so; from then on the parent cannot be reached any more."""
    receive(control, 2)
    os.close(control)
    return list(plan["command"])


def serve(control: int) -> list[str]:
    """Answer requests, each in a fork of this process; returns only in the forks, with the command to run."""
    import json

    with os.fdopen(control, "r+b", buffering=0) as line_by_line:
        for line in line_by_line:
            request = json.loads(line)
            out, out_end = os.pipe()
            errors, errors_end = os.pipe()
            child = os.fork()
            if child == 0:
                line_by_line.close()
                os.setpgid(0, 0)
                os.dup2(out_end, 1)
                os.dup2(errors_end, 2)
                for number in (out, errors, out_end, errors_end):
                    os.close(number)
                os.chdir(request["cwd"])
                os.environ.update(request["env"])
                return list(request["command"])
            os.close(out_end)
            os.close(errors_end)
            answer = attend(child, out, errors, request["seconds"])
            line_by_line.write(json.dumps(answer).encode() + b"\n")
    os._exit(0)


def attend(child: int, out: int, errors: int, seconds: float) -> dict[str, Any]:
    """Watch over one fork until it ends or its time is up; returns its exit code and the ends of its output."""
    import contextlib
    import select
    import signal
    import time

    kept = {out: b"", errors: b""}
    poller = select.poll()
    for number in kept:
        poller.register(number)
    deadline, late, open_ends = time.monotonic() + seconds, False, 2
    while open_ends and not late:
        for number, _ in poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            part = os.read(number, 65_536)
            kept[number] = (kept[number] + part)[-STDOUT_KEPT:]
            if not part:
                poller.unregister(number)
                open_ends -= 1
        late = time.monotonic() >= deadline
    if not late:
        late = not ends_before(child, deadline)
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(out)
    os.close(errors)
    return {
        "code": code,
        "late": late,
        "stdout": kept[out].decode("utf-8", "replace"),
        "stderr": kept[errors].decode("utf-8", "replace")[-STDERR_KEPT:],
    }


def ends_before(child: int, deadline: float) -> bool:
    """Wait for a child that has closed its output to end as well, leaving its status to be collected."""
    import time

    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.002)
    return True


def runs_in_process(command: Sequence[str]) -> bool:
    """Whether the runner itself becomes the program, with what it has preloaded: for `python x.py ...` only."""
    return command[0] in ("python", "python3") and len(command) > 1 and not command[1].startswith("-")


def load(command: Sequence[str]) -> tuple[CodeType, dict[str, Any]]:
    """The code of `python x.py ...` with the namespace to run it in; any other command replaces this process."""
    if not runs_in_process(command):
        try:
            os.execvp(command[0], list(command))
        except OSError as error:
            os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
            os._exit(127)
    path = os.path.abspath(command[1])
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        os.write(2, f"cannot open {command[1]}: {error.strerror}\n".encode())
        os._exit(2)
    main = type(sys)("__main__")
    main.__dict__.update(__file__=path, __builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = main
    sys.argv = list(command[1:])
    sys.path.insert(0, os.path.dirname(path))
    sys.excepthook = show
    return compile(source, path, "exec", dont_inherit=True), main.__dict__


def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback that begins in the program, not here."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def guard() -> None:
    """Stand over the command where no namespace does: returns in a child; here, kill all that is left and follow it.

    The best that can be done without privileges: whoever loses its parent becomes ours, and our parent's death is
    told to us. A command that sets out to kill its guard gets away.
    """
    import ctypes
    import signal

    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        adopt_orphans, tell_parents_death = 36, 1
        libc.prctl(adopt_orphans, 1, 0, 0, 0)
        libc.prctl(tell_parents_death, signal.SIGTERM, 0, 0, 0)
    child = os.fork()
    if child == 0:
        return
    os.close(int(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: kill_all(143))
    kill_all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def kill_all(code: int) -> None:
    """Kill every descendant, down to those that are started meanwhile, and leave with `code`."""
    try:
        while True:
            with open(f"/proc/self/task/{os.getpid()}/children") as children:
                for pid in children.read().split():
                    os.kill(int(pid), 9)
            os.waitpid(-1, 0)
    except OSError:  # no child is left, or /proc is not there to name them
        os._exit(code if code >= 0 else 128 - code)


def begin() -> tuple[CodeType, dict[str, Any]]:
    """Everything before the command's first instruction."""
    control = int(sys.argv[1])
    if sys.argv[2:] == ["guarded"]:
        guard()
    sys.path[:] = [place for place in sys.path if place != os.path.dirname(os.path.abspath(__file__))]
    plan = prepare(control)
    return load(serve(control) if plan["serve"] else wait_for_go(control, plan))


if __name__ == "__main__":
    exec(*begin())
