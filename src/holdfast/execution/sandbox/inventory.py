"""Runs under the trials' interpreter: says where its standard library is and which files the named packages need.

Self-contained, since that interpreter need not be the one Holdfast runs on. Usage: `python inventory.py torch numpy`;
prints one JSON object.
"""

import ast
import importlib.metadata
import json
import os
import platform
import re
import sys
import sysconfig


def surroundings():
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


def holds(marker, extras):
    """Whether a requirement's marker (PEP 508) is true here for one of `extras`; markers read as Python expressions."""
    tree = ast.parse(marker.replace("~=", ">=").replace("===", "=="), mode="eval").body
    return any(_value(tree, {**surroundings(), "extra": extra}) for extra in extras)


def _value(node, known):
    if isinstance(node, ast.BoolOp):
        values = [_value(part, known) for part in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    left, right = (_text(side, known) for side in (node.left, node.comparators[0]))
    if isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return (left in right) == isinstance(node.ops[0], ast.In)
    if left[:1].isdigit() and right[:1].isdigit():
        left, right = ([int(part) for part in re.findall(r"\d+", side)] for side in (left, right.rstrip(".*")))
    operator = type(node.ops[0])
    return {
        ast.Eq: left == right,
        ast.NotEq: left != right,
        ast.Lt: left < right,
        ast.LtE: left <= right,
        ast.Gt: left > right,
        ast.GtE: left >= right,
    }[operator]


def _text(node, known):
    return known.get(node.id, "") if isinstance(node, ast.Name) else str(node.value)


def closure(names):
    """The installed distributions that `names` need, themselves included; what is not installed is left out."""
    found, waiting, missing = {}, [(name, ("",)) for name in names], []
    while waiting:
        name, extras = waiting.pop()
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


def places(distributions):
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


_known = {}


def _shared(path):
    if path not in _known:
        own = path.endswith((".dist-info", ".egg-info", ".libs", ".data")) or not os.path.isdir(path)
        _known[path] = not own and not os.path.exists(os.path.join(path, "__init__.py"))
    return _known[path]


def report(names):
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
