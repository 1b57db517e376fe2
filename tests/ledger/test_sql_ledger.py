from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.chain import Head
from holdfast.core.errors import LedgerError
from holdfast.core.records import AgentSpent
from holdfast.ledger.memory import MemoryLedger
from holdfast.ledger.store import SqlLedger
from holdfast.ledger.verify import verify_rows
from tests.ledger.samples import trial

WRITER = """
import sys
from pathlib import Path
from holdfast.core.records import AgentSpent
from holdfast.ledger.store import SqlLedger
store = SqlLedger(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    store.append(sys.argv[2], [AgentSpent(sys.argv[2], str(number)), AgentSpent(sys.argv[2], "-")])
    print(number, flush=True)
"""


def writer(path: Path, run: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), run, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_sql_and_memory_keep_the_same_chain(ledger: SqlLedger) -> None:
    ticks = iter(range(100))
    memory = MemoryLedger(clock=lambda: 1_700_000_000 + next(ticks) / 4)
    for store in (ledger, memory):
        store.append("a", [trial("x"), trial("y", score=1)])
        store.append("b", [trial("z")])
        store.append("a", [])
    assert ledger.head() == memory.head()
    assert list(ledger.rows()) == list(memory.rows())
    for run, after in ((None, 0), ("a", 0), ("a", 1), ("b", 2), ("b", 3), ("c", 0)):
        assert list(ledger.entries(run, after)) == list(memory.entries(run, after))
    assert [entry.record.id for entry in ledger.entries("a")] == ["x", "y"]  # type: ignore[union-attr]


def test_a_whole_number_in_a_float_field_still_verifies(ledger: SqlLedger) -> None:
    ledger.append("a", [trial(score=3, values={"loss": 2})])
    assert verify_rows(ledger.rows()) == ledger.head()


@pytest.mark.parametrize(
    "bad", [{"score": float("nan")}, {"detail": "\ud800"}, {"outcome": "great"}, {"values": {"loss": "low"}}]
)
def test_a_bad_value_is_refused_and_nothing_of_its_batch_is_written(ledger: SqlLedger, bad: dict[str, object]) -> None:
    head = ledger.append("a", [trial()])
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.append("a", [trial("fine"), trial(**bad)])  # type: ignore[arg-type]
    assert ledger.head() == head
    assert len(list(ledger.entries())) == 1


def test_entries_go_on_past_a_page_and_see_what_is_appended_meanwhile(ledger: SqlLedger) -> None:
    ledger.append("a", [AgentSpent("s", str(number)) for number in range(1500)])
    seen = 0
    for entry in ledger.entries("a"):
        seen += 1
        if entry.index == 5:
            ledger.append("a", [AgentSpent("late", "x")])
    assert seen == 1501


def test_two_processes_keep_one_chain(path: Path) -> None:
    writers = [writer(path, run, 60) for run in ("a", "b")]
    for process in writers:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    store = SqlLedger(path)
    assert store.witness is not None
    head = verify_rows(store.rows(), store.witness.read())
    assert head.index == 240
    for run in "ab":
        texts = [entry.record.trunk for entry in store.entries(run)]  # type: ignore[union-attr]
        assert texts == [text for number in range(60) for text in (str(number), "-")]
    store.close()


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011])
def test_kill_leaves_a_whole_chain_with_everything_acknowledged(path: Path, delay: float) -> None:
    process = writer(path, "a", 100_000)
    assert process.stdout is not None
    assert process.stderr is not None
    acknowledged = -1
    while acknowledged < 20:
        acknowledged = int(process.stdout.readline())
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    acknowledged = int(rest[-1]) if rest else acknowledged
    store = SqlLedger(path)
    assert store.witness is not None
    head = verify_rows(store.rows(), store.witness.read())
    assert head.index % 2 == 0
    assert head.index >= 2 * (acknowledged + 1)
    assert store.append("a", [trial()]).index == head.index + 1
    store.close()


