from __future__ import annotations

import itertools
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.ports import Job, TrialRequest
from holdfast.core.problem import About, GraderSpec, Limits, Metric, ProblemSpec, Work
from holdfast.core.records import Trial
from holdfast.execution.local import LocalExecutor, Places

ROOT = os.geteuid() == 0
MODES = {"T2": ("T2", False), **({"T3": ("T3", True)} if ROOT else {})}
"""Isolation by tier and whether control groups are used; T2 also shows what holds without them."""
HIDDEN_WORD = "the-hidden-answer"


class Lab:
    """An executor over trees that a test makes up as it goes."""

    def __init__(self, root: Path, isolation: str = "auto", grouped: bool = True, slots: int = 1, **spec: Any) -> None:
        self.root = root
        self.trees: dict[str, dict[str, bytes]] = {}
        self._numbers = itertools.count()
        for split in ("train", "hidden", "sealed"):
            (root / "data" / split).mkdir(parents=True, exist_ok=True)
            (root / "data" / split / "text.txt").write_text(f"{split} {HIDDEN_WORD if split != 'train' else ''}")
        (root / "grader").mkdir(exist_ok=True)
        if "grade" in spec:
            (root / "grader" / "grade.py").write_text(textwrap.dedent(spec.pop("grade")))
        places = Places(root / "data", root / "grader", root / "scratch", spec.pop("interpreter", sys.executable))
        self.executor = LocalExecutor(problem(**spec), places, self.trees.__getitem__, slots, isolation, grouped)

    def tree(self, code: str | Mapping[str, str]) -> str:
        name = f"tree-{next(self._numbers)}"
        files = {"x.py": code} if isinstance(code, str) else code
        self.trees[name] = {path: textwrap.dedent(text).encode() for path, text in files.items()}
        return name

    def request(self, code: str | Mapping[str, str], **fields: Any) -> TrialRequest:
        tree = self.tree(code)
        return TrialRequest(**{"id": tree, "role": "race", "tree": tree, "seed": 7, "split": "hidden"} | fields)

    def submit(self, *requests: TrialRequest, key: str = "") -> str:
        key = key or requests[0].id
        self.executor.submit(Job(key, requests))
        return key

    def run(self, code: str | Mapping[str, str], **fields: Any) -> Trial:
        self.submit(self.request(code, **fields))
        return self.results(1)[0]

    def results(self, number: int) -> list[Trial]:
        found: list[Trial] = []
        for _ in range(120):
            for done in self.executor.wait(0.5):
                found += done.trials
            if len(found) >= number:
                return found
        raise AssertionError(f"only {len(found)} of {number} trials came back")

    def log(self, trial: Trial) -> str:
        return (self.root / "scratch" / "logs" / f"{trial.id}.txt").read_text()

    def printed(self, code: str | Mapping[str, str], **fields: Any) -> str:
        """What a program printed, having ended well."""
        trial = self.run(code, **fields)
        assert trial.outcome == "ok", (trial.detail, self.log(trial))
        return self.log(trial).removeprefix("--- stdout\n").partition("\n--- stderr\n")[0]


def problem(**changes: Any) -> ProblemSpec:
    """A problem whose program is `x.py`; keywords are fields of the parts they belong to."""
    command = tuple(changes.pop("command", ("python", "x.py")))
    work = {name: changes.pop(name) for name in ("packages", "preload", "writable") if name in changes}
    grader = {name.removeprefix("grader_"): changes.pop(name) for name in [*changes] if name.startswith("grader_")}
    metric = {name.removeprefix("metric_"): changes.pop(name) for name in [*changes] if name.startswith("metric_")}
    limits = {"seconds": 20.0, "memory_mb": 400, "disk_mb": 8} | changes
    return ProblemSpec(
        About("sample", "be quick"),
        Work(("x.py",), command, **work),
        grader=GraderSpec(**grader),
        metric=Metric(**metric),
        limits=Limits(**limits),
    )


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Any]:
    """Opens labs, and closes them in the end."""
    opened: list[Lab] = []

    def open_lab(**keywords: Any) -> Lab:
        opened.append(Lab(tmp_path / f"lab{len(opened)}", **keywords))
        return opened[-1]

    yield open_lab
    for one in opened:
        one.executor.close()


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES.keys())
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for a module's tests, at each tier that this machine has."""
    isolation, grouped = request.param
    one = Lab(tmp_path_factory.mktemp("box"), isolation, grouped, packages=("msgspec",))
    yield one
    one.executor.close()


@pytest.fixture(scope="module", params=MODES.values(), ids=MODES.keys())
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """As `box`, but a trial may have four processes."""
    isolation, grouped = request.param
    one = Lab(tmp_path_factory.mktemp("family"), isolation, grouped, processes=4)
    yield one
    one.executor.close()
