"""Which isolation holds on this machine: tried out once, named by its tier, never lowered in silence."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from holdfast.core.errors import ExecutionError
from holdfast.core.problem import Limits
from holdfast.execution.sandbox import bubblewrap, cgroup, seccomp
from holdfast.execution.sandbox.cell import Cell, CellError, Plan

FIRST_UID = 61_000
FIRST_GRADER_UID = 61_500
ENFORCED, ABSENT = "enforced", "absent"
TIERS = ("auto", "T3", "T2", "T0")
ROOTS_OWN = tuple(f"/proc/{name}" for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"))
REMEDY = (
    "run as root, or allow user namespaces: on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, "
    "on Debian `sysctl kernel.unprivileged_userns_clone=1`, in Docker `--security-opt seccomp=unconfined`"
)


class Isolation(msgspec.Struct, frozen=True):
    """How trials are confined here.

    `program` is bwrap (None at T0), `privileges` its arguments about users, `drop` whether each slot has a user of
    its own, `groups` where control groups can be made (empty: none), `lacking` why it is not the best tier.
    """

    tier: str
    program: Path | None = None
    privileges: tuple[str, ...] = ()
    drop: bool = False
    groups: Mapping[str, Path] = {}
    lacking: str = ""

    def uid(self, first: int, slot: int) -> int | None:
        """The user that slot `slot` runs as, from the range that starts at `first`; None for our own."""
        return first + slot if self.drop else None

    def single(self, limits: Limits) -> bool:
        """Whether no process can be started after "go", which makes the command's own clock the whole truth."""
        return limits.processes == 1 and self.program is not None and seccomp.number() is not None

    def controls(self, limits: Limits, group: cgroup.Group | None) -> dict[str, str]:
        """Of each protection whether it is `enforced`, `absent` or `degraded: why`."""
        boxed = ENFORCED if self.program else ABSENT
        filtered = self.program is not None and seccomp.number() is not None
        single = self.single(limits)
        watched = "degraded: watched from outside"
        return {
            "namespaces": boxed,
            "files": boxed,
            "network": "absent: the problem asks for network" if limits.network and self.program else boxed,
            "uid": ENFORCED if self.drop else f"absent: {self.lacking or 'trials run as the user of the lab'}",
            "cpu_charge": ENFORCED if group or single else "degraded: the wall time on the pinned cores is charged",
            "memory": ENFORCED if group and group.memory else watched,
            "processes": ENFORCED if single else f"degraded: at most {tasks(limits)} tasks",
            "disk": ENFORCED if self.program else "degraded: looked at in the end",
            "seccomp": ENFORCED if filtered else f"absent: no filter for {platform.machine()}",
        }


def tasks(limits: Limits) -> int:
    """How many processes and threads a trial may have together; generous, since libraries start threads freely."""
    return limits.processes * (limits.threads + 31)


def choose(wanted: str, base: Sequence[str], runner: Sequence[str], grouped: bool = True) -> Isolation:
    """The best isolation that works here, or the `wanted` tier; raises `ExecutionError` with the remedy.

    `base` are the shared mounts and `runner` the command line of the runner inside; both are tried out for real.
    """
    if wanted not in TIERS:
        raise ExecutionError(f"there is no isolation {wanted!r}", f"choose one of: {', '.join(TIERS)}")
    if wanted == "T0":
        return Isolation("T0")
    if sys.platform != "linux":
        raise ExecutionError("trials can be isolated on Linux only", 'ask for isolation "T0" by name to run them bare')
    groups = _groups() if grouped else {}
    reasons: list[str] = []
    for candidate in _candidates(wanted, bubblewrap.find(os.defpath), groups):
        try:
            _try(candidate, base, runner)
            return msgspec.structs.replace(candidate, lacking="; ".join(reasons))
        except CellError as error:
            reasons.append(f"{candidate.tier} with {candidate.program}: {error}")
    found = "; ".join(reasons) or f"{wanted} needs root and control groups"
    raise ExecutionError(f"trials cannot be isolated here ({found})", REMEDY)


def _candidates(wanted: str, programs: Sequence[Path], groups: Mapping[str, Path]) -> list[Isolation]:
    """Best first. Root without control groups still has a user per slot, but is no T3."""
    keep = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
    uid = str(FIRST_UID)
    spaces: tuple[str, ...] = ("--unshare-user", "--disable-userns", "--uid", uid, "--gid", uid)
    if os.geteuid() == 0:  # in its own namespace it would still own, and so could write, the kernel's settings
        spaces += tuple(part for path in ROOTS_OWN for part in ("--ro-bind-try", path, path))
    ways: list[Mapping[str, Path]] = [groups, {}] if groups else [{}]
    pairs = [(program, way) for way in ways for program in programs]
    root = [Isolation("T3" if way else "T2", bwrap, keep, True, way) for bwrap, way in pairs if os.geteuid() == 0]
    user = [Isolation("T2", bwrap, spaces, False, way) for bwrap, way in pairs]
    return {"T3": [one for one in root if one.tier == "T3"], "T2": user}.get(wanted, root + user)


def _try(isolation: Isolation, base: Sequence[str], runner: Sequence[str]) -> None:
    """Run a trivial program for real; raises `CellError`."""
    assert isolation.program is not None
    nothing = bubblewrap.Mounts({}, {})
    env = {"PATH": "/usr/bin:/bin"}
    line = bubblewrap.arguments(isolation.program, base, nothing, env, isolation.privileges)
    group = cgroup.create(cgroup.name_for("probe"), isolation.groups) if isolation.groups else None
    cell = None
    try:
        cell = Cell([*line, *runner])
        if isolation.groups:
            _enter(group, cell.pid)
        filter_ = seccomp.program(single=True, keep_exec=True)
        uid = isolation.uid(FIRST_UID, 0)
        cell.prepare(Plan(("true",), "/", uid=uid, filter=filter_, seccomp=seccomp.number() or 0))
        cell.go()
        if cell.finish() != 0:
            raise CellError("a trivial program failed in it")
    finally:
        if cell:
            cell.close()
        for directory in group.directories() if group else ():
            cgroup.clear(directory)


def _enter(group: cgroup.Group | None, pid: int) -> None:
    try:
        if group is None:
            raise CellError("no control group can be made")
        group.add(pid)
    except OSError as error:
        raise CellError(f"a process cannot be moved to a control group: {error}") from error


def _groups() -> Mapping[str, Path]:
    with contextlib.suppress(OSError):
        places = cgroup.own(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
        cgroup.clear_dead(places)
        return places
    return {}
