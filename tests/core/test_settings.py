"""Durations as people write them."""

from __future__ import annotations

import pytest

from holdfast.core.settings import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5m", 30), (" 2H ", 7200)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10x", "-5s", "0", "inf", "nan", "1e9h", "ten", "1m-2s-99s"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_duration(text)
