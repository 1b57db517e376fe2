"""Only plain files are results, and of them not too many."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.execution.sandbox.collect import ForbiddenResult, collect
from tests.execution.conftest import ROOT, Lab


def take(source: Path, target: Path, size: int = 10_000) -> None:
    handle = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        collect(handle, target, size)
    finally:
        os.close(handle)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        names,
        st.one_of(st.binary(max_size=300), st.dictionaries(names, st.binary(max_size=50), max_size=3)),
        max_size=5,
    )
)
def test_plain_trees_come_out_as_they_are(tmp_path_factory: pytest.TempPathFactory, tree: dict) -> None:
    root = tmp_path_factory.mktemp("results")
    for name, content in tree.items():
        if isinstance(content, bytes):
            (root / name).write_bytes(content)
        else:
            (root / name).mkdir()
            for inner, data in content.items():
                (root / name / inner).write_bytes(data)
    target = root.with_name(root.name + "-copy")
    take(root, target)
    for name, content in tree.items():
        if isinstance(content, bytes):
            assert (target / name).read_bytes() == content
        else:
            assert {path.name: path.read_bytes() for path in (target / name).iterdir()} == content


def unix_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(place / "s"))


def many(place: Path) -> None:
    for number in range(1001):
        (place / str(number)).touch()


def deep(place: Path) -> None:
    for _ in range(20):
        place = place / "d"
        place.mkdir()


def linked(place: Path) -> None:
    (place / "a").touch()
    os.link(place / "a", place / "b")


def sparse(place: Path) -> None:
    with open(place / "giant", "wb") as file:
        file.truncate(10**12)


def odd_name(place: Path) -> None:
    (place / os.fsdecode(b"\xff\xfe")).touch()


def long_path(place: Path) -> None:
    """Each name is legal, the path of all is longer than any call takes."""
    here = os.open(place, os.O_RDONLY)
    for _ in range(15):
        os.mkdir("d" * 255, dir_fd=here)
        below = os.open("d" * 255, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f" * 255, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


FORBIDDEN: dict[str, Callable[[Path], object]] = {
    "a link to a secret": lambda place: (place / "r").symlink_to("/etc/passwd"),
    "a link to a directory": lambda place: (place / "r").symlink_to("/etc"),
    "a dangling link": lambda place: (place / "r").symlink_to("/nowhere"),
    "a pipe": lambda place: os.mkfifo(place / "r"),
    "a socket": unix_socket,
    "two names": linked,
    "too many files": many,
    "too deep": deep,
    "too long a path": long_path,
    "too large": lambda place: (place / "r").write_bytes(bytes(10_001)),
    "a sparse giant": sparse,
    "a name that is no text": odd_name,
} | ({"a device": lambda place: os.mknod(place / "r", 0o20644, os.makedev(1, 5))} if ROOT else {})


@pytest.mark.parametrize("make", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_nothing_else_is_collected(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "out").mkdir()
    make(tmp_path / "out")
    with pytest.raises(ForbiddenResult):
        take(tmp_path / "out", tmp_path / "copy")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.symlink('/etc/passwd', out + '/r')", "r is not a regular file"),
        ("os.mkfifo(out + '/r')", "r is not a regular file"),
        ("open(out + '/a', 'w'); os.link(out + '/a', out + '/b')", "has 2 names"),
        ("for _ in range(15): os.chdir(out); os.mkdir('d' * 255); out = 'd' * 255", "longer than 1000 bytes"),
        ("[open(out + '/' + str(n), 'w').close() for n in range(1001)]", "more than 1000 files"),
    ],
)
def test_a_trial_that_leaves_such_a_thing_is_wrong(box: Lab, code: str, reason: str) -> None:
    trial = box.run("import os; out = os.environ['HOLDFAST_OUT']\n" + code)
    assert (trial.outcome, trial.score) == ("wrong", None)
    assert reason in trial.detail
