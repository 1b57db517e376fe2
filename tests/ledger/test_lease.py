from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.core.errors import LedgerError
from holdfast.ledger.lease import Lease

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
