"""Runs under the trials' interpreter: says where its standard library is and which files the named packages need.

Self-contained, since that interpreter need not be the one Holdfast runs on. Usage: `python inventory.py torch numpy`;
prints one JSON object.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import json
import operator
import os
import platform
import re
import sys
import sysconfig
from typing import Any

COMPARISONS = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def surroundings() -> dict[str, str]:
    """The values that requirement markers may ask for."""
    return {
        "python_version": "{}.{}".format(*sys.version_info),
        "python_full_version": platform.python_version(),
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
        "platform_version": platform.version(),
        "platform_python_implementation": platform.python_implementation(),
        "implementation_name": sys.implementation.name,
        "implementation_version": platform.python_version(),
    }


def holds(marker: str, extras: tuple[str, ...]) -> bool:
    """Whether a requirement's marker (PEP 508) is true here for one of `extras`; markers read as Python expressions."""
    tree = ast.parse(marker.replace("~=", ">=").replace("===", "=="), mode="eval").body
    return any(_value(tree, {**surroundings(), "extra": extra}) for extra in extras)


def _value(node: Any, known: dict[str, str]) -> bool:
    if isinstance(node, ast.BoolOp):
        values = [_value(part, known) for part in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    left, right = _text(node.left, known), _text(node.comparators[0], known)
    if isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return (left in right) == isinstance(node.ops[0], ast.In)
    order = _order(left, right)
    return bool(COMPARISONS[type(node.ops[0])](order, 0))


def _order(left: str, right: str) -> int:
    """Below, at or above zero, as for versions where both sides are such; `3.11.*` stands for `3.11`."""
    if left[:1].isdigit() and right[:1].isdigit():
        versions = [[int(part) for part in re.findall(r"\d+", side)] for side in (left, right)]
        if right.endswith(".*"):
            versions[0] = versions[0][: len(versions[1])]
        return (versions[0] > versions[1]) - (versions[0] < versions[1])
    return (left > right) - (left < right)


def _text(node: Any, known: dict[str, str]) -> str:
    return known.get(node.id, "") if isinstance(node, ast.Name) else str(node.value)


def closure(names: list[str]) -> tuple[list[importlib.metadata.Distribution], list[str]]:
    """The installed distributions that `names` need, themselves included; what is not installed is left out."""
    found: dict[tuple[str, tuple[str, ...]], importlib.metadata.Distribution] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [(name, ("",)) for name in names]
    missing = []
    while waiting:
        name, extras = waiting.pop(0)
        key = (re.sub(r"[-_.]+", "-", name).lower(), extras)
        if key in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name in names:
                missing.append(name)
            continue
        found[key] = distribution
        for line in distribution.requires or []:
            requirement, _, marker = line.partition(";")
            match = re.match(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?", requirement)
            if match and (not marker.strip() or holds(marker.strip(), extras)):
                wanted = [extra.strip() for extra in (match[2] or "").split(",") if extra.strip()]
                waiting.append((match[1], ("", *wanted)))
    return list(found.values()), missing


def places(distributions: list[importlib.metadata.Distribution]) -> list[str]:
    """Files and directories of these distributions, none of which holds files of another one.

    A package directory is taken whole; a namespace directory, which distributions share, by its entries.
    """
    taken = set()
    for distribution in distributions:
        root = os.path.abspath(str(distribution.locate_file("")))
        for file in distribution.files or []:
            parts = file.parts
            if parts[0] in ("..", "/", "__pycache__") or file.suffix == ".pth":
                continue
            depth = 1
            while depth < len(parts) and _shared(os.path.join(root, *parts[:depth])):
                depth += 1
            path = os.path.join(root, *parts[:depth])
            if os.path.exists(path):
                taken.add(path)
    return sorted(taken)


@functools.cache
def _shared(path: str) -> bool:
    own = path.endswith((".dist-info", ".egg-info", ".libs", ".data")) or not os.path.isdir(path)
    return not own and not os.path.exists(os.path.join(path, "__init__.py"))


def report(names: list[str]) -> dict[str, Any]:
    """All that the sandbox must know of this interpreter."""
    distributions, missing = closure(names)
    return {
        "executable": sys.executable,
        "base_executable": os.path.realpath(sys.executable),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "stdlib": sysconfig.get_path("stdlib"),
        "site": sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}),
        "version": "{}.{}".format(*sys.version_info),
        "packages": places(distributions),
        "missing": missing,
    }


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[1:])))  # noqa: T201 - this program's answer to the one who started it
