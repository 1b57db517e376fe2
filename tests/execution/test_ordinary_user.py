"""Without any privilege the same protections hold, at tier T2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import msgspec
import pytest

import holdfast
from tests.execution.conftest import ROOT

NOBODY = 65_534
PATHS = [
    str(Path(holdfast.__file__).parents[1]),
    str(Path(__file__).parents[2]),
    str(Path(msgspec.__file__).parents[1]),
]
PROGRAM = """
    import json, sys, tempfile, time
    from pathlib import Path
    sys.path[:0] = json.loads(sys.argv[1])
    from tests.execution.conftest import Lab

    one = Lab(Path(tempfile.mkdtemp(dir=sys.argv[2])), interpreter=sys.executable, seconds=1.0)
    found = {"tier": one.executor.tier}
    for name, code in {
        "fine": "import time\\nwhile time.process_time() < 0.3: pass",
        "network": "import socket; socket.create_connection(('127.0.0.1', 1), 1)",
        "fork": "import os; os.fork()",
        "code": "open('x.py', 'a')",
        "memory": "x = bytearray(600_000_000)",
        "disk": "open('/trial/out/x', 'wb').write(bytes(20_000_000))",
        "link": "import os; os.symlink('/etc/passwd', '/trial/out/x')",
        "locked": "import os; os.mkdir('/trial/out/d'); open('/trial/out/d/f', 'w'); os.chmod('/trial/out/d', 0o444)",
        "endless": "while True: pass",
        "status": "print(open('/proc/self/status').read())",
    }.items():
        trial = one.run(code)
        found[name] = [trial.outcome, trial.detail[:100], trial.cpu_seconds]
        if name == "status":
            found["controls"] = trial.controls
            found["capabilities"] = [line for line in one.log(trial).splitlines() if line.startswith("CapEff")]
    one.executor.close()
    print(json.dumps(found))
"""


def usable(interpreter: str, place: str) -> bool:
    """Whether an ordinary user can run `interpreter` with what this test needs."""
    code = "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); import msgspec, holdfast, pytest"
    try:
        done = subprocess.run(
            [interpreter, "-B", "-c", code, json.dumps(PATHS)], user=NOBODY, cwd=place, capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def test_ordinary_user() -> None:
    with tempfile.TemporaryDirectory() as place:
        who: dict[str, int] = {}
        interpreters = [sys.executable]
        if ROOT:
            os.chown(place, NOBODY, NOBODY)
            who = {"user": NOBODY, "group": NOBODY}
            interpreters = [name for name in (sys.executable, "/usr/bin/python3") if usable(name, place)]
            if not interpreters:
                pytest.skip("no interpreter here that an ordinary user may run with these packages")
        command = [interpreters[0], "-B", "-c", textwrap.dedent(PROGRAM), json.dumps(PATHS), place]
        done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False, **who)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tier"] == "T2"
    assert found["fine"][0] == "ok"
    assert 0.25 < found["fine"][2] < 0.4
    assert "refused" in found["network"][1]
    assert "not permitted" in found["fork"][1]
    assert "Read-only" in found["code"][1]
    assert found["memory"][0] == found["disk"][0] == "crashed"
    assert found["link"][:2] == ["wrong", "x is not a regular file"]
    assert found["locked"][0] == "wrong"
    assert found["endless"][:2] == ["timeout", "CPU limit of 1 s"]
    assert found["capabilities"] == ["CapEff:\t0000000000000000"]
    assert found["controls"]["cpu_charge"] == found["controls"]["seccomp"] == "enforced"