def test_no_space_is_a_clear_error_and_loses_nothing(path: Path) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    program = WRITER.replace("store.append", "head = store.append").replace(
        "print(number, flush=True)", "print(head.index, flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), "a", "100000"],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "LedgerError: no space is left for the ledger" in done.stderr
    assert "hint: nothing recorded was lost; free space and run `holdfast run --resume`" in done.stderr
    store = SqlLedger(path)
    assert verify_rows(store.rows()).index == int(done.stdout.split()[-1])
    store.append("a", [trial()])
    store.close()


def test_records_are_never_changed_or_deleted(ledger: SqlLedger, path: Path) -> None:
    ledger.append("a", [trial()])
    with sqlite3.connect(path) as raw:
        for statement in ("UPDATE records SET at = 0", "DELETE FROM records"):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                raw.execute(statement)
    raw.close()


def test_a_ledger_of_a_newer_version_is_refused_unchanged(ledger: SqlLedger, path: Path) -> None:
    ledger.append("a", [trial()])
    ledger.close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 2")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"newer Holdfast[^$]*hint: upgrade"):
        SqlLedger(path)
    assert path.read_bytes() == before


def test_a_record_of_an_unknown_kind_asks_for_an_upgrade(ledger: SqlLedger, path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO records VALUES (1, 'a', 'trial/2', 0, '', '{}')")
    raw.close()
    with pytest.raises(LedgerError, match=r"trial/2[^$]*upgrade"):
        list(ledger.entries())


@pytest.mark.parametrize("content", [b"this is not a database, but it is long enough to look" * 40, b"x"])
def test_a_file_that_is_no_database_is_refused_unchanged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerError):
        SqlLedger(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE mine (x)")
    raw.commit()
    raw.close()
    with pytest.raises(LedgerError, match="another program"):
        SqlLedger(path)


def test_no_ledger_is_made_where_one_was_to_be_read(path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        SqlLedger(path, create=False)
    assert not path.exists()
    with pytest.raises(LedgerError, match="cannot be opened"):
        SqlLedger(path.parent / "missing" / "ledger.db")


@pytest.mark.parametrize("url", ["mongodb://x/y", "not a url"])
def test_an_unknown_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="sqlite"):
        SqlLedger(url)


def test_a_lagging_witness_is_fine_and_a_leading_one_is_not(ledger: SqlLedger) -> None:
    first = ledger.append("a", [trial()])
    head = ledger.append("a", [trial(), trial()])
    assert ledger.witness is not None
    assert ledger.witness.read() == head
    assert verify_rows(ledger.rows(), first) == head
    with pytest.raises(LedgerError, match="record 4 is missing"):
        verify_rows(ledger.rows(), Head(5, "0" * 64))
    with pytest.raises(LedgerError, match="record 1 is broken"):
        verify_rows(ledger.rows(), Head(1, "0" * 64))
    ledger.witness.path.write_text("rubbish")
    with pytest.raises(LedgerError, match="witness"):
        ledger.witness.read()


def test_a_ledger_that_lost_its_tail_is_read_but_never_continued(ledger: SqlLedger, path: Path) -> None:
    ledger.append("a", [trial("x"), trial("y")])
    ledger.close()
    path.unlink()
    for journal in path.parent.glob("ledger.db-*"):
        journal.unlink()
    emptied = SqlLedger(path)
    assert list(emptied.entries()) == []
    with pytest.raises(LedgerError, match="ends at record 0, and once reached 2"):
        emptied.append("a", [trial("x")])
    emptied.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of two runs with 15 records each, closed."""
    path = tmp_path_factory.mktemp("whole") / "ledger.db"
    store = SqlLedger(path, clock=lambda: 1_700_000_000.25)
    for number in range(30):
        store.append("ab"[number % 2], [trial(str(number))])
    store.close()
    return path


def index_page(path: Path) -> int:
    """Where in the file the page of `records_of_run` begins."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        (page,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records_of_run'").fetchone()
    return int(page - 1) * 4096


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_bit_flipped_in_schema_or_index_never_hides_a_record(whole: Path, data: st.DataObject) -> None:
    page = data.draw(st.sampled_from([0, index_page(whole)]))
    place = page + data.draw(st.integers(0, 4095))
    flipped = bytearray(whole.read_bytes())
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        path.write_bytes(flipped)
        with contextlib.suppress(LedgerError), contextlib.closing(SqlLedger(path, create=False)) as store:
            store.check()
            assert verify_rows(store.rows()).index == 30
            assert [len(list(store.entries(run))) for run in "ab"] == [15, 15]


def test_an_index_that_lost_a_run_is_found(whole: Path, path: Path) -> None:
    page = index_page(whole)
    content = whole.read_bytes()
    at = content.index(b"a", page + 3000)
    path.write_bytes(content[:at] + b"q" + content[at + 1 :])
    with contextlib.closing(SqlLedger(path)) as store:
        assert verify_rows(store.rows()).index == 30
        assert len(list(store.entries("a"))) < 15
        with pytest.raises(LedgerError, match=r"damaged \(row \d+ missing from index records_of_run\)"):
            store.check()


def test_a_schema_that_is_no_text_is_a_clear_error(whole: Path, path: Path) -> None:
    content = whole.read_bytes()
    at = content.index(b"records_of_run")
    for offset in range(14):
        path.write_bytes(content[: at + offset] + b"\xd4" + content[at + offset + 1 :])
        with contextlib.suppress(LedgerError), contextlib.closing(SqlLedger(path, create=False)) as store:
            store.check()
            list(store.rows())


@pytest.mark.parametrize("index", [-1, 0])
def test_a_record_before_the_first_is_seen(ledger: SqlLedger, path: Path, index: int) -> None:
    ledger.append("a", [trial()])
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("INSERT INTO records VALUES (?, 'a', 'trial/1', 0, '', '{}')", (index,))
        raw.commit()
    with pytest.raises(LedgerError, match="record 1 is broken"):
        verify_rows(ledger.rows())
