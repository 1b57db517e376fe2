"""What all slots of an executor share: the problem, its places on disk, and how a cell is built for it."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

import msgspec

from holdfast.core.problem import ProblemSpec
from holdfast.execution.sandbox import bubblewrap, cgroup, seccomp
from holdfast.execution.sandbox.bubblewrap import MB, Mounts
from holdfast.execution.sandbox.cell import Cell, Plan
from holdfast.execution.sandbox.tiers import FIRST_UID, Isolation, choose, tasks
from holdfast.execution.sandbox.view import RUNNER, RUNNER_FILE, View, look
from holdfast.execution.session import Session

NAMED_SLOTS = 64
OPEN_FILES = 4096
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Places(msgspec.Struct, frozen=True):
    """Directories of one problem on this machine, and the interpreter its trials run on.

    `data` holds one directory per split; `grader` is the judge's; `scratch` is the executor's to fill and to empty.
    """

    data: Path
    grader: Path
    scratch: Path
    interpreter: str


class Bench:
    """Builds the cells of one problem. Raises `ExecutionError` where its isolation or its packages are missing."""

    def __init__(self, spec: ProblemSpec, places: Places, isolation: str, grouped: bool) -> None:
        self.spec, self.places = spec, places
        self.session = Session(places.scratch)
        try:
            stubs = _stubs(self.session.directory / "etc")
            self.trial_view = look(places.interpreter, spec.work.packages, spec.limits.network, stubs)
            self.grader_view = self.trial_view
            if spec.grader.command:
                self.grader_view = look(places.interpreter, spec.grader.packages, False, stubs)
            runner = _runner(self.trial_view, RUNNER)
            self.isolation: Isolation = choose(isolation, self.trial_view.base, runner, grouped)
        except BaseException:
            self.session.close()
            raise

    @property
    def boxed(self) -> bool:
        """Whether cells have a file system of their own, so that places have other names inside."""
        return self.isolation.program is not None

    def group(self, slot: int) -> cgroup.Group | None:
        """A control group for slot `slot`, limited as the problem says; None where there are none."""
        name = f"holdfast-{os.getpid()}-{self.session.directory.name}-{slot}"
        group = cgroup.create(name, self.isolation.groups) if self.isolation.groups else None
        if group:
            self.session.note(group.directories())
            group.limit(self.spec.limits.memory_mb * MB, tasks(self.spec.limits))
        return group

    def cell(self, view: View, mounts: Mounts, env: Mapping[str, str]) -> Cell:
        """Start a runner that sees `view` and `mounts` and has the environment `env`; raises `CellError`."""
        if self.isolation.program is None:
            return Cell(_runner(view, str(RUNNER_FILE)), env, namespaced=False)
        line = bubblewrap.arguments(self.isolation.program, view.base, mounts, env, self.isolation.privileges)
        return Cell([*line, *_runner(view, RUNNER)])

    def environment(self, view: View) -> dict[str, str]:
        """The variables that every cell has. PYTHONHASHSEED is fixed: a set's order is not what a seed is for."""
        threads = str(self.spec.limits.threads)
        directory = Path(view.inventory.executable).parent
        return {
            "PATH": f"{directory}:/usr/local/bin:/usr/bin:/bin",
            "HOME": bubblewrap.SCRATCH,
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            **dict.fromkeys(THREAD_VARIABLES, threads),
        }

    def plan(self, slot: int, cwd: str, group: cgroup.Group | None) -> Plan:
        """What the runner of a trial does before the command."""
        work, limits = self.spec.work, self.spec.limits
        in_process = work.command[0] in ("python", "python3")
        single = limits.processes == 1
        return Plan(
            command=work.command,
            cwd=cwd,
            uid=self.isolation.uid(FIRST_UID, slot),
            rlimits=self.rlimits(group),
            preload=work.preload,
            threads=limits.threads,
            filter=seccomp.program(single, keep_exec=not in_process) if self.boxed else b"",
            seccomp=seccomp.number() or 0,
        )

    def rlimits(self, group: cgroup.Group | None) -> tuple[tuple[int, int], ...]:
        """Limits per process: the last line behind the control group and the watch."""
        limits = self.spec.limits
        found = [
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, limits.disk_mb * MB),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
        ]
        if self.boxed:  # elsewhere it would count the processes of a person, not of a trial
            found.append((resource.RLIMIT_NPROC, tasks(limits)))
        if group is None or group.memory is None:
            found.append((resource.RLIMIT_DATA, limits.memory_mb * MB))
        return tuple(found)


def _runner(view: View, path: str) -> list[str]:
    return [view.inventory.executable, "-s", "-B", path]


def _stubs(directory: Path) -> Path:
    directory.mkdir()
    users = [f"trial{slot}:x:{FIRST_UID + slot}:{FIRST_UID + slot}" for slot in range(NAMED_SLOTS)]
    (directory / "passwd").write_text("".join(f"{user}::/tmp:/bin/false\n" for user in ["root:x:0:0", *users]))
    (directory / "group").write_text("".join(f"{user.rpartition(':')[0]}:\n" for user in ["root:x:0:0", *users]))
    return directory
