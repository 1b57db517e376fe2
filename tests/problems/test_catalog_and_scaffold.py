from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holdfast.core.errors import ProblemError
from holdfast.problems.catalog import Catalog
from holdfast.problems.load import load
from holdfast.problems.scaffold import Sketch, new
from tests.problems.conftest import TOML, make
from tests.problems.test_bundled import BUNDLED


@pytest.fixture
def catalog(tmp_path: Path, home: Path) -> Catalog:
    make(tmp_path / "bundled" / "demo")
    make(
        tmp_path / "bundled" / "other",
        TOML.replace('"demo"', '"other"').replace("[work]", '[work]\npackages = ["x-y"]'),
    )
    return Catalog(tmp_path / "bundled", home)


def test_bundled_problems_are_listed_even_if_not_usable_here(catalog: Catalog) -> None:
    assert [(line.name, line.metric) for line in catalog.listings()] == [
        ("demo", "minimize cpu_seconds"),
        ("other", "minimize cpu_seconds"),
    ]
    assert {"noise", "words"} <= set(Catalog(BUNDLED, catalog.home).names())
    with pytest.raises(ProblemError, match="'x-y' is not installed"):
        catalog.find("other")


def test_a_bundled_problem_is_copied_by_digest_and_outlives_the_package(catalog: Catalog) -> None:
    problem = catalog.find("demo")
    assert problem.root == catalog.home / "problems" / f"demo-{problem.digest[:12]}"
    assert catalog.find("demo") == problem
    (catalog.bundled / "demo" / "work" / "a.py").write_text("a new release\n")
    assert catalog.find("demo").digest != problem.digest
    shutil.rmtree(catalog.bundled)
    assert catalog.kept("demo", problem.digest) == problem
    (problem.root / "grader" / "grade.py").write_text("print('{\"score\": 1e9}')")
    with pytest.raises(ProblemError, match="was changed since"):
        catalog.kept("demo", problem.digest)
    with pytest.raises(ProblemError, match="is gone"):
        catalog.kept("demo", "0" * 64)


def test_a_directory_is_a_problem_too_and_a_wrong_name_gets_advice(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make(tmp_path / "mine")
    assert catalog.find(str(mine)).root == mine
    assert catalog.find(str(mine / "problem.toml")).root == mine
    monkeypatch.chdir(tmp_path)
    assert catalog.find("mine").root == mine
    with pytest.raises(ProblemError, match="no problem called 'dmeo'; did you mean demo"):
        catalog.find("dmeo")
    with pytest.raises(ProblemError, match=r"there is no problem\.toml"):
        catalog.find(".")


SKETCH = Sketch(command="python train.py --lr 0.1", editable=("train.py",), metric="val_loss")


def test_a_sketch_becomes_a_problem_that_loads(tmp_path: Path) -> None:
    root = tmp_path / "My Project_2"
    root.mkdir()
    (root / "train.py").write_text("print('val_loss: 0.5')\n")
    problem = new(root, SKETCH)
    assert problem == load(root)
    assert problem.spec.problem.name == "my-project-2"
    assert problem.spec.work.command == ("python", "train.py", "--lr", "0.1")
    assert problem.spec.self_reported
    assert (root / "README.md").exists()
    with pytest.raises(ProblemError, match="already"):
        new(root, SKETCH)


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"metric": "cpu_seconds"}, ""),
        ({"metric": "acc", "goal": "maximize", "pattern": r'"acc" = (\d+)'}, r'"acc" = (\d+)'),
        (
            {"name": "named", "about": 'A "goal"\n\\ with ünicode \x7f'},
            r"val_loss\s*[:=]?\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)",
        ),
    ],
)
def test_what_a_person_says_reaches_the_specification(tmp_path: Path, changes: dict[str, str], pattern: str) -> None:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "README.md").write_text("mine\n")
    values = {"command": SKETCH.command, "metric": "val_loss", "name": "x"} | changes
    problem = new(tmp_path, Sketch(editable=("train.py",), **values))  # type: ignore[arg-type]
    assert problem.spec.metric.pattern == pattern
    assert problem.spec.metric.name == values["metric"]
    assert problem.spec.problem.name == values["name"]
    if "about" in changes:
        assert problem.spec.problem.goal == changes["about"]
    assert (tmp_path / "README.md").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"editable": ("gone.py",)}, "'gone.py' is not a file"),
        ({"command": "no-such-program train.py"}, "no program"),
        ({"command": "python 'train.py"}, "cannot be split"),
        ({"metric": "loss", "pattern": "loss"}, "no group"),
        ({"name": "Not A Slug"}, "problem.name"),
    ],
)
def test_a_sketch_with_mistakes_changes_nothing(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    (tmp_path / "train.py").write_text("")
    values = {"command": SKETCH.command, "editable": SKETCH.editable, "metric": "loss", "name": "x"} | changes
    with pytest.raises(ProblemError, match=said):
        new(tmp_path, Sketch(**values))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]
    with pytest.raises(ProblemError, match="cannot be written"):
        new(tmp_path / "missing", SKETCH)
