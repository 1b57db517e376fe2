"""Which packages come with the named ones, and that markers are read as the standard says."""

from __future__ import annotations

import sys

import pytest

from holdfast.core.errors import ExecutionError
from holdfast.execution.sandbox import inventory, view


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("python_version >= '3'", True),
        ("python_version < '3.8'", False),
        ("python_version >= '3.9' and python_version < '4.0'", True),
        ("python_full_version >= '3.10.0'", True),
        ("python_version ~= '3.0'", True),
        ("python_version == '3.*'", True),
        ("sys_platform == 'win32'", False),
        ("sys_platform != 'win32' and (os_name == 'posix' or extra == 'x')", True),
        ("extra == 'test'", False),
        ("platform_machine in 'x86_64 aarch64 arm64'", True),
        ("platform_machine not in 'x86_64 aarch64 arm64'", False),
        ("implementation_name == 'pypy'", False),
    ],
)
def test_markers(marker: str, expected: bool) -> None:
    assert inventory.holds(marker, ("",)) is expected


def test_versions_are_numbers() -> None:
    assert inventory.holds("python_version >= '3.9'", ("",)) == (sys.version_info >= (3, 9))
    assert not inventory.holds("python_version < '3.9'", ("",))


def test_extras_are_followed_only_where_asked_for() -> None:
    assert inventory.holds("extra == 'test'", ("", "test"))
    names = {one.metadata["Name"].lower() for one in inventory.closure(["hypothesis"])[0]}
    assert "hypothesis" in names
    assert "numpy" not in names


def test_requirements_come_along_and_nothing_else() -> None:
    found = view.take_inventory(sys.executable, ["SQLAlchemy"])
    tops = {path.rpartition("/site-packages/")[2].partition("/")[0] for path in found.packages}
    assert {"sqlalchemy", "typing_extensions.py"} <= tops
    assert not tops & {"scipy", "numpy", "pytest", "holdfast", "pip", "__pycache__"}
    assert not [path for path in found.packages if path.endswith(".pth") or "/../" in path]


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ExecutionError, match=r"(?s)not installed.*: nothere, northere.*pip install nothere northere"):
        view.take_inventory(sys.executable, ["nothere", "msgspec", "northere"])


def test_a_missing_interpreter_is_named() -> None:
    with pytest.raises(ExecutionError, match="/no/python cannot be used"):
        view.take_inventory("/no/python", [])
