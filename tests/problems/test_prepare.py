from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.core.errors import ProblemError
from holdfast.problems.load import load
from holdfast.problems.prepare import prepare
from tests.problems.conftest import TOML, make

PREPARE = """\
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
assert pathlib.Path("grade.py").exists()
for split in ("train", "hidden", "sealed"):
    (out / split).mkdir(exist_ok=True)
    (out / split / "text.txt").write_text(split)
(out / "files.json").write_text(json.dumps({"train": ["origin/a.py", "origin/b.py"]}))
"""


def with_prepare(root: Path, script: str) -> Path:
    make(root, TOML + '\n[data]\nprepare = ["python", "prepare.py"]\n')
    (root / "grader" / "prepare.py").write_text(script)
    return root


def test_data_is_prepared_once_for_a_digest(tmp_path: Path, home: Path) -> None:
    root = with_prepare(tmp_path / "demo", PREPARE)
    first = prepare(load(root), home)
    assert {split: (path / "text.txt").read_text() for split, path in first.directories.items()} == {
        "train": "train",
        "hidden": "hidden",
        "sealed": "sealed",
    }
    assert first.files == {
        "train": ("origin/a.py", "origin/b.py"),
        "hidden": ("text.txt",),
        "sealed": ("text.txt",),
    }
    assert len(set(first.digests.values())) == 3
    made = first.directories["train"].stat().st_mtime_ns
    assert prepare(load(root), home) == first
    assert first.directories["train"].stat().st_mtime_ns == made
    (root / "grader" / "prepare.py").write_text(PREPARE.replace("write_text(split)", "write_text(split + '!')"))
    assert prepare(load(root), home).digests != first.digests
    assert [path.name for path in (home / "data").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "import sys; print('line', file=sys.stderr); sys.exit('no network here')",
            "exit code 1:\n  line\n  no network",
        ),
        ("raise SystemExit(3)", "exit code 3:\n  it said nothing"),
        ("", "left no file in train/"),
        (PREPARE + '(out / "files.json").write_text("[1]")', "must map each split"),
        (PREPARE + '(out / "files.json").write_text("{")', "must map each split"),
    ],
)
def test_a_failure_is_told_and_leaves_nothing(tmp_path: Path, home: Path, script: str, said: str) -> None:
    problem = load(with_prepare(tmp_path / "demo", script))
    for _ in range(2):
        with pytest.raises(ProblemError) as caught:
            prepare(problem, home)
        assert said in caught.value.message
    assert not home.exists()


def test_a_preparation_that_never_ends_is_ended(tmp_path: Path, home: Path) -> None:
    problem = load(with_prepare(tmp_path / "demo", "import time; time.sleep(60)"))
    with pytest.raises(ProblemError, match=r"longer than 0\.2 seconds"):
        prepare(problem, home, seconds=0.2)


def test_data_that_lies_there_is_used_and_missing_splits_are_empty(root: Path, home: Path) -> None:
    nothing = prepare(load(root), home)
    assert all(path.is_dir() and not list(path.iterdir()) for path in nothing.directories.values())
    (root / "data" / "hidden").mkdir(parents=True)
    (root / "data" / "hidden" / "answer.txt").write_text("42")
    some = prepare(load(root), home)
    assert (some.directories["hidden"] / "answer.txt").read_text() == "42"
    assert {path.parent for path in some.directories.values()} == {some.root}
    assert some.files == {"train": (), "hidden": ("answer.txt",), "sealed": ()}
    assert some.digests["train"] == nothing.digests["train"] != some.digests["hidden"]


def test_preparation_dies_with_the_lab(tmp_path: Path) -> None:
    beacon = tmp_path / "beacon"
    root = with_prepare(
        tmp_path / "demo",
        f"import time\nwhile True:\n    open({str(beacon)!r}, 'a').write('x')\n    time.sleep(0.02)\n",
    )
    program = (
        "import sys; from pathlib import Path; from holdfast.problems.load import load; "
        "from holdfast.problems.prepare import prepare; prepare(load(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    lab = subprocess.Popen([sys.executable, "-c", program, str(root), str(tmp_path / "home")])
    while not beacon.exists():
        time.sleep(0.02)
    lab.kill()
    lab.wait()
    time.sleep(0.2)
    size = beacon.stat().st_size
    time.sleep(0.3)
    assert beacon.stat().st_size == size
