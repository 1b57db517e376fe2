"""The bundled problems through the real command line, as a newcomer meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.lab import RealLab


@pytest.mark.parametrize("name", ["noise", "words", "./pi"])
def test_the_controls_hold(tmp_path: Path, name: str):
    lab = RealLab(tmp_path)
    assert "is sound" in lab.ok("problem", "check", name)


def test_noise_has_nothing_to_keep(tmp_path: Path):
    lab = RealLab(tmp_path)
    out = lab.ok("run", "noise", "--budget", "20s")
    shown = lab.show()
    assert shown["kept"] == 0
    assert shown["claim"] is None
    assert shown["proposals"] >= 10
    assert "Nothing held" in out


def test_a_program_that_is_neither_python_nor_ml(tmp_path: Path):
    lab = RealLab(tmp_path)
    lab.ok("run", "words", "--budget", "20s")
    shown = lab.show()
    assert shown["status"] == "finished"
    assert shown["outcomes"]["ok"] >= 6
