"""Shared by the tests of tinylm: the prepared data, and the grader's and tutorial's modules."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.dont_write_bytecode = True

PROBLEM = Path(__file__).resolve().parents[2] / "src" / "holdfast" / "bundled" / "tinylm"


def load(path: Path, name: str) -> ModuleType:
    """Import one file of the problem under a name that nothing else uses."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three splits."""
    out = tmp_path_factory.mktemp("tinylm") / "data"
    load(PROBLEM / "grader" / "prepare.py", "tinylm_prepare").main(out)
    return out


@pytest.fixture(scope="session")
def family() -> Iterator[ModuleType]:
    """The grader's model family."""
    pytest.importorskip("torch").set_num_threads(1)
    yield load(PROBLEM / "grader" / "family.py", "family")
    del sys.modules["family"]


@pytest.fixture(scope="session")
def grade(family: ModuleType) -> ModuleType:
    """The grader."""
    return load(PROBLEM / "grader" / "grade.py", "tinylm_grade")


@pytest.fixture(scope="session")
def tutorial() -> ModuleType:
    """The tutorial's model."""
    pytest.importorskip("torch")
    return load(PROBLEM / "work" / "model.py", "tinylm_model")
