"""Control groups of our own, version 1 or 2: the CPU time, memory and number of tasks of a whole process tree.

Groups are made below the one this process is in, so that a limit on the lab is a limit on its trials.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

PREFIX = "holdfast-"
CPU_V1, MEMORY_V1, TASKS_V1 = "cpuacct", "memory", "pids"


class Group(msgspec.Struct, frozen=True):
    """One control group: a directory per controller (version 1), or a single one (version 2).

    `memory` and `tasks` are None where that controller is not ours to use; the CPU time always is.
    """

    cpu: Path
    memory: Path | None
    tasks: Path | None
    version: int

    def add(self, pid: int) -> None:
        """Move process `pid` in; what it starts from now on is in as well."""
        for directory in self.directories():
            (directory / "cgroup.procs").write_text(str(pid))

    def cpu_seconds(self) -> float:
        """CPU time of everything that ever ran in the group, dead or alive."""
        if self.version == 1:
            return int((self.cpu / "cpuacct.usage").read_text()) / 1e9
        return _field(self.cpu / "cpu.stat", "usage_usec") / 1e6

    def limit(self, memory_bytes: int, tasks: int) -> None:
        """Cap memory (tmpfs and page cache included) and the number of processes and threads, where we can."""
        if self.memory:
            names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if self.version == 1 else ("memory.max",)
            for name in names:
                if (self.memory / name).exists():
                    (self.memory / name).write_text(str(memory_bytes))
            if self.version == 2 and (self.memory / "memory.swap.max").exists():
                (self.memory / "memory.swap.max").write_text("0")
        if self.tasks:
            (self.tasks / "pids.max").write_text(str(tasks))

    def forget_peak(self) -> None:
        """Let `peak_bytes` count from now, where the kernel can do that."""
        if self.memory and self.version == 1:
            (self.memory / "memory.max_usage_in_bytes").write_text("0")

    def peak_bytes(self) -> int:
        """The most memory the group has held since `forget_peak`; 0 where that is not counted.

        It is not in version 2, whose peak is that of all trials of a slot together.
        """
        if not self.memory or self.version != 1:
            return 0
        return int((self.memory / "memory.max_usage_in_bytes").read_text())

    def memory_kills(self) -> int:
        """How many processes the kernel has killed for want of memory, ever."""
        if not self.memory:
            return 0
        return _field(self.memory / ("memory.oom_control" if self.version == 1 else "memory.events"), "oom_kill")

    def directories(self) -> list[Path]:
        """The group's directories, one per hierarchy."""
        return sorted({path for path in (self.cpu, self.memory, self.tasks) if path})


def clear(directory: Path) -> None:
    """Kill what is left in a group's directory and remove it; one that is gone or still busy is left."""
    with contextlib.suppress(OSError):
        for _ in range(200):
            pids = (directory / "cgroup.procs").read_text().split()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            if not pids:
                break
            time.sleep(0.005)
        directory.rmdir()


def name_for(owner: str) -> str:
    """The name of a group of this process, by which `clear_dead` knows whose it is."""
    return f"{PREFIX}{os.getpid()}-{owner}"


def clear_dead(places: Mapping[str, Path]) -> None:
    """Remove the groups at `places` whose makers are dead."""
    for place in set(places.values()):
        for directory in place.glob(f"{PREFIX}*"):
            pid = directory.name.removeprefix(PREFIX).partition("-")[0]
            if not Path(f"/proc/{pid}").exists():
                clear(directory)


def own(cgroups: str, mounts: str) -> Mapping[str, Path]:
    """Where this process is in each hierarchy: controller (or "" for version 2) to directory.

    Pure: takes the text of `/proc/self/cgroup` and `/proc/self/mountinfo`.
    """
    roots: dict[str, tuple[str, str]] = {}
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        inner, point = left.split()[3:5]
        if kind == "cgroup2":
            roots[""] = inner, point
        elif kind == "cgroup":
            roots.update(dict.fromkeys(options.split(","), (inner, point)))
    places = {}
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in roots:
                inner, point = roots[controller]
                relative = os.path.relpath(path, inner)
                places[controller] = Path(point) / ("" if relative.startswith("..") else relative)
    return places


def create(name: str, places: Mapping[str, Path]) -> Group | None:
    """Make the group `name` below our own in every hierarchy that lets us; None where CPU time cannot be counted."""
    if CPU_V1 in places and _make(places[CPU_V1] / name):
        memory, tasks = (places[c] / name if c in places and _make(places[c] / name) else None
                         for c in (MEMORY_V1, TASKS_V1))  # fmt: skip
        return Group(places[CPU_V1] / name, memory, tasks, version=1)
    if "" in places and _make(places[""] / name):
        parent, group = places[""], places[""] / name
        for controller in ("memory", "pids"):
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")
        return Group(
            group,
            group if (group / "memory.max").exists() else None,
            group if (group / "pids.max").exists() else None,
            version=2,
        )
    return None


def _make(directory: Path) -> bool:
    try:
        directory.mkdir(exist_ok=True)
        with open(directory / "cgroup.procs", "a"):
            return True
    except OSError:
        return False


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
