"""What this machine is: the cores a lab may use, a clock, and the facts that its numbers depend on."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def steady_clock() -> Callable[[], float]:
    """Unix time that neither jumps nor runs backwards when somebody sets the machine's clock."""
    start, mark = time.time(), time.monotonic()
    return lambda: start + time.monotonic() - mark


def describe(packages: Iterable[str]) -> dict[str, str]:
    """Interpreter, system, processor, cores, and the versions of Holdfast and of `packages` that are installed."""
    found = {"python": platform.python_version(), "system": platform.platform(), "processor": _processor()}
    found["cores"] = str(cores())
    for package in ("holdfast", *packages):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in CPUINFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
