from __future__ import annotations

import re
from pathlib import Path

import msgspec

from holdfast.problems.structure import TABLES, parse

PAGE = (Path(__file__).parents[2] / "docs" / "problem-format.md").read_text(encoding="utf-8")


def test_the_page_has_every_key_with_its_default_and_no_other() -> None:
    for name, table in TABLES.items():
        section = PAGE.split(f"### `[{name}]`")[1].split("\n### ")[0].split("\n## ")[0]
        rows = dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", section, re.MULTILINE))
        assert set(rows) == set(table.__struct_fields__)
        for field in msgspec.structs.fields(table):
            if field.required:
                assert rows[field.name] == "required"
            elif field.default is None:
                assert rows[field.name] == "none"
            else:
                default = msgspec.json.encode(field.default).decode()
                assert rows[field.name] == default, field.name


def test_the_example_has_no_mistake() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    draft = parse(example)
    assert draft.mistakes == ()
    assert draft.spec.checks["lost_bytes"].max == 0
