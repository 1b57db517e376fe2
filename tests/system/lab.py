"""A real lab in a directory: the real command line, real processes, a real git repository and ledger."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parents[1] / "fixtures"


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class RealLab:
    """`pi` is a copy of the fixture problem outside any git repository; `home` the lab's home."""

    root: Path

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.pi = self.root / "pi"
        if not self.pi.exists():
            shutil.copytree(FIXTURES / "pi", self.pi)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "holdfast", *arguments, "--home", str(self.home)]

    def do(self, *arguments: str, timeout: float = 120, **environment: str) -> Result:
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.root,
            env={**os.environ, **environment},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, timeout: float = 120) -> str:
        result = self.do(*arguments, timeout=timeout)
        assert result.code == 0, result.err
        return result.out

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.root
        )

    def show(self) -> dict:
        return json.loads(self.ok("show", "--json"))

    def records(self) -> list[dict]:
        return [json.loads(line) for line in self.ok("log", "--json").splitlines()]

    def trunk(self) -> str:
        repository = next((self.home / "repos").glob("*.git"))
        refs = subprocess.run(
            ["git", "-C", str(repository), "for-each-ref", "--format=%(objectname)", "refs/heads/holdfast/"],
            capture_output=True,
            text=True,
            check=True,
        )
        return refs.stdout.split()[-1]


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9, as a power cut would do to the coordinator alone."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def survivors(marker: str, within: float = 1.0) -> list[str]:
    """Command lines of processes that name `marker` and still live `within` seconds from now."""
    deadline = time.monotonic() + within
    while found := _processes(marker):
        if time.monotonic() > deadline:
            return found
        time.sleep(0.02)
    return []


def _processes(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found
