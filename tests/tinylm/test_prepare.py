"""The text: large enough, the same every time, split by file, and nothing in it readable by a trial."""

from __future__ import annotations

import hashlib
import json
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import PROBLEM, load

SPLITS = ("train", "hidden", "sealed")


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    return load(PROBLEM / "grader" / "prepare.py", "tinylm_prepare")


def listed(data: Path) -> dict[str, list[str]]:
    files: dict[str, list[str]] = json.loads((data / "files.json").read_text())
    return files


def test_there_is_enough_text(data: Path) -> None:
    sizes = {split: (data / split / "text.txt").stat().st_size for split in SPLITS}
    assert sum(sizes.values()) >= 6_000_000
    assert 0.85 <= sizes["train"] / sum(sizes.values()) <= 0.95
    assert min(sizes.values()) >= 200_000


def test_splits_share_no_file_and_no_text(data: Path) -> None:
    files = listed(data)
    assert set(files) == set(SPLITS)
    names = [name for split in SPLITS for name in files[split]]
    assert len(names) == len(set(names))
    root = Path(sysconfig.get_path("purelib"))
    digest = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}
    owners = [{digest[name] for name in files[split]} for split in SPLITS]
    assert not owners[0] & owners[1]
    assert not owners[0] & owners[2]
    assert not owners[1] & owners[2]


def test_siblings_of_one_name_stay_together(data: Path) -> None:
    owner: dict[tuple[str, str], str] = {}
    for split, names in listed(data).items():
        for name in names:
            library, base = name.split("/")[0], name.split("/")[-1]
            assert base == "__init__.py" or owner.setdefault((library, base), split) == split


def test_the_same_versions_give_the_same_text(data: Path, prepare: ModuleType, tmp_path: Path) -> None:
    prepare.main(tmp_path)
    for name in ("files.json", *(f"{split}/text.txt" for split in SPLITS)):
        assert (tmp_path / name).read_bytes() == (data / name).read_bytes()


def test_no_file_can_be_seen_by_a_trial(data: Path, prepare: ModuleType) -> None:
    root = Path(sysconfig.get_path("purelib"))
    sizes: dict[int, list[Path]] = {}
    for path in prepare.visible_files():
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append(path)
    for names in listed(data).values():
        for name in names:
            text = (root / name).read_bytes()
            assert all(path.read_bytes() != text for path in sizes.get(len(text), []))


def test_no_library_is_one_that_a_trial_needs(prepare: ModuleType) -> None:
    assert not set(prepare.LIBRARIES) & prepare.dependencies(prepare.VISIBLE)


def test_no_library_has_a_copy_in_the_standard_library(prepare: ModuleType) -> None:
    copies = set()
    for wheel in (Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled").glob("*.whl"):
        copies |= {part for name in zipfile.ZipFile(wheel).namelist() for part in Path(name).parts[:3]}
    assert not set(prepare.LIBRARIES) & copies


def test_only_the_text_lies_beside_the_text(data: Path) -> None:
    assert sorted(p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file()) == [
        "files.json",
        "hidden/text.txt",
        "sealed/text.txt",
        "train/text.txt",
    ]
