from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.core.errors import LedgerError
from holdfast.ledger.lease import Lease, held

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from holdfast.ledger.lease import Lease
lease = Lease(Path(sys.argv[1]), "tinylm")
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_refused_by_name_until_the_first_lets_go(tmp_path: Path) -> None:
    with Lease(tmp_path, "tinylm"):
        with pytest.raises(LedgerError, match=f"already being run .* by process {os.getpid()} since 20"):
            Lease(tmp_path, "tinylm")
        Lease(tmp_path, "noise").close()
        Lease(tmp_path / "other", "tinylm").close()
    Lease(tmp_path, "tinylm").close()


def test_a_dead_holder_holds_nothing_even_if_its_children_live(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(LedgerError, match=f"process {holder.pid}"):
            Lease(tmp_path, "tinylm")
        holder.kill()
        holder.wait()
        Lease(tmp_path, "tinylm").close()
    finally:
        holder.stdout.close()
        os.kill(child, 9)


def test_a_home_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("a file")
    with pytest.raises(LedgerError, match="cannot be written"):
        Lease(tmp_path, "tinylm")


GLANCER = """
import sys
from pathlib import Path
from holdfast.ledger.lease import held
print("ready", flush=True)
while True:
    held(Path(sys.argv[1]), "tinylm")
"""


def test_a_glance_tells_who_holds_and_writes_nothing(tmp_path: Path) -> None:
    assert not held(tmp_path, "tinylm")
    assert list(tmp_path.iterdir()) == []
    with Lease(tmp_path, "tinylm"):
        written = (tmp_path / "leases" / "tinylm.lock").read_text()
        assert held(tmp_path, "tinylm")
        assert held(tmp_path, "tinylm")
        assert not held(tmp_path, "noise")
    assert not held(tmp_path, "tinylm")
    assert (tmp_path / "leases" / "tinylm.lock").read_text() == written


def test_no_glance_ever_makes_a_run_refuse(tmp_path: Path) -> None:
    Lease(tmp_path, "tinylm").close()
    glancer = subprocess.Popen([sys.executable, "-c", GLANCER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert glancer.stdout is not None
    try:
        assert glancer.stdout.readline() == "ready\n"
        for _ in range(3000):
            Lease(tmp_path, "tinylm").close()
    finally:
        glancer.kill()
        glancer.communicate()
