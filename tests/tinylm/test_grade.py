"""The grader: an honest artifact gets a loss, everything else a reason."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .runner import REFERENCE, run_grader, run_trial

torch = pytest.importorskip("torch")


@pytest.fixture
def artifact(tutorial: ModuleType, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    directory = tmp_path / "artifact"
    directory.mkdir()
    tutorial.export(tutorial.GPT(tutorial.GPTConfig(n_layer=1)), str(directory))
    return directory


def header(artifact: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = artifact / "config.json"
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def weights(artifact: Path, change: Callable[[bytes], bytes]) -> None:
    path = artifact / "weights.bin"
    path.write_bytes(change(path.read_bytes()))


def replace(artifact: Path, name: str, make: Callable[[Path], object]) -> None:
    (artifact / name).unlink()
    make(artifact / name)


def oversize(artifact: Path) -> None:
    weights(artifact, lambda content: bytes(4_000_001))


def wide(artifact: Path) -> None:
    header(artifact, lambda raw: raw["model"].update(width=256, depth=12))


BAD: dict[str, Callable[[Path], object]] = {
    "nothing": lambda a: [path.unlink() for path in list(a.iterdir())],
    "no weights": lambda a: (a / "weights.bin").unlink(),
    "extra file": lambda a: (a / "scorer.py").write_text("print(0)"),
    "extra directory": lambda a: (a / "more").mkdir(),
    "not JSON": lambda a: (a / "config.json").write_text("{"),
    "not text": lambda a: (a / "config.json").write_bytes(b"\xff\xfe\x80"),
    "deep JSON": lambda a: (a / "config.json").write_text("[" * 16_000 + "]" * 16_000),
    "long integer": lambda a: (a / "config.json").write_text("9" * 30_000),
    "huge config": lambda a: (a / "config.json").write_text(" " * 40_000 + "{}"),
    "array": lambda a: (a / "config.json").write_text("[]"),
    "unknown key": lambda a: header(a, lambda raw: raw.update(scorer="x")),
    "unknown model key": lambda a: header(a, lambda raw: raw["model"].update(temperature=0.5)),
    "missing model key": lambda a: header(a, lambda raw: raw["model"].pop("tied")),
    "unknown dtype": lambda a: header(a, lambda raw: raw.update(dtype="float64")),
    "dtype a list": lambda a: header(a, lambda raw: raw.update(dtype=["float32"])),
    "context over the cap": lambda a: header(a, lambda raw: raw["model"].update(context=1024)),
    "parameters over the cap": wide,
    "missing tensor": lambda a: header(a, lambda raw: raw["tensors"].pop()),
    "another order": lambda a: header(a, lambda raw: raw["tensors"].reverse()),
    "wrong shape": lambda a: header(a, lambda raw: raw["tensors"][0][1].reverse()),
    "tensors a number": lambda a: header(a, lambda raw: raw.update(tensors=1)),
    "too short": lambda a: weights(a, lambda content: content[:-4]),
    "too long": lambda a: weights(a, lambda content: content + bytes(4)),
    "empty": lambda a: weights(a, lambda content: b""),
    "bytes over the cap": oversize,
    "not a number": lambda a: weights(a, lambda content: b"\x00\x00\xc0\x7f" + content[4:]),
    "infinite": lambda a: weights(a, lambda content: content[:-4] + b"\x00\x00\x80\xff"),
    "overflow": lambda a: weights(a, lambda content: b"\xff\xff\x7f\x7f" * (len(content) // 4)),
    "pickle": lambda a: torch.save({"a": torch.zeros(3)}, a / "weights.bin"),
    "symbolic link": lambda a: replace(a, "weights.bin", lambda path: path.symlink_to("/etc/passwd")),
    "symbolic link as config": lambda a: replace(a, "config.json", lambda path: path.symlink_to("/etc/passwd")),
    "hard link": lambda a: os.link(a / "weights.bin", a.parent / "other"),
    "directory": lambda a: replace(a, "weights.bin", lambda path: path.mkdir()),
    "pipe": lambda a: replace(a, "weights.bin", os.mkfifo),
}


def test_an_untrained_model_gets_a_loss(grade: ModuleType, artifact: Path, data: Path) -> None:
    for split in ("hidden", "sealed"):
        values = grade.grade(artifact, data / split)
        assert set(values) == {"val_loss"}
        assert 4 < values["val_loss"] < 8


def test_the_program_prints_the_same(grade: ModuleType, artifact: Path, data: Path) -> None:
    assert run_grader(artifact, data) == pytest.approx(grade.grade(artifact, data / "hidden"), abs=1e-6)


def test_bfloat16_weights_count(grade: ModuleType, artifact: Path, data: Path) -> None:
    full = grade.grade(artifact, data / "hidden")["val_loss"]
    flat = torch.frombuffer(bytearray((artifact / "weights.bin").read_bytes()), dtype=torch.float32)
    (artifact / "weights.bin").write_bytes(flat.bfloat16().view(torch.int16).numpy().tobytes())
    header(artifact, lambda raw: raw.update(dtype="bfloat16"))
    assert grade.grade(artifact, data / "hidden")["val_loss"] == pytest.approx(full, rel=0.01)


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_artifact_is_wrong(grade: ModuleType, artifact: Path, data: Path, name: str) -> None:
    BAD[name](artifact)
    values = grade.grade(artifact, data / "hidden")
    assert list(values) == ["wrong"]
    assert values["wrong"]
    assert "\n" not in values["wrong"]


@pytest.mark.parametrize("context", [1, 3, 7, 256])
def test_every_byte_is_predicted_once(grade: ModuleType, family: ModuleType, context: int) -> None:
    zero = {"depth": 1, "width": 2, "heads": 0, "context": context, "mlp_ratio": 0, "norm": "rmsnorm"}
    rest = {"position": "none", "activation": "gelu", "conv": 0, "bias": False, "tied": False}
    config = family.parse_config({**zero, **rest})
    tensors = {name: torch.zeros(shape) for name, shape in family.shapes(config).items()}
    rows = torch.randint(0, 256, (3, 1025))
    assert grade.mean_loss(config, tensors, rows) == pytest.approx(math.log(256), abs=1e-5)


def test_passages_cover_the_split_evenly(grade: ModuleType) -> None:
    text = os.urandom(500_000)
    rows = grade.passages(text)
    step = (len(text) - grade.PASSAGE_BYTES - 1) // grade.PASSAGES
    assert rows.shape == (grade.PASSAGES, grade.PASSAGE_BYTES + 1)
    for place, row in enumerate(rows):
        assert bytes(row.tolist()) == text[place * step :][: grade.PASSAGE_BYTES + 1]


def test_the_reference_is_accepted(data: Path, tmp_path: Path) -> None:
    assert run_trial(REFERENCE, data, tmp_path / "out", seed=5) > 0
    values = run_grader(tmp_path / "out", data)
    assert set(values) == {"val_loss"}
    assert math.isfinite(values["val_loss"])
