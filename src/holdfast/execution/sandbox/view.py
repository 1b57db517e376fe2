"""What of the machine a cell shows: system programs, an interpreter and the named packages, nobody's home."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from holdfast.core.errors import ExecutionError

ROOM = "/trial"
"""Where a cell keeps what is ours; away from names such as /work or /data, below which an interpreter may live."""
RUNNER = f"{ROOM}/runner.py"
RUNNER_FILE = Path(__file__).parent.with_name("runner.py")
SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "nsswitch.conf")
ETC_NETWORK = ("resolv.conf", "hosts", "services", "protocols", "ssl/certs", "pki/tls/certs", "ca-certificates")
PACKAGE_DIRECTORIES = (
    "site-packages", "dist-packages", "python-wheels", "_bundled", "_vendor", "vendored", "third_party",
)  # fmt: skip
"""Where programs of the system keep Python libraries; a problem's hidden text may come from the same libraries."""
DEEPEST = "8"


class Inventory(msgspec.Struct, frozen=True):
    """An interpreter as it describes itself (see `inventory.py`), with the files that its named packages need."""

    executable: str
    base_executable: str
    prefix: str
    base_prefix: str
    stdlib: str
    site: tuple[str, ...]
    version: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]


class View(msgspec.Struct, frozen=True):
    """An interpreter and the bwrap arguments that show it, its packages and the system; computed once per problem."""

    inventory: Inventory
    base: tuple[str, ...]


def look(system: Sequence[str], interpreter: str, packages: Sequence[str], network: bool) -> View:
    """The view for `packages` of `interpreter` on `system` (see `system_mounts`), with the runner at `RUNNER`."""
    inventory = take_inventory(interpreter, packages)
    mounts = interpreter_mounts(inventory)
    outside = _bound(f"/etc/{name}" for name in ETC_NETWORK) if network else ["--unshare-net"]
    runner = ("--perms", "0755", "--dir", ROOM, "--ro-bind", str(RUNNER_FILE), RUNNER)
    return View(inventory, (*sealed([*system, *ways_to(mounts), *mounts]), *outside, *runner))


def take_inventory(interpreter: str, packages: Sequence[str]) -> Inventory:
    """Ask `interpreter` where it lives and what `packages` need; raises `ExecutionError` for a missing package."""
    script = Path(__file__).with_name("inventory.py")
    command = [interpreter, "-I", "-B", str(script), *packages]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ExecutionError(
            f"the interpreter {interpreter} cannot be used for trials: {error}",
            "give the path of a working Python 3 interpreter",
        ) from error
    inventory = msgspec.json.decode(done.stdout, type=Inventory)
    if inventory.missing:
        names = ", ".join(inventory.missing)
        raise ExecutionError(
            f"packages that the problem names are not installed for {interpreter}: {names}",
            f"install them there: {interpreter} -m pip install {' '.join(inventory.missing)}",
        )
    return inventory


def system_mounts(stubs: Path) -> list[str]:
    """bwrap arguments for the operating system: programs and libraries, and of /etc only what they need.

    `stubs` holds the files `passwd` and `group` that stand for the real ones.
    """
    # /etc would be made for its owner alone, and a trial's own user reaches awk through /etc/alternatives.
    arguments = ["--ro-bind", "/usr", "/usr", "--perms", "0755", "--dir", "/etc"]
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            arguments += ["--ro-bind", name, name]
    for directory in _foreign_packages():
        arguments += ["--tmpfs", directory]
    arguments += _bound(f"/etc/{name}" for name in ETC)
    for name in ("passwd", "group"):
        arguments += ["--ro-bind", str(stubs / name), f"/etc/{name}"]
    return arguments


def interpreter_mounts(inventory: Inventory) -> list[str]:
    """bwrap arguments for the interpreter: its program, standard library and named packages, at their own paths."""
    base, arguments = Path(inventory.base_prefix), list[str]()
    if not base.is_relative_to("/usr"):
        arguments += ["--ro-bind", inventory.base_executable, inventory.base_executable]
        arguments += [*_shared_libraries(base), "--ro-bind", inventory.stdlib, inventory.stdlib]
        for name in ("site-packages", "dist-packages", "ensurepip/_bundled"):
            path = Path(inventory.stdlib) / name
            if path.is_dir():
                arguments += ["--tmpfs", str(path)]
    names = ("python", "python3", f"python{inventory.version}")
    for directory in dict.fromkeys((Path(inventory.executable).parent, Path(inventory.base_executable).parent)):
        if directory.is_relative_to("/usr"):
            continue
        for name in dict.fromkeys((Path(inventory.executable).name, *names)):
            if str(directory / name) != inventory.base_executable:
                arguments += ["--symlink", inventory.base_executable, str(directory / name)]
    arguments += ["--ro-bind-try", f"{inventory.prefix}/pyvenv.cfg", f"{inventory.prefix}/pyvenv.cfg"]
    for package in inventory.packages:
        arguments += ["--ro-bind", package, package]
    return arguments


def ways_to(arguments: Sequence[str]) -> list[str]:
    """The directories above these mounts, open to every user: bwrap alone makes them for its own user only."""
    places = (Path(part) for part in arguments if part.startswith("/"))
    parents = sorted({parent for place in places for parent in place.parents} - {Path("/")})
    outside = [path for path in parents if not path.is_relative_to("/usr")]
    return [part for path in outside for part in ("--perms", "0755", "--dir", str(path))]


def sealed(arguments: Sequence[str]) -> list[str]:
    """The same mounts, with every tmpfs among them made read-only once all is in place."""
    masks = [place for flag, place in pairwise(arguments) if flag == "--tmpfs"]
    return [*arguments, *(part for place in masks for part in ("--remount-ro", place))]


def shown_by(arguments: Sequence[str], place: Path) -> str:
    """The path bound by these bwrap arguments that holds `place`; "" where none does."""
    sources = (path for flag, path in pairwise(arguments) if flag.startswith("--ro-bind"))
    return next((path for path in sources if place.resolve().is_relative_to(Path(path).resolve())), "")


def _bound(paths: Iterable[str]) -> list[str]:
    return [part for path in paths for part in ("--ro-bind-try", path, path)]


@functools.cache  # a search through the system's files, which stay as they are while we run
def _foreign_packages() -> tuple[str, ...]:
    names = [part for name in PACKAGE_DIRECTORIES for part in ("-o", "-name", name)][1:]
    search = ["find", "/usr", "-xdev", "-maxdepth", DEEPEST, "-type", "d", "(", *names, ")", "-prune", "-print0"]
    try:
        found = subprocess.run(search, capture_output=True, timeout=120, check=False).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ExecutionError(f"the system's Python packages cannot be listed: {error}", "install findutils") from error
    return tuple(sorted(os.fsdecode(path) for path in found.split(b"\0") if path))


def _shared_libraries(base: Path) -> list[str]:
    arguments = []
    for directory in (base / "lib", base / "lib64"):
        if directory.is_dir() and not directory.is_symlink():
            for path in sorted(directory.glob("*.so*")):
                arguments += ["--ro-bind", str(path), str(path)]
    return arguments
