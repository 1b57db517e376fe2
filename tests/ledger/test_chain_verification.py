from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.chain import GENESIS, Head
from holdfast.core.codec import decode, digest, encode
from holdfast.core.errors import LedgerError
from holdfast.core.records import AnyRecord, Entry
from holdfast.ledger.export import export, verify_export
from holdfast.ledger.memory import MemoryLedger
from holdfast.ledger.rows import Row
from holdfast.ledger.store import SqlLedger
from holdfast.ledger.verify import verify_rows
from tests.ledger.samples import GOLDEN, story, trial


def of(kind: object) -> st.SearchStrategy[object]:
    """Values of a record's field type, as msgspec describes it."""
    info = msgspec.inspect
    match kind:
        case info.StructType():
            fields = {field.name: of(field.type) for field in kind.fields}
            return st.fixed_dictionaries(fields).map(lambda values: kind.cls(**values))
        case info.StrType():
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        case info.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case info.IntType():
            return st.integers(-(2**63), 2**63 - 1)
        case info.BoolType():
            return st.booleans()
        case info.NoneType():
            return st.none()
        case info.LiteralType():
            return st.sampled_from(kind.values)
        case info.UnionType():
            return st.one_of(*map(of, kind.types))
        case info.DictType():
            return st.dictionaries(of(kind.key_type), of(kind.value_type), max_size=3)
        case info.VarTupleType():
            return st.lists(of(kind.item_type), max_size=3).map(tuple)
    raise TypeError(kind)


records = st.one_of(*(of(msgspec.inspect.type_info(kind)) for kind in get_args(AnyRecord)))


@given(records, st.text(max_size=5).filter(lambda text: text.isascii()), st.integers(0, 2**40))
@settings(max_examples=200, deadline=None)
def test_encoding_and_decoding_are_inverse(record: AnyRecord, run: str, milliseconds: int) -> None:
    entry = Entry(1, run, milliseconds / 1000, GENESIS, record)
    assert decode(encode(entry), Entry) == entry
    memory = MemoryLedger(clock=lambda: milliseconds / 1000)
    memory.append(run, [record])
    assert [stored.record for stored in memory.entries()] == [record]
    assert verify_rows(memory.rows()) == memory.head()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    ledger = MemoryLedger(clock=lambda: 1_700_000_000.25)
    ledger.append("a", [trial(f"p{number}.race", values={"loss": number / 3}) for number in range(4)])
    return list(ledger.rows())


def _columns_fitted(rows: list[Row]) -> list[Row]:
    return [msgspec.structs.replace(row, hash=digest(row.body)) for row in rows]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_flipped_byte_of_any_body_is_found_and_named(rows: list[Row], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(rows) - 1))
    body = bytearray(rows[number].body)
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    changed = [msgspec.structs.replace(row, body=bytes(body)) if row is rows[number] else row for row in rows]
    with pytest.raises(LedgerError, match=rf"record {number + 1} is (broken|missing)"):
        verify_rows(changed)
    with pytest.raises(LedgerError, match="record"):
        # A body and its columns changed alike are still not what was witnessed, or not what follows.
        verify_rows(_columns_fitted(changed), Head(len(rows), rows[-1].hash))


@pytest.mark.parametrize("column", ["index", "run", "kind", "at", "hash"])
def test_a_column_that_disagrees_with_its_body_is_found(rows: list[Row], column: str) -> None:
    value = 9 if column in ("index", "at") else "else"
    changed = [*rows[:2], msgspec.structs.replace(rows[2], **{column: value}), rows[3]]
    with pytest.raises(LedgerError, match=f"record 3 is broken: its column {column}"):
        verify_rows(changed)


def test_missing_reordered_doubled_and_foreign_records_are_named(rows: list[Row]) -> None:
    for changed, number in (
        ([rows[0], *rows[2:]], 2),
        (rows[1:], 1),
        ([rows[0], rows[2], rows[1], rows[3]], 2),
        ([*rows[:2], *rows[1:]], 3),
        ([*rows[:2], msgspec.structs.replace(rows[2], body=None), rows[3]], 3),
        ([*rows[:2], msgspec.structs.replace(rows[2], body="text"), rows[3]], 3),
    ):
        with pytest.raises(LedgerError, match=f"record {number} is"):
            verify_rows(changed)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_byte_changed_in_the_database_and_a_cut_tail_are_found(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        ledger = SqlLedger(path, clock=lambda: 1_700_000_000.25)
        head = ledger.append("a", [trial(str(number)) for number in range(5)])
        assert ledger.witness is not None
        witness = ledger.witness.read()
        assert verify_rows(ledger.rows(), witness) == head
        raw = sqlite3.connect(path)
        raw.execute("DROP TRIGGER records_update")
        raw.execute("DROP TRIGGER records_delete")
        number = data.draw(st.integers(1, 5))
        if data.draw(st.booleans()):
            raw.execute('DELETE FROM records WHERE "index" >= ?', (number,))
            pattern = f"record {number} is missing"
        else:
            (body,) = raw.execute('SELECT body FROM records WHERE "index" = ?', (number,)).fetchone()
            place = data.draw(st.integers(0, len(body) - 1))
            changed = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
            raw.execute('UPDATE records SET body = ? WHERE "index" = ?', (changed, number))
            pattern = f"record {number} is (broken|missing)"
        raw.commit()
        raw.close()
        with pytest.raises(LedgerError, match=pattern):
            verify_rows(ledger.rows(), witness)
        ledger.close()


def test_an_export_verifies_without_the_database(rows: list[Row]) -> None:
    lines = list(export(row.body for row in rows))
    assert verify_export(lines) == Head(len(rows), rows[-1].hash)
    assert verify_export(list(export(()))) == Head()


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_changed_byte_and_any_missing_or_moved_line_of_an_export_is_found(
    rows: list[Row], data: st.DataObject
) -> None:
    whole = b"".join(export(row.body for row in rows))
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    lines = whole.splitlines(keepends=True)
    first, second = data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True))
    swapped = list(lines)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    for changed in (
        flipped.splitlines(keepends=True),
        whole[:place].splitlines(keepends=True),
        lines[:first] + lines[first + 1 :],
        lines[: first + 1] + lines[first:],
        swapped,
    ):
        with pytest.raises(LedgerError):
            verify_export(changed)


def test_the_released_format_still_verifies_and_is_still_what_is_written() -> None:
    lines = GOLDEN.read_bytes().splitlines(keepends=True)
    assert verify_export(lines) == story().head()
    assert list(export(row.body for row in story().rows())) == lines
    kinds = {type(decode(line, Entry).record) for line in lines[:-1]}
    assert kinds == set(get_args(AnyRecord))
