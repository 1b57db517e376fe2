from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.problem import Metric
from holdfast.ui import words
from tests.ui.hostile import ALL, harmless


@given(st.text())
def test_clean_text_is_one_harmless_line(text: str):
    line = words.clean(text)
    assert harmless(line)
    assert "\n" not in line
    assert "\t" not in line
    assert words.clean(line) == line
    line.encode()


@given(st.text(), st.integers(2, 40))
def test_clean_text_fits_its_limit(text: str, limit: int):
    assert len(words.clean(text, limit)) <= limit


@given(st.text(alphabet="\x1b[]()0123456789;?hlmJHKABC\x07\\\n a"))
def test_no_escape_survives_and_blocks_keep_their_lines(text: str):
    block = words.clean_block(text)
    assert harmless(block)
    assert "\x1b" not in block


def test_escape_sequences_go_with_all_their_letters():
    assert words.clean("\x1b[1;31mred\x1b[0m \x1b]0;title\x07text \x1b]8;;http://x\x1b\\link") == "red text link"
    assert harmless(words.clean(ALL))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_can_be_written(value: float):
    for shown in (words.number(value), words.effect(value, "ratio"), words.effect(value, "difference")):
        assert re.fullmatch(r"[+-]?[\d.]+(e[+-]\d+)?x?|unboundedx?", shown), shown


def test_numbers_as_people_write_them():
    assert [words.ratio(v) for v in (0.5, 0.998, 1.0312, 6.423, 34.14, 120.4)] == [
        "0.50", "0.998", "1.031", "6.42", "34.1", "120"
    ]  # fmt: skip
    assert [words.number(v) for v in (0.0, 17.2345, 1.9, 12345.6, 1e-5)] == ["0", "17.23", "1.900", "12346", "1e-05"]
    assert [words.duration(v) for v in (-1, 48.4, 61, 581, 7510)] == ["0 s", "48 s", "1:01", "9:41", "2:05:10"]
    assert words.between(0.0, 4.6e299, "ratio") == "nothing known"
    assert words.between(1.2, 4.6e299, "ratio") == "1.20 upwards"
    assert words.between(-1e300, 1e300, "difference") == "nothing known"
    assert words.between(1.062, 1.15, "ratio") == "1.062 to 1.150"
    assert words.noise(math.log(1.023), Metric()) == "2.3 %"
    assert words.count(1, "pair") == "1 pair"
