"""What all slots of an executor share: the problem, its places on disk, and how a cell is built for it."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

import msgspec

from holdfast.core.errors import ExecutionError
from holdfast.core.problem import ProblemSpec
from holdfast.execution.runner import runs_in_process
from holdfast.execution.sandbox import bubblewrap, cgroup, seccomp
from holdfast.execution.sandbox.bubblewrap import MB, Mounts
from holdfast.execution.sandbox.cell import Cell, Plan
from holdfast.execution.sandbox.tiers import FIRST_UID, Isolation, choose, tasks
from holdfast.execution.sandbox.view import RUNNER, RUNNER_FILE, View, look, shown_by, system_mounts
from holdfast.execution.session import Session

NAMED_SLOTS = 64
OPEN_FILES = 4096
COUNTS_TASKS_BY_NAMESPACE = (5, 14)
"""The kernel from which RLIMIT_NPROC in a user namespace does not count the user's other processes."""
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
            system = [] if isolation == "T0" else system_mounts(stubs)
            self.trial_view = look(system, places.interpreter, spec.work.packages, spec.limits.network)
            self.grader_view = self.trial_view
            if spec.grader.command and (spec.grader.packages != spec.work.packages or spec.limits.network):
                self.grader_view = look(system, places.interpreter, spec.grader.packages, network=False)
            if isolation != "T0":
                _check_apart(places, self.trial_view)
            runner = _runner(self.trial_view, RUNNER)
            self.isolation: Isolation = choose(isolation, self.trial_view.base, runner, grouped)
            if self.isolation.drop:
                _check_open(places, spec)
        except BaseException:
            self.session.close()
            raise

    @property
    def boxed(self) -> bool:
        """Whether cells have a file system of their own, so that places have other names inside."""
        return self.isolation.program is not None

    def group(self, slot: int) -> cgroup.Group | None:
        """A control group for slot `slot`, limited as the problem says; None where there are none."""
        if not self.isolation.groups:
            return None
        name = cgroup.name_for(f"{self.session.directory.name}-{slot}")
        group = cgroup.create(name, self.isolation.groups)
        if group is None:
            raise ExecutionError(
                f"the control group {name} cannot be made", "see whether the system has run out of them"
            )
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
        return Plan(
            command=work.command,
            cwd=cwd,
            uid=self.isolation.uid(FIRST_UID, slot),
            rlimits=self.rlimits(group),
            preload=work.preload,
            threads=limits.threads,
            filter=self.filter(group),
            seccomp=seccomp.number() or 0,
        )

    def filter(self, group: cgroup.Group | None) -> bytes:
        """The system calls that a trial is refused; none where it is not isolated."""
        if not self.boxed:
            return b""
        return seccomp.program(
            self.spec.limits.processes == 1,
            keep_exec=not runs_in_process(self.spec.work.command),
            unseen_memory=bool(group and group.memory),
        )

    def rlimits(self, group: cgroup.Group | None) -> tuple[tuple[int, int], ...]:
        """Limits per process: the last line behind the control group and the watch."""
        limits = self.spec.limits
        found = [
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, limits.disk_mb * MB),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
        ]
        own_count = self.isolation.drop or (self.boxed and _kernel() >= COUNTS_TASKS_BY_NAMESPACE)
        if own_count and not (group and group.tasks):
            found.append((resource.RLIMIT_NPROC, tasks(limits)))
        if group is None or group.memory is None:
            found.append((resource.RLIMIT_DATA, limits.memory_mb * MB))
        return tuple(found)


def _check_apart(places: Places, view: View) -> None:
    """Refuse a lab in a place that every trial sees whole, hidden data, grader and ledger included."""
    for place in (places.data, places.grader, places.scratch):
        shown = shown_by(view.base, place)
        if shown:
            raise ExecutionError(
                f"trials can see all below {shown}, and so {place}",
                "keep the problem and the lab's home elsewhere, such as /srv or a home directory",
            )


def _check_open(places: Places, spec: ProblemSpec) -> None:
    """Refuse data or graders that the users of trials cannot read, which would show only as a failing baseline."""
    for root in (places.data, places.grader) if spec.grader.command else (places.data,):
        for path in (root, *root.rglob("*")):
            needed = 0o005 if path.is_dir() else 0o004
            if not path.is_symlink() and path.stat().st_mode & needed != needed:
                raise ExecutionError(
                    f"trials run as a user of their own, who cannot read {path}", f"run: chmod -R a+rX {root}"
                )


def _kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(filter(str.isdigit, minor)))


def _runner(view: View, path: str) -> list[str]:
    return [view.inventory.executable, "-s", "-B", path]


def _stubs(directory: Path) -> Path:
    directory.mkdir()
    users = [f"trial{slot}:x:{FIRST_UID + slot}:{FIRST_UID + slot}" for slot in range(NAMED_SLOTS)]
    (directory / "passwd").write_text("".join(f"{user}::/tmp:/bin/false\n" for user in ["root:x:0:0", *users]))
    (directory / "group").write_text("".join(f"{user.rpartition(':')[0]}:\n" for user in ["root:x:0:0", *users]))
    return directory
