"""From the text of `problem.toml` to a specification, with every wrong key and type noted on the way."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.core.problem import About, Check, Data, GraderSpec, Limits, Metric, ProblemSpec, Work

TABLES: dict[str, type[msgspec.Struct]] = {
    "problem": About,
    "work": Work,
    "data": Data,
    "grader": GraderSpec,
    "limits": Limits,
    "metric": Metric,
}
"""Every table with fixed keys; `[checks]` has names of the author's own."""

_STAND_INS: dict[type[msgspec.Struct], dict[str, Any]] = {
    About: {"name": "", "goal": ""},
    Work: {"editable": (), "command": ()},
}


class Draft(msgspec.Struct, frozen=True):
    """What could be understood: the specification, with stand-ins for the `faulty` keys, and the mistakes."""

    spec: ProblemSpec
    mistakes: tuple[str, ...]
    faulty: frozenset[str]


def parse(text: str) -> Draft:
    """Read `text`; never raises."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        every_key = (f"{name}.{key}" for name, table in TABLES.items() for key in table.__struct_fields__)
        spec = ProblemSpec(problem=About(name="", goal=""), work=Work(editable=(), command=()))
        return Draft(spec, (f"it is not TOML: {error}",), frozenset(every_key))
    mistakes: list[str] = []
    faulty: set[str] = set()
    for name in tables.keys() - TABLES.keys() - {"checks"}:
        mistakes.append(f"unknown {_noun(tables[name])} {name}{nearest(name, [*TABLES, 'checks'])}")
    sections: dict[str, Any] = {}
    for name, kind in TABLES.items():
        sections[name] = _section(name, kind, tables.get(name, {}), mistakes, faulty)
    sections["checks"] = _checks(tables.get("checks", {}), mistakes)
    return Draft(ProblemSpec(**sections), tuple(mistakes), frozenset(faulty))


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the known name nearest to `name`, or what is known when none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"


def _section(
    name: str, kind: type[msgspec.Struct], table: Any, mistakes: list[str], faulty: set[str]
) -> msgspec.Struct:
    if not isinstance(table, dict):
        mistakes.append(f"{name} must be a table: [{name}]")
        faulty |= {f"{name}.{field}" for field in kind.__struct_fields__}
        table = None
    values: dict[str, Any] = {}
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for key in table or {}:
        if key not in fields:
            mistakes.append(f"{name}.{key} is unknown{_home_of(key, fields)}")
            continue
        try:
            values[key] = msgspec.convert(table[key], fields[key].type)
        except msgspec.ValidationError as error:
            mistakes.append(f"{name}.{key}: {_plain(error)}")
            faulty.add(f"{name}.{key}")
    missing = [key for key, field in fields.items() if field.required and table is not None and key not in table]
    mistakes += (f"{name}.{key} is missing" for key in missing)
    faulty |= {f"{name}.{key}" for key in missing}
    return kind(**_STAND_INS.get(kind, {}) | values)


def _checks(table: Any, mistakes: list[str]) -> dict[str, Check]:
    if not isinstance(table, dict):
        mistakes.append("checks must be a table: [checks]")
        return {}
    checks: dict[str, Check] = {}
    for name, limits in table.items():
        if not isinstance(limits, dict):
            mistakes.append(f'checks.{name} must be a table such as {{ max = "baseline * 1.01" }}')
            continue
        checks[name] = _section(f"checks.{name}", Check, limits, mistakes, set())  # type: ignore[assignment]
    return checks


def _home_of(key: str, fields: Mapping[str, Any]) -> str:
    if not difflib.get_close_matches(key, fields, n=1, cutoff=0.6):
        for name, kind in TABLES.items():
            if key in kind.__struct_fields__:
                return f"; it belongs to [{name}]"
    return nearest(key, fields)


def _noun(value: Any) -> str:
    return "table" if isinstance(value, dict) else "key"


def _plain(error: msgspec.ValidationError) -> str:
    """msgspec's sentence in the words of a TOML author."""
    text = str(error)
    for theirs, ours in (("`array`", "an array"), ("`str`", "a string"), ("`object`", "a table"), ("`", "")):
        text = text.replace(theirs, ours)
    return text[0].lower() + text[1:]
