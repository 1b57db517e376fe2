"""One confined process tree, from the start of its runner to the death of its last process."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

START_SECONDS = 120.0
DEATH_SECONDS = 20.0
ANSWER_BYTES = 1_000_000


class CellError(Exception):
    """A confined process could not be started or led to where its command begins; says why."""


class Unanswered(CellError):  # noqa: N818 - what became of a request
    """A request reached the serving runner and no answer came back."""


class Plan(msgspec.Struct, frozen=True):
    """What the runner does before the command: who it becomes, its limits, its filter and what it preloads.

    `uid` None keeps the user; `rlimits` are pairs of a `resource` constant and a value; `filter` is a seccomp
    program and `seccomp` the system call's number; with `serve` the runner answers requests instead of `command`.
    """

    command: tuple[str, ...]
    cwd: str
    uid: int | None = None
    rlimits: tuple[tuple[int, int], ...] = ()
    preload: tuple[str, ...] = ()
    threads: int = 1
    filter: bytes = b""
    seccomp: int = 0
    serve: bool = False


class Cell:
    """A runner behind `argv` (a sandbox's command line up to the runner's arguments), with its tree under control.

    The calling thread must outlive the cell: when it ends, so does the cell. `pid` is the runner's, which becomes the
    command; `init` is process 1 of its process namespace, whose death is the death of all, or else the runner's guard.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None, namespaced: bool = True) -> None:
        self._control, theirs = socket.socketpair()
        if sys.platform == "linux":
            self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._control.settimeout(START_SECONDS)
        guarded = () if namespaced else ("guarded",)
        with theirs:
            self.process = self._launch([*argv, str(theirs.fileno()), *guarded], env, theirs.fileno())
        self._namespaced = namespaced
        self._lines: Any = None
        self._handles: dict[int, int] = {}
        self.pid = self.init = self.process.pid
        try:
            self.pid = self._greeting()
            self._hold(self.pid)
            self.init = _parent(self.pid) if namespaced else self.process.pid
            self._hold(self.init)
        except BaseException:
            self.close()
            raise

    def prepare(self, plan: Plan) -> None:
        """Have the runner carry out `plan` up to the command; raises `CellError` with what went wrong."""
        body = marshal.dumps(msgspec.structs.asdict(plan), 2)
        answer = self._exchange(len(body).to_bytes(4, "big") + body)
        if answer != b"ready":
            raise CellError(answer.decode("utf-8", "replace").removeprefix("fault: ") or self._last_words())

    def go(self) -> None:
        """Let the command start; nothing can be said to the runner after it."""
        self._control.sendall(b"go")
        self._control.close()

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """One request to a serving runner and its answer.

        Raises `CellError` when it cannot be sent, and `Unanswered` when no answer comes in `seconds`.
        """
        self._control.settimeout(seconds)
        try:
            self._control.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise CellError(f"the serving process is gone: {error}") from error
        try:
            self._lines = self._lines or self._control.makefile("rb")
            line = self._lines.readline(ANSWER_BYTES)
        except OSError as error:
            raise Unanswered(f"no answer: {error}") from error
        if not line.endswith(b"\n"):
            raise Unanswered("the serving process died")
        return dict(json.loads(line))

    def ended(self) -> int:
        """A descriptor that becomes readable when the command has ended, all its threads included."""
        return self._handles[self.pid]

    def freeze_init(self) -> None:
        """Keep process 1 from reaping, so that the ended command can still be asked for its CPU time.

        Returns once it has stopped: until it gets a core to do so, it would still reap. Raises `CellError`.
        """
        self._signal(self.init, signal.SIGSTOP)
        deadline = time.monotonic() + START_SECONDS
        while _status(self.init)[0] != "T":
            if time.monotonic() > deadline:
                raise CellError("process 1 of the sandbox does not stop")
            time.sleep(0.0002)

    def finish(self) -> int:
        """Collect the exit code of an ended command (128 + n for signal n) and kill what it left behind."""
        self._signal(self.init, signal.SIGCONT)
        try:
            code = self.process.wait(DEATH_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CellError("the sandbox did not end with its command") from error
        finally:
            self.kill()
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        """Kill the whole tree and wait until its last process is dead; idempotent."""
        if self._namespaced:
            self._signal(self.init, signal.SIGKILL)
            self.process.kill()
        else:
            self.process.terminate()  # the guard then kills what it guards
        try:
            self.process.wait(DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for handle in self._handles.values():
            select.select([handle], [], [], DEATH_SECONDS)

    def close(self) -> None:
        """Kill the tree and free what we hold of it; idempotent."""
        self.kill()
        while self._handles:
            os.close(self._handles.popitem()[1])
        for stream in (self._lines, self._control, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _launch(self, line: Sequence[str], env: Mapping[str, str] | None, keep: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[keep],
                # Nothing of ours: process 1 of the sandbox keeps what it got where the sandboxed could read it.
                env=dict(env or {}),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the lab, which decides what to do with its trials
            )
        except OSError as error:
            self._control.close()
            raise CellError(f"{line[0]} cannot be started: {error}") from error

    def _greeting(self) -> int:
        try:
            data, extra, _, _ = self._control.recvmsg(5, socket.CMSG_SPACE(12))
        except OSError as error:
            raise CellError(f"the sandbox did not start: {error}") from error
        if data != b"hello":
            raise CellError(self._last_words())
        for level, kind, body in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                return int(struct.unpack("3i", body[:12])[0])
        return self.process.pid

    def _exchange(self, message: bytes) -> bytes:
        try:
            self._control.sendall(message)
            return self._control.recv(4096)
        except OSError as error:
            raise CellError(f"the runner did not answer: {error}") from error

    def _last_words(self) -> str:
        self.kill()
        said = self.process.stderr.read() if self.process.stderr else b""
        return said.decode("utf-8", "replace").strip()[-500:] or f"it ended with code {self.process.returncode}"

    def _hold(self, pid: int) -> None:
        self._handles[pid] = os.pidfd_open(pid)

    def _signal(self, pid: int, number: signal.Signals) -> None:
        if pid in self._handles:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handles[pid], number)


def descendants(root: int) -> list[int]:
    """The process ids below `root`, as far as they can be seen now."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                below = [int(child) for child in children.read_text().split()]
                found += below
                waiting += below
    return found


def _parent(pid: int) -> int:
    return int(_status(pid)[1])


def _status(pid: int) -> list[str]:
    """The fields of a process's state, from the third on: its state, its parent, and so forth (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
