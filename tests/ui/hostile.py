"""Texts that candidates and agents would write to do something to a reader's terminal, browser or page."""

from __future__ import annotations

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ANSI = "\x1b[2J\x1b[31mred\x1b]8;;http://evil\x07link\x1b]8;;\x07\x1b]0;title\x1b\\\x9b31m\x07\x08"
MARKUP = "[bold red]shout[/] [/nothing] [link=http://evil]x[/link] $\\frac{1}{$ {{ 7 * 7 }} {% raw %}"
BIDI = 'abc\u202e\u2066cba\u200b\u2028\u0085 \U0001f600 \u4f60\u597d | `tick` ``` "quote" id="a" ]]> --> & &amp; \'x\''
ALL = f"{SCRIPT} {ANSI} {MARKUP} {BIDI}"
CONTROL = [
    chr(n) for n in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x200B, 0x2028, 0x202E, 0x2066) if chr(n) not in "\n\t"
]


def harmless(text: str) -> bool:
    return not any(c in text for c in CONTROL)
